package commitlog

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
	"lodge/log/vfs/tiered"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run the crash tests with this seed only")
	seedsFlag = flag.Int("seeds", 8, "number of seeds that the crash tests run")
)

// eachSeed runs f with n seeds (a quarter of them with -short), or with the one of -seed.
func eachSeed(t *testing.T, n int, f func(t *testing.T, rng *rand.Rand)) {
	first := uint64(1)
	if testing.Short() {
		n = max(1, n/4)
	}
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			f(t, rand.New(rand.NewPCG(seed, 42)))
		})
	}
}

// model is what a log must hold. It knows each record by a number that is never used twice, so that records of a lost
// past are told from those that took their offsets.
type model struct {
	ids       []uint64   // by offset: what was appended, acknowledged or not
	attempted []uint64   // of the append that is under way, behind ids
	synced    log.Offset // below it all is acknowledged as durable
	start     log.Offset // the log may begin here at the latest
	deleted   log.Offset // what lies below is deleted, acknowledged
	lastID    uint64
	keys      map[uint64]string // by number: "" without a key; see keyed
	compacts  bool              // records may be compacted away
}

const tombstone = "†" // behind the key of a record without value

// world is a log under a random workload.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	mem    *vfs.MemFS
	opts   Options
	model  model
	log    *Log
	inject errorfs.Injector
	now    time.Time

	replaced, removed int // segments and records, by compaction
	offloaded         int // segments
}

func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, mem: newMem(t), now: testTime}
	w.model.keys = map[uint64]string{}
	w.opts = testOptions(nil)
	w.opts.Clock = func() time.Time { return w.now }
	w.opts.Config.Durability = []log.Durability{log.Sync, log.Sync, log.Interval, log.None}[rng.IntN(4)]
	w.opts.Config.SegmentBytes = 4<<10 + rng.Int64N(8<<10)
	w.opts.Config.SegmentAge = time.Hour
	w.opts.Zero = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		w.opts.Config.RetentionBytes = 12 << 10
	}
	w.opts.Config.Cleanup = []log.Cleanup{log.CleanupDelete, log.CleanupCompact, log.CleanupCompact, log.CleanupCompactAndDelete}[rng.IntN(4)]
	w.opts.Config.DirtyRatio = rng.Float64()*0.5 + 1e-3
	w.opts.Config.TombstoneAge = time.Hour
	if w.opts.Config.OffloadAge = -1; rng.IntN(2) == 0 {
		w.opts.Config.OffloadAge = time.Duration(rng.IntN(60)) * time.Minute
	}
	w.model.compacts = w.opts.Config.Cleanup != log.CleanupDelete
	return w
}

// group encodes a few batches and notes them as attempted.
func (w *world) group() []byte {
	var group []byte
	m := &w.model
	m.attempted = nil
	base := log.Offset(len(m.ids))
	for range 1 + w.rng.IntN(1+w.rng.IntN(6)) {
		var b log.Batch
		first := base
		for range 1 + w.rng.IntN(3) {
			m.lastID++
			value := binary.BigEndian.AppendUint64(nil, m.lastID)
			value = append(value, make([]byte, w.rng.IntN(1+w.rng.IntN(2000)))...)
			b.Records = append(b.Records, w.keyed(log.Record{Value: value}))
			m.attempted = append(m.attempted, m.lastID)
			base++
		}
		at := len(group)
		var err error
		if group, err = record.AppendBatch(group, &b, w.now); err != nil {
			w.t.Fatal(err)
		}
		record.SetPlace(group[at:], first, 0)
	}
	return group
}

func idOf(value []byte) uint64 { return binary.BigEndian.Uint64(value) }

// step does one random thing to the log. Errors come from injection only.
func (w *world) step() error {
	m := &w.model
	w.now = w.now.Add(time.Duration(w.rng.IntN(int(10 * time.Minute))))
	switch w.rng.IntN(17) {
	default:
		if err := w.log.Append(w.group()); err != nil {
			return err
		}
		m.ids, m.attempted = append(m.ids, m.attempted...), nil
		if w.opts.Config.Durability != log.Sync {
			return nil
		}
		fallthrough
	case 0:
		if err := w.log.Sync(); err != nil {
			return err
		}
		m.synced = w.log.NextOffset()
	case 1:
		if err := w.log.Checkpoint(w.blob()); err != nil {
			return err
		}
		m.synced = w.log.NextOffset()
	case 2:
		return w.log.Preallocate()
	case 3:
		_, err := w.log.SyncFull()
		return err
	case 4:
		m.start = log.Offset(len(m.ids)) // for crashes in between
		_, err := w.log.ApplyRetention(w.now, w.log.NextOffset())
		if err == nil {
			m.start = w.log.StartOffset()
		}
		return err
	case 6, 7:
		return w.clean()
	case 8:
		return w.deleteRecords()
	case 9, 10:
		n, err := w.log.Offload(w.now, w.log.NextOffset(), 1+w.rng.IntN(3))
		w.offloaded += n
		return err
	case 5:
		if w.rng.IntN(3) > 0 {
			return nil
		}
		if err := w.log.Close(w.blob()); err != nil {
			return err
		}
		m.synced = w.log.NextOffset()
		return w.open()
	}
	return nil
}

// blob says which offset it was taken at.
func (w *world) blob() []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(w.log.NextOffset()))
}

func (w *world) open() error {
	l, err := openChecked(w.opts)
	if err == nil {
		w.log = l
	}
	return err
}

// openChecked opens the log and checks that blob and replay together are the whole log, without a gap.
func openChecked(opts Options) (*Log, error) {
	next, atStart := log.Offset(0), true
	restore := func(blob []byte) error {
		next, atStart = log.Offset(binary.BigEndian.Uint64(blob)), false
		return nil
	}
	replay := func(h record.Header) error {
		if h.BaseOffset != next && !atStart {
			return fmt.Errorf("replay of offset %d, due is %d", h.BaseOffset, next)
		}
		next, atStart = h.NextOffset(), false
		return nil
	}
	l, err := Open(testDir, testTP, opts, replay, restore)
	if err == nil && l.NextOffset() != next && l.NextOffset() != l.StartOffset() {
		return nil, fmt.Errorf("replay ended at %d, the log at %d", next, l.NextOffset())
	}
	return l, err
}

// verify checks a log against the model and returns how many records it holds of the latter.
func (m *model) verify(l *Log) error {
	if l.NextOffset() < m.synced {
		return fmt.Errorf("log ends at %d, %d was acknowledged", l.NextOffset(), m.synced)
	}
	if l.StartOffset() > m.start || l.StartOffset() < m.deleted {
		return fmt.Errorf("log begins at %d instead of %d to %d", l.StartOffset(), m.deleted, m.start)
	}
	all := append(append([]uint64{}, m.ids...), m.attempted...)
	if int(l.NextOffset()) > len(all) {
		return fmt.Errorf("log ends at %d, only %d records were appended", l.NextOffset(), len(all))
	}
	b, err := readAll(l, l.StartOffset(), 5000)
	if err != nil {
		return err
	}
	return m.compare(b, all[:l.NextOffset()], l.StartOffset())
}

// survive opens what a power loss left, checks it, appends to it, loses power again and checks once more.
func (w *world) survive(mem *vfs.MemFS, m model, deep bool) error {
	opts := w.opts
	opts.FS = w.tiers(mem)
	recovering, past := true, m
	if deep { // lose power at each step of the recovery, too
		opts.FS = w.tiers(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !op.Mutates() || !recovering {
				return nil
			}
			if err := w.survive(mem.CrashClone(vfs.Randomly(w.rng)), past, false); err != nil {
				w.t.Fatalf("in recovery, before %s: %v", op, err)
			}
			return nil
		})))
	}
	l, err := openChecked(opts)
	recovering = false
	if err != nil {
		return err
	}
	if err := m.verify(l); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	all := append(append([]uint64{}, m.ids...), m.attempted...)
	m.ids, m.attempted, m.synced = all[:l.NextOffset():l.NextOffset()], nil, l.NextOffset()
	if w.rng.IntN(2) == 0 {
		extra := *w
		extra.model = m
		group := extra.group()
		if err := errors.Join(l.Append(group), l.Sync()); err != nil {
			return err
		}
		m = extra.model
		m.ids, m.attempted = append(m.ids, m.attempted...), nil
		m.synced = l.NextOffset()
	}
	opts.FS = w.tiers(mem.CrashClone(vfs.Randomly(w.rng)))
	if l, err = openChecked(opts); err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	if err := m.verify(l); err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	return nil
}

// TestCrashAtEveryOperation loses power before every operation of random workloads and checks what is left: every
// acknowledged record, in order, once, and nothing that was not appended.
func TestCrashAtEveryOperation(t *testing.T) {
	crashes, replaced, removed, offloaded := 0, 0, 0, 0
	eachSeed(t, *seedsFlag, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(t, rng)
		armed := true
		w.inject = errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !op.Mutates() || !armed {
				return nil
			}
			armed = false
			defer func() { armed = true }()
			for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(rng), vfs.Randomly(rng)} {
				crashes++
				if err := w.survive(w.mem.CrashClone(choose), w.model, rng.IntN(16) == 0); err != nil {
					t.Fatalf("power lost before %s: %v", op, err)
				}
			}
			return nil
		})
		w.use(w.mem)
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := w.step(); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(15) == 0 {
				w.crash()
			}
		}
		replaced, removed, offloaded = replaced+w.replaced, removed+w.removed, offloaded+w.offloaded
	})
	t.Logf("%d crashes, %d segments compacted, %d records removed, %d segments offloaded", crashes, replaced, removed, offloaded)
	if *seedFlag == 0 && *seedsFlag >= 8 && !testing.Short() && (replaced < 10 || removed < 100 || offloaded < 3) {
		t.Error("compaction or offloading was not tested")
	}
}

// crash goes on in what a power loss leaves of the world.
func (w *world) crash() {
	w.use(w.mem.CrashClone(vfs.Randomly(w.rng)))
	if err := w.open(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.model.verify(w.log); err != nil {
		w.t.Fatal(err)
	}
	w.reopened()
}

// use makes mem the file system, with inject before each of its operations.
func (w *world) use(mem *vfs.MemFS) {
	ready := false
	w.mem, w.opts.FS = mem, w.tiers(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !ready {
			return nil
		}
		return w.inject.Inject(op)
	})))
	ready = true
}

// tiers is fsys with its cold folder.
func (w *world) tiers(fsys vfs.FS) vfs.FS {
	tiers, err := tiered.Open(fsys, testDir)
	if err != nil {
		w.t.Fatal(err)
	}
	return tiers
}

// newMem returns a file system whose log has a cold folder.
func newMem(t testing.TB) *vfs.MemFS {
	mem := vfs.NewMem()
	if err := vfs.MkdirAllSynced(mem, testDir); err != nil {
		t.Fatal(err)
	}
	if _, err := tiered.Attach(mem, testDir, "cold"); err != nil {
		t.Fatal(err)
	}
	return mem
}

// reopened takes over what the log holds as what was appended and is durable.
func (w *world) reopened() {
	m := &w.model
	all := append(append([]uint64{}, m.ids...), m.attempted...)
	m.ids, m.attempted = all[:w.log.NextOffset():w.log.NextOffset()], nil
	m.synced = w.log.NextOffset()
}
