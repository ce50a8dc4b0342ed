package commitlog

import (
	"fmt"
	"slices"

	"lodge/log"
	"lodge/log/internal/record"
)

// Append writes a group of encoded batches, back to back, whose base offsets go on from NextOffset. They are
// visible to Read when it returns and durable after the next Sync. It may set the barrier flag of batches in group, so the
// caller gives the memory away for the time of the call; nothing keeps it.
//
// Before the first batch that no longer fits, or when the active segment is too old, the segment is closed and a new one
// begun. One group may fill several segments; otherwise it is one write.
//
// After an error the Log is poisoned: what of the group is on disk only opening the log anew tells. Only a group
// that does not follow NextOffset or is no row of batches is refused without harm (InvalidArgument).
func (l *Log) Append(group []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.checkGroup(group); err != nil {
		return err
	}
	if l.active.size.Load() > 0 && l.opts.Clock().UnixMilli()-l.since >= l.Config().SegmentAge.Milliseconds() {
		if err := l.roll(); err != nil {
			return err
		}
	}
	for plan := l.plan; len(plan) > 0; {
		n, bytes := l.fitting(plan)
		if n == 0 {
			if err := l.roll(); err != nil {
				return err
			}
			continue
		}
		if err := l.write(group[:bytes], plan[:n]); err != nil {
			return err
		}
		group, plan = group[bytes:], plan[n:]
	}
	return nil
}

// planned is what the writer needs to know of a batch.
type planned struct {
	base, next log.Offset
	maxTime    int64
	bytes      int
}

// checkGroup reads the headers of group into l.plan.
func (l *Log) checkGroup(group []byte) error {
	l.plan = l.plan[:0]
	next := l.NextOffset()
	for len(group) > 0 {
		h, err := record.ParseHeader(group)
		if err != nil {
			return log.NewError(log.InvalidArgument, l.op("append"), "not a batch: %w", err)
		}
		size := h.Size()
		if h.BaseOffset != next || size > len(group) {
			return log.NewError(log.InvalidArgument, l.op("append"), "batch of %d bytes at offset %d, where %d bytes and offset %d are due",
				size, h.BaseOffset, len(group), next)
		}
		next = h.NextOffset()
		l.plan = append(l.plan, planned{base: h.BaseOffset, next: next, maxTime: h.MaxTimestamp, bytes: size})
		group = group[size:]
	}
	return nil
}

// fitting returns how many batches at the front of plan the active segment takes, and their bytes. An empty segment takes
// at least one.
func (l *Log) fitting(plan []planned) (n, bytes int) {
	size := l.active.size.Load()
	for i := range plan {
		p := &plan[i]
		full := size+int64(bytes+p.bytes) > l.Config().SegmentBytes || p.next-l.active.base > maxOffsetsOfSegment
		if full && size+int64(bytes) > 0 {
			break
		}
		n, bytes = n+1, bytes+p.bytes
	}
	return n, bytes
}

// write puts whole batches that fit behind the active segment.
func (l *Log) write(piece []byte, plan []planned) error {
	if l.durable == l.NextOffset() {
		record.MarkBarrier(piece)
	}
	s := l.active
	pos := s.size.Load()
	end := pos + int64(len(piece))
	l.zero.avoid(end)
	if _, err := l.file.WriteAt(piece, pos); err != nil {
		return l.poison("append", fmt.Errorf("write %s at %d: %w", s.path, pos, err))
	}
	l.fileSize = max(l.fileSize, end)
	s.take(plan, pos)
	l.tagWritten(s, piece, pos, plan[len(plan)-1].next)
	s.size.Store(end)
	l.next.Store(int64(plan[len(plan)-1].next))
	return nil
}

// take adds written batches to the index.
func (s *segment) take(plan []planned, pos int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range plan {
		s.index.add(plan[i].base, plan[i].maxTime, pos)
		pos += int64(plan[i].bytes)
	}
}

// roll closes the active segment and begins the next. With durability sync the closed one is made durable first, so
// that the damage of a power loss stays in one segment.
func (l *Log) roll() error {
	if err := l.seal(); err != nil {
		return l.poison("roll", err)
	}
	if err := l.begin(l.NextOffset()); err != nil {
		return l.poison("roll", err)
	}
	if len(l.unsynced) > unsyncedSegmentsMax {
		if err := l.syncOldest(); err != nil {
			return err
		}
		return l.saveOrPoison()
	}
	if l.durable == l.NextOffset() {
		return l.saveOrPoison()
	}
	return nil
}

func (l *Log) seal() error {
	l.zero.wait()
	s, size := l.active, l.active.size.Load()
	cut := l.fileSize != size
	if cut {
		if err := l.file.Truncate(size); err != nil {
			return fmt.Errorf("cut %s to %d bytes: %w", s.path, size, err)
		}
	}
	l.writeIndex(s)
	l.writeTags(s)
	dirty := l.durable != l.NextOffset()
	if dirty && l.Config().Durability != log.Sync {
		l.unsynced = append(l.unsynced, s)
		return nil
	}
	if dirty || cut || l.found {
		if err := l.file.SyncData(); err != nil {
			return fmt.Errorf("sync %s: %w", s.path, err)
		}
		l.durable = l.NextOffset()
	}
	l.files.release(s)
	return nil
}

// begin makes the segment that starts at base and appends to it from now on.
func (l *Log) begin(base log.Offset) error {
	s := newSegment(l.dir, base)
	s.index = newIndex(base)
	file, err := l.fs.Create(s.path)
	if err != nil {
		return fmt.Errorf("create segment %s: %w", s.path, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		file.Close()
		return fmt.Errorf("sync folder of %s: %w", s.path, err)
	}
	l.files.pin(s, file)
	l.beginTags(s)
	l.active, l.file, l.fileSize, l.found = s, file, 0, false
	l.since = l.opts.Clock().UnixMilli()
	var list []*segment
	if old := l.segments.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, s)
	l.segments.Store(&list)
	return nil
}

// writeIndex leaves the index files of a full segment. They are disposable: not synced, and a failure is only logged.
func (l *Log) writeIndex(s *segment) {
	s.mu.Lock()
	x := s.index
	s.youngest = x.maxTime
	s.mu.Unlock()
	if err := l.writeIndexFiles(s, x); err != nil {
		l.logger.Warn("index not written; it will be rebuilt", "partition", l.tp.String(), "segment", s.name(), "error", err)
	}
}

func (l *Log) writeIndexFiles(s *segment, x *index) error {
	size := s.size.Load()
	if err := l.replace(s.sibling(indexSuffix), x.encodePlaces(size)); err != nil {
		return err
	}
	return l.replace(s.sibling(timeSuffix), x.encodeMoments(size))
}

// replace writes a file that is checked when it is read, so that it need not be synced.
func (l *Log) replace(name string, data []byte) error {
	file, err := l.fs.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(data, 0)
	return err
}
