package broker

import (
	"context"
	"errors"
	"slices"

	"lodge/log"
	groups "lodge/log/internal/group"
)

// CommitOffsets implements log.Coordinator. A commit that its caller stops waiting for may be stored all the same.
func (b *Broker) CommitOffsets(ctx context.Context, req log.CommitRequest) error {
	admin := req.Generation < 0 && req.Member == "" && req.Instance == ""
	if err := b.consumers.ready(ctx, "commit to", req.Group, admin); err != nil {
		return err
	}
	for {
		g, err := b.consumers.enter(ctx, "commit to", req.Group, admin)
		if err != nil {
			return err
		}
		if g == nil { // as Kafka answers a member of a group that it does not know
			if b.consumers.isQueue(req.Group) {
				return errIsQueue("commit to", req.Group)
			}
			return log.NewError(log.IllegalGeneration, "commit to group "+string(req.Group), "there is no such group")
		}
		full, err := g.commit(req)
		stored := g.last
		g.exit()
		if err != nil {
			return err
		}
		if !full {
			return g.wait(ctx, stored)
		}
		if err := b.consumers.room(ctx); err != nil {
			return err
		}
	}
}

// commit checks and enqueues a commit. mu must be held.
func (g *consumerGroup) commit(req log.CommitRequest) (full bool, err error) {
	now := g.c.now()
	if err := g.state.CheckCommit(now, req); err != nil || len(req.Offsets) == 0 {
		return false, err
	}
	offsets := make(map[log.TopicPartition]log.CommittedOffset, len(req.Offsets))
	records := make([]log.Record, 0, len(req.Offsets))
	for tp, o := range req.Offsets {
		// Under the group's lock: a topic is forgotten under it too, after it is gone.
		if _, err := g.c.b.partition(tp, "commit to group "+string(g.name)+":"); err != nil {
			return false, err
		}
		o.CommitTime = now.Wall
		offsets[tp] = o
		records = append(records, groups.OffsetRecord(g.name, tp, o))
	}
	full, err = g.store(records...)
	if !full && err == nil {
		g.state.SetOffsets(offsets)
	}
	return full, err
}

// FetchOffsets implements log.Coordinator. It waits until what it returns is durable: so it sees every commit that was accepted before
// it was called, and nothing that a crash could take back. A group that is not there has nothing committed.
func (b *Broker) FetchOffsets(ctx context.Context, name log.Group, tps []log.TopicPartition) (map[log.TopicPartition]log.CommittedOffset, error) {
	if err := b.consumers.ready(ctx, "fetch offsets of", name, false); err != nil {
		return nil, err
	}
	g, err := b.consumers.enter(ctx, "fetch offsets of", name, false)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return map[log.TopicPartition]log.CommittedOffset{}, nil
	}
	offsets, last := g.state.Offsets(tps), g.last
	g.mu.Unlock()
	return offsets, g.wait(ctx, last)
}

// ResetOffsets implements log.GroupAdmin. A group that is not there is made.
func (b *Broker) ResetOffsets(ctx context.Context, name log.Group, to map[log.TopicPartition]log.Offset) error {
	offsets := make(map[log.TopicPartition]log.CommittedOffset, len(to))
	for tp, o := range to {
		start, end, err := b.Offsets(ctx, tp)
		if err != nil {
			return err
		}
		if o < start || o > end {
			return log.NewError(log.OffsetOutOfRange, "reset group "+string(name), "%s: offset %d is not within %d..%d", tp, o, start, end)
		}
		offsets[tp] = log.CommittedOffset{Offset: o}
	}
	return b.CommitOffsets(ctx, log.CommitRequest{Group: name, Generation: log.NoGeneration, Offsets: offsets})
}

// forgetTopic drops the offsets that groups have committed for a topic that is gone, of all groups before it waits until that is durable.
func (c *coordinator) forgetTopic(ctx context.Context, topic log.Topic) error {
	var dropped []*consumerGroup
	for _, g := range c.all() {
		g.mu.Lock()
		if g.drop(g.state.Forget(func(tp log.TopicPartition, _ log.CommittedOffset) bool { return tp.Topic == topic })) {
			dropped = append(dropped, g)
		}
		g.exit()
	}
	var errs []error
	for _, g := range dropped {
		errs = append(errs, g.settle(ctx))
	}
	return errors.Join(errs...)
}

// drop puts the tombstones of removed offsets into the outbox and reports whether there are any. mu must be held.
func (g *consumerGroup) drop(removed []log.TopicPartition) bool {
	g.outbox = slices.Grow(g.outbox, len(removed))
	for _, tp := range removed {
		g.outbox = append(g.outbox, groups.OffsetTombstone(g.name, tp))
	}
	return len(removed) > 0
}
