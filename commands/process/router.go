package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/trace"

	"lodge/log"
	"lodge/log/client"
	"lodge/log/watermill"
)

// Log is what a Router needs of a log. *broker.Broker has all of it.
type Log interface {
	log.Reader
	log.Writer
	log.Admin
	log.Coordinator
	log.GroupAdmin
}

// Options sets up a Router. The zero value of a field means its default.
type Options struct {
	Retries         int           // of a handler that fails, before the record is poisoned: default 5; negative: none
	RetryInterval   time.Duration // before the first retry, doubling with each: default 200 ms
	RetryMax        time.Duration // between retries at most: default 5 s
	AttemptTimeout  time.Duration // of one call of a handler: default 30 s
	LettersMax      int           // in the poison queue: default 100,000. When it is full, handlers keep trying what they would poison
	CommitInterval  time.Duration // how often what was handled is committed: default 1 s
	TimerPartitions int           // of TimersTopic when it is made: default 8
	Clock           func() time.Time
	Tracer          trace.Tracer // tells in which traces records were handled; nil: none
	Logger          *slog.Logger // default: discard
}

func (o Options) withDefaults() Options {
	o.Retries = cmp.Or(o.Retries, 5)
	o.RetryInterval = cmp.Or(o.RetryInterval, 200*time.Millisecond)
	o.RetryMax = cmp.Or(o.RetryMax, max(5*time.Second, o.RetryInterval))
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, 30*time.Second)
	o.LettersMax = cmp.Or(o.LettersMax, 100_000)
	o.CommitInterval = cmp.Or(o.CommitInterval, time.Second)
	o.TimerPartitions = cmp.Or(o.TimerPartitions, 8)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate returns an error for a setting that is out of its range. Zero values are defaults and valid.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, r := range []struct {
		name             string
		value, low, high int64
	}{
		{"Retries", int64(o.Retries), -1, 1000},
		{"RetryInterval", int64(o.RetryInterval), 1, int64(time.Hour)},
		{"RetryMax", int64(o.RetryMax), int64(o.RetryInterval), int64(time.Hour)},
		{"AttemptTimeout", int64(o.AttemptTimeout), int64(time.Millisecond), int64(time.Hour)},
		{"LettersMax", int64(o.LettersMax), 1, 10_000_000},
		{"CommitInterval", int64(o.CommitInterval), int64(time.Millisecond), int64(time.Minute)},
		{"TimerPartitions", int64(o.TimerPartitions), 1, log.PartitionsMax},
	} {
		if r.value < r.low || r.value > r.high {
			return invalid("option %s: %d is not in [%d, %d]", r.name, r.value, r.low, r.high)
		}
	}
	return nil
}

// Router runs handlers. Everything but Register and Run is safe for concurrent use.
type Router struct {
	lg       Log
	opts     Options
	letters  *letters
	handlers []*handler
	byName   map[string]*handler
	running  chan struct{} // closed when the handlers have begun
}

// Open makes PoisonTopic and TimersTopic when they are missing, and reads the poison queue. It starts no goroutine.
func Open(ctx context.Context, lg Log, opts Options) (*Router, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	if err := createTimers(ctx, lg, opts.TimerPartitions); err != nil {
		return nil, err
	}
	q, err := openLetters(ctx, lg, opts.LettersMax)
	if err != nil {
		return nil, fmt.Errorf("open the poison queue: %w", err)
	}
	return &Router{lg: lg, opts: opts, letters: q, byName: map[string]*handler{}, running: make(chan struct{})}, nil
}

// Register adds handlers, before Run. Errors: InvalidArgument (also for a name that is taken), LimitReached (HandlersMax).
func (r *Router) Register(handlers ...Handler) error {
	for _, h := range handlers {
		if err := h.validate(); err != nil {
			return err
		}
		if r.byName[h.Name] != nil {
			return invalid("there are two handlers %s", h.Name)
		}
		if len(r.handlers) >= HandlersMax {
			return log.NewError(log.LimitReached, "process managers", "there are %d handlers, which is the most", HandlersMax)
		}
		added := &handler{Handler: h, router: r}
		r.handlers, r.byName[h.Name] = append(r.handlers, added), added
	}
	return nil
}

// Running is closed when the handlers have subscribed.
func (r *Router) Running() <-chan struct{} { return r.running }

// Run has the handlers work until ctx ends; then it lets those that are called see that, commits what is handled, and returns nil. It is called once. An error
// says that a handler has stopped getting records.
func (r *Router) Run(ctx context.Context) error {
	if len(r.handlers) == 0 {
		close(r.running)
		<-ctx.Done()
		return nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: r.opts.AttemptTimeout + time.Minute}, quiet{wm.NewSlogLogger(r.opts.Logger)})
	if err != nil {
		return err
	}
	var subscribers []*watermill.Subscriber
	for _, h := range r.handlers {
		added, err := h.subscribe(router)
		if err != nil {
			return err
		}
		subscribers = append(subscribers, added...)
	}
	go func() {
		select {
		case <-router.Running():
			close(r.running)
		case <-ctx.Done():
		}
	}()
	err = router.Run(ctx)
	ended := ctx.Err() != nil
	stop(nil)
	for _, s := range subscribers {
		err = errors.Join(err, s.Close())
	}
	if err == nil && !ended {
		err = log.NewError(log.Closed, "process managers", "all subscriptions have ended")
	}
	return err
}

// subscriber returns where a handler gets records of one kind from.
func (r *Router) subscriber(config watermill.SubscriberConfig) (*watermill.Subscriber, error) {
	config.CommitInterval, config.Logger = r.opts.CommitInterval, r.opts.Logger
	config.Consumer = client.ConsumerOptions{ClientID: string(config.Group), PollRecordsMax: pollRecordsMax, FetchBytesMax: fetchBytesMax, FetchWait: fetchWait}
	return watermill.NewSubscriber(r.lg, config)
}

// What one handler holds of a partition ahead of its calls.
const (
	pollRecordsMax = 500
	fetchBytesMax  = 256 << 10
	fetchWait      = time.Second // how old a lag may be that tells of records without a match
)

// quiet leaves out what Watermill tells of each start and end.
type quiet struct{ wm.LoggerAdapter }

// Info says nothing.
func (quiet) Info(string, wm.LogFields) {}

// With implements the adapter.
func (q quiet) With(fields wm.LogFields) wm.LoggerAdapter { return quiet{q.LoggerAdapter.With(fields)} }
