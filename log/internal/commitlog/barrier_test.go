package commitlog

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

func segmentPath(base log.Offset) string { return path.Join(testDir, segmentName(base, logSuffix)) }

// damageAt overwrites bytes of a file.
func damageAt(t *testing.T, fsys vfs.FS, name string, pos int64, junk string) {
	t.Helper()
	f, err := fsys.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(junk), pos); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t *testing.T, fsys vfs.FS) map[string]string {
	t.Helper()
	names, err := fsys.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		b, err := vfs.ReadFile(fsys, path.Join(testDir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

// mustRefuse opens a damaged log and checks that it is refused with file, offset and remedy, and left as it is.
func mustRefuse(t *testing.T, opts Options, words ...string) {
	t.Helper()
	before := snapshot(t, opts.FS)
	_, err := Open(testDir, testTP, opts, nil, nil)
	if log.CodeOf(err) != log.Corrupt {
		t.Fatalf("opened with %v", err)
	}
	for _, word := range append(words, "lodge log repair") {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
	if after := snapshot(t, opts.FS); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Error("a refused log was changed")
	}
}

// TestBarrier tells both sides of the rule: three batches of one record and about 200 bytes, the first of which is damaged. With a sync
// between them the damaged one was durable; in one group it may never have been.
func TestBarrier(t *testing.T) {
	for _, durability := range []log.Durability{log.Sync, log.None} {
		for syncs := range 8 { // bit i: sync after batch i
			t.Run(fmt.Sprintf("%s/%03b", durability, syncs), func(t *testing.T) {
				mem := vfs.NewMem()
				opts := testOptions(mem)
				opts.Config.Durability = durability
				l := mustOpen(t, opts)
				for i := range 3 {
					mustAppend(t, l, 1, 200)
					if syncs>>i&1 == 1 {
						mustSync(t, l)
					}
				}
				killed := mem.CrashClone(vfs.KeepAll) // no Close, so no checkpoint
				opts.FS = killed
				damageAt(t, killed, segmentPath(0), 100, "junk")
				if syncs&3 != 0 {
					mustRefuse(t, opts, segmentPath(0), "offset 0", "byte 0")
					return
				}
				again := mustOpen(t, opts)
				if again.NextOffset() != 0 {
					t.Fatalf("the log ends at %d", again.NextOffset())
				}
				mustAppend(t, again, 1, 50)
				mustSync(t, again)
				checkRecords(t, again)
			})
		}
	}
}

// fill makes segments of about 4 KiB in a log whose durability does not sync them.
func fill(t *testing.T, fsys vfs.FS, batches int, sync func(i int) bool) Options {
	t.Helper()
	opts := testOptions(fsys)
	opts.Config.Durability = log.None
	l := mustOpen(t, opts)
	for i := range batches {
		mustAppend(t, l, 1, 900)
		if sync(i) {
			mustSync(t, l)
		}
	}
	return opts
}

func TestBarrierInLaterSegment(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		mem := vfs.NewMem()
		opts := fill(t, mem, 20, func(int) bool { return false })
		opts.FS = mem.CrashClone(vfs.KeepAll)
		damageAt(t, opts.FS, segmentPath(4), 1500, "junk") // batch 5
		l := mustOpen(t, opts)
		if l.NextOffset() != 5 || l.Segments() != 2 {
			t.Fatalf("the log ends at %d with %d segments", l.NextOffset(), l.Segments())
		}
		checkRecords(t, l)
	})
	t.Run("behind", func(t *testing.T) {
		mem := vfs.NewMem()
		opts := fill(t, mem, 20, func(i int) bool { return i == 18 })
		mem = mem.CrashClone(vfs.KeepAll)
		if err := mem.Remove(path.Join(testDir, checkpointName)); err != nil {
			t.Fatal(err)
		}
		opts.FS = mem
		damageAt(t, mem, segmentPath(4), 1500, "junk")
		mustRefuse(t, opts, segmentPath(4), "offset 5", "offset 19")
	})
	t.Run("before", func(t *testing.T) {
		mem := vfs.NewMem()
		opts := fill(t, mem, 20, func(i int) bool { return i == 3 })
		opts.FS = mem.CrashClone(vfs.KeepAll)
		damageAt(t, opts.FS, segmentPath(8), 10, "junk") // batch 8; batch 4 has the barrier
		if l := mustOpen(t, opts); l.NextOffset() != 8 {
			t.Fatalf("the log ends at %d", l.NextOffset())
		}
	})
	t.Run("missing segment", func(t *testing.T) {
		mem := vfs.NewMem()
		opts := fill(t, mem, 20, func(int) bool { return false })
		opts.FS = mem.CrashClone(vfs.KeepAll)
		if err := opts.FS.Remove(segmentPath(8)); err != nil {
			t.Fatal(err)
		}
		if l := mustOpen(t, opts); l.NextOffset() != 8 {
			t.Fatalf("the log ends at %d", l.NextOffset())
		}
	})
}

func TestCheckpointGuardsTheEnd(t *testing.T) {
	setup := func(t *testing.T) (*vfs.MemFS, Options) {
		mem := vfs.NewMem()
		opts := testOptions(mem)
		l := mustOpen(t, opts)
		for range 9 {
			mustAppend(t, l, 1, 900)
			mustSync(t, l)
		}
		if err := l.Checkpoint(nil); err != nil {
			t.Fatal(err)
		}
		mem = mem.CrashClone(vfs.LoseAll)
		opts.FS = mem
		return mem, opts
	}
	t.Run("last batch damaged", func(t *testing.T) {
		mem, opts := setup(t)
		damageAt(t, mem, segmentPath(8), 200, "junk")
		mustRefuse(t, opts, segmentPath(8), "offset 8")
	})
	t.Run("last batch zero", func(t *testing.T) {
		mem, opts := setup(t)
		damageAt(t, mem, segmentPath(8), 0, strings.Repeat("\x00", 980))
		mustRefuse(t, opts, segmentPath(8), "offset 8")
	})
	t.Run("active segment missing", func(t *testing.T) {
		mem, opts := setup(t)
		mem.Remove(segmentPath(8))
		mustRefuse(t, opts, segmentPath(8))
	})
	t.Run("full segment missing", func(t *testing.T) {
		mem, opts := setup(t)
		mem.Remove(segmentPath(4))
		mustRefuse(t, opts, segmentPath(4))
	})
	t.Run("first segment missing", func(t *testing.T) {
		mem, opts := setup(t)
		mem.Remove(segmentPath(0))
		mustRefuse(t, opts, segmentPath(0))
	})
	t.Run("full segment cut", func(t *testing.T) {
		mem, opts := setup(t)
		f, _ := mem.OpenReadWrite(segmentPath(4))
		f.Truncate(3000)
		mustRefuse(t, opts, segmentPath(4), "3000 bytes")
	})
	t.Run("all segments missing", func(t *testing.T) {
		mem, opts := setup(t)
		for _, base := range []log.Offset{0, 4, 8} {
			mem.Remove(segmentPath(base))
		}
		mustRefuse(t, opts)
	})
	t.Run("checkpoint damaged", func(t *testing.T) {
		mem, opts := setup(t)
		damageAt(t, mem, path.Join(testDir, checkpointName), 20, "junk")
		mustRefuse(t, opts, checkpointName)
	})
	t.Run("checkpoint of another partition", func(t *testing.T) {
		_, opts := setup(t)
		_, err := Open(testDir, log.TopicPartition{Topic: "bookings", Partition: 4}, opts, nil, nil)
		if log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), "bookings/3") {
			t.Fatal(err)
		}
	})
	t.Run("checkpoint missing", func(t *testing.T) {
		mem, opts := setup(t)
		mem.Remove(path.Join(testDir, checkpointName))
		replayed := log.Offset(0)
		l, err := Open(testDir, testTP, opts, func(h record.Header) error { replayed = h.NextOffset(); return nil }, nil)
		if err != nil || replayed != 9 {
			t.Fatalf("replayed to %d, %v", replayed, err)
		}
		checkRecords(t, l)
	})
}

// TestSealedDamageIsFoundByReaders shows that a full segment is trusted at open and checked on every read.
func TestSealedDamageIsFoundByReaders(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	for range 9 {
		mustAppend(t, l, 1, 900)
	}
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	damageAt(t, mem, segmentPath(4), 1500, "junk")
	l = mustOpen(t, opts)
	if _, err := l.Read(nil, 4, 5, 1<<20); err != nil {
		t.Fatalf("the sound batch before: %v", err)
	}
	_, err := l.Read(nil, 5, 9, 1<<20)
	if log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), segmentPath(4)) || !strings.Contains(err.Error(), "offset 5") {
		t.Fatal(err)
	}
	if _, err := l.Read(nil, 6, 9, 1<<20); err != nil {
		t.Fatalf("the sound batch behind: %v", err)
	}
}

func TestBaseOffsetDamageIsFound(t *testing.T) { // it lies before what the CRC covers
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	for range 9 {
		mustAppend(t, l, 1, 900)
	}
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	b, _ := vfs.ReadFile(mem, segmentPath(4))
	h, _ := record.ParseHeader(b)
	damageAt(t, mem, segmentPath(4), int64(h.Size())+7, "\x06") // offset 5 says it is 6
	l = mustOpen(t, opts)
	if _, err := l.Read(nil, 5, 9, 1<<20); log.CodeOf(err) != log.Corrupt || !strings.Contains(err.Error(), "offset 5") {
		t.Fatal(err)
	}
}
