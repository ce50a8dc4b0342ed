package broker

import (
	"context"
	"errors"

	"lodge/log"
)

// pending reports whether something is to be stored. mu must be held.
func (g *consumerGroup) pending() bool { return g.unstored || len(g.outbox) > 0 }

// store enqueues what is pending, and records, as one batch. When the partition is full nothing is enqueued: wait for room and try
// again. An error says that the batch is too large, which changes nothing, or that the group is broken. mu must be held.
func (g *consumerGroup) store(records ...log.Record) (full bool, err error) {
	if g.broken != nil {
		return false, g.broken
	}
	batch := append(g.outbox[:len(g.outbox):len(g.outbox)], records...)
	if g.unstored && !g.dead {
		batch = append(batch, g.state.MetadataRecord())
	}
	if len(batch) == 0 {
		return false, nil
	}
	ticket, err := g.c.b.Enqueue(offsetsPartition, &log.Batch{Records: batch})
	switch code := log.CodeOf(err); {
	case err == nil:
		g.outbox, g.unstored, g.last = nil, false, ticket
	case code == log.LimitReached:
		return true, nil
	case code != log.RecordTooLarge || len(records) == 0:
		g.fail(err)
	}
	return false, err
}

// fail makes the group unavailable: what it is in memory is not what is stored. mu must be held.
func (g *consumerGroup) fail(err error) {
	if g.broken != nil {
		return
	}
	g.broken = err
	if log.CodeOf(err) != log.Closed {
		g.c.b.opts.Logger.Error("group unavailable", "group", string(g.name), "error", err)
	}
	for call, answer := range g.answers {
		delete(g.answers, call)
		answer <- groupReply(call, err)
	}
}

// room waits until the partition may take another batch.
func (c *coordinator) room(ctx context.Context) error {
	p, err := c.b.partition(offsetsPartition, "append")
	if err != nil {
		return err
	}
	return p.newest().Wait(ctx)
}

// settle returns when everything that the group is in memory is durable, as far as it must be.
func (g *consumerGroup) settle(ctx context.Context) error {
	last, err := g.flush(ctx)
	if err != nil {
		return err
	}
	return g.wait(ctx, last)
}

// flush enqueues what is pending as soon as there is room, and returns the ticket of what was stored last.
func (g *consumerGroup) flush(ctx context.Context) (log.Ticket, error) {
	for {
		g.mu.Lock()
		full, err := g.store()
		last := g.last
		g.mu.Unlock()
		if err == nil && full {
			err = g.c.room(ctx)
		}
		if err != nil || !full {
			return last, err
		}
	}
}

// wait waits for what was stored. When it cannot be, the group is broken.
func (g *consumerGroup) wait(ctx context.Context, stored log.Ticket) error {
	err := stored.Wait(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail(err)
	return err
}
