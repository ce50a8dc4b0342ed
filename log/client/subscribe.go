package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"lodge/log"
)

// closeTimeout bounds what Close does for a group.
const closeTimeout = 5 * time.Second

// Subscribe says which topics the group's member wants to read, instead of those that it named before. The next Poll joins the group, or the
// next heartbeat has it form anew. A topic that is not there is waited for.
//
// Errors: InvalidArgument (no group, or no topics), InvalidTopic, LimitReached (SubscribedMax), Closed.
func (c *Consumer) Subscribe(topics ...log.Topic) error {
	if c.opts.Group == "" {
		return invalid("subscribe", "the consumer is in no group")
	}
	if len(topics) == 0 {
		return invalid("subscribe", "no topic is named")
	}
	topics = slices.Clone(topics)
	slices.Sort(topics)
	topics = slices.Compact(topics)
	if len(topics) > SubscribedMax {
		return log.NewError(log.LimitReached, "subscribe", "%d topics are more than %d", len(topics), SubscribedMax)
	}
	for _, t := range topics {
		if err := t.Validate(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errConsumerClosed()
	}
	c.topics = topics
	if c.group != nil {
		c.group.topics = topics
		c.group.nudge()
	}
	return nil
}

// Member returns the member's id and the generation of its group that it belongs to: "" and NoGeneration while it is in none.
func (c *Consumer) Member() (log.MemberID, log.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.group == nil {
		return "", log.NoGeneration
	}
	return c.group.id, c.group.generation
}

// Leave gives up all partitions (OnRevoked, then a commit of what earlier Polls returned) and leaves the group: the others get them at once.
// A static member stays in the group until its session ends. What the last Poll returned is not committed unless Commit was called: it may
// have failed. Subscribe and Poll join again.
//
// Leave waits for a Poll under way. The error is OnRevoked's, that of the commit, or that of leaving; the consumer is out all the same.
func (c *Consumer) Leave(ctx context.Context) error {
	c.polling.Lock()
	defer c.polling.Unlock()
	return c.retire(ctx)
}

// retire ends the membership. polling must be held.
func (c *Consumer) retire(ctx context.Context) error {
	c.mu.Lock()
	m := c.group
	c.topics = nil
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	m.end()
	<-m.done
	err := c.lastHandovers(ctx, m)
	id, _ := c.Member()
	err = errors.Join(err, m.leave(ctx, id))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.group, c.held = nil, nil
	return err
}

// lastHandovers tells the application what it does not know yet, and that it has nothing any more.
func (c *Consumer) lastHandovers(ctx context.Context, m *membership) error {
	c.mu.Lock()
	hs := m.handovers
	m.handovers = nil
	c.mu.Unlock()
	for _, h := range hs {
		if h.kind == losing && c.opts.OnLost != nil {
			c.opts.OnLost(h.tps)
		}
	}
	if tps := c.Assignment(); len(tps) > 0 {
		return c.giveUp(ctx, tps)
	}
	return nil
}

// attend has the membership know that Poll is at work, and begins it if there is none. polling must be held.
func (c *Consumer) attend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.group
	switch {
	case c.opts.Group == "" || c.closed:
		return nil
	case m == nil && len(c.topics) == 0:
		return invalid("poll", "a member of a group subscribes to topics first")
	case m == nil:
		m = newMembership(c, c.reader.(coordinator), c.topics)
		c.group = m
		var ctx context.Context
		ctx, m.end = context.WithCancel(c.alive)
		c.fetches.Go(func() { m.run(ctx) })
	}
	select {
	case m.polls <- struct{}{}:
	default:
	}
	return nil
}

// verdict returns the error that ended the membership, when the application knows of everything that came before. Then the next Poll
// begins another one, unless this one is fenced. polling must be held.
func (c *Consumer) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.group
	if m == nil || m.err == nil || len(m.handovers) > 0 {
		return nil
	}
	if code := log.CodeOf(m.err); code != log.FencedInstance {
		c.group = nil
	}
	return m.err
}
