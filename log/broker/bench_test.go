package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/log"
)

// The benchmarks report rec/s and the p50 and p99 of one call. The floors are what the same machine does in
// a plain loop in the same run: compare ratios, not figures of different days.
//
//	go test ./log/broker -run '^$' -bench . -benchtime 2s

const benchBytes = 512 // of a record's value

// BenchmarkFloor is a loop that writes 512 bytes to a preallocated, zero-filled file and calls fdatasync.
// records=n writes n records at once, as a group commit would.
func BenchmarkFloor(b *testing.B) {
	for _, records := range []int{1, 16, 64, 100, 256} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			f, size := zeroFilled(b, 64<<20)
			defer f.Close()
			block := make([]byte, records*benchBytes)
			for i := range block {
				block[i] = byte(i)
			}
			took := make([]time.Duration, 0, b.N)
			var at int64
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				if _, err := f.WriteAt(block, at); err != nil {
					b.Fatal(err)
				}
				if err := syscall.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				if at += int64(len(block)); at+int64(len(block)) > size {
					at = 0
				}
			}
			b.StopTimer()
			report(b, took, records)
		})
	}
}

// zeroFilled returns a file of real zeros.
func zeroFilled(b *testing.B, size int64) (*os.File, int64) {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return f, size
}

// BenchmarkAppend appends from n goroutines to one partition.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		durability log.Durability
		writers    int
		records    int // in each batch
	}{
		{log.Sync, 1, 1}, {log.Sync, 16, 1}, {log.Sync, 64, 1}, {log.Sync, 256, 1},
		{log.Sync, 1, 100}, {log.Sync, 4, 100}, {log.Sync, 16, 100},
		{log.Interval, 1, 1}, {log.None, 1, 1}, {log.None, 1, 100}, {log.None, 1, 1000}, {log.None, 2, 1000},
	} {
		name := fmt.Sprintf("durability=%s/writers=%d/records=%d", c.durability, c.writers, c.records)
		b.Run(name, func(b *testing.B) {
			benchAppend(b, Options{}, c.durability, c.writers, c.records)
		})
	}
}

// BenchmarkTricks appends with one thing changed at a time, for the note on what each is worth.
func BenchmarkTricks(b *testing.B) {
	for _, c := range []struct {
		name string
		opts Options
	}{
		{"all", Options{}},
		{"no company wait", Options{CompanyWait: -1}},
		{"company wait 20µs", Options{CompanyWait: 20 * time.Microsecond}},
		{"company wait 100µs", Options{CompanyWait: 100 * time.Microsecond}},
		{"no preallocation", Options{NoPreallocation: true}},
		{"latency profile", Options{Profile: Latency}},
	} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", c.name, writers), func(b *testing.B) {
				benchAppend(b, c.opts, log.Sync, writers, 1)
			})
		}
	}
}

func benchAppend(b *testing.B, opts Options, durability log.Durability, writers, records int) {
	ctx, cancel := context.WithCancel(context.Background())
	broker, err := Open(b.TempDir(), opts)
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = broker.Run(ctx) })
	defer running.Wait()
	defer cancel()
	defer broker.Close()
	if err := broker.CreateTopic(ctx, "bench", log.TopicConfig{Durability: durability}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(records * benchBytes))
	took := make([][]time.Duration, writers)
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range writers {
		n := b.N / writers
		if w < b.N%writers {
			n++
		}
		wg.Go(func() { took[w] = appendLoop(b, broker, n, records) })
	}
	wg.Wait()
	b.StopTimer()
	report(b, slices.Concat(took...), records)
}

// appendLoop appends n batches and returns how long each one took.
func appendLoop(b *testing.B, broker *Broker, n, records int) []time.Duration {
	batch := &log.Batch{Records: make([]log.Record, records)}
	for i := range batch.Records {
		batch.Records[i].Value = make([]byte, benchBytes)
	}
	took := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		if _, err := broker.Append(context.Background(), log.TopicPartition{Topic: "bench"}, batch); err != nil {
			b.Error(err)
			return nil
		}
		took = append(took, time.Since(start))
	}
	return took
}

// report turns durations of calls into metrics.
func report(b *testing.B, took []time.Duration, records int) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "rec/s")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}
