package client

import (
	"context"
	"slices"
	"time"

	"lodge/log"
)

// handover is a change of the assignment on its way to the application. Poll sees to it, in its caller's goroutine: so what Poll returned
// before is done with, and no handler runs while its partition is given away.
type handover struct {
	kind handoverKind
	tps  []log.TopicPartition
	done chan struct{} // closed when Poll has seen to it; nil: nobody waits
	void bool          // the member is out of the group: nothing of it holds any more. Owned by the consumer's mu
}

type handoverKind uint8

const (
	assigning handoverKind = iota // the partitions are the member's from now on
	revoking                      // they go to another when it is done
	losing                        // they are another's already
)

// revocation hands partitions over that the member no longer counts as its own when Poll has seen to it.
func (m *membership) revocation(tps []log.TopicPartition) *handover {
	slices.SortFunc(tps, log.TopicPartition.Compare)
	return &handover{kind: revoking, tps: tps}
}

// handOver waits until Poll has seen to hs, sending heartbeats meanwhile. A rebalance that begins meanwhile waits for it too. When Poll does not
// come within RebalanceTimeout the error is errStayedAway.
func (m *membership) handOver(ctx context.Context, hs ...*handover) error {
	if len(hs) == 0 {
		return nil
	}
	m.c.mu.Lock()
	for _, h := range hs {
		h.done = make(chan struct{})
	}
	m.handovers = append(m.handovers, hs...)
	m.c.signal()
	m.c.mu.Unlock()
	timeout := time.NewTimer(m.c.opts.RebalanceTimeout)
	defer timeout.Stop()
	for _, h := range hs {
		if err := m.beats(ctx, h.done, timeout.C); err != nil {
			return err
		}
		if h.kind == revoking {
			for _, tp := range h.tps {
				delete(m.owned, tp)
			}
		}
	}
	return nil
}

// lose stops the reading of all partitions, which are another's by now, and has Poll say so. With forget the member has no id any more.
func (m *membership) lose(forget bool) {
	clear(m.owned)
	m.leader = nil
	c := m.c
	c.mu.Lock()
	defer c.mu.Unlock()
	m.turnLocked(func() { // together with the partitions: a commit goes by both
		m.generation, m.joining = log.NoGeneration, false
		if forget {
			m.id = ""
		}
	})
	lost := &handover{kind: losing}
	for _, a := range c.order {
		lost.tps = append(lost.tps, a.tp)
	}
	c.drop(lost.tps)
	for _, h := range m.handovers {
		h.void = true
		if h.kind == losing {
			lost.tps = append(h.tps, lost.tps...)
		}
	}
	m.handovers = nil
	if len(lost.tps) > 0 {
		m.handovers = []*handover{lost}
	}
	c.signal()
}

// perform sees to the next handover, if there is one, and reports whether it did.
func (c *Consumer) perform(ctx context.Context) (bool, error) {
	c.mu.Lock()
	m := c.group
	if m == nil || len(m.handovers) == 0 {
		c.mu.Unlock()
		return false, nil
	}
	h := m.handovers[0]
	c.mu.Unlock()
	var err error
	switch h.kind {
	case assigning:
		if err = c.takeOver(ctx, m, h); err != nil {
			return true, err // the next Poll tries again
		}
	case revoking:
		err = c.giveUp(ctx, h.tps)
	case losing:
		if c.opts.OnLost != nil {
			c.opts.OnLost(h.tps)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.handovers = slices.DeleteFunc(m.handovers, func(other *handover) bool { return other == h })
	if h.done != nil {
		close(h.done)
	}
	return true, err
}

// giveUp ends the reading of partitions: what earlier Polls returned is finished and committed first.
func (c *Consumer) giveUp(ctx context.Context, tps []log.TopicPartition) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.RebalanceTimeout)
	defer cancel()
	var err error
	if c.opts.OnRevoked != nil {
		err = c.opts.OnRevoked(ctx, tps)
	}
	if err == nil && c.opts.autoCommits() {
		err = c.commitThere(ctx, c.earlier(tps))
		if isDeposed(err) {
			err = nil // then somebody begins where the last commit was, as at least once has it
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(tps)
	return err
}

// takeOver begins the reading of partitions: where OnAssigned says, or where the group stopped, or at the start.
func (c *Consumer) takeOver(ctx context.Context, m *membership, h *handover) error {
	var offsets map[log.TopicPartition]log.Offset
	var err error
	if c.opts.OnAssigned != nil {
		if offsets, err = c.opts.OnAssigned(ctx, h.tps); err != nil {
			return err
		}
	}
	begun, err := c.begin(ctx, m, h.tps, offsets)
	c.mu.Lock()
	if h.void {
		c.mu.Unlock()
		if c.opts.OnLost != nil && c.opts.OnAssigned != nil {
			c.opts.OnLost(h.tps) // they were assigned for the application, if for nobody else
		}
		return nil
	}
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	for _, a := range begun {
		c.parts[a.tp] = a
		c.order = append(c.order, a)
	}
	slices.SortFunc(c.order, func(a, b *assigned) int { return a.tp.Compare(b.tp) })
	return nil
}

// begin finds out where to read partitions from.
func (c *Consumer) begin(ctx context.Context, m *membership, tps []log.TopicPartition, offsets map[log.TopicPartition]log.Offset) ([]*assigned, error) {
	for tp, o := range offsets {
		if o < 0 || !slices.Contains(tps, tp) {
			return nil, invalid("assign "+tp.String(), "OnAssigned says offset %d of a partition among %v", o, tps)
		}
	}
	var committed map[log.TopicPartition]log.CommittedOffset
	if c.opts.Delivery != ExactlyOnce {
		var err error
		if committed, err = c.fetchOffsets(ctx, m.coord, tps); err != nil {
			return nil, err
		}
	}
	begun := make([]*assigned, 0, len(tps))
	for _, tp := range tps {
		a := &assigned{tp: tp, committed: log.NoOffset, paused: c.opts.Paused}
		if known, ok := committed[tp]; ok {
			a.position, a.committed = known.Offset, known.Offset
		}
		if o, ok := offsets[tp]; ok {
			a.position = o
		} else if a.committed == log.NoOffset {
			var err error
			a.position, err = c.opts.Start.resolve(ctx, c.reader, tp)
			if err != nil && log.CodeOf(err) != log.UnknownTopic { // gone since the plan was made: not in the next one
				return nil, err
			}
		}
		a.next, a.earlier = a.position, a.position
		begun = append(begun, a)
	}
	return begun, nil
}

// fetchOffsets returns what the group has committed, as soon as the coordinator answers.
func (c *Consumer) fetchOffsets(ctx context.Context, coord coordinator, tps []log.TopicPartition) (map[log.TopicPartition]log.CommittedOffset, error) {
	for backoff := c.opts.RetryBackoff; ; backoff = min(2*backoff, c.opts.RetryBackoffMax) {
		found, err := coord.FetchOffsets(ctx, c.opts.Group, tps)
		if err == nil || !log.CodeOf(err).Retriable() {
			return found, err
		}
		if !sleep(ctx, backoff) {
			return nil, ctx.Err()
		}
	}
}

// isDeposed reports whether an error says that the caller is no member of the group, or not of this generation.
func isDeposed(err error) bool {
	switch log.CodeOf(err) {
	case log.UnknownMember, log.IllegalGeneration, log.FencedInstance:
		return true
	}
	return false
}
