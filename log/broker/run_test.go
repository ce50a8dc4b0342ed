package broker

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// running calls Run in the background and returns what ends it.
func running(t *testing.T, b *Broker) (stop func()) {
	runCtx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.Run(runCtx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestRunWritesWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{})
		stop := running(t, b)
		mustEnqueue(t, b, tp0, batchOf("a"))
		mustEnqueue(t, b, tp0, batchOf("b"))
		time.Sleep(b.opts.FlushInterval)
		synctest.Wait()
		if got := values(t, b, tp0); got != "a,b" {
			t.Errorf("found %q", got)
		}
		stop()
		b.Close()
	})
}

func TestRunSyncsAtTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b := open(t, mem, Options{})
		create(t, b, "t", log.TopicConfig{Durability: log.Interval, SyncInterval: 50 * time.Millisecond})
		stop := running(t, b)
		mustAppend(t, b, tp0, batchOf("a"))
		if got := afterPowerLoss(t, mem); got != "" {
			t.Errorf("on disk at once: %q", got)
		}
		if got := values(t, b, tp0); got != "a" {
			t.Errorf("readable at once: %q", got)
		}
		time.Sleep(50*time.Millisecond + b.opts.FlushInterval)
		synctest.Wait()
		if got := afterPowerLoss(t, mem); got != "a" {
			t.Errorf("on disk after the interval: %q", got)
		}
		stop()
		b.Close()
	})
}

// afterPowerLoss returns the values that are left when all that was not synced is lost.
func afterPowerLoss(t *testing.T, mem *vfs.MemFS) string {
	b := open(t, mem.CrashClone(vfs.LoseAll), Options{})
	defer b.Close()
	return values(t, b, tp0)
}

func TestNoneIsSyncedByClose(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{Durability: log.None})
	mustAppend(t, b, tp0, batchOf("a"))
	if got := afterPowerLoss(t, mem); got != "" {
		t.Errorf("on disk at once: %q", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := afterPowerLoss(t, mem); got != "a" {
		t.Errorf("on disk after Close: %q", got)
	}
}

func TestRunAppliesRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{SegmentBytes: 4096, RetentionAge: time.Hour})
		stop := running(t, b)
		for range 20 {
			mustAppend(t, b, tp0, batchOf(string(make([]byte, 1000))))
		}
		time.Sleep(2 * time.Hour)
		mustAppend(t, b, tp0, batchOf("young"))
		time.Sleep(2 * b.opts.HousekeepingInterval)
		synctest.Wait()
		start, end, err := b.Offsets(ctx, tp0)
		if err != nil || start == 0 || end != 21 {
			t.Errorf("kept %d to %d, %v", start, end, err)
		}
		_, err = b.Fetch(ctx, fetchFrom(0, 0))
		wantCode(t, err, log.OffsetOutOfRange)
		stop()
		b.Close()
	})
}

// A checkpoint left by a close holds segments back until the next one, so retention must not wait for a close.
func TestRetentionGoesOnAfterReopening(t *testing.T) {
	for _, durability := range []log.Durability{log.Sync, log.Interval, log.None} {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			b := open(t, mem, Options{})
			create(t, b, "t", log.TopicConfig{SegmentBytes: 4096, RetentionBytes: 8192, Durability: durability})
			mustAppend(t, b, tp0, producerBatch(1, 0, 0, "first"))
			b.Close()
			b = open(t, mem, Options{})
			stop := running(t, b)
			for range 40 {
				mustAppend(t, b, tp0, batchOf(string(make([]byte, 1000))))
			}
			time.Sleep(5 * max(b.opts.HousekeepingInterval, b.opts.CheckpointInterval))
			synctest.Wait()
			if start, _, err := b.Offsets(ctx, tp0); err != nil || start == 0 {
				t.Errorf("%s: the first kept offset is %d, %v", durability, start, err)
			}
			stop()
			b.Close()
		})
	}
}

func TestRunWritesCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var checkpoints atomic.Int64
		count := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.Rename {
				checkpoints.Add(1)
			}
			return nil
		})
		b := open(t, errorfs.Wrap(mem, count), Options{})
		create(t, b, "t", log.TopicConfig{})
		stop := running(t, b)
		mustAppend(t, b, tp0, producerBatch(1, 0, 0, "a"))
		before := checkpoints.Load()
		time.Sleep(5 * b.opts.CheckpointInterval)
		synctest.Wait()
		if n := checkpoints.Load() - before; n != 1 {
			t.Errorf("%d checkpoints of a partition that grew once", n)
		}
		mustAppend(t, b, tp0, producerBatch(1, 0, 1, "b"))
		again := open(t, mem.CrashClone(vfs.LoseAll), Options{}) // producers from the checkpoint and the batch behind it
		for i, value := range []string{"a", "b"} {
			if ticket := mustEnqueue(t, again, tp0, producerBatch(1, 0, int32(i), value)); !ticket.Duplicate || ticket.Base != log.Offset(i) {
				t.Errorf("retry of %s: %+v", value, ticket)
			}
		}
		again.Close()
		stop()
		b.Close()
	})
}

func TestCloseEndsRun(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	mustAppend(t, b, tp0, batchOf("a"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBackgroundFailureIsShown: a sync at the interval that fails is known to the next append.
func TestBackgroundFailureIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		fail := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if failing.Load() && op.Kind == errorfs.SyncData {
				return errorfs.ErrInjected
			}
			return nil
		})
		b := open(t, errorfs.Wrap(vfs.NewMem(), fail), Options{})
		create(t, b, "t", log.TopicConfig{Durability: log.Interval})
		stop := running(t, b)
		failing.Store(true)
		mustAppend(t, b, tp0, batchOf("a"))
		time.Sleep(time.Second)
		synctest.Wait()
		_, err := b.Append(ctx, tp0, batchOf("b"))
		wantCode(t, err, log.Poisoned)
		if info, _ := b.DescribeTopic(ctx, "t"); info.Partitions[0].Err == "" {
			t.Error("the description does not tell")
		}
		stop()
		if err := b.Close(); err == nil {
			t.Error("Close says nothing of it")
		}
	})
}

// After a crash the batches behind the last checkpoint are replayed. Retention needs a checkpoint for them, whether or not anything is appended.
func TestRetentionGoesOnAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b := open(t, mem, Options{})
		create(t, b, "t", log.TopicConfig{SegmentBytes: 4096, RetentionAge: time.Hour})
		mustAppend(t, b, tp0, producerBatch(1, 0, 0, "first"))
		for range 10 {
			mustAppend(t, b, tp0, batchOf(string(make([]byte, 1000))))
		}
		crashed := mem.CrashClone(vfs.KeepAll)
		b.Close()
		b = open(t, crashed, Options{})
		stop := running(t, b)
		time.Sleep(time.Hour + 5*max(b.opts.HousekeepingInterval, b.opts.CheckpointInterval))
		synctest.Wait()
		if start, end, err := b.Offsets(ctx, tp0); err != nil || start != end {
			t.Errorf("kept %d to %d, %v", start, end, err)
		}
		stop()
		b.Close()
	})
}
