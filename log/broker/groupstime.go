package broker

import (
	"container/heap"
	"context"
	"time"

	"lodge/log"
)

// offsetsInterval is how often Run looks for expired offsets, as in Kafka.
const offsetsInterval = 10 * time.Minute

// dueGroups is a heap of groups by dueAt.
type dueGroups []*consumerGroup

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (d dueGroups) Len() int           { return len(d) }
func (d dueGroups) Less(i, j int) bool { return d[i].dueAt < d[j].dueAt }
func (d dueGroups) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].dueIndex, d[j].dueIndex = i, j
}

// Push implements heap.Interface.
func (d *dueGroups) Push(g any) {
	g.(*consumerGroup).dueIndex = len(*d)
	*d = append(*d, g.(*consumerGroup))
}

// Pop implements heap.Interface.
func (d *dueGroups) Pop() any {
	last := len(*d) - 1
	g := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return g
}

// schedule makes sure that Run looks at the group at this time or earlier. Deadlines mostly move back (heartbeats), so one that is noted
// already is kept: at that time Run finds nothing to do and notes the next.
func (c *coordinator) schedule(g *consumerGroup, at time.Duration) {
	at = max(1, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.dueAt != 0 && g.dueAt <= at {
		return
	}
	noted := g.dueAt != 0
	g.dueAt = at
	if noted {
		heap.Fix(&c.due, g.dueIndex)
	} else {
		heap.Push(&c.due, g)
	}
	if c.due[0] == g {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// next takes the first group off the heap if it is due, or tells how long that takes.
func (c *coordinator) next(now time.Duration) (g *consumerGroup, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 {
		return nil, time.Hour
	}
	if at := c.due[0].dueAt; at > now {
		return nil, at - now
	}
	g = heap.Pop(&c.due).(*consumerGroup)
	g.dueAt = 0
	return g, 0
}

// run carries time to the groups until ctx ends.
func (c *coordinator) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		for {
			g, wait := c.next(time.Since(c.b.opened))
			if g == nil {
				timer.Reset(wait)
				break
			}
			g.tick()
		}
	}
}

// tick does what is due in the group.
func (g *consumerGroup) tick() {
	g.mu.Lock()
	if g.dead || g.broken != nil {
		g.mu.Unlock()
		return
	}
	defer g.exit()
	g.carryOut(g.state.Tick(g.c.now()))
}

// expire drops offsets that have expired or whose partition is gone, and groups of which nothing is left. Nobody waits for it: what is
// not stored is found again.
func (c *coordinator) expire(ctx context.Context) {
	for _, g := range c.all() {
		if ctx.Err() != nil {
			return
		}
		g.mu.Lock()
		if g.dead || g.broken != nil {
			g.mu.Unlock()
			continue
		}
		g.expire()
		dead, last := g.dead, g.last
		g.exit()
		if dead && g.wait(ctx, last) == nil {
			c.forget(g)
		}
	}
}

// expire drops what has expired. mu must be held.
func (g *consumerGroup) expire() {
	g.drop(g.state.Forget(func(tp log.TopicPartition, _ log.CommittedOffset) bool {
		_, err := g.c.b.partition(tp, "expire")
		return log.CodeOf(err) == log.UnknownTopic
	}))
	opts := &g.c.b.opts.Groups
	if retention := opts.OffsetRetention; retention >= 0 && (opts.Kept == nil || !opts.Kept(g.name)) {
		g.drop(g.state.Expire(g.c.now(), retention))
	}
	if g.state.Expired(g.c.now()) {
		_, _ = g.delete()
		return
	}
	if g.pending() {
		_, _ = g.store()
	}
}
