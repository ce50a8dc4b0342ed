package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

// transcript is what happened in a group, in order, for a person to review.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (s *transcript) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// take returns the lines so far and forgets them. Several members act at once, so they are sorted.
func (s *transcript) take() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.lines)
	out := strings.Join(s.lines, "\n")
	s.lines = nil
	return out
}

func (s *transcript) want(t *testing.T, when string, lines ...string) {
	t.Helper()
	if got := s.take(); got != strings.Join(lines, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", when, got, strings.Join(lines, "\n"))
	}
}

// numbers names partitions by their numbers.
func numbers(tps []log.TopicPartition) string {
	var out []string
	for _, tp := range tps {
		out = append(out, fmt.Sprint(tp.Partition))
	}
	return strings.Join(out, " ")
}

// member is a consumer that polls in a goroutine of its own until stop.
type member struct {
	*client.Consumer
	name   string
	script *transcript
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu   sync.Mutex
	read []log.Record
	errs []error
}

// join starts a member that tells the transcript of its assignments.
func join(t *testing.T, lg log.Reader, script *transcript, name string, opts client.ConsumerOptions) *member {
	t.Helper()
	m := &member{name: name, script: script}
	opts.Group = "g"
	assigned := opts.OnAssigned
	opts.OnAssigned = func(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
		script.add("%s: assigned %s", name, numbers(tps))
		if assigned != nil {
			return assigned(ctx, tps)
		}
		return nil, nil
	}
	revoked := opts.OnRevoked
	opts.OnRevoked = func(ctx context.Context, tps []log.TopicPartition) error {
		script.add("%s: revoked %s", name, numbers(tps))
		if revoked != nil {
			return revoked(ctx, tps)
		}
		return nil
	}
	opts.OnLost = func(tps []log.TopicPartition) { script.add("%s: lost %s", name, numbers(tps)) }
	m.Consumer = newConsumer(t, lg, opts)
	if err := m.Subscribe("t"); err != nil {
		t.Fatal(err)
	}
	m.start()
	t.Cleanup(m.pause)
	synctest.Wait()
	return m
}

// start begins to poll.
func (m *member) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	m.work.Go(func() {
		for ctx.Err() == nil {
			records, err := m.Poll(ctx)
			m.mu.Lock()
			m.read = append(m.read, records...)
			if err != nil && ctx.Err() == nil {
				m.errs = append(m.errs, err)
				cancel()
			}
			m.mu.Unlock()
		}
	})
}

// pause ends polling.
func (m *member) pause() {
	m.stop()
	m.work.Wait()
}

// close leaves the group.
func (m *member) close() {
	m.pause()
	m.Close()
}

func (m *member) values() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := values(m.read)
	slices.Sort(out)
	return out
}

func (m *member) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.errs...)
}

// bubble runs a test with a log of one topic "t" in a synctest bubble.
func bubble(t *testing.T, partitions int, test func(t *testing.T, lg *logtest.Log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newLogWith(t, partitions))
	})
}

// newLogWith returns a log with the topic "t".
func newLogWith(t *testing.T, partitions int) *logtest.Log {
	t.Helper()
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", partitions)
	return lg
}

func tpOf(n int) log.TopicPartition {
	return log.TopicPartition{Topic: "t", Partition: log.Partition(n)}
}

// put appends one record to a partition, straight to the log.
func put(t *testing.T, lg log.Writer, n int, value string) {
	t.Helper()
	b := log.Batch{Records: []log.Record{{Value: []byte(value)}}}
	if _, err := lg.Append(t.Context(), tpOf(n), &b); err != nil {
		t.Fatal(err)
	}
}

const beat = 3 * time.Second // the default heartbeat interval

func TestCooperativeRebalance(t *testing.T) {
	bubble(t, 4, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{})
		s.want(t, "one member", "a: assigned 0 1 2 3")
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(2 * beat) // within synctest, as all that follow
		s.want(t, "another one", "a: revoked 2 3", "b: assigned 2 3")
		for n := range 4 {
			put(t, lg, n, fmt.Sprint(n))
		}
		synctest.Wait()
		if got := fmt.Sprint(a.values(), b.values()); got != "[0 1] [2 3]" {
			t.Errorf("read %s", got)
		}
		c := join(t, lg, &s, "c", client.ConsumerOptions{})
		time.Sleep(2 * beat)
		if got := strings.Count(s.take(), "revoked"); got != 1 {
			t.Errorf("a third one takes from %d members", got)
		}
		a.close()
		time.Sleep(2 * beat)
		if got := s.take(); strings.Count(got, "assigned") < 1 || strings.Count(got, "revoked") != 1 {
			t.Errorf("one leaves:\n%s", got)
		}
		b.close()
		time.Sleep(2 * beat)
		s.take()
		if got := numbers(c.Assignment()); got != "0 1 2 3" {
			t.Errorf("the last has %s", got)
		}
		c.close()
		s.want(t, "none", "c: revoked 0 1 2 3")
	})
}

// What does not move is read on while the group forms anew, even if it takes long.
func TestCooperativeReadsOn(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{})
		s.want(t, "one member", "a: assigned 0 1")
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(2 * beat)
		s.want(t, "two", "a: revoked 1", "b: assigned 1")
		b.pause() // it cannot give up or take over anything, so the group cannot settle
		c := join(t, lg, &s, "c", client.ConsumerOptions{})
		lg.Topic("t2", 1)
		if err := b.Subscribe("t", "t2"); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			put(t, lg, 0, fmt.Sprint(i))
			time.Sleep(time.Second)
			if got := a.values(); len(got) != i+1 {
				t.Fatalf("after record %d a has %v", i, got)
			}
		}
		b.start()
		time.Sleep(3 * beat)
		a.close()
		b.close()
		c.close()
	})
}

func TestEagerRebalance(t *testing.T) {
	for _, assignor := range []client.Assignor{client.Range, client.RoundRobin} {
		t.Run(assignor.Name(), func(t *testing.T) {
			bubble(t, 3, func(t *testing.T, lg *logtest.Log) {
				var s transcript
				opts := client.ConsumerOptions{Assignors: []client.Assignor{assignor}}
				a := join(t, lg, &s, "a", opts)
				s.want(t, "one", "a: assigned 0 1 2")
				b := join(t, lg, &s, "b", opts)
				time.Sleep(2 * beat)
				got := s.take()
				if !strings.Contains(got, "a: revoked 0 1 2") || strings.Count(got, "assigned") != 2 {
					t.Errorf("two:\n%s", got)
				}
				b.close()
				time.Sleep(2 * beat)
				if got := numbers(a.Assignment()); got != "0 1 2" {
					t.Errorf("a has %s", got)
				}
				a.close()
			})
		})
	}
}

// A member that can only do range makes the group change from cooperative to eager: even then nobody gets what another still has.
func TestFromCooperativeToEager(t *testing.T) {
	bubble(t, 4, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		owners := newOwners(t)
		a := join(t, lg, &s, "a", owners.watch("a", client.ConsumerOptions{}))
		b := join(t, lg, &s, "b", owners.watch("b", client.ConsumerOptions{}))
		time.Sleep(2 * beat)
		c := join(t, lg, &s, "c", owners.watch("c", client.ConsumerOptions{Assignors: []client.Assignor{client.Range}}))
		time.Sleep(4 * beat)
		got := len(a.Assignment()) + len(b.Assignment()) + len(c.Assignment())
		if got != 4 || len(c.Assignment()) == 0 {
			t.Errorf("a has %s, b %s, c %s", numbers(a.Assignment()), numbers(b.Assignment()), numbers(c.Assignment()))
		}
		a.close()
		b.close()
		c.close()
	})
}

// owners checks that no partition has two owners at a time.
type owners struct {
	t  *testing.T
	mu sync.Mutex
	of map[log.TopicPartition]string
}

func newOwners(t *testing.T) *owners { return &owners{t: t, of: map[log.TopicPartition]string{}} }

func (o *owners) watch(name string, opts client.ConsumerOptions) client.ConsumerOptions {
	opts.OnAssigned = func(_ context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, tp := range tps {
			if other := o.of[tp]; other != "" && other != name {
				o.t.Errorf("%s gets %v, which %s has", name, tp, other)
			}
			o.of[tp] = name
		}
		return nil, nil
	}
	opts.OnRevoked = func(_ context.Context, tps []log.TopicPartition) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, tp := range tps {
			delete(o.of, tp)
		}
		return nil
	}
	return opts
}

// A killed member's partitions go to another when its session has timed out, and that one begins at the last commit.
func TestKilledMember(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{SessionTimeout: 10 * time.Second})
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(2 * beat)
		s.take()
		put(t, lg, 0, "0.0")
		put(t, lg, 1, "1.0")
		time.Sleep(6 * time.Second) // committed by now
		put(t, lg, 0, "0.1")
		put(t, lg, 1, "1.1")
		synctest.Wait()
		a.pause()
		a.Kill()
		time.Sleep(15 * time.Second)
		s.want(t, "taken over", "b: assigned 0")
		if got := fmt.Sprint(b.values()); got != "[0.1 1.0 1.1]" {
			t.Errorf("b read %s", got)
		}
		b.close()
	})
}

// A member that the coordinator does not hear of is out when its session ends; it knows by itself, stops reading and joins again when it can.
func TestCutOffMember(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		cut := &cutOff{Log: lg}
		a := join(t, cut, &s, "a", client.ConsumerOptions{SessionTimeout: 10 * time.Second})
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(2 * beat)
		s.want(t, "two", "a: assigned 0 1", "a: revoked 1", "b: assigned 1")
		cut.set(true)
		time.Sleep(20 * time.Second)
		s.want(t, "cut off", "a: lost 0", "b: assigned 0")
		wantCode(t, "commit", a.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 0}), log.IllegalGeneration)
		cut.set(false)
		time.Sleep(2 * beat)
		if got := s.take(); !strings.Contains(got, "b: revoked") || !strings.Contains(got, "a: assigned") {
			t.Errorf("back:\n%s", got)
		}
		a.close()
		b.close()
	})
}

// cutOff is a log whose coordinator does not answer at times.
type cutOff struct {
	*logtest.Log
	mu  sync.Mutex
	off bool
}

func (c *cutOff) set(off bool) { c.mu.Lock(); defer c.mu.Unlock(); c.off = off }

func (c *cutOff) away() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return log.NewError(log.Unavailable, "coordinator", "no answer")
	}
	return nil
}

func (c *cutOff) Heartbeat(ctx context.Context, req log.HeartbeatRequest) error {
	if err := c.away(); err != nil {
		return err
	}
	return c.Log.Heartbeat(ctx, req)
}

func (c *cutOff) JoinGroup(ctx context.Context, req log.JoinRequest) (log.JoinResponse, error) {
	if err := c.away(); err != nil {
		return log.JoinResponse{}, err
	}
	return c.Log.JoinGroup(ctx, req)
}

func (c *cutOff) CommitOffsets(ctx context.Context, req log.CommitRequest) error {
	if err := c.away(); err != nil {
		return err
	}
	return c.Log.CommitOffsets(ctx, req)
}

// Who does not poll while partitions wait to be given up is out after the rebalance timeout, and back with the next Poll.
func TestPollStaysAway(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{RebalanceTimeout: 20 * time.Second})
		s.want(t, "one", "a: assigned 0 1")
		a.pause()
		time.Sleep(10 * time.Minute) // nobody wants anything: it may take its time
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(15 * time.Second)
		s.want(t, "the other one waits", "")
		time.Sleep(15 * time.Second)
		s.want(t, "and gets all", "b: assigned 0 1")
		if id, generation := a.Member(); id != "" || generation != log.NoGeneration {
			t.Errorf("a is %q in generation %d", id, generation)
		}
		wantCode(t, "commit", a.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 0}), log.IllegalGeneration)
		a.start()
		time.Sleep(2 * beat)
		if got := s.take(); !strings.HasPrefix(got, "a: assigned") || !strings.Contains(got, "a: lost 0 1") || !strings.Contains(got, "b: revoked") {
			t.Errorf("back:\n%s", got)
		}
		a.close()
		b.close()
	})
}

// A static member that is back in time has its partitions without a rebalance; another one of the same instance fences it.
func TestStaticMember(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		static := client.ConsumerOptions{Instance: "one"}
		a := join(t, lg, &s, "a", static)
		b := join(t, lg, &s, "b", client.ConsumerOptions{})
		time.Sleep(2 * beat)
		s.take()
		_, before := b.Member()
		a.close()
		s.want(t, "closed", "a: revoked 0")
		time.Sleep(30 * time.Second)
		s.want(t, "nobody gets it", "")
		a2 := join(t, lg, &s, "a2", static)
		time.Sleep(2 * beat)
		s.want(t, "back", "a2: assigned 0")
		if _, after := b.Member(); before != after {
			t.Errorf("generation %d became %d", before, after)
		}
		a3 := join(t, lg, &s, "a3", static)
		time.Sleep(2 * beat)
		s.want(t, "fenced", "a2: lost 0", "a3: assigned 0")
		wantCode(t, "poll", a2.err(), log.FencedInstance)
		_, err := a2.Poll(t.Context())
		wantCode(t, "poll again", err, log.FencedInstance)
		a2.Close()
		a3.close()
		b.close()
	})
}

// A topic that is made later, and partitions that are added, are noticed by the leader.
func TestTopicAppears(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		var s transcript
		a := join(t, lg, &s, "a", client.ConsumerOptions{})
		s.want(t, "one", "a: assigned 0")
		if err := a.Subscribe("t", "later"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * beat)
		s.want(t, "nothing yet", "")
		lg.Topic("later", 2)
		time.Sleep(2 * beat)
		s.want(t, "there", "a: assigned 0 1")
		if err := lg.DeleteTopic(t.Context(), "later"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * beat)
		s.want(t, "gone", "a: revoked 0 1")
		if err := a.err(); err != nil {
			t.Error(err)
		}
		a.close()
	})
}
