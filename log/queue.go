package log

import (
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
	Delivery int64 // unique within the partition and the group
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
	RecordsMax int           // default 1
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
