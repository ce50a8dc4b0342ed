package client

import (
	"context"
	"time"

	"lodge/log"
)

// Start says where in a partition to read. The zero value is AtBeginning.
type Start struct {
	kind   startKind
	offset log.Offset
	time   time.Time
}

type startKind uint8

const (
	beginning startKind = iota
	end
	atOffset
	atTime
)

// AtBeginning is the first record that is kept.
func AtBeginning() Start { return Start{} }

// AtEnd is behind the last committed record as of the call that is given it.
func AtEnd() Start { return Start{kind: end} }

// AtOffset is the record with this offset. Whether there is one, the fetch will tell.
func AtOffset(o log.Offset) Start { return Start{kind: atOffset, offset: o} }

// AtTime is the first record whose timestamp is at or after t, or the end when there is none.
func AtTime(t time.Time) Start { return Start{kind: atTime, time: t} }

// resolve finds the offset in one partition.
func (s Start) resolve(ctx context.Context, reader log.Reader, tp log.TopicPartition) (log.Offset, error) {
	switch s.kind {
	case atTime:
		return reader.OffsetForTime(ctx, tp, s.time)
	case atOffset:
		if s.offset < 0 {
			return 0, invalid("seek in "+tp.String(), "offset %d is negative", s.offset)
		}
	}
	first, highWatermark, err := reader.Offsets(ctx, tp)
	switch {
	case err != nil:
		return 0, err
	case s.kind == end:
		return highWatermark, nil
	case s.kind == atOffset:
		return s.offset, nil
	}
	return first, nil
}
