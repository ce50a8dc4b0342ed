package commands

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"lodge/log"
)

var seed = flag.Uint64("seed", 0, "seed of random tests; 0: a new one")

// random returns a generator whose seed is in the test's output.
func random(t testing.TB) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// The table is compared with a map and a list through a long random history that wraps the 32-bit entry numbers.
func TestRequestsAgainstModel(t *testing.T) {
	r := random(t)
	limits := requestLimits{ttl: 1000, kept: 5000, most: 20000}
	got := newRequests(limits)
	got.head, got.tail = 1<<32-9000, 1<<32-9000
	model := map[uuid.UUID]requestEntry{}
	var order []uuid.UUID
	now := uint32(10_000)
	for step := range 60_000 {
		if r.IntN(3) == 0 && len(order) > 0 {
			id := order[r.IntN(len(order))]
			if e := got.find(id); e == nil || *e != model[id] {
				t.Fatalf("step %d: find %v: %v, want %v", step, id, e, model[id])
			}
			continue
		}
		now += uint32(r.IntN(2))
		e := requestEntry{id: uuid.UUID{0: byte(step), 1: byte(step >> 8), 2: byte(step >> 16), 15: 1}, time: now, fp: r.Uint32()}
		e.ref = newRequestRef(r.IntN(3), log.Offset(r.Int64N(1<<40)), 1+r.IntN(1<<22-1))
		if got.find(e.id) != nil {
			t.Fatalf("step %d: a new id is known", step)
		}
		if got.full() {
			t.Fatalf("step %d: full at %d", step, got.len())
		}
		got.add(e)
		model[e.id], order = e, append(order, e.id)
		for len(order) >= limits.kept && got.find(order[0]) == nil {
			if model[order[0]].time+limits.ttl >= now {
				t.Fatalf("step %d: forgot an entry of %d at %d", step, model[order[0]].time, now)
			}
			delete(model, order[0])
			order = order[1:]
		}
	}
	count := 0
	got.all(func(e *requestEntry) {
		if *e != model[e.id] {
			t.Fatalf("all: %v, want %v", *e, model[e.id])
		}
		count++
	})
	if count != len(model) || count < limits.kept-1 || count > 3*limits.kept {
		t.Errorf("%d remembered, %d in the model", count, len(model))
	}
}

func TestRequestsRefuseWhenFull(t *testing.T) {
	got := newRequests(requestLimits{ttl: 1000, kept: 10, most: 20})
	for i := range 20 {
		got.add(requestEntry{id: requestID(i), time: 100})
	}
	if !got.full() {
		t.Error("there is room beyond the limit")
	}
	got.newest = 2000
	if got.full() {
		t.Error("old entries are in the way")
	}
}

func TestRequestRef(t *testing.T) {
	ref := newRequestRef(bookingsTopic, refOffsetMax, refCountMax)
	if ref.topic() != bookingsTopic || ref.offset() != refOffsetMax || ref.count() != refCountMax {
		t.Errorf("%d %d %d", ref.topic(), ref.offset(), ref.count())
	}
}

func TestRequestMemory(t *testing.T) {
	for _, n := range []int{100_000, 250_000, 1_000_000} {
		got := newRequests(requestLimits{ttl: 1, kept: 1 << 28, most: 1 << 28})
		r := rand.New(rand.NewPCG(1, 2))
		for range n {
			var id uuid.UUID
			for i := range id {
				id[i] = byte(r.Uint32())
			}
			got.add(requestEntry{id: id})
		}
		if each := float64(got.bytes()) / float64(n); each > 48 {
			t.Errorf("%d requests take %.1f bytes each", n, each)
		} else {
			t.Logf("%d requests: %.1f bytes each", n, each)
		}
	}
}
