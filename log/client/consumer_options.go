package client

import (
	"cmp"
	"time"
)

// ConsumerOptions configures a Consumer. The zero value of a field means its default.
type ConsumerOptions struct {
	// FetchBytesMax bounds one fetch of one partition, in encoded bytes: default 1 MiB. A larger batch is
	// fetched alone. One fetch of each partition is held ahead of Poll.
	FetchBytesMax int

	// BufferBytesMax bounds what all partitions hold together: default 64 MiB. With many partitions each
	// fetch is made smaller, down to 4 KiB.
	BufferBytesMax int

	PollRecordsMax  int           // records that one Poll returns: default 1,000
	FetchWait       time.Duration // a long poll of the log: default 5 s
	RetryBackoff    time.Duration // after an error that allows a retry, doubling up to RetryBackoffMax: default 10 ms
	RetryBackoffMax time.Duration // default 1 s

	// OutOfRange says what to do when a position is no longer, or not yet, in the log: default Fail.
	OutOfRange OutOfRange
}

// OutOfRange is a policy for positions outside the log.
type OutOfRange uint8

// The policies.
const (
	Fail        OutOfRange = iota // Poll returns the error; the partition waits for a Seek
	ToBeginning                   // go on at the first record that is kept
	ToEnd                         // go on behind the last one
)

// AssignedMax bounds the partitions of one consumer.
const AssignedMax = 4096

const fetchBytesMin = 4 << 10

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *ConsumerOptions) Validate() error {
	switch {
	case o.FetchBytesMax < 0 || o.BufferBytesMax < 0 || o.PollRecordsMax < 0:
		return invalid("consumer options", "a limit is negative")
	case o.FetchWait < 0 || o.RetryBackoff < 0 || o.RetryBackoffMax < 0:
		return invalid("consumer options", "a duration is negative")
	case o.OutOfRange > ToEnd:
		return invalid("consumer options", "out of range policy %d is not known", o.OutOfRange)
	}
	return nil
}

func (o *ConsumerOptions) setDefaults() {
	o.FetchBytesMax = cmp.Or(o.FetchBytesMax, 1<<20)
	o.BufferBytesMax = cmp.Or(o.BufferBytesMax, 64<<20)
	o.PollRecordsMax = cmp.Or(o.PollRecordsMax, 1000)
	o.FetchWait = cmp.Or(o.FetchWait, 5*time.Second)
	o.RetryBackoff = cmp.Or(o.RetryBackoff, 10*time.Millisecond)
	o.RetryBackoffMax = cmp.Or(o.RetryBackoffMax, time.Second)
}
