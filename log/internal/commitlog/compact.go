package commitlog

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"lodge/log"
)

// Compaction
//
// Clean keeps of each key the last record and drops the older ones, as Kafka's log cleaner does: one pass reads the records that were not
// compacted yet (from the checkpoint's clean on) into a map from key to its last offset, then rewrites the segments from the log's start on without
// the records that the map knows a later one of, one group of neighbors into one file, and swaps that in: see compact_swap.go.
//
// What is left is a log as any other. A batch that loses records keeps its base offset and last offset delta. Where whole batches go, one
// empty batch of 61 bytes takes the offsets of all that went there; Kafka's readers know such batches and skip them. So base offsets
// have no gap in a compacted segment either, and everything that finds damage by a gap goes on finding it. Read skips empty batches.
//
// # What stays
//
//   - the last record of each key, as of the end of the pass: what lies behind may have later ones;
//   - records without a key, whose place in the log is all they have;
//   - a tombstone (a record without value) until TombstoneAge after the pass that dropped what it deletes: that pass marks its batch with the
//     delete horizon, as Kafka does, so that the time is in the log itself and survives everything the log survives;
//   - the last batch of each idempotent producer that is remembered, without records if need be, so that the sequences can be found again
//     without a checkpoint;
//   - control batches, and the empty batches that a repair left: they say what was lost.
//
// # What is compacted
//
// Full segments whose records are committed, durable and behind the checkpoint's blob: nothing of them is read again to make the caller's state, and
// no power loss takes the later record from which an earlier one was dropped. The active segment is made a full one when it
// is as old as SegmentAge, or large enough to be worth it.
const (
	cleanMapBytes   = 32 << 20 // default of CleanOptions.MapBytes
	cleanRollBytes  = 1 << 20  // an active segment with so much is closed to be compacted, or one half full
	cleanStopEvery  = 64       // batches between two calls of CleanOptions.Stop
	cleanWriteBytes = 1 << 20  // written at once
)

// CleanOptions are what Clean needs to know.
type CleanOptions struct {
	Now           time.Time
	HighWatermark log.Offset

	// MapBytes bounds the memory of the map from keys to offsets: 24 bytes for each key, at three quarters full, and half as much again
	// while it grows. Default 32 MiB, about a million keys. What does not fit is compacted in several passes. One batch is always let in.
	MapBytes int

	// Newest returns the base offset of the last batch of an idempotent producer, or log.NoOffset when it need not be known any more. It is
	// asked for each batch that would go. Nil: none is.
	Newest func(producerID int64) log.Offset

	// Stop is asked often; what it returns ends Clean with that error. What was swapped in stays. Nil: go on.
	Stop func() error
}

// Cleaned says what Clean did. The zero value: there was nothing to do.
type Cleaned struct {
	Passes         int
	Segments       int   // that were replaced
	BytesBefore    int64 // of those
	BytesAfter     int64 // of what they were replaced by
	Records        int64 // read
	RecordsRemoved int64
}

// errChanged ends a pass whose segments retention took away meanwhile.
var errChanged = errors.New("the segments are others by now")

// Clean compacts the log if its settings say so and enough of it is not compacted yet, or tombstones have become too old. It runs beside the
// writer and readers: the writer waits while a checkpoint is written, once for each group of segments; readers not at all. One at a time.
//
// Errors: Stop's; Corrupt when bytes are not what was written, nothing of which is then rewritten; Poisoned; those of the file system. After an
// error the log is as it was or compacted up to some segment, and Clean may be called again.
func (l *Log) Clean(o CleanOptions) (done Cleaned, err error) {
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
	o.MapBytes = cmp.Or(o.MapBytes, cleanMapBytes)
	if err := l.settle(); err != nil {
		return done, l.cleanError(err)
	}
	end, err := l.cleanEnd(&o)
	if err != nil || end == log.NoOffset {
		return done, l.cleanError(err)
	}
	for first := true; first || l.clean() < end; first = false {
		p := pass{Log: l, o: &o, done: &done}
		err := p.run(end)
		if errors.Is(err, errChanged) {
			return done, nil // the next call finds what there is
		}
		if err != nil {
			return done, l.cleanError(err)
		}
		done.Passes++
	}
	return done, nil
}

func (l *Log) cleanError(err error) error {
	var coded *log.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return fmt.Errorf("compact %s: %w", l.tp, err)
}

func (l *Log) clean() log.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved.clean
}

// cleanEnd returns how far the log is to be compacted now, or log.NoOffset. It closes the active segment if that is worth it.
func (l *Log) cleanEnd(o *CleanOptions) (log.Offset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.Config()
	if l.failed != nil || c.Cleanup == log.CleanupDelete {
		return log.NoOffset, l.failed
	}
	if l.rollToClean(o.Now, c) {
		if err := l.roll(); err != nil {
			return log.NoOffset, err
		}
	}
	end, dirty, total := l.dirt(min(o.HighWatermark, l.durable, l.covered()))
	expired := l.saved.horizon != 0 && o.Now.UnixMilli() >= l.saved.horizon
	if total == 0 || !expired && !dirtyEnough(dirty, total, c) {
		return log.NoOffset, nil
	}
	return end, nil
}

func dirtyEnough(dirty, total int64, c *log.TopicConfig) bool {
	return dirty > 0 && float64(dirty) >= c.DirtyRatio*float64(total)
}

// covered returns the offset below which nothing is replayed to the caller at the next Open.
func (l *Log) covered() log.Offset {
	if l.stated || l.saved.blob != nil {
		return l.saved.blobAt
	}
	return l.NextOffset()
}

// dirt returns the end of the full segments below limit, the bytes of those that are not compacted, and of all.
func (l *Log) dirt(limit log.Offset) (end log.Offset, dirty, total int64) {
	list := *l.segments.Load()
	end = list[0].base
	for i, s := range list[:len(list)-1] {
		next := list[i+1].base
		if next > limit {
			break
		}
		end = next
		size := s.size.Load()
		total += size
		if next > l.saved.clean {
			dirty += size
		}
	}
	return end, dirty, total
}

// rollToClean reports whether the active segment is to be closed so that it can be compacted.
func (l *Log) rollToClean(now time.Time, c *log.TopicConfig) bool {
	size := l.active.size.Load()
	if size == 0 {
		return false
	}
	if now.UnixMilli()-l.since >= c.SegmentAge.Milliseconds() {
		return true
	}
	_, dirty, total := l.dirt(l.NextOffset())
	return size >= min(cleanRollBytes, c.SegmentBytes/2) && dirtyEnough(dirty+size, total+size, c)
}
