package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// Keeper is the engine as Upkeep needs it. *commands.Engine is one.
type Keeper interface {
	Executor
	Upkeep(ctx context.Context) ([]commands.Upkeep, error)
}

// UpkeepOptions sets up Upkeep. The zero value of a field means its default.
type UpkeepOptions struct {
	SweepInterval time.Duration // how often the state is looked through for what timers should have seen to: default 1 min
	OverdueAfter  time.Duration // a hold that is over for so long is a sweep's: default 5 s
	Clock         func() time.Time
	Logger        *slog.Logger // default: discard
}

// Upkeep sees to what hotels want as time goes by: it ends holds whose time is over, and keeps the nights up to the hotels' horizons open.
//
// A hotel with holds has one timer, for the hold that ends first. When it fires, ExpireHolds is given, and the engine names the next deadline (commands.Options.OnHold).
// The timers are derived from the engine's state, so losing them costs nothing but time: at start all are set again where they are missing, and a sweep ends
// what is overdue. Ending holds twice, or too soon, changes nothing: the decision looks at the deadlines itself.
//
// Horizons are looked at every quarter of an hour, by a cron, because somewhere a day begins then; when a hotel or what its nights are opened with changes; and at start.
type Upkeep struct {
	engine    Keeper
	scheduler log.Scheduler // nil: no timers
	deadlines *Deadlines    // nil: holds are somebody else's
	opts      UpkeepOptions
}

// The timers of Upkeep.
const (
	holdTimer        = "lodge.hold.expiry.v1"
	holdSchedule     = "hold-expiry." // and the hotel
	horizonTimer     = "lodge.inventory.horizon.v1"
	horizonSchedule  = "inventory-horizon"
	horizonCron      = "*/15 * * * *" // all offsets from UTC are multiples of a quarter of an hour
	horizonInterval  = 15 * time.Minute
	holdHandler      = "hold-expiry"
	horizonHandler   = "inventory-horizon"
	defaultsHandler  = "inventory-defaults"
	hotelsAtATime    = 16  // commands of one round under way
	deadlinesMax     = 256 // timers that are set at a time
	sweepIntervalMax = time.Hour
)

// NewUpkeep makes it. deadlines is what the engine was given; nil: holds are the engine's own business (commands.Options.HoldTick), or nobody's. A nil scheduler allows no
// timers: then deadlines must be nil, and horizons are looked at by Run itself.
func NewUpkeep(engine Keeper, scheduler log.Scheduler, deadlines *Deadlines, opts UpkeepOptions) (*Upkeep, error) {
	opts.SweepInterval = cmp.Or(opts.SweepInterval, time.Minute)
	if opts.SweepInterval < time.Millisecond || opts.SweepInterval > sweepIntervalMax {
		return nil, invalid("upkeep: a sweep every %s is not in [1ms, %s]", opts.SweepInterval, sweepIntervalMax)
	}
	opts.OverdueAfter = cmp.Or(opts.OverdueAfter, 5*time.Second)
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if deadlines != nil && scheduler == nil {
		return nil, invalid("upkeep: timers need a scheduler")
	}
	return &Upkeep{engine: engine, scheduler: scheduler, deadlines: deadlines, opts: opts}, nil
}

// Handlers returns the handlers, for Router.Register.
func (u *Upkeep) Handlers() []Handler {
	return []Handler{
		{Name: holdHandler, Topic: TimersTopic, Types: []string{holdTimer}, HandleRecord: func(ctx context.Context, r *log.Record) error {
			return u.expireHolds(ctx, string(r.Key), timerCause(r))
		}},
		{Name: horizonHandler, Topic: TimersTopic, Types: []string{horizonTimer}, HandleRecord: func(ctx context.Context, _ *log.Record) error {
			return u.extendAll(ctx)
		}},
		onEvents(defaultsHandler, func(ctx context.Context, e *event.Envelope) error { return u.extend(ctx, e.HotelID, causeOf(e)) },
			&eventpb.HotelCreated{}, &eventpb.HotelUpdated{}, &eventpb.RoomTypeCreated{}, &eventpb.RoomTypeUpdated{}, &eventpb.RatePlanCreated{}, &eventpb.RatePlanUpdated{}),
	}
}

// timerCause says which firing of a timer a command follows from.
func timerCause(r *log.Record) cause {
	id, _ := r.Header(log.ScheduleIDHeader)
	generation, _ := r.Header(log.ScheduleGenerationHeader)
	return cause{id: fmt.Sprintf("%s#%s", id, generation)}
}

// Run sets timers and sweeps until ctx ends; then it returns nil. It is called once, while the engine runs.
func (u *Upkeep) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if u.deadlines != nil {
		group.Go(func() error { u.setTimers(ctx); return nil })
	}
	group.Go(func() error { u.sweepRegularly(ctx); return nil })
	return group.Wait()
}

// setTimers sets the timers that the engine asks for. One that cannot be set is tried again.
func (u *Upkeep) setTimers(ctx context.Context) {
	wait := retryMin
	for ctx.Err() == nil {
		failed := false
		due := u.deadlines.take(ctx, deadlinesMax)
		for hotelID, err := range u.each(ctx, keys(due), func(ctx context.Context, hotelID string) error {
			return u.setHoldTimer(ctx, hotelID, due[hotelID])
		}) {
			u.deadlines.Put(hotelID, due[hotelID])
			if failed = true; ctx.Err() == nil {
				u.opts.Logger.Warn("a timer cannot be set and is tried again", "hotel", hotelID, "error", err)
			}
		}
		if !failed {
			wait = retryMin
			continue
		}
		pause(ctx, wait)
		wait = min(2*wait, retryMax)
	}
}

const (
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// setHoldTimer has ExpireHolds given at a time, unless a timer is set that fires before. One whose time has come does not count: it may have been handled already.
func (u *Upkeep) setHoldTimer(ctx context.Context, hotelID string, at time.Time) error {
	id := holdSchedule + hotelID
	s, err := u.scheduler.GetSchedule(ctx, id)
	if err == nil && s.Due.After(u.opts.Clock()) && !s.Due.After(at) && isTimer(&s.Record, holdTimer, hotelID) {
		return nil
	}
	if err != nil && log.CodeOf(err) != log.UnknownSchedule {
		return err
	}
	t := Timer{ID: id, Type: holdTimer, Hotel: hotelID, At: at}
	return t.Schedule(ctx, u.scheduler)
}

// isTimer reports whether a record that is scheduled is a timer of a type and a hotel: somebody else may have taken the id.
func isTimer(r *log.Record, timerType, hotelID string) bool {
	tag, _ := r.Header(HeaderTimerType)
	return r.Topic == TimersTopic && string(tag) == timerType && string(r.Key) == hotelID
}

// expireHolds ends the holds of a hotel whose time is over.
func (u *Upkeep) expireHolds(ctx context.Context, hotelID string, why cause) error {
	for {
		now := u.opts.Clock().UTC().Truncate(time.Millisecond)
		ended, err := u.give(ctx, why, now, &hotel.ExpireHolds{Hotel: hotelID, Now: now})
		if err != nil || ended < hotel.ExpireMax {
			return err
		}
	}
}

// extend opens the nights of a hotel up to its horizon.
func (u *Upkeep) extend(ctx context.Context, hotelID string, why cause) error {
	for {
		events, err := u.give(ctx, why, time.Time{}, &hotel.ExtendInventory{Hotel: hotelID})
		if err != nil || events == 0 {
			return err
		}
	}
}

// give executes a command that changes nothing when it is given again, and returns how many events it has led to. A hotel that does not exist wants nothing.
func (u *Upkeep) give(ctx context.Context, why cause, at time.Time, body hotel.Command) (int, error) {
	r, err := u.engine.Execute(ctx, commands.Command{Internal: true, Time: at, CorrelationID: why.correlation, CausationID: why.id, Body: body})
	if errors.Is(err, domain.HotelNotFound) {
		return 0, nil
	}
	return len(r.Events), unlessEnded(ctx, err)
}

// extendAll is extend for every hotel with a horizon. What was done stays done when it fails.
func (u *Upkeep) extendAll(ctx context.Context) error {
	all, err := u.engine.Upkeep(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	var hotels []string
	for i := range all {
		if all[i].HorizonDays > 0 {
			hotels = append(hotels, all[i].HotelID)
		}
	}
	var errs []error
	for hotelID, err := range u.each(ctx, hotels, func(ctx context.Context, hotelID string) error {
		return u.extend(ctx, hotelID, cause{id: horizonSchedule})
	}) {
		errs = append(errs, fmt.Errorf("extend the inventory of %s: %w", hotelID, err))
	}
	err = errors.Join(errs...)
	if err != nil && ctx.Err() != nil { // too many for one attempt: the next one goes on where this one was
		return Transient(err)
	}
	return err
}
