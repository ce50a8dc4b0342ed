package commitlog

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

const remedy = "nothing was changed; `lodge log verify` shows the damage, `lodge log repair` mends it"

// Open opens the partition in dir, which is made if need be, and recovers it as the package comment says. restore gets the blob
// of the last checkpoint, if it has one; then replay gets the headers of the batches behind that, in order. Either may be nil.
// Open starts no goroutine.
//
// Errors: Corrupt when something durable is damaged or missing (nothing was changed then), UnsupportedFormat, and what the
// file system, restore and replay return.
func Open(dir string, tp log.TopicPartition, opts Options, replay func(record.Header) error, restore func([]byte) error) (*Log, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{dir: dir, tp: tp, fs: opts.FS, opts: opts, logger: opts.Logger, stated: replay != nil, files: files{fs: opts.FS}}
	l.config.Store(&opts.Config)
	l.zero.from.Store(noZeros)
	r := recovery{Log: l, replay: replay, fileSizes: map[*segment]int64{}}
	if err := r.run(restore); err != nil {
		_ = l.files.closeAll() // err says more
		if log.CodeOf(err) == log.Corrupt {
			return nil, err
		}
		return nil, fmt.Errorf("open %s: %w", tp, err)
	}
	return l, nil
}

// recovery finds the end of a log.
type recovery struct {
	*Log
	replay  func(record.Header) error
	saved   *checkpoint // nil: there is none
	list    []*segment
	first   int  // segment that was walked
	unsure  spot // of the first batch that may not be durable: behind the checkpoint and at the last barrier or later
	end     spot // of the log
	damage  error
	changed bool // something is not as a clean close leaves it

	fileSizes map[*segment]int64 // of those walked; segment.size is then what is whole of it
}

// spot is a place in the log: in the i-th segment of the list.
type spot struct {
	i      int
	pos    int64
	offset log.Offset
}

func (r *recovery) run(restore func([]byte) error) error {
	if err := vfs.MkdirAllSynced(r.fs, r.dir); err != nil {
		return err
	}
	if err := r.readCheckpoint(restore); err != nil {
		return err
	}
	if err := r.readStart(); err != nil {
		return err
	}
	if err := r.finishSwap(); err != nil {
		return err
	}
	if err := r.findSegments(); err != nil {
		return err
	}
	if len(r.list) == 0 {
		if r.start.Load() > 0 {
			return r.missing(log.Offset(r.start.Load()))
		}
		return r.begin(0)
	}
	if err := r.walk(); err != nil {
		return err
	}
	if err := r.judge(); err != nil {
		return err
	}
	return r.mend()
}

func (r *recovery) readCheckpoint(restore func([]byte) error) error {
	saved, err := readCheckpoint(r.fs, r.dir)
	if log.CodeOf(err) == log.Corrupt {
		return r.refuse("%s: %s", path.Join(r.dir, checkpointName), textOf(err))
	}
	if saved == nil || err != nil {
		return err
	}
	if saved.tp != r.tp {
		return r.refuse("%s belongs to %s", path.Join(r.dir, checkpointName), saved.tp)
	}
	r.saved, r.Log.saved, r.since = saved, *saved, saved.since
	if restore != nil && len(saved.blob) > 0 {
		return restore(saved.blob)
	}
	return nil
}

// textOf returns what an error says, without operation and code where it is part of another that has them.
func textOf(err error) string {
	var e *log.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}

// refuse returns the error for damage that recovery must not touch.
func (r *recovery) refuse(format string, args ...any) error {
	return log.NewError(log.Corrupt, r.op("open"), format+"; "+remedy, args...)
}

// findSegments lists the segments, removes what a crash left behind that is none, and checks that those are there that
// the checkpoint names.
func (r *recovery) findSegments() error {
	names, err := r.fs.List(r.dir)
	if err != nil {
		return err
	}
	var expired []*segment
	for _, name := range names {
		base, ok := parseSegmentName(name)
		switch {
		case strings.HasSuffix(name, vfs.TempSuffix), strings.HasSuffix(name, cleanedSuffix):
			if err := r.fs.Remove(path.Join(r.dir, name)); err != nil {
				return err
			}
		case ok && base < r.Log.saved.first:
			expired = append(expired, newSegment(r.dir, base))
		case ok:
			if err := r.addSegment(base); err != nil {
				return err
			}
		}
	}
	if err := r.removeExpired(expired); err != nil {
		return err
	}
	return r.checkExtents()
}

// removeExpired goes on where a crash ended retention. The checkpoint that says so may not be durable: the process may have been killed
// between its renaming and the sync of the folder.
func (r *recovery) removeExpired(expired []*segment) error {
	if len(expired) == 0 {
		return nil
	}
	if err := r.fs.SyncDir(r.dir); err != nil {
		return err
	}
	for _, s := range expired {
		if err := removeSegment(r.fs, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) addSegment(base log.Offset) error {
	s := newSegment(r.dir, base)
	info, err := r.fs.Stat(s.path)
	if err != nil {
		return err
	}
	s.size.Store(info.Size)
	r.list = append(r.list, s)
	return nil
}

func (r *recovery) checkExtents() error {
	if r.saved == nil {
		return nil
	}
	for i, e := range r.saved.full {
		if i >= len(r.list) || r.list[i].base != e.base {
			return r.missing(e.base)
		}
		if size := r.list[i].size.Load(); size != e.bytes {
			return r.refuse("segment %s has %d bytes, where %d were durable, from offset %d on", r.list[i].path, size, e.bytes, e.base)
		}
		r.list[i].youngest = e.maxTime
	}
	if n := len(r.saved.full); n >= len(r.list) || r.list[n].base != r.saved.open {
		return r.missing(r.saved.open)
	}
	return nil
}

func (r *recovery) missing(base log.Offset) error {
	return r.refuse("segment %s is missing, where offset %d was durable", path.Join(r.dir, segmentName(base, logSuffix)), base)
}

// walk verifies the segments behind the checkpoint and the last one, up to the end of the log or of what is whole of it.
func (r *recovery) walk() error {
	r.first = r.firstToWalk()
	r.end = spot{i: r.first, offset: r.list[r.first].base}
	r.unsure = r.end
	for i := r.first; i < len(r.list) && r.damage == nil; i++ {
		s := r.list[i]
		if s.base < r.end.offset { // no power loss does that
			return r.refuse("segment %s begins at offset %d, yet the one before goes on to %d", s.path, s.base, r.end.offset-1)
		}
		if s.base != r.end.offset {
			r.damage = log.NewError(log.Corrupt, "scan", "the segment of offset %d is missing, %s follows", r.end.offset, s.name())
			break
		}
		r.end = spot{i: i, offset: s.base}
		if err := r.walkSegment(s); err != nil {
			return err
		}
	}
	if r.end.offset <= r.Log.saved.durable {
		r.unsure = r.end
	}
	return nil
}

// firstToWalk returns the number of the segment from which on batches are verified: the one behind the full ones of the checkpoint, or, when
// there is somebody to replay to, the one where the blob was taken. Without a checkpoint it is the first of all.
func (r *recovery) firstToWalk() int {
	if r.saved == nil {
		return 0
	}
	first := len(r.saved.full)
	for r.replay != nil && first > 0 && r.list[first].base > r.saved.blobAt {
		first--
	}
	return first
}

func (r *recovery) walkSegment(s *segment) error {
	file, err := r.fs.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	s.index = newIndex(s.base)
	scan := scanner{file: file, size: s.size.Load(), next: s.base}
	r.fileSizes[s] = scan.size
	defer func() {
		s.size.Store(r.end.pos)
		s.youngest = s.index.maxTime
	}()
	for {
		pos := scan.pos
		h, _, err := scan.step()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if log.CodeOf(err) == log.Corrupt {
			r.damage = err
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		if err := r.visit(s, &h, pos); err != nil {
			return err
		}
		r.end.pos, r.end.offset = scan.pos, scan.next
	}
}

func (r *recovery) visit(s *segment, h *record.Header, pos int64) error {
	s.index.add(h.BaseOffset, h.MaxTimestamp, pos)
	if h.Attributes.Has(record.Barrier) || h.BaseOffset <= r.Log.saved.durable {
		r.unsure = r.end
	}
	if r.replay == nil || h.BaseOffset < r.Log.saved.blobAt {
		return nil
	}
	return r.replay(*h)
}

// judge tells damage from a torn tail: see the package comment.
func (r *recovery) judge() error {
	if r.end.offset < r.Log.saved.durable {
		return r.corrupt("offsets up to %d were durable when the last checkpoint was written", r.Log.saved.durable-1)
	}
	if start := log.Offset(r.start.Load()); r.end.offset < start {
		return r.corrupt("offsets up to %d were durable when the records below %d were deleted", start-1, start)
	}
	if r.damage == nil {
		return nil
	}
	for i := r.end.i; i < len(r.list); i++ {
		from := int64(0)
		if i == r.end.i {
			from = r.end.pos
		}
		h, at, err := r.findBarrier(r.list[i], from)
		if err != nil {
			return err
		}
		if at >= 0 {
			return r.corrupt("the batch at offset %d, %s byte %d, was written when it was durable", h.BaseOffset, r.list[i].name(), at)
		}
	}
	return nil
}

func (r *recovery) corrupt(format string, args ...any) error {
	reason := "the log ends here"
	if r.damage != nil {
		reason = textOf(r.damage)
	}
	return r.refuse("%s, byte %d, offset %d: %s; yet %s", r.list[r.end.i].path, r.end.pos, r.end.offset, reason, fmt.Sprintf(format, args...))
}

// findBarrier looks in the rest of a segment for a valid batch behind the damage that carries the barrier flag. at is -1 when there is none.
func (r *recovery) findBarrier(s *segment, from int64) (h record.Header, at int64, err error) {
	file, err := r.fs.Open(s.path)
	if err != nil {
		return h, -1, err
	}
	defer file.Close()
	size, err := file.Size() // s.size is what is whole of it
	if err != nil {
		return h, -1, err
	}
	scan := scanner{file: file, size: size, pos: from}
	for {
		h, ok, err := scan.seek(r.end.offset)
		if err != nil {
			return h, -1, fmt.Errorf("%s: %w", s.path, err)
		}
		if !ok {
			return h, -1, nil
		}
		if h.Attributes.Has(record.Barrier) {
			return h, scan.pos, nil
		}
		scan.pos += int64(h.Size())
	}
}
