package hotel

import (
	"errors"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the tests know every place on every machine

	"google.golang.org/protobuf/proto"

	"lodge/domain"
)

// scenario is one rule: given what happened at noon, when a command comes, then these events or this error follow.
type scenario struct {
	name   string
	given  []Command
	now    time.Time // of when; default noon
	when   Command
	then   []proto.Message // nil with a reason
	reason domain.Reason
	field  string
	nights []domain.Date
}

func (sc scenario) run(t *testing.T) {
	s := New()
	run(t, s, noon, sc.given...)
	before := s.AppendSnapshot(nil)
	now := sc.now
	if now.IsZero() {
		now = noon
	}
	events, err := Decide(s, sc.when, At{Now: now, InventoryOffset: 7})
	if !slices.Equal(before, s.AppendSnapshot(nil)) {
		t.Error("deciding changed the state")
	}
	if sc.reason != "" {
		sc.checkError(t, events, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != len(sc.then) {
		t.Fatalf("%d events %v, want %d", len(events), events, len(sc.then))
	}
	for i := range events {
		if !proto.Equal(events[i], sc.then[i]) {
			t.Errorf("event %d:\n got %v\nwant %v", i, events[i], sc.then[i])
		}
	}
	evolve(t, s, events...)
}

func (sc scenario) checkError(t *testing.T, events []proto.Message, err error) {
	var e *domain.Error
	if !errors.As(err, &e) {
		t.Fatalf("events %v, error %v; want %s", events, err, sc.reason)
	}
	if len(events) > 0 {
		t.Errorf("an error and events: %v", events)
	}
	if e.Reason != sc.reason || e.Field != sc.field || e.Text == "" {
		t.Errorf("error %v, want field %q and reason %s", e, sc.field, sc.reason)
	}
	if sc.nights != nil && !slices.Equal(e.Nights, sc.nights) {
		t.Errorf("nights %v, want %v", e.Nights, sc.nights)
	}
}

func runAll(t *testing.T, scenarios []scenario) {
	for _, sc := range scenarios {
		t.Run(sc.name, sc.run)
	}
}

// with returns a copy of a command changed by change.
func with[C any](c *C, change func(*C)) *C {
	copied := *c
	change(&copied)
	return &copied
}

// open is a hotel with two double rooms in July.
func open(more ...Command) []Command {
	return append([]Command{createHotel(), createDouble(), rooms(2)}, more...)
}

func confirm(n int) *ConfirmReservation {
	return &ConfirmReservation{Hotel: "grand", ReservationID: uuid(n)}
}
func cancel(n int) *CancelReservation {
	return &CancelReservation{Hotel: "grand", ReservationID: uuid(n)}
}
func noShow(n int) *MarkNoShow { return &MarkNoShow{Hotel: "grand", ReservationID: uuid(n)} }
