package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
)

// Future stands for a record on its way into the log.
type Future struct {
	batch *batch
	index int
}

// Done returns a channel that is closed when the record is acknowledged or given up.
func (f Future) Done() <-chan struct{} { return f.batch.done }

// Wait waits until the record is acknowledged and returns where it is. An error other than ctx's says
// why it was given up. With code Unavailable (the delivery timed out) or Closed the record may be in the log all the same.
// ctx ends the wait, not the delivery.
func (f Future) Wait(ctx context.Context) (log.Position, error) {
	select {
	case <-f.batch.done:
		return f.result()
	default:
	}
	select {
	case <-f.batch.done:
		return f.result()
	case <-ctx.Done():
		return log.Position{}, ctx.Err()
	}
}

func (f Future) result() (log.Position, error) {
	b := f.batch
	if b.moved != nil {
		return b.moved[f.index].result()
	}
	if b.err != nil {
		return log.Position{}, b.err
	}
	return log.Position{Topic: b.tp.Topic, Partition: b.tp.Partition, Offset: b.ticket.Base + log.Offset(f.index)}, nil
}

// batch holds records for one partition. Until it is sealed the producer's mu owns it, then its
// lane's goroutine does; when done is closed, ticket and err never change again.
type batch struct {
	tp      log.TopicPartition
	created time.Time
	records []log.Record
	bytes   int   // encoded
	weight  int64 // of the producer's buffer
	sealed  bool  // owned by the producer's mu

	sequence *log.ProducerSequence // once it was enqueued by an idempotent producer
	doubt    bool                  // enqueued, so it may be in the log
	rebased  bool                  // refused for its sequence and given a new one

	ticket log.Ticket
	err    error
	done   chan struct{}

	moved   []Future     // where each record went when the topic's layout changed; nil: nowhere
	away    atomic.Int32 // batches among them that are not done
	origins []*batch     // those whose records this one took over. Owned by the producer's mu, then by the lane's goroutine
}

// slabs holds the records' memory of batches that are done.
var slabs = sync.Pool{New: func() any { return new([]log.Record) }}

const slabRecordsMax = 4096 // a larger slab goes back to the garbage collector

func newBatch(tp log.TopicPartition) *batch {
	slab := slabs.Get().(*[]log.Record)
	return &batch{tp: tp, created: time.Now(), records: *slab, done: make(chan struct{})}
}

// fits reports whether a batch that has records takes one more of this size.
func (b *batch) fits(size int, opts *ProducerOptions) bool {
	return !b.sealed && b.bytes+size <= opts.BatchBytesMax
}

// finish tells who waits. The records' memory is used again.
func (b *batch) finish(err error) {
	b.err = err
	b.release()
	for _, origin := range b.origins { // first: when b is done they are
		origin.arrived()
	}
	b.origins = nil
	close(b.done)
}

// release gives the records' memory to other batches.
func (b *batch) release() {
	records := b.records
	b.records = nil
	if records == nil {
		return
	}
	clear(records)
	if cap(records) <= slabRecordsMax {
		slabs.Put(new(records[:0]))
	}
}
