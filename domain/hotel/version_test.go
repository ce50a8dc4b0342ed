package hotel

import (
	"testing"
	"unsafe"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// expecting are commands that change reservation 1 if it is at a version, each with what it can be decided upon.
func expecting() map[string]struct {
	given []Command
	when  func(version int64) Command
} {
	type tt = struct {
		given []Command
		when  func(version int64) Command
	}
	inside := reserved(arrive(1, "105", "101"))
	return map[string]tt{
		"confirm": {open(place(1, 1, july(1, 5))), func(v int64) Command {
			return with(confirm(1), func(c *ConfirmReservation) { c.ExpectedVersion = v })
		}},
		"confirm a payment": {open(place(1, 1, july(1, 5)), pay(1, 1), captured(1, 1, 40_000)), func(v int64) Command {
			return with(confirmPaid(1, 1, 40_000), func(c *ConfirmReservation) { c.ExpectedVersion = v })
		}},
		"cancel": {reserved(), func(v int64) Command {
			return with(cancel(1), func(c *CancelReservation) { c.ExpectedVersion = v })
		}},
		"miss": {reserved(), func(v int64) Command {
			return with(noShow(1), func(c *MarkNoShow) { c.ExpectedVersion = v })
		}},
		"pay": {open(place(1, 1, july(1, 5))), func(v int64) Command {
			return with(pay(1, 1), func(c *RequestPayment) { c.ExpectedVersion = v })
		}},
		"modify": {reserved(), func(v int64) Command {
			return change(func(c *ModifyReservation) { c.move(july(1, 3)); c.ExpectedVersion = v })
		}},
		"modify a stay": {inside, func(v int64) Command {
			return change(func(c *ModifyReservation) { c.CheckOut = ptr(day(2026, 7, 3)); c.ExpectedVersion = v })
		}},
		"grant a refund": {open(place(1, 1, july(1, 5)), pay(1, 1), captured(1, 1, 40_000), confirmPaid(1, 1, 40_000)), func(v int64) Command {
			return with(grant(100), func(c *GrantRefund) { c.ExpectedVersion = v })
		}},
		"check in": {reserved(), func(v int64) Command {
			return with(arrive(1), func(c *CheckIn) { c.ExpectedVersion = v })
		}},
		"check out": {inside, func(v int64) Command {
			return with(depart(1), func(c *CheckOut) { c.ExpectedVersion = v })
		}},
		"move": {inside, func(v int64) Command {
			return &MoveGuest{Hotel: "grand", ReservationID: uuid(1), From: "105", To: "109", ExpectedVersion: v}
		}},
		"walk": {reserved(), func(v int64) Command {
			return with(walkAway(1), func(c *Walk) { c.ExpectedVersion = v })
		}},
	}
}

// TestExpectedVersions: what a caller expects is looked at before anything else, so that also who comes too late learns that there is something new.
func TestExpectedVersions(t *testing.T) {
	for name, tt := range expecting() {
		t.Run(name, func(t *testing.T) {
			s := New()
			run(t, s, noon, tt.given...)
			at := s.Version(uuid(1))
			for _, stale := range []int64{at - 1, at + 1, -at, at + 3} {
				if stale == 0 {
					continue
				}
				scenario{given: tt.given, when: tt.when(stale), reason: domain.EtagMismatch, field: "etag"}.run(t)
			}
			events := run(t, s, noon, tt.when(at))
			want := at
			if event.TopicOf(events[0]) == event.BookingsTopic {
				want++
			}
			if got := s.Version(uuid(1)); len(events) != 1 || got != want {
				t.Errorf("%d events lead from version %d to %d, want %d", len(events), at, got, want)
			}
			if _, err := Decide(s, tt.when(at), At{Now: noon}); want > at && domain.ReasonOf(err) != domain.EtagMismatch {
				t.Errorf("the same again: %v", err)
			}
			if tt.when(0).Fingerprint() == tt.when(at).Fingerprint() || tt.when(at).Fingerprint() == tt.when(at+1).Fingerprint() {
				t.Error("the version is no part of the request")
			}
		})
	}
}

// TestEveryEventOfAReservationCounts: of the events that there are. Read models go by the same rule.
func TestEveryEventOfAReservationCounts(t *testing.T) {
	for _, kind := range event.Kinds() {
		m := kind.New()
		_, entry := m.(interface{ GetEntryId() string })
		_, reservation := m.(reservationEvent)
		begins := false
		switch m.(type) {
		case *eventpb.ReservationPlaced, *eventpb.ReservationRejected:
			begins = true
		}
		if _, got := changeOf(m); got != (kind.Topic == event.BookingsTopic && reservation && !entry && !begins) {
			t.Errorf("%s counts: %v", kind.Type, got)
		}
	}
}

func mustID(t *testing.T, text string) domain.ReservationID {
	t.Helper()
	id, err := domain.ParseReservationID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestAReservationTakes96Bytes: there are tens of millions of them.
func TestAReservationTakes96Bytes(t *testing.T) {
	if got := unsafe.Sizeof(reservation{}); got != 96 {
		t.Errorf("it takes %d", got)
	}
}

// TestChangesOfAReservationAreBounded: and so are its versions, which have 16 bits.
func TestChangesOfAReservationAreBounded(t *testing.T) {
	s := New()
	run(t, s, noon, reserved()...)
	days := func(n int) Command { return change(func(c *ModifyReservation) { c.move(july(1, 3+n%2)) }) }
	for n := int(s.book.find(mustID(t, uuid(1))).version); n < ChangesMax; n++ {
		run(t, s, noon, days(n))
	}
	for name, c := range map[string]Command{"of nights": days(ChangesMax), "of names": change(func(c *ModifyReservation) { c.Guest = &Guest{DisplayName: "Ann", Adults: 1} })} {
		if _, err := Decide(s, c, At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
			t.Errorf("another change %s: %v", name, err)
		}
	}
	run(t, s, noon, arrive(1, "105", "101"))
	if _, err := Decide(s, &MoveGuest{Hotel: "grand", ReservationID: uuid(1), From: "105", To: "109"}, At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("another room: %v", err)
	}
	if events := run(t, s, noon, with(depart(1), func(c *CheckOut) { c.LeftUnpaid = true })); len(events) == 0 {
		t.Error("the guest cannot leave")
	}
	reload(t, s)
}
