package commitlog

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

// Where the log starts
//
// DeleteRecords moves the start to any offset. A checkpoint for each move would cost two syncs and as many bytes as the caller's blob; a queue that
// deletes what was acknowledged moves the start all the time. So the start has a file of its own, of constant size: two slots that are
// overwritten by turns, each with a checksum. A move is one write of 16 bytes and one fdatasync, and all that wait for one meanwhile are
// served by the next. A torn write leaves the other slot, with the start that was acknowledged before.
//
// The start is the greatest of what the slots and the checkpoint say. What Open reads from the file may be on no disk (a sync may have
// failed); it is believed, since it was asked for, and made durable by the checkpoint that Open writes then.

// The file "start"; integers are big endian, everything not named is zero:
//
//	   0  slot 0: 4 bytes "LDGs", uint32 CRC-32C of the 8 bytes below, int64 start
//	4096  slot 1: the same
//	8192  end
const (
	startName      = "start"
	startMagic     = "LDGs"
	startSlotBytes = 16
	startSlotEvery = 4096 // no two slots in one sector or page of the device
)

// startFile is the file and those who write it.
type startFile struct {
	wanted  atomic.Int64 // the greatest start that was asked for and may be written
	durable atomic.Int64 // a lower bound of Log.durable, that is read without its lock

	mu     sync.Mutex // held while the file is written. Locked before Log.mu
	file   vfs.File   // nil: not opened yet
	there  bool       // there is such a file
	slot   int        // to be written next: the one that does not hold the newest start
	closed bool
}

// DeleteRecords makes before the log's start, durably, unless it lies behind already. Records below are not readable from then on; their
// segments are removed by the next ApplyRetention. It may be called by anybody at any time, and before must be committed. Those who call at once
// share one sync. It makes before durable first, which with durability sync it is.
//
// Errors: OffsetOutOfRange when before is above NextOffset; Poisoned, Closed; what the file system says: the start is then what it was, but may
// be before when the log is opened again.
func (l *Log) DeleteRecords(before log.Offset) error {
	if before <= l.StartOffset() {
		return nil
	}
	if next := l.NextOffset(); before > next {
		return log.NewError(log.OffsetOutOfRange, l.op("delete records of"), "offset %d is above the end %d", before, next)
	}
	if err := l.durableTo(before); err != nil {
		return err
	}
	raise(&l.starts.wanted, before)
	l.starts.mu.Lock()
	defer l.starts.mu.Unlock()
	if before <= l.StartOffset() { // whoever wrote last did it for us
		return nil
	}
	if l.starts.closed {
		return log.NewError(log.Closed, l.op("delete records of"), "the log is closed")
	}
	start := log.Offset(l.starts.wanted.Load())
	if err := l.writeStart(start); err != nil {
		return log.NewError(log.Unknown, l.op("delete records of"), "%w", err)
	}
	raise(&l.start, start)
	return nil
}

// raise makes v at least o.
func raise(v *atomic.Int64, o log.Offset) {
	for old := v.Load(); old < int64(o); old = v.Load() {
		if v.CompareAndSwap(old, int64(o)) {
			return
		}
	}
}

// durableTo makes everything below o durable.
func (l *Log) durableTo(o log.Offset) error {
	if int64(o) <= l.starts.durable.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.durable < o {
		if l.failed != nil {
			return l.failed
		}
		if err := l.sync(); err != nil {
			return err
		}
	}
	raise(&l.starts.durable, l.durable)
	return nil
}

// writeStart writes the next slot durably. After an error the same slot is written again: the other one holds what was acknowledged.
func (l *Log) writeStart(start log.Offset) error {
	s := &l.starts
	name := path.Join(l.dir, startName)
	if !s.there {
		image := make([]byte, 2*startSlotEvery)
		copy(image, encodeStart(start))
		if err := vfs.AtomicWriteFile(l.fs, name, image); err != nil {
			return err
		}
		s.there, s.slot = true, 1
		return nil
	}
	if s.file == nil {
		file, err := l.fs.OpenReadWrite(name)
		if err != nil {
			return err
		}
		s.file = file
	}
	if _, err := s.file.WriteAt(encodeStart(start), int64(s.slot)*startSlotEvery); err != nil {
		return err
	}
	if err := s.file.SyncData(); err != nil {
		return err
	}
	s.slot = 1 - s.slot
	return nil
}

func encodeStart(start log.Offset) []byte {
	b := append([]byte(startMagic), 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	binary.BigEndian.PutUint32(b[4:], crcOf(b[8:]))
	return b
}

// decodeStart returns the greatest start in the file's content and the slot to be written next. The error has code Corrupt.
func decodeStart(b []byte) (start log.Offset, slot int, err error) {
	start = log.NoOffset
	for i := range 2 {
		at := i * startSlotEvery
		if len(b) < at+startSlotBytes {
			break
		}
		s := b[at : at+startSlotBytes]
		if string(s[:4]) != startMagic || binary.BigEndian.Uint32(s[4:]) != crcOf(s[8:]) {
			continue
		}
		if o := log.Offset(binary.BigEndian.Uint64(s[8:])); o >= 0 && o > start {
			start, slot = o, 1-i
		}
	}
	if start == log.NoOffset {
		return 0, 0, log.NewError(log.Corrupt, "read start", "neither slot holds a start")
	}
	return start, slot, nil
}

// readStart returns what the file in dir says, or there false.
func readStart(fsys vfs.FS, dir string) (start log.Offset, slot int, there bool, err error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, startName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	start, slot, err = decodeStart(b)
	return start, slot, true, err
}

func (s *startFile) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// readStart finds out where the log starts.
func (r *recovery) readStart() error {
	start, slot, there, err := readStart(r.fs, r.dir)
	if log.CodeOf(err) == log.Corrupt {
		return r.refuse("%s: %s", path.Join(r.dir, startName), textOf(err))
	}
	if err != nil {
		return err
	}
	r.starts.there, r.starts.slot = there, slot
	r.Log.start.Store(int64(max(start, r.Log.saved.start)))
	return nil
}

// readStart finds out where the log starts.
func (in *inspector) readStart() error {
	start, _, _, err := readStart(in.fs, in.dir)
	if log.CodeOf(err) == log.Corrupt {
		in.damage(Damage{File: path.Join(in.dir, startName), Reason: textOf(err)})
		in.sure = len(in.Damages)
		err = nil
	}
	if in.saved != nil {
		start = max(start, in.saved.start)
	}
	in.start = start
	return err
}
