package reservations

import (
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// kind is an event's type as the history stores it. The numbers never change.
type kind int64

const (
	kindPlaced        kind = 1
	kindRejected      kind = 2
	kindPaid          kind = 3
	kindCanceled      kind = 4
	kindNoShow        kind = 5
	kindBalancePaid   kind = 6
	kindDeclined      kind = 7
	kindModified      kind = 8
	kindRefundGranted kind = 9
	kindRefunded      kind = 10
	kindCheckedIn     kind = 11
	kindCheckedOut    kind = 12
	kindWalked        kind = 13
	kindMoved         kind = 14
	kindForgotten     kind = 15
)

// types are the current types of the kinds.
var types = map[kind]string{
	kindPlaced:        event.TypeOf(&eventpb.ReservationPlaced{}),
	kindRejected:      event.TypeOf(&eventpb.ReservationRejected{}),
	kindPaid:          event.TypeOf(&eventpb.ReservationPaid{}),
	kindCanceled:      event.TypeOf(&eventpb.ReservationCanceled{}),
	kindNoShow:        event.TypeOf(&eventpb.ReservationNoShow{}),
	kindBalancePaid:   event.TypeOf(&eventpb.ReservationBalancePaid{}),
	kindDeclined:      event.TypeOf(&eventpb.ReservationDeclined{}),
	kindModified:      event.TypeOf(&eventpb.ReservationModified{}),
	kindRefundGranted: event.TypeOf(&eventpb.RefundGranted{}),
	kindRefunded:      event.TypeOf(&eventpb.ReservationRefunded{}),
	kindCheckedIn:     event.TypeOf(&eventpb.GuestCheckedIn{}),
	kindCheckedOut:    event.TypeOf(&eventpb.GuestCheckedOut{}),
	kindWalked:        event.TypeOf(&eventpb.GuestWalked{}),
	kindMoved:         event.TypeOf(&eventpb.GuestMoved{}),
	kindForgotten:     event.TypeOf(&eventpb.GuestForgotten{}),
}

// statuses are what the kinds leave a reservation in; the others leave it as it was.
var statuses = map[kind]eventpb.ReservationStatus{
	kindPlaced:   eventpb.ReservationStatus_RESERVATION_STATUS_PENDING,
	kindRejected: eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED,
	kindPaid:     eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
	kindCanceled: eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED,
	kindNoShow:   eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED,
	kindDeclined: eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED,
	kindRefunded: eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED,
	kindWalked:   eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED,
}

// keepsReason reports whether an event of the kind leaves reason and note of the reservation as they were.
func (k kind) keepsReason() bool {
	_, changes := statuses[k]
	return !changes || k == kindRefunded
}

// after returns status and reason of a reservation after the entry, given those before it.
func (e *entry) after(status eventpb.ReservationStatus, reason eventpb.ReservationReason) (eventpb.ReservationStatus, eventpb.ReservationReason) {
	if s, ok := statuses[e.kind]; ok {
		status = s
	}
	if !e.kind.keepsReason() {
		reason = e.reason
	}
	return status, reason
}

// bare reports whether an entry of the kind is nothing but what all entries are.
func (k kind) bare() bool { return k == kindPlaced || k == kindRejected }

// state is what every event says of the reservation from it on; the status follows from the kind.
type state struct {
	kind   kind
	reason eventpb.ReservationReason
	note   string // projections.TextOf
}

// stateAfter returns the state after an event, and false when it is no reservation's.
func stateAfter(m any) (state, bool) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return state{kind: kindPlaced}, true
	case *eventpb.ReservationRejected:
		return state{kind: kindRejected, reason: m.GetReason()}, true
	case *eventpb.ReservationPaid:
		return state{kind: kindPaid}, true
	case *eventpb.ReservationCanceled:
		return state{kindCanceled, m.GetReason(), projections.TextOf(m.GetNote(), m.GetWords())}, true
	case *eventpb.ReservationNoShow:
		return state{kind: kindNoShow, reason: eventpb.ReservationReason_RESERVATION_REASON_NO_SHOW}, true
	case *eventpb.ReservationBalancePaid:
		return state{kind: kindBalancePaid}, true
	case *eventpb.ReservationDeclined:
		return state{kind: kindDeclined, reason: eventpb.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED}, true
	case *eventpb.ReservationModified:
		return state{kind: kindModified}, true
	case *eventpb.RefundGranted:
		return state{kind: kindRefundGranted, note: projections.TextOf(m.GetNote(), m.GetWords())}, true
	case *eventpb.ReservationRefunded:
		return state{kind: kindRefunded}, true
	case *eventpb.GuestCheckedIn:
		return state{kind: kindCheckedIn}, true
	case *eventpb.GuestCheckedOut:
		return state{kind: kindCheckedOut}, true
	case *eventpb.GuestMoved:
		return state{kind: kindMoved, note: projections.TextOf(m.GetNote(), m.GetWords())}, true
	case *eventpb.GuestWalked:
		return state{kindWalked, eventpb.ReservationReason_RESERVATION_REASON_WALKED, projections.TextOf(m.GetNote(), m.GetWords())}, true
	case *eventpb.GuestForgotten:
		return state{kind: kindForgotten}, true
	}
	return state{}, false
}
