package projections

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"lodge/log"
)

// projection is one read model: a projector, and the version of its tables that is in service.
type projection struct {
	projector Projector
	name      string
	dir       string
	turn      chan struct{} // held (full) by whoever makes, joins or swaps versions
	wake      chan struct{} // one token: Run has something to do

	mu       sync.Mutex
	current  *version // nil: none yet, Run builds one
	ready    chan struct{}
	damage   error // current must be rebuilt, for this reason
	trouble  error // what Run is retrying after, or nil
	progress *Progress
}

// openProjection opens the version in service if it is sound, and removes all others.
func openProjection(ctx context.Context, p Projector, dir string, opts *Options) (*projection, error) {
	pr := &projection{projector: p, name: p.Name(), dir: filepath.Join(dir, p.Name()),
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), ready: make(chan struct{})}
	if err := os.MkdirAll(pr.dir, 0o755); err != nil {
		return nil, fmt.Errorf("open projection %s: %w", pr.name, err)
	}
	number, err := readCurrent(pr.dir)
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", pr.name, err)
	}
	if number > 0 {
		if err := pr.openVersion(ctx, number, opts); err != nil {
			return nil, err
		}
	}
	if err := clean(pr.dir, number); err != nil {
		return nil, fmt.Errorf("open projection %s: %w", pr.name, err)
	}
	return pr, nil
}

// openVersion takes the version into service, or leaves the projection without one when it is unusable.
func (p *projection) openVersion(ctx context.Context, number int, opts *Options) error {
	v := newVersion(p, number, opts)
	switch err := v.open(ctx); {
	case unusable(err):
		opts.Logger.Warn("projection must be rebuilt", "projection", p.name, "version", number, "reason", err)
		return nil
	case err != nil:
		return fmt.Errorf("open projection %s: %w", p.name, err)
	}
	p.serve(v)
	return nil
}

// serve puts v in service and returns what was.
func (p *projection) serve(v *version) (old *version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.current
	p.current, p.damage = v, nil
	if old == nil {
		close(p.ready)
	}
	return old
}

// withdraw takes the version in service out of it, for closing.
func (p *projection) withdraw() *version {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.current
	p.current = nil
	return v
}

// inService returns the version in service, or nil. It stays open as long as the caller has the turn.
func (p *projection) inService() *version {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// acquire returns the version in service for one query; the caller releases it.
func (p *projection) acquire() (*version, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil, log.NewError(log.Unavailable, "view "+p.name, "the projection is being built%s", p.progress.short())
	}
	p.current.use()
	return p.current, nil
}

// takeTurn waits until nobody else changes the projection's versions.
func (p *projection) takeTurn(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *projection) yieldTurn() { <-p.turn }

// condemn asks Run to rebuild the projection. Queries go on with what there is.
func (p *projection) condemn(reason error) {
	p.mu.Lock()
	p.damage = reason
	p.mu.Unlock()
	p.poke()
}

func (p *projection) condemned() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.damage
}

func (p *projection) setTrouble(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}

// fail notes why the projection does not follow the log, and wakes its keeper.
func (p *projection) fail(err error) {
	p.setTrouble(err)
	p.poke()
}

// poke wakes the projection's keeper.
func (p *projection) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *projection) setProgress(pr *Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress = pr
}
