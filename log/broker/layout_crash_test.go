package broker

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// outcome is what a topic may be found as.
type outcome struct {
	exists bool
	number int32
	active string
	config log.TopicConfig
}

// upheaval changes the topic "t" at random, as one caller after the other, and knows what must be found after a crash at any moment.
type upheaval struct {
	b     *Broker
	clock *clock
	rng   *rand.Rand

	allowed []outcome // what a crash may leave: as it was, or as it will be when the change under way is done
	until   map[log.Partition]time.Time
	gone    map[log.Partition]bool // known to be retired
	acked   map[log.Partition]map[log.Offset]string
	synced  map[log.Partition]log.Offset // records below are on disk, whatever the durability
	serial  int
	layouts int // begun so far, of all topics
}

func newUpheaval(rng *rand.Rand) *upheaval {
	u := &upheaval{clock: newClock(), rng: rng, allowed: []outcome{{}}}
	u.forget()
	return u
}

// forget begins with a new topic.
func (u *upheaval) forget() {
	u.until, u.gone = map[log.Partition]time.Time{}, map[log.Partition]bool{}
	u.acked, u.synced = map[log.Partition]map[log.Offset]string{}, map[log.Partition]log.Offset{}
}

func (u *upheaval) now() outcome { return u.allowed[0] }

func (u *upheaval) active() (active []log.Partition) {
	for _, s := range strings.Fields(u.now().active) {
		var n log.Partition
		fmt.Sscan(s, &n)
		active = append(active, n)
	}
	return active
}

func activeOf(partitions ...log.Partition) string { return strings.Trim(fmt.Sprint(partitions), "[]") }

// change has call make next of the topic.
func (u *upheaval) change(next outcome, call func() error) error {
	before := u.allowed
	u.allowed = append(slices.Clone(before), next)
	err := call()
	if err == nil {
		u.allowed = []outcome{next}
	}
	return err
}

func (u *upheaval) step() error {
	if !u.now().exists {
		return u.create()
	}
	switch u.rng.IntN(20) {
	case 0:
		return u.alter()
	case 1, 2:
		return u.add()
	case 3, 4:
		return u.retire()
	case 5:
		u.clock.forward(time.Duration(u.rng.IntN(40)) * time.Minute)
		u.b.checkpoint(ctx)
		u.b.retain(ctx)
		return u.see()
	case 6:
		if u.rng.IntN(4) == 0 {
			return u.remove()
		}
	}
	return u.append()
}

func (u *upheaval) create() error {
	config := log.TopicConfig{Partitions: 1 + u.rng.IntN(3), SegmentBytes: 4 << 10}.WithDefaults()
	next := outcome{exists: true, active: activeOf([]log.Partition{0, 1, 2}[:config.Partitions]...), config: config}
	u.forget()
	return u.change(next, func() error { return u.b.CreateTopic(ctx, "t", config) })
}

func (u *upheaval) remove() error {
	u.acked = map[log.Partition]map[log.Offset]string{} // they may go from now on
	return u.change(outcome{}, func() error { return u.b.DeleteTopic(ctx, "t") })
}

func (u *upheaval) alter() error {
	next := u.now()
	before := next.config.Durability
	next.config.Durability = []log.Durability{log.Sync, log.Sync, log.Interval, log.None}[u.rng.IntN(4)]
	next.config.SegmentBytes = 4<<10 + u.rng.Int64N(4<<10)
	next.config.RecordBytesMax = 1000 + u.rng.IntN(100)
	err := u.change(next, func() error { return u.b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { *c = next.config }) })
	switch {
	case err == nil && before != log.Sync && next.config.Durability == log.Sync:
		u.noteSynced()
	case log.CodeOf(err) == log.Poisoned: // changed all the same
		u.allowed = []outcome{next}
	}
	return err
}

// noteSynced notes that everything acknowledged is on disk.
func (u *upheaval) noteSynced() {
	for n, records := range u.acked {
		for o := range records {
			u.synced[n] = max(u.synced[n], o+1)
		}
	}
}

func (u *upheaval) add() error {
	info, err := u.b.DescribeTopic(ctx, "t")
	if err != nil {
		return err
	}
	made := log.Partition((*u.b.topics.Load())["t"].state.Load().made)
	next, active := u.now(), info.Layout.Active
	for i := range 1 + log.Partition(u.rng.IntN(2)) {
		active = append(slices.Clone(active), made+i)
	}
	next.number, next.active, next.config.Partitions = next.number+1, activeOf(active...), len(active)
	return u.relayout(next, func() (log.Layout, error) { return u.b.AddPartitions(ctx, "t", len(active)-len(info.Layout.Active)) })
}

func (u *upheaval) retire() error {
	active := u.active()
	if len(active) < 2 {
		return nil
	}
	leaving := active[u.rng.IntN(len(active))]
	active = slices.DeleteFunc(active, func(n log.Partition) bool { return n == leaving })
	keep := time.Duration(u.rng.IntN(60)-10) * time.Minute
	if keep >= 0 {
		u.until[leaving] = u.clock.time().Add(keep)
	}
	next := u.now()
	next.number, next.active, next.config.Partitions = next.number+1, activeOf(active...), len(active)
	return u.relayout(next, func() (log.Layout, error) { return u.b.RetirePartitions(ctx, "t", keep, leaving) })
}

func (u *upheaval) relayout(next outcome, call func() (log.Layout, error)) error {
	return u.change(next, func() error {
		layout, err := call()
		if err != nil {
			return err
		}
		u.noteSynced()
		u.layouts++
		if layout.Number != next.number || activeOf(layout.Active...) != next.active {
			return fmt.Errorf("%w: layout %+v, want %+v", errWrong, layout, next)
		}
		return nil
	})
}

// errWrong marks what no failure of the disk excuses.
var errWrong = errors.New("wrong")

// append appends a batch, by the layout or without one. One in five is left to others to write.
func (u *upheaval) append() error {
	active, now := u.active(), u.now()
	n := active[u.rng.IntN(len(active))]
	u.serial++
	value := fmt.Sprintf("%d %d ", now.number, u.serial)
	batch := routed(now.number, value+strings.Repeat("x", u.rng.IntN(700)))
	if u.rng.IntN(4) == 0 {
		batch.Layout, batch.Records[0].Value = nil, []byte(fmt.Sprintf("-1 %d", u.serial))
	}
	ticket, err := u.b.Enqueue(part(n), batch)
	if err != nil || u.rng.IntN(5) == 0 {
		return err
	}
	if err := ticket.Wait(ctx); err != nil {
		return err
	}
	if u.acked[n] == nil {
		u.acked[n] = map[log.Offset]string{}
	}
	u.acked[n][ticket.Base] = string(batch.Records[0].Value)
	if now.config.Durability == log.Sync {
		u.synced[n] = ticket.Base + 1
	}
	return nil
}

// see notes which partitions are retired.
func (u *upheaval) see() error {
	info, err := u.b.DescribeTopic(ctx, "t")
	if err != nil {
		return err
	}
	state := (*u.b.topics.Load())["t"].state.Load()
	for n := range log.Partition(state.made) {
		if state.stateOf(n) == log.StateRetired {
			u.gone[n] = true
			if due, ok := u.until[n]; u.acked[n] != nil && (!ok || u.clock.time().Before(due)) {
				return fmt.Errorf("%w: partition %d was retired early: %s", errWrong, n, states(info))
			}
		}
	}
	return nil
}

// check opens what a crash left. With process set only the process died.
func (u *upheaval) check(fs vfs.FS, process bool) error {
	b, err := Open("dir", Options{FS: fs, Clock: u.clock.time})
	if err != nil {
		return err
	}
	defer b.Close()
	info, err := b.DescribeTopic(ctx, "t")
	got := outcome{}
	if err == nil {
		got = outcome{true, info.Layout.Number, activeOf(info.Layout.Active...), info.Config}
	}
	if !slices.Contains(u.allowed, got) {
		return fmt.Errorf("found %+v, want one of %+v", got, u.allowed)
	}
	if !got.exists {
		return nil
	}
	if err := u.checkPartitions(b, info, process); err != nil {
		return err
	}
	return u.goOn(b, info)
}

func (u *upheaval) checkPartitions(b *Broker, info log.TopicInfo, process bool) error {
	found := map[log.Partition]log.PartitionInfo{}
	for _, p := range info.Partitions {
		found[p.Partition] = p
		if p.Err != "" || u.gone[p.Partition] {
			return fmt.Errorf("partition %d: %q, known to be gone %t", p.Partition, p.Err, u.gone[p.Partition])
		}
		if err := u.checkRecords(b, info, p, process); err != nil {
			return fmt.Errorf("partition %d: %w", p.Partition, err)
		}
	}
	for n, records := range u.acked {
		due, ok := u.until[n]
		if _, there := found[n]; !there && u.synced[n] > 0 && len(records) > 0 && (!ok || u.clock.time().Before(due)) {
			return fmt.Errorf("partition %d is gone with its records", n)
		}
	}
	for _, l := range append(slices.Clone(info.Earlier), info.Layout) {
		for n, began := range l.Began {
			if p, ok := found[n]; !ok || began > p.LogEnd {
				return fmt.Errorf("layout %d began at %d in partition %d, there %t, which ends at %d", l.Number, began, n, ok, p.LogEnd)
			}
		}
	}
	return nil
}

// checkRecords checks that what was acknowledged is there, and that each record lies where its layout does.
func (u *upheaval) checkRecords(b *Broker, info log.TopicInfo, p log.PartitionInfo, process bool) error {
	records, err := readAll(b, part(p.Partition))
	if err != nil {
		return err
	}
	at := map[log.Offset]string{}
	for _, r := range records {
		at[r.Offset] = string(r.Value)
		var layout int32
		var serial int
		if _, err := fmt.Sscanf(string(r.Value), "%d %d", &layout, &serial); err != nil {
			return err
		}
		if of := info.LayoutOf(p.Partition, r.Offset); layout >= 0 && of != layout {
			return fmt.Errorf("offset %d counts as layout %d's and is %d's; %+v", r.Offset, of, layout, info.Layout)
		}
	}
	for o, value := range u.acked[p.Partition] {
		if at[o] != value && (process || o < u.synced[p.Partition]) {
			return fmt.Errorf("offset %d has %.20q, acknowledged was %.20q", o, at[o], value)
		}
	}
	return nil
}

// goOn uses what was left: by the layout that was found, and by another one.
func (u *upheaval) goOn(b *Broker, info log.TopicInfo) error {
	for _, p := range info.Partitions {
		_, err := b.Append(ctx, part(p.Partition), routed(info.Layout.Number, "x"))
		if draining := log.CodeOf(err) == log.Draining; err != nil && !draining || draining != (p.State == log.StateDraining) {
			return fmt.Errorf("append to partition %d, %s: %w", p.Partition, p.State, err)
		}
	}
	layout, err := b.AddPartitions(ctx, "t", 1)
	if err != nil {
		return err
	}
	for _, n := range layout.Active {
		if _, err := b.Append(ctx, part(n), routed(layout.Number, "x")); err != nil {
			return err
		}
	}
	if u.gone[layout.Active[len(layout.Active)-1]] {
		return fmt.Errorf("number %d is given out again", layout.Active[len(layout.Active)-1])
	}
	return nil
}

// TestTopicChangesSurviveCrashes crashes at every operation of random creates, deletes, alterations, additions, retirements and
// appends: each change is then there, whole, or not there, and records are where their layouts are.
func TestTopicChangesSurviveCrashes(t *testing.T) {
	seeds(t, 4, func(t *testing.T, rng *rand.Rand) {
		mem, u, crashes := vfs.NewMem(), newUpheaval(rand.New(rand.NewPCG(rng.Uint64(), 0))), 0
		var mu sync.Mutex // partitions are opened and synced side by side
		crash := func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if t.Failed() {
				return nil
			}
			crashes++
			choose, process := vfs.Randomly(rng), rng.IntN(4) == 0
			if process {
				choose = vfs.KeepAll
			}
			if err := u.check(mem.CrashClone(choose), process); err != nil {
				t.Errorf("crash %d, at %v: %v", crashes, op, err)
			}
			return nil
		}
		u.b = open(t, errorfs.Wrap(mem, mutations(crash)), Options{Clock: u.clock.time})
		for range 150 {
			if err := u.step(); err != nil {
				t.Fatal(err)
			}
			if t.Failed() {
				return
			}
		}
		if u.layouts < 10 || crashes < 500 {
			t.Errorf("only %d layouts and %d crashes: the test tests nothing", u.layouts, crashes)
		}
	})
}

// TestTopicChangesSurviveErrors fails the n-th operation, or all from the n-th on, for many n: the broker goes on as it says, and what is left
// opens, with and without a power loss.
func TestTopicChangesSurviveErrors(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		for n := 0; ; n += 1 + rng.IntN(2+n/20) {
			seed := rng.Uint64()
			mem := vfs.NewMem()
			nth := &errorfs.Nth{N: n, After: rng.IntN(3) == 0}
			u := newUpheaval(rand.New(rand.NewPCG(seed, 1)))
			b, err := Open("dir", Options{FS: errorfs.Wrap(mem, nth), Clock: u.clock.time})
			if err == nil {
				u.b = b
				for range 60 {
					if err := u.step(); errors.Is(err, errWrong) {
						t.Fatalf("operation %d failed (%v): %v", n, nth.Hit(), err)
					}
				}
				_ = b.Close()
			}
			if nth.Hit() == nil {
				return
			}
			for name, choose := range map[string]vfs.Choose{"process": vfs.KeepAll, "all": vfs.LoseAll, "some": vfs.Randomly(rng)} {
				if err := u.check(mem.CrashClone(choose), name == "process"); err != nil {
					t.Fatalf("operation %d failed (%v, after %t), lost %s: %v", n, nth.Hit(), nth.After, name, err)
				}
			}
		}
	})
}

// TestDefinitionModel compares the pure part with a plain model over random changes: layouts go up by one, nothing
// begins below where it did, and numbers are given out once.
func TestDefinitionModel(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		def := newDefinition(log.TopicConfig{Partitions: 2}.WithDefaults())
		ends, used := map[log.Partition]log.Offset{}, map[log.Partition]bool{0: true, 1: true}
		for range 60 {
			for _, n := range def.layout().Active {
				ends[n] += log.Offset(rng.IntN(3))
			}
			before := def
			active := slices.Clone(def.layout().Active)
			switch {
			case rng.IntN(3) > 0:
				n := log.Partition(def.made)
				if used[n] {
					t.Fatalf("partition %d is given out again", n)
				}
				used[n], active = true, append(active, n)
			case len(active) > 1:
				active = slices.Delete(active, 1, 2)
			}
			def = def.withLayout(active, maps.Clone(ends), time.Time{})
			if def.layout().Number != before.layout().Number+1 || !slices.Equal(def.layout().Active, active) {
				t.Fatalf("%+v became %+v", before.layout(), def.layout())
			}
			for n, began := range def.layout().Began {
				if began != ends[n] {
					t.Fatalf("began at %d in partition %d, which ended at %d", began, n, ends[n])
				}
			}
			for n := range def.draining {
				if rng.IntN(3) == 0 {
					def = def.without(n)
				}
			}
			if len(def.layouts) == log.LayoutsMax {
				return
			}
			if err := def.validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
