package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

func newConsumer(t *testing.T, lg log.Reader, opts client.ConsumerOptions) *client.Consumer {
	t.Helper()
	c, err := client.NewConsumer(lg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func assign(t *testing.T, c *client.Consumer, at client.Start, tps ...log.TopicPartition) {
	t.Helper()
	if err := c.Assign(t.Context(), at, tps...); err != nil {
		t.Fatal(err)
	}
}

// pollN polls until n records have come, and fails the test when there are more, or none for long.
func pollN(t *testing.T, c *client.Consumer, n int) []log.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []log.Record
	for len(got) < n {
		records, err := c.Poll(ctx)
		if err != nil {
			t.Fatalf("poll after %d of %d records: %v", len(got), n, err)
		}
		got = append(got, records...)
	}
	if len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
	return got
}

func fill(t *testing.T, lg *logtest.Log, tp log.TopicPartition, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		r := log.Record{Value: fmt.Append(nil, i), Timestamp: time.UnixMilli(int64(1000 + 10*i))}
		if _, err := lg.Append(t.Context(), tp, &log.Batch{Records: []log.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
}

func values(records []log.Record) (out []string) {
	for i := range records {
		out = append(out, string(records[i].Value))
	}
	return out
}

// A producer and a consumer of eight partitions at the same time: everything comes, each
// partition in order, and the consumer's positions are then the ends.
func TestConsumeWhileProducing(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 8)
	c := newConsumer(t, lg, client.ConsumerOptions{PollRecordsMax: 7, FetchBytesMax: 4096})
	assign(t, c, client.AtEnd(), tps...)
	p := newProducer(t, lg, client.ProducerOptions{})
	const total = 5000
	var work sync.WaitGroup
	work.Go(func() {
		for i := range total {
			if _, err := p.Produce(context.Background(), log.Record{Topic: "bookings", Key: fmt.Append(nil, i%50), Value: fmt.Append(nil, i)}); err != nil {
				t.Errorf("produce: %v", err)
				return
			}
		}
	})
	got := pollN(t, c, total)
	work.Wait()
	closeProducer(t, p)
	next := map[log.TopicPartition]log.Offset{}
	for i := range got {
		tp := got[i].Position().TopicPartition()
		if got[i].Offset != next[tp] {
			t.Fatalf("%v comes where offset %d is due", got[i].Position(), next[tp])
		}
		next[tp]++
	}
	for _, tp := range tps {
		if at, ok := c.Position(tp); !ok || at != next[tp] {
			t.Errorf("%v: position %d, %v, want %d", tp, at, ok, next[tp])
		}
		if lag, err := c.Lag(t.Context(), tp); err != nil || lag != 0 {
			t.Errorf("%v: lag %d, error %v", tp, lag, err)
		}
	}
}

func TestSeek(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 2)
	fill(t, lg, tps[0], 0, 10)
	c := newConsumer(t, lg, client.ConsumerOptions{})
	assign(t, c, client.AtOffset(5), tps[0])
	if got := values(pollN(t, c, 5)); got[0] != "5" {
		t.Errorf("from offset 5: %v", got)
	}
	for _, s := range []struct {
		at   client.Start
		want string
		n    int
	}{
		{client.AtBeginning(), "0", 10}, {client.AtOffset(9), "9", 1}, {client.AtTime(time.UnixMilli(1000 + 25)), "3", 7},
		{client.AtTime(time.UnixMilli(0)), "0", 10}, {client.Start{}, "0", 10},
	} {
		if err := c.Seek(t.Context(), s.at); err != nil {
			t.Fatal(err)
		}
		if got := values(pollN(t, c, s.n)); got[0] != s.want {
			t.Errorf("seek to %+v: %v", s.at, got)
		}
	}
	for _, at := range []client.Start{client.AtEnd(), client.AtTime(time.UnixMilli(99999))} {
		if err := c.Seek(t.Context(), client.AtBeginning(), tps[0]); err != nil {
			t.Fatal(err)
		}
		if err := c.Seek(t.Context(), at, tps[0]); err != nil { // what was fetched from the beginning is void
			t.Fatal(err)
		}
		n, _ := c.Position(tps[0])
		fill(t, lg, tps[0], int(n), int(n)+1)
		if got := values(pollN(t, c, 1)); got[0] != fmt.Sprint(n) {
			t.Errorf("after the end: %v, want %d", got, n)
		}
	}
	wantCode(t, "not assigned", c.Seek(t.Context(), client.AtEnd(), tps[1]), log.InvalidArgument)
	wantCode(t, "negative", c.Seek(t.Context(), client.AtOffset(-1)), log.InvalidArgument)
	wantCode(t, "unknown", c.Assign(t.Context(), client.AtBeginning(), log.TopicPartition{Topic: "bookings", Partition: 2}), log.UnknownTopic)
}

func TestPauseAndUnassign(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 3)
	for _, tp := range tps {
		fill(t, lg, tp, 0, 5)
	}
	c := newConsumer(t, lg, client.ConsumerOptions{PollRecordsMax: 1})
	assign(t, c, client.AtBeginning(), tps...)
	polled := 3
	pollN(t, c, polled)
	c.Pause(tps[0])
	at, _ := c.Position(tps[0])
	for _, r := range pollN(t, c, 10+int(at)-polled) {
		if r.Partition == 0 {
			t.Fatalf("%v while paused", r.Position())
		}
	}
	c.Unassign(tps[1], tps[2])
	if got := c.Assignment(); !slices.Equal(got, tps[:1]) {
		t.Errorf("assignment %v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if records, err := c.Poll(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("paused: %v, error %v", records, err)
	}
	c.Resume(tps[0])
	if got := pollN(t, c, 5-int(at)); len(got) > 0 && got[0].Offset != at {
		t.Errorf("resumed at %v, want %d", got[0].Position(), at)
	}
	if _, ok := c.Position(tps[1]); ok {
		t.Error("an unassigned partition has a position")
	}
}

// Partitions take turns, however full one of them is.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(4)
		lg.onFetch = func(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
			return log.FetchResult{Records: slices.Repeat([]log.Record{{Partition: req.Partition}}, 100), Next: req.Offset + 100}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{PollRecordsMax: 5})
		for n := range log.Partition(4) {
			assign(t, c, client.AtBeginning(), log.TopicPartition{Topic: "bookings", Partition: n})
		}
		pollN(t, c, 5)
		synctest.Wait() // every partition's buffer is full
		count := map[log.Partition]int{}
		for range 4 {
			for _, r := range pollN(t, c, 5) {
				count[r.Partition]++
			}
		}
		for n := range log.Partition(4) {
			if count[n] != 5 {
				t.Errorf("partition %d got %d of 20 places", n, count[n])
			}
		}
		c.Close()
	})
}

func TestOutOfRange(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 2)
	fill(t, lg, tps[0], 0, 3)
	fill(t, lg, tps[1], 0, 3)
	c := newConsumer(t, lg, client.ConsumerOptions{})
	assign(t, c, client.AtOffset(99), tps[0])
	_, err := c.Poll(t.Context())
	wantCode(t, "beyond the end", err, log.OffsetOutOfRange)
	var at *client.PartitionError
	if !errors.As(err, &at) || at.TopicPartition != tps[0] {
		t.Errorf("error %v does not name the partition", err)
	}
	assign(t, c, client.AtBeginning(), tps[1])
	if got := pollN(t, c, 3); got[0].Partition != 1 { // the other one goes on
		t.Errorf("got %v", got)
	}
	if err := c.Seek(t.Context(), client.AtOffset(1), tps[0]); err != nil {
		t.Fatal(err)
	}
	if got := values(pollN(t, c, 2)); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %v", got)
	}
	first := newConsumer(t, lg, client.ConsumerOptions{OutOfRange: client.ToBeginning})
	assign(t, first, client.AtOffset(99), tps[0])
	if got := values(pollN(t, first, 3)); got[0] != "0" {
		t.Errorf("got %v", got)
	}
}

func TestOutOfRangeToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		tp := log.TopicPartition{Topic: "bookings"}
		lg.part(tp).committed = make([]log.Record, 42)
		lg.onFetch = func(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
			if req.Offset > 42 {
				return log.FetchResult{}, log.NewError(log.OffsetOutOfRange, "fetch", "beyond the end")
			}
			return log.FetchResult{Records: []log.Record{{Offset: req.Offset}}, Next: req.Offset + 1}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{OutOfRange: client.ToEnd})
		assign(t, c, client.AtOffset(99), tp)
		if got := pollN(t, c, 1); got[0].Offset != 42 {
			t.Errorf("went on at %d", got[0].Offset)
		}
		c.Close()
	})
}

func TestConsumerRefuses(t *testing.T) {
	lg := newFakeReader(1)
	for name, opts := range map[string]client.ConsumerOptions{
		"fetch bytes": {FetchBytesMax: -1}, "buffer": {BufferBytesMax: -1}, "poll": {PollRecordsMax: -1}, "wait": {FetchWait: -1}, "policy": {OutOfRange: 9},
	} {
		_, err := client.NewConsumer(lg, opts)
		wantCode(t, name, err, log.InvalidArgument)
	}
	c := newConsumer(t, lg, client.ConsumerOptions{})
	many := make([]log.TopicPartition, client.AssignedMax+1)
	for i := range many {
		many[i] = log.TopicPartition{Topic: "bookings", Partition: log.Partition(i)}
	}
	wantCode(t, "too many", c.Assign(t.Context(), client.AtBeginning(), many...), log.LimitReached)
	if len(c.Assignment()) != 0 {
		t.Error("some were assigned")
	}
	assign(t, c, client.AtBeginning(), many[1:]...)
	assign(t, c, client.AtBeginning(), many[1:]...)
	c.Close()
	_, err := c.Poll(t.Context())
	wantCode(t, "closed", err, log.Closed)
	wantCode(t, "assign when closed", c.Assign(t.Context(), client.AtBeginning(), many[0]), log.Closed)
}

// Any sequence of assigns, seeks, pauses and polls: each record comes from an assigned partition that is not
// paused, at exactly the offset where that partition has got to.
func TestConsumerFollowsModel(t *testing.T) {
	rng := random(t)
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 4)
	for n, tp := range tps {
		fill(t, lg, tp, 0, 20+10*n)
	}
	c := newConsumer(t, lg, client.ConsumerOptions{PollRecordsMax: 3, FetchBytesMax: 1000})
	position := map[log.TopicPartition]log.Offset{}
	paused := map[log.TopicPartition]bool{}
	polled := 0
	for range 3000 {
		tp := tps[rng.IntN(len(tps))]
		switch rng.IntN(8) {
		case 0:
			position[tp] = log.Offset(rng.IntN(20))
			assign(t, c, client.AtOffset(position[tp]), tp)
		case 1:
			if _, ok := position[tp]; ok {
				position[tp] = log.Offset(rng.IntN(20))
				if err := c.Seek(t.Context(), client.AtOffset(position[tp]), tp); err != nil {
					t.Fatal(err)
				}
			}
		case 2:
			if rng.IntN(4) == 0 {
				c.Unassign(tp)
				delete(position, tp)
				delete(paused, tp)
			}
		case 3:
			if _, ok := position[tp]; ok {
				c.Pause(tp)
				paused[tp] = true
			}
		case 4:
			c.Resume(tp)
			delete(paused, tp)
		default:
			polled += pollModel(t, c, position, paused)
		}
	}
	t.Logf("%d records polled", polled)
}

func pollModel(t *testing.T, c *client.Consumer, position map[log.TopicPartition]log.Offset, paused map[log.TopicPartition]bool) int {
	t.Helper()
	wait := 200 * time.Microsecond
	for tp, at := range position {
		if !paused[tp] && at < log.Offset(20+10*tp.Partition) {
			wait = 20 * time.Second // something must come
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	records, err := c.Poll(ctx)
	if due := wait > time.Second; due && err != nil || !due && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%d records, error %v, due: %v", len(records), err, due)
	}
	for i := range records {
		tp := records[i].Position().TopicPartition()
		if want, ok := position[tp]; !ok || paused[tp] || records[i].Offset != want {
			t.Fatalf("%v came; position %d, assigned %v, paused %v", records[i].Position(), want, ok, paused[tp])
		}
		position[tp]++
	}
	for tp, want := range position {
		if at, ok := c.Position(tp); !ok || at != want {
			t.Fatalf("%v: position %d, %v, want %d", tp, at, ok, want)
		}
	}
	return len(records)
}
