package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lodge/log"
	"lodge/projections"
)

// Run runs the conformance suite: with a store that reads all partitions itself, and then, where that can make a difference, with the members of
// a group.
func Run(t *testing.T, newProjector func() projections.Projector) {
	s := &suite{new: newProjector, seed: Seed(t)}
	t.Run("batches", s.batches)
	t.Run("live", s.live)
	t.Run("duplicates", s.duplicates)
	t.Run("kill", s.kill)
	t.Run("kill in rebuild", s.killInRebuild)
	t.Run("restored file", s.restored)
	t.Run("missing file", func(t *testing.T) { s.damaged(t, os.Remove) })
	t.Run("damaged file", func(t *testing.T) { s.damaged(t, scribble) })
	t.Run("cut log", s.cutLog)
	t.Run("other log", s.otherLog)
	t.Run("rebuild", s.rebuild)
	if _, ok := newProjector().(projections.Archiver); ok {
		t.Run("archive", s.archive)
		t.Run("kill in move", s.killInMove)
		t.Run("archive and old files", s.archiveRestored)
		t.Run("archive damaged", s.archiveDamaged)
		t.Run("archive of two writers", s.archiveOfTwo)
	}
	s.members = 2
	t.Run("group live", s.live)
	t.Run("group duplicates", s.duplicates)
	t.Run("group restored file", s.restored)
	t.Run("group damaged file", func(t *testing.T) { s.damaged(t, scribble) })
	t.Run("group other log", s.otherLog)
	t.Run("group rebuild", s.rebuild)
	t.Run("group kill", s.kill)
	t.Run("group rebalance", s.rebalance)
	t.Run("group rebalance in rebuild", s.rebalanceInRebuild)
}

type suite struct {
	new     func() projections.Projector
	seed    uint64
	members int // of the group; 0: the store is in none
}

// bench returns a bench as the suite wants it now.
func (s *suite) bench(t *testing.T, l *Log) *Bench {
	b := NewBench(t, l, s.new)
	b.Opts.ArchiveDays, b.Opts.ArchiveEvery = 1, time.Millisecond
	if s.members > 0 {
		b.Join(NewGroup(t, l.partitions), s.members)
	}
	return b
}

const (
	suiteHotels = 7
	suiteNights = 20 // some stays lie behind them
	suiteEvents = 800
)

// story returns a log that already holds the hotels, and what happens next.
func (s *suite) story() (*Log, *History) {
	l, h := NewLog(Partitions), NewHistory(s.seed, suiteHotels)
	l.Append(h.Hotels(suiteNights)...)
	return l, h
}

// straight returns the rows of a straight replay of the log: each topic in one batch, and no archive.
func (s *suite) straight(t *testing.T, l *Log) []string {
	t.Helper()
	b := NewBench(t, l, s.new)
	b.Opts.ArchiveDays = -1
	b.Start()
	defer b.Close()
	return b.Dump()
}

// equal compares with a straight replay.
func (s *suite) equal(t *testing.T, b *Bench) {
	t.Helper()
	want, got := s.straight(t, b.Log), b.Dump()
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Fatalf("row %d differs from a straight replay\n got %s\nwant %s", i, got[i], want[i])
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d rows, a straight replay has %d", len(got), len(want))
	}
	if len(want) < 5 {
		t.Fatalf("only %d rows: the test tests nothing", len(want))
	}
}

// batches: rows do not depend on how events are cut into batches.
func (s *suite) batches(t *testing.T) {
	l, h := s.story()
	l.Append(h.Next(suiteEvents)...)
	for _, bulk := range []int{1, 7, 100} {
		b := s.bench(t, l)
		b.Opts.BulkEvents = bulk
		b.Start()
		s.equal(t, b)
		b.Close()
	}
}

// live: events that come while the store runs, in small pieces, with topics interleaved as it happens.
func (s *suite) live(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Opts.TransactionRows = 20
	b.Start()
	defer b.Close()
	for range suiteEvents / 8 {
		pos := l.Append(h.Next(8)...)
		if err := b.Store.WaitFor(context.Background(), s.new().Name(), pos); err != nil {
			t.Fatal(err)
		}
	}
	b.CatchUp()
	s.equal(t, b)
}

// duplicates: the log returns records again and again.
func (s *suite) duplicates(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	defer b.Close()
	l.Overlap(5)
	for range 20 {
		l.Append(h.Next(suiteEvents / 20)...)
		b.CatchUp()
	}
	l.Overlap(0)
	s.equal(t, b)
}

// steps calls try for rising numbers of steps until it returns false: all of them with -long, else about a dozen.
func (s *suite) steps(t *testing.T, try func(n int) bool) {
	rng := rand.New(rand.NewPCG(s.seed, 2))
	for n := 0; try(n); n++ {
		if !*longFlag {
			n += rng.IntN(3 + n)
		}
	}
}

// kill: at any step of following the log; then the next process goes on with what the files hold.
func (s *suite) kill(t *testing.T) {
	s.steps(t, func(n int) bool { return s.killFollowing(t, NewKiller(n)) })
}

func (s *suite) killFollowing(t *testing.T, killer *Killer) bool {
	l, h := s.story()
	b := s.bench(t, l)
	b.Opts.Fault = killer.Fault
	b.Start()
	killer.Arm()
	for range 10 {
		l.Append(h.Next(suiteEvents / 40)...)
	}
	if err := s.untilDeadOrDone(b, killer); err != nil {
		t.Fatal(err)
	}
	return s.reopen(t, b, killer)
}

// untilDeadOrDone waits until the store is killed or has applied the whole log, and stops it.
func (s *suite) untilDeadOrDone(b *Bench, killer *Killer) error {
	if err := s.untilThere(b, killer); err != nil {
		return err
	}
	if err := b.Stop(); err != nil && !errors.Is(err, ErrKilled) {
		return err
	}
	return nil
}

// untilThere waits until the store is killed or has applied the whole log.
func (s *suite) untilThere(b *Bench, killer *Killer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-killer.Dead():
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, pos := range b.Log.Ends() {
		if err := b.Store.WaitFor(ctx, s.new().Name(), pos); err != nil && killer.Killed() == "" {
			return err
		}
	}
	return nil
}

// reopen goes on from an image of the files, and reports whether there was a kill at all.
func (s *suite) reopen(t *testing.T, b *Bench, killer *Killer) bool {
	t.Helper()
	image := b.Image()
	image.Opts.Fault = nil
	if err := b.Store.Close(); err != nil {
		t.Fatal(err)
	}
	image.Start()
	defer image.Close()
	s.equal(t, image)
	left, err := os.ReadDir(filepath.Join(image.Dir, s.new().Name()))
	if err != nil || len(left) != 2 { // CURRENT and the version that it names
		t.Errorf("killed at %q, files left behind: %v, error %v", killer.Killed(), left, err)
	}
	return killer.Killed() != ""
}

// killInRebuild: at any step of a rebuild while events come, and at least once at each kind of step; the old tables stay in service
// or the new ones are, and nothing is left behind.
func (s *suite) killInRebuild(t *testing.T) {
	for _, step := range projections.RebuildSteps() {
		if !s.killRebuilding(t, NewKillerAt(step, 0)) {
			t.Errorf("a rebuild does not pass step %q", step)
		}
	}
	s.steps(t, func(n int) bool { return s.killRebuilding(t, NewKiller(n)) })
}

func (s *suite) killRebuilding(t *testing.T, killer *Killer) bool {
	l, h := s.story()
	l.Append(h.Next(suiteEvents / 4)...)
	b := s.bench(t, l)
	b.Opts.Fault = killer.Fault
	b.Start()
	killer.Arm()
	err := b.Store.Rebuild(context.Background(), s.new().Name(), func(projections.Progress) { l.Append(h.Next(3)...) })
	if err != nil && !errors.Is(err, ErrKilled) {
		t.Fatal(err)
	}
	if err := s.untilDeadOrDone(b, killer); err != nil {
		t.Fatal(err)
	}
	return s.reopen(t, b, killer)
}

// restored: one shard's file, then all of them, are put back as they were some time ago.
func (s *suite) restored(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	l.Append(h.Next(suiteEvents / 2)...)
	b.CatchUp()
	b.Close()
	old := b.Image()
	for count := range Partitions {
		b.Start()
		l.Append(h.Next(suiteEvents / 4)...)
		b.CatchUp()
		b.Close()
		for i, file := range b.Files()[:count+1] {
			copyFile(t, old.Files()[i], file)
		}
		b.Start()
		s.equal(t, b)
		if v := b.version(t); v != 1 {
			t.Fatalf("version %d: it was rebuilt, not caught up", v)
		}
		b.Close()
	}
}

// damaged: one file is missing or holds something else; the projection is built anew.
func (s *suite) damaged(t *testing.T, damage func(file string) error) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	l.Append(h.Next(suiteEvents / 2)...)
	b.CatchUp()
	b.Close()
	files := b.Files()
	if err := damage(files[len(files)-1]); err != nil {
		t.Fatal(err)
	}
	b.Start()
	defer b.Close()
	s.equal(t, b)
	if v := b.version(t); v == 1 {
		t.Fatal("it was not rebuilt")
	}
}

// cutLog: the log has lost its end, and the checkpoints lie beyond it.
func (s *suite) cutLog(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	l.Append(h.Next(2 * suiteEvents)...) // half of which stay
	b.CatchUp()
	b.Close()
	for _, end := range l.Ends() {
		l.Cut(end.TopicPartition(), end.Offset/2)
	}
	b.Open()
	b.Run()
	defer b.Close()
	s.rebuilt(t, b)
}

// otherLog: the log has lost its end and grown beyond the checkpoints again, with other events.
func (s *suite) otherLog(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	l.Append(h.Next(suiteEvents / 2)...)
	b.CatchUp()
	b.Close()
	for _, end := range l.Ends() {
		l.Cut(end.TopicPartition(), end.Offset/2)
	}
	l.Append(NewHistory(s.seed+1, suiteHotels).Next(2 * suiteEvents)...)
	b.Open()
	b.Run()
	defer b.Close()
	s.rebuilt(t, b)
}

// rebuilt waits until another version is in service and compares it.
func (s *suite) rebuilt(t *testing.T, b *Bench) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); b.version(t) == 1; {
		if time.Now().After(deadline) {
			t.Fatal("it was not rebuilt")
		}
	}
	b.CatchUp()
	s.equal(t, b)
}

func (b *Bench) version(t *testing.T) int {
	t.Helper()
	status := b.Store.Status(context.Background())
	return status[0].Version
}

// rebuild: while events come and queries are asked, with a comparison.
func (s *suite) rebuild(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	defer b.Close()
	l.Append(h.Next(suiteEvents / 2)...)
	b.CatchUp()
	ctx, cancel := context.WithCancel(context.Background())
	queried := make(chan error, 1)
	most := b.rows(t)
	go func() { queried <- b.query(ctx, most) }()
	var phases []projections.Phase
	result, err := b.Store.RebuildWith(context.Background(), s.new().Name(), projections.RebuildOptions{
		Compare: true,
		Progress: func(p projections.Progress) {
			l.Append(h.Next(3)...)
			if !slices.Contains(phases, p.Phase) {
				phases = append(phases, p.Phase)
			}
		},
	})
	cancel()
	if err := errors.Join(err, <-queried); err != nil {
		t.Fatal(err)
	}
	if c := result.Comparison; c == nil || c.Rows == 0 || c.Differences != 0 {
		t.Errorf("comparison %+v", c)
	}
	want := []projections.Phase{projections.PhaseReplay, projections.PhaseCatchUp, projections.PhaseCompare, projections.PhaseSwap, projections.PhaseDone}
	if !slices.Equal(phases, want) || result.Version != 2 || result.Last.Done < result.Last.Total {
		t.Errorf("phases %v, result %+v", phases, result)
	}
	b.CatchUp()
	s.equal(t, b)
}

// rows returns how many rows each shard has.
func (b *Bench) rows(t *testing.T) []int {
	t.Helper()
	rows := make([]int, b.Log.partitions)
	for p := range rows {
		err := b.Store.Dump(context.Background(), b.New().Name(), log.Partition(p), func(string, []any) error { rows[p]++; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// query reads from all shards until ctx ends: there must never be an error, or fewer rows than there were before.
func (b *Bench) query(ctx context.Context, most []int) error {
	for ctx.Err() == nil {
		for p := range most {
			rows := 0
			err := b.Store.Dump(context.Background(), b.New().Name(), log.Partition(p), func(string, []any) error { rows++; return nil })
			if err != nil {
				return err
			}
			if rows < most[p] {
				return fmt.Errorf("a query has seen a gap: %d rows, before %d", rows, most[p])
			}
			most[p] = rows
		}
	}
	return nil
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scribble overwrites the middle of a file.
func scribble(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()/2), info.Size()/4)
	}
	return errors.Join(err, f.Close())
}
