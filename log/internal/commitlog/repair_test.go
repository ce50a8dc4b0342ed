package commitlog

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// ruin damages a log at random.
func ruin(t *testing.T, rng *rand.Rand, mem *vfs.MemFS) {
	t.Helper()
	names, err := mem.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + rng.IntN(3) {
		name := path.Join(testDir, names[rng.IntN(len(names))])
		info, err := mem.Stat(name)
		if err != nil || info.Size == 0 {
			continue
		}
		switch rng.IntN(6) {
		case 0:
			mem.Remove(name)
		case 1:
			f, _ := mem.OpenReadWrite(name)
			f.Truncate(rng.Int64N(info.Size))
		case 2:
			damageAt(t, mem, name, rng.Int64N(info.Size), strings.Repeat("\x00", 1+rng.IntN(1500)))
		default:
			damageAt(t, mem, name, rng.Int64N(info.Size), "junk!")
		}
	}
}

// sound returns the numbers of all records that Inspect finds, by offset.
func sound(t *testing.T, mem vfs.FS) map[log.Offset]uint64 {
	t.Helper()
	found := map[log.Offset]uint64{}
	_, err := Inspect(mem, testDir, func(f Found) error {
		records, err := record.Decode(nil, f.Batch, testTP, 0)
		if err != nil {
			return err
		}
		for _, r := range records {
			if found[r.Offset] != 0 {
				return fmt.Errorf("offset %d is found twice", r.Offset)
			}
			found[r.Offset] = idOfRecord(&r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRepair damages random logs. What Verify finds sound stays, where it was, nothing else appears, the log opens; a repair
// that loses power anywhere can be run again with the same result.
func TestRepair(t *testing.T) {
	opened, repaired := 0, 0
	eachSeed(t, *seedsFlag*10, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(t, rng)
		w.inject = errorfs.InjectorFunc(func(errorfs.Op) error { return nil })
		w.use(w.mem)
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for range 25 {
			if err := w.step(); err != nil {
				t.Fatal(err)
			}
		}
		mem := w.mem.CrashClone(vfs.KeepAll)
		ruin(t, rng, mem)
		mem = mem.CrashClone(vfs.KeepAll) // the damage is durable
		opts := w.opts
		opts.FS = mem.CrashClone(vfs.KeepAll)
		_, openErr := Open(testDir, testTP, opts, nil, nil)
		in, err := Inspect(mem, testDir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if openErr != nil && !in.Corrupt() {
			t.Fatalf("Open refuses what Inspect finds whole: %v\n%+v", openErr, in)
		}
		if openErr == nil {
			opened++
		}
		want := sound(t, mem)
		cut := func() log.Offset { // what lies behind a torn tail goes at Open
			for _, d := range in.Damages {
				if d.Torn {
					return d.From
				}
			}
			return in.End
		}()
		interrupted := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Mutates() {
				crashed := mem.CrashClone(vfs.Randomly(rng))
				if _, err := Repair(crashed, testDir, true); err != nil {
					t.Fatalf("repair after a power loss before %s: %v", op, err)
				}
				w.checkRepaired(crashed, want, cut)
			}
			return nil
		}))
		cuts, err := Repair(interrupted, testDir, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(cuts) > 0 {
			repaired++
		}
		w.checkRepaired(mem, want, cut)
		if cuts, err := Repair(mem, testDir, true); err != nil || len(cuts) > 0 {
			t.Fatalf("second repair: %v, %v", cuts, err)
		}
	})
	t.Logf("%d opened as they were, %d repaired", opened, repaired)
}

// checkRepaired opens a repaired log and checks that every sound record is there and no other.
func (w *world) checkRepaired(mem *vfs.MemFS, want map[log.Offset]uint64, cut log.Offset) {
	w.t.Helper()
	opts := w.opts
	opts.FS = mem
	l, err := Open(testDir, testTP, opts, nil, nil)
	if err != nil {
		w.t.Fatalf("repaired log: %v", err)
	}
	defer l.Close(nil)
	if l.NextOffset() < w.model.synced && l.NextOffset() < cut {
		w.t.Fatalf("repaired log ends at %d", l.NextOffset())
	}
	got := map[log.Offset]uint64{}
	b, err := readAll(l, l.StartOffset(), 1<<20)
	if err != nil {
		w.t.Fatalf("repaired log: %v", err)
	}
	for len(b) > 0 {
		_, rest, _ := record.Next(b)
		records, err := record.Decode(nil, b, testTP, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range records {
			got[r.Offset] = idOfRecord(&r)
		}
		b = rest
	}
	for o, id := range want {
		if o < cut && o >= l.StartOffset() && got[o] != id {
			w.t.Fatalf("offset %d held record %d, after the repair %d", o, id, got[o])
		}
	}
	for o, id := range got {
		if want[o] != id {
			w.t.Fatalf("offset %d holds record %d, before the repair %d", o, id, want[o])
		}
	}
}
