package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

func fetchFrom(offset log.Offset, wait time.Duration) log.FetchRequest {
	return log.FetchRequest{TopicPartition: tp0, Offset: offset, MaxWait: wait}
}

func TestFetchFromTheMiddleOfABatch(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("0", "1", "2"))
	mustAppend(t, b, tp0, batchOf("3"))
	found, err := b.Fetch(ctx, fetchFrom(1, 0))
	if err != nil || len(found.Records) != 3 || string(found.Records[0].Value) != "1" || found.Next != 4 || found.HighWatermark != 4 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestFetchIsLimitedInBytes(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	for range 10 {
		mustAppend(t, b, tp0, batchOf(string(make([]byte, 1000))))
	}
	for maxBytes, want := range map[int]int{1: 1, 2000: 1, 3500: 3, 0: 10} {
		req := fetchFrom(0, 0)
		req.MaxBytes = maxBytes
		found, err := b.Fetch(ctx, req)
		if err != nil || len(found.Records) != want || found.Next != log.Offset(want) {
			t.Errorf("%d bytes: %d records, next %d, %v; want %d", maxBytes, len(found.Records), found.Next, err, want)
		}
	}
}

func TestFetchOutOfRange(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("0"))
	for _, offset := range []log.Offset{-1, 2, 1 << 60} {
		_, err := b.Fetch(ctx, fetchFrom(offset, time.Hour))
		wantCode(t, err, log.OffsetOutOfRange)
	}
	_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "nowhere"}})
	wantCode(t, err, log.UnknownTopic)
}

func TestReadBatchesIsWhatWasWritten(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("0", "1"))
	mustAppend(t, b, tp0, batchOf("2"))
	found, err := b.ReadBatches(ctx, fetchFrom(1, 0))
	if err != nil || found.Next != 3 {
		t.Fatalf("next %d, %v", found.Next, err)
	}
	first, rest, err := record.Next(found.Bytes)
	if err != nil || first.BaseOffset != 0 || first.Count != 2 || first.Epoch != b.epoch {
		t.Errorf("first batch %+v, %v", first, err)
	}
	if second, rest, err := record.Next(rest); err != nil || second.BaseOffset != 2 || len(rest) != 0 {
		t.Errorf("second batch %+v, %d bytes behind it, %v", second, len(rest), err)
	}
}

func TestLongPollEndsWithData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{})
		const readers = 20
		results := make(chan error, readers)
		for range readers {
			go func() {
				found, err := b.Fetch(ctx, fetchFrom(0, time.Hour))
				if err == nil && (len(found.Records) != 1 || found.Next != 1) {
					err = fmt.Errorf("found %+v", found)
				}
				results <- err
			}()
		}
		synctest.Wait()
		start := time.Now()
		mustAppend(t, b, tp0, batchOf("x"))
		for range readers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("answered %v after the append", waited)
		}
		b.Close()
	})
}

func TestLongPollEndsWithoutData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{})
		start := time.Now()
		found, err := b.Fetch(ctx, fetchFrom(0, 3*time.Second))
		if took := time.Since(start); err != nil || len(found.Records) != 0 || found.Next != 0 || took != 3*time.Second {
			t.Errorf("%+v, %v after %v", found, err, took)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err = b.Fetch(short, fetchFrom(0, time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an ended context: %v", err)
		}
		b.Close()
	})
}

func TestLongPollEndsWithTheTopicAndTheBroker(t *testing.T) {
	for code, end := range map[log.Code]func(*Broker) error{
		log.UnknownTopic: func(b *Broker) error { return b.DeleteTopic(ctx, "t") },
		log.Closed:       (*Broker).Close,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := openTopic(t, Options{}, log.TopicConfig{})
			result := make(chan error, 1)
			go func() {
				_, err := b.Fetch(ctx, fetchFrom(0, time.Hour))
				result <- err
			}()
			synctest.Wait()
			if err := end(b); err != nil {
				t.Fatal(err)
			}
			wantCode(t, <-result, code)
			b.Close()
		})
	}
}

func TestLongPollsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{WaitersMax: 1}, log.TopicConfig{})
		first := make(chan error, 1)
		go func() {
			_, err := b.Fetch(ctx, fetchFrom(0, time.Second))
			first <- err
		}()
		synctest.Wait()
		_, err := b.Fetch(ctx, fetchFrom(0, time.Second))
		wantCode(t, err, log.LimitReached)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if _, err := b.Fetch(ctx, fetchFrom(0, time.Second)); err != nil {
			t.Errorf("after the first one ended: %v", err)
		}
		b.Close()
	})
}

func TestOffsetForTime(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{SegmentBytes: 4096})
	at := func(i int) time.Time { return time.UnixMilli(int64(1_000_000 + 10*i)) }
	for i := range 200 {
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{{Timestamp: at(i), Value: make([]byte, 100)}}})
	}
	for _, test := range []struct {
		t    time.Time
		want log.Offset
	}{{time.UnixMilli(0), 0}, {at(0), 0}, {at(77), 77}, {at(77).Add(time.Millisecond), 78}, {at(199), 199}, {at(200), 200}} {
		if got, err := b.OffsetForTime(ctx, tp0, test.t); err != nil || got != test.want {
			t.Errorf("%v: offset %d, %v; want %d", test.t.UnixMilli(), got, err, test.want)
		}
	}
}

// TestDamageIsFound: a flipped byte under a running broker is an error to the reader, not data.
func TestDamageIsFound(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("some value"))
	f, err := fs.OpenReadWrite("dir/topics/t/0/00000000000000000000.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff}, 66); err != nil {
		t.Fatal(err)
	}
	_, err = b.Fetch(ctx, fetchFrom(0, 0))
	wantCode(t, err, log.Corrupt)
}

// TestFetchIsLimitedInMemory: batches that are small on disk may be a thousand times as large when they are decoded.
func TestFetchIsLimitedInMemory(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	large := &log.Batch{Compression: log.Zstd}
	for range 40 {
		large.Records = append(large.Records, log.Record{Value: make([]byte, 1<<20-100)})
	}
	for range 4 {
		mustAppend(t, b, tp0, large)
	}
	at := log.Offset(0)
	for range 2 {
		got, err := b.Fetch(ctx, fetchFrom(at, 0))
		if err != nil || len(got.Records) != 80 || got.Next != at+80 {
			t.Fatalf("fetch from %d: %d records, next is %d, %v", at, len(got.Records), got.Next, err)
		}
		at = got.Next
	}
}
