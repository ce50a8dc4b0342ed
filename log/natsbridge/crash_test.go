package natsbridge

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

var (
	longFlag = flag.Int("long", 1, "run random tests this many times as long")
	seedFlag = flag.Uint64("seed", 0, "run random tests with this seed only")
)

// seeds runs a random test with n seeds (times -long), or with the one given by -seed.
func seeds(t *testing.T, n int, test func(*testing.T, *rand.Rand)) {
	first, last := uint64(1), uint64(n**longFlag)
	if testing.Short() {
		last = 1
	}
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			test(t, rand.New(rand.NewPCG(seed, 0)))
			if t.Failed() {
				t.Logf("replay with: go test ./log/natsbridge -run '%s' -seed %d", t.Name(), seed)
			}
		})
	}
}

// life is what a workload did with one id: it scheduled it, and perhaps replaced or canceled it later.
type life struct {
	first, second int64  // generations, when acknowledged
	did           string // "", "replace" or "cancel": begun
	canceled      bool   // acknowledged
	late          bool   // it had fired before it could be canceled
}

// ledger is what a workload did, as its writers know it.
type ledger struct {
	mu    sync.Mutex
	lives map[string]*life
}

func (l *ledger) change(id string, f func(*life)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lives[id] == nil {
		l.lives[id] = &life{}
	}
	f(l.lives[id])
}

func (l *ledger) snapshot() map[string]life {
	l.mu.Lock()
	defer l.mu.Unlock()
	lives := map[string]life{}
	for id, v := range l.lives {
		lives[id] = *v
	}
	return lives
}

const crashWriters, crashSchedules = 4, 12

var crashTargets = map[log.Topic]int{"a": 2, "b": 1}

// work schedules, replaces and cancels. An error ends the writer.
func (l *ledger) work(ctx context.Context, b *Bridge, rng *rand.Rand) {
	var wg sync.WaitGroup
	for w := range crashWriters {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		wg.Go(func() {
			for i := range crashSchedules {
				if l.live(ctx, b, rng, fmt.Sprintf("%d.%d", w, i)) != nil {
					return
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

func (l *ledger) live(ctx context.Context, b *Bridge, rng *rand.Rand, id string) error {
	schedule := func() (log.Schedule, error) {
		topic := log.Topic("a")
		if rng.IntN(3) == 0 {
			topic = "b"
		}
		at := time.Now().Add(time.Duration(1+rng.IntN(100)) * time.Millisecond)
		return b.Schedule(ctx, log.Schedule{ID: id, At: at, Record: plain(topic, "k"+strconv.Itoa(rng.IntN(3)), id)})
	}
	l.change(id, func(*life) {})
	s, err := schedule()
	if err != nil {
		return err
	}
	l.change(id, func(v *life) { v.first = s.Generation })
	time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
	switch rng.IntN(4) {
	case 0:
		l.change(id, func(v *life) { v.did = "replace" })
		if s, err = schedule(); err != nil {
			return err
		}
		l.change(id, func(v *life) { v.second = s.Generation })
	case 1:
		l.change(id, func(v *life) { v.did = "cancel" })
		err := b.CancelSchedule(ctx, id)
		l.change(id, func(v *life) { v.canceled, v.late = err == nil, log.CodeOf(err) == log.UnknownSchedule })
		if err != nil && log.CodeOf(err) != log.UnknownSchedule {
			return err
		}
	}
	return nil
}

// openCrash opens a log and its schedules on fs, and makes the targets.
func openCrash(ctx context.Context, fs vfs.FS) (*broker.Broker, *Bridge, error) {
	opts := lazy
	opts.FS, opts.NoPreallocation = fs, true
	if homeConfig.SegmentBytes > 0 {
		opts.HousekeepingInterval, opts.CheckpointInterval = 10*time.Millisecond, 20*time.Millisecond // compacts
	}
	lg, err := broker.Open("log", opts)
	if err != nil {
		return nil, nil, err
	}
	for topic, n := range crashTargets {
		if err := lg.CreateTopic(ctx, topic, log.TopicConfig{Partitions: n}); err != nil && log.CodeOf(err) != log.TopicExists {
			return nil, nil, errors.Join(err, lg.Close())
		}
	}
	b, err := Open(ctx, lg, Options{clockless: true})
	if err != nil {
		return nil, nil, errors.Join(err, lg.Close())
	}
	return lg, b, nil
}

// runFor runs work beside lg and b, and lets them go on for two seconds: by then all is due.
func runFor(lg *broker.Broker, b *Bridge, work func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- lg.Run(ctx) }()
	go func() { done <- b.Run(ctx) }()
	work()
	time.Sleep(2 * time.Second)
	cancel()
	<-done // its error is what was injected
	<-done
}

// check opens what a crash left, lets all fire that is pending, and compares with what was acknowledged before the crash; later is the
// workload's end, when every operation was begun that may have left something.
func check(ctx context.Context, fs vfs.FS, before, later map[string]life) error {
	lg, b, err := openCrash(ctx, fs)
	if err != nil {
		return err
	}
	defer lg.Close()
	defer b.Close()
	runFor(lg, b, func() {})
	if s := b.Stats(); s.Pending != 0 || s.Failed != 0 {
		return fmt.Errorf("not all has fired: %+v %+v", s, b.Failures())
	}
	fired := map[string]map[int64]bool{}
	for topic, n := range crashTargets {
		for p := range n {
			if err := collect(ctx, lg, log.TopicPartition{Topic: topic, Partition: log.Partition(p)}, fired, true); err != nil {
				return err
			}
		}
	}
	for id, v := range before {
		if err := v.compare(fired[id], later[id]); err != nil {
			return fmt.Errorf("schedule %s: %w: acknowledged %+v, later %+v, fired %v", id, err, v, later[id], fired[id])
		}
	}
	return nil
}

// collect reads a target, and checks that nothing came early, twice or, where one after the other was scheduled, in the wrong order: what is scheduled when it is due already comes
// behind what is there.
func collect(ctx context.Context, lg log.Reader, tp log.TopicPartition, fired map[string]map[int64]bool, ordered bool) error {
	lastDue := map[string]time.Time{}
	next, end, err := lg.Offsets(ctx, tp)
	for err == nil && next < end {
		var found log.FetchResult
		found, err = lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: next})
		for _, r := range found.Records {
			header := func(name string) string { v, _ := r.Header(name); return string(v) }
			id := header(log.ScheduleIDHeader)
			gen, _ := strconv.ParseInt(header(log.ScheduleGenerationHeader), 10, 64)
			due, err1 := time.Parse(time.RFC3339Nano, header(log.ScheduleDueHeader))
			at, err2 := time.Parse(time.RFC3339Nano, header(log.ScheduleFiredHeader))
			switch {
			case err1 != nil || err2 != nil || id == "" || gen == 0:
				return fmt.Errorf("%s: headers %v", r.Position(), r.Headers)
			case at.Before(due):
				return fmt.Errorf("%s: fired at %v, due %v", r.Position(), at, due)
			case fired[id][gen]:
				return fmt.Errorf("%s: %s generation %d came before", r.Position(), id, gen)
			case ordered && due.Before(lastDue[string(r.Key)]):
				return fmt.Errorf("%s: due %v, behind one due %v", r.Position(), due, lastDue[string(r.Key)])
			}
			if fired[id] == nil {
				fired[id] = map[int64]bool{}
			}
			fired[id][gen], lastDue[string(r.Key)] = true, due
		}
		next = found.Next
	}
	return err
}

// compare checks which generations of one id fired.
func (v life) compare(fired map[int64]bool, later life) error {
	switch {
	case v.canceled && fired[v.first]:
		return errors.New("fired though it was canceled")
	case v.late && !fired[v.first]:
		return errors.New("was said to have fired")
	case v.second != 0 && !fired[v.second]:
		return errors.New("its replacement has not fired")
	case v.first != 0 && later.did == "" && !fired[v.first]:
		return errors.New("has not fired")
	case v.first != 0 && later.did == "replace" && len(fired) == 0:
		return errors.New("neither it nor its replacement has fired")
	case len(fired) > 2 || len(fired) > 1 && later.did != "replace":
		return errors.New("fired too often")
	}
	return nil
}

// compactOften has __schedules compacted all the time, in the tests of even seeds.
func compactOften(t *testing.T) {
	if !strings.ContainsAny(t.Name()[len(t.Name())-1:], "02468") {
		return
	}
	was := homeConfig
	homeConfig.SegmentBytes, homeConfig.DirtyRatio = 4<<10, 0.01
	t.Cleanup(func() { homeConfig = was })
}

// TestCrashes takes a picture of the disk, as the end of the process or a power loss at that moment may leave it, at every
// operation of the workload, and opens it.
func TestCrashes(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		compactOften(t)
		synctest.Test(t, func(t *testing.T) {
			type picture struct {
				op     errorfs.Op
				fs     vfs.FS
				before map[string]life
			}
			var mu sync.Mutex
			var pictures []picture
			mem, l := vfs.NewMem(), &ledger{lives: map[string]*life{}}
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if !op.Mutates() {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				choose := vfs.Randomly(rng)
				if rng.IntN(3) == 0 {
					choose = vfs.KeepAll // only the process dies
				}
				before := l.snapshot()
				pictures = append(pictures, picture{op, mem.CrashClone(choose), before})
				return nil
			}))
			lg, b, err := openCrash(t.Context(), fs)
			if err != nil {
				t.Fatal(err)
			}
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			runFor(lg, b, func() { l.work(t.Context(), b, own) })
			for _, err := range []error{b.Close(), lg.Close()} {
				if err != nil {
					t.Fatal(err)
				}
			}
			later := l.snapshot()
			if len(later) != crashWriters*crashSchedules {
				t.Fatalf("%d schedules", len(later))
			}
			for i, p := range pictures {
				if err := check(t.Context(), p.fs, p.before, later); err != nil {
					t.Fatalf("crash %d of %d at %v: %v", i, len(pictures), p.op, err)
				}
			}
			start, end, err := ends(t.Context(), mem)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d crashes, %d records of %d left", len(pictures), start, end)
		})
	})
}

// ends returns how many records are left in __schedules, and how many there were.
func ends(ctx context.Context, fs vfs.FS) (left int, all log.Offset, err error) {
	lg, b, err := openCrash(ctx, fs)
	if err != nil {
		return 0, 0, err
	}
	defer lg.Close()
	defer b.Close()
	next, all, err := lg.Offsets(ctx, home)
	for err == nil && next < all {
		var found log.FetchResult
		found, err = lg.Fetch(ctx, log.FetchRequest{TopicPartition: home, Offset: next})
		left, next = left+len(found.Records), found.Next
	}
	return left, all, err
}

// TestErrors fails the n-th operation, for every n that the seeds come by, goes on as long as that is possible, and opens what is left, with
// and without a power loss.
func TestErrors(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		compactOften(t)
		stride := 3
		if testing.Short() {
			stride = 12
		}
		for n := 0; ; n += 1 + rng.IntN(stride) {
			seed, after := rng.Uint64(), rng.IntN(3) == 0
			var hit *errorfs.Op
			synctest.Test(t, func(t *testing.T) {
				mem, l := vfs.NewMem(), &ledger{lives: map[string]*life{}}
				nth := &errorfs.Nth{N: n, After: after, Match: errorfs.Op.Mutates}
				lg, b, err := openCrash(t.Context(), errorfs.Wrap(mem, nth))
				if err == nil {
					runFor(lg, b, func() { l.work(t.Context(), b, rand.New(rand.NewPCG(seed, 1))) })
					_ = b.Close()
					_ = lg.Close()
				}
				hit = nth.Hit()
				for _, choose := range []vfs.Choose{vfs.KeepAll, vfs.LoseAll, vfs.Randomly(rng)} {
					if err := check(t.Context(), mem.CrashClone(choose), l.snapshot(), l.snapshot()); err != nil {
						t.Fatalf("operation %d failed (%v, all later ones: %t): %v", n, hit, after, err)
					}
				}
			})
			if hit == nil || t.Failed() {
				t.Logf("%d operations", n)
				return
			}
		}
	})
}
