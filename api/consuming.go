package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
	"lodge/log/client"
)

// The pace of Consume streams.
const (
	consumeSendMax = 60 * time.Second       // how long a caller may leave a message lie while the group waits for its partitions
	idleShort      = 100 * time.Millisecond // how soon silence is looked at, until it is known whether the stream has caught up; doubling up to idleLong
	idleLong       = time.Second
	idleEmpty      = time.Second // a member that has got nothing for so long gets nothing
)

// consuming is one Consume stream. Everything but commit runs in the stream's own goroutine, also what the consumer calls from Poll.
type consuming struct {
	name      string // consumers/{consumer}, or "" when nothing is to be committed
	log       Log
	stream    *connect.ServerStream[lodgev1.ConsumeResponse]
	ctx       context.Context // of the stream, for what the consumer calls
	consumer  *client.Consumer
	group     log.Group
	heartbeat time.Duration
	handover  time.Duration // Options.HandoverTimeout

	atMostOnce bool
	ending     bool
	targets    map[log.TopicPartition]log.Offset // what is assigned, and the high watermark then: behind it the stream has caught up
	dirty      bool                              // the assignment has changed and the caller does not know
	caughtUp   bool                              // and the caller knows
	joined     log.MemberID                      // as the caller knows it
	since      time.Time                         // when the member was first seen without partitions
	spoken     time.Time                         // when the last message was sent
	patience   time.Duration                     // of the next poll, as long as something is to be found out

	mu        sync.Mutex
	sent      map[log.TopicPartition]log.Offset // behind what was sent
	committed map[log.TopicPartition]log.Offset // by the caller
	progress  chan struct{}                     // closed and replaced by each commit
}

func (c *consuming) init() {
	c.targets = map[log.TopicPartition]log.Offset{}
	c.sent, c.committed = map[log.TopicPartition]log.Offset{}, map[log.TopicPartition]log.Offset{}
	c.progress = make(chan struct{})
	c.spoken, c.patience = time.Now(), idleShort
	if c.group != "" {
		c.name = consumersPrefix + uuid.NewString()
	}
}

// commits reports whether the caller may commit.
func (c *consuming) commits() bool { return c.group != "" && !c.atMostOnce }

// run sends what Poll returns until ctx ends or something fails.
func (c *consuming) run(ctx context.Context) error {
	for {
		records, err := c.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			err = c.idle()
		case err == nil:
			err = c.send(records)
		}
		if err != nil {
			return err
		}
	}
}

// poll waits for records no longer than until something else is to be said. What Poll does beside, taking over partitions and committing, has to
// fit in as well, and gets more time with each attempt.
func (c *consuming) poll(ctx context.Context) ([]log.Record, error) {
	wait := time.Until(c.spoken.Add(c.heartbeat))
	if !c.caughtUp || c.dirty {
		wait = min(wait, c.patience)
	}
	if c.atMostOnce || !c.settled() {
		wait = max(wait, c.patience)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	records, err := c.consumer.Poll(ctx)
	switch {
	case err == nil:
		c.patience = idleShort
	case c.settled():
		c.patience = min(2*c.patience, idleLong)
	default:
		c.patience = min(2*c.patience, consumeSendMax)
	}
	return records, err
}

// settled reports whether the consumer reads everything that it has been assigned.
func (c *consuming) settled() bool {
	for tp := range c.targets {
		if _, ok := c.consumer.Position(tp); !ok {
			return false
		}
	}
	return true
}

// send sends records in messages of a bearable size.
func (c *consuming) send(records []log.Record) error {
	if err := c.tellAssignment(); err != nil {
		return err
	}
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && size < consumeMessageMax {
			size += recordSize(&records[n])
			n++
		}
		msg, next := &lodgev1.ConsumeResponse_Records{}, map[log.TopicPartition]log.Offset{}
		for i := range records[:n] {
			r := &records[i]
			msg.Records = append(msg.Records, toRecord(r))
			next[log.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
		}
		msg.Next = c.note(next)
		if err := c.say(&lodgev1.ConsumeResponse{Message: &lodgev1.ConsumeResponse_Records_{Records: msg}}); err != nil {
			return err
		}
		records = records[n:]
	}
	return c.tellCaughtUp()
}

// say sends one message.
func (c *consuming) say(m *lodgev1.ConsumeResponse) error {
	err := c.stream.Send(m)
	c.spoken = time.Now()
	return err
}

// note remembers what the caller is about to know, and returns it as a cursor.
func (c *consuming) note(next map[log.TopicPartition]log.Offset) *lodgev1.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	cursor := &lodgev1.Cursor{}
	for _, tp := range slices.SortedFunc(maps.Keys(next), log.TopicPartition.Compare) {
		c.sent[tp] = next[tp]
		cursor.Positions = append(cursor.Positions, log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: next[tp]}.String())
	}
	return cursor
}

// reached returns how far the stream is in each of its partitions. Everything that Poll returned has been sent.
func (c *consuming) reached() *lodgev1.Cursor {
	next := map[log.TopicPartition]log.Offset{}
	for tp := range c.targets {
		if at, ok := c.consumer.Position(tp); ok {
			next[tp] = at
		}
	}
	return c.note(next)
}

// idle says what is to be said when there are no records.
func (c *consuming) idle() error {
	if id, generation := c.consumer.Member(); generation != log.NoGeneration && id != c.joined {
		c.joined, c.dirty = id, true
	}
	if err := c.tellAssignment(); err != nil {
		return err
	}
	if err := c.tellCaughtUp(); err != nil || time.Since(c.spoken) < c.heartbeat {
		return err
	}
	return c.say(&lodgev1.ConsumeResponse{Message: &lodgev1.ConsumeResponse_Heartbeat_{Heartbeat: &lodgev1.ConsumeResponse_Heartbeat{Next: c.reached()}}})
}

// tellAssignment sends the assignment if the caller does not know it.
func (c *consuming) tellAssignment() error {
	if !c.dirty {
		return nil
	}
	return c.sendAssignment()
}

func (c *consuming) sendAssignment() error {
	c.dirty = false
	c.caughtUp = false
	c.since = time.Now()
	id, _ := c.consumer.Member()
	c.joined = id
	m := &lodgev1.ConsumeResponse_Assignment{MemberId: string(id)}
	if c.commits() {
		m.Consumer = c.name
	}
	m.Partitions = partitionNames(slices.SortedFunc(maps.Keys(c.targets), log.TopicPartition.Compare))
	return c.say(&lodgev1.ConsumeResponse{Message: &lodgev1.ConsumeResponse_Assignment_{Assignment: m}})
}

// tellCaughtUp says once, for each assignment, that everything that was there has been sent.
func (c *consuming) tellCaughtUp() error {
	if c.caughtUp || c.dirty || !c.atTargets() {
		return nil
	}
	c.caughtUp = true
	return c.say(&lodgev1.ConsumeResponse{Message: &lodgev1.ConsumeResponse_CaughtUp_{CaughtUp: &lodgev1.ConsumeResponse_CaughtUp{Next: c.reached()}}})
}

func (c *consuming) atTargets() bool {
	if len(c.targets) == 0 {
		_, generation := c.consumer.Member()
		return (c.group == "" || generation != log.NoGeneration) && time.Since(c.since) > idleEmpty
	}
	for tp, target := range c.targets {
		if at, ok := c.consumer.Position(tp); !ok || at < target {
			return false
		}
	}
	return true
}

// assigned takes in partitions. For client.ConsumerOptions.OnAssigned.
func (c *consuming) assigned(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
	for _, tp := range tps {
		_, high, err := c.log.Offsets(ctx, tp)
		if err != nil && log.CodeOf(err) != log.UnknownTopic {
			return nil, err
		}
		c.targets[tp] = high
		c.forget(tp)
	}
	c.dirty = true
	return nil, nil
}

// forget drops what was sent and committed in a partition, for it begins anew.
func (c *consuming) forget(tp log.TopicPartition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sent, tp)
	delete(c.committed, tp)
}

// revoked tells the caller that partitions go, and gives it a moment to commit. For client.ConsumerOptions.OnRevoked.
func (c *consuming) revoked(_ context.Context, tps []log.TopicPartition) error {
	if c.ending {
		return nil
	}
	c.lost(tps)
	if !c.commits() || c.allCommitted(tps) {
		return nil
	}
	m := &lodgev1.ConsumeResponse_Revocation{Partitions: partitionNames(tps)}
	if err := c.say(&lodgev1.ConsumeResponse{Message: &lodgev1.ConsumeResponse_Revocation_{Revocation: m}}); err != nil {
		return err
	}
	timer := time.NewTimer(c.handover)
	defer timer.Stop()
	for {
		c.mu.Lock()
		progress := c.progress
		c.mu.Unlock()
		if c.allCommitted(tps) {
			return nil
		}
		select {
		case <-progress:
		case <-timer.C:
			return nil
		case <-c.ctx.Done():
			return nil
		}
	}
}

// lost takes partitions out. For client.ConsumerOptions.OnLost.
func (c *consuming) lost(tps []log.TopicPartition) {
	for _, tp := range tps {
		delete(c.targets, tp)
	}
	c.dirty = true
}

// allCommitted reports whether the caller has committed everything that was sent of partitions.
func (c *consuming) allCommitted(tps []log.TopicPartition) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tp := range tps {
		if c.committed[tp] < c.sent[tp] {
			return false
		}
	}
	return true
}
