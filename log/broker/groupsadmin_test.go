package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

func tOf(p log.Partition) log.TopicPartition { return log.TopicPartition{Topic: "t", Partition: p} }

func reset(t testing.TB, b *Broker, group log.Group, to map[log.TopicPartition]log.Offset) {
	t.Helper()
	if err := b.ResetOffsets(ctx, group, to); err != nil {
		t.Fatal(err)
	}
}

func TestDescribeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := runGroups(t, vfs.NewMem(), Options{})
		defer stop()
		for range 5 {
			mustAppend(t, b, tOf(1), batchOf("a", "b"))
		}
		_, err := b.DescribeGroup(ctx, "g")
		wantCode(t, err, log.UnknownGroup)
		joined := mustJoin(t, b, joinRequest("", "i"))
		mustSync(t, b, joined, "i")
		if err := b.CommitOffsets(ctx, commitOf(joined, 1, 7)); err != nil {
			t.Fatal(err)
		}
		info, err := b.DescribeGroup(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(info.Group, info.State, info.Generation, info.Protocol, info.Leader == joined.Member, len(info.Members), len(info.Offsets))
		if want := fmt.Sprint("g", log.GroupStable, 1, "range", true, 1, 1); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		m := info.Members[0]
		got = fmt.Sprintln(m.Member == joined.Member, m.Instance, m.ClientID, m.SessionTimeout, m.RebalanceTimeout, m.Topics, m.Assignment)
		if want := "true i test 10s 1m0s [t] [t/0 t/1 t/2 t/3]\n"; got != want {
			t.Errorf("member is %s, want %s", got, want)
		}
		o := info.Offsets[0]
		if o.TopicPartition != tOf(1) || o.Offset != 7 || o.Metadata != "m" || o.HighWatermark != 10 || o.Lag != 3 || o.CommitTime.IsZero() {
			t.Errorf("offset is %+v", o)
		}
		all, err := b.ListGroups(ctx)
		if err != nil || len(all) != 1 || all[0].Group != "g" || all[0].State != log.GroupStable {
			t.Errorf("list is %+v, %v", all, err)
		}
	})
}

func TestDeleteGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b, stop := runGroups(t, mem, Options{})
		wantCode(t, b.DeleteGroup(ctx, "g"), log.UnknownGroup)
		joined := mustJoin(t, b, joinRequest("", ""))
		mustSync(t, b, joined, "")
		if err := b.CommitOffsets(ctx, commitOf(joined, 1, 7)); err != nil {
			t.Fatal(err)
		}
		wantCode(t, b.DeleteGroup(ctx, "g"), log.GroupNotEmpty)
		if err := b.LeaveGroup(ctx, log.LeaveRequest{Group: "g", Members: []log.HeartbeatRequest{{Member: joined.Member}}}); err != nil {
			t.Fatal(err)
		}
		if err := b.DeleteGroup(ctx, "g"); err != nil {
			t.Fatal(err)
		}
		after := mem.CrashClone(vfs.LoseAll)
		stop()
		b, stop = runGroups(t, after, Options{})
		defer stop()
		wantCode(t, b.DeleteGroup(ctx, "g"), log.UnknownGroup)
		if got := committed(t, b, 1); got != log.NoOffset {
			t.Errorf("offset %d is left", got)
		}
		if joined := mustJoin(t, b, joinRequest("", "")); joined.Generation != 1 {
			t.Errorf("a new group begins with generation %d", joined.Generation)
		}
	})
}

func TestResetOffsets(t *testing.T) {
	b := open(t, vfs.NewMem(), Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 4})
	mustAppend(t, b, tOf(0), batchOf("a", "b"))
	reset(t, b, "g", map[log.TopicPartition]log.Offset{tOf(0): 2, tOf(1): 0})
	reset(t, b, "g", map[log.TopicPartition]log.Offset{tOf(0): 1})
	if got0, got1 := committed(t, b, 0), committed(t, b, 1); got0 != 1 || got1 != 0 {
		t.Errorf("committed are %d and %d", got0, got1)
	}
	wantCode(t, b.ResetOffsets(ctx, "g", map[log.TopicPartition]log.Offset{tOf(0): 3}), log.OffsetOutOfRange)
	wantCode(t, b.ResetOffsets(ctx, "g", map[log.TopicPartition]log.Offset{tOf(4): 0}), log.UnknownTopic)
	wantCode(t, b.ResetOffsets(ctx, "no name", nil), log.InvalidGroup)
	mustJoin(t, b, joinRequest("", ""))
	wantCode(t, b.ResetOffsets(ctx, "g", map[log.TopicPartition]log.Offset{tOf(0): 0}), log.GroupNotEmpty)
}

func TestOffsetsOfADeletedTopicGo(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{})
	create(t, b, "u", log.TopicConfig{})
	u := log.TopicPartition{Topic: "u"}
	for _, g := range []log.Group{"g", "h"} {
		reset(t, b, g, map[log.TopicPartition]log.Offset{tOf(0): 0, u: 0})
	}
	beforeDeletion := mem.CrashClone(vfs.LoseAll)
	if err := b.DeleteTopic(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	check := func(b *Broker) {
		t.Helper()
		for _, g := range []log.Group{"g", "h"} {
			offsets, err := b.FetchOffsets(ctx, g, nil)
			if _, ok := offsets[u]; err != nil || len(offsets) != 1 || !ok {
				t.Errorf("%s has %v, %v", g, offsets, err)
			}
		}
	}
	check(b)
	create(t, b, "t", log.TopicConfig{})
	check(b)
	check(open(t, mem.CrashClone(vfs.LoseAll), Options{}))

	// A crash between the deletion and the tombstones: opening makes up for it, durably.
	if err := beforeDeletion.Rename("dir/topics/t/topic.json", "dir/topics/t/topic.deleted"); err != nil {
		t.Fatal(err)
	}
	b = open(t, beforeDeletion, Options{})
	check(b)
	create(t, b, "t", log.TopicConfig{})
	check(open(t, beforeDeletion.CrashClone(vfs.LoseAll), Options{}))
}

func TestOffsetsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var ahead atomic.Int64 // of the time in the bubble, nanoseconds
		opts := Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, FlushInterval: time.Second}
		b, stop := runGroups(t, mem, opts)
		joined := mustJoin(t, b, joinRequest("", ""))
		mustSync(t, b, joined, "")
		if err := b.CommitOffsets(ctx, commitOf(joined, 1, 7)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second) // the session ends after 10 s
		ahead.Store(int64(7*24*time.Hour - 11*time.Minute))
		time.Sleep(10 * time.Minute)
		if got := committed(t, b, 1); got != 7 {
			t.Fatalf("offset %d is committed, not 7", got)
		}
		time.Sleep(10 * time.Minute)
		if got := committed(t, b, 1); got != log.NoOffset {
			t.Errorf("offset %d is left", got)
		}
		if all, err := b.ListGroups(ctx); err != nil || len(all) != 0 {
			t.Errorf("groups %+v are left, %v", all, err)
		}
		after := mem.CrashClone(vfs.LoseAll)
		stop()
		b, stop = runGroups(t, after, opts)
		defer stop()
		if all, err := b.ListGroups(ctx); err != nil || len(all) != 0 {
			t.Errorf("groups %+v are back, %v", all, err)
		}
	})
}

func TestOffsetsExpiredWhileClosed(t *testing.T) {
	mem, now := vfs.NewMem(), time.Unix(1_000_000, 0)
	opts := Options{Clock: func() time.Time { return now }}
	b := open(t, mem, opts)
	create(t, b, "t", log.TopicConfig{})
	reset(t, b, "g", map[log.TopicPartition]log.Offset{tOf(0): 0})
	now = now.Add(7 * 24 * time.Hour)
	b = open(t, mem.CrashClone(vfs.LoseAll), opts)
	if got := committed(t, b, 0); got != log.NoOffset {
		t.Errorf("offset %d is left", got)
	}
	opts.Groups.OffsetRetention = -1
	b = open(t, mem.CrashClone(vfs.LoseAll), opts)
	if got := committed(t, b, 0); got != 0 {
		t.Errorf("offset %d is committed, kept for ever was 0", got)
	}
	opts.Groups = GroupOptions{Kept: func(group log.Group) bool { return group == "g" }}
	b = open(t, mem.CrashClone(vfs.LoseAll), opts)
	if got := committed(t, b, 0); got != 0 {
		t.Errorf("offset %d is committed, kept by name was 0", got)
	}
}

func TestLimitOfGroups(t *testing.T) {
	b := open(t, vfs.NewMem(), Options{Groups: GroupOptions{GroupsMax: 2}})
	create(t, b, "t", log.TopicConfig{})
	to := map[log.TopicPartition]log.Offset{tOf(0): 0}
	reset(t, b, "a", to)
	reset(t, b, "b", to)
	wantCode(t, b.ResetOffsets(ctx, "c", to), log.LimitReached)
	wantCode(t, b.ResetOffsets(ctx, "a", map[log.TopicPartition]log.Offset{tOf(9): 0}), log.UnknownTopic)
	if err := b.DeleteGroup(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	// What is refused makes no group.
	_, err := b.JoinGroup(ctx, log.JoinRequest{Group: "c"})
	wantCode(t, err, log.InvalidSessionTimeout)
	reset(t, b, "d", to)
}

// Commits of many members while the topic's partition takes little at a time: all of them get their turn.
func TestManyCommitsGetTheirTurn(t *testing.T) {
	b := openTopic(t, Options{GroupBytesMax: 300}, log.TopicConfig{})
	reset(t, b, "g0", map[log.TopicPartition]log.Offset{tOf(0): 0})
	const groups, commits = 40, 10
	var wg sync.WaitGroup
	for i := range groups {
		wg.Go(func() {
			for offset := range commits {
				err := b.CommitOffsets(ctx, log.CommitRequest{
					Group: log.Group(fmt.Sprint("g", i)), Generation: log.NoGeneration,
					Offsets: map[log.TopicPartition]log.CommittedOffset{tOf(0): {Offset: log.Offset(offset)}},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range groups {
		offsets, err := b.FetchOffsets(ctx, log.Group(fmt.Sprint("g", i)), []log.TopicPartition{tOf(0)})
		if err != nil || offsets[tOf(0)].Offset != commits-1 {
			t.Errorf("group %d has %v, %v", i, offsets, err)
		}
	}
}

// What comes while a commit is being synced shares the next sync, whichever groups it is of; and whoever reads waits for what he sees.
func TestCommitsShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := gatedTopic(t, g, Options{})
		for i := range 3 {
			reset(t, b, log.Group(fmt.Sprint("g", i)), map[log.TopicPartition]log.Offset{tOf(0): 0})
		}
		before := g.syncs.Load()
		g.shut()
		done := make(chan error, 100)
		for i := range cap(done) {
			go func() {
				done <- b.CommitOffsets(ctx, log.CommitRequest{
					Group: log.Group(fmt.Sprint("g", i%3)), Generation: log.NoGeneration,
					Offsets: map[log.TopicPartition]log.CommittedOffset{tOf(0): {Offset: log.Offset(i)}},
				})
			}()
		}
		synctest.Wait()
		fetched := make(chan error, 1)
		go func() {
			_, err := b.FetchOffsets(ctx, "g1", nil)
			fetched <- err
		}()
		synctest.Wait()
		if len(done) > 0 || len(fetched) > 0 {
			t.Errorf("%d commits and %d fetches were answered before the sync", len(done), len(fetched))
		}
		g.open()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := <-fetched; err != nil {
			t.Error(err)
		}
		if syncs := g.syncs.Load() - before; syncs > 3 {
			t.Errorf("%d syncs for %d commits", syncs, cap(done))
		}
	})
}

// TestATopicMadeAnewHasNoOffsets: whatever became of the deletion of the one that had the name.
func TestATopicMadeAnewHasNoOffsets(t *testing.T) {
	groups := []log.Group{"g1", "g2", "g3", "g4"}
	had := func(t *testing.T, fs vfs.FS) *Broker {
		b := open(t, fs, Options{})
		create(t, b, "t", log.TopicConfig{})
		mustAppend(t, b, tp0, batchOf("a", "b", "c"))
		for _, g := range groups {
			reset(t, b, g, map[log.TopicPartition]log.Offset{tp0: 3})
		}
		return b
	}
	check := func(t *testing.T, b *Broker) {
		t.Helper()
		for _, g := range groups {
			if found, err := b.FetchOffsets(t.Context(), g, []log.TopicPartition{tp0}); len(found) != 0 || err != nil {
				t.Errorf("%s: %v, %v", g, found, err)
			}
		}
	}
	t.Run("given up", func(t *testing.T) {
		mem := vfs.NewMem()
		b := had(t, mem)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.DeleteTopic(ctx, "t"); err != nil {
			t.Fatal(err)
		}
		create(t, b, "t", log.TopicConfig{})
		check(t, b)
		check(t, open(t, mem.CrashClone(vfs.KeepAll), Options{}))
	})
	t.Run("not synced", func(t *testing.T) {
		var fails atomic.Bool
		b := had(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.SyncDir && op.Name == "dir/topics/t" && fails.CompareAndSwap(true, false) {
				return errorfs.ErrInjected
			}
			return nil
		})))
		fails.Store(true)
		if err := b.DeleteTopic(t.Context(), "t"); !errors.Is(err, errorfs.ErrInjected) {
			t.Fatal(err)
		}
		create(t, b, "t", log.TopicConfig{})
		check(t, b)
	})
	t.Run("groups that cannot be read", func(t *testing.T) {
		mem := vfs.NewMem()
		if err := had(t, mem).Close(); err != nil {
			t.Fatal(err)
		}
		b := open(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.Contains(op.Name, string(offsetsTopic)+"/0/") {
				return errorfs.ErrInjected
			}
			return nil
		})), Options{})
		if err := b.DeleteTopic(t.Context(), "t"); !errors.Is(err, errorfs.ErrInjected) {
			t.Fatal(err)
		}
		if _, end, err := b.Offsets(t.Context(), tp0); end != 3 || err != nil {
			t.Errorf("the topic ends at %d, %v", end, err)
		}
	})
}
