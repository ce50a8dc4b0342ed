package availability

import (
	"cmp"
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// Taker is a reservation that has rooms on some nights.
type Taker struct {
	ReservationID string
	Status        eventpb.ReservationStatus // PENDING or PAID
	Quantity      int
	Stay          domain.Stay
	Event         projections.Event // that took the rooms
}

// Takers are the reservations that have rooms of one room type on a range of nights, made of the events of topic bookings. Not safe for concurrent use.
type Takers struct {
	hotelID, roomTypeID string
	from, to            domain.Date
	all                 map[string]*Taker
}

// NewTakers returns those of the nights [from, to) before anything has happened.
func NewTakers(hotelID, roomTypeID string, from, to domain.Date) *Takers {
	return &Takers{hotelID, roomTypeID, from, to, make(map[string]*Taker)}
}

// Take applies the next event of topic bookings.
func (t *Takers) Take(e projections.Event) error {
	if e.Envelope.HotelID != t.hotelID {
		return nil
	}
	switch m := e.Envelope.Message.(type) {
	case *eventpb.ReservationPlaced:
		return t.put(m.GetReservationId(), pending, m.GetStay(), e)
	case *eventpb.ReservationModified:
		delete(t.all, m.GetReservationId())
		return t.put(m.GetReservationId(), m.GetStatus(), m.GetStay(), e)
	case *eventpb.ReservationPaid:
		if known := t.all[m.GetReservationId()]; known != nil {
			known.Status = paid
		}
	case *eventpb.GuestCheckedOut:
		day, err := domain.ParseDate(m.GetDate())
		if known := t.all[m.GetReservationId()]; known != nil && err == nil {
			known.Stay.CheckOut = min(known.Stay.CheckOut, day)
		}
		return err
	case interface {
		GetReservationId() string
		GetStay() *eventpb.Stay
	}:
		if sold, held := claim(e.Envelope.Message, false); sold < 0 || held < 0 {
			delete(t.all, m.GetReservationId())
		}
	}
	return nil
}

func (t *Takers) put(id string, status eventpb.ReservationStatus, stay *eventpb.Stay, e projections.Event) error {
	first, last, err := nights(stay.GetCheckInDate(), stay.GetCheckOutDate())
	if err != nil {
		return err
	}
	if stay.GetRoomTypeId() == t.roomTypeID && first < t.to && last > t.from && (status == pending || status == paid) {
		t.all[id] = &Taker{id, status, int(stay.GetQuantity()), domain.Stay{CheckIn: first, CheckOut: last}, e}
	}
	return nil
}

// On returns those that have rooms on a night, in the order in which they took them.
func (t *Takers) On(d domain.Date) (found []*Taker) {
	for _, taker := range t.all {
		if taker.Stay.CheckIn <= d && d < taker.Stay.CheckOut {
			found = append(found, taker)
		}
	}
	slices.SortFunc(found, func(a, b *Taker) int { return cmp.Compare(a.Event.Position.Offset, b.Event.Position.Offset) })
	return found
}
