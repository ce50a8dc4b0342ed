package broker

import (
	"runtime"
	"time"

	"lodge/log"
)

// How a commit goes
//
// Enqueue copies batches into p.pending under p.mu. The first that waits for the group gets the turn
// and commits: it swaps in an empty group, writes the full one with one write, syncs it, moves the high watermark and wakes the
// others. Meanwhile the next group fills, and its first waiter gets the turn when the commit is done. A lone
// writer does all that in its own goroutine: nothing is handed over and nobody is woken.
//
// If the next group started at once it would hold only the half of the writers that came during the
// last commit; the other half, just woken, would come too late, and so on for ever: half-batches. So a
// commit that may expect company waits for it, at most CompanyWait: until as many wait as were in
// the last group and had come since. A company that shrinks costs one wait, as the next one expects only those who came.

// lead commits the pending group, which is g, and passes the turn on. The caller has the turn.
func (p *partition) lead(g *group) error {
	p.awaitCompany()
	_ = p.commitPending() // g.err
	p.mu.Lock()
	err := g.err // under mu: a group that was empty is still pending, and may be finished at any time
	w := p.pass()
	p.mu.Unlock()
	w.turn()
	return err
}

// awaitCompany lets those join who were in the last commits, for a moment. It yields instead of sleeping:
// no timer is that fine, and the processor goes to those awaited.
func (p *partition) awaitCompany() {
	want := int32(p.company) // owned by the turn
	if want <= 1 || p.b.opts.CompanyWait <= 0 || p.joined.Load() >= want {
		return
	}
	yieldsMax := int(p.b.opts.CompanyWait / (20 * time.Nanosecond)) // however the clock goes: in a test it may stand still
	start := time.Now()
	for range yieldsMax {
		runtime.Gosched()
		if p.joined.Load() >= want || time.Since(start) >= p.b.opts.CompanyWait {
			return
		}
	}
}

// commitPending writes the pending group, if there is one. The caller has the turn.
func (p *partition) commitPending() error {
	p.mu.Lock()
	g := p.swap()
	p.mu.Unlock()
	return p.commit(g)
}

// swap takes the pending group to be written, or returns nil when there is nothing to write. The
// caller has the turn, and mu.
func (p *partition) swap() *group {
	g := p.pending
	if g.batches == 0 || p.refused != nil {
		return nil
	}
	p.writing = g
	p.pending = &group{p: p}
	p.joined.Store(0)
	return g
}

// commit writes g as the durability demands and answers its waiters. The caller has the turn. A failure
// poisons the partition.
func (p *partition) commit(g *group) error {
	if g == nil {
		return nil
	}
	err := p.write(*g.buffer)
	p.mu.Lock()
	p.writing = nil
	if err == nil {
		p.highWatermark.Store(int64(g.end))
	}
	buffer, waiters := g.buffer, g.waiters
	g.finish(err)
	p.company = g.joined + p.pending.joined
	if err != nil {
		p.refuse(err)
	}
	p.mu.Unlock()
	wake(waiters)
	if err == nil {
		p.polls.notify()
		p.watchers.notify(p.tp.Topic)
		p.wantZeros()
	}
	p.b.groups.put(buffer)
	return err
}

// write brings batches to disk, or to the page cache, as the durability demands.
func (p *partition) write(batches []byte) error {
	if err := p.log.Append(batches); err != nil {
		return p.poisoned("write", err)
	}
	if p.config().Durability == log.Sync {
		return p.sync()
	}
	p.unsynced.CompareAndSwap(0, p.b.uptime())
	return nil
}

// sync makes everything written durable. The caller has the turn.
func (p *partition) sync() error {
	if err := p.log.Sync(); err != nil {
		return p.poisoned("sync", err)
	}
	p.unsynced.Store(0)
	return nil
}

// poisoned is the error of a partition whose write or sync failed: what of it is on disk nobody knows, and
// a sync that is tried again may lie, so that only opening the partition anew tells.
func (p *partition) poisoned(what string, err error) error {
	poison := log.NewError(log.Poisoned, "append "+p.tp.String(),
		"%s failed, no more appends until the log is opened anew: %w", what, err)
	p.b.opts.Logger.Error("partition poisoned", "partition", p.tp.String(), "error", poison)
	return poison
}

// acquire takes the turn for other work than commits, behind the commit that has it.
func (p *partition) acquire() {
	p.mu.Lock()
	if !p.leading {
		p.leading = true
		p.mu.Unlock()
		return
	}
	w := p.b.newWaiter()
	p.turns = append(p.turns, w)
	p.mu.Unlock()
	<-w.told
	p.b.putWaiter(w)
}

// release passes the turn on: to those who asked for it, then to the first that waits for the pending group.
func (p *partition) release() {
	p.mu.Lock()
	w := p.pass()
	p.mu.Unlock()
	w.turn()
}

// pass takes the next one to have the turn off its list: nil when nobody wants it. mu must be held; whoever
// calls it tells the one returned, without mu.
func (p *partition) pass() (w *waiter) {
	if len(p.turns) > 0 {
		w, p.turns = p.turns[0], p.turns[1:]
	} else if g := p.pending; len(g.waiters) > 0 {
		last := len(g.waiters) - 1
		w, g.waiters = g.waiters[last], g.waiters[:last]
	}
	p.leading = w != nil
	return w
}
