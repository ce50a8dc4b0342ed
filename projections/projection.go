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
	build     chan struct{} // one token: Run is to build it

	wake []chan struct{} // one token for each partition: its shard in service is to join the feed
	due  []chan struct{} // one token for each partition: rows of its shard in service may be due for the archive
	cold *coldPool

	listeners listeners

	mu       sync.Mutex
	current  *version // nil: none yet, Run builds one
	ready    chan struct{}
	damage   error                   // current must be rebuilt, for this reason
	troubles map[log.Partition]error // what Run is retrying after; under allPartitions what concerns the whole
	progress *Progress
}

// allPartitions stands for the whole projection among its troubles.
const allPartitions log.Partition = -1

// openProjection opens the version in service if it is sound, and removes all others.
func openProjection(ctx context.Context, p Projector, dir string, opts *Options, cold *coldPool) (*projection, error) {
	pr := &projection{projector: p, name: p.Name(), cold: cold, dir: filepath.Join(dir, p.Name()),
		turn: make(chan struct{}, 1), build: make(chan struct{}, 1), ready: make(chan struct{}), troubles: map[log.Partition]error{}}
	for range opts.Partitions {
		pr.wake, pr.due = append(pr.wake, make(chan struct{}, 1)), append(pr.due, make(chan struct{}, 1))
	}
	if err := os.MkdirAll(pr.dir, 0o750); err != nil {
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
	switch err := v.open(ctx, opts.Workers); {
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
	p.listeners.tell(Applied{All: true}) // before anybody can see that it is further than the old one
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
	poke(p.build)
}

// sound reports whether there is a version in service that need not be rebuilt.
func (p *projection) sound() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current != nil && p.damage == nil
}

func (p *projection) condemned() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.damage
}

// setTrouble notes why a partition does not follow the log, or with nil that it does.
func (p *projection) setTrouble(partition log.Partition, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.troubles[partition] = err; err == nil {
		delete(p.troubles, partition)
	}
}

// trouble returns the first of the troubles, or nil. The caller holds mu.
func (p *projection) trouble() error {
	for partition := allPartitions; int(partition) < len(p.wake); partition++ {
		if err := p.troubles[partition]; err != nil {
			return err
		}
	}
	return nil
}

// fail notes why the partition's shard does not follow the log any more, and has it come back.
func (p *projection) fail(partition log.Partition, err error) {
	p.setTrouble(partition, err)
	poke(p.wake[partition])
}

// wakeAll has the shards in service join their feeds.
func (p *projection) wakeAll() {
	for partition, wake := range p.wake {
		poke(wake)
		poke(p.due[partition])
	}
}

// poke puts in a token, if there is none.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

func (p *projection) setProgress(pr *Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress = pr
}
