package client

import (
	"context"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// moving is a topic's change from one layout to the next, as a producer goes through it.
//
// It begins when the log refuses a batch for its layout. From then on Produce waits, and every lane of the topic empties
// itself: what the log still takes is settled, what it refuses is parked, with all that is queued behind it. A batch that was refused is not in the log,
// and neither is any later one of its lane, so nothing is parked that might be there. When the last lane is done the parked
// records are routed anew, lane by lane in their order; then Produce goes on. So the records of a key, which are all in one lane, never
// overtake each other.
type moving struct {
	anyLayout bool          // the topic may have been made anew: its numbers begin again
	parked    []*batch      // of each lane in order. Owned by the producer's mu until the last lane is done
	done      chan struct{} // closed when the records are in lanes again, or given up
}

// move begins the change away from a route. The producer's mu must be held.
func (p *Producer) move(from *route, anyLayout bool) {
	if from.moving != nil {
		from.moving.anyLayout = from.moving.anyLayout || anyLayout
		return
	}
	p.moves++
	from.moving = &moving{anyLayout: anyLayout, done: make(chan struct{})}
	for _, l := range p.byName {
		if l.route == from {
			l.signal() // there is no use in lingering
		}
	}
}

// park takes batches that are not in the log out of the lane, with all that it has behind them.
func (l *lane) park(batches []*batch) {
	for _, b := range batches {
		if b.doubt {
			l.newEpoch() // the sequences that they were given are void
			break
		}
	}
	p := l.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(l.route, false)
	if l.filling != nil {
		l.seal()
	}
	m := l.route.moving
	m.parked = append(append(m.parked, batches...), l.sealed...)
	l.sealed = nil
}

// rest ends the lane's goroutine. The producer's mu must be held.
func (l *lane) rest() {
	l.running = false
	from := l.route
	from.lanes--
	if from.lanes == 0 && from.moving != nil {
		l.producer.lanes.Go(func() { l.producer.reroute(from) })
	}
}

// reroute gives the parked records of a topic to the lanes of its current layout.
func (p *Producer) reroute(from *route) {
	to, err := p.refresh(from)
	parked := from.moving.parked
	if err != nil {
		p.mu.Lock()
		p.replace(from, nil)
		p.mu.Unlock()
		for _, b := range parked {
			p.settle([]*batch{b}, err)
		}
		return
	}
	picks := p.pickAnew(to, parked)
	p.mu.Lock()
	p.replace(from, to)
	var refused []*batch
	for i, b := range parked {
		refused = append(refused, p.transfer(to, b, picks[i])...)
	}
	p.mu.Unlock()
	for _, b := range refused {
		p.settle([]*batch{b}, b.err)
	}
	for _, b := range parked {
		b.arrived()
	}
}

// replace puts a route in another's place and lets Produce go on. The producer's mu must be held.
func (p *Producer) replace(from, to *route) {
	if to == nil {
		delete(p.routes, from.topic)
	} else {
		p.routes[from.topic] = to
	}
	close(from.moving.done)
}

// refresh asks the log for the topic's layout, as long as the oldest parked record may wait. The log refuses an old layout a little before it
// tells the new one, and a change that fails in between leaves the old one: so the same one counts when it is told again after a pause.
func (p *Producer) refresh(from *route) (*route, error) {
	deadline := time.Now().Add(p.opts.DeliveryTimeout)
	for _, b := range from.moving.parked {
		if d := b.created.Add(p.opts.DeliveryTimeout); d.Before(deadline) {
			deadline = d
		}
	}
	ctx, cancel := context.WithDeadline(p.alive, deadline)
	defer cancel()
	backoff := min(p.opts.RetryBackoff<<min(from.repeats, 16), p.opts.RetryBackoffMax)
	for paused := false; ; paused = true {
		info, err := p.lg.DescribeTopic(ctx, from.topic)
		newer := info.Layout.Number > from.layout || from.moving.anyLayout
		switch {
		case err == nil && (newer || paused):
			to := newRoute(info)
			if !newer {
				to.repeats = from.repeats + 1
			}
			return to, nil
		case err != nil && !log.CodeOf(err).Retriable() && ctx.Err() == nil:
			return nil, err
		}
		if !sleep(ctx, backoff) {
			return nil, p.explain(ctx, "produce to "+string(from.topic), ctx.Err())
		}
		backoff = min(2*backoff, p.opts.RetryBackoffMax)
	}
}

// choice is where a record goes, or why it does not.
type choice struct {
	partition log.Partition
	err       error
}

// pickAnew asks the partitioner about parked records, without a lock.
func (p *Producer) pickAnew(to *route, parked []*batch) [][]choice {
	picks := make([][]choice, len(parked))
	for i, b := range parked {
		picks[i] = make([]choice, len(b.records))
		for j := range b.records {
			partition, err := to.pick(p.opts.Partitioner, &b.records[j])
			picks[i][j] = choice{partition: partition, err: err}
		}
	}
	return picks
}

// transfer puts a parked batch's records into lanes, and returns those that no lane takes, each in a
// batch with its error. The producer's mu must be held.
func (p *Producer) transfer(to *route, b *batch, picks []choice) (refused []*batch) {
	b.moved = make([]Future, len(b.records))
	b.away.Store(1) // until arrived
	for i := range b.records {
		r := &b.records[i]
		size := record.RecordSize(r)
		weight := p.weight(size)
		if err := picks[i].err; err != nil {
			alone := newBatch(b.tp)
			alone.records, alone.weight, alone.err = append(alone.records, *r), weight, err
			refused = append(refused, alone)
			b.moved[i] = Future{batch: alone}
		} else {
			b.moved[i] = p.lay(to, picks[i].partition, r, size, weight)
		}
		b.follow(b.moved[i].batch)
	}
	b.release()
	return refused
}

// follow makes b done only when child is.
func (b *batch) follow(child *batch) {
	if n := len(child.origins); n > 0 && child.origins[n-1] == b {
		return
	}
	if b.created.Before(child.created) {
		child.created = b.created
	}
	child.origins = append(child.origins, b)
	b.away.Add(1)
}

// arrived says that one of the batches that b's records went to is done.
func (b *batch) arrived() {
	if b.away.Add(-1) == 0 {
		b.finish(nil)
	}
}
