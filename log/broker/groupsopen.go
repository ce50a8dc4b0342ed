package broker

import (
	"context"
	"fmt"

	"lodge/log"
	groups "lodge/log/internal/group"
)

// openGroups reads what is stored of groups and takes out what has gone since: members that were in the process before, offsets that
// have expired or whose topic is gone. That is stored before anything else is. An error is kept and returned by every call about
// groups; the rest of the log does not suffer.
func (b *Broker) openGroups() {
	c := newCoordinator(b)
	b.consumers = c
	if (*b.topics.Load())[offsetsTopic] == nil {
		return
	}
	if err := c.open(context.Background()); err != nil {
		c.lost = fmt.Errorf("open groups: %w", err)
		b.opts.Logger.Error("groups cannot be opened", "error", err)
	}
}

func (c *coordinator) open(ctx context.Context) error {
	replay := groups.Replay{}
	if err := c.replay(ctx, &replay); err != nil {
		return err
	}
	var last log.Ticket // of all groups: one wait will do
	for name, saved := range replay.Groups {
		state, changed := groups.Restore(name, c.config, c.now(), saved)
		c.mu.Lock()
		g := c.add(name, state)
		c.mu.Unlock()
		g.mu.Lock()
		g.unstored = changed
		g.expire()
		g.exit()
		stored, err := g.flush(ctx)
		if err != nil {
			return err
		}
		if g.dead {
			c.forget(g)
		}
		if stored.Waiter != nil {
			last = stored
		}
	}
	return last.Wait(ctx)
}

// replay reads the topic from its beginning to its end.
func (c *coordinator) replay(ctx context.Context, replay *groups.Replay) error {
	at, end, err := c.b.Offsets(ctx, offsetsPartition)
	for err == nil && at < end {
		var found log.FetchResult
		found, err = c.b.Fetch(ctx, log.FetchRequest{TopicPartition: offsetsPartition, Offset: at})
		for i := range found.Records {
			if err := replay.Apply(&found.Records[i]); err != nil {
				return err
			}
		}
		if err == nil && found.Next <= at {
			return log.NewError(log.Corrupt, "open groups", "%s ends at %d, not at %d", offsetsPartition, at, end)
		}
		at = found.Next
	}
	return err
}
