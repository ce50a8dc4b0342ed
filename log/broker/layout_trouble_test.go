package broker

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestLeavingPartition has appends to a partition that is about to drain come back later.
func TestLeavingPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{}
		b := open(t, errorfs.Wrap(vfs.NewMem(), w), Options{})
		create(t, b, "t", log.TopicConfig{Partitions: 2})
		w.hold, w.held = make(chan struct{}), func() {}
		retired := make(chan error, 1)
		go func() { _, err := b.RetirePartitions(ctx, "t", -1, 0); retired <- err }()
		synctest.Wait()
		_, err := b.Enqueue(tp0, batchOf("x"))
		wantCode(t, err, log.Unavailable)
		mustAppend(t, b, part(1), batchOf("x"))
		close(w.hold)
		if err := <-retired; err != nil {
			t.Error(err)
		}
		_, err = b.Enqueue(tp0, batchOf("x"))
		wantCode(t, err, log.Draining)
		b.Close()
	})
}

// TestWaitingFetchEndsWithThePartition retires a partition that somebody waits for.
func TestWaitingFetchEndsWithThePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{Partitions: 2})
		done := make(chan error, 1)
		go func() {
			_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: part(1), MaxWait: time.Hour})
			done <- err
		}()
		synctest.Wait()
		if _, err := b.RetirePartitions(ctx, "t", 0, 1); err != nil {
			t.Fatal(err)
		}
		b.retain(ctx)
		wantCode(t, <-done, log.UnknownTopic)
		b.Close()
	})
}

// TestUnsettledTopic breaks the disk for the topic's file while a layout begins: the old layout goes on without certainty, until a
// housekeeping can write the file.
func TestUnsettledTopic(t *testing.T) {
	for _, fails := range []errorfs.Kind{errorfs.Rename, errorfs.SyncDir, errorfs.Sync} {
		t.Run(string(fails), func(t *testing.T) {
			var broken atomic.Bool
			mem := vfs.NewMem()
			b := open(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && op.Kind == fails && (strings.Contains(op.Name, "topic.json") || op.Name == "dir/topics/t" && fails == errorfs.SyncDir) {
					return errorfs.ErrInjected
				}
				return nil
			})), Options{})
			create(t, b, "t", log.TopicConfig{Partitions: 2})
			mustAppend(t, b, tp0, routed(0, "old"))
			broken.Store(true)
			if _, err := b.RetirePartitions(ctx, "t", -1, 1); !errors.Is(err, errorfs.ErrInjected) {
				t.Fatal(err)
			}
			_, err := b.Enqueue(tp0, routed(0, "x"))
			wantCode(t, err, log.Unavailable)
			mustAppend(t, b, part(1), batchOf("by no layout"))
			b.retain(ctx)
			_, err = b.Enqueue(tp0, routed(0, "x"))
			wantCode(t, err, log.Unavailable)
			if info := describe(t, b); info.Layout.Number != 0 {
				t.Errorf("%+v", info.Layout)
			}
			broken.Store(false)
			b.retain(ctx)
			mustAppend(t, b, tp0, routed(0, "goes on"))
			again := open(t, mem.CrashClone(vfs.LoseAll), Options{})
			if info := describe(t, again); info.Layout.Number != 0 || values(t, again, tp0) != "old,goes on" {
				t.Errorf("%+v", info.Layout)
			}
			if layout, err := b.RetirePartitions(ctx, "t", -1, 1); err != nil || layout.Number != 1 || layout.Began[1] != 1 {
				t.Errorf("%+v, %v", layout, err)
			}
		})
	}
}

// TestPoisonedPartitionKeepsTheLayout begins no layout where a partition's end is not known.
func TestPoisonedPartitionKeepsTheLayout(t *testing.T) {
	nth := &errorfs.Nth{Match: func(op errorfs.Op) bool { return op.Kind == errorfs.SyncData && strings.Contains(op.Name, "/t/0/") }}
	b := open(t, errorfs.Wrap(vfs.NewMem(), nth), Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 2})
	mustEnqueue(t, b, tp0, batchOf("will not be synced"))
	_, err := b.AddPartitions(ctx, "t", 1)
	wantCode(t, err, log.Poisoned)
	_, err = b.RetirePartitions(ctx, "t", -1, 0)
	wantCode(t, err, log.Poisoned)
	mustAppend(t, b, part(1), routed(0, "goes on"))
	if info := describe(t, b); info.Layout.Number != 0 || states(info) != "0 active, 1 active" {
		t.Errorf("%+v", info)
	}
}

// TestOlderTopicFileIsAnAccident puts an older copy of the topic's file in place: the records of a partition that it does not know are not
// taken for rubbish.
func TestOlderTopicFileIsAnAccident(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	old, err := vfs.ReadFile(fs, "dir/topics/t/topic.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddPartitions(ctx, "t", 1); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, part(1), batchOf("precious"))
	b.Close()
	newer, err := vfs.ReadFile(fs, "dir/topics/t/topic.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := vfs.AtomicWriteFile(fs, "dir/topics/t/topic.json", old); err != nil {
		t.Fatal(err)
	}
	_, err = Open("dir", Options{FS: fs})
	wantCode(t, err, log.Corrupt)
	if err := vfs.AtomicWriteFile(fs, "dir/topics/t/topic.json", newer); err != nil {
		t.Fatal(err)
	}
	if got := values(t, open(t, fs, Options{}), part(1)); got != "precious" {
		t.Error(got)
	}
}

// TestEmptiedPartitionBeginsAnew replaces a partition's folder by an empty one, as the broker tells people to who have lost it: new
// records do not count as an old layout's.
func TestEmptiedPartitionBeginsAnew(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("a", "b"))
	if _, err := b.AddPartitions(ctx, "t", 1); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := errors.Join(fs.RemoveAll("dir/topics/t/0"), fs.MkdirAll("dir/topics/t/0")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b = open(t, fs, Options{})
		offset := mustAppend(t, b, tp0, routed(1, "new"))
		if info := describe(t, b); info.Layout.Began[0] != 0 || info.LayoutOf(0, offset) != 1 {
			t.Errorf("%+v", info)
		}
		b.Close()
	}
}

// TestTopicChangesBesideRun is what a person does: with Run, a draining partition goes by itself, and closing does not wait for it.
func TestTopicChangesBesideRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, vfs.NewMem(), Options{HousekeepingInterval: time.Second})
		create(t, b, "t", log.TopicConfig{Partitions: 2})
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		if _, err := b.RetirePartitions(ctx, "t", 3*time.Second, 0); err != nil {
			t.Error(err)
		}
		mustAppend(t, b, part(1), routed(1, "x"))
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if got := states(describe(t, b)); got != "1 active" { // nothing was in it
			t.Error(got)
		}
		b.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
