package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/client"
)

// However the log fails (full, away, batches lost, answers lost), every record is appended once, those of a
// partition in the order in which they were produced, and each future tells where its record is.
func TestRetriesKeepOrderAndNeverRepeat(t *testing.T) {
	rng := random(t)
	for range 30 {
		seed := rng.Uint64()
		synctest.Test(t, func(t *testing.T) { testRetries(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testRetries(t *testing.T, rng *rand.Rand) {
	lg := newFake(1 + rng.IntN(4))
	var mu sync.Mutex
	chance := func(p float64) bool { mu.Lock(); defer mu.Unlock(); return rng.Float64() < p }
	rate := rng.Float64() * 0.6
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
		Linger: time.Duration(rng.IntN(2)) * time.Millisecond, BufferBytesMax: 300 + rng.IntN(20000), Partitioner: client.Manual,
	})
	futures := produceMany(t, p, lg.partitions)
	closeProducer(t, p)
	total := 0
	for n := range lg.partitions {
		values := lg.values(log.Partition(n))
		total += len(values)
		if want := numbered(n, len(futures[n])); !slices.Equal(values, want) {
			t.Fatalf("partition %d has %v, want %v", n, values, want)
		}
		for i, f := range futures[n] {
			if at, err := f.Wait(t.Context()); err != nil || at.Offset != log.Offset(i) {
				t.Fatalf("partition %d, record %d: at %v, error %v", n, i, at, err)
			}
		}
	}
	if total == 0 {
		t.Error("nothing was tested")
	}
}

// produceMany produces to each partition from a goroutine of its own.
func produceMany(t *testing.T, p *client.Producer, partitions int) [][]client.Future {
	futures := make([][]client.Future, partitions)
	var work sync.WaitGroup
	for n := range partitions {
		work.Go(func() {
			for i := range 60 {
				r := rec("%d.%d", n, i)
				r.Partition = log.Partition(n)
				f, err := p.Produce(context.Background(), r)
				if err != nil {
					t.Errorf("produce: %v", err)
					return
				}
				futures[n] = append(futures[n], f)
				if i%7 == 0 {
					time.Sleep(time.Millisecond) // within synctest
				}
			}
		})
	}
	work.Wait()
	return futures
}

func numbered(partition, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%d.%d", partition, i)
	}
	return out
}

// Without idempotence a lost answer costs a repetition, and order within what was sent together is kept.
func TestWithoutIdempotence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		failed := false
		lg.onWait = func(context.Context, log.TopicPartition) (bool, error) {
			if !failed {
				failed = true
				return false, log.NewError(log.Unavailable, "wait", "no answer")
			}
			return false, nil
		}
		p := newProducer(t, lg, client.ProducerOptions{DisableIdempotence: true, Linger: time.Second}) // both in one batch
		if _, err := p.ProduceSync(t.Context(), rec("a"), rec("b")); err != nil {
			t.Fatal(err)
		}
		closeProducer(t, p)
		if got := lg.values(0); !slices.Equal(got, []string{"a", "b", "a", "b"}) {
			t.Errorf("log has %v", got)
		}
	})
}

// A log that is away too long: records are given up in the time that was promised, and when it is
// back the next ones go through, although nobody knows how far the sequence got.
func TestDeliveryTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		away := true
		lg.onWait = func(context.Context, log.TopicPartition) (bool, error) {
			if away {
				return false, log.NewError(log.Unavailable, "wait", "no answer") // appended all the same
			}
			return false, nil
		}
		p := newProducer(t, lg, client.ProducerOptions{DeliveryTimeout: 10 * time.Second})
		start := time.Now()
		_, err := p.ProduceSync(t.Context(), rec("a"))
		wantCode(t, "given up", err, log.Unavailable)
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("given up after %v", took)
		}
		wantCode(t, "flush tells of it", p.Flush(t.Context()), log.Unavailable)
		away = false
		at, err := p.ProduceSync(t.Context(), rec("b"))
		if err != nil || at[0].Offset != 1 {
			t.Errorf("at %v, error %v", at, err)
		}
		closeProducer(t, p)
		if got := lg.values(0); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("log has %v", got)
		}
	})
}

// A wait that never ends is ended by the timeout too.
func TestDeliveryTimeoutOfAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		lg.onWait = func(ctx context.Context, _ log.TopicPartition) (bool, error) { <-ctx.Done(); return true, ctx.Err() }
		p := newProducer(t, lg, client.ProducerOptions{DeliveryTimeout: 10 * time.Second})
		start := time.Now()
		_, err := p.ProduceSync(t.Context(), rec("a"))
		wantCode(t, "given up", err, log.Unavailable)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("given up after %v", took)
		}
		_ = p.Close(t.Context())
	})
}

// A log that has forgotten an idle producer is told a new epoch; nobody notices.
func TestForgottenProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		p := newProducer(t, lg, client.ProducerOptions{})
		for i := range 3 {
			if _, err := p.ProduceSync(t.Context(), rec("%d", i), rec("%d", i)); err != nil {
				t.Fatal(err)
			}
			lg.forget()
		}
		closeProducer(t, p)
		if got := lg.values(0); !slices.Equal(got, []string{"0", "0", "1", "1", "2", "2"}) {
			t.Errorf("log has %v", got)
		}
		part := lg.parts[log.TopicPartition{Topic: "bookings"}]
		if len(part.ids) != 1 || len(part.epochs) != 3 {
			t.Errorf("ids %v, epochs %v", part.ids, part.epochs)
		}
	})
}

// What can never succeed is given up at once, and the records behind it are not held up.
func TestRefusedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		lg.onEnqueue = func(_ log.TopicPartition, b *log.Batch) error {
			if string(b.Records[0].Value) == "bad" {
				return log.NewError(log.RecordTooLarge, "enqueue", "too large")
			}
			return nil
		}
		p := newProducer(t, lg, client.ProducerOptions{BatchRecordsMax: 1})
		var futures []client.Future
		for _, v := range []string{"a", "bad", "b", "bad", "c"} {
			futures = append(futures, send(t, p, rec("%s", v)))
		}
		wantCode(t, "flush", p.Flush(t.Context()), log.RecordTooLarge)
		closeProducer(t, p)
		for i, f := range futures {
			_, err := f.Wait(t.Context())
			if i%2 == 1 {
				wantCode(t, "bad", err, log.RecordTooLarge)
			} else if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		}
		if got := lg.values(0); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("log has %v", got)
		}
	})
}

// A poisoned partition takes no more appends: all that is in flight is given up, at once.
func TestPoisoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(2)
		poison := log.NewError(log.Poisoned, "append", "sync failed")
		lg.onWait = func(_ context.Context, tp log.TopicPartition) (bool, error) {
			if tp.Partition == 0 {
				return true, poison
			}
			return false, nil
		}
		p := newProducer(t, lg, client.ProducerOptions{Partitioner: client.Manual, BatchRecordsMax: 2})
		start := time.Now()
		futures := produceManyTo(t, p, 0, 20)
		healthy := produceManyTo(t, p, 1, 20)
		wantCode(t, "close", p.Close(t.Context()), log.Poisoned)
		for i := range futures {
			_, err := futures[i].Wait(t.Context())
			wantCode(t, "poisoned partition", err, log.Poisoned)
			if _, err := healthy[i].Wait(t.Context()); err != nil {
				t.Errorf("other partition: %v", err)
			}
		}
		if time.Since(start) != 0 {
			t.Error("somebody waited")
		}
	})
}

func produceManyTo(t *testing.T, p *client.Producer, partition log.Partition, n int) (futures []client.Future) {
	t.Helper()
	for i := range n {
		r := rec("%d", i)
		r.Partition = partition
		futures = append(futures, send(t, p, r))
	}
	return futures
}
