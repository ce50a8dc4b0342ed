package broker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"lodge/log"
)

// How a layout begins
//
//  1. New partitions' folders are made and synced, and the partitions opened. The topic's file does not name them: a crash leaves folders
//     without a record, which the next Open clears.
//     Then everything written so far is synced, so that step 3, for which producers wait, has little to do.
//  2. Every active partition is halted, one after the other: under its lock its end is noted, and from then on it refuses what was routed
//     by the old layout (StaleLayout). So the end is exact: what the old layout brought lies below, and what the new one
//     will bring cannot be there yet. Appends without a layout go on, but for partitions that are to drain (Unavailable).
//  3. What was enqueued is committed and synced, of every durability, so that no crash leaves an end below the one noted.
//  4. The topic's file is replaced. This is the moment at which the new layout is, for a crash.
//  5. The partitions take what is routed by the new layout; those that drain take nothing.
//
// DescribeTopic waits for step 5, so that a producer that was refused in between refreshes once and finds what it is to go by. When a step fails
// the old layout goes on as if nothing had been; see alter.go for a file that may be either.

var _ log.TopicChanger = (*Broker)(nil)

// What a partition's layout is while it has no number.
const (
	layoutChanging = -1 // steps 2 to 5
	layoutUnknown  = -2 // the topic is unsettled
)

// AddPartitions implements log.TopicChanger. The new partitions get the numbers that follow the highest ever given out. Codes:
// UnknownTopic, InvalidArgument, LimitReached (PartitionsMax, PartitionNumbersMax, LayoutsMax), Closed, and what an active partition
// answers that takes no appends (Poisoned, Corrupt). After an error the old layout goes on.
func (b *Broker) AddPartitions(_ context.Context, name log.Topic, count int) (log.Layout, error) {
	op := "add partitions to " + string(name)
	b.admin.Lock()
	defer b.admin.Unlock()
	t, err := b.changeable(name, op)
	if err != nil {
		return log.Layout{}, err
	}
	def := t.state.Load().definition.pruned(t.starts())
	if err := def.checkAdd(op, count); err != nil {
		return log.Layout{}, err
	}
	active := slices.Clone(def.layout().Active)
	for range count {
		active = append(active, log.Partition(def.made+len(active)-len(def.layout().Active)))
	}
	added, err := b.openAdded(t, active[len(def.layout().Active):])
	if err == nil {
		err = b.beginLayout(t, def, change{active: active, added: added})
	}
	if err != nil {
		b.dropAdded(t, added)
		return log.Layout{}, fmt.Errorf("%s: %w", op, err)
	}
	return t.state.Load().layout(), nil
}

// checkAdd checks that so many partitions may be added.
func (d *definition) checkAdd(op string, count int) error {
	left := len(d.layout().Active) + len(d.draining)
	switch {
	case count < 1:
		return log.NewError(log.InvalidArgument, op, "%d is no number of partitions to add", count)
	case count > log.PartitionsMax-left:
		return log.NewError(log.LimitReached, op, "%d partitions are there, %d more would be above %d", left, count, log.PartitionsMax)
	case count > log.PartitionNumbersMax-d.made:
		return log.NewError(log.LimitReached, op, "%d partition numbers were given out, %d more would be above %d",
			d.made, count, log.PartitionNumbersMax)
	}
	return d.checkLayouts(op)
}

// checkLayouts checks that one more layout may be remembered.
func (d *definition) checkLayouts(op string) error {
	if len(d.layouts) >= log.LayoutsMax {
		return log.NewError(log.LimitReached, op, "records of %d layouts are kept, which is as many as may be", len(d.layouts))
	}
	return nil
}

// RetirePartitions implements log.TopicChanger. Without Run draining partitions stay. Codes: UnknownTopic, InvalidArgument, LimitReached
// (LayoutsMax), Closed, and what an active partition answers that takes no appends (Poisoned, Corrupt). After an error the old layout goes on.
func (b *Broker) RetirePartitions(_ context.Context, name log.Topic, keep time.Duration, partitions ...log.Partition) (log.Layout, error) {
	op := "retire partitions of " + string(name)
	b.admin.Lock()
	defer b.admin.Unlock()
	t, err := b.changeable(name, op)
	if err != nil {
		return log.Layout{}, err
	}
	def := t.state.Load().definition.pruned(t.starts())
	active, err := def.withoutActive(op, partitions)
	if err != nil {
		return log.Layout{}, err
	}
	c := change{active: active, leaving: partitions}
	if keep >= 0 {
		c.until = b.opts.Clock().Add(keep).UTC().Truncate(time.Microsecond)
	}
	if err := b.beginLayout(t, def, c); err != nil {
		return log.Layout{}, fmt.Errorf("%s: %w", op, err)
	}
	return t.state.Load().layout(), nil
}

// withoutActive returns the active partitions that are left when some are retired.
func (d *definition) withoutActive(op string, retired []log.Partition) ([]log.Partition, error) {
	if len(retired) == 0 {
		return nil, log.NewError(log.InvalidArgument, op, "no partition is named")
	}
	active := slices.Clone(d.layout().Active)
	for _, n := range retired {
		i, ok := slices.BinarySearch(active, n)
		if !ok {
			return nil, log.NewError(log.InvalidArgument, op, "partition %d is not active, or is named twice", n)
		}
		active = slices.Delete(active, i, i+1)
	}
	if len(active) == 0 {
		return nil, log.NewError(log.InvalidArgument, op, "no active partition would be left")
	}
	return active, d.checkLayouts(op)
}

// starts returns where the partitions' logs begin. One that cannot be read counts from 0: what is in it nobody knows.
func (t *topic) starts() map[log.Partition]log.Offset {
	starts := map[log.Partition]log.Offset{}
	for _, p := range t.live() {
		p.files.RLock()
		if p.gone == nil {
			starts[p.tp.Partition] = p.log.StartOffset()
		}
		p.files.RUnlock()
	}
	return starts
}

// openAdded makes new partitions and opens them; step 1. What it returns with an error is to be dropped.
func (b *Broker) openAdded(t *topic, numbers []log.Partition) ([]*partition, error) {
	fs := b.opts.FS
	for _, n := range numbers {
		dir := path.Join(t.dir, strconv.Itoa(int(n)))
		if err := b.clearUnused(dir); err != nil { // what an earlier attempt left
			return nil, err
		}
		if err := fs.MkdirAll(dir); err != nil {
			return nil, err
		}
	}
	if err := fs.SyncDir(t.dir); err != nil {
		return nil, err
	}
	def := &t.state.Load().definition
	added := make([]*partition, len(numbers))
	each(added, func(i int, _ *partition) { added[i] = b.openPartition(t, numbers[i], def) })
	for _, p := range added {
		if p.gone != nil {
			return added, p.gone
		}
	}
	return added, nil
}

// dropAdded removes new partitions that are not to be. What cannot be removed is cleared by the next Open or AddPartitions.
func (b *Broker) dropAdded(t *topic, added []*partition) {
	for _, p := range added {
		err := p.close(errRetired("append", p.tp))
		if t.unsettled == nil { // else the topic's file may name them
			err = errors.Join(err, b.clearUnused(p.dir))
		}
		if err != nil {
			b.opts.Logger.Warn("a partition that was not to be leaves files", "partition", p.tp.String(), "error", err)
		}
	}
}

// change is what a new layout changes.
type change struct {
	active  []log.Partition // of the new layout
	added   []*partition    // of them, those that are new
	leaving []log.Partition // active so far, and to drain
	until   time.Time       // when those are retired at the latest
}

// beginLayout does the steps from the first sync on. admin must be held.
func (b *Broker) beginLayout(t *topic, def definition, c change) error {
	if err := t.settle(def.layout().Active); err != nil {
		return err
	}
	begun := make(chan struct{})
	t.changing.Store(&begun)
	defer func() {
		t.changing.Store(nil)
		close(begun)
	}()
	defer t.resume()
	ends, err := t.halt(c.leaving)
	if err != nil {
		return err
	}
	if err := t.settle(def.layout().Active); err != nil {
		return err
	}
	def = def.withLayout(c.active, ends, c.until)
	return b.redefine(t, def, append(slices.Clone(t.state.Load().partitions), c.added...))
}

// halt has active partitions refuse what is routed by their layout, and returns their ends; step 2.
func (t *topic) halt(leaving []log.Partition) (map[log.Partition]log.Offset, error) {
	state := t.state.Load()
	ends := map[log.Partition]log.Offset{}
	for _, n := range state.layout().Active {
		p := state.partitions[n]
		p.mu.Lock()
		end, err := p.next, p.refused
		p.layout = layoutChanging
		if slices.Contains(leaving, n) {
			p.stage = leavingStage
		}
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		ends[n] = end
	}
	return ends, nil
}

// settle makes everything durable that was enqueued; step 3.
func (t *topic) settle(active []log.Partition) error {
	state := t.state.Load()
	partitions := make([]*partition, len(active))
	for i, n := range active {
		partitions[i] = state.partitions[n]
	}
	errs := make([]error, len(partitions))
	each(partitions, func(i int, p *partition) { errs[i] = p.settle() })
	return errors.Join(errs...)
}

// settle commits what is pending and syncs.
func (p *partition) settle() error {
	p.acquire()
	defer p.release()
	if err := p.commitPending(); err != nil {
		return err
	}
	if err := p.refusal(); err != nil {
		return err
	}
	return p.syncRest()
}

// resume has the partitions go by the topic's state again; step 5. admin must be held.
func (t *topic) resume() {
	state := t.state.Load()
	for _, p := range state.live {
		p.mu.Lock()
		p.place(&state.definition)
		if t.unsettled != nil {
			p.layout = layoutUnknown
		}
		p.mu.Unlock()
	}
}

// resettle writes the file of an unsettled topic again. admin must be held.
func (b *Broker) resettle(t *topic) {
	if t.unsettled == nil {
		return
	}
	state := t.state.Load()
	if err := b.redefine(t, state.definition, state.partitions); err == nil {
		b.opts.Logger.Info("a topic's file was written again", "topic", string(t.name))
	}
}

// clamp mends layouts that a just opened topic's records do not reach: see definition.clamped.
func (b *Broker) clamp(t *topic) error {
	state := t.state.Load()
	if state.layout().Number == 0 {
		return nil
	}
	ends := map[log.Partition]log.Offset{}
	for _, p := range state.live {
		if p.gone == nil {
			ends[p.tp.Partition] = p.next
		}
	}
	def, changed := state.clamped(ends)
	if !changed {
		return nil
	}
	b.opts.Logger.Warn("a layout began above the end of a partition, which has lost records", "topic", string(t.name))
	if err := b.writeDefinition(t, def); err != nil {
		return fmt.Errorf("open topic %s: %w", t.name, err)
	}
	t.state.Store(newTopicState(def, state.partitions))
	return nil
}
