package projections

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		start := time.Now()
		if !p.rest(t.Context(), 20*time.Millisecond) || time.Since(start) != 20*time.Millisecond {
			t.Errorf("rested for %s", time.Since(start))
		}
		if p.rest(t.Context(), 0) {
			t.Error("rested for no time")
		}
	})
}

func TestPaceHurriesForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		start, rested := time.Now(), make(chan bool)
		go func() { rested <- p.rest(context.Background(), time.Hour) }()
		synctest.Wait()
		p.enter()
		if !<-rested || time.Since(start) != 0 {
			t.Errorf("the rest under way took %s", time.Since(start))
		}
		if p.rest(t.Context(), time.Hour) {
			t.Error("rested although somebody waits")
		}
		p.leave()
		if !p.rest(t.Context(), time.Second) {
			t.Error("did not rest when nobody waits any more")
		}
	})
}

func TestPaceRestsLongerUnderLoad(t *testing.T) {
	defaults := Options{}.withDefaults()
	for _, c := range []struct {
		name   string
		opts   Options
		events int
		want   time.Duration
	}{
		{"a lone event", defaults, 1, 21250 * time.Microsecond},
		{"some", defaults, 16, 40 * time.Millisecond},
		{"many", defaults, 1000, 500 * time.Millisecond},
		{"as many as a batch may have: behind", defaults, feedEventsMax, 0},
		{"told never to rest", Options{Linger: -1}.withDefaults(), 1000, 0},
		{"told to rest longer than the most", Options{Linger: time.Second}.withDefaults(), 1000, time.Second},
	} {
		if got := c.opts.linger(c.events); got != c.want {
			t.Errorf("%s: rests for %s, want %s", c.name, got, c.want)
		}
	}
}
