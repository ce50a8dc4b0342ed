package logtool

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestVerifyOfWhatIsGoingAway has the power fail at every operation while partitions are added, retired and deleted with
// their topic: what is listed then is sound, and what must be there is listed.
func TestVerifyOfWhatIsGoingAway(t *testing.T) {
	ctx, mem, rng := context.Background(), vfs.NewMem(), rand.New(rand.NewPCG(1, 0))
	var mu sync.Mutex
	var must []string // partitions that nobody has begun to remove
	crashes := 0
	b, err := broker.Open("data/log", broker.Options{
		HousekeepingInterval: time.Millisecond,
		FS: errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if !op.Mutates() || strings.HasSuffix(op.Name, "LOCK") {
				return nil
			}
			crashes++
			checkSound(t, op, mem.CrashClone(vfs.Randomly(rng)), must)
			return nil
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	step := func(what error) {
		t.Helper()
		if what != nil {
			t.Fatal(what)
		}
	}
	expect := func(partitions ...string) {
		mu.Lock()
		defer mu.Unlock()
		must = partitions
	}
	step(b.CreateTopic(ctx, "t", log.TopicConfig{Partitions: 2, SegmentBytes: 4 << 10}))
	for n := range log.Partition(20) {
		batch := &log.Batch{Records: []log.Record{{Value: make([]byte, 900)}}}
		_, err := b.Append(ctx, log.TopicPartition{Topic: "t", Partition: n % 2}, batch)
		step(err)
	}
	expect("t/0", "t/1")
	_, err = b.AddPartitions(ctx, "t", 1)
	step(err)
	expect("t/1", "t/2")
	_, err = b.RetirePartitions(ctx, "t", 0, 0)
	step(err)
	awaitRetirement(t, b)
	if got := listed(t, mem); got != "t/1 t/2" {
		t.Errorf("listed are %s", got)
	}
	expect()
	step(b.DeleteTopic(ctx, "t"))
	if crashes < 50 {
		t.Errorf("only %d crashes", crashes)
	}
}

// awaitRetirement runs b until partition 0 is retired.
func awaitRetirement(t *testing.T, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "t"}, Offset: 10, MaxWait: time.Minute})
	if log.CodeOf(err) != log.UnknownTopic {
		t.Errorf("a fetch that waits: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func listed(t *testing.T, fs vfs.FS) string {
	t.Helper()
	parts, err := Partitions(fs, "data/log")
	if err != nil {
		return "" // not even made
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.TP.String())
	}
	return strings.Join(names, " ")
}

func checkSound(t *testing.T, op errorfs.Op, fs vfs.FS, must []string) {
	t.Helper()
	parts, err := Partitions(fs, "data/log")
	if err != nil && len(must) > 0 {
		t.Errorf("at %v: %v", op, err)
	}
	for _, p := range parts {
		report, err := Verify(fs, p)
		if err != nil || !report.OK() {
			t.Errorf("at %v: %s: %+v, %v", op, p.TP, report, err)
		}
		if i := slices.Index(must, p.TP.String()); i >= 0 {
			must = slices.Delete(slices.Clone(must), i, i+1)
		}
	}
	if len(must) > 0 {
		t.Errorf("at %v: %v are not listed", op, must)
	}
}
