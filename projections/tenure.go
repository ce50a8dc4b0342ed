package projections

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// tenure is the time for which a member of the group, or the store when it is in none, reads one partition number: the topics of
// that number are fetched, decoded and applied, and the shards are brought to the feed, also when they fell out of it.
//
// A feed has one tenure at a time. That of a member which does not know yet that it is deposed ends when another member of this store gets the
// partition. Exactly once needs nothing of this: the shards see to that, whoever writes.
type tenure struct {
	feed       *feed
	holder     string         // the member's name; "": the store is in no group
	generation log.Generation // in which the member got it
	cancel     context.CancelFunc
	lost       atomic.Bool   // the partition is another's: apply nothing more
	done       chan struct{} // closed when nothing of it runs any more
}

// end ends the tenure and returns when the batch under way is applied.
func (t *tenure) end() {
	t.cancel()
	<-t.done
}

// lose ends the tenure at once: of the batch under way no further shard gets anything.
func (t *tenure) lose() {
	t.lost.Store(true)
	t.cancel()
}

// begin begins a tenure of the feed: at the end of the log, with nothing attached. Another holder's is ended first, unless it is of a
// later generation: then the caller is deposed and will be told so.
func (r *run) begin(ctx context.Context, f *feed, holder string, generation log.Generation) error {
	f.handing.Lock()
	defer f.handing.Unlock()
	if t := r.tenure(f); t != nil {
		if t.holder == holder && !t.lost.Load() || t.generation > generation {
			return nil
		}
		t.end()
	}
	ends, err := r.store.ends(ctx, r.store.topics(), f.partition)
	if err != nil {
		return err
	}
	t := &tenure{feed: f, holder: holder, generation: generation, done: make(chan struct{})}
	ctx, t.cancel = context.WithCancel(r.ctx)
	r.mu.Lock()
	r.tenures[f.partition] = t
	r.mu.Unlock()
	f.reset(ends, holder)
	r.group.Go(func() error {
		defer r.ended(t)
		return r.store.drive(ctx, t)
	})
	return nil
}

// tenure returns the tenure that the feed has, or nil.
func (r *run) tenure(f *feed) *tenure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tenures[f.partition]
}

// heldBy is tenure when it is the holder's.
func (r *run) heldBy(f *feed, holder string) *tenure {
	if t := r.tenure(f); t != nil && t.holder == holder {
		return t
	}
	return nil
}

func (r *run) ended(t *tenure) {
	t.cancel()
	t.feed.reset(nil, "")
	r.mu.Lock()
	delete(r.tenures, t.feed.partition)
	r.mu.Unlock()
	close(t.done)
}

// drive reads and applies until ctx ends.
func (s *Store) drive(ctx context.Context, t *tenure) error {
	group, ctx := errgroup.WithContext(ctx)
	in := make(chan *batch)
	group.Go(func() error { return s.follow(ctx, t, in) })
	for _, topic := range s.topics() {
		group.Go(func() error { return s.read(ctx, t.feed, topic, in) })
	}
	for _, p := range s.projections {
		group.Go(func() error { return s.tend(ctx, p, t.feed.partition) })
		group.Go(func() error { return s.keepSmall(ctx, p, t.feed.partition) })
	}
	return group.Wait()
}

// tend brings the shard of the version in service to its feed, and again whenever it fell out or another version is in
// service, until ctx ends.
func (s *Store) tend(ctx context.Context, p *projection, partition log.Partition) error {
	defer p.setTrouble(partition, nil)
	for pause := backoffMin; ctx.Err() == nil; {
		err := s.rejoin(ctx, p, partition)
		if injected(err) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		p.setTrouble(partition, err)
		if unusable(err) {
			p.condemn(err) // and whoever builds it anew wakes this
			err = nil
		}
		if err == nil {
			pause = backoffMin
			select {
			case <-p.wake[partition]:
			case <-ctx.Done():
			}
			continue
		}
		s.opts.Logger.Error("projection is retried", "projection", p.name, "partition", partition, "in", pause, "error", err)
		sleep(ctx, pause)
		pause = min(2*pause, backoffMax)
	}
	return nil
}

// rejoin has the shard in service follow the log, if there is a sound one.
func (s *Store) rejoin(ctx context.Context, p *projection, partition log.Partition) error {
	if !p.sound() {
		return nil // it is being built, and whoever puts it in service wakes this
	}
	v, err := p.acquire()
	if err != nil {
		return err
	}
	err = s.join(ctx, v.shards[partition], func(int) {})
	if rerr := v.release(false); err == nil {
		err = rerr
	}
	return err
}
