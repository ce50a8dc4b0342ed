package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	groups "lodge/log/internal/group"
	"lodge/log/internal/group/assignor"
	"lodge/log/vfs"
)

// runGroups opens a broker on mem, with the topic "t" of 4 partitions when it is new, and runs it until stop is called or the test ends.
func runGroups(t testing.TB, fs vfs.FS, opts Options) (b *Broker, stop func()) {
	t.Helper()
	b = open(t, fs, opts)
	if _, err := b.DescribeTopic(ctx, "t"); err != nil {
		create(t, b, "t", log.TopicConfig{Partitions: 4})
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.Run(running) }()
	stop = func() {
		if cancel != nil {
			cancel()
			cancel = nil
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return b, stop
}

// joinRequest asks to join the group "g" with a subscription to "t".
func joinRequest(member log.MemberID, instance string) log.JoinRequest {
	s := groups.Subscription{Topics: []log.Topic{"t"}, Generation: log.NoGeneration}
	metadata, err := s.Encode()
	if err != nil {
		panic(err)
	}
	return log.JoinRequest{
		Group: "g", Member: member, Instance: instance, ClientID: "test", SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute,
		ProtocolType: "consumer", Protocols: []log.GroupProtocol{{Name: assignor.Range.Name, Metadata: metadata}},
	}
}

// mustJoin joins a group that needs nobody else to form.
func mustJoin(t testing.TB, b *Broker, req log.JoinRequest) log.JoinResponse {
	t.Helper()
	joined, err := b.JoinGroup(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// mustSync plans by range for all partitions of "t" and syncs.
func mustSync(t testing.TB, b *Broker, joined log.JoinResponse, instance string) []log.TopicPartition {
	t.Helper()
	req := log.SyncRequest{Group: "g", Generation: joined.Generation, Member: joined.Member, Instance: instance}
	if joined.Leader == joined.Member && !joined.SkipAssignment {
		var err error
		if req.Assignments, err = assignor.Range.Assign(joined.Members, assignor.Partitions{"t": {0, 1, 2, 3}}); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := b.SyncGroup(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	a, err := groups.DecodeAssignment(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return a.Partitions
}

func commitOf(joined log.JoinResponse, partition log.Partition, offset log.Offset) log.CommitRequest {
	return log.CommitRequest{
		Group: "g", Generation: joined.Generation, Member: joined.Member,
		Offsets: map[log.TopicPartition]log.CommittedOffset{{Topic: "t", Partition: partition}: {Offset: offset, Metadata: "m"}},
	}
}

// committed returns the offset that "g" has committed for a partition of "t", or NoOffset.
func committed(t testing.TB, b *Broker, partition log.Partition) log.Offset {
	t.Helper()
	offsets, err := b.FetchOffsets(ctx, "g", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := offsets[log.TopicPartition{Topic: "t", Partition: partition}]; ok {
		return c.Offset
	}
	return log.NoOffset
}

func TestGroupFormsCommitsAndSurvivesPowerLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b, stop := runGroups(t, mem, Options{})
		first := mustJoin(t, b, joinRequest("", ""))
		if got := len(mustSync(t, b, first, "")); got != 4 {
			t.Fatalf("the only member has %d partitions", got)
		}
		if err := b.CommitOffsets(ctx, commitOf(first, 2, 7)); err != nil {
			t.Fatal(err)
		}
		after := mem.CrashClone(vfs.LoseAll)
		stop()
		b, stop = runGroups(t, after, Options{})
		if got := committed(t, b, 2); got != 7 {
			t.Errorf("after a power loss offset %d is committed, not 7", got)
		}
		wantCode(t, b.CommitOffsets(ctx, commitOf(first, 2, 8)), log.UnknownMember)
		second := mustJoin(t, b, joinRequest("", ""))
		if second.Generation <= first.Generation {
			t.Errorf("generation %d after %d", second.Generation, first.Generation)
		}
		stop()
	})
}
