package client

import (
	"math/rand/v2"
	"sync/atomic"

	"lodge/log"
)

// Partitioner picks one of n partitions for a record, or Sticky. It is called from Produce, by
// several goroutines at once if Produce is, and must not change the record.
type Partitioner func(r *log.Record, n int) log.Partition

// Sticky leaves the choice to the producer: one random partition for as long as a batch fills, then another.
const Sticky log.Partition = -1

// ByKey sends records with a key to log.PartitionForKey and leaves the others to Sticky.
func ByKey(r *log.Record, n int) log.Partition {
	if r.Key == nil {
		return Sticky
	}
	return log.PartitionForKey(r.Key, n)
}

// Manual sends a record to the partition that it names.
func Manual(r *log.Record, _ int) log.Partition { return r.Partition }

// RoundRobin returns a partitioner that goes through the partitions in turn, whatever the key.
func RoundRobin() Partitioner {
	var last atomic.Uint64
	return func(_ *log.Record, n int) log.Partition { return log.Partition(last.Add(1) % uint64(n)) }
}

// route is what the producer knows of a topic.
type route struct {
	topic          log.Topic
	partitions     int
	recordBytesMax int

	// Owned by the producer's mu.
	sticky log.Partition // where records go that do not care
	batch  *batch        // the one that fills there; nil: none yet
}

// pick asks the partitioner. The answer may be Sticky.
func (r *route) pick(partitioner Partitioner, rec *log.Record) (log.Partition, error) {
	n := partitioner(rec, r.partitions)
	if n != Sticky && (n < 0 || int(n) >= r.partitions) {
		return 0, invalid("produce to "+string(r.topic), "partition %d is not one of %d", n, r.partitions)
	}
	return n, nil
}

// stick returns the sticky partition: another one when the batch there has no room for a record of this size.
func (r *route) stick(size int, opts *ProducerOptions) log.Partition {
	if r.batch != nil && r.batch.fits(size, opts) {
		return r.sticky
	}
	if r.batch == nil || r.partitions == 1 {
		r.sticky = log.Partition(rand.IntN(r.partitions))
		return r.sticky
	}
	step := 1 + rand.IntN(r.partitions-1)
	r.sticky = log.Partition((int(r.sticky) + step) % r.partitions)
	return r.sticky
}
