// Package cache remembers answers about hotels until an event changes them.
//
// Whoever reads a hotel's rows asks Get, with what it would do otherwise; whoever learns that the rows have changed calls Forget. An answer is given
// again only if nothing was forgotten of its hotel since before it was read, so an answer that was being read while the rows changed is
// never given to anybody who knows of the change. What is kept is bounded in bytes and in time; the time is for nothing but bugs elsewhere.
//
// It knows nothing of answers: they are shared and must not be changed. Nothing that takes rooms or money may rest on it; the write side decides.
package cache

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Options configures a Cache. The zero value of a field means its default.
type Options struct {
	BytesMax uint64        // of answers, by what Get is told of them: default 64 MiB
	TTL      time.Duration // how long an answer is given at most: default 1 min
	Clock    func() time.Time
}

// Validate returns an error that names the first option out of its range.
func (o Options) Validate() error {
	switch {
	case o.BytesMax > 1<<40:
		return fmt.Errorf("cache option BytesMax: %d is more than a TiB", o.BytesMax)
	case o.TTL < 0:
		return fmt.Errorf("cache option TTL: %s is negative", o.TTL)
	}
	return nil
}

// Key names an answer: whose it is, and what was asked. Question is comparable, of a type that the asker shares with nobody.
type Key struct {
	Hotel    string
	Question any
}

// stripes is how many counts of changes there are. Hotels that share one forget together.
const stripes = 1 << 16

// Cache holds answers. Safe for concurrent use; it starts no goroutine.
type Cache struct {
	kept  *otter.Cache[Key, answer]
	ttl   time.Duration
	clock func() time.Time
	seed  maphash.Seed

	changes [stripes]atomic.Uint64 // by hash of the hotel
	epoch   atomic.Uint64          // changes of everything

	hits, misses, outdated, forgotten atomic.Int64
}

// moment is what was forgotten before it.
type moment struct{ epoch, changes uint64 }

type answer struct {
	value any
	at    moment
	until time.Time
	bytes uint32
}

// New makes an empty cache.
func New(opts Options) (*Cache, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Cache{ttl: cmp.Or(opts.TTL, time.Minute), clock: opts.Clock, seed: maphash.MakeSeed()}
	if c.clock == nil {
		c.clock = time.Now
	}
	var err error
	c.kept, err = otter.New(&otter.Options[Key, answer]{
		MaximumWeight: cmp.Or(opts.BytesMax, 64<<20),
		Weigher:       func(_ Key, a answer) uint32 { return a.bytes },
		Executor:      func(work func()) { work() }, // on the caller's goroutine: the work is small, and nothing is left running
	})
	if err != nil {
		return nil, fmt.Errorf("make a cache: %w", err)
	}
	return c, nil
}

// Forget voids the answers about a hotel. Call it when its rows have changed, before anybody may rely on the change.
func (c *Cache) Forget(hotel string) {
	c.changes[c.stripe(hotel)].Add(1)
	c.forgotten.Add(1)
}

// ForgetAll voids all answers.
func (c *Cache) ForgetAll() {
	c.epoch.Add(1)
	c.forgotten.Add(1)
}

func (c *Cache) stripe(hotel string) uint64 { return maphash.String(c.seed, hotel) % stripes }

func (c *Cache) now(hotel string) moment {
	return moment{c.epoch.Load(), c.changes[c.stripe(hotel)].Load()}
}

// bytesOverhead is what an entry costs beside its answer.
const bytesOverhead = 200

// Get returns the answer that is kept under k, or else what read returns, and keeps that. size is the answer's bytes, about. An error is
// returned and not kept. A nil cache keeps nothing.
func Get[T any](c *Cache, k Key, size func(T) int, read func() (T, error)) (T, error) {
	if c == nil {
		return read()
	}
	at, now := c.now(k.Hotel), c.clock()
	if found, ok := c.kept.GetIfPresent(k); ok {
		if found.at == at && now.Before(found.until) {
			c.hits.Add(1)
			return found.value.(T), nil
		}
		c.outdated.Add(1)
	}
	c.misses.Add(1)
	value, err := read()
	if err != nil {
		return value, err
	}
	c.kept.Set(k, answer{value, at, now.Add(c.ttl), uint32(min(size(value)+len(k.Hotel)+bytesOverhead, 1<<31))})
	return value, nil
}

// Stats counts what has happened since New.
type Stats struct {
	Hits, Misses int64
	Outdated     int64 // of the misses, those that found an answer which was void or too old
	Forgotten    int64 // calls of Forget and ForgetAll
	Entries      int   // kept now, void ones included
	Bytes        uint64
}

// Stats returns the counts. A nil cache has none.
func (c *Cache) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Outdated: c.outdated.Load(), Forgotten: c.forgotten.Load(),
		Entries: c.kept.EstimatedSize(), Bytes: c.kept.WeightedSize(),
	}
}
