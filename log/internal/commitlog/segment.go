package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

// The ends of file names. A segment's name is its base offset in 20 digits.
const (
	logSuffix   = ".log"
	indexSuffix = ".index"
	timeSuffix  = ".timeindex"
	tagSuffix   = ".tagindex"
	cutSuffix   = ".cut"
)

func segmentName(base log.Offset, suffix string) string {
	return fmt.Sprintf("%020d%s", int64(base), suffix)
}

// indexSuffixes are the ends of the names of the disposable files beside a segment.
var indexSuffixes = [...]string{indexSuffix, timeSuffix, tagSuffix}

// parseSegmentName returns the base offset that a segment's name says.
func parseSegmentName(name string) (log.Offset, bool) {
	digits, ok := strings.CutSuffix(name, logSuffix)
	if !ok || len(digits) != 20 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	base, err := strconv.ParseInt(digits, 10, 64)
	return log.Offset(base), err == nil
}

// segment is one file of consecutive batches. Only the last one of a log, the active one, grows.
type segment struct {
	base log.Offset
	path string       // of the .log file
	size atomic.Int64 // bytes of batches; the file may be longer, then zeros follow

	loading  sync.Mutex // held while the index is read from files, locked before mu: the writer, who needs mu, does not wait for it
	mu       sync.RWMutex
	index    *index // complete up to size; nil: not loaded yet. Guarded by mu. Of the active one never nil
	youngest int64  // of a full segment: the youngest timestamp, milliseconds. Guarded by mu

	tags atomic.Pointer[tagIndex] // nil: not in memory. Changed by TagCache
	cold atomic.Bool              // known to be offloaded

	handle // owned by files
}

// handle is the open file of a segment.
type handle struct {
	file vfs.File

	moves int    // how often the file has been moved
	refs  int    // users; the file may be closed at 0
	used  uint64 // when it was last acquired, for choosing whom to close
	gone  bool   // removed from the log: close at refs 0
	old   bool   // the file is elsewhere by now: close at refs 0, to be opened there
}

func newSegment(dir string, base log.Offset) *segment {
	return &segment{base: base, path: path.Join(dir, segmentName(base, logSuffix))}
}

func (s *segment) sibling(suffix string) string {
	return strings.TrimSuffix(s.path, logSuffix) + suffix
}

func (s *segment) name() string { return path.Base(s.path) }

// maxTime returns the youngest timestamp in the segment, in milliseconds, or noTime.
func (s *segment) maxTime() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.index != nil {
		return s.index.maxTime
	}
	return s.youngest
}

// openSegmentsMax bounds the files of full segments that a Log keeps open between reads.
const openSegmentsMax = 32

// files opens segments' files when they are first read and closes the least recently used ones.
type files struct {
	fs    vfs.FS
	mu    sync.Mutex
	clock uint64
	open  []*segment // with a file
}

// acquire returns the file of s, to be released. Concurrent reads share it. A segment that was removed from the log or replaced has none.
func (f *files) acquire(s *segment) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.gone {
		return nil, fmt.Errorf("open %s: %w", s.path, fs.ErrNotExist)
	}
	if s.file == nil {
		file, err := f.fs.Open(s.path)
		if err != nil {
			return nil, err
		}
		f.put(s, file)
	}
	f.clock++
	s.refs, s.used = s.refs+1, f.clock
	return s.file, nil
}

// acquireBeside is acquire of a file that nobody else waits for while it is opened. Whoever replaces s has opened the old file before the name is another's,
// so what is opened here by the name counts only where s has none.
func (f *files) acquireBeside(s *segment) (vfs.File, error) {
	f.mu.Lock()
	moves := s.moves
	f.mu.Unlock()
	file, err := f.fs.Open(s.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil && (s.file != nil || s.gone):
		_ = file.Close() // it was only opened
	case err == nil:
		f.put(s, file)
		s.old = s.moves != moves
	}
	switch {
	case s.file != nil:
		f.clock++
		s.refs, s.used = s.refs+1, f.clock
		return s.file, nil
	case err == nil:
		err = fmt.Errorf("open %s: %w", s.path, fs.ErrNotExist)
	}
	return nil, err
}

// pin gives s an open file that stays open until it is released.
func (f *files) pin(s *segment, file vfs.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(s, file)
	s.refs++
}

func (f *files) put(s *segment, file vfs.File) {
	s.file = file
	f.open = append(f.open, s)
	for len(f.open) > openSegmentsMax && f.closeOldest(s) {
	}
}

// closeOldest closes a file that nobody uses, if there is one.
func (f *files) closeOldest(except *segment) bool {
	oldest := -1
	for i, s := range f.open {
		if s != except && s.refs == 0 && (oldest < 0 || s.used < f.open[oldest].used) {
			oldest = i
		}
	}
	if oldest >= 0 {
		s := f.open[oldest]
		_ = f.close(s) // it was only read, or is synced
		s.mu.Lock()
		s.index = nil // loaded again when it is needed
		s.mu.Unlock()
	}
	return oldest >= 0
}

func (f *files) close(s *segment) error {
	for i, open := range f.open {
		if open == s {
			f.open = append(f.open[:i], f.open[i+1:]...)
			break
		}
	}
	err := s.file.Close()
	s.file, s.old = nil, false
	return err
}

// release ends one use of the file of s.
func (f *files) release(s *segment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.refs--
	if s.refs == 0 && (s.gone || s.old) {
		_ = f.close(s) // it was only read, or is synced
	}
}

// drop closes the file of s, now or when its last reader is done.
func (f *files) drop(s *segment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.gone = true
	if s.file != nil && s.refs == 0 {
		_ = f.close(s) // it was only read, or is synced
	}
}

// moved has the file of s opened anew, where it is now; its readers go on in the old one.
func (f *files) moved(s *segment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.moves++
	switch {
	case s.file == nil:
	case s.refs == 0:
		_ = f.close(s) // it was only read
	default:
		s.old = true
	}
}

// dropped reports whether s is no longer part of the log.
func (f *files) dropped(s *segment) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.gone
}

// closeAll closes every file, used or not.
func (f *files) closeAll() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for len(f.open) > 0 {
		err = errors.Join(err, f.close(f.open[0]))
	}
	return err
}
