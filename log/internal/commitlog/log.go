package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

// Log is one partition on disk. Append, Sync, Checkpoint and Close are the writer's, who is one at a time; all other
// methods may be called at any time by anybody.
type Log struct {
	dir    string
	tp     log.TopicPartition
	fs     vfs.FS
	opts   Options
	logger *slog.Logger
	stated bool // the caller makes its state again from blob and batches

	files    files
	segments atomic.Pointer[[]*segment] // ascending, never empty, the last one active. Replaced under mu; never changed in place
	next     atomic.Int64               // offset behind the last batch written. Stored after the segment's size
	config   atomic.Pointer[log.TopicConfig]

	// mu guards what follows and is held by the writer across its I/O. Readers never take it.
	mu       sync.Mutex
	failed   error      // why there are no more appends; set once
	active   *segment   // the last of segments
	file     vfs.File   // of active, for writing
	fileSize int64      // of file, at most; beyond active.size there are zeros
	found    bool       // file was there at Open: whether its length is durable nobody knows
	durable  log.Offset // everything below is on disk
	unsynced []*segment // full segments that are not known to be on disk, ascending; their files are pinned
	since    int64      // when active was begun, milliseconds
	saved    checkpoint // the last one written, or what it would have been
	plan     []planned  // of the group being appended; memory to use again
	marks    []uint32   // likewise

	expected expecting
	unsure   bool // the checkpoint on disk may speak of a swap that was given up

	start    atomic.Int64 // nothing below is readable, even when the first segment holds it; see start.go
	starts   startFile
	cleaning sync.Mutex // held by Clean

	zero zeroer
}

// NextOffset returns the offset of the next record to be appended.
func (l *Log) NextOffset() log.Offset { return log.Offset(l.next.Load()) }

// StartOffset returns the offset of the first record that is kept.
func (l *Log) StartOffset() log.Offset {
	return max(log.Offset(l.start.Load()), (*l.segments.Load())[0].base)
}

// Segments returns the number of segments.
func (l *Log) Segments() int { return len(*l.segments.Load()) }

// Bytes returns the bytes of all batches, without preallocated space.
func (l *Log) Bytes() int64 {
	var n int64
	for _, s := range *l.segments.Load() {
		n += s.size.Load()
	}
	return n
}

// Durable returns the offset below which everything is known to be on disk.
func (l *Log) Durable() log.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

func (l *Log) op(what string) string { return what + " " + l.tp.String() }

// poison refuses all appends and syncs from now on, since nobody knows what is on disk. mu must be held.
func (l *Log) poison(what string, cause error) error {
	if l.failed == nil {
		l.failed = log.NewError(log.Poisoned, l.op(what), "no more appends until the log is opened anew: %w", cause)
	}
	return l.failed
}

// Sync makes all that was appended durable. It makes no system call when it is. After an error the Log is poisoned: this sync is not
// tried again, and all later Append, Sync and Checkpoint calls return the error, code Poisoned.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	return l.sync()
}

func (l *Log) sync() error {
	next := l.NextOffset()
	if l.durable == next {
		return nil
	}
	sealed := len(l.unsynced) > 0
	for len(l.unsynced) > 0 {
		if err := l.syncOldest(); err != nil {
			return err
		}
	}
	if err := l.file.SyncData(); err != nil {
		return l.poison("sync", fmt.Errorf("sync %s: %w", l.active.path, err))
	}
	l.durable = next
	if sealed {
		return l.saveOrPoison()
	}
	return nil
}

// syncOldest makes the oldest full segment durable that is not.
func (l *Log) syncOldest() error {
	s := l.unsynced[0]
	if err := s.file.SyncData(); err != nil { // pinned: s.file does not change
		return l.poison("sync", fmt.Errorf("sync %s: %w", s.path, err))
	}
	l.synced(s)
	return nil
}

// synced takes the oldest unsynced segment off the list.
func (l *Log) synced(s *segment) {
	l.unsynced = l.unsynced[1:]
	l.durable = l.endOf(s)
	l.files.release(s)
}

// endOf returns the offset behind a full segment. mu must be held.
func (l *Log) endOf(s *segment) log.Offset {
	list := *l.segments.Load()
	for i := len(list) - 2; i >= 0; i-- {
		if list[i] == s {
			return list[i+1].base
		}
	}
	return l.NextOffset()
}

// SyncFull makes full segments durable that the durability left in the page cache, without keeping
// the writer waiting: for durability interval and none it may be called at any time in the background. It
// returns the number of segments that it synced.
func (l *Log) SyncFull() (int, error) {
	for n := 0; ; n++ {
		s, err := l.oldestUnsynced()
		if s == nil || err != nil {
			return n, err
		}
		err = syncByName(l.fs, s.path)
		if err = l.syncedFull(s, err); err != nil {
			return n, err
		}
	}
}

func (l *Log) oldestUnsynced() (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil || len(l.unsynced) == 0 {
		return nil, l.failed
	}
	return l.unsynced[0], nil
}

// syncByName syncs a file through a descriptor of its own: were it shared with the writer, the kernel would tell
// only one of the two of a failed write.
func syncByName(fsys vfs.FS, name string) error {
	file, err := fsys.OpenReadWrite(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.SyncData()
}

func (l *Log) syncedFull(s *segment, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	faster := len(l.unsynced) == 0 || l.unsynced[0] != s // the writer was, or retention, which may have removed the file
	if faster && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return nil
	}
	if err != nil {
		return l.poison("sync", fmt.Errorf("sync %s: %w", s.path, err))
	}
	l.synced(s)
	return l.saveOrPoison()
}

// Checkpoint makes everything appended durable and then writes, atomically, the partition's checkpoint file:
// how far the log is durable, and blob, which describes the caller's state (of idempotent producers)
// after every batch appended so far and none besides. At the next Open restore gets the blob and replay the
// headers of the batches appended since. A nil blob keeps the last one, and its place.
func (l *Log) Checkpoint(blob []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.sync(); err != nil {
		return err
	}
	if blob != nil {
		l.saved.blob, l.saved.blobAt = blob, l.durable
	}
	if err := l.save(); err != nil {
		return fmt.Errorf("checkpoint %s: %w", l.tp, err)
	}
	return nil
}

// save writes the checkpoint as of now. A failure leaves the last one in place. mu must be held.
func (l *Log) save() error { return l.saveList(*l.segments.Load()) }

// saveList is save for a log that consists of these segments.
func (l *Log) saveList(list []*segment) error {
	c := l.saved
	c.tp, c.first, c.durable, c.since = l.tp, list[0].base, l.durable, l.since
	c.start = max(c.first, log.Offset(l.start.Load()))
	c.blobAt, c.clean = max(c.blobAt, c.first), max(c.clean, c.first)
	c.full = nil
	c.open = list[0].base
	for i, s := range list[:len(list)-1] {
		if c.open = s.base; list[i+1].base > l.durable {
			break
		}
		c.open = list[i+1].base
		c.full = append(c.full, extent{base: s.base, bytes: s.size.Load(), maxTime: s.maxTime()})
	}
	if err := c.write(l.fs, l.dir); err != nil {
		return err
	}
	l.saved = c
	return nil
}

func (l *Log) saveOrPoison() error {
	if err := l.save(); err != nil {
		return l.poison("checkpoint", err)
	}
	return nil
}

// Close makes everything durable, cuts preallocated space off, writes a checkpoint with blob as Checkpoint does,
// and closes the files. A poisoned Log writes nothing and returns why it was poisoned. No method may be running
// or be called later; Append and Sync answer with code Closed.
func (l *Log) Close(blob []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failed
	if err == nil {
		if err = l.finish(blob); l.failed == nil {
			l.failed = log.NewError(log.Closed, l.op("append"), "the log is closed")
		}
	} else if log.CodeOf(err) == log.Closed {
		return nil
	}
	for _, s := range *l.segments.Load() {
		l.opts.Tags.drop(s)
	}
	if closeErr := errors.Join(l.files.closeAll(), l.starts.close()); err == nil && closeErr != nil {
		err = fmt.Errorf("close %s: %w", l.tp, closeErr)
	}
	return err
}

func (l *Log) finish(blob []byte) error {
	if err := l.sync(); err != nil {
		return err
	}
	if err := l.trim(); err != nil {
		return l.poison("close", err)
	}
	if blob != nil {
		l.saved.blob, l.saved.blobAt = blob, l.durable
	}
	if err := l.save(); err != nil {
		return fmt.Errorf("close %s: checkpoint: %w", l.tp, err)
	}
	if l.active.size.Load() >= tagsLeftMin {
		l.writeTags(l.active)
	}
	return nil
}

// trim cuts the active file to its batches, durably.
func (l *Log) trim() error {
	l.zero.wait()
	size := l.active.size.Load()
	if l.fileSize == size {
		return nil
	}
	if err := l.file.Truncate(size); err != nil {
		return fmt.Errorf("cut %s to %d bytes: %w", l.active.path, size, err)
	}
	if err := l.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", l.active.path, err)
	}
	l.fileSize = size
	return nil
}

const maxOffsetsOfSegment = math.MaxInt32
