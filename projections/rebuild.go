package projections

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// RebuildOptions says how to rebuild.
type RebuildOptions struct {
	// Compare compares the new tables with those in service, at the same position in the log, before the swap.
	Compare bool

	// Progress is called a few times a second and at each change of phase, by one goroutine at a time. It must not block.
	Progress func(Progress)
}

// RebuildResult says what a rebuild has done.
type RebuildResult struct {
	Version    int // now in service
	Last       Progress
	Comparison *Comparison // when asked for and there was something to compare with
}

// Rebuild makes a projection's tables again from the log, beside those in service, and swaps when they have
// caught up. Queries and the other projections go on. When it ends with an error, or the process is killed, the old tables stay
// in service. Run need not be running. progress may be nil.
func (s *Store) Rebuild(ctx context.Context, name string, progress func(Progress)) error {
	_, err := s.RebuildWith(ctx, name, RebuildOptions{Progress: progress})
	return err
}

// RebuildWith is Rebuild with options and a result. A second rebuild of the same projection waits for the first.
func (s *Store) RebuildWith(ctx context.Context, name string, opts RebuildOptions) (RebuildResult, error) {
	p, err := s.find(name, 0)
	if err != nil {
		return RebuildResult{}, err
	}
	if err := p.takeTurn(ctx); err != nil {
		return RebuildResult{}, fmt.Errorf("rebuild %s: %w", name, err)
	}
	defer p.yieldTurn()
	if s.running.TryLock() { // nobody follows the log, and nobody begins to
		defer s.running.Unlock()
	}
	return s.rebuild(ctx, p, opts)
}

// rebuild does it. The caller has the projection's turn.
func (s *Store) rebuild(ctx context.Context, p *projection, opts RebuildOptions) (result RebuildResult, err error) {
	total, err := s.events(ctx, p)
	if err != nil {
		return result, fmt.Errorf("rebuild %s: %w", p.name, err)
	}
	last, err := lastVersion(p.dir)
	if err != nil {
		return result, fmt.Errorf("rebuild %s: %w", p.name, err)
	}
	v := newVersion(p, last+1, &s.opts)
	m := newMeter(p.name, v.number, total, func(now Progress) {
		p.setProgress(&now)
		result.Last = now
		if opts.Progress != nil {
			opts.Progress(now)
		}
	})
	defer p.setProgress(nil)
	var old *version
	if result.Comparison, err = s.make(ctx, p, v, m, opts.Compare); err == nil {
		m.phase(PhaseSwap)
		old, err = s.swap(ctx, p, v, m)
	}
	if err != nil {
		s.detach(v)
		return result, errors.Join(fmt.Errorf("rebuild %s: %w", p.name, err), v.release(!injected(err)))
	}
	if err := s.retire(p, old); err != nil {
		return result, fmt.Errorf("rebuild %s: %w", p.name, err)
	}
	m.phase(PhaseDone)
	result.Version = v.number
	s.opts.Logger.Info("projection rebuilt", "projection", p.name, "version", v.number, "events", result.Last.Done,
		"elapsed", result.Last.Elapsed, "events_per_second", int64(result.Last.Rate))
	return result, nil
}

// make builds the version, brings it to the live feed and compares it if asked.
func (s *Store) make(ctx context.Context, p *projection, v *version, m *meter, compare bool) (*Comparison, error) {
	if err := os.MkdirAll(v.dir, 0o750); err != nil {
		return nil, err
	}
	m.phase(PhaseReplay)
	if err := s.load(ctx, v, m); err != nil {
		return nil, err
	}
	m.phase(PhaseCatchUp)
	if err := s.joinAll(ctx, v, m.add); err != nil {
		return nil, err
	}
	var c *Comparison
	if old := p.inService(); compare && old != nil {
		m.phase(PhaseCompare)
		var err error
		if c, err = s.compare(ctx, old, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// load replays the whole log into new files, as many shards at a time as there are workers.
func (s *Store) load(ctx context.Context, v *version, m *meter) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, sh := range v.shards {
		group.Go(func() error {
			return s.work(ctx, func() error { return s.loadShard(ctx, sh, m) })
		})
	}
	return group.Wait()
}

func (s *Store) loadShard(ctx context.Context, sh *shard, m *meter) error {
	if err := s.step(StepCreate); err != nil {
		return err
	}
	if err := sh.create(); err != nil {
		return err
	}
	ends, err := s.ends(ctx, sh.projector.Topics(), sh.partition)
	if err != nil {
		return err
	}
	if err := s.replay(ctx, sh, ends, m.add); err != nil {
		return err
	}
	return sh.seal(s.step)
}

// swap puts the version in service, on disk and here, and returns the one that was.
func (s *Store) swap(ctx context.Context, p *projection, v *version, m *meter) (old *version, err error) {
	if err := v.sync(); err != nil {
		return nil, err
	}
	for done := false; !done; {
		if err := s.joinAll(ctx, v, m.add); err != nil { // one may have failed, or its partition changed hands
			return nil, err
		}
		if old, done, err = s.swapLevel(ctx, p, v); err != nil {
			return nil, err
		}
	}
	p.wakeAll()
	return old, nil
}

// swapLevel swaps in one moment for all shards, while all feeds stand still: so no reader goes back in time. Not done means that a shard is
// too far behind the one in service to wait for it here.
func (s *Store) swapLevel(ctx context.Context, p *projection, v *version) (old *version, done bool, err error) {
	for _, f := range s.feeds {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	old = p.inService()
	if done, err := s.level(ctx, old, v); !done || err != nil {
		return nil, false, err
	}
	if err := s.step(StepSwap); err != nil {
		return nil, false, err
	}
	if err := writeCurrent(p.dir, v.number); err != nil {
		return nil, false, err
	}
	if err := s.step(StepSwapped); err != nil {
		return nil, false, err
	}
	p.serve(v)
	for i, f := range s.feeds {
		if old != nil {
			f.drop(old.shards[i])
			old.shards[i].retired = true
			old.shards[i].marks.wake() // whoever waits for it must wait for the new one now
		}
	}
	return old, true, nil
}

// level brings the shards of a new version to where those in service are, if it is not far. The feeds stand still. What is beyond the
// log's end is of another log.
func (s *Store) level(ctx context.Context, old, v *version) (done bool, err error) {
	if old == nil {
		return true, nil
	}
	goals := make([]map[log.Topic]log.Offset, len(v.shards))
	for i, sh := range v.shards {
		if goals[i], err = s.ends(ctx, sh.projector.Topics(), sh.partition); err != nil {
			return false, err
		}
		for topic, next := range old.shards[i].marks.all() {
			goals[i][topic] = min(goals[i][topic], next)
		}
		if sh.behind(goals[i]) > s.opts.NearEvents {
			return false, nil
		}
	}
	for i, sh := range v.shards {
		if err := s.replay(ctx, sh, goals[i], func(int) {}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// retire removes a version that is out of service, when its last query is done.
func (s *Store) retire(p *projection, old *version) error {
	if old == nil {
		return nil
	}
	if err := s.step(StepRetire); err != nil {
		return errors.Join(err, old.release(false))
	}
	return old.release(true)
}

// detach takes a version that will not be in service out of the feeds.
func (s *Store) detach(v *version) {
	for i, f := range s.feeds {
		f.mu.Lock()
		f.drop(v.shards[i])
		v.shards[i].retired = true
		f.mu.Unlock()
	}
}

// events returns how many events a replay will read. It refuses when the beginning is gone.
func (s *Store) events(ctx context.Context, p *projection) (int64, error) {
	var n int64
	for _, topic := range p.projector.Topics() {
		for _, f := range s.feeds {
			tp := log.TopicPartition{Topic: topic, Partition: f.partition}
			start, end, err := s.reader.Offsets(ctx, tp)
			if err != nil {
				return 0, err
			}
			if start > 0 {
				return 0, fmt.Errorf("%s begins at %d: what was before has been removed, the tables cannot be made again", tp, start)
			}
			n += int64(end)
		}
	}
	return n, nil
}
