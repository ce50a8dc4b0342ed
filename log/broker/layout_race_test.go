package broker

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// router is a producer as the client's is: it routes by the layout that it knows and gets another when that is stale.
type router struct {
	b      *Broker
	layout log.Layout
	stale  int // refusals
}

// send appends one record with a key, until it is taken.
func (r *router) send(key, value string) error {
	batch := batchOf(value)
	batch.Records[0].Key = []byte(key)
	for {
		number := r.layout.Number
		batch.Layout = &number
		_, err := r.b.Append(ctx, part(r.layout.ForKey([]byte(key))), batch)
		if log.CodeOf(err) != log.StaleLayout {
			return err
		}
		r.stale++
		if err := r.refresh(); err != nil {
			return err
		}
	}
}

func (r *router) refresh() error {
	info, err := r.b.DescribeTopic(ctx, "t")
	r.layout = info.Layout
	return err
}

// turmoil has many append while the topic changes.
type turmoil struct {
	*testing.T
	b     *Broker
	stop  atomic.Bool
	stale atomic.Int64
	plain atomic.Int64 // records appended without a layout
	sent  [6]int       // by each producer, with each of its keys
}

// produce sends numbered records of the producer's own keys until the end.
func (u *turmoil) produce(id int) {
	r := &router{b: u.b}
	if err := r.refresh(); err != nil {
		u.Error(err)
	}
	for n := 0; n == 0 || !u.stop.Load(); n++ {
		for k := range 3 {
			if err := r.send(fmt.Sprintf("%d-%d", id, k), fmt.Sprint(n)); err != nil {
				u.Error(err)
				return
			}
		}
		u.sent[id]++
	}
	u.stale.Add(int64(r.stale))
}

// scatter appends without a layout to any active partition. It is refused for one reason only: the partition leaves.
func (u *turmoil) scatter(rng *rand.Rand) {
	for !u.stop.Load() {
		state := (*u.b.topics.Load())["t"].state.Load()
		active := state.layout().Active
		n := active[rng.IntN(len(active))]
		_, err := u.b.Append(ctx, part(n), batchOf("by no layout"))
		switch code := log.CodeOf(err); {
		case err == nil:
			u.plain.Add(1)
		case code != log.Draining && code != log.Unavailable:
			u.Errorf("append to %d: %v", n, err)
			return
		}
	}
}

// change adds, retires and alters, and reads what it does from the outside as it goes.
func (u *turmoil) change(rng *rand.Rand, times int) {
	for range times {
		var err error
		info := describe(u, u.b)
		active := info.Layout.Active
		switch n := rng.IntN(4); {
		case n == 0:
			d := []log.Durability{log.Sync, log.Interval, log.None}[rng.IntN(3)]
			err = u.b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.Durability, c.SegmentBytes = d, 4<<10+rng.Int64N(60<<10) })
		case n == 1 && len(active) > 2:
			_, err = u.b.RetirePartitions(ctx, "t", -1, active[rng.IntN(len(active))])
		case len(info.Partitions) < 12:
			_, err = u.b.AddPartitions(ctx, "t", 1)
		}
		if err != nil {
			u.Error(err)
		}
	}
}

// TestAppendsDuringChanges has producers with and without layouts append while the topic changes. No record is lost or doubled, and those of each
// key, sorted by layout and offset, are in the order in which they were sent.
func TestAppendsDuringChanges(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		mem := vfs.NewMem()
		b := open(t, mem, Options{
			FlushInterval: time.Millisecond, HousekeepingInterval: time.Millisecond, CheckpointInterval: time.Millisecond,
		})
		create(t, b, "t", log.TopicConfig{Partitions: 3, SegmentBytes: 16 << 10})
		runCtx, cancel := context.WithCancel(ctx)
		var run, wg sync.WaitGroup
		run.Go(func() {
			if err := b.Run(runCtx); err != nil {
				t.Error(err)
			}
		})
		u := &turmoil{T: t, b: b}
		for id := range 6 {
			wg.Go(func() { u.produce(id) })
		}
		other := rand.New(rand.NewPCG(rng.Uint64(), 0))
		wg.Go(func() { u.scatter(other) })
		u.change(rng, 60)
		u.stop.Store(true)
		wg.Wait()
		cancel()
		run.Wait()
		checkKeys(t, b, u)
		b.Close()
		checkKeys(t, open(t, mem.CrashClone(vfs.KeepAll), Options{}), u)
		if u.stale.Load() == 0 {
			t.Error("no producer was ever behind: the test tests nothing")
		}
	})
}

// checkKeys reads all records and checks that each key's are complete and in order. The values of a key are 0, 1, 2 and so on.
func checkKeys(t *testing.T, b *Broker, u *turmoil) {
	t.Helper()
	info := describe(t, b)
	type place struct {
		layout int32
		record log.Record
	}
	keys, plain := map[string][]place{}, int64(0)
	for _, p := range info.Partitions {
		records, err := readAll(b, part(p.Partition))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Key == nil {
				plain++
				continue
			}
			keys[string(r.Key)] = append(keys[string(r.Key)], place{info.LayoutOf(p.Partition, r.Offset), r})
		}
	}
	if plain != u.plain.Load() || len(keys) != 18 {
		t.Errorf("%d records by no layout, %d were appended; %d keys", plain, u.plain.Load(), len(keys))
	}
	for key, places := range keys {
		if sent := u.sent[key[0]-'0']; len(places) != sent {
			t.Errorf("%d records of key %s, %d were sent", len(places), key, sent)
		}
		slices.SortFunc(places, func(a, b place) int {
			return cmp.Or(cmp.Compare(a.layout, b.layout), cmp.Compare(a.record.Offset, b.record.Offset))
		})
		for n, p := range places {
			if n > 0 && p.layout == places[n-1].layout && p.record.Partition != places[n-1].record.Partition {
				t.Fatalf("key %s is in two partitions of layout %d", key, p.layout)
			}
			if string(p.record.Value) != fmt.Sprint(n) {
				t.Fatalf("key %s: %s is where %d should be, layout %d, %v", key, p.record.Value, n, p.layout, p.record.Position())
			}
		}
	}
}
