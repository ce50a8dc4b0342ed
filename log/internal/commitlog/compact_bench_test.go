package commitlog

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// BenchmarkClean compacts a log of 1,000,000 records of 100 bytes, 100 to a batch, on a real disk. One iteration is one pass over all of it.
func BenchmarkClean(b *testing.B) {
	for _, c := range []struct {
		name        string
		keys        int
		compression log.Compression
		mapBytes    int
	}{
		{"keys=1000", 1000, log.Uncompressed, 0}, {"keys=300000", 300_000, log.Uncompressed, 0}, {"keys=300000/zstd", 300_000, log.Zstd, 0},
		{"keys=300000/map=2MiB", 300_000, log.Uncompressed, 2 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took, used time.Duration
			var records, bytes int64
			for range b.N {
				l := filledForClean(b, c.keys, c.compression)
				start, before := time.Now(), cpu()
				done, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: l.NextOffset(), MapBytes: c.mapBytes})
				took, used = took+time.Since(start), used+cpu()-before
				if err != nil || done.RecordsRemoved == 0 {
					b.Fatalf("%+v, %v", done, err)
				}
				records, bytes = records+1_000_000, bytes+done.BytesBefore
				b.ReportMetric(float64(done.Passes), "passes")
			}
			b.ReportMetric(float64(records)/took.Seconds(), "records/s")
			b.ReportMetric(float64(records)/used.Seconds(), "records/cpu-s")
			b.ReportMetric(float64(bytes)/took.Seconds()/1e6, "MB/s")
		})
	}
}

func filledForClean(b *testing.B, keys int, compression log.Compression) *Log {
	b.Helper()
	opts := Options{FS: vfs.Default, Logger: quiet, Config: log.TopicConfig{Cleanup: log.CleanupCompact, Durability: log.Interval, DirtyRatio: 1e-9}}
	l, err := Open(b.TempDir(), testTP, opts, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close(nil) })
	value := make([]byte, 80)
	key := 0
	for range 10_000 {
		batch := log.Batch{Compression: compression}
		for range 100 {
			key = (key*1_103_515_245 + 12_345) & (1<<31 - 1)
			binary.BigEndian.PutUint64(value, uint64(key))
			batch.Records = append(batch.Records, log.Record{Key: fmt.Appendf(nil, "key-%06d", (key>>8)%keys), Value: append([]byte{}, value...)})
		}
		encoded, err := record.AppendBatch(nil, &batch, testTime)
		if err != nil {
			b.Fatal(err)
		}
		record.SetPlace(encoded, l.NextOffset(), 0)
		if err := l.Append(encoded); err != nil {
			b.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.roll(); err != nil {
		b.Fatal(err)
	}
	if err := l.sync(); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkDeleteRecords moves the start by one, on a real disk: beside it a checkpoint for each move, and a bare write and fdatasync.
func BenchmarkDeleteRecords(b *testing.B) {
	open := func(b *testing.B) *Log {
		l, err := Open(b.TempDir(), testTP, Options{FS: vfs.Default, Logger: quiet}, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close(nil) })
		for l.NextOffset() < log.Offset(b.N)+1 {
			mustAppend(b, l, 1000, 1)
		}
		mustSync(b, l)
		return l
	}
	b.Run("alone", func(b *testing.B) {
		l := open(b)
		b.ResetTimer()
		for i := range b.N {
			mustDelete(b, l, log.Offset(i+1))
		}
	})
	b.Run("64 callers", func(b *testing.B) {
		l := open(b)
		b.SetParallelism(32)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				mustDelete(b, l, l.StartOffset()+1)
			}
		})
	})
	b.Run("by checkpoint", func(b *testing.B) {
		l := open(b)
		blob := make([]byte, 20_000) // of some hundred producers
		b.ResetTimer()
		for range b.N {
			if err := l.Checkpoint(blob); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		file, err := vfs.Default.Create(b.TempDir() + "/floor")
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteAt(make([]byte, 8192), 0); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N {
			if _, err := file.WriteAt(make([]byte, 16), 0); err != nil {
				b.Fatal(err)
			}
			if err := file.SyncData(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
