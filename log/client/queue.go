package client

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// QueueConsumer works on the records of a queue group: each goes to one consumer, which acknowledges it by itself. A handler that
// returns nil acknowledges; one that returns an error gives the record back, to be tried again later and ever later, and in the end to be buried
// in the dead-letter topic. While a handler works its record is kept from others, however long it takes up to WorkMax.
//
// Delivery is at least once: a record whose handler was killed, or whose acknowledgement was not durable yet, comes again. Records are handled
// side by side and in no order.
type QueueConsumer struct {
	queues log.Queues
	opts   QueueConsumerOptions
	handle func(context.Context, *log.Delivery) error
}

// QueueConsumerOptions configures a QueueConsumer. The zero value of a field means its default.
type QueueConsumerOptions struct {
	Group       log.Group     // required; made by log.Queues.CreateQueue
	Topics      []log.Topic   // of the group's, those to work on: default all
	Concurrency int           // handlers at one time: default 1, at most 1,024
	Visibility  time.Duration // the group's: deadlines are moved by this much, three times as often: default 30 s
	WorkMax     time.Duration // a handler that works longer loses its record to another consumer: default 12 h
	Backoff     time.Duration // before the second delivery, doubling with each: default 1 s
	BackoffMax  time.Duration // default 5 min
}

const concurrencyMax = 1024

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *QueueConsumerOptions) Validate() error {
	switch {
	case o.Group.Validate() != nil:
		return o.Group.Validate()
	case o.Concurrency < 0 || o.Concurrency > concurrencyMax:
		return invalid("queue consumer options", "concurrency %d is not within 1..%d", o.Concurrency, concurrencyMax)
	case o.Visibility != 0 && (log.QueueConfig{Visibility: o.Visibility}).WithDefaults(o.Group).Validate() != nil:
		return invalid("queue consumer options", "a visibility of %v is none that a queue group can have", o.Visibility)
	case o.WorkMax < 0 || o.Backoff < 0 || o.BackoffMax < 0:
		return invalid("queue consumer options", "a duration is negative")
	}
	return nil
}

// NewQueueConsumer returns a consumer. It starts no goroutine: Run does the work.
func NewQueueConsumer(queues log.Queues, opts QueueConsumerOptions, handle func(context.Context, *log.Delivery) error) (*QueueConsumer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.Concurrency = cmp.Or(opts.Concurrency, 1)
	opts.Visibility = cmp.Or(opts.Visibility, 30*time.Second)
	opts.WorkMax = cmp.Or(opts.WorkMax, 12*time.Hour)
	opts.Backoff = cmp.Or(opts.Backoff, time.Second)
	opts.BackoffMax = cmp.Or(opts.BackoffMax, 5*time.Minute)
	return &QueueConsumer{queues: queues, opts: opts, handle: handle}, nil
}

// queueWait is the long poll of one Receive.
const queueWait = 5 * time.Second

// Run works until ctx ends and returns nil; handlers under way are told by their context, and what they give back then is
// another consumer's at once. Errors: the group or the log is gone.
func (c *QueueConsumer) Run(ctx context.Context) error {
	workers, running := errgroup.WithContext(ctx)
	for range c.opts.Concurrency {
		workers.Go(func() error { return c.work(running) })
	}
	if err := workers.Wait(); ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	return nil
}

// work receives and handles one record after the other.
func (c *QueueConsumer) work(ctx context.Context) error {
	backoff := c.opts.Backoff
	for ctx.Err() == nil {
		deliveries, err := c.queues.Receive(ctx, log.ReceiveRequest{Group: c.opts.Group, Topics: c.opts.Topics, MaxWait: queueWait})
		if log.CodeOf(err).Retriable() {
			sleep(ctx, backoff)
			backoff = min(2*backoff, c.opts.BackoffMax)
			continue
		}
		if err != nil {
			return err
		}
		backoff = c.opts.Backoff
		for i := range deliveries {
			if err := c.serve(ctx, &deliveries[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve handles one delivery and says what came of it. A receipt that has become void is no error: the record is another's.
func (c *QueueConsumer) serve(ctx context.Context, d *log.Delivery) error {
	err := c.keeping(ctx, d)
	answering, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Visibility)
	defer cancel()
	switch {
	case err == nil:
		err = c.queues.Ack(answering, c.opts.Group, d.Receipt)
	case ctx.Err() != nil:
		err = c.queues.Nack(answering, c.opts.Group, 0, "the consumer was stopped", d.Receipt)
	default:
		err = c.queues.Nack(answering, c.opts.Group, c.delay(d.Deliveries), err.Error(), d.Receipt)
	}
	if code := log.CodeOf(err); code == log.VoidReceipt || code.Retriable() || errors.Is(err, context.DeadlineExceeded) {
		return nil // what the log was not told it will deliver again
	}
	return err
}

// delay returns how long to wait before the next delivery.
func (c *QueueConsumer) delay(deliveries int) time.Duration {
	d := c.opts.Backoff
	for i := 1; i < deliveries && d < c.opts.BackoffMax; i++ {
		d *= 2
	}
	return min(d, c.opts.BackoffMax)
}

// keeping calls the handler and moves the delivery's deadline meanwhile. When the record is lost to another consumer the handler's
// context ends.
func (c *QueueConsumer) keeping(ctx context.Context, d *log.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.WorkMax)
	defer cancel()
	done := make(chan struct{})
	defer func() { <-done }()
	working, finished := context.WithCancel(ctx)
	defer finished()
	go func() {
		defer close(done)
		for wait := min(c.opts.Visibility, time.Until(d.Deadline)) / 3; sleep(working, wait); wait = c.opts.Visibility / 3 {
			err := c.queues.Extend(working, c.opts.Group, c.opts.Visibility, d.Receipt)
			if err != nil && working.Err() == nil && !log.CodeOf(err).Retriable() {
				cancel()
				return
			}
		}
	}()
	return c.handle(ctx, d)
}
