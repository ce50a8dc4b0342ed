package broker

import (
	"context"
	"sync"

	"lodge/log"
	"lodge/log/internal/record"
)

// Enqueue implements log.Writer. The batch is encoded in the caller's goroutine; under the partition's lock
// it is only checked, given its offsets and copied. With more than GroupBytesMax waiting it returns LimitReached: wait on an earlier ticket
// and try again. Enqueue without ever waiting is acks=0: Run writes such batches every FlushInterval.
func (b *Broker) Enqueue(tp log.TopicPartition, batch *log.Batch) (log.Ticket, error) {
	p, err := b.partitionFor(tp, batch)
	if err != nil {
		return log.Ticket{}, err
	}
	buffer := b.scratch.get()
	defer b.scratch.put(buffer)
	if err := p.encode(buffer, batch); err != nil {
		return log.Ticket{}, err
	}
	return p.enqueue(buffer, batch)
}

// Append implements log.Writer. Where Enqueue would return LimitReached it helps to commit what waits and
// tries again.
func (b *Broker) Append(ctx context.Context, tp log.TopicPartition, batch *log.Batch) (log.Offset, error) {
	p, err := b.partitionFor(tp, batch)
	if err != nil {
		return log.NoOffset, err
	}
	t, err := p.enqueueWaiting(ctx, batch)
	if err != nil {
		return log.NoOffset, err
	}
	if err := t.Wait(ctx); err != nil {
		return log.NoOffset, err
	}
	return t.Base, nil
}

// partitionFor returns the partition that a batch is to be appended to.
func (b *Broker) partitionFor(tp log.TopicPartition, batch *log.Batch) (*partition, error) {
	p, err := b.partition(tp, "append")
	if err == nil {
		return p, nil
	}
	if t := (*b.topics.Load())[tp.Topic]; t != nil {
		if state := t.state.Load(); state.isMade(tp.Partition) && state.stateOf(tp.Partition) == log.StateRetired {
			if number := state.layout().Number; batch.Layout != nil && *batch.Layout != number {
				return nil, errStale(tp, *batch.Layout, number)
			}
			return nil, errDraining(tp, "is retired")
		}
	}
	return nil, err
}

// enqueueWaiting enqueues as soon as there is room.
func (p *partition) enqueueWaiting(ctx context.Context, batch *log.Batch) (log.Ticket, error) {
	buffer := p.b.scratch.get()
	defer p.b.scratch.put(buffer)
	if err := p.encode(buffer, batch); err != nil {
		return log.Ticket{}, err
	}
	for {
		t, err := p.enqueue(buffer, batch)
		if err == nil || log.CodeOf(err) != log.LimitReached {
			return t, err
		}
		if err := p.newest().Wait(ctx); err != nil {
			return t, err
		}
	}
}

// newest returns the group that takes batches in.
func (p *partition) newest() *group {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending
}

// encode encodes the batch into *buffer and checks it against the limits.
func (p *partition) encode(buffer *[]byte, batch *log.Batch) error {
	encoded, err := record.AppendBatch((*buffer)[:0], batch, p.b.opts.Clock())
	if err != nil {
		return err
	}
	*buffer = encoded
	if len(encoded) > p.b.opts.BatchBytesMax {
		return log.NewError(log.RecordTooLarge, "append "+p.tp.String(),
			"a batch of %d bytes is larger than %d", len(encoded), p.b.opts.BatchBytesMax)
	}
	if err := p.checkKeys(batch); err != nil {
		return err
	}
	limit := p.config().RecordBytesMax
	if batch.Compression == log.Uncompressed && len(encoded) <= limit {
		return nil // no record is larger than its batch
	}
	for i := range batch.Records {
		if size := record.RecordSize(&batch.Records[i]); size > limit {
			return log.NewError(log.RecordTooLarge, "append "+p.tp.String(),
				"record %d of %d bytes is larger than the topic's limit of %d", i, size, limit)
		}
	}
	return nil
}

// enqueue puts an encoded batch into the pending group, if its conditions hold.
func (p *partition) enqueue(buffer *[]byte, batch *log.Batch) (log.Ticket, error) {
	count := len(batch.Records)
	marks, tagHeader := p.marksOf(batch)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil {
		return log.Ticket{}, p.refused
	}
	if batch.Producer != nil {
		base, duplicate, err := p.producers.Check(*batch.Producer, count)
		if err != nil || duplicate {
			return p.duplicate(base, count), err
		}
	}
	if batch.Layout != nil || p.stage != activeStage {
		if err := p.routed(batch.Layout); err != nil {
			return log.Ticket{}, err
		}
	}
	if err := p.conditions(batch); err != nil {
		return log.Ticket{}, err
	}
	g := p.pending
	if g.batches > 0 && len(*g.buffer)+len(*buffer) > p.b.opts.GroupBytesMax {
		return log.Ticket{}, log.NewError(log.LimitReached, "append "+p.tp.String(),
			"%d bytes wait to be written, %d are allowed", len(*g.buffer), p.b.opts.GroupBytesMax)
	}
	base := p.next
	if marks != nil {
		p.log.ExpectMarks(base, tagHeader, marks)
	}
	record.SetPlace(*buffer, base, p.b.epoch)
	g.add(buffer)
	p.next += log.Offset(count)
	if g.batches == 1 {
		g.first = base
	}
	g.end = p.next
	if batch.Producer != nil {
		p.producers.Record(*batch.Producer, count, base)
	}
	return log.Ticket{Base: base, Count: count, Waiter: g}, nil
}

// add appends an encoded batch. A large first one changes places with g's buffer instead of being copied.
func (g *group) add(buffer *[]byte) {
	const swapMin = 32 << 10
	if g.buffer == nil {
		g.buffer = g.p.b.groups.get()
	}
	if len(*g.buffer) == 0 && len(*buffer) >= swapMin {
		*g.buffer, *buffer = *buffer, *g.buffer
	} else {
		*g.buffer = append(*g.buffer, *buffer...)
	}
	g.batches++
}

// conditions checks what the batch demands of the partition. mu must be held.
func (p *partition) conditions(batch *log.Batch) error {
	if batch.Fence != nil && *batch.Fence != p.b.epoch {
		return log.NewError(log.FencedEpoch, "append "+p.tp.String(), "epoch %d, the leader's is %d", *batch.Fence, p.b.epoch)
	}
	if batch.Expect != nil && *batch.Expect != p.next {
		return log.NewError(log.OffsetMismatch, "append "+p.tp.String(), "expected end %d, the end is %d", *batch.Expect, p.next)
	}
	return nil
}

// routed checks that p takes what was routed by a layout, or without one. mu must be held.
func (p *partition) routed(layout *int32) error {
	switch {
	case layout != nil && p.layout == layoutUnknown:
		return log.NewError(log.Unavailable, "append "+p.tp.String(), "the topic's file cannot be written: its layout is not certain")
	case layout != nil && (*layout != p.layout || p.layout == layoutChanging):
		return errStale(p.tp, *layout, p.layout)
	case p.stage == leavingStage:
		return log.NewError(log.Unavailable, "append "+p.tp.String(), "the partition is about to take no more records")
	case p.stage == drainingStage:
		return errDraining(p.tp, "is draining")
	}
	return nil
}

func errStale(tp log.TopicPartition, layout, current int32) error {
	if current == layoutChanging {
		return log.NewError(log.StaleLayout, "append "+tp.String(), "routed by layout %d, and the topic gets another", layout)
	}
	return log.NewError(log.StaleLayout, "append "+tp.String(), "routed by layout %d, the topic's is %d", layout, current)
}

// duplicate returns the ticket of a batch that is in the log, or on its way there. mu must be held.
func (p *partition) duplicate(base log.Offset, count int) log.Ticket {
	t := log.Ticket{Base: base, Count: count, Duplicate: true}
	switch {
	case p.pending.batches > 0 && base >= p.pending.first:
		t.Waiter = p.pending
	case p.writing != nil && base >= p.writing.first:
		t.Waiter = p.writing
	}
	return t
}

// buffers is a pool of buffers. Those beyond keepMax are left to the garbage collector.
type buffers struct {
	pool    sync.Pool
	keepMax int
}

// get returns an empty buffer.
func (b *buffers) get() *[]byte {
	buffer, ok := b.pool.Get().(*[]byte)
	if !ok {
		return new([]byte)
	}
	*buffer = (*buffer)[:0]
	return buffer
}

func (b *buffers) put(buffer *[]byte) {
	if cap(*buffer) <= b.keepMax {
		b.pool.Put(buffer)
	}
}
