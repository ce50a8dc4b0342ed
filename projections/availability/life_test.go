package availability_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections/availability"
)

// claim is what a reservation takes: rooms of a type on the nights of a stay.
type claim struct {
	status eventpb.ReservationStatus // PENDING: held, PAID: sold, otherwise nothing
	stay   *eventpb.Stay
}

// book releases what a reservation had before an event, and takes what it has after it.
func (m *model) book(t *testing.T, message proto.Message) {
	t.Helper()
	e, ok := message.(interface {
		GetHotelId() string
		GetReservationId() string
	})
	if !ok {
		return
	}
	before := m.claims[e.GetReservationId()]
	after := claimAfter(t, before, message)
	m.count(t, e.GetHotelId(), before, -1)
	m.count(t, e.GetHotelId(), after, +1)
	m.claims[e.GetReservationId()] = after
}

// claimAfter returns what a reservation takes after an event.
func claimAfter(t *testing.T, c claim, message proto.Message) claim {
	switch e := message.(type) {
	case *eventpb.ReservationPlaced:
		return claim{eventpb.ReservationStatus_RESERVATION_STATUS_PENDING, e.GetStay()}
	case *eventpb.ReservationPaid:
		c.status = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	case *eventpb.ReservationModified:
		c.stay = e.GetStay()
	case *eventpb.GuestCheckedOut:
		left, err := domain.ParseDate(e.GetDate())
		if err != nil {
			t.Fatal(err)
		}
		if leaving, _ := domain.ParseDate(c.stay.GetCheckOutDate()); left < leaving {
			c.stay = proto.CloneOf(c.stay)
			c.stay.CheckOutDate = e.GetDate()
		}
	case *eventpb.ReservationCanceled, *eventpb.ReservationNoShow, *eventpb.ReservationDeclined, *eventpb.GuestWalked:
		return claim{}
	}
	return c
}

// count adds what a claim takes, times sign, to its nights.
func (m *model) count(t *testing.T, hotel string, c claim, sign int) {
	rooms := sign * int(c.stay.GetQuantity())
	if rooms == 0 || c.stay.GetCheckInDate() == c.stay.GetCheckOutDate() {
		return
	}
	m.each(t, hotel, c.stay.GetRoomTypeId(), c.stay.GetCheckInDate(), c.stay.GetCheckOutDate(), func(n *availability.Night) {
		switch c.status {
		case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
			n.Held += rooms
		case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
			n.Sold += rooms
		}
	})
}
