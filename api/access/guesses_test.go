package access

import (
	"fmt"
	"testing"
	"time"
)

// guesser guesses from one address, at a time that only the test moves.
type guesser struct {
	*testing.T
	*guesses
	now time.Time
}

func newGuesser(t *testing.T) *guesser { return &guesser{T: t, guesses: newGuesses(), now: noon} }

func (g *guesser) may(email string) (right func(), ok bool) {
	right, err := g.guess(email, "198.51.100.7:1", func() time.Time { return g.now })
	return right, err == nil
}

// others counts how many accounts more may be guessed at, at most limit.
func (g *guesser) others(limit int) (n int) {
	for n < limit {
		if _, ok := g.may(fmt.Sprintf("%d-%d@example.com", g.now.UnixNano(), n)); !ok {
			break
		}
		n++
	}
	return n
}

// TestNamingManyAccountsForgetsNoGuess: who may not guess for now cannot use the time to have what they guessed forgotten.
func TestNamingManyAccountsForgetsNoGuess(t *testing.T) {
	g := newGuesser(t)
	for range 10 {
		if _, ok := g.may("ada@example.com"); !ok {
			t.Fatal("refused within the burst")
		}
	}
	if n := g.others(1000); n != 50 {
		t.Fatalf("%d guesses more of the address", n)
	}
	for i := range ClientsMax + 1 {
		if _, ok := g.may(fmt.Sprint(i, "@example.com")); ok {
			t.Fatal("the address has no guess left")
		}
	}
	g.now = g.now.Add(30 * time.Second)
	if _, ok := g.may("ada@example.com"); ok {
		t.Error("ten guesses were forgotten, for the price of none")
	}
}

// TestARightGuessGivesBackOne: however long it was looked at, and whatever was guessed meanwhile.
func TestARightGuessGivesBackOne(t *testing.T) {
	g := newGuesser(t)
	right, ok := g.may("eve@example.com")
	if n := g.others(1000); !ok || n != 59 {
		t.Fatalf("%v, %d", ok, n)
	}
	g.now = g.now.Add(10 * time.Second)
	if n := g.others(1000); n != 10 {
		t.Fatalf("%d guesses after 10 s", n)
	}
	right()
	g.now = g.now.Add(time.Nanosecond)
	if n := g.others(1000); n != 1 {
		t.Errorf("%d guesses were given back", n)
	}
}
