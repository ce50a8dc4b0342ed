package commands

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/domain/hotel"
	"lodge/log"
)

// told are the calls of OnHold, "hotel +minutes" from noon.
type told struct {
	mu    sync.Mutex
	calls []string
}

func (l *told) note(hotelID string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, hotelID+" "+at.Sub(noon).String())
}

func (l *told) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.calls = nil }()
	slices.Sort(l.calls)
	return l.calls
}

// after executes a command so long after noon.
func (h *house) after(d time.Duration, n int, body hotel.Command) Result {
	h.t.Helper()
	c := Command{RequestID: requestID(n), Time: noon.Add(d), Body: body}
	if n == 0 {
		c.RequestID, c.Internal = [16]byte{}, true
	}
	r, err := h.Execute(context.Background(), c)
	if err != nil {
		h.t.Fatalf("%T: %v", body, err)
	}
	return r
}

func wantTold(t *testing.T, l *told, what string, want ...string) {
	t.Helper()
	if got := l.take(); !slices.Equal(got, want) {
		t.Errorf("%s: OnHold was told %v, not %v", what, got, want)
	}
}

// TestOnHoldIsToldOfTheEarliest: of the first hold, of those that end earlier, and of the next one when the time has come; of nothing else.
func TestOnHoldIsToldOfTheEarliest(t *testing.T) {
	lg, calls := newMemLog(), &told{}
	opts := Options{Partitions: 2, HoldTick: -1, OnHold: calls.note}
	h := open(t, lg, opts)
	h.build("grand", 100)
	h.build("plaza", 100)
	wantTold(t, calls, "without holds")
	for n := range 20 {
		h.after(time.Duration(n)*time.Minute/20, 1+n, place("grand", n))
	}
	h.after(0, 50, place("plaza", 50))
	wantTold(t, calls, "holds in their order", "grand 15m0s", "plaza 15m0s")
	short := 5 * time.Minute
	h.after(time.Minute, 51, &hotel.UpdateHotel{Hotel: "grand", HoldDuration: &short})
	h.after(time.Minute, 52, place("grand", 52))
	wantTold(t, calls, "an earlier one", "grand 6m0s")
	h.after(time.Minute, 53, confirm("grand", 52))
	h.after(time.Minute, 54, confirm("plaza", 50))
	h.after(2*time.Minute, 55, place("plaza", 55))
	wantTold(t, calls, "paid, and another later")
	h.after(6*time.Minute, 0, &hotel.ExpireHolds{Hotel: "grand", Now: noon.Add(6 * time.Minute)})
	wantTold(t, calls, "nothing was due", "grand 15m0s")
	if r := h.after(15*time.Minute, 0, &hotel.ExpireHolds{Hotel: "grand", Now: noon.Add(15 * time.Minute)}); len(r.Events) != 1 {
		t.Errorf("%d events", len(r.Events))
	}
	wantTold(t, calls, "the next", "grand 15m3s")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	open(t, lg.restart(), opts)
	wantTold(t, calls, "a restart", "grand 15m3s", "plaza 17m0s")
}

// TestOnHoldIsToldAgainAfterAFailure: what was told before a commit failed may have been about holds that are not there, or not of all that are.
func TestOnHoldIsToldAgainAfterAFailure(t *testing.T) {
	lg, calls := newMemLog(), &told{}
	var broken atomic.Bool
	lg.beforeWait = func(log.TopicPartition) error {
		if broken.Load() {
			return errors.New("the disk is gone")
		}
		return nil
	}
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1, OnHold: calls.note})
	h.build("grand", 100)
	h.after(time.Minute, 1, place("grand", 1))
	wantTold(t, calls, "a hold", "grand 16m0s")
	broken.Store(true)
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(2), Time: noon, Body: place("grand", 2)}); log.CodeOf(err) != log.Unavailable {
		t.Fatalf("placed: %v", err)
	}
	wantTold(t, calls, "a hold that is lost", "grand 15m0s")
	if _, err := h.Upkeep(t.Context()); err != nil { // rebuilds the state
		t.Fatal(err)
	}
	wantTold(t, calls, "after rebuilding", "grand 16m0s")
}

// TestUpkeep: hotels ask for what their state says, and those that ask for nothing are left out.
func TestUpkeep(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 3, HoldTick: -1})
	for _, id := range []string{"grand", "plaza", "quiet", "gone"} {
		h.build(id, 10)
	}
	h.do(1, place("grand", 1))
	days := int32(365)
	h.do(2, &hotel.UpdateHotel{Hotel: "plaza", HorizonDays: &days})
	h.do(3, &hotel.UpdateHotel{Hotel: "gone", HorizonDays: &days})
	h.do(4, &hotel.ArchiveHotel{Hotel: "gone"})
	all, err := h.Upkeep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b Upkeep) int {
		return len(a.HotelID) + int(a.HorizonDays) - len(b.HotelID) - int(b.HorizonDays)
	})
	want := []Upkeep{{HotelID: "grand", NextHold: noon.Add(hotel.HoldDurationDefault)}, {HotelID: "plaza", HorizonDays: 365}}
	if !slices.Equal(all, want) {
		t.Errorf("upkeep %+v, not %+v", all, want)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Upkeep(t.Context()); log.CodeOf(err) != log.Closed {
		t.Errorf("after the end: %v", err)
	}
}
