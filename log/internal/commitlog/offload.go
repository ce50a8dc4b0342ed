package commitlog

import (
	"fmt"
	"time"

	"lodge/log"
)

// offloader is a file system that can move files which never change again elsewhere and goes on reading them, as package tiered has it.
type offloader interface {
	Offload(name string) error
	Offloaded(name string) (bool, error)
}

// Offload moves the oldest full segments, at most that many, whose youngest record is older than OffloadAge and that are durable and below highWatermark, to where the
// file system has room for what is seldom read, and returns how many. Indexes stay. Nothing else changes: readers do not notice. None are moved when the file
// system cannot, when the setting says never, or when the log is compacted. By the caller of ApplyRetention, one at a time.
func (l *Log) Offload(now time.Time, highWatermark log.Offset, most int) (moved int, err error) {
	mover, ok := l.fs.(offloader)
	c := l.Config()
	if !ok || c.OffloadAge < 0 || c.Cleanup != log.CleanupDelete {
		return 0, nil
	}
	l.cleaning.Lock() // compaction replaces segments
	defer l.cleaning.Unlock()
	limit := now.Add(-c.OffloadAge).UnixMilli()
	list := *l.segments.Load()
	below := min(highWatermark, l.Durable())
	for i, s := range list[:len(list)-1] {
		if moved == most || list[i+1].base > below || s.maxTime() >= limit {
			break
		}
		if s.cold.Load() {
			continue
		}
		done, err := l.offload(mover, s)
		if err != nil {
			return moved, fmt.Errorf("offload of %s: %w", l.tp, err)
		}
		if done {
			moved++
		}
	}
	return moved, nil
}

// offload moves one segment, and reports whether it had to be.
func (l *Log) offload(mover offloader, s *segment) (bool, error) {
	was, err := mover.Offloaded(s.path)
	if err != nil {
		return false, err
	}
	if !was {
		if err := mover.Offload(s.path); err != nil {
			return false, err
		}
	}
	l.files.moved(s)
	s.cold.Store(true)
	return !was, nil
}

// OffloadedBytes returns the bytes of batches in segments that are known to have been offloaded.
func (l *Log) OffloadedBytes() int64 {
	var n int64
	for _, s := range *l.segments.Load() {
		if s.cold.Load() {
			n += s.size.Load()
		}
	}
	return n
}
