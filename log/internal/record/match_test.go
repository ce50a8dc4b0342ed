package record_test

import (
	"fmt"
	"slices"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
)

// tagged makes a batch whose records have keys and tags, and some neither.
func tagged(n int) *log.Batch {
	b := &log.Batch{}
	for i := range n {
		r := log.Record{Value: fmt.Appendf(nil, "value %d ce_type", i), Headers: []log.Header{{Key: "other", Value: []byte("x")}}}
		if i%4 != 0 {
			r.Key = fmt.Appendf(nil, "key %d", i%7)
		}
		if i%5 != 0 {
			r.Headers = append(r.Headers, log.Header{Key: "ce_type", Value: fmt.Appendf(nil, "tag %d", i%3)}, log.Header{Key: "ce_type", Value: []byte("second")})
		}
		if i%11 == 0 {
			r.Key, r.Headers = []byte{}, append(r.Headers, log.Header{Key: "ce_type"})
		}
		b.Records = append(b.Records, r)
	}
	return b
}

var filters = []*log.Filter{
	{Tags: []string{"tag 1"}},
	{Tags: []string{"tag 0", "tag 2", "none"}},
	{Tags: []string{"second"}},
	{Tags: []string{""}},
	{Keys: [][]byte{[]byte("key 3")}},
	{Keys: [][]byte{[]byte("key 3"), []byte("key 6")}, Tags: []string{"tag 1", ""}},
	{Keys: [][]byte{{}}},
	{Keys: [][]byte{nil}},
	{Keys: [][]byte{[]byte("none")}},
}

// TestDecodeMatching: what is chosen is what a filter over all records chooses, in every codec, and none of it lies in the batch's memory.
func TestDecodeMatching(t *testing.T) {
	for _, c := range written {
		b := tagged(500)
		b.Compression = c
		enc := encode(t, b)
		for i, f := range filters {
			checkMatching(t, slices.Clone(enc), f, log.Offset(i*7))
		}
	}
}

// checkMatching compares the matcher and the marks of an encoded batch with its decoded records. It destroys enc.
func checkMatching(t *testing.T, enc []byte, f *log.Filter, from log.Offset) {
	t.Helper()
	all, err := record.Decode(nil, slices.Clone(enc), tp, from)
	if err != nil {
		t.Fatal(err)
	}
	marks, err := record.AppendMarks(nil, enc, "ce_type")
	if err != nil {
		t.Fatal(err)
	}
	m := record.NewMatcher(f, "ce_type")
	got, err := record.DecodeMatching(nil, enc, tp, from, m)
	if err != nil {
		t.Fatal(err)
	}
	clear(enc)
	for i := range all {
		if !f.Matches(&all[i], "ce_type") {
			continue
		}
		if len(got) == 0 || got[0].Offset != all[i].Offset || !got[0].Same(&all[i]) || got[0].Size != all[i].Size || got[0].CRC != all[i].CRC {
			t.Fatalf("filter %v: %+v is missing, %d are left", f, all[i], len(got))
		}
		got = got[1:]
		if len(f.Keys) > 0 && !slices.Contains(marks, record.KeyMark(all[i].Key)) {
			t.Fatalf("no mark of key %q", all[i].Key)
		}
		if tag, ok := all[i].Header("ce_type"); len(f.Tags) > 0 && (!ok || !slices.Contains(marks, record.TagMark(tag))) {
			t.Fatalf("no mark of tag %q", tag)
		}
	}
	if len(got) != 0 {
		t.Fatalf("filter %v: %+v is too many", f, got[0])
	}
}

func TestMarksOfRecordsAreThoseOfTheirBatch(t *testing.T) {
	for _, c := range written {
		b := tagged(100)
		b.Compression = c
		got, err := record.AppendMarks([]uint32{7}, encode(t, b), "ce_type")
		if want := record.MarksOf([]uint32{7}, b.Records, "ce_type"); err != nil || !slices.Equal(got, want) {
			t.Errorf("codec %d: %d marks, want %d, %v", c, len(got), len(want), err)
		}
	}
}

// TestMarksStayAsTheyAre: they are stored in index files.
func TestMarksStayAsTheyAre(t *testing.T) {
	if got := record.KeyMark([]byte("hotel")); got != 0x647105f {
		t.Errorf("mark of key: %#x", got)
	}
	if got := record.TagMark([]byte("hotel")); got != 0x6a343db0 {
		t.Errorf("mark of tag: %#x", got)
	}
}

func TestMatchingRefusesWhatCannotBeRead(t *testing.T) {
	enc := encode(t, tagged(3))
	m := record.NewMatcher(filters[0], "ce_type")
	for at := record.HeaderSize; at < len(enc); at++ {
		for _, b := range []byte{0x7f, 0x81, 0x00} {
			bad := slices.Clone(enc)
			bad[at] = b
			if _, err := record.DecodeMatching(nil, bad, tp, 0, m); err != nil && log.CodeOf(err) != log.Corrupt {
				t.Fatalf("byte %d: %v", at, err)
			}
			if _, err := record.AppendMarks(nil, bad, "ce_type"); err != nil && log.CodeOf(err) != log.Corrupt {
				t.Fatalf("byte %d: %v", at, err)
			}
		}
	}
	short := enc[:len(enc)-1]
	if _, err := record.AppendMarks(nil, short, "ce_type"); log.CodeOf(err) != log.Corrupt {
		t.Error(err)
	}
}

// FuzzMatching gives the matcher anything that decodes: it must choose what a filter over the decoded records chooses.
func FuzzMatching(f *testing.F) {
	for _, c := range written {
		b := tagged(20)
		b.Compression = c
		f.Add(encode(f, b), "tag 1", []byte("key 3"), uint8(0))
		f.Add(encode(f, b), "second", []byte(nil), uint8(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, tag string, key []byte, from uint8) {
		h, err := record.ParseHeader(data)
		if err != nil {
			return
		}
		if _, err := record.Decode(nil, data, tp, 0); err != nil {
			return
		}
		for _, filter := range []*log.Filter{{Tags: []string{tag}}, {Keys: [][]byte{key}}, {Tags: []string{tag}, Keys: [][]byte{key}}} {
			if !h.Attributes.Has(record.Control) {
				checkMatching(t, slices.Clone(data), filter, h.BaseOffset+log.Offset(from))
			}
		}
	})
}

// BenchmarkDecodeMatching reads a batch of 1,000 records of which none, one or all are chosen; "decode" is the same without a filter.
func BenchmarkDecodeMatching(b *testing.B) {
	batch := &log.Batch{}
	for i := range 1000 {
		batch.Records = append(batch.Records, log.Record{
			Key: fmt.Appendf(nil, "key %d", i), Value: make([]byte, 400),
			Headers: []log.Header{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: make([]byte, 36)}, {Key: "ce_type", Value: []byte("lodge.reservation.placed.v1")}},
		})
	}
	enc := encode(b, batch)
	for name, f := range map[string]*log.Filter{
		"decode": {}, "none": {Tags: []string{"x"}}, "key": {Keys: [][]byte{[]byte("key 7")}}, "all": {Tags: []string{"lodge.reservation.placed.v1"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(enc)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if f.All() {
					_, err = record.Decode(nil, enc, tp, 0)
				} else {
					_, err = record.DecodeMatching(nil, enc, tp, 0, record.NewMatcher(f, "ce_type"))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendMarks(b *testing.B) {
	for name, batch := range map[string]*log.Batch{"tagged": tagged(1000), "plain": {Records: make([]log.Record, 1000)}} {
		b.Run(name, func(b *testing.B) {
			enc := encode(b, batch)
			var marks []uint32
			for b.Loop() {
				var err error
				if marks, err = record.AppendMarks(marks[:0], enc, "ce_type"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
