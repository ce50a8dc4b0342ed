package client

import (
	"context"
	"maps"

	"lodge/log"
)

// Commit stores how far the group has got: for each partition the offset of the record that is to be processed next. With nil it is
// everything that Polls so far returned. It returns when that is durable, all of it or none. While the group forms anew it waits, until ctx ends.
//
// Errors: IllegalGeneration, UnknownMember (a partition is not this member's, or not any more: somebody else goes on from the last
// commit), FencedInstance, InvalidArgument (no group, or a negative offset), RebalanceInProgress (ctx ended first), and the coordinator's others.
func (c *Consumer) Commit(ctx context.Context, offsets map[log.TopicPartition]log.Offset) error {
	if c.opts.Group == "" {
		return invalid("commit", "the consumer is in no group")
	}
	if offsets == nil {
		return c.commitThere(ctx, c.returned())
	}
	all := make(map[log.TopicPartition]log.CommittedOffset, len(offsets))
	for tp, o := range offsets {
		all[tp] = log.CommittedOffset{Offset: o}
	}
	return c.commitAll(ctx, all)
}

// returned says where what Polls so far returned ends, where that is not committed.
func (c *Consumer) returned() map[log.TopicPartition]log.CommittedOffset {
	c.mu.Lock()
	defer c.mu.Unlock()
	offsets := map[log.TopicPartition]log.CommittedOffset{}
	for _, a := range c.order {
		if a.position != a.committed {
			offsets[a.tp] = log.CommittedOffset{Offset: a.position}
		}
	}
	return offsets
}

// earlier says where what Polls before the last one returned ends, where that is not committed, in tps or everywhere when that is nil.
func (c *Consumer) earlier(tps []log.TopicPartition) map[log.TopicPartition]log.CommittedOffset {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tps == nil {
		for _, a := range c.order {
			tps = append(tps, a.tp)
		}
	}
	offsets := map[log.TopicPartition]log.CommittedOffset{}
	for _, tp := range tps {
		if a := c.parts[tp]; a != nil && a.earlier != a.committed {
			offsets[tp] = log.CommittedOffset{Offset: a.earlier}
		}
	}
	return offsets
}

// commitAll commits, and tries again as often as the membership turns meanwhile, as long as the partitions stay the member's. One commit at a time, so
// that an older one never overwrites a newer one.
func (c *Consumer) commitAll(ctx context.Context, offsets map[log.TopicPartition]log.CommittedOffset) error {
	select {
	case c.committing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.committing }()
	backoff := c.opts.RetryBackoff
	for len(offsets) > 0 {
		at, err := c.commitOnce(ctx, offsets)
		if err == nil {
			return nil
		}
		code := log.CodeOf(err)
		switch {
		case at == nil || !isDeposed(err) && !code.Retriable():
			return err
		case code == log.RebalanceInProgress || isDeposed(err):
			if !at.turned(ctx, code == log.RebalanceInProgress) {
				return err
			}
		case !sleep(ctx, backoff):
			return err
		}
		backoff = min(2*backoff, c.opts.RetryBackoffMax)
	}
	return nil
}

// commitEarlier commits what earlier Polls returned, if that is possible right now: there will be another time.
func (c *Consumer) commitEarlier(ctx context.Context) {
	select {
	case c.committing <- struct{}{}:
	default:
		return
	}
	defer func() { <-c.committing }()
	ctx, cancel := context.WithTimeout(ctx, c.opts.SessionTimeout/3)
	defer cancel()
	offsets := c.earlier(nil)
	if len(offsets) == 0 {
		return
	}
	_, err := c.commitOnce(ctx, offsets) // what matters of an error the next heartbeat tells
	if log.CodeOf(err) == log.UnknownTopic && c.forget(ctx, offsets) {
		_, _ = c.commitOnce(ctx, offsets)
	}
}

// commitThere is commitAll that leaves out partitions which were deleted or retired meanwhile.
func (c *Consumer) commitThere(ctx context.Context, offsets map[log.TopicPartition]log.CommittedOffset) error {
	err := c.commitAll(ctx, offsets)
	for log.CodeOf(err) == log.UnknownTopic && c.forget(ctx, offsets) {
		err = c.commitAll(ctx, offsets)
	}
	return err
}

// forget leaves partitions out that are not there, and reports whether there were some.
func (c *Consumer) forget(ctx context.Context, offsets map[log.TopicPartition]log.CommittedOffset) bool {
	before := len(offsets)
	maps.DeleteFunc(offsets, func(tp log.TopicPartition, _ log.CommittedOffset) bool {
		_, _, err := c.reader.Offsets(ctx, tp)
		return log.CodeOf(err) == log.UnknownTopic
	})
	return len(offsets) < before
}

// standing is where a member stood when it tried to commit.
type standing struct {
	m       *membership
	joining bool
	next    <-chan struct{} // closed when it stands elsewhere
}

// commitOnce commits as the member that this consumer is now. The standing is nil when that was not even tried.
func (c *Consumer) commitOnce(ctx context.Context, offsets map[log.TopicPartition]log.CommittedOffset) (*standing, error) {
	c.mu.Lock()
	m := c.group
	if m != nil && m.generation == log.NoGeneration { // never as if by an administrator, whom the group lets do more
		c.mu.Unlock()
		return nil, log.NewError(log.IllegalGeneration, "commit to group "+string(c.opts.Group), "the consumer is no member of it now")
	}
	owners := make(map[*assigned]log.Offset, len(offsets))
	for tp, o := range offsets {
		a := c.parts[tp]
		if a == nil {
			c.mu.Unlock()
			return nil, log.NewError(log.IllegalGeneration, "commit "+tp.String(), "the partition is not assigned, or not any more")
		}
		owners[a] = o.Offset
	}
	at := &standing{m: m, joining: m.joining, next: m.turned}
	req := log.CommitRequest{Group: c.opts.Group, Generation: m.generation, Member: m.id, Instance: c.opts.Instance, Offsets: offsets}
	c.mu.Unlock()
	if err := m.coord.CommitOffsets(ctx, req); err != nil {
		return at, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for a, o := range owners {
		a.committed = o
	}
	return at, nil
}

// turned reports whether the membership has changed since, or does so while it is waited for: as long as it is joining, or with
// patience until ctx ends. Otherwise the member does not know yet what the coordinator knows, and is told to ask.
func (s *standing) turned(ctx context.Context, patience bool) bool {
	select {
	case <-s.next:
		return true
	default:
	}
	s.m.nudge()
	if !s.joining && !patience {
		return false
	}
	select {
	case <-s.next:
		return true
	case <-s.m.done:
		return false
	case <-ctx.Done():
		return false
	}
}
