package broker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestOneSyncForAllThatWait: whatever was enqueued during a sync is committed by the next one.
func TestOneSyncForAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		b := gatedTopic(t, gate, Options{})
		gate.shut()
		before := gate.syncs.Load()
		dones := []<-chan error{appendAsync(b, batchOf("first"))}
		synctest.Wait()
		for i := range 100 {
			dones = append(dones, appendAsync(b, batchOf(fmt.Sprint(i))))
		}
		synctest.Wait()
		gate.open()
		for _, done := range dones {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if syncs := gate.syncs.Load() - before; syncs != 2 {
			t.Errorf("%d syncs, want 2", syncs)
		}
		b.Close()
	})
}

// TestNoHalfBatches: writers that append again as soon as they are answered all share each group, though half
// of them come too late for the next one if it starts at once.
func TestNoHalfBatches(t *testing.T) {
	const writers, rounds = 64, 40
	perSync := func(wait time.Duration) float64 {
		gate := newGate()
		slow := errorfs.Delay(2*time.Millisecond, func(op errorfs.Op) bool { return op.Kind == errorfs.SyncData })
		b := open(t, errorfs.Wrap(errorfs.Wrap(vfs.NewMem(), gate), slow), Options{CompanyWait: wait})
		create(t, b, "t", log.TopicConfig{})
		before := gate.syncs.Load()
		appendConcurrently(t, b, writers, rounds)
		return writers * rounds / float64(gate.syncs.Load()-before)
	}
	if waiting := perSync(time.Second); waiting < 0.75*writers {
		t.Errorf("%.1f records in each sync with %d writers", waiting, writers)
	}
	t.Logf("without waiting for company: %.1f records in each sync with %d writers", perSync(-1), writers)
}

func appendConcurrently(t *testing.T, b *Broker, writers, rounds int) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				if _, err := b.Append(ctx, tp0, batchOf(fmt.Sprintf("%d.%d", w, i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestLoneWriterHandsNothingOver: one writer's appends hand nothing over, so that no waiter is ever made.
func TestLoneWriterHandsNothingOver(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	batch := batchOf("x")
	mustAppend(t, b, tp0, batch)
	p, err := b.partition(tp0, "test")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		mustAppend(t, b, tp0, batch)
		if p.company != 1 || p.leading || len(p.pending.waiters) != 0 {
			t.Fatalf("company %d, leading %t, %d waiters", p.company, p.leading, len(p.pending.waiters))
		}
	}
}

// TestManyWriters checks order and completeness under contention with small groups, canceled waits and
// readers beside, which the race detector watches.
func TestManyWriters(t *testing.T) {
	for _, durability := range []log.Durability{log.Sync, log.Interval} {
		t.Run(string(durability), func(t *testing.T) {
			b := openTopic(t, Options{GroupBytesMax: 2000}, log.TopicConfig{Durability: durability, SegmentBytes: 16 << 10})
			stop := make(chan struct{})
			var readers sync.WaitGroup
			for range 2 {
				readers.Go(func() { follow(t, b, stop) })
			}
			appendConcurrently(t, b, 16, 60)
			close(stop)
			readers.Wait()
			records, err := readAll(b, tp0)
			if err != nil || len(records) != 16*60 {
				t.Fatalf("%d records, %v", len(records), err)
			}
			next := map[int]int{}
			for _, r := range records {
				var w, i int
				if _, err := fmt.Sscanf(string(r.Value), "%d.%d", &w, &i); err != nil || next[w] != i {
					t.Fatalf("writer %d: found %s, want its %d", w, r.Value, next[w])
				}
				next[w]++
			}
		})
	}
}

// follow reads along until stop and checks that offsets have no gaps.
func follow(t *testing.T, b *Broker, stop <-chan struct{}) {
	var next log.Offset
	for {
		select {
		case <-stop:
			return
		default:
		}
		found, err := b.Fetch(ctx, fetchFrom(next, time.Millisecond))
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range found.Records {
			if r.Offset != next {
				t.Errorf("offset %d, want %d", r.Offset, next)
			}
			next++
		}
	}
}

// TestFailedCommitPoisons fails the write or the sync of a group while another one waits: both fail, and all later ones.
func TestFailedCommitPoisons(t *testing.T) {
	for _, kind := range []errorfs.Kind{errorfs.SyncData, errorfs.WriteAt} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate, mem := newGate(), vfs.NewMem()
				var armed atomic.Bool
				fail := errorfs.InjectorFunc(func(op errorfs.Op) error {
					if op.Kind == kind && armed.CompareAndSwap(true, false) {
						return errorfs.ErrInjected
					}
					return nil
				})
				b := open(t, errorfs.Wrap(errorfs.Wrap(mem, fail), gate), Options{})
				create(t, b, "t", log.TopicConfig{})
				mustAppend(t, b, tp0, batchOf("good"))
				gate.shut()
				first := appendAsync(b, batchOf("first"))
				synctest.Wait()
				second := appendAsync(b, batchOf("second"))
				synctest.Wait()
				armed.Store(true)
				gate.open()
				if kind == errorfs.SyncData {
					wantCode(t, <-first, log.Poisoned)
				} else if err := <-first; err != nil {
					t.Error(err) // it was written before
				}
				wantCode(t, <-second, log.Poisoned)
				_, err := b.Append(ctx, tp0, batchOf("third"))
				wantCode(t, err, log.Poisoned)
				info, err := b.DescribeTopic(ctx, "t")
				if err != nil || info.Partitions[0].Err == "" {
					t.Errorf("the description does not tell: %+v, %v", info.Partitions[0], err)
				}
				want := map[errorfs.Kind]string{errorfs.SyncData: "good", errorfs.WriteAt: "good,first"}[kind]
				if got := values(t, b, tp0); got != want {
					t.Errorf("found %s, want %s", got, want)
				}
				if err := b.Close(); err == nil {
					t.Error("Close says nothing of it")
				}
				b = open(t, mem, Options{})
				mustAppend(t, b, tp0, batchOf("after"))
				b.Close()
			})
		})
	}
}
