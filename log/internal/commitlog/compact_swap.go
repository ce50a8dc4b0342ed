package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"lodge/log"
	"lodge/log/vfs"
)

// swap says that the segments in [base, end) are replaced by one: <base>.cleaned, until that has the name <base>.log.
type swap struct{ base, end log.Offset }

// How segments are replaced
//
//	1  <base>.cleaned is written and synced, and the folder: its name is durable
//	2  the checkpoint is written: it names the new segment, with its size, instead of the old ones, and the swap. From here on it holds
//	3  the old indexes of that name are removed, <base>.cleaned gets the name <base>.log, the folder is synced
//	4  readers get the new list; those at work keep the old files open
//	5  the other old segments are removed, the folder is synced
//	6  the checkpoint is written without the swap
//
// A power loss before 2 leaves the old segments and rubbish, that Open removes. One after it leaves a checkpoint that says what is to be done, which
// Open does: each step of 3 and 5 may have been done or not. A .cleaned is believed only when the checkpoint names it and its size
// is right; and none is begun before a checkpoint without the last swap is durable. So no name ever means two things.
//
// A failure in 2 leaves it open which checkpoint is on disk: the old segments go on, and the file stays until a later checkpoint is
// known to be written (settle). One in 3 takes the swap back with another checkpoint. The writer waits for 2 and 3.

// swapIn replaces the segments old, which end at end, by what w wrote.
func (l *Log) swapIn(old []*segment, w *rewriter, end log.Offset) error {
	if err := w.finish(); err != nil {
		return err
	}
	fresh := newSegment(l.dir, w.base)
	fresh.size.Store(w.size)
	fresh.index, fresh.youngest = w.index, w.index.maxTime
	release, err := l.pinAll(old) // readers of the old list are not to open the new file by the old name
	if err != nil {
		return err
	}
	err = l.replaceSegments(old, fresh, w, end)
	if err == nil {
		for _, s := range old {
			l.files.drop(s)
			l.opts.Tags.drop(s)
		}
	}
	release()
	if err != nil {
		return err
	}
	if err := l.settle(); err != nil {
		return err
	}
	l.saveIndex(fresh)
	return nil
}

// pinAll opens the files of some segments and keeps them open until release is called.
func (l *Log) pinAll(list []*segment) (release func(), err error) {
	n := 0
	release = func() {
		for _, s := range list[:n] {
			l.files.release(s)
		}
	}
	for ; n < len(list); n++ {
		if _, err := l.files.acquire(list[n]); err != nil {
			release()
			if !l.lists(list[n]) {
				err = errChanged
			}
			return nil, err
		}
	}
	return release, nil
}

// replaceSegments is steps 2 to 4.
func (l *Log) replaceSegments(old []*segment, fresh *segment, w *rewriter, end log.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	list := slices.Clone(*l.segments.Load())
	i := slices.Index(list, old[0])
	if i < 0 || i+len(old) >= len(list) || !slices.Equal(list[i:i+len(old)], old) {
		return errChanged
	}
	list = slices.Replace(list, i, i+len(old), fresh)
	w.kept = true
	l.saved.swap = swap{base: fresh.base, end: end}
	if err := l.saveList(list); err != nil {
		l.saved.swap, l.unsure = swap{}, true
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := l.rename(fresh, w.name); err != nil {
		return l.takeBack(w, err)
	}
	l.segments.Store(&list)
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poison("compact", err)
	}
	return nil
}

func (l *Log) rename(s *segment, from string) error {
	if err := removeIndexes(l.fs, s); err != nil {
		return err
	}
	return l.fs.Rename(from, s.path)
}

// takeBack makes the checkpoint name the old segments again, whose files are still there.
func (l *Log) takeBack(w *rewriter, cause error) error {
	l.saved.swap = swap{}
	if err := l.save(); err != nil {
		return l.poison("compact", errors.Join(cause, err))
	}
	w.kept = false
	return cause
}

// removeIndexes removes the index files of s; those that are missing are no error.
func removeIndexes(fsys vfs.FS, s *segment) error {
	for _, suffix := range indexSuffixes {
		if err := fsys.Remove(s.sibling(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lists reports whether s is one of the log's segments.
func (l *Log) lists(s *segment) bool { return slices.Contains(*l.segments.Load(), s) }

// saveIndex writes the index files of a segment that was swapped in, and leaves its index to be forgotten with its file.
func (l *Log) saveIndex(s *segment) {
	s.mu.RLock()
	x := s.index
	s.mu.RUnlock()
	if x == nil {
		return
	}
	if err := l.writeIndexFiles(s, x); err != nil {
		l.logger.Warn("index not written; it will be rebuilt", "partition", l.tp.String(), "segment", s.name(), "error", err)
	}
	if _, err := l.files.acquire(s); err == nil {
		l.files.release(s)
	}
}

// settle ends the last swap: steps 5 and 6. When there is none, or one that was given up, it makes sure that the checkpoint on disk says so.
func (l *Log) settle() error {
	l.mu.Lock()
	last, unsure := l.saved.swap, l.unsure
	l.mu.Unlock()
	if last == (swap{}) && !unsure {
		return nil
	}
	if last != (swap{}) {
		if err := removeReplaced(l.fs, l.dir, last); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	l.saved.swap = swap{}
	if err := l.save(); err != nil {
		l.saved.swap, l.unsure = last, true
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.unsure = false
	return nil
}

// between reports whether a name is that of a segment which s replaces, other than by its name.
func (s swap) between(name string) bool {
	base, ok := parseSegmentName(name)
	return ok && s.base < base && base < s.end
}

// removeReplaced removes the segments that s replaces and that have another name than the new one.
func removeReplaced(fsys vfs.FS, dir string, s swap) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, name := range names {
		if !s.between(name) {
			continue
		}
		base, _ := parseSegmentName(name)
		if err := removeSegment(fsys, newSegment(dir, base)); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(dir)
}

// finishSwap goes on where a crash ended a swap that the checkpoint names.
func (r *recovery) finishSwap() error {
	last := r.Log.saved.swap
	if last == (swap{}) {
		return nil
	}
	if err := r.fs.SyncDir(r.dir); err != nil { // the checkpoint may be on no disk: see removeExpired
		return err
	}
	cleaned := path.Join(r.dir, segmentName(last.base, cleanedSuffix))
	info, err := r.fs.Stat(cleaned)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := r.checkCleaned(cleaned, info.Size); err != nil {
			return err
		}
		if err := r.rename(newSegment(r.dir, last.base), cleaned); err != nil {
			return err
		}
	}
	if err := r.fs.SyncDir(r.dir); err != nil {
		return err
	}
	if err := removeReplaced(r.fs, r.dir, last); err != nil {
		return err
	}
	r.Log.saved.swap, r.changed = swap{}, true
	return nil
}

// checkCleaned refuses a file that is not what the checkpoint says it is.
func (r *recovery) checkCleaned(name string, size int64) error {
	for _, e := range r.saved.full {
		if e.base == r.saved.swap.base && e.bytes == size {
			return nil
		}
	}
	return r.refuse("%s has %d bytes, which is not what the checkpoint says", name, size)
}

// swapped prepares a segment found by name for inspection where a crash ended a swap. It reports false when s is replaced by another.
func (in *inspector) swapped(s *segment, names []string) bool {
	if in.saved == nil || in.saved.swap == (swap{}) {
		return true
	}
	if in.saved.swap.between(s.name()) {
		in.note("%s was compacted into %s and will be removed", s.path, segmentName(in.saved.swap.base, logSuffix))
		return false
	}
	cleaned := segmentName(s.base, cleanedSuffix)
	if s.base == in.saved.swap.base && slices.Contains(names, cleaned) {
		s.path = path.Join(in.dir, cleaned)
		in.note("%s will replace %s", s.path, segmentName(s.base, logSuffix))
	}
	return true
}
