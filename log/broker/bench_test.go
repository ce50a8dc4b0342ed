package broker

import (
	"errors"
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

var benchPartition = []log.TopicPartition{{Topic: "bench"}}

// BenchmarkFloor is a loop that writes 512 bytes to a preallocated, zero-filled file and calls fdatasync.
// records=n writes n records at once, as a group commit would.
func BenchmarkFloor(b *testing.B) {
	for _, records := range []int{1, 16, 64, 100, 256} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			floor := newFloor(b, records)
			defer floor.file.Close()
			took := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				took = append(took, floor.commit(b))
			}
			b.StopTimer()
			report(b, took, records)
		})
	}
}

// floor is a file of real zeros and what is written to it at once.
type floor struct {
	file     *os.File
	block    []byte
	at, size int64
}

func newFloor(b *testing.B, records int) *floor {
	f := &floor{block: make([]byte, records*benchBytes), size: 64 << 20}
	var err error
	if f.file, err = os.Create(filepath.Join(b.TempDir(), "floor")); err != nil {
		b.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < f.size; at += int64(len(zeros)) {
		if _, err := f.file.WriteAt(zeros, at); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.file.Sync(); err != nil {
		b.Fatal(err)
	}
	for i := range f.block {
		f.block[i] = byte(i)
	}
	return f
}

// commit writes and syncs one block, from the beginning again at the end, and returns how long it took.
func (f *floor) commit(b *testing.B) time.Duration {
	start := time.Now()
	if _, err := f.file.WriteAt(f.block, f.at); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Fdatasync(int(f.file.Fd())); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if f.at += int64(len(f.block)); f.at+int64(len(f.block)) > f.size {
		f.at = 0
	}
	return took
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

// BenchmarkAgainstFloor measures the floor and the broker by turns, in slices of some milliseconds, so that
// both meet the same noise: the figure to compare on a machine that is not quiet. The floor writes as many records at once as there are in flight.
func BenchmarkAgainstFloor(b *testing.B) {
	for _, c := range []struct{ writers, records int }{{1, 1}, {16, 1}, {64, 1}, {256, 1}, {1, 100}, {4, 100}} {
		for _, opts := range []Options{{}, {CompanyWait: -1}, {CompanyWait: 80 * time.Microsecond}, {NoPreallocation: true}} {
			name := fmt.Sprintf("writers=%d/records=%d/wait=%v/preallocation=%t", c.writers, c.records, opts.CompanyWait, !opts.NoPreallocation)
			b.Run(name, func(b *testing.B) { againstFloor(b, opts, c.writers, c.records) })
		}
	}
}

func againstFloor(b *testing.B, opts Options, writers, records int) {
	broker, stop := benchBroker(b, opts, log.Sync)
	defer stop()
	floor := newFloor(b, writers*records)
	defer floor.file.Close()
	const slice = 100 // groups
	var ours, floors []time.Duration
	var ourTime, floorTime time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; done += slice * writers {
		start := time.Now()
		for range slice {
			floors = append(floors, floor.commit(b))
		}
		floorTime += time.Since(start)
		start = time.Now()
		ours = append(ours, appendFrom(b, broker, benchPartition, writers, slice*writers, records)...)
		ourTime += time.Since(start)
	}
	b.StopTimer()
	report(b, ours, records)
	rate, floorRate := float64(len(ours)*records)/ourTime.Seconds(), float64(len(floors)*writers*records)/floorTime.Seconds()
	slices.Sort(floors)
	b.ReportMetric(rate, "rec/s")
	b.ReportMetric(100*rate/floorRate, "%floor-rec/s")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(floors[len(floors)/2]), "x-floor-p50")
}

// BenchmarkPartitions spreads 64 writers over partitions: their files are synced side by side.
func BenchmarkPartitions(b *testing.B) {
	for _, partitions := range []int{1, 4, 8, 16} {
		b.Run(fmt.Sprintf("partitions=%d/writers=64", partitions), func(b *testing.B) {
			broker, stop := benchBroker(b, Options{}, log.Sync)
			defer stop()
			var tps []log.TopicPartition
			create(b, broker, "spread", log.TopicConfig{Partitions: partitions})
			for n := range partitions {
				tps = append(tps, log.TopicPartition{Topic: "spread", Partition: log.Partition(n)})
			}
			b.ResetTimer()
			took := appendFrom(b, broker, tps, 64, b.N, 1)
			b.StopTimer()
			report(b, took, 1)
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
	broker, stop := benchBroker(b, opts, durability)
	defer stop()
	b.SetBytes(int64(records * benchBytes))
	b.ResetTimer()
	took := appendFrom(b, broker, benchPartition, writers, b.N, records)
	b.StopTimer()
	report(b, took, records)
}

// benchBroker opens a broker with the topic "bench" and runs it until stop is called.
func benchBroker(b *testing.B, opts Options, durability log.Durability) (broker *Broker, stop func()) {
	broker, err := Open(b.TempDir(), opts)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- broker.Run(ctx) }()
	if err := broker.CreateTopic(ctx, "bench", log.TopicConfig{Durability: durability}); err != nil {
		b.Fatal(err)
	}
	return broker, func() {
		if err := errors.Join(broker.Close(), <-done); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkRead reads a partition from its beginning, again and again: raw batches, and records.
func BenchmarkRead(b *testing.B) {
	broker, stop := benchBroker(b, Options{}, log.None)
	defer stop()
	const batches, records = 500, 500 // 128 MB
	appendLoop(b, broker, benchPartition[0], batches, records)
	req := log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "bench"}, MaxBytes: 1 << 20}
	b.Run("raw", func(b *testing.B) {
		var buffer []byte
		for range b.N {
			found, err := broker.ReadBatchesInto(ctx, buffer, req)
			if err != nil {
				b.Fatal(err)
			}
			buffer = found.Bytes
			if req.Offset = found.Next; found.Next == found.HighWatermark {
				req.Offset = 0
			}
			b.SetBytes(int64(len(found.Bytes)))
		}
	})
	b.Run("records", func(b *testing.B) {
		for range b.N {
			found, err := broker.Fetch(ctx, req)
			if err != nil {
				b.Fatal(err)
			}
			if req.Offset = found.Next; found.Next == found.HighWatermark {
				req.Offset = 0
			}
			b.SetBytes(int64(len(found.Records) * benchBytes))
		}
	})
}

// appendFrom appends total batches from some goroutines, spread over partitions, and returns how long each one took.
func appendFrom(b *testing.B, broker *Broker, tps []log.TopicPartition, writers, total, records int) []time.Duration {
	took := make([][]time.Duration, writers)
	var wg sync.WaitGroup
	for w := range writers {
		n := total / writers
		if w < total%writers {
			n++
		}
		wg.Go(func() { took[w] = appendLoop(b, broker, tps[w%len(tps)], n, records) })
	}
	wg.Wait()
	return slices.Concat(took...)
}

// appendLoop appends n batches and returns how long each one took.
func appendLoop(b *testing.B, broker *Broker, tp log.TopicPartition, n, records int) []time.Duration {
	batch := &log.Batch{Records: make([]log.Record, records)}
	for i := range batch.Records {
		batch.Records[i].Value = make([]byte, benchBytes)
	}
	took := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		if _, err := broker.Append(ctx, tp, batch); err != nil {
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
