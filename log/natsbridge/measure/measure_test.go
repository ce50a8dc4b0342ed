package measure_test

import (
	"context"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/natsbridge"
	"lodge/log/natsbridge/measure"
)

// open opens a log and its bridge on disk, and runs both until the function returned is called.
func open(tb testing.TB, dir string) (*broker.Broker, *natsbridge.Bridge, func()) {
	tb.Helper()
	lg, err := broker.Open(dir+"/log", broker.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	b, err := natsbridge.Open(context.Background(), lg, natsbridge.Options{StoreDir: dir + "/nats"})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- lg.Run(ctx) }()
	go func() { done <- b.Run(ctx) }()
	return lg, b, func() {
		cancel()
		for _, err := range []error{<-done, <-done, b.Close(), lg.Close()} {
			if err != nil {
				tb.Error(err)
			}
		}
	}
}

func BenchmarkLateness(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		floor, err := measure.FloorLateness(b.Context(), dir, measure.Load{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(floor.Readable.P50.Seconds()*1000, "floor-p50-ms")
		b.ReportMetric(floor.Readable.P99.Seconds()*1000, "floor-p99-ms")
		lg, bridge, stop := open(b, dir)
		if err := lg.CreateTopic(b.Context(), "t", log.TopicConfig{Partitions: 4}); err != nil {
			b.Fatal(err)
		}
		late, err := measure.Fire(b.Context(), bridge, lg, measure.Load{Topic: "t"})
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%+v", late)
		b.ReportMetric(float64(late.Early), "early")
		b.ReportMetric(float64(late.Doubled), "doubled")
		b.ReportMetric(late.Readable.P50.Seconds()*1000, "p50-ms")
		b.ReportMetric(late.Readable.P99.Seconds()*1000, "p99-ms")
		b.ReportMetric(late.Readable.Max.Seconds()*1000, "max-ms")
		stop()
	}
}

func BenchmarkPending(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		dir := b.TempDir()
		lg, bridge, stop := open(b, dir)
		if err := lg.CreateTopic(b.Context(), "t", log.TopicConfig{}); err != nil {
			b.Fatal(err)
		}
		before := measure.HeapBytes()
		took, err := measure.Fill(b.Context(), bridge, measure.Load{Topic: "t", Count: n, Ahead: time.Hour, Writers: 256})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(took.Seconds(), "accept-s")
		b.ReportMetric(await(b, bridge).Seconds(), "sent-s")
		b.ReportMetric(float64(measure.HeapBytes()-before)/n, "B/pending")
		stop()
		begin := time.Now()
		_, bridge, stop = open(b, dir)
		b.ReportMetric(time.Since(begin).Seconds(), "reopen-s")
		b.ReportMetric(await(b, bridge).Seconds(), "compared-s")
		b.Logf("%+v", bridge.Stats())
		stop()
	}
}

// await waits until NATS knows all schedules, and returns how long that took.
func await(b *testing.B, bridge *natsbridge.Bridge) time.Duration {
	begin := time.Now()
	for ticks := time.Tick(time.Millisecond); ; <-ticks {
		if s := bridge.Stats(); s.Connected && s.Behind == 0 {
			return time.Since(begin)
		}
		if time.Since(begin) > time.Minute {
			b.Fatal(bridge.Stats())
		}
	}
}
