package projectiontest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/projections"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the random histories; 0: a new one, which is printed")
	longFlag = flag.Bool("long", false, "try every step instead of a share of them")
)

// Partitions is the number of partitions that the suite works with.
const Partitions = 2

// Seed returns the seed of a test and logs it.
func Seed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -seed=%d)", seed, seed)
	return seed
}

// Quiet is a logger that says nothing.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Bench is a store over a log, as tests work with it.
type Bench struct {
	t    testing.TB
	Log  *Log
	Dir  string
	New  func() projections.Projector
	Opts projections.Options

	Store *projections.Store
	group *Group
	stop  func() error
}

// NewBench returns a bench with an empty folder and no store.
func NewBench(t testing.TB, l *Log, newProjector func() projections.Projector) *Bench {
	return &Bench{t: t, Log: l, Dir: t.TempDir(), New: newProjector,
		Opts: projections.Options{Partitions: l.partitions, Logger: Quiet(), NearEvents: 10, FetchBytes: 4000, WaitMax: time.Minute}}
}

// Open opens the store.
func (b *Bench) Open() {
	b.t.Helper()
	store, err := projections.Open(b.Dir, b.Reader(), []projections.Projector{b.New()}, b.Opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Store = store
}

// Run runs the store until Stop.
func (b *Bench) Run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	store := b.Store
	go func() { done <- store.Run(ctx) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// Stop ends Run and returns its error.
func (b *Bench) Stop() error { return b.stop() }

// Close stops and closes the store.
func (b *Bench) Close() {
	b.t.Helper()
	if b.stop != nil {
		if err := b.stop(); err != nil {
			b.t.Error(err)
		}
	}
	if err := b.Store.Close(); err != nil {
		b.t.Error(err)
	}
}

// Start opens and runs the store, and waits until it has applied the whole log.
func (b *Bench) Start() {
	b.t.Helper()
	b.Open()
	b.Run()
	b.CatchUp()
}

// CatchUp waits until the store has applied the whole log.
func (b *Bench) CatchUp() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, pos := range b.Log.Ends() {
		if err := b.Store.WaitFor(ctx, b.New().Name(), pos); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Dump returns all rows of all shards as text.
func (b *Bench) Dump() []string {
	b.t.Helper()
	var rows []string
	for p := range b.Log.partitions {
		err := b.Store.Dump(context.Background(), b.New().Name(), log.Partition(p), func(table string, row []any) error {
			rows = append(rows, fmt.Sprintf("%d %s %#v", p, table, row))
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return rows
}

// Image copies the folder as a killed process would leave it, and returns a bench over the copy. Nothing may run.
func (b *Bench) Image() *Bench {
	b.t.Helper()
	image := &Bench{t: b.t, Log: b.Log, Dir: b.t.TempDir(), New: b.New, Opts: b.Opts, group: b.group}
	if err := os.CopyFS(image.Dir, os.DirFS(b.Dir)); err != nil {
		b.t.Fatal(err)
	}
	return image
}

// Files returns the database files of the version in service.
func (b *Bench) Files() []string {
	b.t.Helper()
	dir := filepath.Join(b.Dir, b.New().Name())
	current, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	if err != nil {
		b.t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, string(current[:len(current)-1]), "shard-*.db"))
	if err != nil || len(files) != b.Log.partitions {
		b.t.Fatalf("files %v, error %v", files, err)
	}
	return files
}

// ErrKilled is what a Killer stops a store with.
var ErrKilled = errors.New("killed by the test")

// Killer stops a store at the n-th step that it passes, and at every later one: nothing happens after a kill.
type Killer struct {
	mu     sync.Mutex
	armed  bool
	left   int
	only   projections.Step // count these only, if set
	killed projections.Step
	dead   chan struct{}
}

// NewKiller returns a killer that lets n steps pass once it is armed.
func NewKiller(n int) *Killer { return &Killer{left: n, dead: make(chan struct{})} }

// NewKillerAt returns a killer that lets n steps of one kind pass, and all others.
func NewKillerAt(step projections.Step, n int) *Killer {
	k := NewKiller(n)
	k.only = step
	return k
}

// Arm makes the killer count from now on.
func (k *Killer) Arm() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.armed = true
}

// Fault is for projections.Options.
func (k *Killer) Fault(step projections.Step) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.armed:
		return nil
	case k.killed != "":
		return ErrKilled
	case k.only != "" && k.only != step:
		return nil
	case k.left > 0:
		k.left--
		return nil
	}
	k.killed = step
	close(k.dead)
	return ErrKilled
}

// Killed returns the step at which it happened, or "".
func (k *Killer) Killed() projections.Step {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.killed
}

// Dead is closed when it has happened.
func (k *Killer) Dead() <-chan struct{} { return k.dead }
