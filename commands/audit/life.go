package audit

import (
	"fmt"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// Short names of the statuses; 0 is a reservation that was not placed.
const (
	pendingStatus  = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	paidStatus     = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	canceledStatus = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
	rejectedStatus = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED
	refundedStatus = eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED
)

// life is what the bookings say of one reservation.
type life struct {
	takes  takes
	status eventpb.ReservationStatus
	in     bool // the guest is or was there
	out    bool // and has left
	total  int64
	money  *account // nil: none ever moved
}

// takes is what a reservation takes: rooms of a type over nights.
type takes struct {
	in, out  domain.Date
	quantity int32
	roomType uint32 // its number and one; 0: a stay that cannot be
}

// step is what an event demands of a reservation, and makes of it.
type step struct {
	from     []eventpb.ReservationStatus // one of these
	claimed  eventpb.ReservationStatus   // what the event takes it for; 0: it does not say
	arrived  bool                        // the guest must be there; otherwise must not have come, unless anytime
	anytime  bool
	there    bool          // or the guest may be there
	stay     *eventpb.Stay // what it takes; nil: the event does not say
	to       eventpb.ReservationStatus
	becoming *eventpb.Stay // what it takes from now on; nil: as before
}

var (
	live       = []eventpb.ReservationStatus{pendingStatus, paidStatus}
	ended      = []eventpb.ReservationStatus{canceledStatus, rejectedStatus}
	everywhere = []eventpb.ReservationStatus{pendingStatus, paidStatus, canceledStatus, rejectedStatus, refundedStatus}
)

// stepOf returns what an event of a placed reservation demands.
func stepOf(e *event.Envelope) (step, bool) {
	pending, paid := live[:1], live[1:]
	switch m := e.Message.(type) {
	case *eventpb.ReservationPaid:
		return step{from: pending, stay: m.GetStay(), to: paidStatus}, true
	case *eventpb.ReservationBalancePaid:
		return step{from: paid, anytime: true, to: paidStatus}, true
	case *eventpb.ReservationDeclined:
		return step{from: pending, stay: m.GetStay(), to: rejectedStatus}, true
	case *eventpb.ReservationCanceled:
		return step{from: live, claimed: m.GetPreviousStatus(), stay: m.GetStay(), to: canceledStatus}, true
	case *eventpb.ReservationNoShow:
		return step{from: live, claimed: m.GetPreviousStatus(), stay: m.GetStay(), to: canceledStatus}, true
	case *eventpb.GuestWalked:
		return step{from: paid, stay: m.GetStay(), to: canceledStatus}, true
	case *eventpb.ReservationModified:
		return step{from: live, claimed: m.GetStatus(), stay: m.GetPreviousStay(), to: m.GetStatus(), becoming: m.GetStay(), there: true}, true
	case *eventpb.GuestCheckedIn:
		return step{from: paid, to: paidStatus}, true
	case *eventpb.GuestCheckedOut:
		return step{from: paid, arrived: true, stay: m.GetStay(), to: paidStatus}, true
	case *eventpb.GuestMoved:
		return step{from: paid, arrived: true, to: paidStatus}, true
	case *eventpb.RefundGranted:
		return step{from: everywhere, anytime: true}, true
	case *eventpb.ReservationRefunded:
		return step{from: ended, to: refundedStatus}, true
	}
	return step{}, false
}

// follow applies an event of the bookings, or says why it cannot be.
func (r *life) follow(ids *identities, e *event.Envelope) (Kind, string) {
	if m, ok := e.Message.(*eventpb.ReservationPlaced); ok {
		if r.status != 0 {
			return PlacedTwice, "it was placed before"
		}
		r.status, r.takes, r.total = pendingStatus, ids.takes(m.GetStay()), m.GetTotalMinorUnits()
		return "", ""
	}
	s, ok := stepOf(e)
	if !ok {
		return "", ""
	}
	if r.status == 0 {
		return UnknownBooking, "it was never placed"
	}
	kind, text := r.check(ids, e, &s)
	if s.to != 0 {
		r.status = s.to
	}
	if s.becoming != nil {
		r.takes = ids.takes(s.becoming)
	}
	moneyKind, moneyText := r.bill(e.Message)
	if kind == "" {
		kind, text = moneyKind, moneyText
	}
	return kind, text
}

// check demands that the reservation is what the event takes it for.
func (r *life) check(ids *identities, e *event.Envelope, s *step) (Kind, string) {
	allowed := false
	for _, status := range s.from {
		allowed = allowed || status == r.status
	}
	if !allowed || s.claimed != 0 && s.claimed != r.status {
		return BadTransition, fmt.Sprintf("%s at %s, which the event takes for %s", e.Type, r.status, s.claimed)
	}
	if !s.anytime && (r.in != s.arrived && !s.there || r.out) {
		return BadTransition, fmt.Sprintf("%s of a guest who came (%t) and left (%t)", e.Type, r.in, r.out)
	}
	if s.stay != nil && ids.takes(s.stay) != r.takes {
		return BadRelease, "the stay is not the one that it takes"
	}
	switch m := e.Message.(type) {
	case *eventpb.ReservationModified:
		next := ids.takes(m.GetStay())
		if r.in && (next.in != r.takes.in || next.quantity != r.takes.quantity || next.roomType != r.takes.roomType) {
			return BadTransition, "of a guest who is there more changes than the day of leaving"
		}
	case *eventpb.GuestCheckedIn:
		r.in = true
		if len(m.GetRoomIds()) != int(r.takes.quantity) {
			return BadRoom, fmt.Sprintf("%d rooms were given for %d", len(m.GetRoomIds()), r.takes.quantity)
		}
	case *eventpb.GuestCheckedOut:
		r.out = true
	}
	return "", ""
}
