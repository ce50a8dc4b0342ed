package commitlog

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// mustBePoisoned checks that a failed writer refuses everything.
func mustBePoisoned(t *testing.T, l *Log, cause error) {
	t.Helper()
	if log.CodeOf(cause) != log.Poisoned {
		t.Fatalf("code %s of %v", log.CodeOf(cause), cause)
	}
	for what, err := range map[string]error{
		"append":     l.Append(batch(t, l.NextOffset(), 1, 10, testTime)),
		"sync":       l.Sync(),
		"checkpoint": l.Checkpoint([]byte("blob")),
		"close":      l.Close(nil),
	} {
		if log.CodeOf(err) != log.Poisoned {
			t.Fatalf("%s after %v: %v", what, cause, err)
		}
	}
}

// TestFailEveryOperation fails the n-th operation of a random workload, for every n, sometimes half done. The writer is told,
// nothing is acknowledged after that, and when the log is opened again it holds everything acknowledged, however the power fails then.
func TestFailEveryOperation(t *testing.T) {
	failures := 0
	eachSeed(t, max(*seedsFlag, 1), func(t *testing.T, rng *rand.Rand) {
		seed := rng.Uint64()
		for n := 0; ; n++ {
			nth := &errorfs.Nth{N: n, Match: func(op errorfs.Op) bool { return op.Kind != errorfs.Stat || n%7 == 0 }}
			if n%3 == 0 {
				nth.Err = &errorfs.ShortError{N: rng.IntN(3000), Err: errorfs.ErrInjected}
			}
			again := newWorld(t, rand.New(rand.NewPCG(seed, 1)))
			again.runUntilError(nth)
			if nth.Hit() == nil {
				break
			}
			failures++
		}
	})
	t.Logf("%d failures", failures)
}

// runUntilError runs a workload whose file system fails once, and then checks what is left.
func (w *world) runUntilError(inject errorfs.Injector) {
	w.inject = inject
	w.use(w.mem)
	err := w.open()
	for i := 0; i < 25 && err == nil; i++ {
		if err = w.step(); err != nil && log.CodeOf(err) == log.Poisoned {
			mustBePoisoned(w.t, w.log, err)
		}
	}
	if err == nil {
		return
	}
	for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(w.rng)} {
		if err := w.survive(w.mem.CrashClone(choose), w.model, false); err != nil {
			w.t.Fatalf("after %v: %v", err, err)
		}
	}
	// No power loss: the process opens the log again, with pages in the kernel that it takes for clean.
	w.inject = errorfs.InjectorFunc(func(errorfs.Op) error { return nil })
	w.use(w.mem)
	if err := w.open(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.model.verify(w.log); err != nil {
		w.t.Fatal(err)
	}
	w.reopened()
	if err := w.survive(w.mem.CrashClone(vfs.LoseAll), w.model, false); err != nil {
		w.t.Fatalf("what was readable after a failed sync is gone: %v", err)
	}
}

// TestSyncIsNotRetried shows the trap: the second sync of a file succeeds, and the data is on no disk.
func TestSyncIsNotRetried(t *testing.T) {
	mem := vfs.NewMem()
	fail := &errorfs.Nth{Match: func(op errorfs.Op) bool { return op.Kind == errorfs.SyncData }}
	opts := testOptions(errorfs.Wrap(mem, fail))
	l := mustOpen(t, opts)
	mustAppend(t, l, 3, 100)
	err := l.Sync()
	if err == nil {
		t.Fatal("sync did not fail")
	}
	mustBePoisoned(t, l, err)
	checkRecords(t, l) // readers go on

	opts.FS = mem.CrashClone(vfs.LoseAll)
	if lost := mustOpen(t, opts); lost.NextOffset() != 0 {
		t.Fatalf("the model keeps %d records of a failed sync", lost.NextOffset())
	}
	opts.FS = mem
	if again := mustOpen(t, opts); again.NextOffset() != 3 {
		t.Fatalf("reopened at %d", again.NextOffset())
	}
	opts.FS = mem.CrashClone(vfs.LoseAll)
	again := mustOpen(t, opts)
	if again.NextOffset() != 3 {
		t.Fatalf("records that were readable are gone: the log ends at %d", again.NextOffset())
	}
	checkRecords(t, again)
}

// TestLengthFoundAtOpen: a process dies between cutting its segment and syncing that. The next one finds the new length, which is on no disk,
// and must not call it durable.
func TestLengthFoundAtOpen(t *testing.T) {
	mem := vfs.NewMem()
	cut := false
	dying := errorfs.InjectorFunc(func(op errorfs.Op) error {
		cut = cut || op.Kind == errorfs.Truncate
		if cut && op.Kind == errorfs.SyncData {
			return errorfs.ErrInjected
		}
		return nil
	})
	now := testTime
	opts := testOptions(errorfs.Wrap(mem, dying))
	opts.Zero, opts.Clock = true, func() time.Time { return now }
	l := mustOpen(t, opts)
	mustAppend(t, l, 3, 100)
	if err := errors.Join(l.Preallocate(), l.Checkpoint(nil)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(l.Config().SegmentAge)
	if err := l.Append(batch(t, 3, 1, 100, now)); err == nil || !cut {
		t.Fatalf("%v: it was to die on the way", err)
	}
	opts.FS = mem
	l = mustOpen(t, opts)
	mustAppend(t, l, 1, 100) // to the next segment
	if err := l.Sync(); err != nil || l.Segments() != 2 {
		t.Fatalf("%d segments, %v", l.Segments(), err)
	}
	opts.FS = mem.CrashClone(vfs.LoseAll)
	l = mustOpen(t, opts)
	if l.NextOffset() != 4 {
		t.Fatalf("the log ends at %d", l.NextOffset())
	}
	checkRecords(t, l)
}

func TestAppendRefusesWithoutHarm(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	for name, group := range map[string][]byte{
		"gap":   batch(t, 1, 1, 10, testTime),
		"short": batch(t, 0, 1, 10, testTime)[:70],
		"junk":  make([]byte, 100),
		"tail":  append(batch(t, 0, 1, 10, testTime), 1, 2, 3),
	} {
		if err := l.Append(group); log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, l, 1, 10)
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(batch(t, 1, 1, 10, testTime)); log.CodeOf(err) != log.Closed {
		t.Errorf("append after close: %v", err)
	}
	if err := l.Close(nil); err != nil {
		t.Errorf("second close: %v", err)
	}
}
