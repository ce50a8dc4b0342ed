package access

import (
	"crypto/sha256"
	"time"
)

// Guesses of passwords: a bucket each for an address, for an account from one address, and for an account from all. What is right costs nothing. They are in memory only: a restart
// gives whoever guesses what is in one bucket, and to have a bucket forgotten by naming 65,536 others takes longer, at what a hash costs, than to wait for it to fill.
type guesses struct {
	address, pair, account, signUps *Limiter
}

func newGuesses() *guesses {
	return &guesses{
		address: NewLimiter(1, 60),       // one a second in the long run: offices and proxies have many people behind one address
		pair:    NewLimiter(1.0/60, 10),  // 1,440 a day
		account: NewLimiter(1.0/10, 100), // whoever has many addresses; its holder, who has another, is kept out with the account only
		signUps: NewLimiter(1.0/60, 20),  // of one address
	}
}

// guess counts a guess before it is looked at, and says when to try again if there were too many. right gives it back.
//
// The address comes first: while it may not guess, nothing is remembered of the accounts that it names, so that naming many makes nobody forgotten.
func (g *guesses) guess(email, addr string, clock func() time.Time) (right func(), err error) {
	sum := sha256.Sum256([]byte(email))
	account, client := string(sum[:16]), ClientOf(addr)
	buckets := []struct {
		of   *Limiter
		name string
	}{{g.address, client}, {g.pair, account + client}, {g.account, account}}
	if addr == "" {
		buckets = buckets[2:]
	}
	now, taken := clock(), 0
	giveBack := func() {
		for _, b := range buckets[:taken] {
			b.of.giveBack(b.name, clock())
		}
	}
	for _, b := range buckets {
		if wait, ok := b.of.Allow(b.name, now); !ok {
			giveBack()
			return nil, tooMany(wait)
		}
		taken++
	}
	return giveBack, nil
}

// signUp counts an account that is made from an address.
func (g *guesses) signUp(addr string, now time.Time) error {
	if addr == "" {
		return nil
	}
	if wait, ok := g.signUps.Allow(ClientOf(addr), now); !ok {
		return tooMany(wait)
	}
	return nil
}

// TooManyError refuses who guesses too often.
type TooManyError struct{ Wait time.Duration }

// Error says when to try again.
func (e *TooManyError) Error() string {
	return "too many attempts; try again in " + e.Wait.Round(time.Second).String()
}

func tooMany(wait time.Duration) error { return &TooManyError{max(wait, time.Second)} }
