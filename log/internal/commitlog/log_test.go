package commitlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

var (
	testTP   = log.TopicPartition{Topic: "bookings", Partition: 3}
	testTime = time.UnixMilli(1_800_000_000_000)
	quiet    = slog.New(slog.DiscardHandler)
)

const testDir = "data/topics/bookings/3"

func testOptions(fsys vfs.FS) Options {
	return Options{FS: fsys, Config: log.TopicConfig{SegmentBytes: 4 << 10}, Logger: quiet, Clock: func() time.Time { return testTime }}
}

func mustOpen(t testing.TB, opts Options) *Log {
	t.Helper()
	l, err := Open(testDir, testTP, opts, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(nil) })
	return l
}

// batch encodes one batch of n records at offset base, whose values are about size bytes and say where they belong.
func batch(t testing.TB, base log.Offset, n, size int, at time.Time) []byte {
	t.Helper()
	var b log.Batch
	for i := range n {
		value := fmt.Appendf(nil, "record %d ", base+log.Offset(i))
		value = append(value, bytes.Repeat([]byte{byte(base)}, max(size-len(value), 0))...)
		b.Records = append(b.Records, log.Record{Value: value})
	}
	encoded, err := record.AppendBatch(nil, &b, at)
	if err != nil {
		t.Fatal(err)
	}
	record.SetPlace(encoded, base, 0)
	return encoded
}

func mustAppend(t testing.TB, l *Log, n, size int) {
	t.Helper()
	if err := l.Append(batch(t, l.NextOffset(), n, size, testTime)); err != nil {
		t.Fatal(err)
	}
}

func mustSync(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
}

// readAll returns all batches from offset from on, clearing nothing.
func readAll(l *Log, from log.Offset, maxBytes int) ([]byte, error) {
	var all []byte
	for from < l.NextOffset() {
		b, err := l.Read(nil, from, l.NextOffset(), maxBytes)
		if err != nil {
			return all, err
		}
		if len(b) == 0 { // only batches without records are left
			break
		}
		all = append(all, b...)
		for len(b) > 0 {
			h, err := record.ParseHeader(b)
			if err != nil {
				return all, err
			}
			from, b = h.NextOffset(), b[h.Size():]
		}
	}
	return all, nil
}

// checkRecords verifies that the log holds every offset of [start, next) once, in order, with the value that batch gave it.
func checkRecords(t testing.TB, l *Log) {
	t.Helper()
	all, err := readAll(l, l.StartOffset(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	want := l.StartOffset()
	for len(all) > 0 {
		h, rest, err := record.Next(all)
		if err != nil {
			t.Fatal(err)
		}
		records, err := record.Decode(nil, all, testTP, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Offset != want || !bytes.HasPrefix(r.Value, fmt.Appendf(nil, "record %d ", want)) {
				t.Fatalf("offset %d holds %d: %.20q", want, r.Offset, r.Value)
			}
			want++
		}
		want, all = max(want, h.NextOffset()), rest
	}
	if want != l.NextOffset() {
		t.Fatalf("log ends at %d, next offset is %d", want, l.NextOffset())
	}
}

func TestAppendReadReopen(t *testing.T) {
	for _, durability := range []log.Durability{log.Sync, log.Interval, log.None} {
		t.Run(string(durability), func(t *testing.T) {
			opts := testOptions(vfs.NewMem())
			opts.Config.Durability = durability
			l := mustOpen(t, opts)
			for i := range 100 {
				mustAppend(t, l, 1+i%3, 10+i*7)
				if i%4 == 0 {
					mustSync(t, l)
				}
			}
			checkRecords(t, l)
			next, segments, size := l.NextOffset(), l.Segments(), l.Bytes()
			if segments < 5 {
				t.Fatalf("%d segments", segments)
			}
			if err := l.Close([]byte("blob")); err != nil {
				t.Fatal(err)
			}
			blob := ""
			l, err := Open(testDir, testTP, opts, func(h record.Header) error { return fmt.Errorf("replay of %d", h.BaseOffset) },
				func(b []byte) error { blob = string(b); return nil })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close(nil)
			if blob != "blob" || l.NextOffset() != next || l.Segments() != segments || l.Bytes() != size {
				t.Fatalf("blob %q, next %d, %d segments, %d bytes; want %d, %d, %d", blob, l.NextOffset(), l.Segments(), l.Bytes(), next, segments, size)
			}
			mustAppend(t, l, 2, 100)
			mustSync(t, l)
			checkRecords(t, l)
		})
	}
}
