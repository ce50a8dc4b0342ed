package commitlog

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"lodge/log/vfs"
)

// Space ahead of the writer
//
// A file that grows makes every fdatasync write metadata too. So the writer is kept in space that was filled with zeros
// and synced before (allocated but unwritten extents would not do). A partition that is used little keeps little of it.
const (
	zeroAheadMin = 256 << 10 // the least space that is made
	zeroAheadMax = 16 << 20  // the most
	zeroStep     = 1 << 20   // written and synced at once: more would wait in the writer's own sync, less costs a metadata commit each
	zeroWrite    = 64 << 10  // written at once, so that the writer never waits long for the file
)

var zeros [zeroWrite]byte

// zeroer keeps the writer and Preallocate out of each other's bytes.
type zeroer struct {
	one  sync.Mutex   // held by Preallocate: one at a time
	mu   sync.Mutex   // held while zeros are written; locked while Log.mu is held, never the other way round
	from atomic.Int64 // zeros are being written from here on; noZeros: not. Set under Log.mu
}

const noZeros = math.MaxInt64

// avoid returns when the bytes below end are not being overwritten with zeros. Log.mu must be held.
func (z *zeroer) avoid(end int64) {
	if end > z.from.Load() {
		z.wait()
	}
}

// wait returns when no zeros are being written. Log.mu must be held, so none will be.
func (z *zeroer) wait() {
	z.mu.Lock()
	z.from.Store(noZeros)
	z.mu.Unlock()
}

// WantsSpace reports whether Preallocate has something to do.
func (l *Log) WantsSpace() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, to := l.wantedSpace()
	return from < to
}

// wantedSpace returns the bytes of the active file that should become zeros.
func (l *Log) wantedSpace() (from, to int64) {
	size := l.active.size.Load()
	if !l.opts.Zero || l.failed != nil || size == 0 {
		return 0, 0
	}
	ahead := min(max(size, zeroAheadMin), zeroAheadMax)
	if l.fileSize-size > ahead/2 {
		return 0, 0
	}
	return max(l.fileSize, size), min(size+ahead, l.Config().SegmentBytes)
}

// Preallocate fills the active file ahead of the writer with zeros and syncs them, if Options.Zero is set and there is too
// little space left. The space grows with the segment, from 256 KiB to 16 MiB. It is for the background: it
// runs beside the writer, who waits at most for one write of 64 KiB, and only on arriving where it is being written.
//
// A failed write (a full disk) is harmless and returned; a failed sync poisons the Log.
func (l *Log) Preallocate() error {
	l.zero.one.Lock()
	defer l.zero.one.Unlock()
	l.mu.Lock()
	_, to := l.wantedSpace()
	s := l.active
	l.mu.Unlock()
	if to == 0 {
		return nil
	}
	file, err := l.fs.OpenReadWrite(s.path) // its own descriptor: see syncByName
	if err != nil {
		return fmt.Errorf("preallocate %s: %w", l.tp, err)
	}
	defer file.Close()
	for more := true; more && err == nil; {
		more, err = l.zeroStep(s, file, to)
	}
	return err
}

// zeroStep fills the next bytes of s below to. more is false when there are none or s is no longer active.
func (l *Log) zeroStep(s *segment, file vfs.File, to int64) (more bool, err error) {
	for written := 0; written < zeroStep; written += zeroWrite {
		more, err = l.zeroWrite(s, file, to)
		if err != nil {
			return false, fmt.Errorf("preallocate %s: %w", s.path, err)
		}
		if !more {
			break
		}
	}
	if err = file.SyncData(); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return false, l.poison("preallocate", fmt.Errorf("sync %s: %w", s.path, err))
	}
	return more, nil
}

func (l *Log) zeroWrite(s *segment, file vfs.File, to int64) (more bool, err error) {
	l.mu.Lock()
	from := max(l.fileSize, s.size.Load())
	n := min(to-from, zeroWrite)
	if l.active != s || l.failed != nil || n <= 0 {
		l.mu.Unlock()
		return false, nil
	}
	l.zero.from.Store(from)
	l.fileSize = from + n
	l.zero.mu.Lock()
	l.mu.Unlock()

	_, err = file.WriteAt(zeros[:n], from)
	l.zero.mu.Unlock()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.zero.from.Store(noZeros)
	return err == nil, err
}
