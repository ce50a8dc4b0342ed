package commitlog

import (
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// onDisk returns options for a log on the disk, where testDir is below the benchmark's folder.
func onDisk(b testing.TB, durability log.Durability, zero bool) Options {
	return Options{FS: inFolder{vfs.Default, b.TempDir()}, Config: log.TopicConfig{Durability: durability}, Zero: zero, Logger: quiet}
}

// groupOf returns a group of batches of one record of 512 B, and a function that gives it other offsets.
func groupOf(b testing.TB, batches int) (group []byte, place func(base log.Offset)) {
	for range batches {
		one := batch(b, 0, 1, 512, testTime)
		group = append(group, one...)
	}
	size := len(group) / batches
	return group, func(base log.Offset) {
		for i := range batches {
			record.SetPlace(group[i*size:], base+log.Offset(i), 0)
		}
	}
}

func BenchmarkAppendSync512(b *testing.B) {
	for name, zero := range map[string]bool{"growing": false, "zero": true} {
		b.Run(name, func(b *testing.B) {
			l := mustOpen(b, onDisk(b, log.Sync, zero))
			group, place := groupOf(b, 1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				place(l.NextOffset())
				if err := l.Append(group); err != nil {
					b.Fatal(err)
				}
				mustSync(b, l)
				if i%64 == 0 && l.WantsSpace() {
					b.StopTimer()
					if err := l.Preallocate(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

func BenchmarkAppendUnsynced1MiB(b *testing.B) {
	opts := onDisk(b, log.None, false)
	opts.Config.RetentionBytes = 256 << 20
	l := mustOpen(b, opts)
	group, place := groupOf(b, 1<<20/600)
	b.SetBytes(int64(len(group)))
	b.ReportAllocs()
	start := cpu()
	defer func() { cpuOf(b, start) }()
	for b.Loop() {
		place(l.NextOffset())
		if err := l.Append(group); err != nil {
			b.Fatal(err)
		}
		if l.Segments() > 20 {
			b.StopTimer()
			if _, err := l.ApplyRetention(time.Now(), l.NextOffset()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// gibibyte fills a log with 1 GiB in segments of 64 MiB.
func gibibyte(b testing.TB) (Options, *Log) {
	opts := onDisk(b, log.None, false)
	l := mustOpen(b, opts)
	group, place := groupOf(b, 1<<20/600)
	for l.Bytes() < 1<<30 {
		place(l.NextOffset())
		if err := l.Append(group); err != nil {
			b.Fatal(err)
		}
	}
	return opts, l
}

func BenchmarkReadSequential(b *testing.B) {
	_, l := gibibyte(b)
	dst := make([]byte, 1<<20)
	at := log.Offset(0)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	var bytes int64
	start := cpu()
	defer func() { cpuOf(b, start) }()
	for b.Loop() {
		got, err := l.Read(dst, at, l.NextOffset(), len(dst))
		if err != nil {
			b.Fatal(err)
		}
		bytes += int64(len(got))
		for rest := got; len(rest) > 0; {
			h, _ := record.ParseHeader(rest)
			at, rest = h.NextOffset(), rest[h.Size():]
		}
		if at == l.NextOffset() {
			at = 0
		}
	}
	b.ReportMetric(float64(bytes)/b.Elapsed().Seconds()/1e9, "GB/s")
}

func BenchmarkOpen1GiB(b *testing.B) {
	opts, l := gibibyte(b)
	if err := l.Close([]byte("blob")); err != nil {
		b.Fatal(err)
	}
	start := cpu()
	defer func() { cpuOf(b, start) }()
	for b.Loop() {
		l, err := Open(testDir, testTP, opts, func(record.Header) error { return nil }, nil)
		if err != nil {
			b.Fatal(err)
		}
		l.files.closeAll()
	}
}
