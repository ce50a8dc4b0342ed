package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// ApplyRetention removes the oldest segments that the topic's settings no longer keep, and returns how many: full ones
// below highWatermark whose youngest record is older than RetentionAge, or without which at least RetentionBytes are
// left (neither counts when Cleanup is compact), or whose records DeleteRecords has deleted. An active segment whose records are all too old is closed first. Segments that the last checkpoint's blob does not
// cover yet stay, also when there is no blob yet but Open was given a replay, since the caller's state could not be made again without
// them: call Checkpoint before. May be called
// at any time, by one caller.
//
// The new start is durable in the checkpoint before the first file goes, so that a crash in between neither loses a segment
// that should be there nor brings back one that should not.
func (l *Log) ApplyRetention(now time.Time, highWatermark log.Offset) (removed int, err error) {
	dropped, err := l.forget(now, highWatermark)
	if err != nil || len(dropped) == 0 {
		return 0, err
	}
	for _, s := range dropped {
		l.files.drop(s)
		l.opts.Tags.drop(s)
		if err := removeSegment(l.fs, s); err != nil {
			return removed, fmt.Errorf("retention of %s: %w", l.tp, err)
		}
		removed++
	}
	l.logger.Info("segments removed by retention", "partition", l.tp.String(), "segments", removed, "start", l.StartOffset())
	return removed, nil
}

// removeSegment removes the files of s; those that are missing are no error.
func removeSegment(fsys vfs.FS, s *segment) error {
	if err := removeIndexes(fsys, s); err != nil {
		return err
	}
	if err := fsys.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// forget takes expired segments off the list.
func (l *Log) forget(now time.Time, highWatermark log.Offset) ([]*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return nil, l.failed
	}
	list := *l.segments.Load()
	n := l.expired(now, highWatermark)
	if n == len(list) { // with the active one
		if err := l.roll(); err != nil {
			return nil, err
		}
		list = *l.segments.Load()
	}
	if n == 0 {
		return nil, nil
	}
	if list[n].base > l.durable {
		if err := l.sync(); err != nil {
			return nil, err
		}
	}
	kept := list[n:]
	if err := l.saveList(kept); err != nil {
		return nil, fmt.Errorf("retention of %s: checkpoint: %w", l.tp, err)
	}
	l.segments.Store(&kept)
	return list[:n], nil
}

// expired counts the segments at the front of the list that are not to be kept.
func (l *Log) expired(now time.Time, highWatermark log.Offset) (n int) {
	c := l.Config()
	list := *l.segments.Load()
	bytes := l.Bytes()
	for i, s := range list {
		end := l.NextOffset()
		if i+1 < len(list) {
			end = list[i+1].base
		}
		size := s.size.Load()
		kept := c.Cleanup == log.CleanupCompact
		old := !kept && c.RetentionAge >= 0 && s.maxTime() < now.Add(-c.RetentionAge).UnixMilli()
		large := !kept && c.RetentionBytes >= 0 && bytes-size >= c.RetentionBytes && s != l.active
		deleted := end <= l.StartOffset() && (s != l.active || size >= min(cleanRollBytes, c.SegmentBytes/2))
		unsaved := (l.stated || l.saved.blob != nil) && end > l.saved.blobAt
		if size == 0 || end > highWatermark || unsaved || !old && !large && !deleted {
			break
		}
		bytes -= size
		n++
	}
	return n
}

// HasDeleted reports whether ApplyRetention would find a segment of which DeleteRecords has deleted all. It takes no lock.
func (l *Log) HasDeleted() bool {
	list, start := *l.segments.Load(), l.StartOffset()
	if len(list) > 1 {
		return list[1].base <= start
	}
	return start == l.NextOffset() && list[0].size.Load() >= min(cleanRollBytes, l.Config().SegmentBytes/2)
}
