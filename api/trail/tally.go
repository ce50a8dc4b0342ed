package trail

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// tallyKey says which calls are counted together.
type tallyKey struct {
	actor, method, refusal string
	resource               string // of calls that were done
	outcome                Outcome
}

// tally counts calls of one kind in a window.
type tally struct {
	entries int   // those that have an entry of their own
	calls   Entry // Count are those that have none; what they have not in common is empty
	first   time.Time
}

// Refused puts aside a call that was refused or has failed. It never waits.
func (t *Trail) Refused(e Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	same := t.tally(tallyKey{actor: e.Actor, method: e.Method, refusal: e.Refusal, outcome: e.Outcome})
	if same.entries < sameMax && t.bucket.AllowN(t.opts.Clock(), 1) {
		same.entries++
		t.offer(e)
		return
	}
	same.count(e, t.now())
}

// Counted counts a call that was done and is too ordinary for an entry of its own. It never waits.
func (t *Trail) Counted(e Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally(tallyKey{actor: e.Actor, method: e.Method, resource: e.Resource, outcome: e.Outcome}).count(e, t.now())
}

// tally returns what calls of a kind are counted in. The caller holds mu.
func (t *Trail) tally(key tallyKey) *tally {
	if same, ok := t.tallies[key]; ok {
		return same
	}
	if len(t.tallies) >= tallyMax {
		key = tallyKey{outcome: key.outcome} // whatever there is no room to count apart
	}
	same, ok := t.tallies[key]
	if !ok {
		same = &tally{}
		t.tallies[key] = same
	}
	return same
}

// count counts one call.
func (s *tally) count(e Entry, now time.Time) {
	c := &s.calls
	if c.Count == 0 {
		*c, s.first = e, now
		c.Count, c.RequestID, c.CorrelationID, c.Trace, c.Reason = 0, "", "", "", ""
	}
	for _, p := range []struct {
		have *string
		more string
	}{
		{&c.Actor, e.Actor}, {&c.Client, e.Client}, {&c.Method, e.Method}, {&c.Resource, e.Resource},
		{&c.HotelID, e.HotelID}, {&c.Code, e.Code}, {&c.Refusal, e.Refusal}, {&c.Field, e.Field},
	} {
		if *p.have != p.more {
			*p.have = ""
		}
	}
	c.Count++
}

// tallied makes entries of what was counted, and begins a new window. The caller holds mu.
func (t *Trail) tallied() {
	var entries []Entry
	for _, s := range t.tallies {
		if s.calls.Count > 0 {
			s.calls.First = s.first
			entries = append(entries, s.calls)
		}
	}
	clear(t.tallies)
	slices.SortFunc(entries, func(a, b Entry) int { // so that the same calls make the same trail
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Method, b.Method), strings.Compare(a.Actor, b.Actor), strings.Compare(a.Refusal, b.Refusal), strings.Compare(a.Resource, b.Resource))
	})
	for _, e := range entries {
		t.offer(e)
	}
}
