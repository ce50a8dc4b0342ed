package client

import (
	"context"
	"time"

	"lodge/log"
)

// PartitionError is an error of one partition. The others go on; this one is stopped until it is
// sought, resumed or assigned anew.
type PartitionError struct {
	TopicPartition log.TopicPartition
	Err            error
}

// Error returns the error's text, with the partition.
func (e *PartitionError) Error() string {
	return "consume " + e.TopicPartition.String() + ": " + e.Err.Error()
}

// Unwrap returns the error itself.
func (e *PartitionError) Unwrap() error { return e.Err }

// Poll returns the next records, at least one and at most PollRecordsMax. It waits until there are some or
// ctx ends; then it returns ctx's error, and nothing is lost. The records of one partition follow each other in order.
//
// Other errors: *PartitionError, once for each time a partition is stopped; Closed; those of OnAssigned and OnRevoked. In a group also those
// of a commit, FencedInstance from when another member has taken over this one's instance on, and what the coordinator refuses a member
// for (GroupFull, InvalidSessionTimeout, InconsistentProtocol, …): the next Poll tries to join again.
func (c *Consumer) Poll(ctx context.Context) ([]log.Record, error) { return c.pollUntil(ctx, nil) }

// pollUntil is Poll that returns nothing when there are no records and enough, if it is not nil, says so.
func (c *Consumer) pollUntil(ctx context.Context, enough func() bool) ([]log.Record, error) {
	c.polling.Lock()
	defer c.polling.Unlock()
	for {
		if err := c.attend(); err != nil {
			return nil, err
		}
		records, again, err := c.turn(ctx)
		if err != nil || len(records) > 0 {
			return records, err
		}
		if again {
			continue
		}
		if enough != nil && enough() {
			return nil, nil
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.alive.Done():
		}
	}
}

// turn does what is next: tell of a changed assignment, or else return records that are there. With again set there may be more to do.
func (c *Consumer) turn(ctx context.Context) (records []log.Record, again bool, err error) {
	c.settle()
	if c.opts.Group == "" {
		records, err = c.look()
		return records, false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.alive, cancel)()
	records, again, err = c.turnInGroup(ctx)
	if err != nil && c.alive.Err() != nil {
		err = errConsumerClosed()
	}
	return records, again, err
}

// turnInGroup is turn for a member of a group.
func (c *Consumer) turnInGroup(ctx context.Context) (records []log.Record, again bool, err error) {
	if again, err = c.perform(ctx); again || err != nil {
		return nil, again, err
	}
	if err := c.verdict(); err != nil {
		return nil, false, err
	}
	if c.held == nil {
		if records, err = c.look(); err != nil || len(records) == 0 || c.opts.Delivery != AtMostOnce {
			return records, false, err
		}
		c.hold(records)
	}
	records, err = c.release(ctx)
	return records, err == nil && len(records) == 0, err
}

// settle notes that what was returned so far is done with.
func (c *Consumer) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.order {
		a.earlier = a.position
	}
}

// look takes what is there and has more fetched.
func (c *Consumer) look() ([]log.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errConsumerClosed()
	}
	for _, a := range c.order {
		if err := a.err; err != nil {
			a.err = nil
			return nil, err
		}
	}
	records := c.take()
	for _, a := range c.order {
		c.fetch(a)
	}
	return records, nil
}

// take removes up to PollRecordsMax records from the partitions' buffers. mu must be held.
func (c *Consumer) take() (records []log.Record) {
	n := len(c.order)
	for i := range n {
		a := c.order[(c.first+i)%n]
		if k := min(len(a.records), c.opts.PollRecordsMax-len(records)); k > 0 && !a.paused {
			taken := a.take(k)
			if records == nil {
				records = taken // its capacity is its length: an append copies
			} else {
				records = append(records, taken...)
			}
		}
	}
	c.first++
	return records
}

func (a *assigned) take(k int) []log.Record {
	taken := a.records[:k:k]
	a.records = a.records[k:]
	a.position = a.next
	if len(a.records) > 0 {
		a.position = a.records[0].Offset
	}
	return taken
}

// fetch starts a fetch of a partition that needs one. mu must be held.
func (c *Consumer) fetch(a *assigned) {
	if a.paused || a.stopped || a.cancel != nil || len(a.records) > 0 {
		return
	}
	ctx, cancel := context.WithCancel(c.alive)
	a.cancel = cancel
	req := log.FetchRequest{TopicPartition: a.tp, Offset: a.position, MaxWait: c.opts.FetchWait, Filter: c.opts.Filter}
	req.MaxBytes = min(c.opts.FetchBytesMax, max(fetchBytesMin, c.opts.BufferBytesMax/len(c.order)))
	seeks := a.seeks
	c.fetches.Go(func() {
		defer cancel()
		result, err := c.fetchPatiently(ctx, req)
		c.fetched(a, seeks, result, err)
	})
}

// fetchPatiently fetches, and tries again as long as the error allows it.
func (c *Consumer) fetchPatiently(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	backoff := c.opts.RetryBackoff
	for {
		result, err := c.fetchOnce(ctx, req)
		switch code := log.CodeOf(err); {
		case err == nil || ctx.Err() != nil:
			return result, err
		case code == log.OffsetOutOfRange && c.opts.OutOfRange != Fail:
			if req.Offset, err = c.opts.OutOfRange.start().resolve(ctx, c.reader, req.TopicPartition); err != nil {
				return result, err
			}
		case code == log.UnknownTopic && c.opts.Group != "": // deleted or retired: the next plan is without it, unless it is made anew
		case !code.Retriable():
			return result, err
		}
		if !sleep(ctx, backoff) {
			return result, ctx.Err()
		}
		backoff = min(2*backoff, c.opts.RetryBackoffMax)
	}
}

// fetchOnce fetches, with KeyOrder only what may be read already.
func (c *Consumer) fetchOnce(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	if c.inOrder != nil {
		return c.inOrder.fetch(ctx, req)
	}
	return c.reader.Fetch(ctx, req)
}

func (o OutOfRange) start() Start {
	if o == ToEnd {
		return AtEnd()
	}
	return AtBeginning()
}

// sleep waits for d and reports whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetched takes in what a fetch found, unless the partition was sought in the meantime.
func (c *Consumer) fetched(a *assigned, seeks int, result log.FetchResult, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.seeks != seeks || c.closed {
		return
	}
	a.cancel = nil
	if err != nil {
		a.stopped, a.err = true, &PartitionError{TopicPartition: a.tp, Err: err}
	} else {
		a.records, a.next, a.position = result.Records, result.Next, result.Next
		if len(result.Records) > 0 {
			a.position = result.Records[0].Offset
		}
	}
	c.signal()
}
