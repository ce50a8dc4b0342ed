package commitlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

const tagName = "ce_type"

// tagBatch encodes a batch whose records have tags and keys drawn from rnd, one in 300 the tag "rare", and values of about size bytes.
func tagBatch(t testing.TB, rnd *rand.Rand, base log.Offset, n, size int) []byte {
	t.Helper()
	b := &log.Batch{Compression: []log.Compression{log.Uncompressed, log.Uncompressed, log.Zstd}[rnd.IntN(3)]}
	for range n {
		r := log.Record{Key: fmt.Appendf(nil, "k%d", rnd.IntN(500)), Value: make([]byte, size)}
		tag := fmt.Sprintf("tag %d", rnd.IntN(5))
		if rnd.IntN(300) == 0 {
			tag = "rare"
		}
		if rnd.IntN(4) > 0 {
			r.Headers = []log.Header{{Key: tagName, Value: []byte(tag)}}
		}
		b.Records = append(b.Records, r)
	}
	encoded, err := record.AppendBatch(nil, b, testTime)
	if err != nil {
		t.Fatal(err)
	}
	record.SetPlace(encoded, base, 0)
	return encoded
}

func appendTagged(t testing.TB, l *Log, rnd *rand.Rand, batches, size int) {
	t.Helper()
	for range batches {
		b := tagBatch(t, rnd, l.NextOffset(), 1+rnd.IntN(20), size)
		if rnd.IntN(50) > 0 { // else the writer does not know the marks of a compressed one
			marks, err := record.AppendMarks(nil, b, tagName)
			if err != nil {
				t.Fatal(err)
			}
			l.ExpectMarks(l.NextOffset(), tagName, marks)
		}
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
}

var tagFilters = []*log.Filter{
	{Tags: []string{"rare"}}, {Tags: []string{"tag 1", "none"}}, {Tags: []string{"none"}},
	{Keys: [][]byte{[]byte("k7")}}, {Keys: [][]byte{[]byte("k7"), []byte("k8")}, Tags: []string{"tag 3"}},
}

// chosen returns the records between from and below that f chooses, by ReadMatching in steps of bytesMax.
func chosen(t testing.TB, l *Log, f *log.Filter, from, below log.Offset, bytesMax int) []log.Record {
	t.Helper()
	m := record.NewMatcher(f, tagName)
	var records []log.Record
	for from < below {
		found, err := l.ReadMatching(nil, from, below, bytesMax, m)
		if err != nil {
			t.Fatal(err)
		}
		if found.Next <= from || found.Next > below {
			t.Fatalf("from %d to %d below %d", from, found.Next, below)
		}
		for b := found.Batches; len(b) > 0; {
			h, rest, err := record.Next(b)
			if err == nil {
				records, err = record.DecodeMatching(records, b, testTP, from, m)
			}
			if err != nil || h.BaseOffset >= below {
				t.Fatalf("batch at %d below %d, %v", h.BaseOffset, below, err)
			}
			b = rest
		}
		from = found.Next
	}
	return records
}

// checkChosen compares ReadMatching with Read and a filter over all.
func checkChosen(t testing.TB, l *Log, rnd *rand.Rand, what string) {
	t.Helper()
	start, next := l.StartOffset(), l.NextOffset()
	all, err := readAll(l, start, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var records []log.Record
	bounds := []log.Offset{start}
	for len(all) > 0 {
		h, rest, err := record.Next(all)
		if err == nil {
			records, err = record.Decode(records, all, testTP, start)
		}
		if err != nil {
			t.Fatal(err)
		}
		bounds = append(bounds, h.NextOffset())
		all = rest
	}
	for i, f := range tagFilters {
		from, below := start+log.Offset(rnd.Int64N(int64(next-start))), next
		if rnd.IntN(2) == 0 {
			below = bounds[rnd.IntN(len(bounds))] // where a high watermark may be
		}
		if from = min(from, below); from < start {
			continue
		}
		got := chosen(t, l, f, from, below, 1+rnd.IntN(100_000))
		want := slices.DeleteFunc(slices.Clone(records), func(r log.Record) bool {
			return r.Offset < from || r.Offset >= below || !f.Matches(&r, tagName)
		})
		if len(got) != len(want) {
			t.Fatalf("%s: filter %d from %d below %d: %d records, want %d", what, i, from, below, len(got), len(want))
		}
		for j := range got {
			if got[j].Offset != want[j].Offset || !got[j].Same(&want[j]) {
				t.Fatalf("%s: filter %d: %+v, want %+v", what, i, got[j], want[j])
			}
		}
	}
}

func tagOptions(fs vfs.FS) Options {
	opts := testOptions(fs)
	opts.Config.SegmentBytes, opts.Config.Durability = 200<<10, log.None
	return opts
}

// TestReadMatchingThroughALogsLife: after appends, power losses, clean stops, compaction, deletion and retention it finds what Read finds.
func TestReadMatchingThroughALogsLife(t *testing.T) {
	for seed := range uint64(15) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		mem := vfs.NewMem()
		opts := tagOptions(mem)
		opts.Tags = NewTagCache([]int64{1, 5000, 1 << 20}[seed%3])
		l := mustOpen(t, opts)
		for step := range 10 {
			appendTagged(t, l, rnd, 30+rnd.IntN(60), rnd.IntN(2000))
			what := fmt.Sprintf("seed %d step %d", seed, step)
			switch rnd.IntN(7) {
			case 0:
				mem = mem.CrashClone(vfs.Randomly(rnd))
				what += " power loss"
			case 1:
				if err := l.Close(nil); err != nil {
					t.Fatal(err)
				}
				what += " clean stop"
			case 2:
				mustCheckpoint(t, l)
				if _, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: l.NextOffset()}); err != nil {
					t.Fatal(err)
				}
				what += " compaction"
			case 3:
				mustSync(t, l)
				if err := l.DeleteRecords((l.StartOffset() + l.NextOffset()) / 2); err != nil {
					t.Fatal(err)
				}
				what += " deletion"
			case 4:
				mustCheckpoint(t, l)
				if _, err := l.ApplyRetention(testTime, l.NextOffset()); err != nil {
					t.Fatal(err)
				}
				what += " retention"
			}
			if strings.HasSuffix(what, "power loss") || strings.HasSuffix(what, "clean stop") {
				opts.FS = mem
				l = mustOpen(t, opts)
				if l.NextOffset() == l.StartOffset() {
					appendTagged(t, l, rnd, 10, 100)
				}
			}
			checkChosen(t, l, rnd, what)
			checkChosen(t, l, rnd, what+", again")
		}
	}
}

func mustCheckpoint(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Checkpoint([]byte("blob")); err != nil {
		t.Fatal(err)
	}
}

// tagFiles returns the tag index files by name.
func tagFiles(t *testing.T, mem *vfs.MemFS) map[string]string {
	t.Helper()
	files := snapshot(t, mem)
	for name := range files {
		if !strings.HasSuffix(name, tagSuffix) {
			delete(files, name)
		}
	}
	return files
}

// TestTagIndexIsDisposable ruins the files in every way: what is found stays the same, and full segments' files are made anew as they were.
func TestTagIndexIsDisposable(t *testing.T) {
	mem := vfs.NewMem()
	opts := tagOptions(mem)
	rnd := rand.New(rand.NewPCG(7, 7))
	l := mustOpen(t, opts)
	appendTagged(t, l, rnd, 150, 500)
	chosen(t, l, tagFilters[2], 0, l.NextOffset(), 1<<20)
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	want := tagFiles(t, mem)
	if len(want) < 3 {
		t.Fatalf("%d files", len(want))
	}
	other := slices.Sorted(mapsKeys(want))
	for what, do := range map[string]func(name, content string){
		"delete": func(name, _ string) { mem.Remove(name) },
		"empty":  func(name, _ string) { mem.Create(name) },
		"cut":    func(name, b string) { write(mem, name, b[:len(b)-3]) },
		"flip":   func(name, b string) { damageAt(t, mem, name, int64(len(b)-2), "\xff\x00") },
		"zero":   func(name, b string) { write(mem, name, strings.Repeat("\x00", len(b))) },
		"longer": func(name, b string) { write(mem, name, b+"x") },
		"swap": func(name, b string) {
			write(mem, name, want[other[0]])
			if path.Base(name) == other[0] {
				write(mem, name, want[other[1]])
			}
		},
		"header":  func(name, b string) { write(mem, name, resealed(b, func(b []byte) { b[tagHeaderSize] = 'x' })) },
		"version": func(name, b string) { write(mem, name, resealed(b, func(b []byte) { b[5]++ })) },
		"last":    func(name, b string) { write(mem, name, resealed(b, func(b []byte) { b[36]++ })) },
	} {
		t.Run(what, func(t *testing.T) {
			for name, content := range want {
				do(path.Join(testDir, name), content)
			}
			l := mustOpen(t, opts)
			checkChosen(t, l, rnd, what)
			chosen(t, l, tagFilters[0], 0, l.NextOffset(), 1<<20)
			if err := l.Close(nil); err != nil {
				t.Fatal(err)
			}
			for name, content := range tagFiles(t, mem) {
				if want[name] != content {
					t.Errorf("%s was not made anew as it was", name)
				}
			}
			if n := len(tagFiles(t, mem)); n != len(want) {
				t.Errorf("%d files, want %d", n, len(want))
			}
		})
	}
}

func mapsKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func write(fs vfs.FS, name, content string) {
	if f, err := fs.Create(name); err == nil {
		_, _ = f.WriteAt([]byte(content), 0)
		f.Close()
	}
}

// resealed returns a file changed by f, with a right checksum.
func resealed(content string, f func([]byte)) string {
	b := []byte(content)
	f(b)
	binary.BigEndian.PutUint32(b[tagCRCAt:], tagCRC(b))
	return string(b)
}

// TestWrongTagIndexIsFoundOut: an index whose stretches are not where it says is dropped, and what it would have hidden is found.
func TestWrongTagIndexIsFoundOut(t *testing.T) {
	mem := vfs.NewMem()
	opts := tagOptions(mem)
	rnd := rand.New(rand.NewPCG(9, 9))
	l := mustOpen(t, opts)
	appendTagged(t, l, rnd, 100, 500)
	chosen(t, l, tagFilters[2], 0, l.NextOffset(), 1<<20)
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	for name, content := range tagFiles(t, mem) {
		write(mem, path.Join(testDir, name), resealed(content, func(b []byte) {
			for i := range int(binary.BigEndian.Uint32(b[44:])) - 1 {
				b[tagHeaderSize+len(tagName)+(i+1)*stretchSize+7]++ // the place of the stretch
			}
		}))
	}
	l = mustOpen(t, opts)
	for range 20 {
		checkChosen(t, l, rnd, "misplaced")
	}
}

// TestTagIndexesGoWithTheirSegments: retention leaves none behind, also of a segment whose index was just being written.
func TestTagIndexesGoWithTheirSegments(t *testing.T) {
	mem := vfs.NewMem()
	opts := tagOptions(mem)
	opts.Config.RetentionBytes = 400 << 10
	l := mustOpen(t, opts)
	appendTagged(t, l, rand.New(rand.NewPCG(1, 1)), 300, 500)
	mustSync(t, l)
	if n, err := l.ApplyRetention(testTime, l.NextOffset()); n == 0 || err != nil {
		t.Fatalf("%d removed, %v", n, err)
	}
	names, _ := mem.List(testDir)
	for _, name := range names {
		if base, _, ok := strings.Cut(name, "."); ok && !slices.Contains(names, base+logSuffix) {
			t.Errorf("%s is left", name)
		}
	}
	first := (*l.segments.Load())[0]
	mem.Remove(first.sibling(tagSuffix))
	l.opts.Tags.drop(first)
	hold := newStall(func(op errorfs.Op) bool {
		return op.Kind == errorfs.Create && op.Name == first.sibling(tagSuffix)
	})
	l.fs = errorfs.Wrap(mem, hold)
	opts.Config.RetentionBytes = 1
	if err := l.SetConfig(opts.Config, false); err != nil {
		t.Fatal(err)
	}
	err := beside(t, l, hold, func() error {
		_, err := l.ReadMatching(nil, first.base, l.NextOffset(), 1<<20, record.NewMatcher(tagFilters[2], tagName))
		return err
	})
	if err != nil {
		t.Logf("the reader of what is gone got %v", err)
	}
	if there, _ := vfs.Exists(mem, first.sibling(tagSuffix)); there {
		t.Error("the index of a removed segment is left")
	}
}

// TestTagCacheIsBounded: whatever is read, indexes take no more memory than allowed, and those of a closed log none.
func TestTagCacheIsBounded(t *testing.T) {
	const bytesMax = 6000
	opts := tagOptions(vfs.NewMem())
	opts.Tags = NewTagCache(bytesMax)
	rnd := rand.New(rand.NewPCG(3, 3))
	l := mustOpen(t, opts)
	appendTagged(t, l, rnd, 400, 400)
	for range 20 {
		checkChosen(t, l, rnd, "bounded")
		loaded, bytes := 0, int64(0)
		for _, s := range *l.segments.Load() {
			if x := s.tags.Load(); x != nil {
				loaded++
				bytes = max(bytes, x.entry.bytes)
			}
		}
		if n := opts.Tags.Bytes(); n > bytesMax+bytes || loaded == l.Segments() || loaded == 0 {
			t.Fatalf("%d bytes of %d, %d indexes of %d", n, bytesMax, loaded, l.Segments())
		}
	}
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	if n := opts.Tags.Bytes(); n != 0 {
		t.Errorf("%d bytes of a closed log", n)
	}
}

// TestExpectedMarks: compressed batches whose marks were told are indexed by the writer, without being read; others when they are read.
func TestExpectedMarks(t *testing.T) {
	l := mustOpen(t, tagOptions(vfs.NewMem()))
	compressed := func(tag string) (*log.Batch, []byte) {
		b := &log.Batch{Compression: log.Zstd, Records: []log.Record{{Value: make([]byte, 100), Headers: []log.Header{{Key: tagName, Value: []byte(tag)}}}}}
		encoded, err := record.AppendBatch(nil, b, testTime)
		if err != nil {
			t.Fatal(err)
		}
		record.SetPlace(encoded, l.NextOffset(), 0)
		return b, encoded
	}
	l.ExpectMarks(-1, tagName, nil) // of a batch that never came
	for i := range 50 {
		b, encoded := compressed(fmt.Sprint(i))
		if i < 40 {
			l.ExpectMarks(l.NextOffset(), tagName, record.MarksOf(nil, b.Records, tagName))
		}
		if err := l.Append(encoded); err != nil {
			t.Fatal(err)
		}
	}
	for tag, want := range map[string]int{"none": 0, "7": 1, "45": 1} {
		if got := chosen(t, l, &log.Filter{Tags: []string{tag}}, 0, 50, 1<<20); len(got) != want {
			t.Errorf("tag %s: %d records", tag, len(got))
		}
	}
	l = mustOpen(t, tagOptions(vfs.NewMem()))
	for i := range 50 {
		b, encoded := compressed(fmt.Sprint(i))
		l.ExpectMarks(l.NextOffset(), tagName, record.MarksOf(nil, b.Records, tagName))
		if err := l.Append(encoded); err != nil {
			t.Fatal(err)
		}
	}
	found, err := l.ReadMatching(nil, 0, 50, 1<<20, record.NewMatcher(&log.Filter{Tags: []string{"none"}}, tagName))
	if err != nil || found.Read != 0 || found.Next != 50 {
		t.Errorf("%d bytes read, next %d, %v", found.Read, found.Next, err)
	}
}

// FuzzTagIndex gives the decoder anything behind a right checksum: what it accepts is encoded the same, and can be asked.
func FuzzTagIndex(f *testing.F) {
	x := newTagIndex(1000, tagName)
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		b := tagBatch(f, rnd, x.next, 10, 300)
		x.addBatches(b, x.done, nil, nil)
	}
	x.seal()
	f.Add(x.encode(), int64(1000), x.done, "rare", []byte("k7"))
	f.Add(newTagIndex(0, "").encode(), int64(0), int64(0), "", []byte(nil))
	f.Fuzz(func(t *testing.T, b []byte, base, size int64, tag string, key []byte) {
		if len(b) >= tagHeaderSize {
			binary.BigEndian.PutUint32(b[tagCRCAt:], tagCRC(b))
		}
		header := tagName
		x, err := decodeTagIndex(b, log.Offset(base), size, header)
		if err != nil {
			if log.CodeOf(err) != log.Corrupt {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(x.encode(), b) {
			t.Fatal("encoded differently")
		}
		m := record.NewMatcher(&log.Filter{Tags: []string{tag}, Keys: [][]byte{key}}, header)
		for from, n := x.base, 0; from < x.next && n < 1000; n++ {
			r, next, ok := x.find(from, m, 1000)
			if !ok {
				break
			}
			if r.pos < 0 || r.end <= r.pos || r.end > size || r.base >= next {
				t.Fatalf("from %d: %+v of %d bytes", from, r, size)
			}
			from = max(from, r.base) + 1
		}
	})
}

// TestBloomErrors: a filter holds all of its marks, and of others about one in a hundred.
func TestBloomErrors(t *testing.T) {
	for _, n := range []int{1, 10, 300, 5000} {
		var set markSet
		for i := range n {
			set.add(record.KeyMark(fmt.Append(nil, "in", i)))
		}
		set.add(0)
		bloom := set.bloom()
		wrong := 0
		for i := range 20_000 {
			if in := record.KeyMark(fmt.Append(nil, "in", i)); i < n && (!bloomHolds(bloom, in) || !set.holdsAny([]uint32{in})) {
				t.Fatalf("%d of %d is missing", i, n)
			}
			if bloomHolds(bloom, record.KeyMark(fmt.Append(nil, "out", i))) {
				wrong++
			}
		}
		if !bloomHolds(bloom, 0) || !set.holdsAny([]uint32{0}) || n >= 10 && wrong > 500 {
			t.Errorf("%d marks in %d bytes: %d of 20000 wrong", n, len(bloom), wrong)
		}
	}
}
