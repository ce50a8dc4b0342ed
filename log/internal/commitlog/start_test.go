package commitlog

import (
	"errors"
	"math/rand/v2"
	"path"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

func mustDelete(t testing.TB, l *Log, before log.Offset) {
	t.Helper()
	if err := l.DeleteRecords(before); err != nil || l.StartOffset() < before {
		t.Fatalf("start %d, %v", l.StartOffset(), err)
	}
}

func TestDeleteRecords(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	for range 20 { // 4 to a segment
		mustAppend(t, l, 1, 900)
	}
	mustSync(t, l)
	for _, before := range []log.Offset{1, 3, 4, 4, 0, 10, 11} {
		mustDelete(t, l, before)
	}
	check := func(l *Log, start log.Offset) {
		t.Helper()
		if l.StartOffset() != start {
			t.Fatalf("start %d, want %d", l.StartOffset(), start)
		}
		if _, err := l.Read(nil, start-1, 20, 100); log.CodeOf(err) != log.OffsetOutOfRange {
			t.Errorf("read below the start: %v", err)
		}
		if o, err := l.OffsetForTime(testTime, 20); o != start || err != nil {
			t.Errorf("first of the time: %d, %v", o, err)
		}
		if got := recordsOf(t, l); len(got) != int(20-start) || got[0].Offset != start {
			t.Errorf("%d records", len(got))
		}
	}
	check(l, 11)
	if err := l.DeleteRecords(21); log.CodeOf(err) != log.OffsetOutOfRange {
		t.Error(err)
	}
	opts.FS = mem.CrashClone(vfs.LoseAll)
	check(mustOpen(t, opts), 11) // before any checkpoint
	if !l.HasDeleted() {
		t.Error("nothing to free")
	}
	if n, err := l.ApplyRetention(testTime, 20); n != 2 || err != nil {
		t.Errorf("%d segments freed, %v", n, err)
	}
	check(l, 11)
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRecords(12); log.CodeOf(err) != log.Closed {
		t.Error(err)
	}
	if in := mustBeWhole(t, mem); in.Start != 11 {
		t.Errorf("inspected: start %d", in.Start)
	}
	mem.Remove(path.Join(testDir, startName))
	opts.FS = mem
	check(mustOpen(t, opts), 11) // the checkpoint says so, too
}

// TestDeleteRecordsToTheEnd empties a log, and goes on.
func TestDeleteRecordsToTheEnd(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	for round := range 20 {
		for range 5 {
			mustAppend(t, l, 1, 900)
		}
		mustSync(t, l)
		mustDelete(t, l, l.NextOffset())
		if _, err := l.ApplyRetention(testTime, l.NextOffset()); err != nil {
			t.Fatal(err)
		}
		if l.Bytes() > 8<<10 {
			t.Fatalf("round %d: %d bytes are kept of nothing", round, l.Bytes())
		}
		if round%5 == 4 {
			opts.FS = mem.CrashClone(vfs.LoseAll)
			again := mustOpen(t, opts)
			if again.StartOffset() != l.StartOffset() || again.NextOffset() != l.NextOffset() {
				t.Fatalf("%d to %d became %d to %d", l.StartOffset(), l.NextOffset(), again.StartOffset(), again.NextOffset())
			}
		}
	}
}

// TestDeleteRecordsShareSyncs: those who come while a start is being synced are served by the next sync, all of them.
func TestDeleteRecordsShareSyncs(t *testing.T) {
	mem := vfs.NewMem()
	var syncs atomic.Int32
	name := path.Join(testDir, startName)
	hold := newStall(func(op errorfs.Op) bool { return op.Kind == errorfs.SyncData && op.Name == name && syncs.Add(1) == 1 })
	l := mustOpen(t, testOptions(errorfs.Wrap(mem, hold)))
	mustAppend(t, l, 100, 10)
	mustSync(t, l)
	mustDelete(t, l, 1) // makes the file
	var done sync.WaitGroup
	done.Go(func() { mustDelete(t, l, 2) })
	<-hold.reached
	for i := range 50 {
		done.Go(func() { mustDelete(t, l, log.Offset(3+i)) })
	}
	for l.starts.wanted.Load() != 52 { // the greatest is known
		if err := l.DeleteRecords(1); err != nil {
			t.Error(err)
		}
	}
	close(hold.proceed)
	done.Wait()
	if n := syncs.Load(); n > 3 || l.StartOffset() != 52 {
		t.Errorf("%d syncs for 51 callers, start %d", n, l.StartOffset())
	}
}

// TestDeleteRecordsFails: a failed write moves nothing and harms nothing that was acknowledged; the next call may succeed.
func TestDeleteRecordsFails(t *testing.T) {
	for n := range 40 {
		mem := vfs.NewMem()
		fail := &errorfs.Nth{N: n, Match: func(op errorfs.Op) bool { return op.Mutates() && path.Base(op.Name) != segmentName(0, logSuffix) }}
		opts := testOptions(errorfs.Wrap(mem, fail))
		l, err := Open(testDir, testTP, opts, nil, nil)
		if err != nil {
			continue
		}
		mustAppend(t, l, 30, 10)
		if l.Sync() != nil {
			continue
		}
		acked := log.Offset(0)
		for i := range log.Offset(20) {
			if err := l.DeleteRecords(i); err == nil {
				acked = i
			} else if !errors.Is(err, errorfs.ErrInjected) || l.StartOffset() != acked {
				t.Fatalf("start %d of %d: %v", l.StartOffset(), acked, err)
			}
			opts.FS = mem.CrashClone(vfs.Randomly(rand.New(rand.NewPCG(uint64(n), uint64(i)))))
			again, err := Open(testDir, testTP, opts, nil, nil)
			if err != nil || again.StartOffset() < acked || again.StartOffset() > i {
				t.Fatalf("operation %d failed (%v): start %d of %d, %v", n, fail.Hit(), again.StartOffset(), acked, err)
			}
		}
		if acked != 19 {
			t.Fatalf("it did not recover from %v: %d", fail.Hit(), acked)
		}
	}
}

func TestDamagedStartIsRefusedAndRepaired(t *testing.T) {
	mem := vfs.NewMem()
	opts := testOptions(mem)
	l := mustOpen(t, opts)
	mustAppend(t, l, 30, 10)
	mustSync(t, l)
	mustDelete(t, l, 5)
	if err := l.Checkpoint(nil); err != nil {
		t.Fatal(err)
	}
	mustDelete(t, l, 9)
	name := path.Join(testDir, startName)
	mem = mem.CrashClone(vfs.LoseAll)
	opts.FS = mem
	damageAt(t, mem, name, 9, "x") // one slot: the other one counts
	if again := mustOpen(t, Options{FS: mem.CrashClone(vfs.KeepAll), Config: opts.Config, Logger: quiet}); again.StartOffset() != 9 {
		t.Errorf("start %d", again.StartOffset())
	}
	damageAt(t, mem, name, startSlotEvery, "x")
	mustRefuse(t, opts, name)
	cuts, err := Repair(mem, testDir, true)
	if err != nil || len(cuts) != 1 || cuts[0].SideFile == "" {
		t.Fatalf("%+v, %v", cuts, err)
	}
	if again := mustOpen(t, opts); again.StartOffset() != 5 {
		t.Errorf("start %d after the repair", again.StartOffset())
	}
}

// FuzzDecodeStart: what is accepted was written so, and the next write goes to the other slot.
func FuzzDecodeStart(f *testing.F) {
	image := make([]byte, 2*startSlotEvery)
	copy(image, encodeStart(7))
	f.Add(append([]byte{}, image...))
	copy(image[startSlotEvery:], encodeStart(9))
	f.Add(image)
	f.Add(encodeStart(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		start, slot, err := decodeStart(b)
		if err != nil {
			if log.CodeOf(err) != log.Corrupt {
				t.Fatal(err)
			}
			return
		}
		at := (1 - slot) * startSlotEvery
		if start < 0 || string(b[at:at+startSlotBytes]) != string(encodeStart(start)) {
			t.Fatalf("start %d, next slot %d", start, slot)
		}
	})
}

// FuzzDecodeCheckpoint: what is accepted says the same when it is written again.
func FuzzDecodeCheckpoint(f *testing.F) {
	c := checkpoint{tp: testTP, first: 10, start: 12, durable: 40, open: 30, since: 5, blobAt: 20, blob: []byte("blob"), clean: 30, horizon: 99,
		swap: swap{base: 10, end: 30}, full: []extent{{base: 10, bytes: 100, maxTime: 7}}}
	f.Add(c.encode())
	f.Add(old(c))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint(b)
		if err != nil {
			if code := log.CodeOf(err); code != log.Corrupt && code != log.UnsupportedFormat {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeCheckpoint(c.encode())
		if err != nil || string(again.encode()) != string(c.encode()) {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

// old returns c as version 1 wrote it.
func old(c checkpoint) []byte {
	b := c.encode()
	const head, added = 12 + 5*8, 5 * 8
	b = append(b[:head:head], b[head+added:]...)
	b[7] = 1
	crc := crcOf(b[12:])
	b[8], b[9], b[10], b[11] = byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc)
	return b
}

func TestCheckpointOfVersion1(t *testing.T) {
	c := checkpoint{tp: testTP, first: 12, start: 12, durable: 40, open: 12, blob: []byte("blob"), blobAt: 20}
	got, err := decodeCheckpoint(old(c))
	if err != nil || string(got.encode()) != string(c.encode()) {
		t.Errorf("%+v, %v", got, err)
	}
}
