package broker

import (
	"context"
	"sync"
	"time"

	"lodge/log"
)

// Run does the work that nobody waits for, until ctx ends or the broker is closed, and returns nil:
//
//   - writes what was enqueued and is waited for by nobody (acks=0), every FlushInterval;
//   - syncs the partitions of durability interval, and the full segments of those of interval and none;
//   - writes zeros ahead of the writers of durability sync;
//   - applies retention, retires partitions that have drained, and writes checkpoints;
//   - buries the dead letters of queue groups, and frees what point-to-point topics no longer need;
//   - ends the sessions and rebalances of consumer groups, and drops offsets that have expired.
//
// Without it a broker appends and reads as ever; only this is left undone. Call it once.
func (b *Broker) Run(ctx context.Context) error {
	b.admin.Lock()
	if b.closed.Load() {
		b.admin.Unlock()
		return nil
	}
	b.running.Add(1)
	b.admin.Unlock()
	defer b.running.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { b.every(ctx, b.opts.FlushInterval, b.flush) })
	wg.Go(func() { b.every(ctx, b.opts.FlushInterval, b.syncFull) })
	wg.Go(func() { b.every(ctx, b.opts.HousekeepingInterval, b.retain) })
	wg.Go(func() { b.every(ctx, b.opts.HousekeepingInterval, b.compact) })
	wg.Go(func() { b.every(ctx, b.opts.CheckpointInterval, b.checkpoint) })
	wg.Go(func() { b.every(ctx, buryInterval, b.tendQueues) })
	wg.Go(func() { b.fillZeros(ctx) })
	wg.Go(func() { b.consumers.run(ctx) })
	wg.Go(func() { b.every(ctx, offsetsInterval, b.consumers.expire) })
	select {
	case <-ctx.Done():
	case <-b.closing:
		cancel()
	}
	return nil
}

// every calls work at an interval until ctx ends.
func (b *Broker) every(ctx context.Context, interval time.Duration, work func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			work(ctx)
		}
	}
}

// partitions calls f for each partition until ctx ends.
func (b *Broker) partitions(ctx context.Context, f func(*partition)) {
	for _, t := range *b.topics.Load() {
		for _, p := range t.live() {
			if ctx.Err() != nil {
				return
			}
			f(p)
		}
	}
}

// flush writes what nobody waits for and syncs what is due.
func (b *Broker) flush(ctx context.Context) {
	var due []*partition
	b.partitions(ctx, func(p *partition) {
		if p.abandoned() || p.syncDue() {
			due = append(due, p)
		}
	})
	each(due, func(_ int, p *partition) { p.flush() })
}

// abandoned reports whether batches are pending that nobody waits for.
func (p *partition) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.leading && p.pending.batches > 0
}

// syncDue reports whether an interval partition was written to SyncInterval ago or earlier and not synced since.
func (p *partition) syncDue() bool {
	since := p.unsynced.Load()
	return since != 0 && p.config().Durability == log.Interval &&
		p.b.uptime()-since >= int64(p.config().SyncInterval)
}

// flush commits what is pending and syncs if that is due. Errors poison the partition, which tells everybody.
func (p *partition) flush() {
	p.acquire()
	defer p.release()
	if p.commitPending() == nil && p.usable() && p.syncDue() {
		_ = p.syncRest()
	}
}

// usable reports whether p takes appends.
func (p *partition) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused == nil
}

// syncFull syncs full segments that their durability left in the page cache, beside the writer: so it need not when
// it begins the next one.
func (b *Broker) syncFull(ctx context.Context) {
	b.partitions(ctx, func(p *partition) {
		if p.config().Durability == log.Sync {
			return
		}
		p.files.RLock()
		defer p.files.RUnlock()
		if p.gone != nil || !p.usable() {
			return
		}
		_, err := p.log.SyncFull()
		p.noticePoison("sync", err)
	})
}

// retain applies retention to all partitions, and retires those that are due.
func (b *Broker) retain(ctx context.Context) {
	b.partitions(ctx, func(p *partition) {
		removed, err := p.applyRetention(b.opts.Clock())
		if err != nil {
			b.opts.Logger.Error("retention", "partition", p.tp.String(), "error", err)
		}
		if removed > 0 {
			b.opts.Logger.Info("retention removed segments", "partition", p.tp.String(), "segments", removed)
		}
	})
	b.retireDrained(ctx)
	b.partitions(ctx, func(p *partition) { p.offload(ctx) })
}

// offload moves what the settings call old to the cold folder, segment by segment, so that nobody who deletes the topic waits for long.
func (p *partition) offload(ctx context.Context) {
	for moved := 0; ; moved++ {
		n, err := p.offloadOne()
		if err != nil {
			p.b.opts.Logger.Error("offload", "partition", p.tp.String(), "error", err)
		}
		if n == 0 || err != nil || ctx.Err() != nil {
			if moved+n > 0 {
				p.b.opts.Logger.Info("segments offloaded", "partition", p.tp.String(), "segments", moved+n)
			}
			return
		}
	}
}

func (p *partition) offloadOne() (int, error) {
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil || p.config().OffloadAge < 0 || !p.usable() {
		return 0, nil
	}
	return p.log.Offload(p.b.opts.Clock(), log.Offset(p.highWatermark.Load()), 1)
}

// applyRetention removes what the settings no longer keep, beside the writer.
func (p *partition) applyRetention(now time.Time) (int, error) {
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil || !p.usable() || !p.retains() && !p.log.HasDeleted() {
		return 0, nil
	}
	removed, err := p.log.ApplyRetention(now, log.Offset(p.highWatermark.Load()))
	p.noticePoison("retention", err)
	return removed, err
}

// retains reports whether the settings remove anything by age or size.
func (p *partition) retains() bool {
	c := p.config()
	return c.Cleanup != log.CleanupCompact && (c.RetentionAge >= 0 || c.RetentionBytes >= 0)
}

// noticePoison makes p refuse appends when background work has poisoned its log.
func (p *partition) noticePoison(what string, err error) {
	if log.CodeOf(err) != log.Poisoned {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refuse(p.poisoned(what, err))
	}
}

// checkpoint writes checkpoints for partitions that have grown since the last one.
func (b *Broker) checkpoint(ctx context.Context) {
	b.partitions(ctx, func(p *partition) {
		if err := p.checkpoint(); err != nil {
			b.opts.Logger.Error("checkpoint", "partition", p.tp.String(), "error", err)
		}
	})
}

// checkpoint commits and syncs everything and then records that it did, with the producers as of there.
func (p *partition) checkpoint() error {
	if p.highWatermark.Load() == p.checkpointed.Load() {
		return nil
	}
	if p.config().Durability == log.None && !p.retains() && !p.compacts() && !p.log.HasDeleted() {
		return nil // a close syncs and leaves one; only what removes segments cannot wait for it
	}
	p.acquire()
	defer p.release()
	p.mu.Lock()
	if p.refused != nil {
		p.mu.Unlock()
		return nil
	}
	blob, end := p.producers.Append(nil), p.next // as of what swap takes
	g := p.swap()
	p.mu.Unlock()
	if err := p.commit(g); err != nil {
		return err
	}
	if err := p.syncRest(); err != nil {
		return err
	}
	if err := p.log.Checkpoint(blob); err != nil {
		p.noticePoison("checkpoint", err)
		return err
	}
	p.checkpointed.Store(int64(end))
	return nil
}

// syncRest syncs what was written since the last sync. The caller has the turn.
func (p *partition) syncRest() error {
	if p.unsynced.Load() == 0 {
		return nil
	}
	err := p.sync()
	if err != nil {
		p.mu.Lock()
		p.refuse(err)
		p.mu.Unlock()
	}
	return err
}

// fillZeros writes zeros ahead of the writers that ask for it.
func (b *Broker) fillZeros(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-b.fill:
			p.filling.Store(false)
			p.preallocate()
		}
	}
}

// wantZeros asks Run for zeros ahead of the writer if there are few left. The caller has the turn.
func (p *partition) wantZeros() {
	if !p.zeroFilled() || p.filling.Load() || !p.log.WantsSpace() {
		return
	}
	p.filling.Store(true)
	select {
	case p.b.fill <- p:
	default: // Run is far behind, or not there: the file grows with the writes
		p.filling.Store(false)
	}
}

// preallocate writes zeros ahead of the writer, without the turn: they do not meet. A write that fails costs
// speed only; a sync that fails has poisoned the log.
func (p *partition) preallocate() {
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil {
		return
	}
	if err := p.log.Preallocate(); err != nil {
		p.b.opts.Logger.Warn("preallocate", "partition", p.tp.String(), "error", err)
		p.noticePoison("preallocation", err)
	}
}
