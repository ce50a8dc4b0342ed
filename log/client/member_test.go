package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

func TestGroupOptions(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	assigned := func(context.Context, []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
		return nil, nil
	}
	for name, opts := range map[string]client.ConsumerOptions{
		"heartbeat":              {Group: "g", SessionTimeout: 9 * time.Second, HeartbeatInterval: 3*time.Second + 1},
		"negative":               {Group: "g", RebalanceTimeout: -1},
		"delivery":               {Group: "g", Delivery: 3},
		"assignor twice":         {Group: "g", Assignors: []client.Assignor{client.Range, client.Range}},
		"no assignor":            {Group: "g", Assignors: []client.Assignor{{}}},
		"exactly once":           {Group: "g", Delivery: client.ExactlyOnce},
		"order at most once":     {Group: "g", Delivery: client.AtMostOnce, KeyOrder: true},
		"delivery without group": {Delivery: client.AtMostOnce},
		"callback without group": {OnAssigned: assigned},
		"filter":                 {Filter: &log.Filter{Tags: make([]string, log.FilterTagsMax+1)}},
	} {
		_, err := client.NewConsumer(lg, opts)
		wantCode(t, name, err, log.InvalidArgument)
	}
	_, err := client.NewConsumer(lg, client.ConsumerOptions{Group: "a b"})
	wantCode(t, "group name", err, log.InvalidGroup)
	_, err = client.NewConsumer(newFakeReader(1), client.ConsumerOptions{Group: "g"})
	wantCode(t, "a log without groups", err, log.InvalidArgument)
}

func TestGroupRefuses(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	alone := newConsumer(t, lg, client.ConsumerOptions{})
	wantCode(t, "subscribe alone", alone.Subscribe("t"), log.InvalidArgument)
	wantCode(t, "commit alone", alone.Commit(t.Context(), nil), log.InvalidArgument)
	c := newConsumer(t, lg, client.ConsumerOptions{Group: "g"})
	wantCode(t, "assign", c.Assign(t.Context(), client.AtBeginning(), tpOf(0)), log.InvalidArgument)
	wantCode(t, "no topics", c.Subscribe(), log.InvalidArgument)
	wantCode(t, "topic name", c.Subscribe("a b"), log.InvalidTopic)
	many := make([]log.Topic, client.SubscribedMax+1)
	for i := range many {
		many[i] = log.Topic(fmt.Sprint("t", i))
	}
	wantCode(t, "too many", c.Subscribe(many...), log.LimitReached)
	_, err := c.Poll(t.Context())
	wantCode(t, "poll before subscribe", err, log.InvalidArgument)
	wantCode(t, "commit before poll", c.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 1}), log.IllegalGeneration)
	c.Close()
	wantCode(t, "subscribe after close", c.Subscribe("t"), log.Closed)
}

// What the coordinator refuses a member for, Poll returns, each time anew.
func TestJoinIsRefused(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		long := newConsumer(t, lg, client.ConsumerOptions{Group: "g", SessionTimeout: time.Hour})
		if err := long.Subscribe("t"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := long.Poll(t.Context())
			wantCode(t, "session", err, log.InvalidSessionTimeout)
		}
		long.Close()
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{Assignors: []client.Assignor{client.RoundRobin}})
		b := newConsumer(t, lg, client.ConsumerOptions{Group: "g", Assignors: []client.Assignor{client.Range}})
		if err := b.Subscribe("t"); err != nil {
			t.Fatal(err)
		}
		_, err := b.Poll(t.Context())
		wantCode(t, "assignors", err, log.InconsistentProtocol)
		a.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Poll(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alone: %v", err)
		}
		if id, generation := b.Member(); id == "" || generation < 1 {
			t.Errorf("it is %q in generation %d", id, generation)
		}
		b.Close()
	})
}

// committed returns what the group has committed for partition 0.
func committed(t *testing.T, lg log.Coordinator) log.Offset {
	t.Helper()
	found, err := lg.FetchOffsets(t.Context(), "g", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := found[tpOf(0)]; ok {
		return c.Offset
	}
	return log.NoOffset
}

// Only what was returned before the last Poll is committed without being asked, also when the consumer leaves.
func TestWhatIsCommitted(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		for i := range 6 {
			put(t, lg, 0, fmt.Sprint(i))
		}
		c := newConsumer(t, lg, client.ConsumerOptions{Group: "g", PollRecordsMax: 2})
		if err := c.Subscribe("t"); err != nil {
			t.Fatal(err)
		}
		pollN(t, c, 2)
		time.Sleep(time.Minute)
		if got := committed(t, lg); got != 0 {
			t.Errorf("while the first two are worked on: %d", got)
		}
		pollN(t, c, 2)
		time.Sleep(time.Minute)
		if got := committed(t, lg); got != 2 {
			t.Errorf("with the next Poll: %d", got)
		}
		if err := c.Commit(t.Context(), nil); err != nil || committed(t, lg) != 4 {
			t.Errorf("asked for: %d, error %v", committed(t, lg), err)
		}
		if err := c.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 3}); err != nil || committed(t, lg) != 3 {
			t.Errorf("by name: %d, error %v", committed(t, lg), err)
		}
		wantCode(t, "negative", c.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): -1}), log.InvalidArgument)
		wantCode(t, "not assigned", c.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(7): 1}), log.IllegalGeneration)
		pollN(t, c, 2)
		if err := c.Leave(t.Context()); err != nil || committed(t, lg) != 4 {
			t.Errorf("left: %d, error %v", committed(t, lg), err)
		}
		if err := c.Subscribe("t"); err != nil {
			t.Fatal(err)
		}
		if got := values(pollN(t, c, 2)); !slices.Equal(got, []string{"4", "5"}) {
			t.Errorf("joined again: %v", got)
		}
		c.Close()
	})
}

// An error of OnAssigned has the next Poll ask again; one of OnRevoked keeps what it concerns from being committed.
func TestCallbackErrors(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		put(t, lg, 0, "a")
		put(t, lg, 0, "b")
		asked := 0
		answers := []struct {
			offsets map[log.TopicPartition]log.Offset
			err     error
		}{{err: errors.New("no database")}, {offsets: map[log.TopicPartition]log.Offset{tpOf(9): 0}}, {offsets: map[log.TopicPartition]log.Offset{tpOf(0): 1}}}
		c := newConsumer(t, lg, client.ConsumerOptions{
			Group: "g",
			OnAssigned: func(context.Context, []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
				asked++
				return answers[asked-1].offsets, answers[asked-1].err
			},
			OnRevoked: func(context.Context, []log.TopicPartition) error { return errors.New("disk full") },
		})
		if err := c.Subscribe("t"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Poll(t.Context()); !errors.Is(err, answers[0].err) {
			t.Errorf("first: %v", err)
		}
		_, err := c.Poll(t.Context())
		wantCode(t, "a partition that is not assigned", err, log.InvalidArgument)
		if got := values(pollN(t, c, 1)); !slices.Equal(got, []string{"b"}) {
			t.Errorf("third: %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		c.Poll(ctx) // what was returned is done with
		if err := c.Leave(t.Context()); err == nil || err.Error() != "disk full" {
			t.Errorf("leave: %v", err)
		}
		if got := committed(t, lg); got != log.NoOffset {
			t.Errorf("committed %d", got)
		}
		c.Close()
	})
}

// Commit waits while the group forms anew, and goes through in the next generation if the partition stayed.
func TestCommitDuringRebalance(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		put(t, lg, 0, "a")
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{CommitInterval: -1})
		a.pause()
		slow := &slowSync{Log: lg}
		b := join(t, slow, &s, "b", client.ConsumerOptions{})
		time.Sleep(4 * time.Second) // a has joined again and leads; b, or a, has not synced
		if err := a.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 1}); err != nil {
			t.Error(err)
		}
		if got := committed(t, lg); got != 1 {
			t.Errorf("committed %d", got)
		}
		a.start()
		time.Sleep(4 * beat)
		a.close()
		b.close()
	})
}

// slowSync is a log whose coordinator takes its time to answer a sync.
type slowSync struct{ *logtest.Log }

func (s *slowSync) SyncGroup(ctx context.Context, req log.SyncRequest) ([]byte, error) {
	time.Sleep(2 * time.Second) // within synctest
	return s.Log.SyncGroup(ctx, req)
}

// A consumer alone and a member of a group get only what the filter chooses, and go on behind what it left out.
func TestFilter(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		for i := range 100 {
			b := log.Batch{Records: []log.Record{{Key: fmt.Append(nil, i%10), Value: fmt.Append(nil, i), Headers: []log.Header{{Key: "ce_type", Value: fmt.Append(nil, "tag", i%2)}}}}}
			if _, err := lg.Append(t.Context(), tpOf(0), &b); err != nil {
				t.Fatal(err)
			}
		}
		filter := &log.Filter{Tags: []string{"tag1"}, Keys: [][]byte{[]byte("3"), []byte("4")}}
		alone := newConsumer(t, lg, client.ConsumerOptions{Filter: filter, FetchBytesMax: 1})
		assign(t, alone, client.AtBeginning(), tpOf(0))
		want := []string{"3", "13", "23", "33", "43", "53", "63", "73", "83", "93"}
		if got := values(pollN(t, alone, 10)); !slices.Equal(got, want) {
			t.Errorf("alone: %v", got)
		}
		alone.Close()
		var s transcript
		m := join(t, lg, &s, "m", client.ConsumerOptions{Filter: filter})
		time.Sleep(6 * time.Second)
		if got := m.values(); len(got) != 10 {
			t.Errorf("member: %v", got)
		}
		if got := committed(t, lg); got != 100 && got != 94 {
			t.Errorf("committed %d", got)
		}
		m.close()
	})
}

// A partition that is retired for good goes from the group without an error, and what is left is read on.
func TestPartitionIsRetired(t *testing.T) {
	bubble(t, 3, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{})
		s.want(t, "one", "a: assigned 0 1 2")
		put(t, lg, 1, "1.0")
		if _, err := lg.RetirePartitions(t.Context(), "t", time.Hour, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.want(t, "draining", "")
		time.Sleep(2 * time.Hour)
		s.want(t, "retired", "a: revoked 1")
		put(t, lg, 2, "2.0")
		synctest.Wait()
		if got := a.values(); !slices.Equal(got, []string{"1.0", "2.0"}) || a.err() != nil {
			t.Errorf("read %v, error %v", got, a.err())
		}
		a.close()
	})
}

// A topic that is deleted and made anew under the same name is read on by the policy for positions outside the log.
func TestTopicIsMadeAnew(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{OutOfRange: client.ToBeginning})
		put(t, lg, 0, "a")
		put(t, lg, 0, "b")
		synctest.Wait()
		if err := lg.DeleteTopic(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		lg.Topic("t", 1)
		put(t, lg, 0, "c")
		time.Sleep(4 * beat)
		if got := a.values(); !slices.Equal(got, []string{"a", "b", "c"}) || a.err() != nil {
			t.Errorf("read %v, error %v", got, a.err())
		}
		a.close()
	})
}
