package record_test

import (
	"bytes"
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
)

// event is a record as the platform writes them: about 600 bytes with nine headers.
func event() log.Record {
	r := log.Record{Key: []byte("018bcfe5-687b-7000-8000-000000000001"), Value: bytes.Repeat([]byte("lodging "), 32), Timestamp: now}
	for _, name := range []string{"ce_id", "ce_type", "ce_source", "ce_time", "ce_correlationid", "ce_causationid", "lodge_request_id", "lodge_request_fp", "ce_specversion"} {
		r.Headers = append(r.Headers, log.Header{Key: name, Value: []byte("018bcfe5-687b")})
	}
	return r
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	b := &log.Batch{Records: []log.Record{event(), event()}, Producer: &log.ProducerSequence{}}
	dst := make([]byte, 0, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := record.AppendBatch(dst, b, now); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A batch costs one slab of headers, however many records it has; the records are the caller's.
func TestDecodeAllocatesLittle(t *testing.T) {
	b := &log.Batch{}
	for range 100 {
		b.Records = append(b.Records, event())
	}
	enc := encode(t, b)
	dst := make([]log.Record, 0, 100)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := record.Decode(dst, enc, tp, 0); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 100} {
		for _, c := range written {
			b.Run(fmt.Sprintf("%d records/codec %d", n, c), func(b *testing.B) {
				batch := &log.Batch{Compression: c}
				for range n {
					batch.Records = append(batch.Records, event())
				}
				dst, _ := record.AppendBatch(nil, batch, now)
				b.SetBytes(int64(len(dst)))
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = record.AppendBatch(dst[:0], batch, now)
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 100} {
		for _, c := range written {
			b.Run(fmt.Sprintf("%d records/codec %d", n, c), func(b *testing.B) {
				batch := &log.Batch{Compression: c}
				for range n {
					batch.Records = append(batch.Records, event())
				}
				enc := encode(b, batch)
				dst := make([]log.Record, 0, n)
				b.SetBytes(int64(len(enc)))
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = record.Decode(dst[:0], enc, tp, 0)
				}
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	enc := encode(b, &log.Batch{Records: []log.Record{event()}})
	b.SetBytes(int64(len(enc)))
	for b.Loop() {
		if err := record.Verify(enc); err != nil {
			b.Fatal(err)
		}
	}
}
