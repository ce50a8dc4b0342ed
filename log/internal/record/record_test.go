package record_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lodge/log"
	"lodge/log/internal/record"
)

var (
	tp  = log.TopicPartition{Topic: "bookings", Partition: 3}
	now = time.UnixMilli(1_700_000_000_123)
)

// batches are what the tests of the format write and read: each is named by what is particular.
func batches() map[string]*log.Batch {
	long := []byte(strings.Repeat("check-in 2026-12-24, two nights; ", 400))
	many := make([]log.Record, 300)
	for i := range many {
		many[i] = log.Record{
			Key: fmt.Appendf(nil, "hotel-%d", i%7), Value: fmt.Appendf(nil, "value %d", i),
			Headers:   []log.Header{{Key: "ce_type", Value: []byte("lodge.reservation.placed.v1")}, {Key: "ce_id", Value: fmt.Append(nil, i)}},
			Timestamp: now.Add(time.Duration(i-20) * time.Second),
		}
	}
	return map[string]*log.Batch{
		"one":         {Records: []log.Record{{Key: []byte("k"), Value: []byte("v"), Timestamp: now}}},
		"nil key":     {Records: []log.Record{{Value: []byte("v"), Timestamp: now}}},
		"nil value":   {Records: []log.Record{{Key: []byte("k"), Timestamp: now}}},
		"nil both":    {Records: []log.Record{{Timestamp: now}}},
		"empty both":  {Records: []log.Record{{Key: []byte{}, Value: []byte{}, Timestamp: now}}},
		"headers":     {Records: []log.Record{{Value: []byte("v"), Timestamp: now, Headers: []log.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "", Value: nil}}}}},
		"many":        {Records: many},
		"long":        {Records: []log.Record{{Key: long[:200], Value: long, Timestamp: now}, {Value: long[:5000], Timestamp: now.Add(-time.Hour)}}},
		"idempotent":  {Records: many[:3], Producer: &log.ProducerSequence{ID: 1<<40 + 7, Epoch: 12, Sequence: 1<<31 - 1}},
		"time zero":   {Records: []log.Record{{Value: []byte("v"), Timestamp: time.UnixMilli(0)}}},
		"time far":    {Records: []log.Record{{Value: []byte("v"), Timestamp: time.UnixMilli(0)}, {Value: []byte("v"), Timestamp: time.Date(2262, 4, 1, 0, 0, 0, 0, time.UTC)}}},
		"no time set": {Records: []log.Record{{Value: []byte("v")}, {Value: []byte("w"), Timestamp: now.Add(time.Second)}}},
	}
}

var written = []log.Compression{log.Uncompressed, log.LZ4, log.Zstd}

func encode(t testing.TB, b *log.Batch) []byte {
	t.Helper()
	out, err := record.AppendBatch(nil, b, now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forEach runs f for every batch in every codec that is written.
func forEach(t *testing.T, f func(t *testing.T, b *log.Batch)) {
	named := batches()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		for _, c := range written {
			t.Run(fmt.Sprintf("%s/codec %d", name, c), func(t *testing.T) {
				copied := *named[name]
				copied.Compression = c
				f(t, &copied)
			})
		}
	}
}

// want returns r as it must be read back.
func want(r log.Record) *log.Record {
	if r.Timestamp.IsZero() {
		r.Timestamp = now
	}
	return &r
}

func TestRoundTrip(t *testing.T) {
	forEach(t, func(t *testing.T, b *log.Batch) {
		enc := encode(t, b)
		record.SetPlace(enc, 1000, 5)
		if err := record.Verify(enc); err != nil {
			t.Fatal(err)
		}
		h, _ := record.ParseHeader(enc)
		got, err := record.Decode(nil, enc, tp, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(b.Records) || h.Size() != len(enc) || h.NextOffset() != 1000+log.Offset(len(got)) {
			t.Fatalf("%d records of %d, size %d of %d, next offset %d", len(got), len(b.Records), h.Size(), len(enc), h.NextOffset())
		}
		for i := range got {
			if w := want(b.Records[i]); !got[i].Same(w) {
				t.Fatalf("record %d: got %+v, want %+v", i, got[i], w)
			}
			if p := got[i].Position(); p != (log.Position{Topic: "bookings", Partition: 3, Offset: 1000 + log.Offset(i)}) {
				t.Fatalf("record %d is at %v", i, p)
			}
			if got[i].Epoch != 5 || got[i].CRC != h.CRC {
				t.Fatalf("record %d has epoch %d and CRC %x", i, got[i].Epoch, got[i].CRC)
			}
		}
	})
}

func TestDecodeFrom(t *testing.T) {
	forEach(t, func(t *testing.T, b *log.Batch) {
		enc := encode(t, b)
		record.SetPlace(enc, 50, 0)
		n := len(b.Records)
		for _, from := range []int{0, 50, 50 + n/2, 50 + n - 1, 50 + n, 1 << 20} {
			first := []log.Record{{Offset: 7}}
			got, err := record.Decode(first, enc, tp, log.Offset(from))
			if err != nil {
				t.Fatal(err)
			}
			want := min(n, max(0, 50+n-from))
			if len(got) != 1+want || got[0].Offset != 7 {
				t.Fatalf("from %d: %d records, want %d", from, len(got)-1, want)
			}
			if want > 0 && got[1].Offset != log.Offset(max(50, from)) {
				t.Fatalf("from %d: first offset %d", from, got[1].Offset)
			}
		}
	})
}

// Kafka's clients stop at the year 2262, Lodge does not.
func TestTimestampFar(t *testing.T) {
	b := &log.Batch{Records: []log.Record{{Timestamp: time.UnixMilli(0)}, {Timestamp: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}}}
	got, err := record.Decode(nil, encode(t, b), tp, 0)
	if err != nil || !got[1].Same(&b.Records[1]) {
		t.Errorf("got %v, error %v", got, err)
	}
}

// The golden bytes are what lies on disk and must never change. That they are Kafka's, kmsg says.
func TestGolden(t *testing.T) {
	b := &log.Batch{
		Records: []log.Record{
			{Key: []byte("hotel-1"), Value: []byte("placed"), Timestamp: now, Headers: []log.Header{{Key: "ce_id", Value: []byte("1")}, {Key: "n"}}},
			{Value: []byte{}, Timestamp: now.Add(-time.Second)},
		},
		Producer: &log.ProducerSequence{ID: 9, Epoch: 2, Sequence: 40},
	}
	enc := encode(t, b)
	record.SetPlace(enc, 0x0102030405, 7)
	const golden = "0000000102030405000000580000000702809fb1630000000000010000018bcfe5687b0000018bcfe5687b000000000000000900020000002800000002" +
		"3c0000000e686f74656c2d310c706c61636564040a63655f69640231026e01" + "0e00cf0f02010000"
	if got := hex.EncodeToString(enc); got != golden {
		t.Errorf("encoded\n%s, want\n%s", got, golden)
	}
	stored, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, err := record.Decode(nil, stored, tp, 0)
	if err != nil || len(got) != 2 || !got[0].Same(&b.Records[0]) || !got[1].Same(&b.Records[1]) || got[1].Offset != 0x0102030406 {
		t.Errorf("decoded %+v, error %v", got, err)
	}
	var parsed kmsg.RecordBatch
	if err := parsed.ReadFrom(stored); err != nil || !bytes.Equal(parsed.AppendTo(nil), stored) {
		t.Errorf("kmsg reads %+v, error %v", parsed, err)
	}
}
