package projections_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/domain/event"
	"lodge/log"
	"lodge/log/client"
	"lodge/projections"
	"lodge/projections/projectiontest"
)

// A member that has a partition of one topic and not the same of the others leaves it alone, and says so.
func TestAStrangeAssignmentIsNotApplied(t *testing.T) {
	f := newFleet(t)
	s, stop := f.storeOver(slowCommits{projectiontest.Grouped{Log: f.log, Group: f.group}}, t.TempDir(), grouped(1))
	defer stop()
	f.reads(s)
	stranger, err := client.NewConsumer(projectiontest.Grouped{Log: f.log, Group: f.group}, client.ConsumerOptions{
		Group: projections.GroupName, Assignors: []client.Assignor{client.CoPartitioned}, SessionTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Subscribe(event.HotelsTopic); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		for ctx.Err() == nil {
			_, _ = stranger.Poll(ctx)
		}
	}()
	until(t, "refused", func() bool {
		st := s.Status(t.Context())[0]
		return strings.Contains(st.Err, "to another member than the rest of partition") && slices.ContainsFunc(st.Shards, func(sh projections.ShardStatus) bool {
			return !sh.Following && sh.Member == ""
		})
	})
	f.log.Append(f.story.Next(300)...)
	cancel()
	<-polled
	stranger.Close()
	catchUp(t, s, f.log)
	until(t, "out of trouble", func() bool { st := s.Status(t.Context())[0]; return st.Err == "" && st.State == projections.Following })
	f.equalsReplay(s, everywhere...)
}

// slowCommits takes as long for each commit as it may. Meanwhile a member looks whether there is something that it has to begin.
type slowCommits struct{ projectiontest.Grouped }

func (slowCommits) CommitOffsets(ctx context.Context, _ log.CommitRequest) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestPartitionsBeyondTheShardsAreNotApplied(t *testing.T) {
	f := newFleet(t)
	s, stop := f.store(t.TempDir(), grouped(2))
	defer stop()
	f.reads(s)
	if err := f.group.AddPartitions(t.Context(), event.HotelsTopic, groupPartitions+1); err != nil {
		t.Fatal(err)
	}
	until(t, "noticed", func() bool { return strings.Contains(s.Status(t.Context())[0].Err, "partition 4 is not below 4") })
	f.log.Append(f.story.Next(300)...)
	catchUp(t, s, f.log)
	f.equalsReplay(s, everywhere...)
}

func TestMembersAreAddedAndRemoved(t *testing.T) {
	f := newFleet(t)
	alone := open4(t, f.log)
	defer run(t, alone)()
	if _, err := alone.AddMember(); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("a member of no group: %v", err)
	}
	s, err := projections.Open(t.TempDir(), projectiontest.Grouped{Log: f.log, Group: f.group}, all(), grouped(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddMember(); log.CodeOf(err) != log.Unavailable {
		t.Errorf("before Run: %v", err)
	}
	defer run(t, s)()
	if err := s.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.reads(s)
	name := f.add(s)
	f.reads(s)
	if err := s.RemoveMember(t.Context(), "nobody"); log.CodeOf(err) != log.UnknownMember {
		t.Errorf("a member that is none: %v", err)
	}
	for _, m := range s.Members() {
		f.remove(s, m.Name)
	}
	if st := s.Status(t.Context())[0]; st.State != projections.Rebalancing {
		t.Errorf("nobody reads, and the state is %s", st.State)
	}
	if again := f.add(s); again == name {
		t.Errorf("%s is there twice", name)
	}
	f.reads(s)
	catchUp(t, s, f.log)
	for range projections.MembersMax - 1 {
		f.add(s)
	}
	if _, err := s.AddMember(); log.CodeOf(err) != log.LimitReached {
		t.Errorf("more than MembersMax: %v", err)
	}
}

// A member that the coordinator refuses is retried, and is in no trouble any more when it is in.
func TestARefusedMemberIsRetried(t *testing.T) {
	f := newFleet(t)
	stranger, err := client.NewConsumer(projectiontest.Grouped{Log: f.log, Group: f.group}, client.ConsumerOptions{
		Group: projections.GroupName, Assignors: []client.Assignor{client.Range}, SessionTimeout: time.Minute,
		OnAssigned: func(context.Context, []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Subscribe("nothing"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	polled := make(chan struct{})
	go func() { defer close(polled); _, _ = stranger.Poll(ctx) }()
	until(t, "there", func() bool { _, generation := stranger.Member(); return generation != log.NoGeneration })
	s, stop := f.store(t.TempDir(), grouped(groupPartitions+1))
	defer stop()
	until(t, "refused", func() bool { return strings.Contains(s.Status(t.Context())[0].Err, log.InconsistentProtocol.String()) })
	cancel()
	<-polled
	stranger.Close()
	catchUp(t, s, f.log)
	until(t, "out of trouble", func() bool { st := s.Status(t.Context())[0]; return st.Err == "" && st.State == projections.Following })
	f.equalsReplay(s, everywhere...)
}

func TestAGroupNeedsALogWithGroups(t *testing.T) {
	_, err := projections.Open(t.TempDir(), projectiontest.NewLog(1), all(), projections.Options{Partitions: 1, Group: "g"})
	if log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("error %v", err)
	}
}
