package natsbridge

import (
	"context"
	"time"

	"lodge/log"
)

// How firing goes
//
// One goroutine fires, in rounds. A round takes what is due, at most roundMax, and
//
//	reads     their records
//	plans     for each target partition one batch, in order of due time
//	announces the batches: for each a mark in __schedules, on disk before the next step
//	publishes each batch with one append
//	concludes: for each schedule published a tombstone, or a cron's next time, in __schedules
//
// and when that is on disk too, the rings are acknowledged to NATS. The conclusion waits for nobody: it is written with the next
// round's marks, or when nothing is due. So a round costs one sync of __schedules and one of each target.
//
// A mark tells which schedules the newest batch for a partition holds and where the partition ended before it. There is at most
// one such batch that is not concluded, as a mark is written behind the conclusion of the one before, and what survives a crash is a prefix. Opening
// asks each marked partition whether the bridge's producer has appended there since, and concludes what was published. So nothing is
// published twice, and nothing is lost.

// firer is the firing loop's own state.
type firer struct {
	conclusion log.Ticket   // of the newest conclusion; Waiter is nil when all are on disk
	concluded  []log.Offset // generations to acknowledge to NATS when it is on disk
	notBefore  time.Time    // of the next round: what was refused for the moment is due still
}

// parking is what is due for a partition that takes no records now.
type parking struct {
	until   time.Time
	delay   time.Duration // doubles
	entries []*entry
}

// Bounds of how long a refused append is not tried again.
const (
	pauseTime    = 2 * time.Millisecond // what will be right in a moment: a changed layout, a full buffer
	parkDelayMin = 100 * time.Millisecond
	parkDelayMax = 5 * time.Second
	restMax      = time.Second // look at the clock at least so often: somebody may have set it
)

// fireAll is the firing loop.
func (b *Bridge) fireAll(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	whole := context.WithoutCancel(ctx) // what was begun is finished
	for {
		worked, err := b.round(whole)
		if err == nil && (!worked || ctx.Err() != nil) {
			err = b.conclusionOnDisk(whole)
		}
		if err != nil {
			return b.fail(err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if worked {
			continue
		}
		timer.Reset(b.rest())
		select {
		case <-timer.C:
		case <-b.wake:
		case <-ctx.Done():
		}
	}
}

// rest returns how long nothing is to be done.
func (b *Bridge) rest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, rest := b.now(), restMax
	if e := b.pending.near.first(); e != nil {
		rest = min(rest, time.Duration(e.due-now))
	}
	if e := b.pending.far.first(); e != nil {
		rest = min(rest, time.Duration(e.due-now)-grace)
	}
	for _, p := range b.parked {
		if len(p.entries) > 0 {
			rest = min(rest, time.Until(p.until))
		}
	}
	return max(rest, time.Until(b.fire.notBefore), 0)
}

// takeDue takes what is due for the next round, in order of due time.
func (b *Bridge) takeDue() []*entry {
	if time.Now().Before(b.fire.notBefore) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.unpark()
	for e := b.pending.far.first(); e != nil && e.due-int64(grace) <= now; e = b.pending.far.first() {
		b.pending.move(e, near)
		b.stats.Missed++
		b.clock.suspect()
	}
	var due []*entry
	bytes := 0
	for e := b.pending.near.first(); e != nil && e.due <= now && len(due) < roundMax; e = b.pending.near.first() {
		if bytes += int(e.size); bytes > roundBytesMax && len(due) > 0 {
			break
		}
		b.pending.move(e, firing)
		due = append(due, e)
	}
	if len(due) > 0 {
		b.settled = make(chan struct{})
	}
	return due
}

// unpark makes due again what waits for partitions that are to be tried again. mu must be held.
func (b *Bridge) unpark() {
	for _, p := range b.parked {
		if len(p.entries) == 0 || time.Now().Before(p.until) {
			continue
		}
		for _, e := range p.entries {
			if b.pending.ids.get(e.id) == e { // neither canceled nor replaced
				b.pending.put(e, near)
			}
		}
		p.entries = nil
	}
}

// round fires what is due. It returns false if nothing was. An error is the end of the bridge.
func (b *Bridge) round(ctx context.Context) (worked bool, err error) {
	due := b.takeDue()
	if len(due) == 0 {
		return false, nil
	}
	jobs, err := b.load(ctx, due)
	if err != nil {
		return true, err
	}
	lots, err := b.plan(ctx, jobs)
	if err != nil {
		return true, err
	}
	if err := b.announce(ctx, lots); err != nil {
		return true, err
	}
	b.publish(ctx, lots)
	if err := b.conclude(ctx, lots); err != nil {
		return true, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.settled)
	b.settled = nil
	return true, nil
}

// announce puts the marks of lots on disk, and with them the conclusion of the round before.
func (b *Bridge) announce(ctx context.Context, lots []*lot) error {
	if len(lots) == 0 {
		return nil
	}
	var batch log.Batch
	for _, l := range lots {
		m := mark{tp: l.tp, from: l.from}
		for _, j := range l.jobs {
			m.generations = append(m.generations, j.e.gen)
		}
		batch.Records = append(batch.Records, encodeMark(&m))
	}
	ticket, err := b.enqueueHome(ctx, &batch)
	if err != nil {
		return err
	}
	if err := ticket.Wait(ctx); err != nil {
		return err
	}
	return b.conclusionOnDisk(ctx)
}

// enqueueHome enqueues a batch to __schedules, waiting for room if need be.
func (b *Bridge) enqueueHome(ctx context.Context, batch *log.Batch) (log.Ticket, error) {
	ticket, err := b.lg.Enqueue(home, batch)
	if log.CodeOf(err) != log.LimitReached {
		return ticket, err
	}
	base, err := b.lg.Append(ctx, home, batch)
	return log.Ticket{Base: base, Count: len(batch.Records)}, err
}

// conclusionOnDisk waits until all conclusions are on disk, and acknowledges their rings.
func (b *Bridge) conclusionOnDisk(ctx context.Context) error {
	if err := b.fire.conclusion.Wait(ctx); err != nil {
		return err
	}
	b.fire.conclusion = log.Ticket{}
	if len(b.fire.concluded) > 0 {
		b.mu.Lock()
		b.clock.acknowledge(b.fire.concluded)
		b.mu.Unlock()
		b.fire.concluded = b.fire.concluded[:0]
	}
	return nil
}
