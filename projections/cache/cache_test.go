package cache_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/log/logtest/leaktest"
	"lodge/projections/cache"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

type question struct{ n int }

func size(string) int { return 100 }

// asker counts how often an answer has to be read.
type asker struct {
	*testing.T
	cache *cache.Cache
	reads int
}

func (a *asker) ask(hotel string, n int) string {
	a.Helper()
	got, err := cache.Get(a.cache, cache.Key{Hotel: hotel, Question: question{n}}, size, func() (string, error) {
		a.reads++
		return fmt.Sprint(hotel, n, "#", a.reads), nil
	})
	if err != nil {
		a.Fatal(err)
	}
	return got
}

func newAsker(t *testing.T, opts cache.Options) *asker {
	t.Helper()
	c, err := cache.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return &asker{T: t, cache: c}
}

func TestGivesAnAnswerAgainUntilItIsForgotten(t *testing.T) {
	a := newAsker(t, cache.Options{})
	first := a.ask("ritz", 1)
	if again := a.ask("ritz", 1); again != first {
		t.Errorf("got %s, then %s", first, again)
	}
	if other := a.ask("ritz", 2); other == first {
		t.Errorf("another question got %s", other)
	}
	savoy := a.ask("savoy", 1)
	a.cache.Forget("ritz")
	if again := a.ask("ritz", 1); again == first {
		t.Errorf("got %s although it was forgotten", again)
	}
	if again := a.ask("savoy", 1); again != savoy {
		t.Errorf("another hotel was forgotten too: %s, %s", savoy, again)
	}
	a.cache.ForgetAll()
	if again := a.ask("savoy", 1); again == savoy {
		t.Errorf("got %s although everything was forgotten", again)
	}
	if s := a.cache.Stats(); s.Hits != 2 || s.Misses != 5 || s.Outdated != 2 || s.Forgotten != 2 || s.Entries != 3 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnAnswerEndsWithItsTime(t *testing.T) {
	now := time.Unix(1000, 0)
	a := newAsker(t, cache.Options{TTL: time.Minute, Clock: func() time.Time { return now }})
	first := a.ask("ritz", 1)
	now = now.Add(time.Minute - 1)
	if a.ask("ritz", 1) != first {
		t.Error("read again before its time was over")
	}
	now = now.Add(1)
	if a.ask("ritz", 1) == first {
		t.Error("given again when its time was over")
	}
}

// TestWhatWasReadBeforeAChangeIsNotGivenAfterIt: the change comes while the answer is being read, from rows as they were.
func TestWhatWasReadBeforeAChangeIsNotGivenAfterIt(t *testing.T) {
	a := newAsker(t, cache.Options{})
	key := cache.Key{Hotel: "ritz", Question: question{1}}
	old, err := cache.Get(a.cache, key, size, func() (string, error) {
		a.cache.Forget("ritz")
		return "old", nil
	})
	if old != "old" || err != nil {
		t.Fatal(old, err)
	}
	if got := a.ask("ritz", 1); got == "old" {
		t.Error("what was read before the change was given after it")
	}
}

func TestKeepsNoMoreThanItsBytes(t *testing.T) {
	a := newAsker(t, cache.Options{BytesMax: 10_000})
	for n := range 1000 {
		a.ask("ritz", n)
	}
	if s := a.cache.Stats(); s.Bytes > 10_000 || s.Entries == 0 {
		t.Errorf("%+v", s)
	}
}

func TestKeepsNoError(t *testing.T) {
	a := newAsker(t, cache.Options{})
	key, broken := cache.Key{Hotel: "ritz", Question: question{1}}, errors.New("broken")
	if _, err := cache.Get(a.cache, key, size, func() (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if got := a.ask("ritz", 1); got != "ritz1#1" {
		t.Error(got)
	}
}

func TestWithoutACacheEverythingIsRead(t *testing.T) {
	a := &asker{T: t}
	a.ask("ritz", 1)
	if a.ask("ritz", 1); a.reads != 2 || a.cache.Stats() != (cache.Stats{}) {
		t.Error(a.reads, a.cache.Stats())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, opts := range []cache.Options{{TTL: -1}, {BytesMax: 1 << 41}} {
		if c, err := cache.New(opts); err == nil {
			t.Errorf("%+v made %v", opts, c)
		}
	}
}

// TestNobodyGetsAnAnswerOlderThanWhatItKnows: rows are a number that a writer raises; who has seen that the writer is done with n must not get less.
func TestNobodyGetsAnAnswerOlderThanWhatItKnows(t *testing.T) {
	a := newAsker(t, cache.Options{})
	var rows, done atomic.Int64
	key := cache.Key{Hotel: "ritz", Question: question{1}}
	var group sync.WaitGroup
	const last = 20_000
	group.Go(func() {
		for n := int64(1); n <= last; n++ {
			rows.Store(n)
			a.cache.Forget("ritz")
			done.Store(n)
		}
	})
	for range 3 {
		group.Go(func() {
			for known := int64(0); known < last; {
				known = done.Load()
				got, err := cache.Get(a.cache, key, func(int64) int { return 8 }, func() (int64, error) { return rows.Load(), nil })
				if err != nil || got < known {
					t.Errorf("got %d, knowing %d: %v", got, known, err)
					return
				}
			}
		})
	}
	group.Wait()
}
