package client

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"lodge/log"
)

// lane delivers the batches of one partition, in order. A goroutine runs while there are any.
//
// It enqueues several batches and waits for the last: the log writes them in order, so when that one is
// committed all are. After an answer that allows a retry it enqueues the same batches again, with the
// same sequences, before any later one: nothing overtakes, and the log recognizes what it already has.
type lane struct {
	producer *Producer
	tp       log.TopicPartition
	wake     chan struct{} // capacity 1: something changed for a goroutine that lingers

	// Owned by the producer's mu.
	route   *route   // by which the batches were routed; it stays while the goroutine runs
	filling *batch   // takes records; nil: none
	sealed  []*batch // take no more, oldest first
	newest  *batch   // filling, or the last that was sealed
	running bool     // the goroutine is there

	// Owned by the goroutine.
	sequence log.ProducerSequence // of the next batch; meaningless unless named
	named    bool                 // sequence has a producer id
	attempts int                  // retries in a row
	latest   log.Ticket           // of the last batch enqueued; without a waiter when it was waited for
}

// add puts a record into the lane. The producer's mu must be held.
func (l *lane) add(to *route, r *log.Record, size int, weight int64) Future {
	opts := &l.producer.opts
	if l.filling != nil && !l.filling.fits(size, opts) {
		l.seal()
	}
	if l.filling == nil {
		l.filling = newBatch(l.tp)
		l.newest = l.filling
	}
	b := l.filling
	b.records = append(b.records, *r)
	b.bytes += size
	b.weight += weight
	if b.bytes >= opts.BatchBytesMax || len(b.records) >= opts.BatchRecordsMax {
		l.seal()
	}
	if !l.running {
		l.running, l.route = true, to
		to.lanes++
		l.producer.lanes.Go(l.run)
	}
	return Future{batch: b, index: len(b.records) - 1}
}

// seal ends the filling batch. The producer's mu must be held.
func (l *lane) seal() {
	l.filling.sealed = true
	l.sealed = append(l.sealed, l.filling)
	l.filling = nil
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run() {
	for batches := l.next(); batches != nil; batches = l.next() {
		l.deliver(batches)
	}
}

// next returns the batches to send now, or nil when there are none and the goroutine ends.
func (l *lane) next() []*batch {
	p := l.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		wait := l.linger()
		if l.filling != nil && wait <= 0 && len(l.sealed) < p.opts.BatchesInFlight {
			l.seal()
		}
		if n := min(len(l.sealed), p.opts.BatchesInFlight); n > 0 {
			batches := slices.Clone(l.sealed[:n])
			l.sealed = slices.Delete(l.sealed, 0, n)
			return batches
		}
		if l.filling == nil {
			l.rest()
			return nil
		}
		p.mu.Unlock()
		l.sleep(p.alive, wait)
		p.mu.Lock()
	}
}

// linger returns how long the filling batch has to wait. The producer's mu must be held.
func (l *lane) linger() time.Duration {
	p := l.producer
	if l.filling == nil || p.hurry > 0 || p.closed || p.opts.Linger == 0 || l.route.moving != nil {
		return 0
	}
	return p.opts.Linger - time.Since(l.filling.created)
}

// sleep waits for d, for a signal, or for the end of ctx.
func (l *lane) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// deliver sends batches until each is acknowledged or given up.
func (l *lane) deliver(batches []*batch) {
	for len(batches) > 0 {
		n, err := l.attempt(batches)
		if log.CodeOf(err) == log.StaleLayout {
			l.park(batches)
			return
		}
		if err != nil {
			if l.again(batches[0], err) {
				continue
			}
			n = l.giveUp(batches)
		}
		l.attempts = 0
		l.settle(batches[:n], err)
		batches = batches[n:]
	}
}

// attempt enqueues as many of the batches as the log takes and waits for them. The error is nil
// when the first n are acknowledged; otherwise it concerns the first batch.
func (l *lane) attempt(batches []*batch) (n int, err error) {
	deadline := batches[0].created.Add(l.producer.opts.DeliveryTimeout)
	ctx, cancel := context.WithDeadline(l.producer.alive, deadline)
	defer cancel()
	for n < len(batches) && err == nil {
		if err = l.enqueue(ctx, batches[n]); err == nil {
			n++
		}
	}
	if n > 0 {
		l.latest = batches[n-1].ticket
	}
	unacked := *l.producer.opts.Acks == log.AcksNone
	makeRoom := unacked && log.CodeOf(err) == log.LimitReached && l.latest.Waiter != nil
	if unacked && err == nil || n == 0 && !makeRoom {
		return n, err
	}
	err = l.latest.Wait(ctx) // makes room, too, when the log took only some
	l.latest.Waiter = nil    // once: if there is still no room, somebody else has it
	return n, l.explain(ctx, err)
}

func (l *lane) enqueue(ctx context.Context, b *batch) error {
	if err := l.explain(ctx, ctx.Err()); err != nil {
		return err
	}
	out := log.Batch{Records: b.records, Compression: l.producer.opts.Compression, Layout: &l.route.layout}
	if !l.producer.opts.DisableIdempotence {
		var err error
		if out.Producer, err = l.sequenceOf(ctx, b); err != nil {
			return err
		}
	}
	ticket, err := l.producer.lg.Enqueue(l.tp, &out)
	if err != nil {
		return err
	}
	if !b.doubt && out.Producer != nil {
		b.sequence = out.Producer
		l.sequence.Sequence = int32((int64(out.Producer.Sequence) + int64(len(b.records))) & math.MaxInt32)
	}
	b.ticket, b.doubt = ticket, true
	return nil
}

// sequenceOf returns the sequence that b was enqueued with, or the next one.
func (l *lane) sequenceOf(ctx context.Context, b *batch) (*log.ProducerSequence, error) {
	if b.doubt {
		return b.sequence, nil
	}
	if !l.named {
		id, err := l.producer.producerID(ctx)
		if err != nil {
			return nil, err
		}
		l.sequence, l.named = log.ProducerSequence{ID: id}, true
	}
	return new(l.sequence), nil
}

// explain turns the end of ctx into an error of the log's vocabulary.
func (l *lane) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil // spares the text
	}
	return l.producer.explain(ctx, "produce to "+l.tp.String(), err)
}

func (p *Producer) explain(ctx context.Context, op string, err error) error {
	if err == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if p.alive.Err() != nil {
		return log.NewError(log.Closed, op, "not acknowledged when the producer was closed: %w", err)
	}
	return log.NewError(log.Unavailable, op, "not acknowledged within %v: %w", p.opts.DeliveryTimeout, err)
}

// again says whether to try once more after err, and waits as long as it takes.
func (l *lane) again(b *batch, err error) bool {
	p := l.producer
	code := log.CodeOf(err)
	if (code == log.OutOfOrderSequence || code == log.InvalidProducerEpoch) && !b.doubt && !b.rebased {
		b.rebased = true // the log has forgotten this producer; it never saw this batch
		l.newEpoch()
		return true
	}
	backoff := p.opts.RetryBackoffMax
	if l.attempts < 16 {
		backoff = min(backoff, p.opts.RetryBackoff<<l.attempts)
	}
	left := time.Until(b.created.Add(p.opts.DeliveryTimeout))
	if !code.Retriable() || p.alive.Err() != nil || left <= 0 {
		return false
	}
	l.attempts++
	l.pause(min(backoff, left))
	return true
}

// pause waits for d or until the producer gives up.
func (l *lane) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.producer.alive.Done():
	}
}

// newEpoch begins a new sequence: the log's memory of the old one and the lane's no longer agree.
func (l *lane) newEpoch() {
	l.sequence.Sequence = 0
	if l.sequence.Epoch < math.MaxInt16 {
		l.sequence.Epoch++
		return
	}
	l.named = false
	l.producer.renounceID(l.sequence.ID)
}

// giveUp returns how many of the batches are lost together: those that were enqueued and whose fate is
// unknown, or only the first, which the log refused.
func (l *lane) giveUp(batches []*batch) int {
	n := 0
	for n < len(batches) && batches[n].doubt {
		n++
	}
	if n == 0 {
		return 1
	}
	l.newEpoch()
	return n
}

// settle tells the outcome of batches.
func (l *lane) settle(batches []*batch, err error) {
	p := l.producer
	if log.CodeOf(err) == log.UnknownTopic {
		p.mu.Lock()
		p.move(l.route, true) // to whatever the topic is now
		p.mu.Unlock()
	}
	p.settle(batches, err)
}

// settle frees the batches' room and tells who waits.
func (p *Producer) settle(batches []*batch, err error) {
	var weight int64
	for _, b := range batches {
		weight += b.weight
	}
	if err != nil {
		p.mu.Lock()
		if p.failed == nil {
			p.failed = err
		}
		p.mu.Unlock()
	}
	p.room.Release(weight)
	for _, b := range batches {
		b.finish(err)
	}
}
