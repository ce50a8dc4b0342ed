package broker

import (
	"context"
	"errors"
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

// Options that cannot be.
func TestGroupOptions(t *testing.T) {
	for _, o := range []GroupOptions{
		{SessionTimeoutMin: -1}, {SessionTimeoutMax: -1}, {InitialRebalanceDelay: -1}, {MembersMax: -1}, {GroupsMax: -1},
		{SessionTimeoutMin: time.Hour}, {SessionTimeoutMax: time.Second},
	} {
		_, err := Open("dir", Options{FS: vfs.NewMem(), Groups: o})
		wantCode(t, err, log.InvalidArgument)
	}
}

// Two members share a partitioned topic; when one is silent the other has all of it after the session timeout.
func TestSilentMemberIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := runGroups(t, vfs.NewMem(), Options{})
		defer stop()
		first := mustJoin(t, b, joinRequest("", ""))
		mustSync(t, b, first, "")
		second := make(chan log.JoinResponse, 1)
		go func() { second <- mustJoin(t, b, joinRequest("", "")) }()
		synctest.Wait()
		wantCode(t, b.Heartbeat(ctx, log.HeartbeatRequest{Group: "g", Member: first.Member, Generation: first.Generation}), log.RebalanceInProgress)
		first = mustJoin(t, b, joinRequest(first.Member, ""))
		got := make(chan int, 1)
		joined := <-second
		go func() { got <- len(mustSync(t, b, joined, "")) }()
		synctest.Wait()
		if len(got) > 0 {
			t.Error("the second member has an assignment before there is a plan")
		}
		if n, m := len(mustSync(t, b, first, "")), <-got; n != 2 || m != 2 {
			t.Fatalf("the members have %d and %d partitions", n, m)
		}
		for range 4 { // the second one is silent
			time.Sleep(3 * time.Second)
			err := b.Heartbeat(ctx, log.HeartbeatRequest{Group: "g", Member: first.Member, Generation: first.Generation})
			if err != nil && log.CodeOf(err) != log.RebalanceInProgress {
				t.Fatal(err)
			}
		}
		first = mustJoin(t, b, joinRequest(first.Member, ""))
		if n := len(mustSync(t, b, first, "")); n != 4 {
			t.Errorf("the member that is left has %d partitions", n)
		}
		wantCode(t, b.CommitOffsets(ctx, commitOf(joined, 2, 1)), log.UnknownMember)
	})
}

// Whoever stops waiting is not waited for.
func TestJoinThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := runGroups(t, vfs.NewMem(), Options{})
		defer stop()
		first := mustJoin(t, b, joinRequest("", ""))
		mustSync(t, b, first, "")
		impatient, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := b.JoinGroup(impatient, joinRequest("", "")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		info, err := b.DescribeGroup(ctx, "g")
		if err != nil || len(info.Members) != 1 || info.State != log.GroupPreparingRebalance {
			t.Fatalf("the group is %+v, %v", info, err)
		}
		again := mustJoin(t, b, joinRequest(first.Member, "")) // completes at once
		done := make(chan error, 1)
		gone, cancelSync := context.WithCancel(ctx)
		go func() { // a second member that waits for the plan in vain
			joined, err := b.JoinGroup(ctx, joinRequest("", ""))
			if err == nil {
				_, err = b.SyncGroup(gone, log.SyncRequest{Group: "g", Member: joined.Member, Generation: joined.Generation})
			}
			done <- err
		}()
		synctest.Wait()
		again = mustJoin(t, b, joinRequest(again.Member, ""))
		synctest.Wait()
		cancelSync()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if n := len(mustSync(t, b, again, "")); n != 2 {
			t.Errorf("%d partitions", n)
		}
	})
}

// Close ends every wait, and nothing works after it.
func TestGroupsOfAClosedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := runGroups(t, vfs.NewMem(), Options{})
		first := mustJoin(t, b, joinRequest("", ""))
		done := make(chan error, 1)
		go func() {
			_, err := b.JoinGroup(ctx, joinRequest("", ""))
			done <- err
		}()
		synctest.Wait()
		stop()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		wantCode(t, <-done, log.Closed)
		_, err := b.JoinGroup(ctx, joinRequest("", ""))
		wantCode(t, err, log.Closed)
		_, err = b.SyncGroup(ctx, log.SyncRequest{Group: "g"})
		wantCode(t, err, log.Closed)
		wantCode(t, b.Heartbeat(ctx, log.HeartbeatRequest{Group: "g"}), log.Closed)
		wantCode(t, b.LeaveGroup(ctx, log.LeaveRequest{Group: "g"}), log.Closed)
		wantCode(t, b.CommitOffsets(ctx, commitOf(first, 0, 1)), log.Closed)
		_, err = b.FetchOffsets(ctx, "g", nil)
		wantCode(t, err, log.Closed)
		_, err = b.ListGroups(ctx)
		wantCode(t, err, log.Closed)
		_, err = b.DescribeGroup(ctx, "g")
		wantCode(t, err, log.Closed)
		wantCode(t, b.DeleteGroup(ctx, "g"), log.Closed)
	})
}

// A static member of a process that was killed comes back under its instance: same generation, same assignment, no rebalance.
func TestStaticMemberSurvivesAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b, stop := runGroups(t, mem, Options{})
		first := mustJoin(t, b, joinRequest("", "i"))
		mustSync(t, b, first, "i")
		after := mem.CrashClone(vfs.LoseAll)
		stop()
		b, stop = runGroups(t, after, Options{})
		defer stop()
		second := mustJoin(t, b, joinRequest("", "i"))
		if second.Generation != first.Generation || second.Member == first.Member || !second.SkipAssignment {
			t.Errorf("joined %+v after %+v", second, first)
		}
		if n := len(mustSync(t, b, second, "i")); n != 4 {
			t.Errorf("%d partitions", n)
		}
		commit := commitOf(first, 0, 1)
		commit.Instance = "i"
		wantCode(t, b.CommitOffsets(ctx, commit), log.FencedInstance)
	})
}
