package commitlog

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

// widest is a file system that knows the longest read of its files.
type widest struct {
	vfs.FS
	bytes atomic.Int64
}

func (w *widest) Open(name string) (vfs.File, error) {
	f, err := w.FS.Open(name)
	return widestFile{f, w}, err
}

type widestFile struct {
	vfs.File
	fs *widest
}

func (f widestFile) ReadAt(p []byte, pos int64) (int, error) {
	f.fs.bytes.Store(max(f.fs.bytes.Load(), int64(len(p))))
	return f.File.ReadAt(p, pos)
}

// TestSearchBehindDamageIsBounded damages the first of many megabytes: the barrier at their end is found, and so is that there is none,
// without reading more than a window at once.
func TestSearchBehindDamageIsBounded(t *testing.T) {
	for _, durable := range []bool{true, false} {
		mem := vfs.NewMem()
		opts := testOptions(mem)
		opts.Config.SegmentBytes = 16 << 20
		opts.Config.Durability = log.None
		l := mustOpen(t, opts)
		for range 64 {
			mustAppend(t, l, 2, 60<<10)
		}
		if durable {
			mustSync(t, l)
			mustAppend(t, l, 1, 100)
		}
		counting := &widest{FS: mem.CrashClone(vfs.KeepAll)}
		opts.FS = counting
		damageAt(t, opts.FS, segmentPath(0), 100, "junk")
		in, err := Inspect(opts.FS, testDir, nil)
		if err != nil || in.Corrupt() != durable {
			t.Fatalf("%v, %v", err, in.Damages)
		}
		again, err := Open(testDir, testTP, opts, nil, nil)
		if durable && (log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), "the batch at offset 128")) {
			t.Errorf("opened with %v", err)
		}
		if !durable && (err != nil || again.NextOffset() != 0 || again.Close(nil) != nil) {
			t.Errorf("%v; what was never durable is still there", err)
		}
		if n := counting.bytes.Load(); n > scanWindow {
			t.Errorf("%d bytes were read at once", n)
		}
	}
}

// TestSeek finds batches of all lengths between junk that looks like headers, in windows that begin anywhere.
func TestSeek(t *testing.T) {
	eachSeed(t, 5, func(t *testing.T, rng *rand.Rand) {
		var b []byte
		var places []int64
		for offset := log.Offset(0); len(b) < 3*scanWindow; offset += 1000 {
			junk := make([]byte, rng.IntN(scanWindow/2))
			for i := range junk {
				junk[i] = byte(rng.IntN(4)) // many a magic
			}
			b = append(b, junk...)
			places = append(places, int64(len(b)))
			b = append(b, batch(t, offset, 1, rng.IntN(scanWindow*3/2), testTime)...)
		}
		mem := vfs.NewMem()
		if err := vfs.AtomicWriteFile(mem, "f", b); err != nil {
			t.Fatal(err)
		}
		file, err := mem.Open("f")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		scan := scanner{file: file, size: int64(len(b))}
		least := log.Offset(rng.IntN(3) * 1000)
		for _, want := range places[least/1000:] {
			h, ok, err := scan.seek(least)
			if err != nil || !ok || scan.pos != want {
				t.Fatalf("found %d (%t, %v) at %d instead of %d", h.BaseOffset, ok, err, scan.pos, want)
			}
			scan.pos++
		}
		if _, ok, err := scan.seek(least); ok || err != nil || scan.pos != scan.size {
			t.Fatalf("%t, %v at %d of %d", ok, err, scan.pos, scan.size)
		}
	})
}
