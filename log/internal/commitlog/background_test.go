package commitlog

import (
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// stall holds up the first operation that match accepts until it is let go.
type stall struct {
	match   func(errorfs.Op) bool
	reached chan struct{}
	proceed chan struct{}
}

func newStall(match func(errorfs.Op) bool) *stall {
	return &stall{match: match, reached: make(chan struct{}, 1), proceed: make(chan struct{})}
}

// Inject implements errorfs.Injector.
func (s *stall) Inject(op errorfs.Op) error {
	if !s.match(op) {
		return nil
	}
	select {
	case s.reached <- struct{}{}:
		<-s.proceed
	default:
	}
	return nil
}

// TestRetentionBesideSyncFull removes the very segment that SyncFull is about to open: nothing failed, so nothing is poisoned.
func TestRetentionBesideSyncFull(t *testing.T) {
	first := segmentPath(0)
	armed := false
	hold := newStall(func(op errorfs.Op) bool { return armed && op.Kind == errorfs.OpenReadWrite && op.Name == first })
	opts := testOptions(errorfs.Wrap(vfs.NewMem(), hold))
	opts.Config.Durability, opts.Config.RetentionBytes = log.Interval, 4<<10
	l := mustOpen(t, opts)
	for range 20 {
		mustAppend(t, l, 1, 1000)
	}
	armed = true
	done := make(chan error)
	go func() {
		_, err := l.SyncFull()
		done <- err
	}()
	<-hold.reached
	removed, err := l.ApplyRetention(testTime, l.NextOffset())
	if removed == 0 || err != nil {
		t.Fatalf("%d removed, %v", removed, err)
	}
	close(hold.proceed)
	if err := <-done; err != nil {
		t.Fatalf("SyncFull of a segment that retention removed: %v", err)
	}
	mustAppend(t, l, 1, 100)
	mustSync(t, l)
}

// TestRetentionKeepsWhatNoBlobCovers: a caller that replays and never wrote a blob needs every batch to make its state again.
func TestRetentionKeepsWhatNoBlobCovers(t *testing.T) {
	opts := testOptions(vfs.NewMem())
	opts.Config.RetentionBytes = 4 << 10
	l, err := Open(testDir, testTP, opts, func(record.Header) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(nil) })
	for range 20 {
		mustAppend(t, l, 1, 1000)
	}
	if removed, err := l.ApplyRetention(testTime, l.NextOffset()); removed > 0 || err != nil {
		t.Fatalf("%d segments removed that no blob covers, %v", removed, err)
	}
	if err := l.Checkpoint([]byte("state")); err != nil {
		t.Fatal(err)
	}
	if removed, err := l.ApplyRetention(testTime, l.NextOffset()); removed == 0 || err != nil {
		t.Fatalf("%d segments removed with a blob, %v", removed, err)
	}
}

// TestIndexLoadLeavesTheWriterAlone holds up a reader in the middle of loading an index; the writer rolls on.
func TestIndexLoadLeavesTheWriterAlone(t *testing.T) {
	mem := vfs.NewMem()
	opts := filled(t, mem)
	hold := newStall(func(op errorfs.Op) bool { return op.Kind == errorfs.Open && strings.HasSuffix(op.Name, indexSuffix) })
	opts.FS = errorfs.Wrap(mem, hold)
	l := mustOpen(t, opts)
	read := make(chan error)
	go func() {
		_, err := l.Read(nil, 1, 10, 1000)
		read <- err
	}()
	<-hold.reached
	rolled := make(chan struct{})
	go func() {
		defer close(rolled)
		for range 10 {
			mustAppend(t, l, 1, 1000)
			mustSync(t, l)
		}
	}()
	select {
	case <-rolled:
	case <-time.After(time.Minute):
		t.Error("the writer waits for a reader's I/O")
	}
	close(hold.proceed)
	<-rolled
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// TestManyReadersLeaveFewFilesOpen: what many readers at once opened beyond the limit is closed again.
func TestManyReadersLeaveFewFilesOpen(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	for range 300 {
		mustAppend(t, l, 1, 1000)
	}
	list := *l.segments.Load()
	for _, s := range list {
		if _, err := l.files.acquire(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range list {
		l.files.release(s)
	}
	mustAppend(t, l, 1, 4000) // rolls, and so opens one more
	if _, err := l.Read(nil, 0, 1, 100); err != nil {
		t.Fatal(err)
	}
	if n := len(l.files.open); n > openSegmentsMax+1 {
		t.Errorf("%d files are open, %d were to be", n, openSegmentsMax)
	}
}
