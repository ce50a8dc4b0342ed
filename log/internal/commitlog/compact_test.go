package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// compactOptions are those of a log that is compacted whenever something is dirty.
func compactOptions(fsys vfs.FS) Options {
	opts := testOptions(fsys)
	opts.Config.Cleanup, opts.Config.DirtyRatio, opts.Config.TombstoneAge = log.CleanupCompact, 1e-9, time.Hour
	return opts
}

func keyed(key, value string) log.Record {
	r := log.Record{Key: []byte(key), Timestamp: testTime}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// appendRecords appends one batch and syncs it.
func appendRecords(t testing.TB, l *Log, b log.Batch) {
	t.Helper()
	encoded, err := record.AppendBatch(nil, &b, testTime)
	if err != nil {
		t.Fatal(err)
	}
	record.SetPlace(encoded, l.NextOffset(), 3)
	if err := errors.Join(l.Append(encoded), l.Sync()); err != nil {
		t.Fatal(err)
	}
}

// mustClean closes the active segment and compacts everything.
func mustClean(t testing.TB, l *Log, now time.Time, newest func(int64) log.Offset) Cleaned {
	t.Helper()
	l.mu.Lock()
	var err error
	if l.active.size.Load() > 0 {
		err = l.roll()
	}
	l.mu.Unlock()
	done, cleanErr := l.Clean(CleanOptions{Now: now, HighWatermark: l.NextOffset(), Newest: newest})
	if err = errors.Join(err, cleanErr); err != nil {
		t.Fatal(err)
	}
	return done
}

// recordsOf reads the whole log.
func recordsOf(t testing.TB, l *Log) (records []log.Record) {
	t.Helper()
	all, err := readAll(l, l.StartOffset(), 3000)
	for err == nil && len(all) > 0 {
		records, err = record.Decode(records, all, testTP, l.StartOffset())
		h, _ := record.ParseHeader(all)
		all = all[h.Size():]
	}
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// listing is the records as text.
func listing(records []log.Record) string {
	var s []string
	for _, r := range records {
		s = append(s, fmt.Sprintf("%d:%s=%s", r.Offset, r.Key, r.Value))
	}
	return strings.Join(s, " ")
}

func mustBeWhole(t testing.TB, fsys vfs.FS) *Inspection {
	t.Helper()
	in, err := Inspect(fsys, testDir, nil)
	if err != nil || len(in.Damages) > 0 {
		t.Fatalf("%+v, %v", in, err)
	}
	return in
}

func TestClean(t *testing.T) {
	mem := vfs.NewMem()
	opts := compactOptions(mem)
	l := mustOpen(t, opts)
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "1"), keyed("b", "1"), keyed("a", "2")}})
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("c", "1")}})
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("d", "1"), {Value: []byte("no key")}, keyed("c", "2")}})
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("d", "2")}})
	const want = "1:b=1 2:a=2 5:=no key 6:c=2 7:d=2"
	done := mustClean(t, l, testTime, nil)
	if done.RecordsRemoved != 3 || done.Records != 8 || done.Passes != 1 || done.BytesAfter >= done.BytesBefore {
		t.Errorf("%+v", done)
	}
	if again := mustClean(t, l, testTime, nil); again.Segments != 0 {
		t.Errorf("again: %+v", again)
	}
	check := func(l *Log) {
		t.Helper()
		if got := listing(recordsOf(t, l)); got != want || l.NextOffset() != 8 || l.StartOffset() != 0 {
			t.Errorf("%s, next %d", got, l.NextOffset())
		}
		for from, first := range []log.Offset{1, 1, 2, 5, 5, 5, 6, 7} { // an offset in a gap: the next record
			b, err := l.Read(nil, log.Offset(from), 8, 1)
			if err != nil {
				t.Fatal(err)
			}
			records, err := record.Decode(nil, b, testTP, log.Offset(from))
			if err != nil || len(records) == 0 || records[0].Offset != first {
				t.Errorf("from %d: %s, %v", from, listing(records), err)
			}
		}
	}
	check(l)
	if err := l.Close([]byte("blob")); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, mem)
	check(mustOpen(t, opts))
	// Without checkpoint and indexes: all is verified, and all base offsets go on.
	for name := range snapshot(t, mem) {
		if !strings.HasSuffix(name, logSuffix) {
			mem.Remove(path.Join(testDir, name))
		}
	}
	check(mustOpen(t, opts))
}

// TestCleanAgainstMap compacts a random log again and again and compares it with a map from key to last record.
func TestCleanAgainstMap(t *testing.T) {
	eachSeed(t, 6, func(t *testing.T, rng *rand.Rand) {
		mem := vfs.NewMem()
		opts := compactOptions(mem)
		opts.Config.SegmentBytes = 4<<10 + rng.Int64N(60<<10)
		now := testTime
		opts.Clock = func() time.Time { return now }
		l := mustOpen(t, opts)
		last := map[string]log.Record{}
		cleaned := Cleaned{}
		for round := range 6 {
			for range 200 {
				b := log.Batch{Compression: []log.Compression{log.Uncompressed, log.LZ4, log.Zstd}[rng.IntN(3)]}
				for i := range 1 + rng.IntN(8) {
					r := keyed(fmt.Sprintf("key-%d", rng.IntN(300)), fmt.Sprintf("%d %s", rng.Uint64(), bytes.Repeat([]byte("v"), rng.IntN(100))))
					r.Timestamp = now.Add(time.Duration(rng.IntN(10000)) * time.Millisecond)
					if rng.IntN(10) == 0 {
						r.Value = nil
					}
					b.Records = append(b.Records, r)
					r.Offset = l.NextOffset() + log.Offset(i)
					last[string(r.Key)] = r
				}
				appendRecords(t, l, b)
			}
			now = now.Add(40 * time.Minute)
			done, err := l.Clean(CleanOptions{Now: now, HighWatermark: l.NextOffset(), MapBytes: []int{0, 24 * 100}[round%2]})
			if err != nil {
				t.Fatal(err)
			}
			cleaned.Passes += done.Passes
			cleaned.RecordsRemoved += done.RecordsRemoved
			compareWithMap(t, l, last)
			if round%2 == 1 {
				if err := l.Close(nil); err != nil {
					t.Fatal(err)
				}
				mustBeWhole(t, mem)
				l = mustOpen(t, opts)
			}
		}
		mustClean(t, l, now, nil)
		now = now.Add(2 * time.Hour)
		mustClean(t, l, now, nil)
		compareWithMap(t, l, last)
		alive := 0
		for _, r := range last {
			if r.Value != nil {
				alive++
			}
		}
		if n := len(recordsOf(t, l)); n != alive || cleaned.Passes < 12 || cleaned.RecordsRemoved < 1000 {
			t.Errorf("%d records for %d keys; %+v", n, alive, cleaned)
		}
	})
}

// compareWithMap checks that the last record of each key is there, as it was, and none after it.
func compareWithMap(t *testing.T, l *Log, last map[string]log.Record) {
	t.Helper()
	found := map[string]log.Record{}
	next := l.StartOffset()
	for _, r := range recordsOf(t, l) {
		if r.Offset < next || r.Epoch != 3 {
			t.Fatalf("offset %d behind %d, epoch %d", r.Offset, next-1, r.Epoch)
		}
		next = r.Offset + 1
		found[string(r.Key)] = r
	}
	for key, want := range last {
		got, ok := found[key]
		if !ok && want.Value == nil {
			continue
		}
		if !ok || got.Offset != want.Offset || !got.Same(&want) {
			t.Fatalf("%s: found %t %d %q %v, want %d %q %v", key, ok, got.Offset, got.Value, got.Timestamp, want.Offset, want.Value, want.Timestamp)
		}
	}
}

// TestTombstone: it stays for TombstoneAge after the pass that dropped what it deletes, across restarts, and goes by itself then.
func TestTombstone(t *testing.T) {
	mem := vfs.NewMem()
	opts := compactOptions(mem)
	l := mustOpen(t, opts)
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "1"), keyed("b", "1")}})
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "")}})
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "1:b=1 2:a="}, {30 * time.Minute, "1:b=1 2:a="}, {59 * time.Minute, "1:b=1 2:a="}, {time.Hour, "1:b=1"}, {9 * time.Hour, "1:b=1"}} {
		mustClean(t, l, testTime.Add(step.after), nil)
		if got := listing(recordsOf(t, l)); got != step.want {
			t.Fatalf("after %v: %s", step.after, got)
		}
		if err := l.Close(nil); err != nil {
			t.Fatal(err)
		}
		mustBeWhole(t, mem)
		l = mustOpen(t, opts)
	}
	if due := l.saved.horizon; due != 0 {
		t.Errorf("still due at %d", due)
	}
	if done := mustClean(t, l, testTime.Add(99*time.Hour), nil); done.Passes != 0 {
		t.Errorf("compacted for nothing: %+v", done)
	}
}

// TestCleanKeepsProducers: the last batch of a producer stays, empty, as long as it is remembered; a replay finds its next sequence.
func TestCleanKeepsProducers(t *testing.T) {
	mem := vfs.NewMem()
	opts := compactOptions(mem)
	l := mustOpen(t, opts)
	for i := range 4 { // producer 7 at 0, 2, 4, 6 and producer 8 at 8, 9
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "x"), keyed("a", "y")}, Producer: &log.ProducerSequence{ID: 7, Sequence: int32(2 * i)}})
	}
	for i := range 2 {
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "z")}, Producer: &log.ProducerSequence{ID: 8, Sequence: int32(i)}})
	}
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "end")}})
	newest := func(id int64) log.Offset { return map[int64]log.Offset{7: 6, 8: log.NoOffset}[id] }
	headers := func() string {
		var s []string
		if _, err := Inspect(mem, testDir, func(f Found) error {
			p, ok := f.Header.Producer()
			s = append(s, fmt.Sprintf("%d+%d %d %t %d", f.Header.BaseOffset, f.Header.Span(), f.Header.Count, ok, p.Sequence))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(s, ", ")
	}
	mustClean(t, l, testTime, newest)
	if got := headers(); got != "0+6 0 false -1, 6+2 0 true 6, 8+2 0 false -1, 10+1 1 false -1" {
		t.Error(got)
	}
	if done := mustClean(t, l, testTime, newest); done.Segments > 0 {
		t.Errorf("again: %+v", done)
	}
	appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", "more")}})
	mustClean(t, l, testTime, func(int64) log.Offset { return log.NoOffset })
	if got := headers(); got != "0+11 0 false -1, 11+1 1 false -1" {
		t.Error(got)
	}
}

// TestCleanMergesSegments: what is left of many segments becomes few.
func TestCleanMergesSegments(t *testing.T) {
	mem := vfs.NewMem()
	opts := compactOptions(mem)
	l := mustOpen(t, opts)
	for i := range 400 {
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed(fmt.Sprint("key", i%10), strings.Repeat("x", 200))}})
	}
	before := l.Segments()
	mustClean(t, l, testTime, nil)
	if after := l.Segments(); before < 20 || after != 2 {
		t.Fatalf("%d segments became %d", before, after)
	}
	names := slices.DeleteFunc(slices.Collect(func(yield func(string) bool) {
		for name := range snapshot(t, mem) {
			if !yield(name) {
				return
			}
		}
	}), func(name string) bool { return !strings.HasSuffix(name, logSuffix) })
	if len(names) != 2 || len(recordsOf(t, l)) != 10 {
		t.Fatalf("%v", names)
	}
}

// TestCleanWaitsForDirt: nothing is done below the ratio, for another cleanup, above the high watermark, or beyond the blob.
func TestCleanWaitsForDirt(t *testing.T) {
	fill := func(t *testing.T, opts Options, replay func(record.Header) error) *Log {
		l, err := Open(testDir, testTP, opts, replay, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close(nil) })
		for i := range 20 {
			appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", strings.Repeat("x", 900+i))}})
		}
		return l
	}
	clean := func(t *testing.T, l *Log, hw log.Offset) int64 {
		t.Helper()
		done, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: hw})
		if err != nil {
			t.Fatal(err)
		}
		return done.RecordsRemoved
	}
	t.Run("cleanup delete", func(t *testing.T) {
		opts := compactOptions(vfs.NewMem())
		opts.Config.Cleanup = log.CleanupDelete
		if n := clean(t, fill(t, opts, nil), 20); n != 0 {
			t.Error(n)
		}
	})
	t.Run("high watermark", func(t *testing.T) {
		l := fill(t, compactOptions(vfs.NewMem()), nil)
		if n := clean(t, l, 7); n != 3 { // of the first segment of four
			t.Error(n)
		}
	})
	t.Run("blob", func(t *testing.T) {
		l := fill(t, compactOptions(vfs.NewMem()), func(record.Header) error { return nil })
		if n := clean(t, l, 20); n != 0 {
			t.Error(n)
		}
		if err := l.Checkpoint([]byte("blob")); err != nil {
			t.Fatal(err)
		}
		if n := clean(t, l, 20); n == 0 {
			t.Error(n)
		}
	})
	t.Run("ratio", func(t *testing.T) {
		opts := compactOptions(vfs.NewMem())
		opts.Config.DirtyRatio = 0.5
		l := fill(t, opts, nil)
		for i := range 60 {
			appendRecords(t, l, log.Batch{Records: []log.Record{keyed(fmt.Sprint(i), strings.Repeat("x", 900))}})
		}
		mustClean(t, l, testTime, nil)
		for range 8 {
			appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", strings.Repeat("x", 900))}})
		}
		if n := clean(t, l, l.NextOffset()); n != 0 {
			t.Error(n)
		}
	})
}

// TestCleanStops: an error of Stop ends it, and nothing is lost.
func TestCleanStops(t *testing.T) {
	mem := vfs.NewMem()
	l := mustOpen(t, compactOptions(mem))
	for i := range 1000 {
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed(fmt.Sprint(i%3), strings.Repeat("x", 100))}})
	}
	enough := errors.New("enough")
	for n := 0; ; n++ {
		left := n
		_, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: l.NextOffset(), Stop: func() error {
			if left--; left < 0 {
				return enough
			}
			return nil
		}})
		compareWithMap(t, l, map[string]log.Record{"0": {Offset: 999, Key: []byte("0"), Value: []byte(strings.Repeat("x", 100)), Timestamp: testTime}})
		if err == nil {
			if n < 10 {
				t.Errorf("stopped %d times only", n)
			}
			break
		}
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
	}
	for name := range snapshot(t, mem) {
		if strings.HasSuffix(name, cleanedSuffix) {
			t.Error(name)
		}
	}
}

// TestCleanRefusesDamage: damaged bytes are not written anew with a right checksum.
func TestCleanRefusesDamage(t *testing.T) {
	mem := vfs.NewMem()
	l := mustOpen(t, compactOptions(mem))
	for i := range 20 {
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed("a", strings.Repeat("x", 900+i))}})
	}
	damageAt(t, mem, segmentPath(4), 1500, "junk")
	before := snapshot(t, mem)[segmentName(4, logSuffix)]
	_, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: 20})
	if log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), segmentPath(4)) {
		t.Fatal(err)
	}
	if snapshot(t, mem)[segmentName(4, logSuffix)] != before {
		t.Error("it was rewritten")
	}
	if err := l.Append(batch(t, 20, 1, 10, testTime)); err != nil {
		t.Error(err)
	}
}
