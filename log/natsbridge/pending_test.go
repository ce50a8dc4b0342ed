package natsbridge

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
)

// TestIDs compares ids with a map under random changes.
func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s ids
		want := map[string]*entry{}
		id := rapid.StringMatching(`[abc]{1,7}`)
		for range rapid.IntRange(0, 3000).Draw(t, "changes") {
			e := &entry{id: id.Draw(t, "id")}
			if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				s.delete(e.id)
				delete(want, e.id)
			} else {
				s.set(e)
				want[e.id] = e
			}
		}
		if s.n != len(want) {
			t.Fatalf("%d entries, not %d", s.n, len(want))
		}
		sorted := slices.Sorted(maps.Keys(want))
		if got := s.after("", len(sorted)+1); len(got) != len(sorted) {
			t.Fatalf("%d listed of %d", len(got), len(sorted))
		}
		after, limit := id.Draw(t, "after"), rapid.IntRange(1, 50).Draw(t, "limit")
		at, exact := slices.BinarySearch(sorted, after)
		if exact {
			at++
		}
		page := s.after(after, limit)
		if len(page) != min(limit, len(sorted)-at) {
			t.Fatalf("%d after %q, not %d", len(page), after, min(limit, len(sorted)-at))
		}
		for i, e := range page {
			if e != want[sorted[at+i]] {
				t.Fatalf("entry %d after %q is %q", i, after, e.id)
			}
		}
		for _, chunk := range s.chunks {
			if len(chunk) == 0 || len(chunk) > chunkMax {
				t.Fatalf("a chunk of %d", len(chunk))
			}
		}
	})
}

// TestIDsFill fills many chunks, ascending, descending and mixed.
func TestIDsFill(t *testing.T) {
	const n = 5000
	for name, order := range map[string]func(int) int{
		"ascending":  func(i int) int { return i },
		"descending": func(i int) int { return n - 1 - i },
		"mixed":      func(i int) int { return i * 2999 % n },
	} {
		var s ids
		for i := range n {
			s.set(&entry{id: (&entry{gen: log.Offset(100_000 + order(i))}).generation()})
		}
		for i, e := range s.after("", n) {
			if e.id != (&entry{gen: log.Offset(100_000 + i)}).generation() || s.get(e.id) != e {
				t.Fatalf("%s: entry %d is %s", name, i, e.id)
			}
		}
		for i := range n {
			s.delete((&entry{gen: log.Offset(100_000 + order(i))}).generation())
		}
		if s.n != 0 || len(s.chunks) != 0 {
			t.Fatalf("%s: %d left in %d chunks", name, s.n, len(s.chunks))
		}
	}
}

// TestDueOrder takes entries out of the heap at both ends and in between.
func TestDueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q pending
		var all []*entry
		for i := range rapid.IntRange(0, 100).Draw(t, "entries") {
			e := &entry{gen: log.Offset(i), due: rapid.Int64Range(0, 20).Draw(t, "due")}
			all = append(all, e)
			q.put(e, far)
		}
		for i := len(all) - 1; i >= 0; i-- {
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				q.take(all[i])
				all = slices.Delete(all, i, i+1)
			}
		}
		slices.SortStableFunc(all, func(x, y *entry) int {
			if x.before(y) {
				return -1
			}
			return 1
		})
		for i, want := range all {
			e := q.far.first()
			if e != want {
				t.Fatalf("entry %d is %+v, not %+v", i, e, want)
			}
			q.move(e, near)
		}
		if q.far.first() != nil || len(q.near) != len(all) {
			t.Fatal("entries are left behind")
		}
	})
}

func TestTokenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, gen := rapid.StringMatching(`[a-zA-Z0-9._-]{1,128}`).Draw(t, "id"), log.Offset(rapid.Int64Range(0, 1<<62).Draw(t, "gen"))
		gotID, gotGen, ok := untoken(token(id, gen))
		if !ok || gotID != id || gotGen != gen {
			t.Fatalf("%q %d, not %q %d", gotID, gotGen, id, gen)
		}
	})
	for _, bad := range []string{"", "a", "a.", "a.x", "a.1.2", "a.-1"} {
		if id, gen, ok := untoken(bad); ok {
			t.Errorf("%q is %q %d", bad, id, gen)
		}
	}
}
