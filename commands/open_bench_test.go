package commands

import (
	"testing"

	"lodge/commands/audit"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
)

const filled = 100_000

// fill makes a log of so many reservations of 100 hotels, on a file system in memory.
func fill(b *testing.B, opts Options) *logtest.Log {
	b.Helper()
	lg := logtest.Open(b, broker.Options{})
	if _, err := CreateTopics(b.Context(), lg, opts.Partitions, log.Sync); err != nil {
		b.Fatal(err)
	}
	opts.FS = lg.FS
	h := open(b, lg, opts)
	for i := range 100 {
		h.build(hotelName(i), 100_000)
	}
	var waiting []*Pending
	for n := range filled {
		p, err := h.Submit(b.Context(), Command{RequestID: requestID(n), Body: place(hotelName(n%100), n)})
		if err != nil {
			b.Fatal(err)
		}
		if waiting = append(waiting, p); len(waiting) == 4096 {
			waitAll(b, waiting)
			waiting = waiting[:0]
		}
	}
	waitAll(b, waiting)
	if err := h.stop(); err != nil {
		b.Fatal(err)
	}
	return lg
}

func waitAll(b *testing.B, waiting []*Pending) {
	for _, p := range waiting {
		if _, err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures opening an engine over 100,000 reservations, from the log and from snapshots.
func BenchmarkOpen(b *testing.B) {
	opts := Options{Partitions: 8, SnapshotDir: "snapshots", SnapshotEvery: 1000, HoldTick: -1}
	lg := fill(b, opts)
	for name, dir := range map[string]string{"replay": "", "snapshots": "snapshots"} {
		b.Run(name, func(b *testing.B) {
			opts := opts
			opts.SnapshotDir, opts.FS = dir, lg.FS
			for b.Loop() {
				if _, err := Open(b.Context(), lg, opts); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(filled*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAudit measures the proof over 100,000 reservations.
func BenchmarkAudit(b *testing.B) {
	opts := Options{Partitions: 8, HoldTick: -1}
	lg := fill(b, opts)
	for b.Loop() {
		report, err := audit.Run(b.Context(), lg, audit.Options{Partitions: 8})
		if err != nil || !report.OK() || report.Placed != filled {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(filled*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
