package natsbridge

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Topics of the bridge.
const (
	SchedulesTopic = log.Topic("__schedules")        // the pending schedules: the truth
	FailedTopic    = log.Topic("__schedules_failed") // what could not be published
)

var home = log.TopicPartition{Topic: SchedulesTopic}

// Log is what the bridge needs of the log that it schedules for; *broker.Broker has it.
type Log interface {
	log.Writer
	log.Reader
	log.Admin
	AllocateProducerID(ctx context.Context) (int64, error)
	LastAppend(tp log.TopicPartition, producerID int64) (next log.ProducerSequence, base log.Offset, err error)
	NextOffset(tp log.TopicPartition) (log.Offset, error)
}

// Bridge keeps the schedules of one log. It implements log.Scheduler.
type Bridge struct {
	lg       Log
	opts     Options
	identity identity
	nats     *embedded // nil with a URL

	// mu guards what follows. It is held while a record for __schedules is enqueued, so that what is in memory and what is in the
	// log changes in one order; never across a wait.
	mu       sync.Mutex
	pending  pending
	parked   map[log.TopicPartition]*parking
	newest   log.Ticket            // of the last schedule enqueued: when it is committed all are
	settled  chan struct{}         // closed when the round under way is through; nil: there is none
	broken   error                 // __schedules takes no more records, or the bridge is closed
	stats    Stats                 // counters only
	failures []Failure             // newest last
	clock    clock                 // what NATS is to be told
	wake     chan struct{}         // something became due sooner; capacity 1
	fire     firer                 // owned by Run's firing loop
	running  sync.WaitGroup        // Run
	closing  chan struct{}         // closed by Close
	closed   bool                  //
	ran      bool                  // Run was called
	failed   map[log.Offset]string // generations whose target refused them, and why: they go to FailedTopic next
	alone    map[log.Offset]bool   // generations that are published in a batch of their own, as theirs was refused
}

var _ log.Scheduler = (*Bridge)(nil)

// Open takes over the schedules of lg: makes the topic when it is missing, reads what is pending and finds out which firings
// a crash left unfinished. It starts the embedded NATS server, and no other goroutine; nothing fires before Run. No other bridge may have lg open, and
// lg must outlive the bridge. Errors: InvalidArgument (options), Corrupt, UnsupportedFormat, LimitReached (more schedules than SchedulesMax), Closed, and those of
// the embedded server.
func Open(ctx context.Context, lg Log, opts Options) (*Bridge, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	b := &Bridge{
		lg: lg, opts: opts.withDefaults(), wake: make(chan struct{}, 1), closing: make(chan struct{}),
		parked: map[log.TopicPartition]*parking{}, failed: map[log.Offset]string{}, alone: map[log.Offset]bool{},
	}
	if err := b.restore(ctx); err != nil {
		return nil, err
	}
	if opts.StoreDir != "" {
		var err error
		if b.nats, err = startEmbedded(opts.StoreDir, b.opts); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Run fires what is due and keeps NATS in step, until ctx ends or the bridge is closed; then it returns nil, with nothing half done. An error
// says that the log takes no more schedules (Poisoned, Closed, Corrupt): open it anew. Call it once.
func (b *Bridge) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.closed || b.ran {
		b.mu.Unlock()
		return nil
	}
	b.ran = true
	b.running.Add(1)
	b.mu.Unlock()
	defer b.running.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case <-b.closing:
		case <-ctx.Done():
		}
		cancel()
		return nil
	})
	group.Go(func() error { return b.fireAll(ctx) })
	if !b.opts.clockless {
		group.Go(func() error { b.keepClock(ctx); return nil })
	}
	return group.Wait()
}

// Close ends Run and waits for it, then shuts the embedded server down. What is pending stays so. Calls from then on return Closed.
func (b *Bridge) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.closing)
	b.mu.Unlock()
	b.running.Wait()
	b.mu.Lock()
	b.broken = log.NewError(log.Closed, "schedule", "the schedules are closed")
	b.mu.Unlock()
	if b.nats != nil {
		b.nats.stop()
	}
	return nil
}

// fail makes every call return err from now on. It returns err.
func (b *Bridge) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = errors.Join(b.broken, err)
	if b.settled != nil {
		close(b.settled)
		b.settled = nil
	}
	return err
}

// now returns the clock's time in nanoseconds since 1970.
func (b *Bridge) now() int64 { return b.opts.Clock().UnixNano() }

// arrange puts a new entry where it belongs, tells NATS of one that is far, and wakes the firing loop for one that is not. mu must be held.
func (b *Bridge) arrange(e *entry, now int64) {
	if e.due-now > int64(nearMin) && !b.opts.clockless {
		b.pending.put(e, far)
		b.clock.tell(op{id: e.id, gen: e.gen, due: e.due})
		return
	}
	b.pending.put(e, near)
	if b.pending.near.first() == e {
		b.stir()
	}
}

// stir makes the firing loop look again.
func (b *Bridge) stir() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Stats are numbers about a bridge since Open.
type Stats struct {
	Pending int // schedules
	Far     int // of these: wait for NATS to ring
	Held    int // of these: cannot fire before the log is opened anew, see Failures

	Fired  int64 // records published
	Failed int64 // records that went to FailedTopic instead
	Rung   int64 // rings of NATS for pending schedules
	Missed int64 // schedules that fell due without one, because NATS was away or late

	Connected bool   // to NATS, which knows all schedules but Behind
	Behind    int    // changes that it has not heard of yet
	Err       string // why there is no connection
}

// Stats returns the numbers of this moment.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Pending, s.Far = b.pending.ids.n, len(b.pending.far)
	s.Connected, s.Behind, s.Err = b.clock.ready, len(b.clock.changes)+b.clock.sending, b.clock.err
	return s
}

// Failure tells of a firing that did not reach its target.
type Failure struct {
	ID         string
	Generation int64
	Topic      log.Topic // the target
	Time       time.Time
	Text       string // why
	Held       bool   // its append was begun and failed; otherwise it is in FailedTopic
}

// Failures returns the newest hundred failures since Open, oldest first.
func (b *Bridge) Failures() []Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Failure(nil), b.failures...)
}

// failure remembers f. mu must be held.
func (b *Bridge) failure(f Failure) {
	f.Time = b.opts.Clock()
	if len(b.failures) == failuresMax {
		b.failures = append(b.failures[:0], b.failures[1:]...)
	}
	b.failures = append(b.failures, f)
	b.opts.Logger.Error("schedule not published", "schedule", f.ID, "generation", f.Generation, "topic", f.Topic, "held", f.Held, "error", f.Text)
}

// dueMax is the last time that can be kept.
var dueMax = time.Unix(0, math.MaxInt64)
