package broker

import (
	"context"
	"time"

	"lodge/log"
)

// Receive implements log.Queues. Topics, when given, are those of the group's to look at. When ctx ends while the deliveries are
// being made durable, they were made to nobody: the records come again after their visibility timeout.
func (b *Broker) Receive(ctx context.Context, req log.ReceiveRequest) ([]log.Delivery, error) {
	g, err := b.queueGroup(ctx, req.Group, "receive from")
	if err != nil {
		return nil, err
	}
	if req.RecordsMax < 0 || req.RecordsMax > log.ReceiveMax {
		return nil, log.NewError(log.InvalidArgument, "receive from "+string(req.Group), "%d records are not within 1..%d", req.RecordsMax, log.ReceiveMax)
	}
	req.RecordsMax = max(1, req.RecordsMax)
	deadline := time.Now().Add(req.MaxWait)
	woken := false
	for {
		w := g.enlist() // before looking: what comes meanwhile is not missed
		deliveries, next, err := g.take(ctx, &req)
		left := time.Until(deadline)
		if err == nil && len(deliveries) == 0 && left > 0 {
			err = g.await(ctx, w, min(left, next))
		}
		woken = !g.delist(w) || woken
		if err != nil || len(deliveries) > 0 || left <= 0 {
			if woken {
				g.signal() // it was one signal for all that came: for the next one there may be more
			}
			return deliveries, err
		}
	}
}

// await waits for a signal, for d, or for the end.
func (g *queueGroup) await(ctx context.Context, w chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w:
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
	for _, q := range g.partitions() {
		if !wanted(req.Topics, q.tp.Topic) {
			continue
		}
		more, soonest, err := q.receive(ctx, req.RecordsMax-len(deliveries))
		if err != nil {
			return deliveries, 0, unlessDelivered(err, len(deliveries))
		}
		deliveries = append(deliveries, more...)
		next = min(next, soonest)
		if len(deliveries) == req.RecordsMax {
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
	for _, t := range topics {
		if t == topic {
			return true
		}
	}
	return len(topics) == 0
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
	g, err := b.queueGroup(ctx, group, op)
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
		ticket, e, err := g.answerIn(ctx, tp, rs, apply)
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
	if op == "nack" {
		g.signal()
	}
	return void
}

// answerIn is answer for one partition.
func (g *queueGroup) answerIn(ctx context.Context, tp log.TopicPartition, receipts []log.Receipt, apply func(*queuePart, log.Receipt, time.Time) error) (ticket log.Ticket, void, err error) {
	g.mu.Lock()
	g.syncParts()
	q := g.parts[tp]
	g.mu.Unlock()
	if q == nil {
		return ticket, log.NewError(log.VoidReceipt, "receipt", "queue group %s has no partition %s", g.name, tp), nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone != nil {
		return ticket, nil, q.gone
	}
	now := g.b.opts.Clock()
	for _, r := range receipts {
		if err := apply(q, r, now); err != nil && void == nil {
			void = err
		}
	}
	ticket, err = q.store(ctx)
	return ticket, void, err
}
