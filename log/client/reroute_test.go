package client_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/client"
)

// While a topic's layout changes again and again, and the log is full, away, or loses batches and answers, every
// record is appended once, where the layout wants its key, and those of a key in the order in which they were produced.
func TestLayoutChangesKeepKeyOrder(t *testing.T) {
	rng := random(t)
	for range 40 {
		seed := rng.Uint64()
		synctest.Test(t, func(t *testing.T) { testLayoutChanges(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testLayoutChanges(t *testing.T, rng *rand.Rand) {
	lg := newFake(3)
	layouts := map[log.LeaderEpoch][]log.Partition{0: {0, 1, 2}}
	lg.layout = log.Layout{Active: layouts[0]}
	var mu sync.Mutex
	chance := func(p float64) bool { mu.Lock(); defer mu.Unlock(); return rng.Float64() < p }
	rate := rng.Float64() * 0.4
	lg.onEnqueue = func(log.TopicPartition, *log.Batch) error {
		if chance(rate) {
			return log.NewError(log.LimitReached, "enqueue", "full")
		}
		return nil
	}
	lg.onWait = func(context.Context, log.TopicPartition) (bool, error) {
		time.Sleep(time.Millisecond) // within synctest
		if chance(rate) {
			return chance(0.5), log.NewError(log.Unavailable, "wait", "no answer")
		}
		return false, nil
	}
	p := newProducer(t, lg, client.ProducerOptions{
		BatchRecordsMax: 1 + rng.IntN(5), BatchesInFlight: 1 + rng.IntN(5), DeliveryTimeout: time.Hour,
		Linger: time.Duration(rng.IntN(2)) * time.Millisecond, BufferBytesMax: 1000 + rng.IntN(20000),
	})
	var work sync.WaitGroup
	futures := make([][]client.Future, 3)
	for g := range futures {
		work.Go(func() { futures[g] = produceKeys(t, p, g) })
	}
	for n := range 4 {
		time.Sleep(time.Duration(1+n) * 5 * time.Millisecond) // within synctest
		var active []log.Partition
		for q := range 6 {
			if chance(0.5) || q == n {
				active = append(active, log.Partition(q))
			}
		}
		layouts[log.LeaderEpoch(n+1)] = active
		late := 0
		if chance(0.5) {
			late = 2
		}
		lg.relayout(late, active...)
	}
	work.Wait()
	closeProducer(t, p)
	checkKeys(t, lg.all(), layouts, slices.Concat(futures...))
}

// produceKeys produces 80 records, of five keys and of none.
func produceKeys(t *testing.T, p *client.Producer, g int) (futures []client.Future) {
	for i := range 80 {
		r := rec("%d", i)
		if k := i % 6; k > 0 {
			r.Key = fmt.Appendf(nil, "%d.%d", g, k)
		}
		futures = append(futures, send(t, p, r))
		if i%7 == 0 {
			time.Sleep(time.Millisecond) // within synctest
		}
		if i%30 == 29 {
			if err := p.Flush(t.Context()); err != nil {
				t.Errorf("flush: %v", err)
			}
			for n, f := range futures {
				select {
				case <-f.Done():
				default:
					t.Errorf("record %d is not done after a flush", n)
				}
			}
		}
	}
	return futures
}

// checkKeys checks records whose Epoch is the number of the layout that they were appended by.
func checkKeys(t *testing.T, records []log.Record, layouts map[log.LeaderEpoch][]log.Partition, futures []client.Future) {
	t.Helper()
	slices.SortFunc(records, func(a, b log.Record) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	last, at := map[string]int{}, map[log.Position]bool{}
	for _, r := range records {
		at[r.Position()] = true
		n, _ := strconv.Atoi(string(r.Value))
		active := layouts[r.Epoch]
		if !slices.Contains(active, r.Partition) {
			t.Fatalf("%v was appended in layout %d of %v", r.Position(), r.Epoch, active)
		}
		if r.Key == nil {
			continue
		}
		if want := active[log.PartitionForKey(r.Key, len(active))]; r.Partition != want {
			t.Errorf("key %s is in partition %d in layout %d of %v", r.Key, r.Partition, r.Epoch, active)
		}
		if before, ok := last[string(r.Key)]; ok && n <= before {
			t.Fatalf("key %s: %d comes behind %d", r.Key, n, before)
		}
		last[string(r.Key)] = n
	}
	for i, f := range futures {
		position, err := f.Wait(t.Context())
		if err != nil || !at[position] {
			t.Fatalf("record %d: at %v, error %v", i, position, err)
		}
		delete(at, position)
	}
	if len(at) > 0 || len(records) != len(futures) {
		t.Fatalf("%d records for %d produced", len(records), len(futures))
	}
}

// A record that names a partition which is being retired is refused, or given up when it was on its way; the others go on.
func TestNamedPartitionIsRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(3)
		lg.layout = log.Layout{Active: []log.Partition{0, 1, 2}}
		p := newProducer(t, lg, client.ProducerOptions{Partitioner: client.Manual, Linger: time.Second})
		r1, r2 := rec("a"), rec("b")
		r1.Partition, r2.Partition = 1, 2
		f1, f2 := send(t, p, r1), send(t, p, r2)
		lg.relayout(0, 0, 2)
		wantCode(t, "flush", p.Flush(t.Context()), log.Draining)
		_, err := f1.Wait(t.Context())
		wantCode(t, "on its way", err, log.Draining)
		if at, err := f2.Wait(t.Context()); err != nil || at.Partition != 2 {
			t.Errorf("the other one is at %v, error %v", at, err)
		}
		_, err = p.Produce(t.Context(), r1)
		wantCode(t, "produce", err, log.Draining)
		r1.Partition = 7
		_, err = p.Produce(t.Context(), r1)
		wantCode(t, "no such partition", err, log.InvalidArgument)
		closeProducer(t, p)
	})
}

// While the log does not tell the new layout, Produce waits and TryProduce does not; what is parked is given up in time.
func TestLayoutIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(2)
		lg.layout = log.Layout{Active: []log.Partition{0, 1}}
		p := newProducer(t, lg, client.ProducerOptions{DeliveryTimeout: 10 * time.Second})
		if _, err := p.ProduceSync(t.Context(), rec("a")); err != nil {
			t.Fatal(err)
		}
		lg.relayout(0, 0)
		lg.hush(true)
		f := send(t, p, rec("b"))
		synctest.Wait()
		_, err := p.TryProduce(t.Context(), rec("c"))
		wantCode(t, "try", err, log.Unavailable)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Produce(ctx, rec("c"))
		if wantCode(t, "produce", err, log.LimitReached); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cause: %v", err)
		}
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush: %v", err)
		}
		_, err = f.Wait(t.Context())
		wantCode(t, "given up", err, log.Unavailable)
		lg.hush(false)
		if _, err = p.ProduceSync(t.Context(), rec("d")); err != nil {
			t.Error(err)
		}
		p.Close(t.Context())
		if got := lg.values(0); len(got)+len(lg.values(1)) != 2 {
			t.Errorf("partition 0 has %v", got)
		}
	})
}
