package client

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"lodge/log"
)

// Partitioner picks one of a topic's n active partitions for a record: a number from 0 to n-1, which is its place among
// them in ascending order (and the partition's own number, unless some of the topic were retired), or Sticky or
// Named. It is called from Produce, by several goroutines at once if Produce is, and must not change the record.
// When the topic's layout changes it is asked again, by another goroutine, for records that are not in the log yet.
type Partitioner func(r *log.Record, n int) log.Partition

// What a partitioner may return beside a number.
const (
	Sticky log.Partition = -1 // one random partition for as long as a batch fills, then another
	Named  log.Partition = -2 // the partition whose number the record carries, whatever its place among the active ones
)

// ByKey sends records with a key to log.PartitionForKey and leaves the others to Sticky.
func ByKey(r *log.Record, n int) log.Partition {
	if r.Key == nil {
		return Sticky
	}
	return log.PartitionForKey(r.Key, n)
}

// Manual sends a record to the partition that it names.
func Manual(*log.Record, int) log.Partition { return Named }

// InTurn returns a partitioner that goes through the partitions in turn, whatever the key.
func InTurn() Partitioner {
	var last atomic.Uint64
	return func(_ *log.Record, n int) log.Partition { return log.Partition(last.Add(1) % uint64(n)) }
}

// route is what the producer knows of a topic, by one of its layouts.
type route struct {
	topic          log.Topic
	layout         int32
	active         []log.Partition // ascending; never empty
	draining       []log.Partition
	recordBytesMax int
	repeats        int // how often in a row the log refused the layout and told it again

	// Owned by the producer's mu.
	sticky log.Partition // where records go that do not care
	batch  *batch        // the one that fills there; nil: none yet
	moving *moving       // not nil: the layout is no longer the current one
	lanes  int           // goroutines that deliver what was routed by it
}

func newRoute(info log.TopicInfo) *route {
	r := &route{topic: info.Name, layout: info.Layout.Number, recordBytesMax: info.Config.RecordBytesMax}
	r.active = slices.Clone(info.Layout.Active)
	if len(r.active) == 0 { // a log without layouts: all partitions, as they are numbered
		for n := range info.Partitions {
			r.active = append(r.active, log.Partition(n))
		}
		return r
	}
	for _, p := range info.Partitions {
		if p.State == log.StateDraining {
			r.draining = append(r.draining, p.Partition)
		}
	}
	return r
}

// pick asks the partitioner. The answer is a partition's number, or Sticky.
func (r *route) pick(partitioner Partitioner, rec *log.Record) (log.Partition, error) {
	n := partitioner(rec, len(r.active))
	switch {
	case n == Sticky:
		return n, nil
	case n == Named:
		return r.named(rec.Partition)
	case n < 0 || int(n) >= len(r.active):
		return 0, invalid("produce to "+string(r.topic), "partition %d is not one of %d", n, len(r.active))
	}
	return r.active[n], nil
}

func (r *route) named(p log.Partition) (log.Partition, error) {
	op := "produce to " + string(r.topic)
	if slices.Contains(r.draining, p) {
		return 0, log.NewError(log.Draining, op, "partition %d takes no more records", p)
	}
	if _, ok := slices.BinarySearch(r.active, p); !ok {
		return 0, invalid(op, "partition %d is not one of the %d active ones", p, len(r.active))
	}
	return p, nil
}

// stick returns the sticky partition: another one when the batch there has no room for a record of this size.
func (r *route) stick(size int, opts *ProducerOptions) log.Partition {
	n := len(r.active)
	if r.batch != nil && r.batch.fits(size, opts) {
		return r.sticky
	}
	if r.batch == nil || n == 1 {
		r.sticky = r.active[rand.IntN(n)]
		return r.sticky
	}
	at, _ := slices.BinarySearch(r.active, r.sticky)
	r.sticky = r.active[(at+1+rand.IntN(n-1))%n]
	return r.sticky
}
