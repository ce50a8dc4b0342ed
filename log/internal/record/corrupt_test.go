package record_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// Every single flipped bit of a batch is found out, except in the place, which the CRC does not
// cover: there only the record's offset and epoch change.
func TestVerifyFindsFlippedBits(t *testing.T) {
	enc := encode(t, &log.Batch{Records: []log.Record{{Key: []byte("k"), Value: []byte("v"), Timestamp: now}}})
	for bit := range len(enc) * 8 {
		flipped := bytes.Clone(enc)
		flipped[bit/8] ^= 1 << (bit % 8)
		place := bit < 64 || bit >= 96 && bit < 128
		err := record.Verify(flipped)
		if place && flipped[0]&0x80 == 0 {
			if err != nil {
				t.Errorf("bit %d: %v", bit, err)
			}
		} else if log.CodeOf(err) != log.Corrupt {
			t.Errorf("bit %d: error %v, want CORRUPT", bit, err)
		}
	}
}

func TestVerifyFindsTruncation(t *testing.T) {
	enc := encode(t, batches()["many"])
	for n := range enc {
		if err := record.Verify(enc[:n]); log.CodeOf(err) != log.Corrupt {
			t.Fatalf("%d of %d bytes: error %v, want CORRUPT", n, len(enc), err)
		}
		if _, err := record.Decode(nil, enc[:n], tp, 0); log.CodeOf(err) != log.Corrupt {
			t.Fatalf("%d of %d bytes: decode error %v, want CORRUPT", n, len(enc), err)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	enc := encode(t, batches()["headers"])
	for name, change := range map[string]func(b []byte){
		"magic":           func(b []byte) { b[16] = 1 },
		"length small":    func(b []byte) { binary.BigEndian.PutUint32(b[8:], 48) },
		"length negative": func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) },
		"length huge":     func(b []byte) { binary.BigEndian.PutUint32(b[8:], 50+record.BodyBytesMax) },
		"offset negative": func(b []byte) { binary.BigEndian.PutUint64(b, 1<<63) },
		"offset overflow": func(b []byte) {
			binary.BigEndian.PutUint64(b, math.MaxInt64-9)
			binary.BigEndian.PutUint32(b[23:], 9)
		},
		"delta negative": func(b []byte) { binary.BigEndian.PutUint32(b[23:], 1<<31) },
		"count negative": func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1<<31) },
		"count > delta":  func(b []byte) { binary.BigEndian.PutUint32(b[57:], 2) },
		"count huge": func(b []byte) {
			binary.BigEndian.PutUint32(b[23:], 1<<30)
			binary.BigEndian.PutUint32(b[57:], record.RecordsMax+1)
		},
	} {
		changed := bytes.Clone(enc)
		change(changed)
		if _, err := record.ParseHeader(changed); log.CodeOf(err) != log.Corrupt {
			t.Errorf("%s: error %v, want CORRUPT", name, err)
		}
	}
}

// The body of one record whose fields are wrong, behind a header that is right.
func TestDecodeRefuses(t *testing.T) {
	one := encode(t, &log.Batch{Records: []log.Record{{Key: []byte("k"), Value: []byte("v"), Timestamp: now}}})
	long := bytes.Repeat([]byte{0xff}, 10)
	for name, body := range map[string][]byte{
		"empty":                  {},
		"length beyond":          {40, 0, 0, 0, 1, 1, 0},
		"length negative":        {1, 0, 0, 0, 1, 1, 0},
		"length too long":        append(long, 1, 0, 0, 0, 1, 1, 0),
		"offset beyond batch":    {12, 0, 0, 2, 1, 1, 0},
		"offset negative":        {12, 0, 0, 1, 1, 1, 0},
		"key beyond":             {12, 0, 0, 0, 20, 1, 0},
		"key length -2":          {12, 0, 0, 0, 3, 1, 0},
		"value beyond":           {12, 0, 0, 0, 1, 20, 0},
		"header count":           {12, 0, 0, 0, 1, 1, 2},
		"header count negative":  {12, 0, 0, 0, 1, 1, 1},
		"header name nil":        {16, 0, 0, 0, 1, 1, 2, 1, 1},
		"header value beyond":    {16, 0, 0, 0, 1, 1, 2, 0, 20},
		"bytes behind fields":    {14, 0, 0, 0, 1, 1, 0, 0},
		"bytes behind record":    {12, 0, 0, 0, 1, 1, 0, 0},
		"second record unwanted": {12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0},
	} {
		first := []log.Record{{Offset: 42}}
		got, err := record.Decode(first, withBody(one, log.Uncompressed, body), tp, 0)
		if log.CodeOf(err) != log.Corrupt || len(got) != 1 || got[0].Offset != 42 {
			t.Errorf("%s: records %v, error %v, want CORRUPT", name, got, err)
		}
	}
	for _, c := range []log.Compression{log.Gzip, log.Snappy, log.LZ4, log.Zstd, 5, 6, 7} {
		if got, err := record.Decode(nil, withBody(one, c, []byte("this is not compressed")), tp, 0); log.CodeOf(err) != log.Corrupt {
			t.Errorf("codec %d: records %v, error %v, want CORRUPT", c, got, err)
		}
	}
}

// A batch of 4 KiB that would grow beyond 128 MiB is refused. Its zstd frame repeats blocks of one byte
// repeated 131,072 times (RFC 8878, 3.1.1.2). The other codecs' bounds are tested with smaller ones.
func TestDecodeIsBounded(t *testing.T) {
	one := encode(t, &log.Batch{Records: []log.Record{{Timestamp: now}}})
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50} // magic, no sizes, a window of 1 MiB
	const block = 1<<17<<3 | 1<<1                       // size, type RLE
	for range record.BodyBytesMax >> 17 {
		frame = append(frame, block&0xff, block>>8&0xff, block>>16, 0)
	}
	frame = append(frame, block&0xff|1, block>>8&0xff, block>>16, 0) // the last one
	_, err := record.Decode(nil, withBody(one, log.Zstd, frame), tp, 0)
	if log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), "larger uncompressed") {
		t.Errorf("error %v, want CORRUPT for its size", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := []log.Record{{Value: []byte("v")}}
	for name, c := range map[string]struct {
		batch log.Batch
		code  log.Code
	}{
		"empty":             {log.Batch{}, log.InvalidArgument},
		"gzip":              {log.Batch{Records: one, Compression: log.Gzip}, log.InvalidArgument},
		"unknown codec":     {log.Batch{Records: one, Compression: 9}, log.InvalidArgument},
		"producer id":       {log.Batch{Records: one, Producer: &log.ProducerSequence{ID: -1}}, log.InvalidArgument},
		"producer epoch":    {log.Batch{Records: one, Producer: &log.ProducerSequence{Epoch: -1}}, log.InvalidArgument},
		"producer sequence": {log.Batch{Records: one, Producer: &log.ProducerSequence{Sequence: -1}}, log.InvalidArgument},
		"before 1970":       {log.Batch{Records: []log.Record{{Timestamp: time.UnixMilli(-1)}}}, log.InvalidArgument},
		"many records":      {log.Batch{Records: make([]log.Record, record.RecordsMax+1)}, log.RecordTooLarge},
		"many headers":      {log.Batch{Records: []log.Record{{Headers: make([]log.Header, record.HeadersMax+1)}}}, log.RecordTooLarge},
		"large":             {log.Batch{Records: []log.Record{{Value: make([]byte, record.BodyBytesMax)}}}, log.RecordTooLarge},
	} {
		dst := []byte("before")
		got, err := record.AppendBatch(dst, &c.batch, now)
		if log.CodeOf(err) != c.code || string(got) != "before" {
			t.Errorf("%s: %d bytes, error %v, want %v", name, len(got), err, c.code)
		}
	}
}

func TestMarkBarrier(t *testing.T) {
	enc := encode(t, batches()["many"])
	behind := bytes.Clone(enc)
	two := append(enc, behind...)
	record.MarkBarrier(two)
	h, rest, err := record.Next(two)
	if err != nil || !h.Attributes.Has(record.Barrier) || h.Attributes.Compression() != log.Uncompressed {
		t.Fatalf("header %+v, error %v", h, err)
	}
	if !bytes.Equal(rest, behind) {
		t.Error("the batch behind was changed")
	}
	got, err := record.Decode(nil, two, tp, 0)
	if err != nil || len(got) != len(batches()["many"].Records) {
		t.Errorf("%d records, error %v", len(got), err)
	}
}

// Batches with Kafka's other flags: a control batch holds nothing for a reader, and log append time
// replaces the timestamps of all records.
func TestDecodeFlags(t *testing.T) {
	enc := encode(t, batches()["many"])
	set := func(flag record.Attributes) []byte {
		return withBody(enc, log.Compression(flag), enc[record.HeaderSize:])
	}
	if got, err := record.Decode(nil, set(record.Control), tp, 0); err != nil || len(got) != 0 {
		t.Errorf("control batch: %d records, error %v", len(got), err)
	}
	got, err := record.Decode(nil, set(record.LogAppendTime), tp, 0)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := record.ParseHeader(enc)
	for i := range got {
		if got[i].Timestamp.UnixMilli() != h.MaxTimestamp {
			t.Fatalf("record %d has %v", i, got[i].Timestamp)
		}
	}
}

// Records that compaction removed leave gaps between the offsets.
func TestDecodeGaps(t *testing.T) {
	enc := encode(t, &log.Batch{Records: []log.Record{{Timestamp: now}, {Timestamp: now}}})
	gap := withBody(enc, log.Uncompressed, []byte{12, 0, 0, 6, 1, 1, 0, 12, 0, 0, 18, 1, 1, 0})
	binary.BigEndian.PutUint32(gap[23:], 9)
	record.SetPlace(gap, 100, 0)
	got, err := record.Decode(nil, gap, tp, 0)
	if err != nil || len(got) != 2 || got[0].Offset != 103 || got[1].Offset != 109 {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestRecordSize(t *testing.T) {
	for name, b := range batches() {
		enc := encode(t, b)
		got, err := record.Decode(nil, enc, tp, 0)
		if err != nil {
			t.Fatal(err)
		}
		if total := len(enc) - record.HeaderSize; sizes(got) != total {
			t.Errorf("%s: sizes add up to %d, want %d", name, sizes(got), total)
		}
		for i := range got {
			if n := record.RecordSize(&b.Records[i]); got[i].Size < n || got[i].Size > n+13 {
				t.Errorf("%s: record %d takes %d bytes, RecordSize says %d", name, i, got[i].Size, n)
			}
		}
	}
}

func sizes(records []log.Record) (n int) {
	for i := range records {
		n += records[i].Size
	}
	return n
}
