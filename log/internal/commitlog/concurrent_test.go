package commitlog

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/logtest/leaktest"
	"lodge/log/vfs"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// TestReadersBesideTheWriter reads, searches, zero-fills and applies retention while the writer appends: each batch read is
// whole, in order, and below the end that was visible before.
func TestReadersBesideTheWriter(t *testing.T) {
	for _, fsys := range map[string]vfs.FS{"mem": vfs.NewMem(), "os": inFolder{vfs.Default, t.TempDir()}} {
		opts := testOptions(fsys)
		opts.Zero = true
		opts.Config.SegmentBytes = 256 << 10
		opts.Config.RetentionBytes = 2 << 20
		l := mustOpen(t, opts)
		var done atomic.Bool
		var group sync.WaitGroup
		background := func(f func() error) {
			group.Go(func() {
				for !done.Load() {
					if err := f(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 2 {
			group.Go(func() { follow(t, l, &done) })
		}
		background(l.Preallocate)
		background(func() error { _, err := l.ApplyRetention(testTime, l.NextOffset()); return err })
		background(func() error {
			below := l.NextOffset()
			at, err := l.OffsetForTime(testTime.Add(-time.Second), below)
			if err == nil && at > max(below, l.StartOffset()) { // retention may have passed the end that was
				t.Errorf("offset %d for a time before all, end %d, start %d", at, below, l.StartOffset())
			}
			if log.CodeOf(err) == log.OffsetOutOfRange { // retention was faster
				err = nil
			}
			return err
		})
		for i := range 1500 {
			mustAppend(t, l, 1+i%3, i*13%4000)
			if i%5 == 0 {
				mustSync(t, l)
			}
			if i%200 == 0 {
				if err := l.Checkpoint([]byte("blob")); err != nil {
					t.Fatal(err)
				}
			}
		}
		done.Store(true)
		group.Wait()
		checkRecords(t, l)
		next := l.NextOffset()
		if err := l.Close([]byte("blob")); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, opts)
		if l.NextOffset() != next {
			t.Fatalf("reopened at %d instead of %d", l.NextOffset(), next)
		}
		checkRecords(t, l)
	}
}

// follow reads along until the writer is done.
func follow(t *testing.T, l *Log, done *atomic.Bool) {
	at := log.Offset(0)
	dst := make([]byte, 64<<10)
	for !done.Load() {
		below := l.NextOffset()
		b, err := l.Read(dst, at, below, 32<<10)
		if log.CodeOf(err) == log.OffsetOutOfRange && at < l.StartOffset() {
			at = l.StartOffset()
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		for len(b) > 0 {
			h, rest, err := record.Next(b)
			if err != nil || h.BaseOffset != at || h.NextOffset() > below {
				t.Errorf("read %d to %d, due is %d, end %d: %v", h.BaseOffset, h.NextOffset(), at, below, err)
				return
			}
			at, b = h.NextOffset(), rest
		}
	}
}

// inFolder is a file system below a folder of another.
type inFolder struct {
	vfs.FS
	dir string
}

func (f inFolder) Create(name string) (vfs.File, error) { return f.FS.Create(f.dir + "/" + name) }
func (f inFolder) Open(name string) (vfs.File, error)   { return f.FS.Open(f.dir + "/" + name) }
func (f inFolder) OpenReadWrite(name string) (vfs.File, error) {
	return f.FS.OpenReadWrite(f.dir + "/" + name)
}
func (f inFolder) Remove(name string) error               { return f.FS.Remove(f.dir + "/" + name) }
func (f inFolder) Rename(a, b string) error               { return f.FS.Rename(f.dir+"/"+a, f.dir+"/"+b) }
func (f inFolder) MkdirAll(name string) error             { return f.FS.MkdirAll(f.dir + "/" + name) }
func (f inFolder) List(name string) ([]string, error)     { return f.FS.List(f.dir + "/" + name) }
func (f inFolder) Stat(name string) (vfs.FileInfo, error) { return f.FS.Stat(f.dir + "/" + name) }
func (f inFolder) SyncDir(name string) error              { return f.FS.SyncDir(f.dir + "/" + name) }

// TestPreallocate checks that zeros go ahead of the writer, in a file that grows little at first, and never over a batch.
func TestPreallocate(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	opts.Zero = true
	opts.Config.SegmentBytes = 4 << 20
	l := mustOpen(t, opts)
	if l.WantsSpace() {
		t.Error("an empty segment wants space")
	}
	size := func() int64 {
		info, err := mem.Stat(segmentPath(0))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size
	}
	mustAppend(t, l, 1, 100)
	if !l.WantsSpace() {
		t.Error("no space is wanted")
	}
	for _, ahead := range []int64{zeroAheadMin, 1 << 20, 3 << 20} {
		for l.Bytes() < ahead-ahead/4 {
			mustAppend(t, l, 1, 5000)
		}
		if err := l.Preallocate(); err != nil {
			t.Fatal(err)
		}
		if space := size() - l.Bytes(); space < min(l.Bytes(), zeroAheadMin)/2 || space > max(l.Bytes(), zeroAheadMin) || size() > 4<<20 {
			t.Errorf("%d bytes, %d ahead", l.Bytes(), space)
		}
		mustSync(t, l)
	}
	opts.FS = mem.CrashClone(vfs.LoseAll)
	checkRecords(t, mustOpen(t, opts))
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	if size() != l.Bytes() {
		t.Errorf("closed with %d bytes for %d", size(), l.Bytes())
	}
}
