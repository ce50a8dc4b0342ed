package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"lodge/log"
	"lodge/log/vfs"
)

func offset(o log.Offset) *log.Offset { return &o }

func TestConditionalAppend(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	batch := batchOf("a", "b")
	batch.Expect = offset(1)
	_, err := b.Append(ctx, tp0, batch)
	wantCode(t, err, log.OffsetMismatch)
	batch.Expect = offset(0)
	mustAppend(t, b, tp0, batch)
	_, err = b.Append(ctx, tp0, batch)
	wantCode(t, err, log.OffsetMismatch)

	first := batchOf("c") // what is enqueued counts, committed or not
	first.Expect = offset(2)
	second := batchOf("d")
	second.Expect = offset(3)
	mustEnqueue(t, b, tp0, first)
	mustAppend(t, b, tp0, second)
	if got := values(t, b, tp0); got != "a,b,c,d" {
		t.Errorf("found %s", got)
	}
}

func TestFencedAppend(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	info, err := b.DescribeTopic(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	batch := batchOf("a")
	batch.Fence = &info.Partitions[0].LeaderEpoch
	mustAppend(t, b, tp0, batch)
	b.Close()
	b = open(t, fs, Options{})
	_, err = b.Append(ctx, tp0, batch)
	wantCode(t, err, log.FencedEpoch)
}

func producerBatch(id int64, epoch int16, sequence int32, values ...string) *log.Batch {
	batch := batchOf(values...)
	batch.Producer = &log.ProducerSequence{ID: id, Epoch: epoch, Sequence: sequence}
	return batch
}

func TestIdempotentAppend(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{SegmentBytes: 4096})
	mustAppend(t, b, tp0, batchOf("other"))
	for i := range 7 {
		mustAppend(t, b, tp0, producerBatch(5, 0, int32(2*i), fmt.Sprint(2*i), fmt.Sprint(2*i+1)))
	}
	check := func(b *Broker) {
		t.Helper()
		for i := 2; i < 7; i++ {
			ticket := mustEnqueue(t, b, tp0, producerBatch(5, 0, int32(2*i), fmt.Sprint(2*i), fmt.Sprint(2*i+1)))
			if !ticket.Duplicate || ticket.Base != log.Offset(1+2*i) || ticket.Waiter != nil {
				t.Fatalf("batch %d again: %+v", i, ticket)
			}
		}
		_, err := b.Append(ctx, tp0, producerBatch(5, 0, 2, "2", "3"))
		wantCode(t, err, log.DuplicateSequence)
		_, err = b.Append(ctx, tp0, producerBatch(5, 0, 15, "15"))
		wantCode(t, err, log.OutOfOrderSequence)
		if got := values(t, b, tp0); got != "other,0,1,2,3,4,5,6,7,8,9,10,11,12,13" {
			t.Fatalf("found %s", got)
		}
	}
	check(b)
	check(open(t, fs.CrashClone(vfs.LoseAll), Options{})) // from headers
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, fs, Options{}) // from the checkpoint
	check(b)
	mustAppend(t, b, tp0, producerBatch(5, 1, 0, "new epoch"))
	_, err := b.Append(ctx, tp0, producerBatch(5, 0, 14, "x"))
	wantCode(t, err, log.InvalidProducerEpoch)
}

// TestDuplicateWaitsForTheFirstAttempt: a retry of a batch that is not committed yet is answered
// when it is, whether it waits in the pending group or is being synced.
func TestDuplicateWaitsForTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		b := gatedTopic(t, gate, Options{})
		gate.shut()
		first := appendAsync(b, producerBatch(1, 0, 0, "a"))
		synctest.Wait() // it is being synced
		second := mustEnqueue(t, b, tp0, producerBatch(1, 0, 1, "b"))
		again := []log.Ticket{
			mustEnqueue(t, b, tp0, producerBatch(1, 0, 0, "a")), mustEnqueue(t, b, tp0, producerBatch(1, 0, 1, "b")),
		}
		for i, ticket := range again {
			if !ticket.Duplicate || ticket.Base != log.Offset(i) || ticket.Waiter == nil {
				t.Fatalf("retry %d: %+v", i, ticket)
			}
		}
		waits := []<-chan error{waitAsync(again[0]), waitAsync(again[1])}
		synctest.Wait()
		for i, wait := range waits {
			if answered(wait) {
				t.Errorf("retry %d was answered before its commit", i)
			}
		}
		gate.open()
		if err := errors.Join(<-first, <-waits[0], <-waits[1], second.Wait(ctx)); err != nil {
			t.Error(err)
		}
		if got := values(t, b, tp0); got != "a,b" {
			t.Errorf("found %s", got)
		}
		b.Close()
	})
}

func TestLimits(t *testing.T) {
	b := openTopic(t, Options{GroupBytesMax: 1000, BatchBytesMax: 4000}, log.TopicConfig{RecordBytesMax: 2000})
	_, err := b.Append(ctx, tp0, batchOf(string(make([]byte, 2000))))
	wantCode(t, err, log.RecordTooLarge)
	kilobyte := string(make([]byte, 1500))
	_, err = b.Append(ctx, tp0, batchOf(kilobyte, kilobyte, kilobyte))
	wantCode(t, err, log.RecordTooLarge)
	_, err = b.Append(ctx, tp0, &log.Batch{})
	wantCode(t, err, log.InvalidArgument)
	compressed := batchOf(string(make([]byte, 5000)))
	compressed.Compression = log.Zstd
	_, err = b.Append(ctx, tp0, compressed)
	wantCode(t, err, log.RecordTooLarge)
	_, err = b.Append(ctx, log.TopicPartition{Topic: "t", Partition: 1}, batchOf("x"))
	wantCode(t, err, log.UnknownTopic)
	_, err = b.Append(ctx, log.TopicPartition{Topic: "t", Partition: -1}, batchOf("x"))
	wantCode(t, err, log.UnknownTopic)
	if next, err := b.NextOffset(tp0); next != 0 || err != nil {
		t.Errorf("refused batches moved the end to %d, %v", next, err)
	}

	// One batch is always let in; then Enqueue refuses and Append makes room.
	mustEnqueue(t, b, tp0, batchOf(kilobyte))
	_, err = b.Enqueue(tp0, batchOf("x"))
	wantCode(t, err, log.LimitReached)
	if offset := mustAppend(t, b, tp0, batchOf("x")); offset != 1 {
		t.Errorf("appended at %d, want 1", offset)
	}
}

func TestNothingIsVisibleBeforeItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		b := gatedTopic(t, gate, Options{})
		mustAppend(t, b, tp0, batchOf("committed"))
		gate.shut()
		done := appendAsync(b, batchOf("being synced"))
		synctest.Wait()
		mustEnqueue(t, b, tp0, batchOf("pending"))
		if got := values(t, b, tp0); got != "committed" {
			t.Errorf("found %s", got)
		}
		info, err := b.DescribeTopic(ctx, "t")
		if p := info.Partitions[0]; err != nil || p.HighWatermark != 1 || p.LogEnd != 3 {
			t.Errorf("high watermark %d, end %d, %v; want 1, 3", p.HighWatermark, p.LogEnd, err)
		}
		gate.open()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		b := gatedTopic(t, gate, Options{})
		gate.shut()
		first := appendAsync(b, batchOf("a"))
		synctest.Wait()
		short, cancel := context.WithCancel(ctx)
		second := make(chan error, 1)
		go func() {
			_, err := b.Append(short, tp0, batchOf("b"))
			second <- err
		}()
		third := appendAsync(b, batchOf("c"))
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled wait: %v", err)
		}
		gate.open()
		if err := errors.Join(<-first, <-third); err != nil {
			t.Error(err)
		}
		if _, err := b.Append(short, tp0, batchOf("d")); !errors.Is(err, context.Canceled) {
			t.Errorf("append with an ended context: %v", err)
		}
		mustAppend(t, b, tp0, batchOf("e"))
		if n := len(values(t, b, tp0)); n != len("a,b,c,d,e") {
			t.Errorf("found %s: a canceled wait is no canceled append", values(t, b, tp0))
		}
		b.Close()
	})
}
