package projectiontest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lodge/projections"
)

// archive: rows move while events come, some of them late ones of rows that have moved, and in the end all that are due have moved.
func (s *suite) archive(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	b.Start()
	defer b.Close()
	for range 10 {
		l.Append(h.Next(suiteEvents / 10)...)
		b.CatchUp()
		b.Archive(t)
		s.equal(t, b)
	}
	if rows := b.archived(t); rows < 10 {
		t.Errorf("only %d rows are archived", rows)
	}
	if rows := b.Archive(t); rows != 0 {
		t.Errorf("%d rows were due behind all", rows)
	}
	if err := b.Store.Rebuild(t.Context(), s.new().Name(), nil); err != nil {
		t.Fatal(err)
	}
	s.equal(t, b)
	if rows := b.archived(t); rows < 10 {
		t.Errorf("only %d rows are archived by a rebuild", rows)
	}
	if rows := b.Archive(t); rows != 0 {
		t.Errorf("%d rows were due behind a rebuild", rows)
	}
}

// archiveOfTwo: two stores take themselves for the only writer of the same files, by turns. One moves rows, which changes no checkpoint, and so the other goes on; late events of
// rows that it has not seen go must bring them back all the same.
func (s *suite) archiveOfTwo(t *testing.T) {
	h := NewHistory(s.seed, suiteHotels)
	first := s.bench(t, NewLog(Partitions))
	first.Opts.ArchiveEvery = time.Hour // but when it is asked for
	second := *first
	second.Log, second.Dir = NewLog(Partitions), t.TempDir()
	if err := os.Symlink(filepath.Join(first.Dir, s.new().Name()), filepath.Join(second.Dir, s.new().Name())); err != nil {
		t.Fatal(err)
	}
	begun := append(h.Hotels(suiteNights), h.Next(suiteEvents/4)...)
	mover, other := first, &second
	for _, b := range []*Bench{mover, other} {
		b.Log.Append(begun...)
		b.Start()
		defer b.Close()
	}
	moved := 0
	for range 12 {
		if mover.Archive(t) > 0 {
			moved++
		}
		next := h.Next(suiteEvents / 10)
		for _, b := range []*Bench{other, mover} {
			b.Log.Append(next...)
			b.CatchUp()
		}
		s.equal(t, mover)
		mover, other = other, mover
	}
	if moved < 3 {
		t.Errorf("rows were moved in %d rounds only", moved)
	}
}

// Archive moves all rows that are due, and returns how many they were.
func (b *Bench) Archive(t testing.TB) int64 {
	t.Helper()
	rows, err := b.Store.Archive(t.Context(), b.New().Name())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// archived returns how many rows are in the archive.
func (b *Bench) archived(t *testing.T) (rows int64) {
	t.Helper()
	for _, y := range b.Store.Status(t.Context())[0].Archive {
		rows += y.Rows
	}
	return rows
}

// killInMove: at least once at each step of a move, by the store itself and when it is asked for; the next process goes on with what the files hold.
func (s *suite) killInMove(t *testing.T) {
	for _, step := range projections.MoveSteps() {
		for n := range 3 {
			if !s.killMoving(t, NewKillerAt(step, n)) && n == 0 {
				t.Errorf("nothing passed step %q", step)
			}
		}
	}
}

func (s *suite) killMoving(t *testing.T, killer *Killer) bool {
	l, h := s.story()
	b := s.bench(t, l)
	b.Opts.Fault = killer.Fault
	b.Start()
	killer.Arm()
	for range 10 {
		l.Append(h.Next(suiteEvents / 10)...)
		if err := s.untilThere(b, killer); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Store.Archive(t.Context(), s.new().Name()); err != nil && !errors.Is(err, ErrKilled) {
			t.Fatal(err)
		}
		if killer.Killed() != "" {
			break
		}
	}
	l.Append(h.Next(suiteEvents / 10)...)
	if err := s.untilDeadOrDone(b, killer); err != nil {
		t.Fatal(err)
	}
	return s.reopen(t, b, killer)
}

// archiveRestored: hot files are put back as they were before later moves, or events of rows that had moved.
func (s *suite) archiveRestored(t *testing.T) {
	rng := rand.New(rand.NewPCG(s.seed, 3))
	l, h := s.story()
	b := s.bench(t, l)
	var old []*Bench
	for range 6 {
		b.Start()
		l.Append(h.Next(suiteEvents / 4)...)
		b.CatchUp()
		b.Archive(t)
		b.Close()
		old = append(old, b.Image())
	}
	for range 4 {
		for i, file := range b.Files() {
			if rng.IntN(2) == 0 {
				copyFile(t, old[rng.IntN(len(old))].Files()[i], file)
			}
		}
		b.Start()
		s.equal(t, b)
		l.Append(h.Next(suiteEvents / 8)...)
		b.CatchUp()
		b.Archive(t)
		s.equal(t, b)
		version := b.version(t)
		b.Close()
		if version != 1 {
			break // one of a time that a newer move has taken the place of: found out, and made anew
		}
	}
}

// archiveDamaged: a cold file is missing, is one of an earlier time, or holds something else.
func (s *suite) archiveDamaged(t *testing.T) {
	l, h := s.story()
	b := s.bench(t, l)
	var old *Bench
	for n := 0; old == nil || len(old.ColdFiles()) == 0; n++ {
		if n == 20 {
			t.Fatal("nothing moves to the archive")
		}
		b.Start()
		l.Append(h.Next(suiteEvents / 2)...)
		b.CatchUp()
		b.Archive(t)
		b.Close()
		old = b.Image()
	}
	for i, damage := range []func(file string) error{
		os.Remove,
		func(file string) error { return os.WriteFile(file, bytes.Repeat([]byte("no database"), 1000), 0o644) },
		func(file string) error {
			older := old.ColdFiles()[0] // there may be none yet of the shard and year of file
			was, err := os.ReadFile(older)
			return errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(file), filepath.Base(older)), was, 0o644))
		},
	} {
		b.Start()
		l.Append(h.Next(suiteEvents)...)
		b.CatchUp()
		b.Archive(t)
		b.Close()
		files := b.ColdFiles()
		if len(files) == 0 {
			t.Fatal("there is no archive")
		}
		if err := damage(files[len(files)-1]); err != nil {
			t.Fatal(err)
		}
		b.Start()
		s.equal(t, b)
		if v := b.version(t); v != i+2 {
			t.Errorf("damage %d: version %d, it was not rebuilt", i, v)
		}
		b.Close()
	}
}

// ColdFiles returns the files of the archive of the version in service.
func (b *Bench) ColdFiles() []string {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(b.Files()[0]), "archive-*.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(files)
	return files
}
