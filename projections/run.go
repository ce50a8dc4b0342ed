package projections

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Run makes the projections follow the log until ctx ends, and builds those that have no usable files. With Options.Group it
// has members of that group read, each what the group assigns to it; when it ends they have left. A
// projection that fails is retried while the others go on; Status says so. Errors: the log is closed, Run or a
// rebuild without Run is at it already.
func (s *Store) Run(ctx context.Context) error {
	if !s.running.TryLock() {
		return fmt.Errorf("run projections: they are running or being rebuilt")
	}
	defer s.running.Unlock()
	r := newRun(ctx, s)
	s.current.Store(r)
	defer s.current.Store(nil)
	if err := r.all(); err != nil {
		return fmt.Errorf("run projections: %w", err)
	}
	return nil
}

// run is one call of Run.
type run struct {
	store *Store
	ctx   context.Context
	group *errgroup.Group

	mu      sync.Mutex
	over    bool // no more members
	tenures map[log.Partition]*tenure
	members []*member
	counter int
}

func newRun(ctx context.Context, s *Store) *run {
	r := &run{store: s, tenures: map[log.Partition]*tenure{}}
	r.group, r.ctx = errgroup.WithContext(ctx)
	return r
}

// all does everything until the context ends or something ends it with an error.
func (r *run) all() error {
	r.group.Go(func() error { // while it lives more may be added to the group
		<-r.ctx.Done()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.over = true
		return nil
	})
	for _, p := range r.store.projections {
		r.group.Go(func() error { return r.store.keep(r.ctx, p) })
	}
	r.group.Go(r.start)
	return r.group.Wait()
}

// start has somebody read the partitions.
func (r *run) start() error {
	if r.store.opts.Group != "" {
		for range r.store.opts.Members {
			if _, err := r.add(); err != nil && r.ctx.Err() == nil {
				return err
			}
		}
		return nil
	}
	for _, f := range r.store.feeds {
		if err := r.begin(r.ctx, f, "", 0); err != nil {
			return err
		}
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

// keep builds a projection that has no usable tables, until ctx ends.
func (s *Store) keep(ctx context.Context, p *projection) error {
	for pause := backoffMin; ctx.Err() == nil; {
		err := s.mend(ctx, p)
		switch {
		case injected(err):
			return err
		case ctx.Err() != nil: // the loop ends
		case err == nil:
			p.setTrouble(allPartitions, nil)
			pause = backoffMin
			select {
			case <-p.build:
			case <-ctx.Done():
			}
		default:
			p.setTrouble(allPartitions, err)
			s.opts.Logger.Error("projection is retried", "projection", p.name, "in", pause, "error", err)
			sleep(ctx, pause)
			pause = min(2*pause, backoffMax)
		}
	}
	return nil
}

// mend leaves the projection with usable tables in service.
func (s *Store) mend(ctx context.Context, p *projection) error {
	if err := p.takeTurn(ctx); err != nil {
		return err
	}
	defer p.yieldTurn()
	reason := p.condemned()
	if p.inService() != nil && reason == nil {
		return nil
	}
	s.opts.Logger.Info("projection is built from the log", "projection", p.name, "reason", reason)
	_, err := s.rebuild(ctx, p, RebuildOptions{})
	return err
}

// joinAll joins the shards of a version, side by side.
func (s *Store) joinAll(ctx context.Context, v *version, count func(events int)) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, sh := range v.shards {
		group.Go(func() error { return s.join(ctx, sh, count) })
	}
	return group.Wait()
}
