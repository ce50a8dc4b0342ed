package natsbridge

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
)

// BenchmarkMemory tells what a pending schedule takes in memory, without NATS, and how fast they are read when the log is opened.
func BenchmarkMemory(b *testing.B) {
	const n, batch = 100_000, 1000
	for b.Loop() {
		lg, err := broker.Open(b.TempDir(), broker.Options{})
		if err != nil {
			b.Fatal(err)
		}
		first, err := Open(b.Context(), lg, Options{clockless: true})
		if err != nil {
			b.Fatal(err)
		}
		due := time.Now().Add(time.Hour)
		for i := 0; i < n; i += batch {
			var records log.Batch
			for j := range batch {
				s := log.Schedule{ID: fmt.Sprintf("schedule-%d", i+j), Due: due, CreateTime: due, Record: plain("t", "key", string(make([]byte, 100)))}
				records.Records = append(records.Records, encodeSchedule(&s))
			}
			if _, err := lg.Append(b.Context(), home, &records); err != nil {
				b.Fatal(err)
			}
		}
		before := heapBytes()
		begin := time.Now()
		second, err := Open(b.Context(), lg, Options{clockless: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begin).Seconds()*1000, "open-ms")
		b.ReportMetric(float64(heapBytes()-before)/n, "B/pending")
		for _, err := range []error{first.Close(), second.Close(), lg.Close()} {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
