package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Names and bounds in NATS.
const (
	consumerName  = "bridge"
	ackWait       = time.Minute     // a ring that is not acknowledged comes again
	fetchWait     = 5 * time.Second // of one request for rings
	fetchMax      = 512             // rings in one answer
	publishMax    = 4096            // messages on their way
	publishWait   = 30 * time.Second
	makeWait      = 5 * time.Second // for the embedded server to make the stream and its consumer
	purgeSinglyTo = 1000            // leftovers; if there are more all is purged and sent anew
)

// session is one connection's work.
type session struct {
	b  *Bridge
	js jetstream.JetStream
	subjects
	stream   jetstream.Stream
	consumer jetstream.Consumer
}

// session connects and keeps NATS in step until the connection is interrupted, something is wrong there, or ctx ends.
func (b *Bridge) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, err := b.connect(func() { cancel(errors.New("the connection is closed")) })
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(publishMax), jetstream.WithPublishAsyncTimeout(publishWait))
	if err != nil {
		return err
	}
	s := &session{b: b, js: js, subjects: b.subjects()}
	b.setClock(func(c *clock) {
		c.listening, c.changes, c.sending, c.overflow = true, nil, 0, false
		c.news, c.rings = make(chan struct{}, 1), map[log.Offset]jetstream.Msg{}
	})
	defer b.setClock(func(c *clock) { c.listening, c.ready, c.changes, c.rings = false, false, nil, nil })
	if err := s.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

func (s *session) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.listen(ctx) })
	group.Go(func() error { return s.follow(ctx) })
	return group.Wait()
}

// prepare makes the stream and its consumer. Streams of another log, in the embedded server's store, go: that log was here before.
func (s *session) prepare(ctx context.Context) (err error) {
	if s.b.nats != nil {
		if err := s.dropOthers(ctx); err != nil {
			return err
		}
		// The end waits for this: shut down while it makes a stream, the server would leave the goroutines of its store behind.
		var cancel func()
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), makeWait)
		defer cancel()
	}
	s.stream, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: s.subjects.stream, Description: "the clock of Lodge's schedules: can be removed, and is made anew",
		Subjects: []string{s.at + "*.*", s.ring + "*.*"}, AllowMsgSchedules: true, AllowRollup: true,
		// What is acknowledged is gone, and nothing else is: no limit may lose a schedule.
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, Duplicates: time.Second,
		MaxMsgs: -1, MaxBytes: -1, MaxAge: 0, MaxMsgSize: -1, MaxMsgsPerSubject: -1, NoAck: false,
	})
	if err != nil {
		return fmt.Errorf("make stream %s: %w", s.subjects.stream, err)
	}
	s.consumer, err = s.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, FilterSubject: s.ring + "*.*", AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxAckPending: log.SchedulesMax, MaxDeliver: -1,
	})
	if err != nil {
		return fmt.Errorf("make consumer of %s: %w", s.subjects.stream, err)
	}
	return nil
}

func (s *session) dropOthers(ctx context.Context) error {
	names := s.js.StreamNames(ctx)
	for name := range names.Name() {
		if name == s.subjects.stream {
			continue
		}
		if err := s.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	return names.Err()
}

// listen takes rings.
func (s *session) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		// Not Messages or Consume: over a connection within the process they stall at times until a heartbeat is missed.
		wait, cancel := context.WithTimeout(ctx, fetchWait)
		err := s.take(wait)
		cancel()
		if err != nil && wait.Err() == nil {
			return fmt.Errorf("take rings: %w", err)
		}
	}
	return ctx.Err()
}

// take asks for rings once and takes them as they come, until there are fetchMax or ctx ends.
func (s *session) take(ctx context.Context) error {
	batch, err := s.consumer.Fetch(fetchMax, jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		id, gen, ok := untoken(strings.TrimPrefix(msg.Subject(), s.ring))
		if !ok {
			_ = msg.Ack() // not the bridge's: nobody else wants it
			continue
		}
		s.b.rung(msg, id, gen)
	}
	return batch.Error()
}

// follow compares both sides, then sends changes as they come.
func (s *session) follow(ctx context.Context) error {
	if err := s.compare(ctx); err != nil {
		return err
	}
	for {
		var changes []op
		var again bool
		s.b.setClock(func(c *clock) {
			changes, again = c.changes, c.overflow
			c.changes, c.overflow, c.sending = nil, false, len(changes)
			c.ready, c.err = !again, ""
		})
		var err error
		switch {
		case again:
			err = s.compare(ctx)
		case len(changes) > 0:
			err = s.send(ctx, changes)
		default:
			select {
			case <-s.b.clock.news: // replaced by the next session only
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

// send publishes what is far and purges what is not any more. One that is both in these changes is purged: its removal came later.
func (s *session) send(ctx context.Context, changes []op) error {
	if err := s.publish(ctx, func(yield func(op) bool) {
		for _, o := range changes {
			if !o.drop && !yield(o) {
				return
			}
		}
	}); err != nil {
		return err
	}
	for _, o := range changes {
		if o.drop {
			if err := s.purge(ctx, token(o.id, o.gen)); err != nil {
				return err
			}
		}
	}
	return nil
}

// purge removes a schedule. Its ring, should it be there, comes and is forgotten.
func (s *session) purge(ctx context.Context, token string) error {
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.at+token)); err != nil {
		return fmt.Errorf("purge %s: %w", s.at+token, err)
	}
	return nil
}

// publish sends schedules, many at a time, and waits until NATS has them all.
func (s *session) publish(ctx context.Context, ops func(yield func(op) bool)) error {
	var sent []jetstream.PubAckFuture
	for o := range ops {
		future, err := s.js.PublishMsgAsync(s.message(o))
		if err != nil {
			return fmt.Errorf("send schedule %s: %w", o.id, err)
		}
		if sent = append(sent, future); len(sent) == publishMax {
			if err := await(ctx, sent); err != nil {
				return err
			}
			sent = sent[:0]
		}
	}
	return await(ctx, sent)
}

// await waits for all acknowledgments.
func await(ctx context.Context, sent []jetstream.PubAckFuture) error {
	for _, future := range sent {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return fmt.Errorf("send schedule on %s: %w", future.Msg().Subject, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// compare makes NATS hold what is far and nothing else. Changes that are made meanwhile are sent afterwards.
func (s *session) compare(ctx context.Context) error {
	s.b.setClock(func(c *clock) { c.compared = time.Now() })
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.at+"*.*"))
	if err != nil {
		return fmt.Errorf("list stream %s: %w", s.subjects.stream, err)
	}
	there := info.State.Subjects
	missing := s.b.missing(there, s.at)
	if len(there) > purgeSinglyTo {
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.at+"*.*")); err != nil {
			return fmt.Errorf("purge %s: %w", s.subjects.stream, err)
		}
		there, missing = nil, s.b.missing(nil, s.at)
	}
	for subject := range there {
		if err := s.purge(ctx, strings.TrimPrefix(subject, s.at)); err != nil {
			return err
		}
	}
	return s.publish(ctx, func(yield func(op) bool) {
		for _, o := range missing {
			if !yield(o) {
				return
			}
		}
	})
}

// missing returns the schedules that are far and not there, and removes those that are from there.
func (b *Bridge) missing(there map[string]uint64, at string) []op {
	b.mu.Lock()
	snapshot := slices.Clone(b.pending.far)
	b.mu.Unlock()
	missing := make([]op, 0, len(snapshot)) // some may be gone by now: those are among the changes, or ring for nothing
	for _, e := range snapshot {
		subject := at + token(e.id, e.gen)
		if _, known := there[subject]; known {
			delete(there, subject)
			continue
		}
		missing = append(missing, op{id: e.id, gen: e.gen, due: e.due})
	}
	return missing
}
