package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Version returns how many events of topic bookings a reservation has, from the one that began it, or 0 when the state does not know it. Read models count the
// same, so what a client has seen is known by it: an etag. It is counted in 16 bits, which is 2 bytes that were free; ChangesMax keeps it far below their end.
func (s *State) Version(reservationID string) int64 {
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return 0
	}
	if r := s.book.find(id); r != nil {
		return int64(r.version)
	}
	return 0
}

// changed counts an event that was applied, when it is one of a reservation that had begun before. Payments are not counted: their events come in another topic, and nothing orders the two.
func (s *State) changed(m proto.Message) {
	of, ok := changeOf(m)
	if !ok {
		return
	}
	id, err := domain.ParseReservationID(of.GetReservationId())
	if err != nil {
		return
	}
	if r := s.book.find(id); r != nil { // what has left the book is not counted any more: nothing can be asked of it
		r.version++
	}
}

// changeOf returns an event of topic bookings that changes a reservation, and false for every other one.
func changeOf(m proto.Message) (reservationEvent, bool) {
	switch m := m.(type) {
	case *eventpb.ReservationPaid, *eventpb.ReservationBalancePaid, *eventpb.ReservationDeclined, *eventpb.ReservationCanceled, *eventpb.ReservationNoShow,
		*eventpb.ReservationModified, *eventpb.RefundGranted, *eventpb.ReservationRefunded,
		*eventpb.GuestCheckedIn, *eventpb.GuestMoved, *eventpb.GuestCheckedOut, *eventpb.GuestWalked, *eventpb.GuestForgotten:
		of, ok := m.(reservationEvent)
		return of, ok
	}
	return nil, false
}

// checkVersion returns an error unless the caller expects no version or that of r.
func (r *reservation) checkVersion(expected int64) error {
	if expected == 0 || expected == int64(r.version) {
		return nil
	}
	return checkVersion(expected, int64(r.version))
}

// checkChanges returns an error when r has changed so often that only its end may come: its history stays as long as it can be read at once, and its version within 16 bits.
func (r *reservation) checkChanges() error {
	if r.version < ChangesMax {
		return nil
	}
	return domain.Errorf(domain.LimitReached, "reservation_id", "reservation %s has changed %d times, which is the most", r.id, r.version)
}
