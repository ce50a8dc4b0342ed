package projections_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// TestVersionsAgreeWithTheDeciders: the etag that the read model makes is the one that the decider compares with, whatever has happened: also of reservations that were rejected, forgotten
// by the engine and placed anew, and of the past.
func TestVersionsAgreeWithTheDeciders(t *testing.T) {
	seed := projectiontest.Seed(t)
	h := newHouse(t, rand.NewPCG(seed, 11))
	for range 3 {
		for i := range 1500 {
			h.command()
			if i%300 == 0 {
				h.reload()
			}
		}
		h.placeAnew()
	}
	l := projectiontest.NewLog(1)
	l.Append(h.events...)
	s, err := projections.Open(t.TempDir(), l, all(), projections.Options{Partitions: 1, Logger: projectiontest.Quiet(), BulkEvents: 100, ArchiveDays: 10, WaitMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, s)()
	catchUp(t, s, l)
	h.agreeOnVersions(reservations.NewQueries(s))
}

// reload has the state come out of a snapshot.
func (h *house) reload() {
	h.t.Helper()
	loaded, err := hotel.LoadSnapshot(h.state.AppendSnapshot(nil))
	if err != nil {
		h.t.Fatal(err)
	}
	h.state = loaded
}

// placeAnew lets a season pass, so that the engine forgets what has ended, and gives some of the ids to reservations of another life.
func (h *house) placeAnew() {
	h.t.Helper()
	h.now = h.now.Add(90 * 24 * time.Hour)
	count := int32(8)
	for _, roomType := range []string{"double", "suite"} {
		h.do(&hotel.SetInventory{Hotel: houseID, RoomType: roomType, Start: h.today(), End: h.today().AddDays(60), PhysicalCount: &count})
	}
	h.payAndGiveBack() // the first command of the day closes the books
	ended := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(h.ids))), func(id string) bool { return h.state.Version(id) > 0 })
	h.rng.Shuffle(len(ended), func(i, j int) { ended[i], ended[j] = ended[j], ended[i] })
	for i, id := range ended[:16] { // of 8 rooms
		stay, longer := domain.Stay{CheckIn: h.today(), CheckOut: h.today().AddDays(2)}, h.today().AddDays(3)
		h.do(&hotel.PlaceReservation{Hotel: houseID, ReservationID: id, RoomType: "double", Quantity: 1, Stay: stay})
		switch {
		case i < 3: // of what is rare by chance
			h.do(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id})
			h.do(&hotel.ModifyReservation{Hotel: houseID, ReservationID: id, CheckOut: &longer})
			h.do(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id})
			h.do(&hotel.CheckIn{Hotel: houseID, ReservationID: id})
			h.do(&hotel.MoveGuest{Hotel: houseID, ReservationID: id})
			h.do(&hotel.CheckOut{Hotel: houseID, ReservationID: id})
		case i == 3:
			h.do(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id})
			h.do(&hotel.Walk{Hotel: houseID, ReservationID: id})
		case i == 4:
			h.do(&hotel.CancelReservation{Hotel: houseID, ReservationID: id})
		}
	}
}

// payAndGiveBack has a reservation paid through the platform, a part of it promised back, and all of it given back.
func (h *house) payAndGiveBack() {
	h.t.Helper()
	id, payment := h.uuid(), h.uuid()
	stay := domain.Stay{CheckIn: h.today(), CheckOut: h.today().AddDays(1)}
	h.do(&hotel.PlaceReservation{Hotel: houseID, ReservationID: id, RoomType: "suite", Quantity: 1, Stay: stay})
	h.do(&hotel.RequestPayment{Hotel: houseID, ReservationID: id, PaymentID: payment, Provider: "simulator", PaymentMethod: "card-ok"})
	amount := domain.Money{Currency: "EUR", MinorUnits: h.amounts[payment]}
	h.do(&hotel.RecordPayment{Hotel: houseID, ReservationID: id, PaymentID: payment, Outcome: hotel.PaymentCaptured, Amount: amount})
	h.do(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id, PaymentID: payment, Amount: amount})
	h.do(&hotel.GrantRefund{Hotel: houseID, ReservationID: id, Amount: domain.Money{Currency: "EUR", MinorUnits: 1}})
	h.do(&hotel.CancelReservation{Hotel: houseID, ReservationID: id, Waive: true})
	h.do(&hotel.SettleRefunds{Hotel: houseID, ReservationID: id, RefundID: h.uuid()})
	for _, refund := range h.refunds[id] {
		h.do(&hotel.RecordRefund{Hotel: houseID, ReservationID: id, PaymentID: refund[0], RefundID: refund[1], Succeeded: true})
	}
	h.do(&hotel.CompleteRefund{Hotel: houseID, ReservationID: id})
}

// agreeOnVersions compares those of all reservations that the state knows, and each step of theirs in the past.
func (h *house) agreeOnVersions(q *reservations.Queries) {
	h.t.Helper()
	envelopes, then := h.steps()
	read := func(_ context.Context, at log.Position) (*event.Envelope, error) { return envelopes[at.Offset], nil }
	kinds, rejected := map[string]int{}, 0
	for offset, e := range envelopes {
		m, ok := e.Message.(interface{ GetReservationId() string })
		if !ok || then[offset] == 0 {
			continue
		}
		id := m.GetReservationId()
		if got, err := q.AsOf(h.t.Context(), houseID, id, projections.UntilOffset(log.Offset(offset+1)), read); err != nil || got.Version != then[offset] {
			h.t.Fatalf("%s is at version %d after %s at %d, want %d, error %v", id, got.Version, e.Type, offset, then[offset], err)
		}
		now, err := q.Get(h.t.Context(), houseID, id)
		if want := h.state.Version(id); err != nil || want != 0 && now.Version != want {
			h.t.Fatalf("%s is at version %d, want %d, error %v", id, now.Version, want, err)
		}
		if now.Status == eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED {
			rejected++
		}
		kinds[e.Type]++
	}
	for _, kind := range event.Kinds() {
		if m, ok := kind.New().(interface{ GetReservationId() string }); ok && kind.Topic == event.BookingsTopic && !isEntry(m) && kinds[kind.Type] == 0 {
			h.t.Errorf("no reservation had a %s: the test does not test it", kind.Type)
		}
	}
	if rejected == 0 {
		h.t.Error("none was rejected")
	}
}

// steps returns the events of topic bookings, by offset, and at which version a replay has the reservation of each then, 0 when it knows none.
func (h *house) steps() (bookings []*event.Envelope, versions []int64) {
	h.t.Helper()
	state := hotel.New()
	for _, e := range h.events {
		if err := state.Evolve(e.Message); err != nil {
			h.t.Fatal(err)
		}
		if event.TopicOf(e.Message) != event.BookingsTopic {
			continue
		}
		version := int64(0)
		if m, ok := e.Message.(interface{ GetReservationId() string }); ok && !isEntry(m) {
			version = state.Version(m.GetReservationId())
		}
		bookings, versions = append(bookings, e), append(versions, version)
	}
	return bookings, versions
}

// isEntry reports whether an event is of the waiting list.
func isEntry(m any) bool {
	_, entry := m.(interface{ GetEntryId() string })
	return entry
}
