package projections

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"lodge/log"
)

// feed is one partition number's stream of events, fetched and decoded once for all projections.
//
// One goroutine per topic fetches and decodes; one goroutine applies what they bring to all attached
// shards, one after the other, holding mu. Whoever holds mu therefore sees all attached shards at the same place.
type feed struct {
	partition log.Partition
	pace      pace
	handing   sync.Mutex // held while the feed goes from one holder to the next

	mu     sync.Mutex
	holder string                   // which member of the group reads it; "": none, or the store is in no group
	next   map[log.Topic]log.Offset // applied to every attached shard; nil: nobody reads it
	shards []*shard
	err    error // what keeps a topic from being read, or nil
}

// reset detaches all shards and puts the feed somewhere, for a holder.
func (f *feed) reset(next map[log.Topic]log.Offset, holder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sh := range f.shards {
		sh.attached = false
	}
	f.next, f.shards, f.holder, f.err = next, nil, holder, nil
}

// position returns where the feed is, or nil when nobody reads it.
func (f *feed) position() map[log.Topic]log.Offset {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.next)
}

func (f *feed) attached(sh *shard) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sh.attached
}

// drop detaches a shard. The caller holds mu.
func (f *feed) drop(sh *shard) {
	sh.attached = false
	f.shards = slices.DeleteFunc(f.shards, func(x *shard) bool { return x == sh })
}

func (f *feed) setErr(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// read fetches one topic from where the feed stands until ctx ends, and sends what it finds to out.
// What cannot be read or decoded is tried again, ever more slowly: nothing is skipped.
func (s *Store) read(ctx context.Context, f *feed, topic log.Topic, out chan<- *batch) error {
	tp := log.TopicPartition{Topic: topic, Partition: f.partition}
	next, pause := f.position()[topic], backoffMin
	var handed time.Time
	linger := s.opts.Linger
	for ctx.Err() == nil {
		b, err := s.fetch(ctx, tp, next, s.opts.FetchBytes, longPoll)
		if b != nil && b.next > next {
			if err == nil && f.pace.rest(ctx, linger-time.Since(handed)) {
				err = s.fill(ctx, tp, b)
			}
			if err == nil {
				err = s.hand(ctx, tp, b, out)
			} else {
				send(ctx, b, out)
			}
			next, handed, linger = b.next, time.Now(), s.opts.linger(len(b.events))
		}
		switch {
		case err == nil && pause > backoffMin:
			pause = backoffMin
			f.setErr(nil)
		case err == nil || ctx.Err() != nil:
		case injected(err) || log.CodeOf(err) == log.Closed:
			return err
		default:
			s.opts.Logger.Error("projections cannot read the log", "partition", tp.String(), "offset", next, "error", err)
			f.setErr(err)
			sleep(ctx, pause)
			pause = min(2*pause, backoffMax)
		}
	}
	return nil
}

// fill adds to b what else there is in the log, up to feedEventsMax events.
func (s *Store) fill(ctx context.Context, tp log.TopicPartition, b *batch) error {
	for len(b.events) < feedEventsMax {
		if grown, err := s.extend(ctx, tp, b); !grown || err != nil {
			return err
		}
	}
	return nil
}

// extend adds to b what one more fetch finds at once, and reports whether that was anything.
func (s *Store) extend(ctx context.Context, tp log.TopicPartition, b *batch) (grown bool, err error) {
	more, err := s.fetch(ctx, tp, b.next, s.opts.FetchBytes, 0)
	if more == nil || more.next == b.next {
		return false, err
	}
	b.join(more)
	return true, err
}

// hand gives b to the applying goroutine. While that is busy, b takes in what else there is in the log, so that
// under load batches grow to feedEventsMax events and the work for each event shrinks.
func (s *Store) hand(ctx context.Context, tp log.TopicPartition, b *batch, out chan<- *batch) error {
	for len(b.events) < feedEventsMax {
		select {
		case out <- b:
			return nil
		default:
		}
		if grown, err := s.extend(ctx, tp, b); !grown || err != nil {
			send(ctx, b, out)
			return err
		}
	}
	send(ctx, b, out)
	return nil
}

func send(ctx context.Context, b *batch, out chan<- *batch) {
	select {
	case out <- b:
	case <-ctx.Done():
	}
}

// follow applies what the topics bring until ctx ends.
func (s *Store) follow(ctx context.Context, t *tenure, in <-chan *batch) error {
	for {
		select {
		case b := <-in:
			if err := s.deliver(t, b); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// deliver applies a batch to all attached shards. One that fails is detached and left to tend.
func (s *Store) deliver(t *tenure, b *batch) error {
	f := t.feed
	traced := s.traced(b)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sh := range slices.Clone(f.shards) {
		if t.lost.Load() {
			return nil
		}
		began := time.Now()
		err := sh.apply(b, s.step)
		s.tell(traced, sh, b, began, err)
		if injected(err) {
			return err
		}
		if err != nil {
			s.opts.Logger.Error("projection stops", "projection", sh.owner.name, "partition", sh.partition, "error", err)
			f.drop(sh)
			sh.owner.fail(sh.partition, err)
		}
	}
	f.next[b.topic] = b.next
	return nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
