package client

import (
	"context"
	"math/rand/v2"
	"sync"

	"golang.org/x/sync/semaphore"

	"lodge/log"
	"lodge/log/internal/record"
)

// ProducerLog is what a Producer needs of a log. A log that also has AllocateProducerID(context.Context) (int64, error)
// gives producers their ids; otherwise they are random numbers of 63 bits.
type ProducerLog interface {
	log.Writer
	DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error)
}

type idAllocator interface {
	AllocateProducerID(ctx context.Context) (int64, error)
}

// recordOverhead is what a buffered record weighs beside its own bytes.
const recordOverhead = 192

// Producer appends records to topics. It routes each to a partition, gathers those of a partition in
// batches and appends them in the order in which Produce was called, also across retries. It
// holds at most BufferBytesMax of records that are not yet acknowledged.
//
// Safe for concurrent use.
type Producer struct {
	lg   ProducerLog
	opts ProducerOptions
	room *semaphore.Weighted // bytes of the buffer

	open   context.Context // until Close is called: Produce waits for room within it
	shut   context.CancelFunc
	alive  context.Context // until Close has waited long enough: deliveries go on within it
	kill   context.CancelFunc
	lanes  sync.WaitGroup // goroutines that deliver
	idLock sync.Mutex     // held while an id is allocated
	id     int64          // -1: none yet. Owned by idLock

	mu     sync.Mutex // guards what follows, and the batches that are not sealed
	routes map[log.Topic]*route
	byName map[log.TopicPartition]*lane
	hurry  int   // callers for whose sake batches must not linger
	moves  int   // changes of a layout so far
	failed error // the first delivery that failed since the last Flush
	closed bool
}

// NewProducer returns a producer for lg. It starts no goroutine; Close it when done.
func NewProducer(lg ProducerLog, opts ProducerOptions) (*Producer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	p := &Producer{
		lg: lg, opts: opts, id: -1, room: semaphore.NewWeighted(int64(opts.BufferBytesMax)),
		routes: make(map[log.Topic]*route), byName: make(map[log.TopicPartition]*lane),
	}
	p.open, p.shut = context.WithCancel(context.Background())
	p.alive, p.kill = context.WithCancel(context.Background())
	return p, nil
}

// Produce takes a record on its way to r.Topic and returns at once, unless the buffer is full or the topic's layout is just
// changing: then it waits until ctx ends. The record's memory must not be changed until its future is done.
//
// Errors (the record was not taken): UnknownTopic, RecordTooLarge, InvalidArgument (the
// partitioner), Draining (it named a partition that is being retired), LimitReached (ctx ended before there was room; it is the cause), Closed.
func (p *Producer) Produce(ctx context.Context, r log.Record) (Future, error) {
	return p.produce(ctx, &r, false)
}

// TryProduce is Produce that returns LimitReached at once when the buffer is full, and Unavailable while the topic's layout changes.
func (p *Producer) TryProduce(ctx context.Context, r log.Record) (Future, error) {
	return p.produce(ctx, &r, true)
}

// ProduceSync produces records and waits until all are acknowledged. It returns their positions, or
// the first error; some of the records may then be in the log.
func (p *Producer) ProduceSync(ctx context.Context, records ...log.Record) ([]log.Position, error) {
	futures := make([]Future, 0, len(records))
	for _, r := range records {
		f, err := p.Produce(ctx, r)
		if err != nil {
			return nil, err
		}
		futures = append(futures, f)
	}
	defer p.hurryUp()()
	positions := make([]log.Position, len(futures))
	for i, f := range futures {
		var err error
		if positions[i], err = f.Wait(ctx); err != nil {
			return nil, err
		}
	}
	return positions, nil
}

func (p *Producer) produce(ctx context.Context, r *log.Record, try bool) (Future, error) {
	var weight int64 // once it was acquired
	for {
		f, ok, err := p.place(ctx, r, try, &weight)
		if err != nil {
			p.room.Release(weight)
		}
		if ok || err != nil {
			return f, err
		}
	}
}

// place routes a record, acquires room for it unless there is some, and puts it into a lane. ok is false when the layout
// changed meanwhile.
func (p *Producer) place(ctx context.Context, r *log.Record, try bool, weight *int64) (f Future, ok bool, err error) {
	to, err := p.route(ctx, r.Topic, try)
	if err != nil {
		return f, false, err
	}
	partition, err := to.pick(p.opts.Partitioner, r)
	if err != nil {
		return f, false, err
	}
	size := record.RecordSize(r)
	if size > to.recordBytesMax {
		return f, false, log.NewError(log.RecordTooLarge, "produce to "+string(r.Topic),
			"record of %d bytes is larger than the topic's limit of %d", size, to.recordBytesMax)
	}
	if *weight == 0 {
		if err := p.acquire(ctx, r.Topic, p.weight(size), try); err != nil {
			return f, false, err
		}
		*weight = p.weight(size)
	}
	return p.add(to, partition, r, size, *weight)
}

// weight is what a record of this encoded size takes of the buffer.
func (p *Producer) weight(size int) int64 {
	return min(int64(size+recordOverhead), int64(p.opts.BufferBytesMax))
}

// acquire waits for room in the buffer, or only tries.
func (p *Producer) acquire(ctx context.Context, topic log.Topic, weight int64, try bool) error {
	if p.room.TryAcquire(weight) {
		return nil
	}
	if try {
		return errFull(topic, p.opts.BufferBytesMax, nil)
	}
	defer p.hurryUp()() // room comes from batches that are sent
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.open, cancel)()
	if err := p.room.Acquire(ctx, weight); err != nil {
		if p.open.Err() != nil {
			return errClosed()
		}
		return errFull(topic, p.opts.BufferBytesMax, err)
	}
	return nil
}

func errClosed() error { return log.NewError(log.Closed, "produce", "the producer is closed") }

func errFull(topic log.Topic, bytesMax int, cause error) error {
	op := "produce to " + string(topic)
	if cause == nil {
		return log.NewError(log.LimitReached, op, "%d bytes of records wait to be acknowledged", bytesMax)
	}
	return log.NewError(log.LimitReached, op, "%d bytes of records wait to be acknowledged: %w", bytesMax, cause)
}

// route returns what is known of a topic. It asks the log at first, and waits while the layout changes.
func (p *Producer) route(ctx context.Context, topic log.Topic, try bool) (*route, error) {
	for {
		known, changing, err := p.known(topic)
		switch {
		case err != nil:
			return nil, err
		case known == nil:
			return p.learn(ctx, topic)
		case changing == nil:
			return known, nil
		case try:
			return nil, log.NewError(log.Unavailable, "produce to "+string(topic), "the topic's layout is changing")
		}
		select {
		case <-changing.done:
		case <-p.open.Done():
		case <-ctx.Done():
			return nil, log.NewError(log.LimitReached, "produce to "+string(topic), "the topic's layout is changing: %w", ctx.Err())
		}
	}
}

// known returns the topic's route, if there is one, and its change under way, if there is one.
func (p *Producer) known(topic log.Topic) (*route, *moving, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed()
	}
	r := p.routes[topic]
	if r == nil {
		return nil, nil, nil
	}
	return r, r.moving, nil
}

// learn asks the log about a topic.
func (p *Producer) learn(ctx context.Context, topic log.Topic) (*route, error) {
	info, err := p.lg.DescribeTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.routes[topic] == nil {
		p.routes[topic] = newRoute(info)
	}
	return p.routes[topic], nil
}

// add puts a record into the batch that fills for its partition, unless its route is no longer good.
func (p *Producer) add(to *route, partition log.Partition, r *log.Record, size int, weight int64) (Future, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Future{}, false, errClosed()
	}
	if p.routes[to.topic] != to || to.moving != nil {
		return Future{}, false, nil
	}
	return p.lay(to, partition, r, size, weight), true, nil
}

// lay puts a record into a lane. mu must be held.
func (p *Producer) lay(to *route, partition log.Partition, r *log.Record, size int, weight int64) Future {
	if partition != Sticky {
		return p.lane(to.topic, partition).add(to, r, size, weight)
	}
	f := p.lane(to.topic, to.stick(size, &p.opts)).add(to, r, size, weight)
	to.batch = f.batch
	return f
}

func (p *Producer) lane(topic log.Topic, partition log.Partition) *lane {
	tp := log.TopicPartition{Topic: topic, Partition: partition}
	l := p.byName[tp]
	if l == nil {
		l = &lane{producer: p, tp: tp, wake: make(chan struct{}, 1)}
		p.byName[tp] = l
	}
	return l
}

// hurryUp sends batches without lingering until the function that it returns is called.
func (p *Producer) hurryUp() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurry++
	if p.opts.Linger > 0 {
		for _, l := range p.byName {
			l.signal()
		}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hurry--
	}
}

// Flush sends everything produced so far without lingering and waits until all of it is acknowledged or
// given up. It returns ctx's error, or that of the first record given up since the last Flush.
func (p *Producer) Flush(ctx context.Context) error {
	defer p.hurryUp()()
	for settled := false; !settled; {
		moves, err := p.moved(ctx)
		if err != nil {
			return err
		}
		for _, b := range p.newest() {
			select {
			case <-b.done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p.mu.Lock()
		settled = p.moves == moves // else some may have gone to other lanes
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.failed
	p.failed = nil
	return err
}

// moved waits until no topic's layout is changing, and returns how often one did.
func (p *Producer) moved(ctx context.Context) (moves int, err error) {
	for {
		p.mu.Lock()
		var m *moving
		for _, r := range p.routes {
			if r.moving != nil {
				m = r.moving
			}
		}
		moves := p.moves
		p.mu.Unlock()
		if m == nil {
			return moves, nil
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// newest returns the last batch of each partition; those before it are done when it is.
func (p *Producer) newest() []*batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	batches := make([]*batch, 0, len(p.byName))
	for _, l := range p.byName {
		batches = append(batches, l.newest)
	}
	return batches
}

// Close takes no more records, delivers those it has and returns when no goroutine is left. When ctx
// ends first, what is not acknowledged is given up with code Closed. It returns what Flush would.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.shut()
	err := p.Flush(ctx)
	p.kill()
	p.lanes.Wait()
	return err
}

// producerID returns the producer's id, and has one allocated at first.
func (p *Producer) producerID(ctx context.Context) (int64, error) {
	p.idLock.Lock()
	defer p.idLock.Unlock()
	if p.id >= 0 {
		return p.id, nil
	}
	id, err := p.allocateID(ctx)
	if err == nil {
		p.id = id
	}
	return id, err
}

func (p *Producer) allocateID(ctx context.Context) (int64, error) {
	if a, ok := p.lg.(idAllocator); ok {
		return a.AllocateProducerID(ctx)
	}
	return rand.Int64(), nil
}

// renounceID makes the next caller of producerID get another id than this one, whose epochs are used up.
func (p *Producer) renounceID(id int64) {
	p.idLock.Lock()
	defer p.idLock.Unlock()
	if p.id == id {
		p.id = -1
	}
}
