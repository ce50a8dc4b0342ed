package process

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"lodge/domain/event"
	"lodge/log"
	"lodge/log/watermill"
)

// handler is a registered Handler.
type handler struct {
	Handler
	router *Router
	counts counts
}

// counts are what a handler has done since the program began.
type counts struct {
	handled, retried, poisoned, panics atomic.Int64

	mu      sync.Mutex
	failing map[log.Position]time.Time // records that are being tried again, and since when; at most Parallel for each partition and one that was requeued
	failure string                     // the last one
}

// delivery is a Delivery under way. Owned by the goroutine that handles it.
type delivery struct {
	Delivery
	record  *log.Record // the original
	earlier int         // attempts before it was requeued
}

// subscribe adds the handler to Watermill's router, for its topic and for what is requeued.
func (h *handler) subscribe(router *message.Router) ([]*watermill.Subscriber, error) {
	first, err := h.router.subscriber(watermill.SubscriberConfig{Group: GroupOf(h.Name), Filter: h.filter(), Parallel: h.Parallel, OrderKey: h.OrderKey})
	if err != nil {
		return nil, err
	}
	again, err := h.router.subscriber(watermill.SubscriberConfig{Group: requeuedGroupOf(h.Name), Filter: &log.Filter{Tags: []string{h.Name}}})
	if err != nil {
		return nil, err
	}
	chain := []message.HandlerMiddleware{h.retrying(), h.waiting(), h.noting, middleware.Recoverer}
	router.AddConsumerHandler(h.Name, string(h.Topic), first, h.call).AddMiddleware(append([]message.HandlerMiddleware{h.first}, chain...)...)
	router.AddConsumerHandler(h.Name+requeuedSuffix, string(PoisonTopic), again, h.call).AddMiddleware(append([]message.HandlerMiddleware{h.again}, chain...)...)
	return []*watermill.Subscriber{first, again}, nil
}

// retrying calls what fails again, a few times.
func (h *handler) retrying() message.HandlerMiddleware {
	return h.backOff(max(0, h.router.opts.Retries), func(p middleware.RetryParams) bool {
		return !isPermanent(p.Err) && !IsTransient(p.Err)
	})
}

// waiting calls what fails for a reason that will pass again until it does, or the message's context ends.
func (h *handler) waiting() message.HandlerMiddleware {
	return h.backOff(math.MaxInt32, func(p middleware.RetryParams) bool { return IsTransient(p.Err) })
}

func (h *handler) backOff(retries int, again func(middleware.RetryParams) bool) message.HandlerMiddleware {
	o := &h.router.opts
	return middleware.Retry{
		MaxRetries: retries, InitialInterval: o.RetryInterval, MaxInterval: o.RetryMax, Multiplier: 2, RandomizationFactor: 0.1,
		ResetContextOnRetry: true, ShouldRetry: again,
	}.Middleware
}

// call is one attempt.
func (h *handler) call(msg *message.Message) error {
	d, ok := msg.Context().Value(deliveryKey{}).(*delivery)
	if !ok {
		return Permanent(fmt.Errorf("handler %s: a message without delivery", h.Name))
	}
	d.Attempt++
	if d.Attempt > d.earlier+1 {
		h.counts.retried.Add(1)
	}
	ctx, cancel := context.WithTimeout(msg.Context(), h.router.opts.AttemptTimeout)
	defer cancel()
	ctx, end := h.traced(ctx, d)
	err := errPanicked
	defer func() { end(err) }()
	err = h.handle(ctx, d)
	return err
}

// handle calls the handler with what it wants.
func (h *handler) handle(ctx context.Context, d *delivery) (err error) {
	if h.HandleRecord != nil {
		return h.HandleRecord(ctx, d.record)
	}
	e, err := event.Decode(d.record.Value, d.record.HeaderValue)
	if err != nil {
		return Permanent(fmt.Errorf("%s: %w", d.Position, err))
	}
	return h.Handle(ctx, e)
}

// noting tells of failed attempts.
func (h *handler) noting(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		_, err := next(msg)
		d, ok := msg.Context().Value(deliveryKey{}).(*delivery)
		if err == nil || !ok || msg.Context().Err() != nil {
			return nil, err
		}
		if _, ok := isPanic(err); ok {
			h.counts.panics.Add(1)
		}
		h.counts.noteFailure(d, err)
		h.router.opts.Logger.Warn("a process manager failed", "handler", h.Name, "record", d.Position, "attempt", d.Attempt, "transient", IsTransient(err), "error", err)
		return nil, err
	}
}

func (c *counts) noteFailure(d *delivery, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing == nil {
		c.failing = map[log.Position]time.Time{}
	}
	if _, known := c.failing[d.Position]; !known {
		c.failing[d.Position] = time.Now()
	}
	c.failure = errorText(err)
}

// noteEnd notes that a record is not tried any more.
func (c *counts) noteEnd(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failing, d.Position)
}

// first is around a record of the handler's topic.
func (h *handler) first(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		r := recordOf(msg)
		there, err := h.router.letters.has(msg.Context(), h.Name, r)
		if there { // it came before, and only the commit was missing
			return nil, nil
		}
		if err != nil { // whether it came before is not known: then it is handled again
			h.router.opts.Logger.Warn("a letter cannot be read", "handler", h.Name, "record", r.Position(), "error", err)
		}
		d := &delivery{Delivery: Delivery{Handler: h.Name, Position: r.Position()}, record: r}
		_, err = h.finish(msg, d, h.attempts(next, msg, d))
		return nil, err
	}
}

// again is around a letter that was requeued.
func (h *handler) again(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		r := recordOf(msg)
		if !h.router.letters.stands(string(r.Key), r.Offset) {
			return nil, nil
		}
		l, err := parseLetter(r)
		if err != nil {
			return nil, err
		}
		original := &log.Record{
			Topic: l.Position.Topic, Partition: l.Position.Partition, Offset: l.Position.Offset, Key: l.Key, Value: l.Value, Headers: l.Headers,
		}
		d := &delivery{
			Delivery: Delivery{Handler: h.Name, Position: l.Position, Attempt: l.Attempts, Requeued: true}, record: original, earlier: l.Attempts,
		}
		handled, err := h.finish(msg, d, h.attempts(next, msg, d))
		if err != nil || !handled {
			return nil, err
		}
		return nil, h.router.letters.handled(msg.Context(), l.ID, r.Offset)
	}
}

// attempts calls the handler as often as it takes or is allowed.
func (h *handler) attempts(next message.HandlerFunc, msg *message.Message, d *delivery) error {
	msg.SetContext(context.WithValue(msg.Context(), deliveryKey{}, d))
	_, err := next(msg)
	return err
}

// finish settles a delivery: it is handled, or poisoned, or, with an error, comes again.
func (h *handler) finish(msg *message.Message, d *delivery, failure error) (handled bool, err error) {
	if failure != nil && (msg.Context().Err() != nil || IsTransient(failure)) {
		return false, failure // the end is near: it comes again with the next start
	}
	if failure != nil {
		if err := h.poison(msg.Context(), d, failure); err != nil {
			h.router.opts.Logger.Error("a record cannot be poisoned and is tried again", "handler", h.Name, "record", d.Position, "error", err)
			return false, err
		}
	} else {
		h.counts.handled.Add(1)
	}
	h.counts.noteEnd(d)
	return failure == nil, nil
}

// poison puts the record into the poison queue.
func (h *handler) poison(ctx context.Context, d *delivery, cause error) error {
	r := d.record
	l := &Letter{
		State: LetterWaiting, Handler: h.Name, Position: d.Position, Key: r.Key, Value: r.Value, Headers: r.Headers,
		Error: errorText(cause), Attempts: d.Attempt, FailureTime: h.router.opts.Clock(),
	}
	if err := h.router.letters.put(ctx, l); err != nil {
		return err
	}
	h.counts.poisoned.Add(1)
	h.router.opts.Logger.Error("a record was poisoned", "handler", h.Name, "letter", l.ID, "attempts", d.Attempt, "error", cause)
	return nil
}
