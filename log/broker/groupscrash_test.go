package broker

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// groupStates is what groups have committed, and the least generation that they may have.
type groupStates map[log.Group]groupState

type groupState struct {
	offsets    map[log.TopicPartition]log.Offset
	generation log.Generation
}

func (s groupStates) clone() groupStates {
	c := groupStates{}
	for name, g := range s {
		c[name] = groupState{maps.Clone(g.offsets), g.generation}
	}
	return c
}

// groupWorkload does one thing at a time. Between two things what is stored is acked; during one it is acked, or next, for each group.
type groupWorkload struct {
	b           *Broker
	fs          vfs.FS
	acked, next groupStates
	members     map[log.Group]log.JoinResponse
	offset      log.Offset // of the next commit: all different
}

var workloadGroups = []log.Group{"a", "b", "c"}

func newGroupWorkload(fs vfs.FS) *groupWorkload {
	w := &groupWorkload{fs: fs, acked: groupStates{}, members: map[log.Group]log.JoinResponse{}}
	for _, g := range workloadGroups {
		w.acked[g] = groupState{offsets: map[log.TopicPartition]log.Offset{}}
	}
	w.next = w.acked.clone()
	return w
}

// open opens the log and its two topics.
func (w *groupWorkload) open() error {
	b, err := Open("dir", Options{FS: w.fs})
	if err != nil {
		return err
	}
	w.b = b
	clear(w.members)
	for _, topic := range []log.Topic{"t", "u"} {
		if err := b.CreateTopic(ctx, topic, log.TopicConfig{Partitions: 2}); err != nil && log.CodeOf(err) != log.TopicExists {
			return err
		}
	}
	return nil
}

// step does one thing. After an error what is stored is acked or next.
func (w *groupWorkload) step(rng *rand.Rand) error {
	group := workloadGroups[rng.IntN(len(workloadGroups))]
	var err error
	switch r := rng.IntN(20); {
	case r == 0:
		if err = w.b.Close(); err == nil {
			err = w.open()
		}
	case r == 1:
		err = w.deleteTopic()
	case r == 2:
		err = w.deleteGroup(group)
	case r < 6:
		err = w.joinOrLeave(group)
	default:
		err = w.commit(rng, group)
	}
	if err == nil {
		w.acked = w.next.clone()
	}
	return err
}

func (w *groupWorkload) commit(rng *rand.Rand, group log.Group) error {
	req := log.CommitRequest{Group: group, Generation: log.NoGeneration, Offsets: map[log.TopicPartition]log.CommittedOffset{}}
	if m, ok := w.members[group]; ok {
		req.Member, req.Generation = m.Member, m.Generation
	}
	for range 1 + rng.IntN(3) {
		w.offset++
		tp := log.TopicPartition{Topic: []log.Topic{"t", "u"}[rng.IntN(2)], Partition: log.Partition(rng.IntN(2))}
		req.Offsets[tp] = log.CommittedOffset{Offset: w.offset, Metadata: fmt.Sprint("at ", w.offset)}
		w.next[group].offsets[tp] = w.offset
	}
	return w.b.CommitOffsets(ctx, req)
}

func (w *groupWorkload) joinOrLeave(group log.Group) error {
	if m, ok := w.members[group]; ok {
		delete(w.members, group)
		return w.b.LeaveGroup(ctx, log.LeaveRequest{Group: group, Members: []log.HeartbeatRequest{{Member: m.Member}}})
	}
	req := joinRequest("", "")
	req.Group = group
	m, err := w.b.JoinGroup(ctx, req)
	if err != nil {
		return err
	}
	w.members[group] = m
	w.next[group] = groupState{w.next[group].offsets, m.Generation}
	w.acked[group] = groupState{w.acked[group].offsets, m.Generation} // it was answered, whatever becomes of the rest
	_, err = w.b.SyncGroup(ctx, log.SyncRequest{
		Group: group, Generation: m.Generation, Member: m.Member, Assignments: map[log.MemberID][]byte{m.Member: {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	})
	return err
}

func (w *groupWorkload) deleteGroup(group log.Group) error {
	w.next[group] = groupState{offsets: map[log.TopicPartition]log.Offset{}}
	before := w.acked[group]
	w.acked[group] = groupState{before.offsets, 0}
	err := w.b.DeleteGroup(ctx, group)
	switch log.CodeOf(err) {
	case log.GroupNotEmpty:
		w.acked[group] = before
		w.next = w.acked.clone()
		return nil
	case log.UnknownGroup:
		return nil
	}
	return err
}

func (w *groupWorkload) deleteTopic() error {
	for _, g := range w.next {
		maps.DeleteFunc(g.offsets, func(tp log.TopicPartition, _ log.Offset) bool { return tp.Topic == "u" })
	}
	if err := w.b.DeleteTopic(ctx, "u"); err != nil {
		return err
	}
	return w.b.CreateTopic(ctx, "u", log.TopicConfig{Partitions: 2})
}

// checkGroups checks what a broker says of the groups. With an error allowed, a group may as well say nothing.
func checkGroups(b *Broker, acked, next groupStates, errorAllowed bool) error {
	for _, name := range workloadGroups {
		offsets, err := b.FetchOffsets(ctx, name, nil)
		if err != nil && errorAllowed {
			continue
		}
		if err != nil {
			return err
		}
		got := map[log.TopicPartition]log.Offset{}
		for tp, c := range offsets {
			got[tp] = c.Offset
			if c.Metadata != fmt.Sprint("at ", c.Offset) {
				return fmt.Errorf("group %s, %v: metadata %q at offset %d", name, tp, c.Metadata, c.Offset)
			}
		}
		if !maps.Equal(got, acked[name].offsets) && !maps.Equal(got, next[name].offsets) {
			return fmt.Errorf("group %s has %v, not %v or %v", name, got, acked[name].offsets, next[name].offsets)
		}
		info, err := b.DescribeGroup(ctx, name)
		if log.CodeOf(err) == log.UnknownGroup && acked[name].generation == 0 {
			continue
		}
		if err != nil || info.Generation < min(acked[name].generation, max(next[name].generation, acked[name].generation)) {
			return fmt.Errorf("group %s has generation %d, not at least %d: %w", name, info.Generation, acked[name].generation, err)
		}
	}
	return nil
}

// A power loss before every operation on the file system: what was acknowledged is there after reopening, what was under way may be, and
// nothing else is.
func TestGroupsSurviveCrashes(t *testing.T) {
	seeds(t, 6, func(t *testing.T, rng *rand.Rand) {
		mem, losses := vfs.NewMem(), rand.New(rand.NewPCG(rng.Uint64(), 1))
		var w *groupWorkload
		points := 0
		var one sync.Mutex // closing works at several partitions at once
		check := func(op errorfs.Op) error {
			one.Lock()
			defer one.Unlock()
			points++
			after := mem.CrashClone(vfs.Randomly(losses))
			b, err := Open("dir", Options{FS: after})
			if err != nil {
				t.Fatalf("open after a crash before %v: %v", op, err)
			}
			if err := checkGroups(b, w.acked, w.next, false); err != nil {
				t.Errorf("after a crash before %v: %v", op, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			return nil
		}
		w = newGroupWorkload(errorfs.Wrap(mem, mutations(check)))
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			if err := w.step(rng); err != nil {
				t.Fatal(err)
			}
			if err := checkGroups(w.b, w.acked, w.acked, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.b.Close(); err != nil {
			t.Error(err)
		}
		if points < 100 {
			t.Errorf("only %d crashes", points)
		}
	})
}

// A disk that fails at every operation in turn, and from then on: nothing that was not stored is shown, and reopening finds what was.
func TestGroupsSurviveErrors(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		seed := rng.Uint64()
		for n := 0; ; n += 1 + n/20 {
			mem := vfs.NewMem()
			fail := &errorfs.Nth{N: n, Match: errorfs.Op.Mutates, After: true}
			w := newGroupWorkload(errorfs.Wrap(mem, fail))
			rng := rand.New(rand.NewPCG(seed, 2))
			err := w.open()
			for i := 0; i < 40 && err == nil; i++ {
				err = w.step(rng)
			}
			if err == nil {
				if n < 50 {
					t.Errorf("only %d operations", n)
				}
				w.b.Close()
				return
			}
			if !errors.Is(err, errorfs.ErrInjected) && log.CodeOf(err) != log.Poisoned {
				t.Errorf("operation %d fails: %v", n, err)
			}
			if w.b != nil {
				if err := checkGroups(w.b, w.acked, w.next, true); err != nil {
					t.Errorf("operation %d fails: %v", n, err)
				}
				w.b.Close()
			}
			b, err := Open("dir", Options{FS: mem.CrashClone(vfs.KeepAll)})
			if err != nil {
				t.Fatalf("operation %d fails, then: %v", n, err)
			}
			if err := checkGroups(b, w.acked, w.next, false); err != nil {
				t.Errorf("operation %d fails, then: %v", n, err)
			}
			b.Close()
		}
	})
}
