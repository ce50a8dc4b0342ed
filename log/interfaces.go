package log

import (
	"context"
	"time"
)

// Writer appends to partitions. Safe for concurrent use.
type Writer interface {
	// Enqueue gives the batch its offsets, behind everything enqueued before it on tp, and returns
	// at once; nothing is written until somebody waits on this ticket or a later one of the
	// same partition. Batches are written in the order in which they were enqueued, and one that fails takes all later ones with it.
	// The batch's memory may be reused when Enqueue returns.
	//
	// Errors (nothing was enqueued): UnknownTopic, RecordTooLarge, InvalidArgument, OffsetMismatch, FencedEpoch,
	// OutOfOrderSequence, InvalidProducerEpoch, DuplicateSequence, StaleLayout, Draining, LimitReached, Poisoned, Closed, and Unavailable
	// where the topic's partitions are just being changed.
	Enqueue(tp TopicPartition, b *Batch) (Ticket, error)

	// Append is Enqueue followed by Ticket.Wait. It returns the offset of the first record.
	Append(ctx context.Context, tp TopicPartition, b *Batch) (Offset, error)
}

// Ticket stands for one enqueued batch.
type Ticket struct {
	Base      Offset // of the first record
	Count     int    // records
	Duplicate bool   // an idempotent retry: Base is where the first attempt went
	Waiter    Waiter // nil: already committed
}

// Waiter waits for one group of enqueued batches.
type Waiter interface {
	Wait(ctx context.Context) error
}

// Wait blocks until the batch is committed as its topic's durability demands, and does the writing
// itself when nobody else is at it. An error other than ctx's says that the batch is not
// acknowledged and that the partition takes no more appends (Poisoned, Closed). When ctx ends first the batch may still be committed.
func (t Ticket) Wait(ctx context.Context) error {
	if t.Waiter == nil {
		return nil
	}
	return t.Waiter.Wait(ctx)
}

// FetchRequest asks for records from an offset on.
type FetchRequest struct {
	TopicPartition
	Offset   Offset
	MaxBytes int           // of encoded batches; default 1 MiB. At least one batch is returned if there is one, whatever its size
	MaxWait  time.Duration // wait this long for data when there is none; 0: do not wait

	// Filter, when not nil, has only the records returned that it chooses. MaxBytes then bounds what is read; Next tells how far
	// that was, so that a stretch without a match is not read twice. A fetch that finds no match ends at MaxBytes, or at the high watermark
	// after MaxWait: what is appended without a match does not end it.
	Filter *Filter
}

// FetchResult is what a fetch found.
type FetchResult struct {
	Records       []Record // at and after the requested offset, below HighWatermark; may be empty
	Next          Offset   // where to go on: behind the last record that was looked at
	LogStart      Offset
	HighWatermark Offset
}

// Reader reads committed records. Reads never block the writer. Safe for concurrent use.
type Reader interface {
	// Fetch returns records as FetchRequest says. An offset equal to the high watermark is
	// answered, after MaxWait at the latest, with no records. Errors: UnknownTopic, OffsetOutOfRange
	// (below LogStart or above LogEnd), InvalidArgument (a filter beyond its limits), LimitReached (too many fetches wait), Corrupt, Closed.
	Fetch(ctx context.Context, req FetchRequest) (FetchResult, error)

	// OffsetForTime returns the offset of the first record whose timestamp is at or after t,
	// or the high watermark when there is none.
	OffsetForTime(ctx context.Context, tp TopicPartition, t time.Time) (Offset, error)

	// Offsets returns the first kept offset and the high watermark of tp.
	Offsets(ctx context.Context, tp TopicPartition) (start, highWatermark Offset, err error)
}

// Admin keeps topics. Safe for concurrent use.
type Admin interface {
	CreateTopic(ctx context.Context, name Topic, config TopicConfig) error
	DeleteTopic(ctx context.Context, name Topic) error
	DescribeTopic(ctx context.Context, name Topic) (TopicInfo, error)
	ListTopics(ctx context.Context) ([]TopicInfo, error) // by name
}

// TopicChanger changes topics while producers and consumers run. Safe for concurrent use.
type TopicChanger interface {
	// AlterTopic changes a topic's settings to what change makes of them. Partitions and PointToPoint cannot be changed so. Errors: UnknownTopic, InvalidTopic.
	AlterTopic(ctx context.Context, name Topic, change func(*TopicConfig)) error
	// AddPartitions gives a topic this many partitions more and begins a new layout. Errors: UnknownTopic, LimitReached, InvalidArgument.
	AddPartitions(ctx context.Context, name Topic, count int) (Layout, error)
	// RetirePartitions makes active partitions draining and begins a new layout without them. A draining partition is
	// retired when nothing is left in it: by the topic's retention, or after keep when that is not negative. Errors: UnknownTopic, InvalidArgument (not active, or the last ones).
	RetirePartitions(ctx context.Context, name Topic, keep time.Duration, partitions ...Partition) (Layout, error)
	// DeleteRecords removes all records of a partition below before, which is at most the high watermark: they are not readable when it returns, and their space is freed later. Errors: UnknownTopic, OffsetOutOfRange.
	DeleteRecords(ctx context.Context, tp TopicPartition, before Offset) error
}
