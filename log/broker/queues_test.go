package broker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// queueOf opens a broker with a topic "jobs" of some partitions and a queue group "workers" over it.
func queueOf(t testing.TB, fs vfs.FS, partitions int, config log.QueueConfig) *Broker {
	t.Helper()
	b := open(t, fs, Options{})
	create(t, b, "jobs", log.TopicConfig{Partitions: partitions})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, config); err != nil {
		t.Fatal(err)
	}
	return b
}

// receive returns up to n deliveries that are there now.
func receive(t testing.TB, b *Broker, n int) []log.Delivery {
	t.Helper()
	got, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", RecordsMax: n})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func job(partition log.Partition) log.TopicPartition {
	return log.TopicPartition{Topic: "jobs", Partition: partition}
}

func TestQueueGivesEachRecordToOne(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 3, log.QueueConfig{})
	const n = 300
	for i := range n {
		mustAppend(t, b, job(log.Partition(i%3)), batchOf(fmt.Sprint(i)))
	}
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for deliveries := receive(t, b, 7); len(deliveries) > 0; deliveries = receive(t, b, 7) {
				var receipts []log.Receipt
				for _, d := range deliveries {
					mu.Lock()
					got[string(d.Record.Value)]++
					mu.Unlock()
					receipts = append(receipts, d.Receipt)
				}
				if err := b.Ack(t.Context(), "workers", receipts...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range n {
		if got[fmt.Sprint(i)] != 1 {
			t.Errorf("record %d was delivered %d times", i, got[fmt.Sprint(i)])
		}
	}
	infos, err := b.DescribeQueues(t.Context())
	if err != nil || len(infos) != 3 {
		t.Fatalf("queues %+v, %v", infos, err)
	}
	for _, info := range infos {
		if info.Floor != n/3 || info.InFlight+info.Waiting != 0 {
			t.Errorf("standing %+v", info)
		}
	}
}

// TestReceiveBoundsBytes: what there is no room for is delivered to the next, and was not delivered before.
func TestReceiveBoundsBytes(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 2, log.QueueConfig{})
	large := strings.Repeat("x", 1000)
	for i := range 6 {
		mustAppend(t, b, job(0), batchOf(large+fmt.Sprint(i)))
	}
	take := func(bytes, want, times int) (receipts []log.Receipt) {
		t.Helper()
		got, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", RecordsMax: 100, BytesMax: bytes})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range got {
			receipts = append(receipts, d.Receipt)
			if d.Deliveries != times {
				t.Errorf("record %d of %d was delivered %d times, not %d", i, len(got), d.Deliveries, times)
			}
		}
		if len(got) != want {
			t.Errorf("%d records of %d bytes, not %d", len(got), bytes, want)
		}
		return receipts
	}
	first := take(3500, 3, 1)
	rest := append(take(2002, 2, 1), take(1, 1, 1)...) // at least one, whatever its size
	take(1<<20, 0, 0)
	if err := b.Nack(t.Context(), "workers", 0, "", append(first, rest...)...); err != nil {
		t.Fatal(err)
	}
	again := append(take(2500, 2, 2), take(2002, 2, 2)...)
	take(1<<20, 2, 2)
	mustAppend(t, b, job(0), batchOf(large))
	if err := b.Nack(t.Context(), "workers", 0, "", again[0]); err != nil {
		t.Fatal(err)
	}
	take(1500, 1, 3)
	take(1500, 1, 1) // the fresh one was taken back for its size
	for i := range 4 {
		mustAppend(t, b, job(log.Partition(i%2)), batchOf(large))
	}
	take(3000, 3, 1) // of both partitions
	take(3000, 1, 1)
	for _, bytes := range []int{-1, log.ReceiveBytesMax + 1} {
		if _, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", BytesMax: bytes}); log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("%d bytes: %v", bytes, err)
		}
	}
}

// TestWhatIsGivenBackWakesAnother: who waits gets what there was no room for.
func TestWhatIsGivenBackWakesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
		large := strings.Repeat("x", 1000)
		mustAppend(t, b, job(0), batchOf(large, large, large, large))
		if err := b.Nack(t.Context(), "workers", time.Second, "", receiptsOf(receive(t, b, 4))...); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for range 4 { // in a second each of them finds all four, one after the other, or none
			wg.Go(func() {
				got, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", RecordsMax: 100, BytesMax: 1500, MaxWait: time.Minute})
				if err != nil || len(got) != 1 || got[0].Deliveries != 2 {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("after %v", waited)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestQueueSurvivesARestart(t *testing.T) {
	mem := vfs.NewMem()
	b := queueOf(t, mem, 1, log.QueueConfig{Visibility: time.Hour})
	for i := range 4 {
		mustAppend(t, b, job(0), batchOf(fmt.Sprint(i)))
	}
	got := receive(t, b, 3) // 0, 1, 2
	if err := b.Ack(t.Context(), "workers", got[1].Receipt); err != nil {
		t.Fatal(err)
	}
	if err := b.Nack(t.Context(), "workers", 0, "no", got[2].Receipt); err != nil {
		t.Fatal(err)
	}
	b = open(t, mem.CrashClone(vfs.LoseAll), Options{})
	again := receive(t, b, 9)
	if len(again) != 2 || string(again[0].Record.Value) != "2" || again[0].Deliveries != 2 || string(again[1].Record.Value) != "3" {
		t.Fatalf("after the restart: %+v", again)
	}
	if err := b.Ack(t.Context(), "workers", got[0].Receipt); err != nil { // its receipt is as good as before
		t.Error(err)
	}
	wantCode(t, b.Ack(t.Context(), "workers", got[1].Receipt), log.VoidReceipt)
	wantCode(t, b.Ack(t.Context(), "workers", got[2].Receipt), log.VoidReceipt)
}

func TestQueueDeliversAgainAfterTheVisibilityTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{Visibility: 10 * time.Second})
		mustAppend(t, b, job(0), batchOf("a"))
		first := receive(t, b, 1)
		began := time.Now()
		again, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", MaxWait: time.Minute})
		if err != nil || len(again) != 1 || again[0].Deliveries != 2 {
			t.Fatalf("again %+v, %v", again, err)
		}
		if waited := time.Since(began); waited < 10*time.Second || waited > 11*time.Second {
			t.Errorf("again after %v", waited)
		}
		wantCode(t, b.Ack(t.Context(), "workers", first[0].Receipt), log.VoidReceipt)
		if err := b.Extend(t.Context(), "workers", time.Hour, again[0].Receipt); err != nil {
			t.Fatal(err)
		}
		none, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", MaxWait: 59 * time.Minute})
		if err != nil || len(none) != 0 {
			t.Errorf("an extended delivery came again: %+v, %v", none, err)
		}
	})
}

func TestQueueWakesOneForEachRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for range 3 {
			wg.Go(func() {
				deliveries, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers", MaxWait: time.Hour})
				if err != nil || len(deliveries) != 1 {
					t.Errorf("received %+v, %v", deliveries, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				got[string(deliveries[0].Record.Value)]++
			})
		}
		synctest.Wait()
		mustAppend(t, b, job(0), batchOf("a", "b", "c"))
		wg.Wait() // the hour is not waited for: the clock stands as long as anybody can go on
		if len(got) != 3 {
			t.Errorf("received %v", got)
		}
	})
}

func TestQueueClosesWhileItIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
		done := make(chan error)
		go func() {
			_, err := b.Receive(context.Background(), log.ReceiveRequest{Group: "workers", MaxWait: time.Hour})
			done <- err
		}()
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		wantCode(t, <-done, log.Closed)
	})
}

func TestQueueBuriesDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{DeliveriesMax: 2})
		defer running(t, b)()
		batch := batchOf("poison")
		batch.Records[0].Key, batch.Records[0].Headers = []byte("k"), []log.Header{{Key: "h", Value: []byte("v")}}
		mustAppend(t, b, job(0), batch)
		for range 2 {
			d := receive(t, b, 1)
			if len(d) != 1 {
				t.Fatalf("received %+v", d)
			}
			if err := b.Nack(t.Context(), "workers", 0, "it is poison", d[0].Receipt); err != nil {
				t.Fatal(err)
			}
		}
		letters, err := b.Fetch(t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "dlq.workers"}, MaxWait: time.Hour})
		if err != nil || len(letters.Records) != 1 {
			t.Fatalf("letters %+v, %v", letters, err)
		}
		r := &letters.Records[0]
		want := map[string]string{"h": "v", log.DeadLetterTopicHeader: "jobs", log.DeadLetterPartitionHeader: "0", log.DeadLetterOffsetHeader: "0",
			log.DeadLetterGroupHeader: "workers", log.DeadLetterDeliveriesHeader: "2", log.DeadLetterCauseHeader: "it is poison"}
		for k, v := range want {
			if got, _ := r.Header(k); string(got) != v {
				t.Errorf("header %s is %q, not %q", k, got, v)
			}
		}
		if string(r.Key) != "k" || string(r.Value) != "poison" || len(r.Headers) != len(want) {
			t.Errorf("letter %+v", r)
		}
		synctest.Wait()
		if d := receive(t, b, 1); len(d) != 0 {
			t.Errorf("a buried record came again: %+v", d)
		}
	})
}

func TestQueuesAreChecked(t *testing.T) {
	b := open(t, vfs.NewMem(), Options{})
	create(t, b, "jobs", log.TopicConfig{})
	ctx := t.Context()
	jobs := []log.Topic{"jobs"}
	wantCode(t, b.CreateQueue(ctx, "", jobs, log.QueueConfig{}), log.InvalidGroup)
	wantCode(t, b.CreateQueue(ctx, "q", nil, log.QueueConfig{}), log.InvalidArgument)
	wantCode(t, b.CreateQueue(ctx, "q", []log.Topic{"nope"}, log.QueueConfig{}), log.UnknownTopic)
	wantCode(t, b.CreateQueue(ctx, "q", jobs, log.QueueConfig{Visibility: time.Millisecond}), log.InvalidArgument)
	wantCode(t, b.CreateQueue(ctx, "q", jobs, log.QueueConfig{DeliveriesMax: 1001}), log.InvalidArgument)
	wantCode(t, b.CreateQueue(ctx, "q", jobs, log.QueueConfig{InFlightMax: -1}), log.InvalidArgument)
	wantCode(t, b.CreateQueue(ctx, "q", jobs, log.QueueConfig{DeadLetter: "jobs"}), log.InvalidArgument)
	wantCode(t, b.CreateQueue(ctx, "q", jobs, log.QueueConfig{DeadLetter: queuesTopic}), log.InvalidArgument)
	wantCode(t, b.Ack(ctx, "q"), log.UnknownGroup)
	if topics, _ := b.ListTopics(ctx); len(topics) != 1 {
		t.Errorf("refused calls left %d topics", len(topics))
	}
	if err := b.CreateQueue(ctx, "q", jobs, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Receive(ctx, log.ReceiveRequest{Group: "q", RecordsMax: log.ReceiveMax + 1})
	wantCode(t, err, log.InvalidArgument)
	wantCode(t, b.Nack(ctx, "q", -1, ""), log.InvalidArgument)
	wantCode(t, b.Ack(ctx, "q", log.Receipt{TopicPartition: job(5)}), log.VoidReceipt)
	wantCode(t, b.Ack(ctx, "q", log.Receipt{TopicPartition: job(0), Offset: 3, Delivery: 1}), log.VoidReceipt)
}

func TestDeletedQueueBeginsAnew(t *testing.T) {
	mem := vfs.NewMem()
	b := queueOf(t, mem, 1, log.QueueConfig{})
	mustAppend(t, b, job(0), batchOf("a"))
	d := receive(t, b, 1)
	if err := b.Ack(t.Context(), "workers", d[0].Receipt); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteQueue(t.Context(), "workers"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.DeleteQueue(t.Context(), "workers"), log.UnknownGroup)
	b = open(t, mem.CrashClone(vfs.LoseAll), Options{})
	_, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers"})
	wantCode(t, err, log.UnknownGroup)
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, b, 1); len(d) != 1 || d[0].Deliveries != 1 {
		t.Errorf("a new group of the name received %+v", d)
	}
}

func TestPointToPointForgetsWhatIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, vfs.NewMem(), Options{})
		defer running(t, b)()
		create(t, b, "jobs", log.TopicConfig{PointToPoint: true})
		ctx := t.Context()
		if err := b.CreateQueue(ctx, "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
			t.Fatal(err)
		}
		wantCode(t, b.CreateQueue(ctx, "others", []log.Topic{"jobs"}, log.QueueConfig{}), log.InvalidArgument)
		mustAppend(t, b, job(0), batchOf("a", "b", "c"))
		d := receive(t, b, 3)
		if err := b.Ack(ctx, "workers", d[0].Receipt, d[2].Receipt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * buryInterval) // of the bubble's time
		synctest.Wait()
		if start, _, err := b.Offsets(ctx, job(0)); start != 1 || err != nil {
			t.Errorf("the log starts at %d, %v: a is acknowledged, b is not", start, err)
		}
		if err := b.Ack(ctx, "workers", d[1].Receipt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * buryInterval)
		synctest.Wait()
		if start, end, err := b.Offsets(ctx, job(0)); start != end || end != 3 || err != nil {
			t.Errorf("the log is %d to %d, %v: all is acknowledged", start, end, err)
		}
	})
}

// A topic may be deleted between the checks of CreateQueue and the making of its dead-letter topic.
func TestDeadLetterTopicBesideADeletion(t *testing.T) {
	b := open(t, vfs.NewMem(), Options{})
	if err := b.makeDeadLetterTopic(ctx, []log.Topic{"gone"}, log.QueueConfig{}.WithDefaults("workers")); err != nil {
		t.Error(err)
	}
}
