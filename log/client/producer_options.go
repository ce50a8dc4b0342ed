package client

import (
	"cmp"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// ProducerOptions configures a Producer. The zero value of a field means its default.
type ProducerOptions struct {
	// Acks is what a record waits for: default log.AcksAll. With log.AcksNone a future is done as soon as the
	// record has its offset, and whether it is ever written nobody learns.
	Acks *log.Acks

	// Partitioner picks a partition for each record: default ByKey.
	Partitioner Partitioner

	// Compression of batches: default log.Uncompressed.
	Compression log.Compression

	// Linger is how long a batch that is not full waits for more records before it is sent. The default,
	// 0, sends at once when the partition has nothing in flight, and gathers while it has.
	Linger time.Duration

	BatchBytesMax   int           // a batch is full with this many bytes: default 256 KiB, at most 64 MiB. A larger record goes alone
	BatchRecordsMax int           // a batch is full with this many records: default 10,000, at most 1,048,576
	BatchesInFlight int           // batches of one partition sent before the first is acknowledged: 1 to 5, default 5
	BufferBytesMax  int           // of records not yet acknowledged: default 32 MiB. Beyond it Produce waits
	DeliveryTimeout time.Duration // from Produce to giving up: default 30 s
	RetryBackoff    time.Duration // before the first retry, then doubling up to RetryBackoffMax: default 5 ms
	RetryBackoffMax time.Duration // default 500 ms

	// DisableIdempotence lets a retry after a lost answer append records twice. By default the log
	// recognizes retries by the producer's id and sequence, and each record is appended once.
	DisableIdempotence bool
}

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *ProducerOptions) Validate() error {
	switch {
	case o.Acks != nil && *o.Acks != log.AcksNone && *o.Acks != log.AcksLeader && *o.Acks != log.AcksAll:
		return invalid("producer options", "acks %d are none of 0, 1 and -1", *o.Acks)
	case o.Compression != log.Uncompressed && o.Compression != log.LZ4 && o.Compression != log.Zstd:
		return invalid("producer options", "compression %d is not one that is written", o.Compression)
	case o.Linger < 0 || o.DeliveryTimeout < 0 || o.RetryBackoff < 0 || o.RetryBackoffMax < 0:
		return invalid("producer options", "a duration is negative")
	case o.BatchBytesMax < 0 || o.BatchBytesMax > batchBytesMax:
		return invalid("producer options", "batch bytes %d are outside 0 to %d", o.BatchBytesMax, batchBytesMax)
	case o.BatchRecordsMax < 0 || o.BatchRecordsMax > record.RecordsMax:
		return invalid("producer options", "batch records %d are outside 0 to %d", o.BatchRecordsMax, record.RecordsMax)
	case o.BatchesInFlight < 0 || o.BatchesInFlight > inFlightMax:
		return invalid("producer options", "%d batches in flight are outside 1 to %d", o.BatchesInFlight, inFlightMax)
	case o.BufferBytesMax < 0:
		return invalid("producer options", "buffer bytes %d are negative", o.BufferBytesMax)
	}
	return nil
}

// batchBytesMax is what the log takes as a batch, 80 MiB, less what the most records that a batch can have take beside their sizes.
const batchBytesMax = 64 << 20

// inFlightMax is as many batches as the log remembers of an idempotent producer, to recognize retries.
const inFlightMax = 5

func (o *ProducerOptions) setDefaults() {
	if o.Acks == nil {
		o.Acks = new(log.AcksAll)
	}
	if o.Partitioner == nil {
		o.Partitioner = ByKey
	}
	o.BatchBytesMax = cmp.Or(o.BatchBytesMax, 256<<10)
	o.BatchRecordsMax = cmp.Or(o.BatchRecordsMax, 10_000)
	o.BatchesInFlight = cmp.Or(o.BatchesInFlight, inFlightMax)
	o.BufferBytesMax = cmp.Or(o.BufferBytesMax, 32<<20)
	o.DeliveryTimeout = cmp.Or(o.DeliveryTimeout, 30*time.Second)
	o.RetryBackoff = cmp.Or(o.RetryBackoff, 5*time.Millisecond)
	o.RetryBackoffMax = cmp.Or(o.RetryBackoffMax, 500*time.Millisecond)
}

func invalid(op, format string, args ...any) error {
	return log.NewError(log.InvalidArgument, op, format, args...)
}
