package commands

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

// pushEvery is how many commands are decided before they are handed to the committer, so that the
// first of a long queue need not wait for the last.
const pushEvery = 64

// processor owns one partition number: it alone decides for its hotels and writes its partitions. run is its goroutine, and the
// fields below it belong to that; the pipe's committer is the only other one.
type processor struct {
	partition log.Partition
	op        string // for errors
	lg        Log
	opts      Options
	snapshots *snapshots
	queue     *queue
	pipe      *pipe

	// Owned by run.
	state     *state
	down      error     // why state may not be used; nil: it may
	retryAt   time.Time // when down: not to be rebuilt before
	topic     int       // where the events in flight go
	decided   []*Pending
	ticket    log.Ticket // the newest of decided
	encoder   encoder
	requested int64                // events when a snapshot was last asked for
	armed     map[string]time.Time // by hotel: what OnHold was told last; see noteHolds
}

func openProcessor(ctx context.Context, lg Log, n log.Partition, opts Options, s *snapshots) (*processor, error) {
	op := "commands/" + strconv.Itoa(int(n))
	p := &processor{
		partition: n, op: op, lg: lg, opts: opts, snapshots: s,
		queue: newQueue(opts.QueueMax), pipe: newPipe(op, opts.InFlightMax, opts.Persons),
		encoder: encoder{source: opts.Source},
	}
	var err error
	if p.state, err = p.load(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", op, err)
	}
	p.requested = s.eventsIn(n)
	p.armAll()
	return p, nil
}

// run decides what comes until ctx ends and everything accepted is answered. An error means that the state cannot follow its own events.
func (p *processor) run(ctx context.Context) error {
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		p.pipe.run()
	}()
	stop := context.AfterFunc(ctx, p.queue.close)
	err := p.loop()
	stop()
	p.queue.close()
	p.refuseRest(err)
	p.pipe.close()
	<-committed
	return err
}

func (p *processor) loop() error {
	ticks, stop := p.ticker()
	defer stop()
	if err := p.offerAll(); err != nil {
		return err
	}
	var batch []*Pending
	for {
		var closed bool
		runtime.Gosched()
		batch, closed = p.queue.take(batch)
		if len(batch) == 0 && closed {
			return nil
		}
		if err := p.decideAll(batch); err != nil {
			return err
		}
		if p.awaitMore(len(batch) > 0, ticks) {
			if err := p.expireHolds(); err != nil {
				return err
			}
			if err := p.offerAll(); err != nil {
				return err
			}
		}
		p.askForSnapshot()
		clear(batch)
	}
}

// awaitMore blocks until there may be something in the queue, unless busy, and reports whether it is time for a tick.
func (p *processor) awaitMore(busy bool, ticks <-chan time.Time) bool {
	if busy {
		select {
		case <-ticks:
			return true
		default:
			return false
		}
	}
	select {
	case <-ticks:
		return true
	case <-p.queue.wake:
		return false
	}
}

// decideAll decides a batch in order and pushes it. After an error the rest of the batch is refused.
func (p *processor) decideAll(batch []*Pending) error {
	for i, c := range batch {
		rest := batch[i:]
		c.journey.deciding()
		err := p.decide(c)
		c.journey.wasDecided()
		if err == nil {
			p.decided = append(p.decided, c)
			rest = batch[i+1:]
			err = p.offerAfter(c)
		}
		if err != nil {
			p.push()
			for _, c := range rest {
				c.refuse(unavailable(p.op, err))
				c.answer()
			}
			return err
		}
		if len(p.decided) >= pushEvery {
			p.push()
		}
	}
	if len(batch) == 1 && len(p.decided) == 1 && p.pipe.pushAlone(p.decided[0], p.ticket) {
		p.pushedAll()
		return nil
	}
	p.push()
	return nil
}

// push hands what is decided to the committer.
func (p *processor) push() {
	if len(p.decided) > 0 {
		p.pipe.push(p.decided, p.ticket)
		p.pushedAll()
	}
}

func (p *processor) pushedAll() {
	clear(p.decided)
	p.decided, p.ticket = p.decided[:0], log.Ticket{}
}

// drain blocks until everything decided is committed and answered, or has failed.
func (p *processor) drain() {
	p.push()
	p.pipe.drain()
}

// decide finds the command's outcome and leaves it in c, to be answered when everything before it is committed. An error is fatal.
func (p *processor) decide(c *Pending) error {
	if c.look != nil {
		p.show(c)
		return nil
	}
	for attempt := 0; ; attempt++ {
		if err := p.ready(); err != nil {
			c.refuse(unavailable(p.op, err))
			return nil
		}
		if p.known(c) {
			return nil
		}
		again, err := p.apply(c)
		if err != nil {
			return err
		}
		if !again {
			p.rearm(c)
			return nil
		}
		if attempt >= 3 {
			c.refuse(unavailable(p.op, c.err))
			return nil
		}
	}
}

// known answers a command whose request id was applied before, or for which there is no room.
func (p *processor) known(c *Pending) bool {
	if c.command.RequestID == uuid.Nil {
		return false
	}
	entry := p.state.requests.find(c.command.RequestID)
	switch {
	case entry == nil && p.state.requests.full():
		c.refuse(log.NewError(log.LimitReached, p.op,
			"%d request ids of the last %s are remembered: no room for another", p.state.requests.len(), p.opts.RequestTTL))
	case entry == nil:
		return false
	case entry.fp != requestFP(c.finger) && entry.fp != requestFP(c.plain):
		c.refuse(ErrRequestReused)
	default:
		c.refuse(nil)
		c.replay = entry.ref
	}
	return true
}

// apply decides the command, enqueues its events and evolves the state with them. It returns true when the
// command is to be decided again, because the ground it was decided on has changed; c.err then says why.
func (p *processor) apply(c *Pending) (again bool, err error) {
	body := c.command.Body
	h := p.state.hotel(body.HotelID())
	nextHold, held := h.NextHoldExpiry()
	events, err := hotel.Decide(h, body, hotel.At{
		Now: c.command.Time, InventoryOffset: int64(p.state.next[inventoryTopic]), Seals: c.seals, Words: c.words,
	})
	if err == nil && p.tooManyHotels(body) {
		err = domain.Errorf(domain.LimitReached, "hotel_id", "partition %d has %d hotels, which is the most", p.partition, p.opts.HotelsMax)
	}
	c.refuse(err)
	if err != nil || len(events) == 0 {
		return false, nil //nolint:nilerr // a broken rule is the command's answer
	}
	topic := topicIndex(log.Topic(body.Topic()))
	if topic != p.topic {
		p.drain()
		p.topic = topic
		if p.pipe.bust.Load() {
			c.refuse(errLostGround)
			return true, nil
		}
	}
	if err := p.encoder.encode(c, events); err != nil {
		c.refuse(err)
		return false, nil
	}
	c.exposed, c.told = c.exposed || len(c.seals) > 0 && !turnsAway(events), true
	base := p.state.next[topic]
	ticket, err := p.lg.Enqueue(p.at(topic), p.encoder.batch(base))
	if err != nil {
		return p.refused(c, topic, err)
	}
	p.ticket = ticket
	if err := p.evolve(c, topic, base); err != nil {
		return false, err
	}
	p.noteHolds(body.HotelID(), h, nextHold, held)
	return false, nil
}

// tooManyHotels reports whether a decided command would make one hotel more than the memory of a partition is meant for.
func (p *processor) tooManyHotels(body hotel.Command) bool {
	_, creates := body.(*hotel.CreateHotel)
	return creates && len(p.state.hotels) >= p.opts.HotelsMax
}

// evolve brings the state behind the events that were enqueued at base.
func (p *processor) evolve(c *Pending, topic int, base log.Offset) error {
	events := c.result.Events
	for _, e := range events {
		if err := p.state.apply(topic, e); err != nil {
			return err
		}
	}
	p.state.remember(events[0], topic, base, len(events))
	c.result.Position = log.Position{
		Topic: topicNames[topic], Partition: p.partition, Offset: base + log.Offset(len(events)) - 1,
	}
	return nil
}

// refused acts on an Enqueue that failed. Nothing of the command has happened.
func (p *processor) refused(c *Pending, topic int, err error) (again bool, fatal error) {
	c.refuse(err)
	switch log.CodeOf(err) {
	case log.LimitReached: // the log holds too much that is not written yet
		if p.busy() {
			p.drain()
			return true, nil
		}
	case log.OffsetMismatch: // somebody else writes here: learn what
		p.drain()
		if !p.pipe.bust.Load() {
			p.opts.Logger.Warn("another writer appended", "partition", p.at(topic).String(), "error", err)
			if err := catchUp(context.Background(), p.lg, p.partition, p.state, nil); err != nil {
				p.goDown(err)
			} else {
				p.armAll()
			}
		}
		return true, nil
	case log.InvalidArgument, log.RecordTooLarge:
	default:
		c.refuse(unavailable(p.op, err))
	}
	return false, nil
}

// busy reports whether anything waits to be committed.
func (p *processor) busy() bool {
	p.pipe.mu.Lock()
	defer p.pipe.mu.Unlock()
	return len(p.decided) > 0 || p.pipe.inFlight > 0
}

func (p *processor) at(topic int) log.TopicPartition {
	return log.TopicPartition{Topic: topicNames[topic], Partition: p.partition}
}

// refuseRest answers those that came in before the queue closed and will not be decided.
func (p *processor) refuseRest(err error) {
	rest, _ := p.queue.take(nil)
	for _, c := range rest {
		c.refuse(unavailable(p.op, err))
		c.answer()
	}
}
