package commands

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
)

// Log is what the engine needs of a log: its topics exist, and nobody else writes to them.
type Log interface {
	log.Writer
	log.Reader
}

// Engine takes commands to the processors of their hotels. Execute and Submit are safe for concurrent use.
type Engine struct {
	lg         Log
	opts       Options
	processors []*processor // by partition
	snapshots  *snapshots   // nil: none are kept
	pool       sync.Pool    // of *Pending
}

// Open rebuilds the state of every partition from its snapshot and the log behind it, as many
// partitions at a time as there are processors. A snapshot that is missing, damaged or not of this log is ignored. Open starts no goroutine
// that outlives it; Run does the work.
func Open(ctx context.Context, lg Log, opts Options) (*Engine, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	e := &Engine{lg: lg, opts: opts, processors: make([]*processor, opts.Partitions)}
	e.snapshots = newSnapshots(lg, opts)
	group, opening := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range e.processors {
		group.Go(func() error {
			p, err := openProcessor(opening, lg, log.Partition(i), opts, e.snapshots)
			e.processors[i] = p
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if opts.Persons != nil {
		if err := openPersons(ctx, lg, opts); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Run decides and commits commands until ctx ends; then it lets no more in, finishes those that were accepted, writes the snapshots and
// returns nil. It is called once. An error says that a partition's state could not follow its own
// events, which is a broken invariant: everything has stopped.
func (e *Engine) Run(ctx context.Context) error {
	group, stop := errgroup.WithContext(ctx)
	for _, p := range e.processors {
		group.Go(func() error {
			if err := p.run(stop); err != nil {
				return fmt.Errorf("partition %d: %w", p.partition, err)
			}
			return nil
		})
	}
	group.Go(func() error { return e.snapshots.run(stop) })
	if err := group.Wait(); err != nil {
		return err
	}
	return e.lastSnapshots()
}

// Execute is Submit followed by Pending.Wait.
func (e *Engine) Execute(ctx context.Context, c Command) (Result, error) {
	p, err := e.Submit(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return p.Wait(ctx)
}

// Submit puts the command at the end of its partition's queue and returns at once. Commands that one goroutine submits for one hotel are decided
// in that order. Errors: *domain.Error with INVALID_ARGUMENT, *log.Error with LimitReached (the queue is full)
// or Closed (Run has ended or is ending), or the cause of ctx's end.
func (e *Engine) Submit(ctx context.Context, c Command) (*Pending, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := check(c); err != nil {
		return nil, err
	}
	p := e.processors[e.partitionOf(c.Body.HotelID())]
	pending, err := e.pending(c)
	if err != nil {
		return nil, err
	}
	if e.opts.Tracer != nil {
		pending.begin(ctx, e.opts.Tracer, p.partition)
	}
	if err := p.queue.put(pending, p.op); err != nil {
		if pending.journey != nil {
			pending.err = err
			pending.journey.end(pending)
		}
		e.recycle(pending)
		return nil, err
	}
	return pending, nil
}

func (e *Engine) partitionOf(hotelID string) log.Partition {
	return log.PartitionForKey([]byte(hotelID), len(e.processors))
}

func check(c Command) error {
	switch {
	case c.Body == nil:
		return errNoBody
	case c.RequestID == uuid.Nil && !c.Internal:
		return errNoRequestID
	case len(c.CorrelationID) > event.AttributeMax:
		return domain.Errorf(domain.InvalidArgument, "correlation_id", "%d bytes are more than %d", len(c.CorrelationID), event.AttributeMax)
	case len(c.CausationID) > event.AttributeMax:
		return domain.Errorf(domain.InvalidArgument, "causation_id", "%d bytes are more than %d", len(c.CausationID), event.AttributeMax)
	case len(c.Actor) > event.AttributeMax:
		return domain.Errorf(domain.InvalidArgument, "actor", "%d bytes are more than %d", len(c.Actor), event.AttributeMax)
	case len(c.Reason) > event.ReasonMax:
		return domain.Errorf(domain.InvalidArgument, "reason", "%d bytes are more than %d", len(c.Reason), event.ReasonMax)
	case !c.Time.IsZero() && (c.Time.UTC().Year() < 1 || c.Time.UTC().Year() > 9999):
		return domain.Errorf(domain.InvalidArgument, "time", "the year %d is not from 1 to 9999", c.Time.UTC().Year())
	}
	return nil
}

// pending fills in what only the edge knows: the time and the ids. It runs on the caller's goroutine.
func (e *Engine) pending(c Command) (*Pending, error) {
	if c.Time.IsZero() {
		c.Time = e.opts.Clock()
	}
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an event id: %w", err)
	}
	p, _ := e.pool.Get().(*Pending)
	if p == nil {
		p = &Pending{engine: e, done: make(chan struct{}, 1)}
	}
	p.command, p.eventID, p.finger = c, id, c.Body.Fingerprint()
	p.plain = p.finger
	if err := e.seal(p); err != nil {
		e.recycle(p)
		return nil, err
	}
	return p, nil
}

// recycle takes back a Pending that nobody else knows any more.
func (e *Engine) recycle(p *Pending) {
	e.unseal(p)
	*p = Pending{engine: e, done: p.done}
	e.pool.Put(p)
}

// lastSnapshotShare: at the end a snapshot is written when this part of SnapshotEvery has happened since the one in place.
const lastSnapshotShare = 50

// lastSnapshots writes the snapshots that are worth it: replaying the little that is new costs less than a large state. The processors have stopped, so that their states can be read.
func (e *Engine) lastSnapshots() error {
	if e.snapshots == nil {
		return nil
	}
	var errs []error
	for _, p := range e.processors {
		if p.down != nil || p.pipe.bust.Load() {
			continue
		}
		if p.state.events()-e.snapshots.eventsIn(p.partition) > int64(e.opts.SnapshotEvery/lastSnapshotShare) {
			errs = append(errs, e.snapshots.write(context.Background(), p.partition, p.state))
		}
	}
	return errors.Join(errs...)
}
