package broker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
	"lodge/log/internal/queue"
)

// queuePart is one partition that a queue group shares.
type queuePart struct {
	g *queueGroup
	p *partition
	standing

	reading sync.Mutex // held by whoever fetches: the others wait for what it finds

	mu      sync.Mutex
	state   *queue.Partition
	buffer  []log.Record // fetched and not yet delivered, from state.Next() on
	read    log.Offset   // where to fetch on
	gone    error        // why nothing can be done here any more
	trimmed log.Offset   // everything below was deleted from a point-to-point topic
}

func newQueuePart(g *queueGroup, of standing, state *queue.Partition) *queuePart {
	return &queuePart{g: g, standing: of, state: state, read: state.Next()}
}

func (q *queuePart) setConfig(config log.QueueConfig) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state.SetConfig(config)
}

// receive delivers as many records as there is room for, durably. soonest is how long it will have nothing more to deliver again.
func (q *queuePart) receive(ctx context.Context, left *room) (deliveries []log.Delivery, soonest time.Duration, err error) {
	if err := q.fill(ctx); err != nil {
		return nil, 0, err
	}
	again, fresh, ticket, soonest, err := q.deliver(ctx, *left)
	if err != nil || len(again)+len(fresh) == 0 {
		return nil, soonest, err
	}
	if err := ticket.Wait(ctx); err != nil {
		q.giveBack(ctx, append(again, receiptsOf(fresh)...))
		return nil, 0, err
	}
	deliveries, err = q.readAgain(ctx, again, left)
	for i := range fresh {
		if !left.take(&fresh[i].Record) { // what comes again has used the room
			q.giveBack(ctx, receiptsOf(fresh[i:]))
			break
		}
		deliveries = append(deliveries, fresh[i])
	}
	return deliveries, soonest, unlessDelivered(err, len(deliveries))
}

func receiptsOf(deliveries []log.Delivery) []log.Receipt {
	receipts := make([]log.Receipt, len(deliveries))
	for i := range deliveries {
		receipts[i] = deliveries[i].Receipt
	}
	return receipts
}

// deliver takes deliveries from the machine and has that stored. How large those are that come again is not known before they are read.
func (q *queuePart) deliver(ctx context.Context, left room) (again []log.Receipt, fresh []log.Delivery, ticket log.Ticket, soonest time.Duration, err error) {
	visibility := q.g.visibility() // before mu, see queueGroup
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone != nil {
		return nil, nil, ticket, 0, q.gone
	}
	now := q.g.b.opts.Clock()
	q.state.Expire(now)
	again = q.state.Again(now, left.records)
	left.records -= len(again)
	for len(q.buffer) > 0 && !q.blocked() && left.take(&q.buffer[0]) {
		rec := q.buffer[0]
		q.buffer = q.buffer[1:]
		receipt := q.state.Fresh(rec.Offset, now)
		receipt.TopicPartition = q.tp
		fresh = append(fresh, log.Delivery{Record: rec, Receipt: receipt, Deliveries: 1, Deadline: now.Add(visibility)})
	}
	soonest = time.Hour
	if next, ok := q.state.NextTime(); ok {
		soonest = max(time.Millisecond, next.Sub(now))
	}
	ticket, err = q.store(ctx)
	return again, fresh, ticket, soonest, err
}

// blocked reports whether nothing may be delivered for the first time until something is done. mu must be held.
func (q *queuePart) blocked() bool {
	return q.state.Room() == 0 || len(q.buffer) > 0 && !q.state.Takes(q.buffer[0].Offset)
}

// deliverable reports whether a Receive would find something.
func (q *queuePart) deliverable() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.gone == nil && (q.state.Ready() || !q.blocked() && (len(q.buffer) > 0 || int64(q.read) < q.p.highWatermark.Load()))
}

func (g *queueGroup) visibility() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.config.Visibility
}

// fill fetches records to be delivered, if there are none.
func (q *queuePart) fill(ctx context.Context) error {
	q.reading.Lock()
	defer q.reading.Unlock()
	q.mu.Lock()
	from, need := q.read, q.gone == nil && len(q.buffer) == 0 && q.state.Room() > 0 && int64(q.read) < q.p.highWatermark.Load()
	q.mu.Unlock()
	if !need {
		return nil
	}
	result, err := q.fetch(from)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state.Advance(min(result.LogStart, result.Next))
	q.buffer, q.read = result.Records, result.Next
	if len(q.buffer) == 0 && q.state.Takes(result.Next) {
		q.state.Skip(result.Next) // a stretch of which compaction left nothing
	}
	return nil
}

// fetch reads from an offset on, or from where the log begins if that is above. Like fetchOne and trim it has to do with q's own partition: one that
// was made anew under its name is another.
func (q *queuePart) fetch(from log.Offset) (log.FetchResult, error) {
	for {
		start := q.p.start()
		result, err := q.p.fetch(log.FetchRequest{Offset: max(from, start)})
		if log.CodeOf(err) != log.OffsetOutOfRange || max(from, q.p.start()) == max(from, start) {
			return result, err // else retention went on meanwhile
		}
	}
}

// readAgain fetches the records of deliveries that are made again, as long as there is room. What the log has no longer is done.
func (q *queuePart) readAgain(ctx context.Context, receipts []log.Receipt, left *room) (deliveries []log.Delivery, err error) {
	deadline := q.g.b.opts.Clock().Add(q.g.visibility())
	for i, r := range receipts {
		rec, err := q.fetchOne(r.Offset)
		if err != nil {
			q.giveBack(ctx, receipts[i:])
			return deliveries, err
		}
		if rec == nil {
			q.bury(ctx, r.Offset)
			continue
		}
		if !left.take(rec) {
			q.giveBack(ctx, receipts[i:])
			return deliveries, nil
		}
		r.TopicPartition = q.tp
		deliveries = append(deliveries, log.Delivery{Record: *rec, Receipt: r, Deliveries: queue.Deliveries(r), Deadline: deadline})
	}
	return deliveries, nil
}

// fetchOne returns the record at offset, or nil when the log has it no longer.
func (q *queuePart) fetchOne(offset log.Offset) (*log.Record, error) {
	result, err := q.p.fetch(log.FetchRequest{Offset: offset, MaxBytes: 1})
	if log.CodeOf(err) == log.OffsetOutOfRange {
		return nil, nil
	}
	if err != nil || len(result.Records) == 0 || result.Records[0].Offset != offset {
		return nil, err
	}
	return &result.Records[0], nil
}

// giveBack makes deliveries undone that could not be made, for the next to receive.
func (q *queuePart) giveBack(ctx context.Context, receipts []log.Receipt) {
	q.release(ctx, receipts)
	q.g.signal(q.tp.Topic)
}

func (q *queuePart) release(ctx context.Context, receipts []log.Receipt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range receipts {
		q.state.Release(r.Offset, r.Delivery)
	}
	_, _ = q.store(ctx) // an error stays in gone, for the next call
}

// bury makes an offset done, and has that stored some time.
func (q *queuePart) bury(ctx context.Context, offset log.Offset) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state.Bury(offset)
	_, _ = q.store(ctx) // an error stays in gone, for the next call
}

// lettersMax bounds the dead letters that are buried in one go.
const lettersMax = 64

// tend buries the dead and frees what a point-to-point topic no longer needs.
func (q *queuePart) tend(ctx context.Context) error {
	letters, ticket, err := q.bringOut(ctx)
	errs := []error{err}
	for i := range letters {
		if err == nil {
			err = ctx.Err()
		}
		e := err
		if e == nil {
			e = q.sendLetter(ctx, &letters[i])
			errs = append(errs, e)
		}
		if e == nil {
			q.bury(ctx, letters[i].Offset)
			continue
		}
		q.mu.Lock()
		q.state.Exhume(letters[i].Offset)
		q.mu.Unlock()
	}
	if q.deliverable() { // a time was up, or a burial made room
		q.g.signal(q.tp.Topic)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := ticket.Wait(ctx); err != nil {
		return err
	}
	return q.trim()
}

// bringOut takes the dead from the machine. There are none where nothing can be done any more: whoever receives is told why.
func (q *queuePart) bringOut(ctx context.Context) ([]queue.Letter, log.Ticket, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone == nil {
		q.state.Expire(q.g.b.opts.Clock())
		letters := q.state.Dead(lettersMax)
		ticket, err := q.store(ctx)
		return letters, ticket, err
	}
	return nil, log.Ticket{}, nil
}

// sendLetter appends a dead record to the dead-letter topic, durably. A crash before its burial is stored sends it once more.
func (q *queuePart) sendLetter(ctx context.Context, letter *queue.Letter) error {
	rec, err := q.fetchOne(letter.Offset)
	if err != nil || rec == nil {
		return err
	}
	q.g.mu.Lock()
	dead := q.g.config.DeadLetter
	q.g.mu.Unlock()
	headers := []log.Header{
		{Key: log.DeadLetterTopicHeader, Value: []byte(q.tp.Topic)},
		{Key: log.DeadLetterPartitionHeader, Value: strconv.AppendInt(nil, int64(q.tp.Partition), 10)},
		{Key: log.DeadLetterOffsetHeader, Value: strconv.AppendInt(nil, int64(letter.Offset), 10)},
		{Key: log.DeadLetterGroupHeader, Value: []byte(q.g.name)},
		{Key: log.DeadLetterDeliveriesHeader, Value: strconv.AppendInt(nil, int64(letter.Deliveries), 10)},
		{Key: log.DeadLetterCauseHeader, Value: []byte(letter.Cause)},
	}
	out := log.Record{Key: rec.Key, Value: rec.Value, Headers: append(rec.Headers[:len(rec.Headers):len(rec.Headers)], headers...), Timestamp: rec.Timestamp}
	t := (*q.g.b.topics.Load())[dead]
	if t == nil {
		return log.NewError(log.UnknownTopic, "bury "+q.tp.String(), "the dead-letter topic %q is gone", dead)
	}
	layout := t.state.Load().layout()
	tp := log.TopicPartition{Topic: dead, Partition: layout.Active[0]}
	if out.Key != nil {
		tp.Partition = layout.ForKey(out.Key)
	}
	_, err = q.g.b.Append(ctx, tp, &log.Batch{Records: []log.Record{out}})
	return err
}

// trim deletes what a point-to-point topic holds below the floor.
func (q *queuePart) trim() error {
	if !q.p.config().PointToPoint {
		return nil
	}
	q.mu.Lock()
	floor, trimmed := q.state.Floor(), q.trimmed
	q.mu.Unlock()
	floor = min(floor, log.Offset(q.p.highWatermark.Load()))
	if floor <= max(trimmed, q.p.start()) {
		return nil
	}
	if err := q.p.deleteRecords(floor); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trimmed = max(q.trimmed, floor)
	return nil
}

// info describes q at this moment.
func (q *queuePart) info() log.QueueInfo {
	q.g.mu.Lock()
	config := q.g.config
	q.g.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	flying, waits := q.state.Count()
	return log.QueueInfo{Group: q.g.name, Config: config, TopicPartition: q.tp,
		Floor: q.state.Floor(), Next: q.state.Next(), InFlight: flying, Waiting: waits}
}

// watchers are the queue groups that want to know of new records.
type watchers struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*queueGroup]
}

func (w *watchers) add(g *queueGroup)    { w.change(g, true) }
func (w *watchers) remove(g *queueGroup) { w.change(g, false) }

func (w *watchers) change(g *queueGroup, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*queueGroup
	if old := w.list.Load(); old != nil {
		for _, x := range *old {
			if x != g {
				list = append(list, x)
			}
		}
	}
	if there {
		list = append(list, g)
	}
	w.list.Store(&list)
}

// notify wakes a Receive of each group that waits for the topic.
func (w *watchers) notify(topic log.Topic) {
	if list := w.list.Load(); list != nil {
		for _, g := range *list {
			g.signal(topic)
		}
	}
}

// fail says why nothing can be done here any more.
func (q *queuePart) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone = err
}

// errQueuesLost tells that the machine is ahead of what is stored: only opening the log anew brings them together.
func errQueuesLost(err error) error {
	var e *log.Error
	if errors.As(err, &e) && e.Code == log.Closed {
		return err
	}
	return log.NewError(log.Poisoned, "queues", "a change could not be stored, queues stand still until the log is opened anew: %w", err)
}

// isGone reports whether there is nothing to read any more: closed, deleted or retired.
func (p *partition) isGone() bool {
	p.files.RLock()
	defer p.files.RUnlock()
	return p.gone != nil
}

// start returns the first offset that is kept.
func (p *partition) start() log.Offset {
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil {
		return 0
	}
	return p.log.StartOffset()
}
