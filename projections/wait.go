package projections

import (
	"context"
	"errors"

	"lodge/log"
)

// WaitFor returns when the projection has applied the event at pos, so that a query sees it. It waits for Options.WaitMax at
// most. A topic that the projection does not read is no reason to wait. Errors: log.Unavailable when time is up;
// log.OffsetOutOfRange when the log has no such event; log.InvalidArgument.
func (s *Store) WaitFor(ctx context.Context, name string, pos log.Position) (err error) {
	p, err := s.find(name, pos.Partition)
	if err != nil {
		return err
	}
	if done, err := s.reached(p, pos, nil); done || err != nil {
		return err
	}
	_, end, err := s.reader.Offsets(ctx, pos.TopicPartition())
	if err != nil {
		return err
	}
	op := "wait for " + pos.String() + " in " + name
	if pos.Offset >= end {
		return log.NewError(log.OffsetOutOfRange, op, "the log ends at %d", end)
	}
	waited := s.traceWait(ctx, name, pos)
	defer func() { waited(err) }()
	ctx, cancel := context.WithTimeout(ctx, s.opts.WaitMax)
	defer cancel()
	pace := &s.feeds[pos.Partition].pace
	pace.enter()
	defer pace.leave()
	for {
		if done, err := s.reached(p, pos, ctx.Done()); done || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return log.NewError(log.Unavailable, op, "the projection has not come that far within %s", s.opts.WaitMax)
			}
			return err
		}
	}
}

// reached reports whether the version in service has applied pos. If not, it waits until something changes or done is closed;
// a nil done means not to wait.
func (s *Store) reached(p *projection, pos log.Position, done <-chan struct{}) (bool, error) {
	v, err := p.acquire()
	if log.CodeOf(err) == log.Unavailable && done != nil {
		select {
		case <-p.ready:
		case <-done:
		}
		return false, nil
	}
	if log.CodeOf(err) == log.Unavailable {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next, reads, changed := v.shards[pos.Partition].marks.get(pos.Topic)
	if err := v.release(false); err != nil {
		return false, err
	}
	if !reads || next > pos.Offset {
		return true, nil
	}
	if done != nil {
		select {
		case <-changed:
		case <-done:
		}
	}
	return false, nil
}

// WaitReady returns when every projection has tables in service. For a program's start; Run must be running.
func (s *Store) WaitReady(ctx context.Context) error {
	for _, p := range s.projections {
		select {
		case <-p.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
