package commitlog

import (
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// beside runs f until it reaches what hold waits for, applies retention, and lets it go on.
func beside(t *testing.T, l *Log, hold *stall, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case <-hold.reached:
	case err := <-done:
		t.Fatalf("done too early: %v", err)
	}
	removed, err := l.ApplyRetention(testTime, l.NextOffset())
	if removed == 0 || err != nil {
		t.Errorf("%d removed, %v", removed, err)
	}
	close(hold.proceed)
	return <-done
}

// withoutIndex returns options for a closed log of several segments, the first of which has lost its index and is
// to be removed. hold stalls what match accepts.
func withoutIndex(t *testing.T, match func(errorfs.Op) bool) (mem *vfs.MemFS, opts Options, hold *stall) {
	t.Helper()
	mem = vfs.NewMem()
	opts = filled(t, mem)
	if err := removeIndexes(mem, newSegment(testDir, 0)); err != nil {
		t.Fatal(err)
	}
	hold = newStall(match)
	opts.FS, opts.Config.RetentionBytes = errorfs.Wrap(mem, hold), 20<<10
	return mem, opts, hold
}

// TestRebuiltIndexOfRemovedSegment removes a segment while a reader writes its index anew: the files do not stay behind.
func TestRebuiltIndexOfRemovedSegment(t *testing.T) {
	first := segmentName(0, "")
	for _, suffix := range []string{indexSuffix, timeSuffix} {
		mem, opts, hold := withoutIndex(t, func(op errorfs.Op) bool {
			return op.Kind == errorfs.Create && strings.HasSuffix(op.Name, first+suffix)
		})
		l := mustOpen(t, opts)
		err := beside(t, l, hold, func() error {
			_, err := l.Read(nil, 1, 10, 1000)
			return err
		})
		if log.CodeOf(err) != log.OffsetOutOfRange {
			t.Errorf("the reader of what is gone got %v", err)
		}
		names, err := mem.List(testDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, first) {
				t.Errorf("%s stayed behind", name)
			}
		}
	}
}

// TestOffsetForTimeBesideRetention removes the first segment while it is searched.
func TestOffsetForTimeBesideRetention(t *testing.T) {
	t.Run("loading its index", func(t *testing.T) {
		_, opts, hold := withoutIndex(t, func(op errorfs.Op) bool { return op.Kind == errorfs.Open && op.Name == segmentPath(0) })
		l := mustOpen(t, opts)
		err := beside(t, l, hold, func() error {
			o, err := l.OffsetForTime(testTime.Add(time.Second), 200)
			if o != l.StartOffset() || o == 0 {
				t.Errorf("found %d, the start is %d", o, l.StartOffset())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("between two reads", func(t *testing.T) {
		armed := false
		hold := newStall(func(op errorfs.Op) bool { return armed && op.Kind == errorfs.ReadAt && op.Name == segmentPath(0) })
		opts := testOptions(errorfs.Wrap(vfs.NewMem(), hold))
		opts.Config.SegmentBytes, opts.Config.RetentionBytes = 3*scanWindow, 1
		l := mustOpen(t, opts)
		young := testTime.Add(time.Hour)
		for l.Segments() == 1 {
			at := testTime
			if l.Bytes() > 3*scanWindow-200<<10 {
				at = young // at the end of the first segment, so that all of it is searched
			}
			if err := l.Append(batch(t, l.NextOffset(), 1, 100<<10, at)); err != nil {
				t.Fatal(err)
			}
		}
		mustSync(t, l)
		armed = true
		err := beside(t, l, hold, func() error {
			o, err := l.OffsetForTime(young, l.NextOffset())
			if want := l.NextOffset() - 1; o != want {
				t.Errorf("found %d instead of %d", o, want)
			}
			return err
		})
		if err != nil {
			t.Error(err, log.CodeOf(err))
		}
	})
}
