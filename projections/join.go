package projections

import (
	"context"
	"fmt"

	"lodge/log"
)

// join brings a shard to where its feed is and attaches it. The feed waits for the last few events only. When nobody reads the feed, the
// shard is brought to the end of the log, and attached when somebody does.
func (s *Store) join(ctx context.Context, sh *shard, count func(events int)) error {
	f := s.feeds[sh.partition]
	if f.attached(sh) {
		return nil
	}
	if err := sh.reload(ctx); err != nil {
		return err
	}
	if err := s.verify(ctx, sh); err != nil {
		return err
	}
	for {
		ends := f.position()
		if ends == nil {
			var err error
			if ends, err = s.ends(ctx, sh.projector.Topics(), sh.partition); err != nil {
				return err
			}
		}
		if sh.behind(ends) <= s.opts.NearEvents {
			return s.attach(ctx, f, sh, ends, count)
		}
		if err := s.work(ctx, func() error { return s.replay(ctx, sh, ends, count) }); err != nil {
			return err
		}
	}
}

// attach makes the shard one of the feed's, if somebody reads it, or else brings it to ends.
func (s *Store) attach(ctx context.Context, f *feed, sh *shard, ends map[log.Topic]log.Offset, count func(events int)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next != nil {
		ends = f.next
	}
	if err := s.step(StepAttach); err != nil {
		return err
	}
	if err := s.replay(ctx, sh, ends, count); err != nil {
		return err
	}
	if f.next != nil && !sh.attached && !sh.retired {
		sh.attached = true
		f.shards = append(f.shards, sh)
	}
	return nil
}

// work runs fn when fewer than Options.Workers others do.
func (s *Store) work(ctx context.Context, fn func() error) error {
	select {
	case s.workers <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.workers }()
	return fn()
}

// behind returns how many events are missing to ends.
func (sh *shard) behind(ends map[log.Topic]log.Offset) int64 {
	var n int64
	for topic, next := range sh.marks.all() {
		n += max(0, int64(ends[topic]-next))
	}
	return n
}

// verify makes sure that the shard was made from this log: its checkpoint lies inside, and the event before it is the one
// that the shard remembers. If not, an unusableError.
func (s *Store) verify(ctx context.Context, sh *shard) error {
	for _, topic := range sh.projector.Topics() {
		tp := log.TopicPartition{Topic: topic, Partition: sh.partition}
		next, id, err := sh.checkpoint(ctx, topic)
		if err != nil {
			return err
		}
		start, end, err := s.reader.Offsets(ctx, tp)
		switch {
		case err != nil:
			return err
		case next > end:
			return &unusableError{fmt.Errorf("%s: its checkpoint in %s is %d, beyond the log's end %d: the log has been replaced or cut",
				sh.path, tp, next, end)}
		case next < start:
			return fmt.Errorf("%s: its checkpoint in %s is %d, but the log begins at %d: what lay between was never projected", sh.path, tp, next, start)
		case next == start:
			continue
		}
		if err := s.verifyLast(ctx, sh, tp, next-1, id); err != nil {
			return err
		}
	}
	return nil
}

// verifyLast compares the event at an offset with the id that the shard's checkpoint holds.
func (s *Store) verifyLast(ctx context.Context, sh *shard, tp log.TopicPartition, at log.Offset, id string) error {
	b, err := s.fetch(ctx, tp, at, 1, 0)
	if b == nil || len(b.events) == 0 || b.events[0].Position.Offset != at {
		return err
	}
	if found := b.events[0].Envelope.ID; id != found {
		return &unusableError{fmt.Errorf("%s: the event before its checkpoint in %s was %s, the log has %s at %d: this is another log",
			sh.path, tp, id, found, at)}
	}
	return nil
}

// checkpoint returns a topic's offset and event id as they are in the file, of one moment.
func (sh *shard) checkpoint(ctx context.Context, topic log.Topic) (next log.Offset, id string, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conn == nil {
		return 0, "", errClosed
	}
	err = sh.conn.Query(ctx, "SELECT next_offset, last_event_id FROM projection_checkpoint WHERE topic = ?", []any{string(topic)},
		func(r *Row) error { next, id = log.Offset(r.Int(0)), r.Text(1); return nil })
	return next, id, err
}
