package commands

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/domain/hotel"
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
	ref := newRequestRef(paymentsTopic, refOffsetMax, refCountMax)
	if ref.topic() != paymentsTopic || ref.offset() != refOffsetMax || ref.count() != refCountMax {
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

// A restart forgets no request that a processor that went on would remember: what is replayed first is not older for it.
func TestReplayForgetsByAgeAndNotByTopic(t *testing.T) {
	lg := newMemLog()
	opts := Options{Partitions: 1, RequestsKept: 10, HoldTick: -1}
	h := open(t, lg, opts)
	h.build("grand", 1000)
	name := "Grand"
	rename := Command{RequestID: requestID(5000), Time: noon.Add(3 * time.Hour), Body: &hotel.UpdateHotel{Hotel: "grand", DisplayName: &name}}
	for n := range 100 {
		h.at(noon.Add(time.Duration(n)*time.Minute), n, place("grand", n))
	}
	if _, err := h.Execute(t.Context(), rename); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		h.at(noon.Add(28*time.Hour), 100+n, place("grand", 100+n))
	}
	for _, when := range []string{"before", "after"} {
		if r, err := h.Execute(t.Context(), rename); err != nil || !r.Replayed {
			t.Errorf("%s the restart: applied again, %v", when, err)
		}
		h.dump()
		h = open(t, lg, opts)
	}
}

// at executes a command that is given at a time.
func (h *house) at(when time.Time, n int, body hotel.Command) {
	h.t.Helper()
	if _, err := h.Execute(h.t.Context(), Command{RequestID: requestID(n), Time: when, Body: body}); err != nil {
		h.t.Fatal(err)
	}
}

// An id that is used again after it was forgotten is remembered from then on, also by a replay, which meets both uses.
func TestReplayOfAnIDUsedAgain(t *testing.T) {
	lg := newMemLog()
	opts := Options{Partitions: 1, RequestsKept: 2, HoldTick: -1}
	h := open(t, lg, opts)
	h.build("grand", 1000)
	h.at(noon, 1, place("grand", 1))
	for n := range 5 {
		h.at(noon.Add(25*time.Hour), 10+n, place("grand", 10+n))
	}
	h.at(noon.Add(26*time.Hour), 1, place("grand", 2)) // was forgotten
	h.dump()

	more := opts
	more.RequestsKept = 100 // remembers both uses
	h = open(t, lg, more)
	p := h.processors[0]
	if e := p.state.requests.find(requestID(1)); e == nil || e.time != unixSeconds(noon.Add(26*time.Hour)) {
		t.Errorf("the id is remembered with %+v", e)
	}
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Time: noon.Add(27 * time.Hour), Body: place("grand", 2)}); err != nil {
		t.Error(err)
	}
}

func TestRequestsPutAgain(t *testing.T) {
	got := newRequests(requestLimits{ttl: 5, kept: 10, most: 100})
	entry := func(i int, at uint32) requestEntry {
		return requestEntry{id: requestID(i), ref: newRequestRef(bookingsTopic, log.Offset(i), 1), time: at}
	}
	for at := range uint32(4) {
		got.put(entry(0, 100+at))
	}
	count := 0
	got.all(func(e *requestEntry) {
		if count++; e.time != 103 {
			t.Errorf("kept %+v", *e)
		}
	})
	if count != 1 {
		t.Errorf("%d entries of one id", count)
	}
	for i := 1; i < 50; i++ {
		got.put(entry(i, 1000))
	}
	if got.find(requestID(0)) != nil || got.find(requestID(49)) == nil || got.len() != 49 {
		t.Errorf("%d are remembered", got.len())
	}
}
