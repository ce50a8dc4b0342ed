package commitlog

import (
	"bytes"
	"encoding/binary"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// filled closes a log of several segments whose records are one second apart.
func filled(t *testing.T, mem *vfs.MemFS) Options {
	t.Helper()
	opts := testOptions(mem)
	opts.Config.SegmentBytes = 20 << 10
	l := mustOpen(t, opts)
	for i := range 200 {
		if err := l.Append(batch(t, l.NextOffset(), 1, 300+i, testTime.Add(time.Duration(i)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close([]byte("x")); err != nil {
		t.Fatal(err)
	}
	return opts
}

// TestIndexIsDisposable deletes and damages index files in every way: the log reads the same, and the files are made anew.
func TestIndexIsDisposable(t *testing.T) {
	mem := vfs.NewMem()
	opts := filled(t, mem)
	want := snapshot(t, mem)
	ruin := map[string]func(name string, content []byte){
		"delete": func(name string, _ []byte) { mem.Remove(name) },
		"empty":  func(name string, _ []byte) { mem.Create(name) },
		"cut": func(name string, b []byte) {
			f, _ := mem.Create(name)
			f.WriteAt(b[:len(b)-3], 0)
		},
		"flip": func(name string, b []byte) { damageAt(t, mem, name, int64(len(b)-2), "\xff") },
		"zero": func(name string, b []byte) { damageAt(t, mem, name, 0, strings.Repeat("\x00", len(b))) },
		"foreign": func(name string, _ []byte) {
			f, _ := mem.Create(name)
			b := newIndex(7).encodePlaces(20)
			f.WriteAt(b, 0)
		},
	}
	for what, do := range ruin {
		for name, content := range want {
			if !strings.HasSuffix(name, indexSuffix) && !strings.HasSuffix(name, timeSuffix) {
				continue
			}
			t.Run(what+" "+name, func(t *testing.T) {
				do(path.Join(testDir, name), []byte(content))
				l := mustOpen(t, opts)
				checkRecords(t, l)
				if at, err := l.OffsetForTime(testTime.Add(77*time.Second), 200); at != 77 || err != nil {
					t.Fatalf("offset for time: %d, %v", at, err)
				}
				if err := l.Close(nil); err != nil {
					t.Fatal(err)
				}
				got := snapshot(t, mem)
				if got[name] != content {
					t.Error("the index was not made anew as it was")
				}
			})
		}
	}
}

// TestStaleIndexOfReopenedSegment: a segment that was full before a crash, became active again and full again with other content
// must not be read with the index of its first life.
func TestStaleIndexOfReopenedSegment(t *testing.T) {
	mem := vfs.NewMem()
	opts := filled(t, mem)
	names, _ := mem.List(testDir)
	last := log.Offset(0)
	for _, name := range names {
		if base, ok := parseSegmentName(name); ok && base > last {
			last = base
		}
	}
	stale := newIndex(last).encodePlaces(1) // what a crash left
	f, _ := mem.Create(newSegment(testDir, last).sibling(indexSuffix))
	f.WriteAt(stale, 0)
	l := mustOpen(t, opts)
	defer l.Close(nil)
	if there, _ := vfs.Exists(mem, newSegment(testDir, last).sibling(indexSuffix)); there {
		t.Error("the active segment has an index file")
	}
	survived := mem.CrashClone(vfs.LoseAll)
	if there, _ := vfs.Exists(survived, newSegment(testDir, last).sibling(indexSuffix)); there {
		t.Error("a power loss brings the index back")
	}
}

func TestReadLimits(t *testing.T) {
	mem := vfs.NewMem()
	opts := filled(t, mem)
	l := mustOpen(t, opts)
	for _, tc := range []struct {
		from, below log.Offset
		maxBytes    int
		first, last log.Offset // last -1: nothing
	}{
		{0, 200, 1, 0, 0},
		{0, 200, 0, 0, 0},
		{5, 6, 1 << 20, 5, 5},
		{5, 5, 1 << 20, 0, -1},
		{5, 3, 1 << 20, 0, -1},
		{200, 200, 1 << 20, 0, -1},
		{10, 12, 1 << 20, 10, 11},
		{199, 1 << 40, 1 << 20, 199, 199},
		{60, 200, 2000, 60, 63},
	} {
		b, err := l.Read(nil, tc.from, tc.below, tc.maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		first, last := log.Offset(0), log.Offset(-1)
		for rest := b; len(rest) > 0; {
			h, err := record.ParseHeader(rest)
			if err != nil {
				t.Fatal(err)
			}
			if last < 0 {
				first = h.BaseOffset
			}
			last, rest = h.LastOffset(), rest[h.Size():]
		}
		if first != tc.first || last != tc.last {
			t.Errorf("%+v: got %d to %d", tc, first, last)
		}
	}
	for _, from := range []log.Offset{-1, 201} {
		if _, err := l.Read(nil, from, 200, 100); log.CodeOf(err) != log.OffsetOutOfRange {
			t.Errorf("read from %d: %v", from, err)
		}
	}
	dst := make([]byte, 1<<20)
	b, err := l.Read(dst, 20, 200, 1<<20)
	if err != nil || len(b) == 0 || &dst[:cap(dst)][cap(dst)-1] != &b[:cap(b)][cap(b)-1] {
		t.Errorf("dst is not used: %v", err)
	}
}

func TestOffsetForTime(t *testing.T) {
	mem := vfs.NewMem()
	opts := filled(t, mem)
	l := mustOpen(t, opts)
	for i := range 200 {
		at := testTime.Add(time.Duration(i) * time.Second)
		for _, d := range []time.Duration{0, -time.Millisecond, -500 * time.Microsecond} {
			if o, err := l.OffsetForTime(at.Add(d), 200); o != log.Offset(i) || err != nil {
				t.Fatalf("%d %v: %d, %v", i, d, o, err)
			}
		}
	}
	if o, err := l.OffsetForTime(testTime.Add(time.Hour), 150); o != 150 || err != nil {
		t.Errorf("behind the end: %d, %v", o, err)
	}
	if o, err := l.OffsetForTime(testTime.Add(170*time.Second), 150); o != 150 || err != nil {
		t.Errorf("above below: %d, %v", o, err)
	}
}

func TestOffsetForTimeInDisorder(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	times := []int{5, 3, 9, 1, 7, 20, 2, 11, 30, 4}
	for range 5 {
		for _, s := range times {
			if err := l.Append(batch(t, l.NextOffset(), 1, 700, testTime.Add(time.Duration(s)*time.Second))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for s := range 32 {
		want := log.Offset(50)
		for i, at := range times {
			if at >= s {
				want = log.Offset(i)
				break
			}
		}
		if o, err := l.OffsetForTime(testTime.Add(time.Duration(s)*time.Second), 50); o != want || err != nil {
			t.Errorf("%d s: %d instead of %d, %v", s, o, want, err)
		}
	}
}

func TestRollBySizeAndAge(t *testing.T) {
	now := testTime
	opts := testOptions(vfs.NewMem())
	opts.Clock = func() time.Time { return now }
	opts.Config.SegmentAge = time.Hour
	l := mustOpen(t, opts)
	mustAppend(t, l, 1, 100)
	now = now.Add(59 * time.Minute)
	mustAppend(t, l, 1, 100)
	if l.Segments() != 1 {
		t.Fatal("rolled too early")
	}
	if err := l.Close(nil); err != nil { // its age survives
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	l = mustOpen(t, opts)
	mustAppend(t, l, 1, 100)
	if l.Segments() != 2 {
		t.Fatalf("%d segments after an hour", l.Segments())
	}
	now = now.Add(3 * time.Hour)
	mustAppend(t, l, 1, 3000)
	mustAppend(t, l, 1, 3000)
	mustAppend(t, l, 1, 30000) // larger than a segment: has one of its own
	mustAppend(t, l, 1, 10)
	if l.Segments() != 6 {
		t.Fatalf("%d segments", l.Segments())
	}
	checkRecords(t, l)
}

func TestRetention(t *testing.T) {
	now := testTime
	setup := func(t *testing.T, bytes int64, age time.Duration) (*vfs.MemFS, *Log) {
		mem := vfs.NewMem()
		opts := testOptions(mem)
		opts.Config.RetentionBytes, opts.Config.RetentionAge = bytes, age
		l := mustOpen(t, opts)
		for i := range 20 { // 5 segments of 4
			if err := l.Append(batch(t, l.NextOffset(), 1, 900, testTime.Add(time.Duration(i)*time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
		mustSync(t, l)
		return mem, l
	}
	apply := func(t *testing.T, l *Log, now time.Time, hw, start log.Offset) {
		t.Helper()
		segments := l.Segments()
		n, err := l.ApplyRetention(now, hw)
		if err != nil || l.StartOffset() != start || l.Segments() > segments-n+1 {
			t.Fatalf("removed %d of %d, start %d, %d left: %v", n, segments, l.StartOffset(), l.Segments(), err)
		}
		checkRecords(t, l)
		if _, err := l.Read(nil, start-1, 20, 100); log.CodeOf(err) != log.OffsetOutOfRange {
			t.Fatal(err)
		}
	}
	t.Run("size", func(t *testing.T) {
		mem, l := setup(t, 8<<10, -1)
		apply(t, l, now, 20, 8)
		if names, _ := mem.List(testDir); len(names) != 4+4+1+1 {
			t.Errorf("left: %v", names)
		}
		apply(t, l, now, 20, 8)
	})
	t.Run("high watermark", func(t *testing.T) {
		_, l := setup(t, 1, -1)
		apply(t, l, now, 7, 4)
		apply(t, l, now, 20, 16) // never the active one
	})
	t.Run("age", func(t *testing.T) {
		_, l := setup(t, -1, time.Hour)
		apply(t, l, testTime.Add(time.Hour+3*time.Minute), 20, 0)
		apply(t, l, testTime.Add(time.Hour+8*time.Minute), 20, 8)
		apply(t, l, testTime.Add(time.Hour+30*time.Minute), 20, 20) // the active one too
		mustAppend(t, l, 1, 100)
		mustSync(t, l)
		checkRecords(t, l)
	})
	t.Run("blob", func(t *testing.T) {
		_, l := setup(t, 1, -1)
		if err := l.Checkpoint([]byte("as of 20")); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			mustAppend(t, l, 1, 900)
		}
		apply(t, l, now, 28, 20)
		if err := l.Checkpoint([]byte("as of 28")); err != nil {
			t.Fatal(err)
		}
		apply(t, l, now, 28, 24)
	})
}

func TestIndexEncoding(t *testing.T) {
	x := newIndex(1000)
	for i := range 50 {
		x.add(1000+log.Offset(i*3), int64(i*7%31), int64(i)*3000)
	}
	back, err := decodeIndex(x.encodePlaces(200_000), x.encodeMoments(200_000), 1000, 200_000)
	if err != nil || !reflect.DeepEqual(x, back) {
		t.Fatalf("%+v\n%+v\n%v", x, back, err)
	}
	if _, err := decodeIndex(x.encodePlaces(200_000), x.encodeMoments(200_000), 1001, 200_000); err == nil {
		t.Error("taken for another segment")
	}
}

func FuzzIndex(f *testing.F) {
	x := newIndex(1000)
	for i := range 20 {
		x.add(1000+log.Offset(i*3), int64(i), int64(i)*3000)
	}
	f.Add(x.encodePlaces(60_000), x.encodeMoments(60_000), int64(1000), int64(60_000))
	f.Add(newIndex(0).encodePlaces(0), newIndex(0).encodeMoments(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, places, moments []byte, base, size int64) {
		for _, b := range [][]byte{places, moments} { // let the fuzzer get behind the CRC
			if len(b) >= indexHeaderSize {
				binary.BigEndian.PutUint32(b[36:], indexCRC(b))
			}
		}
		x, err := decodeIndex(places, moments, log.Offset(base), size)
		if err != nil {
			if log.CodeOf(err) != log.Corrupt {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(x.encodePlaces(size), places) || !bytes.Equal(x.encodeMoments(size), moments) {
			t.Fatal("encoded differently")
		}
		for _, o := range []log.Offset{0, log.Offset(base), log.Offset(base) + 7, 1 << 40} {
			if pos, at := x.find(o); pos < 0 || pos > max(size, 0) || o >= log.Offset(base) && at > o {
				t.Fatalf("offset %d is found at byte %d, offset %d", o, pos, at)
			}
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	c := checkpoint{tp: testTP, start: 5, durable: 50, open: 40, since: 77, blobAt: 30, blob: []byte("blob"),
		full: []extent{{base: 5, bytes: 100, maxTime: 1}, {base: 20, bytes: 200, maxTime: -5}}}
	f.Add(c.encode())
	f.Add((&checkpoint{tp: testTP}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 12 {
			binary.BigEndian.PutUint32(b[8:], crcOf(b[12:]))
		}
		c, err := decodeCheckpoint(b)
		if err != nil {
			if code := log.CodeOf(err); code != log.Corrupt && code != log.UnsupportedFormat {
				t.Fatal(err)
			}
			return
		}
		if binary.BigEndian.Uint32(b[4:]) == checkpointVersion {
			if !bytes.Equal(c.encode(), b) {
				t.Fatalf("%+v is encoded differently", c)
			}
			return
		}
		again, err := decodeCheckpoint(c.encode()) // an older version is written as the newest, and says the same
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

// FuzzRecover damages a log in any way: opening it never panics, and what opens reads as what was written.
func FuzzRecover(f *testing.F) {
	f.Add(uint16(100), []byte("junk"), uint16(0))
	f.Add(uint16(5000), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(6000))
	f.Fuzz(func(t *testing.T, at uint16, junk []byte, size uint16) {
		mem := vfs.NewMem()
		opts := testOptions(mem)
		opts.Config.SegmentBytes = 1 << 20
		l := mustOpen(t, opts)
		for range 20 {
			mustAppend(t, l, 2, 150)
		}
		mustSync(t, l)
		mem = mem.CrashClone(vfs.LoseAll)
		opts.FS = mem
		if len(junk) > 0 {
			damageAt(t, mem, segmentPath(0), int64(at), string(junk))
		}
		if size > 0 {
			file, _ := mem.OpenReadWrite(segmentPath(0))
			file.Truncate(int64(size))
		}
		again, err := Open(testDir, testTP, opts, nil, nil)
		if err != nil {
			if log.CodeOf(err) != log.Corrupt {
				t.Fatal(err)
			}
			return
		}
		defer again.Close(nil)
		if again.NextOffset() > 40 {
			return // the fuzzer wrote a batch of its own
		}
		if _, err := readAll(again, 0, 1000); err != nil {
			t.Fatal(err)
		}
	})
}

func TestScannerIOErrorIsNoDamage(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	mustAppend(t, l, 3, 100)
	mustSync(t, l)
	for n := range 3 {
		mem := mem.CrashClone(vfs.LoseAll)
		opts.FS = errorfs.Wrap(mem, &errorfs.Nth{N: n, Match: func(op errorfs.Op) bool { return op.Kind == errorfs.ReadAt }})
		before := snapshot(t, mem)
		if again, err := Open(testDir, testTP, opts, nil, nil); err == nil {
			again.Close(nil)
		} else if log.CodeOf(err) == log.Corrupt || before[segmentName(0, logSuffix)] != snapshot(t, mem)[segmentName(0, logSuffix)] {
			t.Fatalf("a read error was taken for damage: %v", err)
		}
	}
}
