package record_test

import (
	"bytes"
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
)

// rewrite rewrites a batch so that only records with keep(i) are left, and checks what cannot depend on the test.
func rewrite(t testing.TB, b []byte, keep func(i int) bool, horizon int64) ([]byte, record.Rewritten) {
	t.Helper()
	i := -1
	prefix := []byte("prefix")
	out, did, err := record.Rewrite(bytes.Clone(prefix), b, func(record.Entry) bool { i++; return keep(i) }, horizon)
	if err != nil || !bytes.HasPrefix(out, prefix) {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	out = out[len(prefix):]
	if wrote := did.Changed && did.Kept > 0; wrote != (len(out) > 0) {
		t.Fatalf("%+v with %d bytes", did, len(out))
	}
	return out, did
}

// subset decodes both batches and checks that the second holds those records of the first that keep chooses, as they were.
func subset(t testing.TB, before, after []byte, keep func(i int) bool) {
	t.Helper()
	old, err := record.Decode(nil, before, tp, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := record.Decode(nil, after, tp, 0)
	if err != nil || record.Verify(after) != nil {
		t.Fatal(err, record.Verify(after))
	}
	for i := range old {
		if !keep(i) {
			continue
		}
		if len(got) == 0 || !got[0].Same(&old[i]) || got[0].Offset != old[i].Offset || got[0].Epoch != old[i].Epoch {
			t.Fatalf("record %d of %d is missing or another: %+v", i, len(old), got)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Fatalf("%d records too many", len(got))
	}
}

// thinnings are ways to choose records of a batch.
var thinnings = map[string]func(i int) bool{
	"all": func(int) bool { return true }, "none": func(int) bool { return false }, "first": func(i int) bool { return i == 0 },
	"odd": func(i int) bool { return i%2 == 1 }, "but first": func(i int) bool { return i > 0 },
}

func TestRewrite(t *testing.T) {
	for name, keep := range thinnings {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, b *log.Batch) {
				enc := encode(t, b)
				record.SetPlace(enc, 1000, 7)
				out, did := rewrite(t, enc, keep, now.UnixMilli()+86_400_000)
				if did.Kept+did.Removed != len(b.Records) || did.Changed != (did.Removed > 0 || did.Tombstones > 0) {
					t.Fatalf("%+v", did)
				}
				if len(out) == 0 {
					return
				}
				subset(t, enc, out, keep)
				was, _ := record.ParseHeader(enc)
				is, _, err := record.Next(out)
				if err != nil || is.NextOffset() != was.NextOffset() || is.ProducerID != was.ProducerID || is.BaseSequence != was.BaseSequence ||
					is.ProducerEpoch != was.ProducerEpoch || is.Attributes.Compression() != b.Compression || !is.Attributes.Has(record.Barrier) || is.Span() != was.Span() {
					t.Fatalf("%+v became %+v, %v", was, is, err)
				}
				if is.Attributes.Has(record.DeleteHorizon) != (did.Tombstones > 0) {
					t.Fatalf("%+v: %+v", did, is)
				}
			})
		})
	}
}

// TestRewriteHorizon: a tombstone's batch gets the horizon once, keeps it, and loses it with its last tombstone; timestamps stay.
func TestRewriteHorizon(t *testing.T) {
	b := &log.Batch{Records: []log.Record{
		{Key: []byte("a"), Value: []byte("1"), Timestamp: now}, {Key: []byte("b"), Timestamp: now.Add(-1e12)}, {Key: []byte("c"), Value: []byte{}},
	}}
	all := thinnings["all"]
	first := encode(t, b)
	marked, did := rewrite(t, first, all, 5_000_000_000_000)
	if did.Horizon != 5_000_000_000_000 || did.Tombstones != 1 {
		t.Fatalf("%+v", did)
	}
	subset(t, first, marked, all)
	if _, did = rewrite(t, marked, all, 6_000_000_000_000); did.Changed || did.Horizon != 5_000_000_000_000 {
		t.Fatalf("again: %+v", did)
	}
	but := func(i int) bool { return i != 1 }
	cleared, did := rewrite(t, marked, but, 6_000_000_000_000)
	if did.Horizon != 0 {
		t.Fatalf("%+v", did)
	}
	subset(t, first, cleared, but)
	if h, _ := record.ParseHeader(cleared); h.Attributes.Has(record.DeleteHorizon) {
		t.Fatalf("%+v", h)
	}
}

func TestScan(t *testing.T) {
	forEach(t, func(t *testing.T, b *log.Batch) {
		enc := encode(t, b)
		record.SetPlace(enc, 50, 0)
		i := 0
		err := record.Scan(enc, func(e record.Entry) {
			r := &b.Records[i]
			if e.Offset != log.Offset(50+i) || !bytes.Equal(e.Key, r.Key) || (e.Key == nil) != (r.Key == nil) || e.Tombstone != (r.Value == nil) {
				t.Fatalf("record %d: %+v", i, e)
			}
			i++
		})
		if err != nil || i != len(b.Records) {
			t.Fatalf("%d records, %v", i, err)
		}
	})
}

func TestAppendEmpty(t *testing.T) {
	h, _ := record.ParseHeader(encode(t, batches()["idempotent"]))
	h.BaseOffset, h.Epoch = 70, 9
	b := record.AppendEmpty([]byte("x"), h)[1:]
	got, rest, err := record.Next(b)
	if err != nil || len(rest) != 0 || got.Size() != record.HeaderSize || got.Count != 0 || got.NextOffset() != 73 || got.Span() != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	s, ok := got.Producer()
	if want, _ := h.Producer(); !ok || s != want || got.Epoch != 9 || !got.Attributes.Has(record.Barrier) {
		t.Fatalf("%+v", got)
	}
	if records, err := record.Decode(nil, b, tp, 0); err != nil || len(records) != 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
}

// FuzzRewrite gives Scan and Rewrite anything. What Decode accepts they must read alike, and what is left must be what was kept.
func FuzzRewrite(f *testing.F) {
	for _, b := range sorted() {
		for _, c := range written {
			copied := *b
			copied.Compression = c
			f.Add(encode(f, &copied), uint64(0xaaaa_5555_1234_9999))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, mask uint64) {
		var scanned []string
		scanErr := record.Scan(data, func(e record.Entry) { scanned = append(scanned, fmt.Sprintf("%d %x %t", e.Offset, e.Key, e.Tombstone)) })
		keep := func(i int) bool { return mask>>(i%64)&1 == 1 }
		i := -1
		out, did, err := record.Rewrite(nil, data, func(record.Entry) bool { i++; return keep(i) }, 1<<41)
		if (err != nil || scanErr != nil) && log.CodeOf(err) != log.Corrupt {
			t.Fatalf("scan %v, rewrite %v", scanErr, err)
		}
		old, decodeErr := record.Decode(nil, data, tp, 0)
		if err != nil || decodeErr != nil {
			return
		}
		if len(scanned) != len(old) || did.Kept+did.Removed != len(old) {
			t.Fatalf("%d scanned, %+v, %d decoded", len(scanned), did, len(old))
		}
		for i, r := range old {
			if want := fmt.Sprintf("%d %x %t", r.Offset, r.Key, r.Value == nil); scanned[i] != want {
				t.Fatalf("record %d: %s instead of %s", i, scanned[i], want)
			}
		}
		if len(out) > 0 {
			subset(t, data, out, keep)
		}
	})
}
