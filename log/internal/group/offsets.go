package group

import (
	"maps"
	"slices"
	"time"

	"lodge/log"
)

// CheckCommit checks whether a commit may be stored. A member's commit counts as a heartbeat. Codes: InvalidArgument, UnknownMember,
// IllegalGeneration, RebalanceInProgress, FencedInstance, GroupNotEmpty (an administrator's commit while there are members), LimitReached.
func (g *Group) CheckCommit(now Moment, req log.CommitRequest) error {
	if err := g.checkOffsets(req.Offsets); err != nil {
		return err
	}
	if req.Generation < 0 && req.Member == "" && req.Instance == "" {
		return g.checkAdmin("commit to")
	}
	if g.generation == 0 && len(g.members) == 0 {
		return g.err(log.IllegalGeneration, "commit to", "generation %d, but it never had members", req.Generation)
	}
	m, err := g.checkGeneration("commit to", req.Member, req.Instance, req.Generation)
	if err != nil {
		return err
	}
	m.alive(now)
	if g.state == log.GroupCompletingRebalance {
		return g.err(log.RebalanceInProgress, "commit to", "the plan of generation %d is not made", g.generation)
	}
	return nil
}

// checkAdmin checks that somebody who is no member may commit.
func (g *Group) checkAdmin(op string) error {
	switch {
	case g.state == log.GroupDead:
		return g.err(log.Unavailable, op, "it is being deleted")
	case g.state != log.GroupEmpty:
		return g.err(log.GroupNotEmpty, op, "it is %s with %d members", g.state, len(g.members))
	}
	return nil
}

// checkOffsets checks what is to be committed.
func (g *Group) checkOffsets(offsets map[log.TopicPartition]log.CommittedOffset) error {
	total := len(g.offsets)
	for tp, c := range offsets {
		if c.Offset < 0 || len(c.Metadata) > log.OffsetMetadataMax {
			return g.err(log.InvalidArgument, "commit to", "%s: offset %d is negative, or %d bytes of metadata are more than %d",
				tp, c.Offset, len(c.Metadata), log.OffsetMetadataMax)
		}
		if _, there := g.offsets[tp]; !there {
			total++
		}
	}
	if total > g.config.OffsetsMax {
		return g.err(log.LimitReached, "commit to", "offsets of %d partitions are more than %d", total, g.config.OffsetsMax)
	}
	return nil
}

// SetOffsets takes in offsets that CheckCommit has let pass, with their commit times.
func (g *Group) SetOffsets(offsets map[log.TopicPartition]log.CommittedOffset) {
	maps.Copy(g.offsets, offsets)
}

// Offsets returns what is committed, for tps or for all partitions when tps is nil. The map is the caller's.
func (g *Group) Offsets(tps []log.TopicPartition) map[log.TopicPartition]log.CommittedOffset {
	if tps == nil {
		return maps.Clone(g.offsets)
	}
	found := make(map[log.TopicPartition]log.CommittedOffset, len(tps))
	for _, tp := range tps {
		if c, ok := g.offsets[tp]; ok {
			found[tp] = c
		}
	}
	return found
}

// Forget removes the offsets that gone chooses and returns their partitions, in order.
func (g *Group) Forget(gone func(log.TopicPartition, log.CommittedOffset) bool) (removed []log.TopicPartition) {
	for tp, c := range g.offsets {
		if gone(tp, c) {
			removed = append(removed, tp)
			delete(g.offsets, tp)
		}
	}
	slices.SortFunc(removed, log.TopicPartition.Compare)
	return removed
}

// Expire removes the offsets that have expired, by Kafka's rule (KIP-211), and returns their partitions. Retention counts
//
//   - in a group that never had members, from the commit;
//   - in an Empty group, from when it became empty, or from the commit when that was later;
//   - in a Stable group, from the commit, and only for topics that no member subscribes to;
//   - else not at all.
func (g *Group) Expire(now Moment, retention time.Duration) []log.TopicPartition {
	since := func(_ log.TopicPartition, c log.CommittedOffset) (time.Time, bool) { return c.CommitTime, true }
	switch {
	case g.state == log.GroupEmpty && g.protocolType != "":
		since = func(_ log.TopicPartition, c log.CommittedOffset) (time.Time, bool) {
			if g.changed.After(c.CommitTime) {
				return g.changed, true
			}
			return c.CommitTime, true
		}
	case g.state == log.GroupStable:
		subscribed, known := g.subscribed()
		since = func(tp log.TopicPartition, c log.CommittedOffset) (time.Time, bool) {
			return c.CommitTime, known && !subscribed[tp.Topic]
		}
	case g.state != log.GroupEmpty:
		return nil
	}
	return g.Forget(func(tp log.TopicPartition, c log.CommittedOffset) bool {
		start, counts := since(tp, c)
		return counts && now.Wall.Sub(start) >= retention
	})
}

// Expired reports whether a group has nothing that need be kept: it has no offsets, and has been Empty for EmptyAge. So its generation
// does not go back while members come and go.
func (g *Group) Expired(now Moment) bool {
	return g.state == log.GroupEmpty && len(g.offsets) == 0 && now.Wall.Sub(g.changed) >= EmptyAge
}

// subscribed returns the topics that the members subscribe to, or false when that cannot be told.
func (g *Group) subscribed() (map[log.Topic]bool, bool) {
	topics := map[log.Topic]bool{}
	for _, m := range g.members {
		s, err := DecodeSubscription(m.metadata(g.protocol))
		if err != nil {
			return nil, false
		}
		for _, t := range s.Topics {
			topics[t] = true
		}
	}
	return topics, true
}
