package client_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/client"
)

// fakeReader answers fetches as told.
type fakeReader struct {
	*fakeLog
	onFetch func(ctx context.Context, req log.FetchRequest) (log.FetchResult, error)
}

func newFakeReader(partitions int) *fakeReader { return &fakeReader{fakeLog: newFake(partitions)} }

func (f *fakeReader) Fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	return f.onFetch(ctx, req)
}

// longPoll waits as a log does that has nothing.
func longPoll(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	select {
	case <-time.After(req.MaxWait):
		return log.FetchResult{Next: req.Offset}, nil
	case <-ctx.Done():
		return log.FetchResult{}, ctx.Err()
	}
}

// An error that passes by itself is not the caller's business; how often it is tried again is bounded.
func TestConsumerRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		tries := 0
		start := time.Now()
		lg.onFetch = func(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
			if tries++; time.Since(start) < time.Minute {
				return log.FetchResult{}, log.NewError(log.Unavailable, "fetch", "away")
			}
			if req.Offset > 0 {
				return longPoll(ctx, req)
			}
			return log.FetchResult{Records: []log.Record{{Value: []byte("a")}}, Next: 1}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{})
		assign(t, c, client.AtBeginning(), log.TopicPartition{Topic: "bookings"})
		records, err := c.Poll(t.Context())
		took := time.Since(start)
		c.Close()
		if err != nil || len(records) != 1 || took > 62*time.Second || tries > 80 {
			t.Errorf("%d records after %v and %d tries, error %v", len(records), took, tries, err)
		}
	})
}

// Poll waits as long as it must; a fetch that finds nothing moves the position where the log says.
func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		start := time.Now()
		lg.onFetch = func(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
			if time.Since(start) < 10*time.Second {
				return longPoll(ctx, req)
			}
			if req.Offset == 0 {
				return log.FetchResult{Next: 50}, nil // nothing for us up to there
			}
			return log.FetchResult{Records: []log.Record{{Offset: req.Offset}}, Next: req.Offset + 1}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{FetchWait: 4 * time.Second})
		tp := log.TopicPartition{Topic: "bookings"}
		assign(t, c, client.AtBeginning(), tp)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Poll(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		records, err := c.Poll(t.Context())
		if err != nil || records[0].Offset != 50 || time.Since(start) != 12*time.Second {
			t.Errorf("after %v: %v, error %v", time.Since(start), records, err)
		}
		if at, _ := c.Position(tp); at != 51 {
			t.Errorf("position %d", at)
		}
		c.Close()
	})
}

func TestCloseEndsPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		lg.onFetch = longPoll
		c := newConsumer(t, lg, client.ConsumerOptions{FetchWait: time.Hour})
		assign(t, c, client.AtBeginning(), log.TopicPartition{Topic: "bookings"})
		var done sync.WaitGroup
		done.Go(func() {
			_, err := c.Poll(t.Context())
			wantCode(t, "poll", err, log.Closed)
		})
		synctest.Wait()
		c.Close()
		done.Wait()
	})
}

// What is held ahead of Poll is bounded: one fetch for each partition, all of them within the buffer.
func TestConsumerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		var mu sync.Mutex
		fetches := map[log.Partition]int{}
		lg.onFetch = func(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
			mu.Lock()
			defer mu.Unlock()
			fetches[req.Partition]++
			if req.MaxBytes != 100_000 {
				t.Errorf("fetch of %d bytes", req.MaxBytes)
			}
			return log.FetchResult{Records: []log.Record{{Offset: req.Offset}, {Offset: req.Offset + 1}}, Next: req.Offset + 2}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{BufferBytesMax: 1_000_000, PollRecordsMax: 1})
		for n := range log.Partition(10) {
			assign(t, c, client.AtBeginning(), log.TopicPartition{Topic: "bookings", Partition: n})
		}
		pollN(t, c, 1)
		synctest.Wait()
		time.Sleep(time.Hour) // within synctest
		for n := range log.Partition(10) {
			if fetches[n] != 1 {
				t.Errorf("partition %d was fetched %d times", n, fetches[n])
			}
		}
		c.Close()
	})
}

// A fetch that is answered after a seek is void, whatever it found.
func TestSeekVoidsFetchUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFakeReader(1)
		late := make(chan struct{})
		lg.onFetch = func(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
			if req.Offset == 0 {
				<-late
			}
			return log.FetchResult{Records: []log.Record{{Offset: req.Offset}}, Next: req.Offset + 1}, nil
		}
		c := newConsumer(t, lg, client.ConsumerOptions{})
		assign(t, c, client.AtBeginning(), log.TopicPartition{Topic: "bookings"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Poll(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("poll: %v", err)
		}
		if err := c.Seek(t.Context(), client.AtOffset(7)); err != nil {
			t.Fatal(err)
		}
		if got := pollN(t, c, 1); got[0].Offset != 7 {
			t.Errorf("got %v", got[0].Position())
		}
		synctest.Wait()
		close(late)
		synctest.Wait()
		for want := range log.Offset(3) {
			if got := pollN(t, c, 1); got[0].Offset != 8+want {
				t.Errorf("got %v, want offset %d", got[0].Position(), 8+want)
			}
		}
		c.Close()
	})
}
