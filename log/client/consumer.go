package client

import (
	"context"
	"slices"
	"sync"

	"lodge/log"
)

// Consumer reads partitions: those that Assign names, or, as a member of a group, those that fall to it of the topics that Subscribe
// names. Poll returns records as they come, in order for each partition, from all partitions in turn. While the caller works on them the next
// ones are fetched.
//
// Without a group it keeps positions in memory only: who wants to go on after a restart stores them with the results and
// seeks. In a group, positions are committed as ConsumerOptions.Delivery says, and whoever has the partition next goes on there.
//
// Calling Poll says that what it returned before is done with. Poll is for one goroutine at a time; everything else may be called by
// any, but in a group see Close.
type Consumer struct {
	reader log.Reader
	opts   ConsumerOptions

	alive   context.Context // until Close
	kill    context.CancelFunc
	fetches sync.WaitGroup
	polling sync.Mutex    // held by Poll
	changed chan struct{} // capacity 1: Poll should look again

	committing chan struct{} // capacity 1: held while offsets are committed
	inOrder    *keyOrder     // nil: newer layouts are read at once
	held       *held         // taken and not yet committed, with AtMostOnce. Owned by polling

	mu     sync.Mutex // guards what follows
	parts  map[log.TopicPartition]*assigned
	order  []*assigned // by topic and partition
	first  int         // index into order: whose turn it is
	topics []log.Topic // subscribed
	group  *membership // nil: not in a group
	closed bool
}

// assigned is one partition of a consumer. Owned by the consumer's mu.
type assigned struct {
	tp       log.TopicPartition
	position log.Offset   // of the record that Poll returns next
	records  []log.Record // fetched and not yet polled
	next     log.Offset   // the position when records is empty
	earlier  log.Offset   // the position when Poll was last called: below it all is done with

	committed log.Offset // to the group, as far as this consumer knows; NoOffset: nothing
	paused    bool
	stopped   bool               // by an error, until a seek or resume
	err       error              // not yet returned by Poll
	cancel    context.CancelFunc // of the fetch under way; nil: none
	seeks     int                // a fetch that began before the last seek is void
}

// NewConsumer returns a consumer without partitions. It starts no goroutine; Close it when done.
func NewConsumer(reader log.Reader, opts ConsumerOptions) (*Consumer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	c := &Consumer{reader: reader, opts: opts, changed: make(chan struct{}, 1), parts: make(map[log.TopicPartition]*assigned)}
	c.committing = make(chan struct{}, 1)
	if opts.Group != "" {
		coord, ok := reader.(coordinator)
		if !ok {
			return nil, invalid("consumer options", "the log of type %T has no groups", reader)
		}
		if opts.KeyOrder {
			c.inOrder = newKeyOrder(c, coord)
		}
	}
	c.alive, c.kill = context.WithCancel(context.Background())
	return c, nil
}

// Assign adds partitions, to be read from at on. One that is there already is sought. Nothing
// changes when there is an error: UnknownTopic, InvalidArgument (in a group nobody but the group assigns), LimitReached (AssignedMax), Closed.
func (c *Consumer) Assign(ctx context.Context, at Start, tps ...log.TopicPartition) error {
	if c.opts.Group != "" {
		return invalid("assign", "the consumer is in the group %s, which assigns", c.opts.Group)
	}
	offsets, err := c.resolve(ctx, at, tps)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(tps); err != nil {
		return err
	}
	for i, tp := range tps {
		if c.parts[tp] == nil {
			c.parts[tp] = &assigned{tp: tp}
			c.order = append(c.order, c.parts[tp])
		}
		c.parts[tp].seek(offsets[i])
	}
	slices.SortFunc(c.order, func(a, b *assigned) int { return a.tp.Compare(b.tp) })
	c.signal()
	return nil
}

// admit says whether partitions may be added. mu must be held.
func (c *Consumer) admit(tps []log.TopicPartition) error {
	if c.closed {
		return errConsumerClosed()
	}
	added := make(map[log.TopicPartition]bool)
	for _, tp := range tps {
		added[tp] = c.parts[tp] == nil
	}
	n := len(c.parts)
	for _, isNew := range added {
		if isNew {
			n++
		}
	}
	if n > AssignedMax {
		return log.NewError(log.LimitReached, "assign", "%d partitions are more than %d", n, AssignedMax)
	}
	return nil
}

// Unassign takes partitions away that Assign named. Records of theirs that were fetched are dropped.
func (c *Consumer) Unassign(tps ...log.TopicPartition) {
	if c.opts.Group != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(tps)
	c.signal()
}

// drop ends the reading of partitions. mu must be held.
func (c *Consumer) drop(tps []log.TopicPartition) {
	for _, tp := range tps {
		if a := c.parts[tp]; a != nil {
			a.seek(0)
			delete(c.parts, tp)
		}
	}
	c.order = slices.DeleteFunc(c.order, func(a *assigned) bool { return c.parts[a.tp] != a })
}

// Assignment returns the partitions, by topic and number.
func (c *Consumer) Assignment() []log.TopicPartition {
	c.mu.Lock()
	defer c.mu.Unlock()
	tps := make([]log.TopicPartition, len(c.order))
	for i, a := range c.order {
		tps[i] = a.tp
	}
	return tps
}

// Seek moves the position of assigned partitions, all of them if none is named. The next Poll returns nothing
// from before the seek. Nothing changes when there is an error: InvalidArgument (not assigned) or one of the log's.
func (c *Consumer) Seek(ctx context.Context, at Start, tps ...log.TopicPartition) error {
	if len(tps) == 0 {
		tps = c.Assignment()
	}
	offsets, err := c.resolve(ctx, at, tps)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tp := range tps {
		if c.parts[tp] == nil {
			return invalid("seek in "+tp.String(), "not assigned")
		}
	}
	for i, tp := range tps {
		c.parts[tp].seek(offsets[i])
	}
	c.signal()
	return nil
}

// rewind has an assigned partition that is not there read from offset 0 on, should it be there again.
func (c *Consumer) rewind(tp log.TopicPartition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.parts[tp]; a != nil {
		a.seek(0)
		c.signal()
	}
}

func (c *Consumer) resolve(ctx context.Context, at Start, tps []log.TopicPartition) ([]log.Offset, error) {
	offsets := make([]log.Offset, len(tps))
	for i, tp := range tps {
		var err error
		if offsets[i], err = at.resolve(ctx, c.reader, tp); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

// seek sets the position and voids what was fetched from elsewhere.
func (a *assigned) seek(to log.Offset) {
	if a.cancel != nil {
		a.cancel()
	}
	a.seeks++
	a.position, a.next, a.records, a.cancel = to, to, nil, nil
	a.stopped, a.err = false, nil
}

// Pause keeps Poll from returning records of these partitions until Resume. What was fetched is kept.
func (c *Consumer) Pause(tps ...log.TopicPartition) { c.setPaused(true, tps) }

// Resume ends a pause, and makes a partition that was stopped by an error try again.
func (c *Consumer) Resume(tps ...log.TopicPartition) { c.setPaused(false, tps) }

func (c *Consumer) setPaused(paused bool, tps []log.TopicPartition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tp := range tps {
		if a := c.parts[tp]; a != nil {
			a.paused = paused
			a.stopped = a.stopped && paused
		}
	}
	c.signal()
}

// Position returns the offset of the record that Poll returns next, and whether tp is assigned.
func (c *Consumer) Position(tp log.TopicPartition) (log.Offset, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.parts[tp]
	if a == nil {
		return log.NoOffset, false
	}
	return a.position, true
}

// Lag returns how many offsets tp's position is behind its high watermark.
func (c *Consumer) Lag(ctx context.Context, tp log.TopicPartition) (int64, error) {
	position, ok := c.Position(tp)
	if !ok {
		return 0, invalid("lag of "+tp.String(), "not assigned")
	}
	_, highWatermark, err := c.reader.Offsets(ctx, tp)
	return max(0, int64(highWatermark-position)), err
}

// Close ends a Poll under way with code Closed, drops what was fetched and returns when no goroutine is left.
//
// In a group it also does what Leave does, within closeTimeout (5 s), except that a static member stays in the group until its session ends. It
// gives partitions away, so nothing that Poll returned should still be worked on. Must not be called by OnAssigned, OnRevoked or OnLost.
func (c *Consumer) Close() {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	c.kill()
	c.polling.Lock()
	defer c.polling.Unlock()
	if !again {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = c.retire(ctx) // the same is told by Leave
	}
	c.fetches.Wait()
}

func errConsumerClosed() error { return log.NewError(log.Closed, "poll", "the consumer is closed") }

func (c *Consumer) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
