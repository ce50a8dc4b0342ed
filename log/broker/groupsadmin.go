package broker

import (
	"context"
	"maps"
	"slices"

	"lodge/log"
	groups "lodge/log/internal/group"
)

// ListGroups implements log.GroupAdmin.
func (b *Broker) ListGroups(context.Context) ([]log.GroupInfo, error) {
	if b.closed.Load() {
		return nil, errClosed("list groups")
	}
	if b.consumers.lost != nil {
		return nil, b.consumers.lost
	}
	all := b.consumers.all()
	infos := make([]log.GroupInfo, 0, len(all))
	for _, g := range all {
		g.mu.Lock()
		if !g.dead {
			infos = append(infos, g.state.Describe())
		}
		g.mu.Unlock()
	}
	return infos, nil
}

// DescribeGroup implements log.GroupAdmin.
func (b *Broker) DescribeGroup(ctx context.Context, name log.Group) (log.GroupInfo, error) {
	g, err := b.consumers.known(ctx, "describe", name)
	if err != nil {
		return log.GroupInfo{}, err
	}
	info, offsets, last := g.state.Describe(), g.state.Offsets(nil), g.last
	g.mu.Unlock()
	if err := g.wait(ctx, last); err != nil {
		return log.GroupInfo{}, err
	}
	for _, tp := range slices.SortedFunc(maps.Keys(offsets), log.TopicPartition.Compare) {
		info.Offsets = append(info.Offsets, b.groupOffset(ctx, tp, offsets[tp]))
	}
	return info, nil
}

// groupOffset tells how far a committed offset is behind. Records that are no longer kept do not count.
func (b *Broker) groupOffset(ctx context.Context, tp log.TopicPartition, c log.CommittedOffset) log.GroupOffset {
	o := log.GroupOffset{TopicPartition: tp, CommittedOffset: c, HighWatermark: log.NoOffset}
	if start, end, err := b.Offsets(ctx, tp); err == nil {
		o.HighWatermark, o.Lag = end, max(0, int64(end-max(start, c.Offset)))
	}
	return o
}

// known enters a group that is there.
func (c *coordinator) known(ctx context.Context, op string, name log.Group) (*consumerGroup, error) {
	if err := c.ready(ctx, op, name, false); err != nil {
		return nil, err
	}
	g, err := c.enter(ctx, op, name, false)
	if g == nil && err == nil {
		err = log.NewError(log.UnknownGroup, op+" group "+string(name), "no such group")
	}
	return g, err
}

// DeleteGroup implements log.GroupAdmin. The deletion is durable when it returns nil; when ctx ends first the group is deleted all the same.
func (b *Broker) DeleteGroup(ctx context.Context, name log.Group) error {
	for {
		g, err := b.consumers.known(ctx, "delete", name)
		if err != nil {
			return err
		}
		full, err := g.delete()
		last := g.last
		g.exit()
		if err != nil {
			return err
		}
		if !full {
			if err := g.wait(ctx, last); err != nil {
				return err
			}
			b.consumers.forget(g)
			return nil
		}
		if err := b.consumers.room(ctx); err != nil {
			return err
		}
	}
}

// delete enqueues a group's tombstones and makes it Dead. mu must be held.
func (g *consumerGroup) delete() (full bool, err error) {
	if g.state.State() != log.GroupEmpty {
		return false, g.state.Kill(g.c.now())
	}
	records := []log.Record{}
	for _, tp := range slices.SortedFunc(maps.Keys(g.state.Offsets(nil)), log.TopicPartition.Compare) {
		records = append(records, groups.OffsetTombstone(g.name, tp))
	}
	stale := g.unstored
	g.unstored = false // not worth storing any more
	if full, err = g.store(append(records, groups.Tombstone(g.name))...); full || err != nil {
		g.unstored = stale
		return full, err
	}
	g.dead = true
	return false, g.state.Kill(g.c.now())
}
