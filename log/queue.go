package log

import (
	"cmp"
	"context"
	"time"
)

// A queue group is the other way to share a topic: each record goes to one consumer, which acknowledges it by itself. Its
// name is a Group's; a name is a consumer group or a queue group, not both. (Kafka's share groups are its relatives.)

// QueueConfig holds a queue group's settings. The zero value of a field means its default.
type QueueConfig struct {
	Visibility    time.Duration // a record not acknowledged for this long is delivered again: default 30 s, 100 ms to 12 h
	DeliveriesMax int           // after this many it is a dead letter: default 5, at most 1,000; -1: never
	DeadLetter    Topic         // where dead letters go; "": the group's name behind "dlq."; made when missing
	InFlightMax   int           // records delivered and not acknowledged, for each partition: default 10,000, at most 100,000
}

// Bounds of a queue group.
const (
	QueueTopicsMax   = 64   // topics of one group
	QueuesMax        = 1024 // groups of one log
	ReceiveMax       = 1000 // records of one Receive
	ReceiveBytesMax  = 64 << 20
	visibilityMin    = 100 * time.Millisecond
	visibilityMax    = 12 * time.Hour
	deliveriesMax    = 1000
	inFlightMax      = 100_000
	DeadLetterPrefix = "dlq."
)

// WithDefaults returns c with its zero fields set to their defaults, for a group of this name.
func (c QueueConfig) WithDefaults(group Group) QueueConfig {
	c.Visibility = cmp.Or(c.Visibility, 30*time.Second)
	c.DeliveriesMax = cmp.Or(c.DeliveriesMax, 5)
	c.DeadLetter = cmp.Or(c.DeadLetter, Topic(DeadLetterPrefix+string(group)))
	c.InFlightMax = cmp.Or(c.InFlightMax, 10_000)
	return c
}

// Validate returns an error with code InvalidArgument for the first of complete settings that makes no sense.
func (c QueueConfig) Validate() error {
	switch {
	case c.Visibility < visibilityMin || c.Visibility > visibilityMax:
		return NewError(InvalidArgument, "queue settings", "a visibility of %v is not within %v..%v", c.Visibility, visibilityMin, visibilityMax)
	case c.DeliveriesMax != -1 && (c.DeliveriesMax < 1 || c.DeliveriesMax > deliveriesMax):
		return NewError(InvalidArgument, "queue settings", "%d deliveries are neither -1 nor within 1..%d", c.DeliveriesMax, deliveriesMax)
	case c.InFlightMax < 1 || c.InFlightMax > inFlightMax:
		return NewError(InvalidArgument, "queue settings", "%d records in flight are not within 1..%d", c.InFlightMax, inFlightMax)
	}
	return c.DeadLetter.Validate()
}

// Delivery is one record on its way to one consumer.
type Delivery struct {
	Record     Record
	Receipt    Receipt
	Deliveries int       // of this record to anybody, this one included
	Deadline   time.Time // when it will be delivered again unless it is acknowledged
}

// Receipt names one delivery; a later delivery of the same record makes it void.
type Receipt struct {
	TopicPartition
	Offset   Offset
	Delivery int64 // unique within the partition and the group, also with those of before of the same names
}

// Headers of a dead letter, beside the record's own.
const (
	DeadLetterTopicHeader      = "lodge_dlq_topic"
	DeadLetterPartitionHeader  = "lodge_dlq_partition"
	DeadLetterOffsetHeader     = "lodge_dlq_offset"
	DeadLetterGroupHeader      = "lodge_dlq_group"
	DeadLetterDeliveriesHeader = "lodge_dlq_deliveries"
	DeadLetterCauseHeader      = "lodge_dlq_cause" // the last Nack's, or "visibility timeout"
)

// ReceiveRequest asks for records.
type ReceiveRequest struct {
	Group      Group
	Topics     []Topic
	RecordsMax int           // default 1, at most ReceiveMax
	BytesMax   int           // of keys, values and headers together: default 4 MiB, at most ReceiveBytesMax. One record is delivered whatever its size
	MaxWait    time.Duration // wait this long when there are none; 0: do not wait
}

// QueueInfo describes a queue group's standing in one partition.
type QueueInfo struct {
	Group    Group
	Config   QueueConfig // complete
	Floor    Offset      // everything below is acknowledged
	Next     Offset      // never delivered from here on
	InFlight int         // delivered, and their time is not up
	Waiting  int         // to be delivered again, now or later
	TopicPartition
}

// Queues shares the records of topics among consumers one by one. Safe for concurrent use. Receipts, counts and acknowledgements
// survive a restart: what was acknowledged (Ack returned nil) is never delivered again.
type Queues interface {
	// CreateQueue makes a queue group over topics, which begins at their first kept records, or changes the settings of one that
	// is there. Errors: InvalidGroup, UnknownTopic, InvalidArgument, LimitReached.
	CreateQueue(ctx context.Context, group Group, topics []Topic, config QueueConfig) error
	DeleteQueue(ctx context.Context, group Group) error // UnknownGroup
	// Receive returns up to RecordsMax deliveries. Errors: UnknownGroup, Closed.
	Receive(ctx context.Context, req ReceiveRequest) ([]Delivery, error)
	// Ack returns when it is durable that the records are done. A void receipt is an error with code VoidReceipt; the others count.
	Ack(ctx context.Context, group Group, receipts ...Receipt) error
	// Nack gives records back, to be delivered again after delay, or to become a dead letter when there were enough deliveries.
	// cause is for the dead letter, at most 1 KiB of it.
	Nack(ctx context.Context, group Group, delay time.Duration, cause string, receipts ...Receipt) error
	// Extend moves the deadline of deliveries to d from now.
	Extend(ctx context.Context, group Group, d time.Duration, receipts ...Receipt) error
	// DescribeQueues returns all queue groups, one QueueInfo for each partition, by group, topic and partition.
	DescribeQueues(ctx context.Context) ([]QueueInfo, error)
}
