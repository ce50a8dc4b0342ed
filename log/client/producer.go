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

// Produce takes a record on its way to r.Topic and returns at once, unless the buffer is full: then it
// waits for room until ctx ends. The record's memory must not be changed until its future is done.
//
// Errors (the record was not taken): UnknownTopic, RecordTooLarge, InvalidArgument (the
// partitioner), LimitReached (ctx ended before there was room; it is the cause), Closed.
func (p *Producer) Produce(ctx context.Context, r log.Record) (Future, error) {
	return p.produce(ctx, r, p.acquire)
}

// TryProduce is Produce that returns LimitReached at once when the buffer is full.
func (p *Producer) TryProduce(ctx context.Context, r log.Record) (Future, error) {
	return p.produce(ctx, r, func(_ context.Context, weight int64) error {
		if !p.room.TryAcquire(weight) {
			return errFull(r.Topic, p.opts.BufferBytesMax, nil)
		}
		return nil
	})
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

func (p *Producer) produce(ctx context.Context, r log.Record, acquire func(context.Context, int64) error) (Future, error) {
	to, err := p.route(ctx, r.Topic)
	if err != nil {
		return Future{}, err
	}
	partition, err := to.pick(p.opts.Partitioner, &r)
	if err != nil {
		return Future{}, err
	}
	size := record.RecordSize(&r)
	if size > to.recordBytesMax {
		return Future{}, log.NewError(log.RecordTooLarge, "produce to "+string(r.Topic),
			"record of %d bytes is larger than the topic's limit of %d", size, to.recordBytesMax)
	}
	weight := min(int64(size+recordOverhead), int64(p.opts.BufferBytesMax))
	if err := acquire(ctx, weight); err != nil {
		return Future{}, err
	}
	f, err := p.add(to, partition, &r, size, weight)
	if err != nil {
		p.room.Release(weight)
	}
	return f, err
}

// acquire waits for room in the buffer.
func (p *Producer) acquire(ctx context.Context, weight int64) error {
	if p.room.TryAcquire(weight) {
		return nil
	}
	defer p.hurryUp()() // room comes from batches that are sent
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.open, cancel)()
	if err := p.room.Acquire(ctx, weight); err != nil {
		if p.open.Err() != nil {
			return errClosed()
		}
		return errFull("", p.opts.BufferBytesMax, err)
	}
	return nil
}

func errClosed() error { return log.NewError(log.Closed, "produce", "the producer is closed") }

func errFull(topic log.Topic, bytesMax int, cause error) error {
	op := "produce"
	if topic != "" {
		op += " to " + string(topic)
	}
	if cause == nil {
		return log.NewError(log.LimitReached, op, "%d bytes of records wait to be acknowledged", bytesMax)
	}
	return log.NewError(log.LimitReached, op, "%d bytes of records wait to be acknowledged: %w", bytesMax, cause)
}

// route returns what is known of a topic, and asks the log at first.
func (p *Producer) route(ctx context.Context, topic log.Topic) (*route, error) {
	p.mu.Lock()
	known, closed := p.routes[topic], p.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed()
	}
	if known != nil {
		return known, nil
	}
	info, err := p.lg.DescribeTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.routes[topic]; known != nil {
		return known, nil
	}
	r := &route{topic: topic, partitions: len(info.Partitions), recordBytesMax: info.Config.RecordBytesMax}
	p.routes[topic] = r
	return r, nil
}

// forget makes the next record for the topic ask the log again.
func (p *Producer) forget(topic log.Topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.routes, topic)
}

// add puts a record into the batch that fills for its partition.
func (p *Producer) add(to *route, partition log.Partition, r *log.Record, size int, weight int64) (Future, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Future{}, errClosed()
	}
	if partition != Sticky {
		return p.lane(to.topic, partition).add(r, size, weight), nil
	}
	f := p.lane(to.topic, to.stick(size, &p.opts)).add(r, size, weight)
	to.batch = f.batch
	return f, nil
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
	for _, b := range p.newest() {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.failed
	p.failed = nil
	return err
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
