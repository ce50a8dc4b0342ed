package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lodge/log"
)

// mend makes the log end where its last whole batch ends, durably, and gets it ready for appends.
func (r *recovery) mend() error {
	if err := r.cutSegments(); err != nil {
		return err
	}
	if err := r.activate(r.list[len(r.list)-1]); err != nil {
		return err
	}
	if r.since == 0 || len(r.Log.saved.full) != len(r.list)-1 {
		r.since, r.changed = r.opts.Clock().UnixMilli(), true
	}
	if start := log.Offset(r.start.Load()); r.saved == nil || start > r.saved.start { // it may be on no disk: see start.go
		r.changed = true
	}
	for _, s := range r.list[r.first:] {
		r.changed = r.changed || r.fileSizes[s] != s.size.Load()
	}
	if !r.changed && r.saved != nil && r.saved.durable == r.end.offset {
		return nil
	}
	if err := r.harden(); err != nil {
		return err
	}
	return r.save()
}

// cutSegments removes the segments behind the end of the log, the newest first.
func (r *recovery) cutSegments() error {
	for i := len(r.list) - 1; i > r.end.i; i-- {
		s := r.list[i]
		r.logger.Warn("torn segment removed: it was never acknowledged", "partition", r.tp.String(), "segment", s.name())
		if err := removeSegment(r.fs, s); err != nil {
			return err
		}
		if err := r.fs.SyncDir(r.dir); err != nil {
			return err
		}
		r.changed = true
	}
	r.list = slices.Clip(r.list[:r.end.i+1])
	return nil
}

func (r *recovery) activate(s *segment) error {
	file, err := r.fs.OpenReadWrite(s.path)
	if err != nil {
		return err
	}
	r.files.pin(s, file)
	r.active, r.file, r.fileSize, r.found = s, file, s.size.Load(), true
	r.segments.Store(&r.list)
	r.next.Store(int64(r.end.offset))
	r.durable = r.end.offset
	if x, _, err := r.readTags(s, r.Config().TagHeader); err == nil && x.next == r.end.offset {
		r.keepTags(s, x)
	}
	return r.removeIndex(s)
}

// removeIndex removes the index files that the active segment has when it had been full before the crash: it
// may become full again with other content.
func (r *recovery) removeIndex(s *segment) error {
	for _, suffix := range indexSuffixes {
		err := r.fs.Remove(s.sibling(suffix))
		if err == nil {
			r.changed = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// harden cuts the files to their batches, writes those that may not be durable once more, and syncs. Writing again is needed
// when a sync failed before: the kernel may hold such pages as clean, though they are on no disk.
func (r *recovery) harden() error {
	for i, s := range r.list {
		if i < r.first {
			continue
		}
		from := int64(0)
		if i == r.unsure.i {
			from = r.unsure.pos
		} else if i < r.unsure.i {
			from = s.size.Load()
		}
		if err := r.hardenSegment(s, from); err != nil {
			return fmt.Errorf("harden %s: %w", s.path, err)
		}
	}
	return r.fs.SyncDir(r.dir)
}

func (r *recovery) hardenSegment(s *segment, from int64) error {
	size, fileSize := s.size.Load(), r.fileSizes[s]
	if size == fileSize && from == size {
		return nil
	}
	file, err := r.fs.OpenReadWrite(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if size != fileSize {
		if err := r.cut(s, file.Truncate, fileSize); err != nil {
			return err
		}
	}
	buf := make([]byte, min(scanWindow, size-from))
	for pos := from; pos < size; pos += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-pos)]
		if err := readFull(file, buf, pos); err != nil {
			return err
		}
		if _, err := file.WriteAt(buf, pos); err != nil {
			return err
		}
	}
	return file.SyncData()
}

func (r *recovery) cut(s *segment, truncate func(int64) error, fileSize int64) error {
	size := s.size.Load()
	if r.damage != nil && s == r.active {
		r.logger.Warn("torn tail cut: it was never acknowledged", "partition", r.tp.String(), "segment", s.name(),
			"offset", r.end.offset, "byte", size, "bytes", fileSize-size, "reason", r.damage)
	}
	return truncate(size)
}
