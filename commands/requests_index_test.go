package commands

import (
	"encoding/binary"
	"slices"
	"testing"

	"lodge/log"
)

// TestIndexIsWhatAddMakes: the table that is made at once finds what the one that grew finds, takes as much memory, and goes on like it.
func TestIndexIsWhatAddMakes(t *testing.T) {
	rng := random(t)
	for _, n := range []int{0, 1, 7, 1000, 20_000} {
		limits := requestLimits{ttl: 100, kept: 15_000, most: 1 << 20}
		grown, made := newRequests(limits), newRequests(limits)
		made.seed = grown.seed
		entries := make([]requestEntry, n)
		for i := range entries {
			e := &entries[i]
			e.time, e.ref = uint32(i), newRequestRef(i%3, log.Offset(i), 1)
			binary.LittleEndian.PutUint64(e.id[:], rng.Uint64())
			binary.LittleEndian.PutUint64(e.id[8:], uint64(i))
			grown.add(*e)
			made.push(*e)
		}
		if !made.index() {
			t.Fatalf("%d entries: one is said to be there twice", n)
		}
		if made.len() != grown.len() || made.newest != grown.newest || made.bytes() > grown.bytes()+chunkLen*requestBytes {
			t.Errorf("%d entries: %d remembered in %d bytes, newest %d; by add %d, %d, %d", n, made.len(), made.bytes(), made.newest,
				grown.len(), grown.bytes(), grown.newest)
		}
		for i := range entries {
			a, b := made.find(entries[i].id), grown.find(entries[i].id)
			if (a == nil) != (b == nil) || a != nil && (*a != *b || *a != entries[i]) {
				t.Fatalf("%d entries: %d is %v, by add %v", n, i, a, b)
			}
		}
		for i := range n / 2 { // taken out and put in again
			made.put(entries[i])
		}
		for i := range n / 2 {
			if e := made.find(entries[i].id); e == nil || *e != entries[i] {
				t.Fatalf("%d entries: %d put again is %v", n, i, e)
			}
		}
		if n > 1 {
			twice := newRequests(limits)
			for _, e := range slices.Concat(entries, entries[n/3:n/3+1]) {
				twice.push(e)
			}
			if twice.index() {
				t.Errorf("%d entries: nobody noticed that one is there twice", n)
			}
		}
	}
}
