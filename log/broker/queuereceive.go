package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lodge/log"
)

// Receive implements log.Queues. Topics, when given, are those of the group's to look at. When ctx ends while the deliveries are
// being made durable, they were made to nobody and do not count.
func (b *Broker) Receive(ctx context.Context, req log.ReceiveRequest) ([]log.Delivery, error) {
	g, err := b.queueGroup(req.Group, "receive from")
	if err != nil {
		return nil, err
	}
	if req.RecordsMax < 0 || req.RecordsMax > log.ReceiveMax {
		return nil, log.NewError(log.InvalidArgument, "receive from "+string(req.Group), "%d records are not within 1..%d", req.RecordsMax, log.ReceiveMax)
	}
	if req.BytesMax < 0 || req.BytesMax > log.ReceiveBytesMax {
		return nil, log.NewError(log.InvalidArgument, "receive from "+string(req.Group), "%d bytes are not within 1..%d", req.BytesMax, log.ReceiveBytesMax)
	}
	req.RecordsMax, req.BytesMax = max(1, req.RecordsMax), cmp.Or(req.BytesMax, receiveBytesDefault)
	deadline := time.Now().Add(req.MaxWait)
	var woken []log.Topic
	for {
		w := g.enlist(req.Topics) // before looking: what comes meanwhile is not missed
		deliveries, next, err := g.take(ctx, &req)
		left := time.Until(deadline)
		if err == nil && len(deliveries) == 0 && left > 0 {
			err = g.await(ctx, w, min(left, next))
		}
		if by, ok := g.delist(w); ok && !slices.Contains(woken, by) {
			woken = append(woken, by)
		}
		if err != nil || len(deliveries) > 0 || left <= 0 {
			for _, topic := range woken {
				g.signal(topic) // it was one signal for all that came: for the next one there may be more
			}
			return deliveries, err
		}
	}
}

const receiveBytesDefault = 4 << 20

// room is what a Receive may still deliver.
type room struct {
	records, bytes int
	used           bool // something was delivered
	full           bool // something was not, for its size
}

// take reports whether a record may be delivered, and counts it.
func (r *room) take(rec *log.Record) bool {
	size := len(rec.Key) + len(rec.Value)
	for i := range rec.Headers {
		size += len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
	}
	if r.full = r.full || r.used && size > r.bytes; r.full || r.records == 0 {
		return false
	}
	r.records--
	r.bytes -= size
	r.used = true
	return true
}

// await waits for a signal, for d, or for the end.
func (g *queueGroup) await(ctx context.Context, w *waitingReceive, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.woken:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.b.closing:
		return errClosed("receive from " + string(g.name))
	}
	return nil
}

// take delivers what there is. next is how long there will be nothing, unless records come.
func (g *queueGroup) take(ctx context.Context, req *log.ReceiveRequest) (deliveries []log.Delivery, next time.Duration, err error) {
	next = time.Hour
	left := room{records: req.RecordsMax, bytes: req.BytesMax}
	for _, q := range g.partitions() {
		if !wanted(req.Topics, q.tp.Topic) {
			continue
		}
		more, soonest, err := q.receive(ctx, &left)
		if log.CodeOf(err) == log.UnknownTopic {
			continue // it was deleted or retired under our hands
		}
		if err != nil {
			return deliveries, 0, unlessDelivered(err, len(deliveries))
		}
		deliveries = append(deliveries, more...)
		next = min(next, soonest)
		if left.records == 0 || left.full {
			break
		}
	}
	return deliveries, next, nil
}

// unlessDelivered returns err, or nil when there are deliveries to be handed out: the next call meets the error again.
func unlessDelivered(err error, deliveries int) error {
	if deliveries > 0 {
		return nil
	}
	return err
}

func wanted(topics []log.Topic, topic log.Topic) bool {
	return len(topics) == 0 || slices.Contains(topics, topic)
}

// Ack implements log.Queues.
func (b *Broker) Ack(ctx context.Context, group log.Group, receipts ...log.Receipt) error {
	return b.answer(ctx, group, "ack", receipts, func(q *queuePart, r log.Receipt, _ time.Time) error {
		return q.state.Ack(r.Offset, r.Delivery)
	})
}

// nackDelayMax bounds how long a record may wait to be delivered again.
const nackDelayMax = 7 * 24 * time.Hour

// Nack implements log.Queues. The delay is at most 7 days.
func (b *Broker) Nack(ctx context.Context, group log.Group, delay time.Duration, cause string, receipts ...log.Receipt) error {
	if delay < 0 || delay > nackDelayMax {
		return log.NewError(log.InvalidArgument, "nack to "+string(group), "a delay of %v is not within 0..%v", delay, nackDelayMax)
	}
	return b.answer(ctx, group, "nack", receipts, func(q *queuePart, r log.Receipt, now time.Time) error {
		return q.state.Nack(r.Offset, r.Delivery, now.Add(delay), cause)
	})
}

// Extend implements log.Queues.
func (b *Broker) Extend(ctx context.Context, group log.Group, d time.Duration, receipts ...log.Receipt) error {
	if err := (log.QueueConfig{Visibility: d}).WithDefaults(group).Validate(); err != nil {
		return err
	}
	return b.answer(ctx, group, "extend", receipts, func(q *queuePart, r log.Receipt, now time.Time) error {
		return q.state.Extend(r.Offset, r.Delivery, now.Add(d))
	})
}

// answer applies what a consumer says of deliveries, and returns when that is durable. The error is the first void receipt's.
func (b *Broker) answer(ctx context.Context, group log.Group, op string, receipts []log.Receipt, apply func(*queuePart, log.Receipt, time.Time) error) error {
	g, err := b.queueGroup(group, op)
	if err != nil {
		return err
	}
	if len(receipts) > log.ReceiveMax {
		return log.NewError(log.InvalidArgument, op+" in "+string(group), "%d receipts are more than %d", len(receipts), log.ReceiveMax)
	}
	byPart := map[log.TopicPartition][]log.Receipt{}
	for _, r := range receipts {
		byPart[r.TopicPartition] = append(byPart[r.TopicPartition], r)
	}
	var void error
	var tickets []log.Ticket
	for tp, rs := range byPart {
		ticket, e, err := g.answerIn(ctx, op, tp, rs, apply)
		if err != nil {
			return err
		}
		if void == nil {
			void = e
		}
		tickets = append(tickets, ticket)
	}
	for _, t := range tickets {
		if err := t.Wait(ctx); err != nil {
			return err
		}
	}
	return void
}

// answerIn is answer for one partition.
func (g *queueGroup) answerIn(ctx context.Context, op string, tp log.TopicPartition, receipts []log.Receipt, apply func(*queuePart, log.Receipt, time.Time) error) (ticket log.Ticket, void, err error) {
	g.mu.Lock()
	g.syncParts()
	q := g.parts[tp]
	g.mu.Unlock()
	if q == nil {
		return ticket, log.NewError(log.VoidReceipt, "receipt", "queue group %s has no partition %s", g.name, tp), nil
	}
	blocked, ticket, void, err := q.answer(ctx, receipts, apply)
	if blocked || op == "nack" {
		g.signal(tp.Topic) // there may be room, or something to wait for
	}
	return ticket, void, err
}

// answer applies what a consumer says of deliveries, and has that stored. blocked says that there was no room for fresh ones before.
func (q *queuePart) answer(ctx context.Context, receipts []log.Receipt, apply func(*queuePart, log.Receipt, time.Time) error) (blocked bool, ticket log.Ticket, void, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone != nil {
		return false, ticket, nil, q.gone
	}
	blocked = q.blocked()
	now := q.g.b.opts.Clock()
	for _, r := range receipts {
		if err := apply(q, r, now); err != nil && void == nil {
			void = err
		}
	}
	ticket, err = q.store(ctx)
	return blocked, ticket, void, err
}
