package projections

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Run makes the projections follow the log until ctx ends, and builds those that have no usable files. A
// projection that fails is retried while the others go on; Status says so. Errors: the log is closed, Run or a
// rebuild without Run is at it already.
func (s *Store) Run(ctx context.Context) error {
	if !s.running.TryLock() {
		return fmt.Errorf("run projections: they are running or being rebuilt")
	}
	defer s.running.Unlock()
	s.active.Store(true)
	defer s.active.Store(false)
	if err := s.resetFeeds(ctx); err != nil {
		return fmt.Errorf("run projections: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range s.feeds {
		in := make(chan *batch)
		group.Go(func() error { return s.follow(ctx, f, in) })
		for _, topic := range s.topics() {
			group.Go(func() error { return s.read(ctx, f, topic, in) })
		}
	}
	for _, p := range s.projections {
		group.Go(func() error { return s.keep(ctx, p) })
	}
	err := group.Wait()
	for _, f := range s.feeds {
		f.reset(nil)
	}
	if err != nil {
		return fmt.Errorf("run projections: %w", err)
	}
	return nil
}

// resetFeeds makes every feed begin at the end of the log, with nothing attached.
func (s *Store) resetFeeds(ctx context.Context) error {
	for _, f := range s.feeds {
		ends, err := s.ends(ctx, s.topics(), f.partition)
		if err != nil {
			return err
		}
		f.reset(ends)
	}
	return nil
}

// topics returns what any projection reads, each once.
func (s *Store) topics() []log.Topic {
	var all []log.Topic
	seen := map[log.Topic]bool{}
	for _, p := range s.projections {
		for _, topic := range p.projector.Topics() {
			if !seen[topic] {
				seen[topic] = true
				all = append(all, topic)
			}
		}
	}
	return all
}

// keep builds, joins and rejoins one projection's shards whenever that is needed, until ctx ends.
func (s *Store) keep(ctx context.Context, p *projection) error {
	for pause := backoffMin; ctx.Err() == nil; {
		err := s.mend(ctx, p)
		switch {
		case injected(err):
			return err
		case ctx.Err() != nil: // the loop ends
		case err == nil:
			pause = backoffMin
			select {
			case <-p.wake:
			case <-ctx.Done():
			}
		default:
			p.fail(err)
			s.opts.Logger.Error("projection is retried", "projection", p.name, "in", pause, "error", err)
			sleep(ctx, pause)
			pause = min(2*pause, backoffMax)
		}
	}
	return nil
}

// mend leaves the projection in service and following the log.
func (s *Store) mend(ctx context.Context, p *projection) error {
	if err := p.takeTurn(ctx); err != nil {
		return err
	}
	defer p.yieldTurn()
	v, reason := p.inService(), p.condemned()
	if v != nil && reason == nil {
		err := s.joinAll(ctx, v, func(int) {})
		if !unusable(err) {
			if err == nil {
				p.setTrouble(nil)
			}
			return err
		}
		reason = err
		p.condemn(err)
	}
	s.opts.Logger.Info("projection is built from the log", "projection", p.name, "reason", reason)
	if _, err := s.rebuild(ctx, p, RebuildOptions{}); err != nil {
		return err
	}
	p.setTrouble(nil)
	return nil
}

// joinAll joins the shards of a version, side by side.
func (s *Store) joinAll(ctx context.Context, v *version, count func(events int)) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, sh := range v.shards {
		group.Go(func() error { return s.join(ctx, sh, count) })
	}
	return group.Wait()
}
