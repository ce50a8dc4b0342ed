package record_test

import (
	"bytes"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// FuzzDecode gives the decoder anything. What it accepts must say the same when it is encoded again,
// and a decode from the middle must be the end of a decode from the start.
func FuzzDecode(f *testing.F) {
	for _, b := range sorted() {
		for _, c := range written {
			copied := *b
			copied.Compression = c
			f.Add(encode(f, &copied))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := record.Decode(nil, data, tp, 0)
		if err != nil {
			if log.CodeOf(err) != log.Corrupt || got != nil {
				t.Fatalf("%d records, error %v, want CORRUPT", len(got), err)
			}
			return
		}
		fromMiddle(t, data, got)
		encodeAgain(t, got)
		if record.Verify(data) == nil {
			h, _, _ := record.Next(data)
			record.MarkBarrier(data)
			if err := record.Verify(data[:h.Size()]); err != nil {
				t.Fatalf("with a barrier: %v", err)
			}
		}
	})
}

func fromMiddle(t *testing.T, data []byte, all []log.Record) {
	t.Helper()
	if len(all) == 0 {
		return
	}
	k := len(all) / 2
	got, err := record.Decode(nil, data, tp, all[k].Offset)
	if err != nil || len(got) != len(all)-k {
		t.Fatalf("%d records from offset %d on, want %d, error %v", len(got), all[k].Offset, len(all)-k, err)
	}
	for i := range got {
		if !got[i].Same(&all[k+i]) || got[i].Offset != all[k+i].Offset {
			t.Fatalf("record %d from offset %d on: %+v, want %+v", i, all[k].Offset, got[i], all[k+i])
		}
	}
}

func encodeAgain(t *testing.T, records []log.Record) {
	t.Helper()
	enc, err := record.AppendBatch(nil, &log.Batch{Records: records}, now)
	if code := log.CodeOf(err); code == log.InvalidArgument || code == log.RecordTooLarge {
		return // times before 1970, no records, or decompressed to the limit
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := record.Decode(nil, enc, tp, 0)
	if err != nil || len(again) != len(records) {
		t.Fatalf("%d records, want %d, error %v", len(again), len(records), err)
	}
	for i := range again {
		if !again[i].Same(&records[i]) && !records[i].Timestamp.IsZero() {
			t.Fatalf("record %d: %+v, want %+v", i, again[i], records[i])
		}
	}
}

// FuzzRoundTrip makes a batch of what it is given, in each codec: it must come back, and with one
// bit changed behind its place it must be refused.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "name", []byte("header"), int64(1_700_000_000_000), uint8(3), uint32(99), uint8(0))
	f.Add([]byte{}, []byte{}, "", []byte{}, int64(0), uint8(0), uint32(0), uint8(7))
	f.Add(bytes.Repeat([]byte("a"), 300), bytes.Repeat([]byte{0}, 7000), "n", []byte("x"), int64(1)<<40, uint8(200), uint32(4000), uint8(255))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, ms int64, count uint8, bit uint32, nils uint8) {
		b := batchOf(key, value, name, header, ms&(1<<45-1), int(count)+1, nils)
		for _, c := range written {
			b.Compression = c
			enc := encode(t, b)
			if err := record.Verify(enc); err != nil {
				t.Fatal(err)
			}
			got, err := record.Decode(nil, enc, tp, 0)
			if err != nil || len(got) != len(b.Records) {
				t.Fatalf("codec %d: %d records, error %v", c, len(got), err)
			}
			for i := range got {
				if !got[i].Same(&b.Records[i]) || got[i].Offset != log.Offset(i) {
					t.Fatalf("codec %d: record %d: %+v, want %+v", c, i, got[i], b.Records[i])
				}
			}
			at := 16*8 + int(bit)%(len(enc)*8-16*8)
			enc[at/8] ^= 1 << (at % 8)
			if err := record.Verify(enc); log.CodeOf(err) != log.Corrupt {
				t.Fatalf("codec %d: bit %d was changed: error %v", c, at, err)
			}
		}
	})
}

// batchOf makes records from shares of the fuzzer's bytes; the bits of nils say which fields are absent.
func batchOf(key, value []byte, name string, header []byte, ms int64, count int, nils uint8) *log.Batch {
	b := &log.Batch{}
	if nils&8 != 0 {
		b.Producer = &log.ProducerSequence{ID: ms, Epoch: int16(nils), Sequence: int32(count)}
	}
	for i := range count {
		r := log.Record{
			Key: key[:len(key)*i/count], Value: value[len(value)*i/count:],
			Timestamp: time.UnixMilli(max(0, ms+int64(i%5-2)*1000)),
		}
		for h := range i % 4 {
			r.Headers = append(r.Headers, log.Header{Key: name[:len(name)*h/4], Value: header})
		}
		if nils&1 != 0 {
			r.Key = nil
		}
		if nils&2 != 0 {
			r.Value = nil
		}
		if nils&4 != 0 && len(r.Headers) > 0 {
			r.Headers[0].Value = nil
		}
		b.Records = append(b.Records, r)
	}
	return b
}
