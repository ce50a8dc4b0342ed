package hotel

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Short names of the statuses.
const (
	pending    = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	paid       = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	canceled   = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
	turnedAway = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED
	refunded   = eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED
)

func statusName(status eventpb.ReservationStatus) string {
	return strings.TrimPrefix(status.String(), "RESERVATION_STATUS_")
}

func (s *State) confirmReservation(c *ConfirmReservation, at At) ([]proto.Message, error) {
	if c.PaymentID != "" {
		return s.confirmPayment(c)
	}
	r, err := s.unchanged(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if due := s.balance(r); r.state() == paid && due > 0 {
		return one(&eventpb.ReservationBalancePaid{HotelId: c.Hotel, ReservationId: c.ReservationID, Amount: s.money(due)}), nil
	}
	if r.state() != pending {
		return nil, statusConflict(c.ReservationID, r, "only a PENDING one can be confirmed, or a PAID one with a balance")
	}
	if err := r.checkHold(at.Now); err != nil {
		return nil, err
	}
	return one(&eventpb.ReservationPaid{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Stay: s.stayMessage(r),
	}), nil
}

// confirmPayment counts a captured payment.
func (s *State) confirmPayment(c *ConfirmReservation) ([]proto.Message, error) {
	r, p, err := s.paymentOf(c.Hotel, c.ReservationID, c.PaymentID)
	if err != nil {
		return nil, err
	}
	if err := r.checkVersion(c.ExpectedVersion); err != nil {
		return nil, err
	}
	if p.outcome != PaymentCaptured {
		return nil, domain.Errorf(domain.StatusConflict, "payment_id", "payment %s was not captured", c.PaymentID)
	}
	if c.Amount != (domain.Money{Currency: s.currency, MinorUnits: p.amount}) {
		return nil, domain.Errorf(domain.InvalidArgument, "amount", "%s was captured, not %s",
			domain.Money{Currency: s.currency, MinorUnits: p.amount}, c.Amount)
	}
	if s.book.hasApplied(s.book.byID[r.id], p.id) {
		return nil, nil
	}
	left := p.amount - s.book.asked(p)
	switch {
	case r.state() == pending:
		return one(s.paidEvent(r, p)), nil
	case r.state() != paid:
		return nil, statusConflict(c.ReservationID, r, "only a PENDING or PAID one can be paid")
	case min(left, s.balance(r)) <= 0:
		return nil, nil // it is too much, and is given back
	}
	return one(&eventpb.ReservationBalancePaid{
		HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, Amount: s.money(min(left, s.balance(r))),
	}), nil
}

// paidEvent says that a pending reservation is paid by a captured payment.
func (s *State) paidEvent(r *reservation, p *payment) proto.Message {
	return &eventpb.ReservationPaid{
		HotelId: s.id, ReservationId: r.id.String(), Stay: s.stayMessage(r), PaymentId: uuidText(p.id), Amount: s.money(p.amount),
	}
}

func (s *State) cancelReservation(c *CancelReservation, at At) ([]proto.Message, error) {
	r, err := s.taking(c.Hotel, c.ReservationID, c.ExpectedVersion, "canceled")
	if err != nil {
		return nil, err
	}
	reason := c.Reason
	switch reason {
	case eventpb.ReservationReason_RESERVATION_REASON_UNSPECIFIED:
		reason = eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
	case eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST,
		eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST,
		eventpb.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED:
	default:
		return nil, domain.Errorf(domain.InvalidArgument, "reason",
			"%s is not GUEST_REQUEST, HOTEL_REQUEST or PAYMENT_DECLINED", strings.TrimPrefix(reason.String(), "RESERVATION_REASON_"))
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	fee := int64(0)
	if reason == eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST && !c.Waive {
		fee = s.cancelFee(r, at)
	}
	e := s.cancellation(r, reason, c.Note)
	e.Settlement = s.settlement(r, fee, c.Waive)
	return one(e), nil
}

// CancellationQuote is what canceling a reservation settles, in the hotel's currency.
type CancellationQuote struct {
	Currency  string
	Fee       int64     // that the terms name, whatever was paid
	Kept      int64     // of the fee, what was captured
	Refund    int64     // given back
	FreeUntil time.Time // before then it is free; zero: it never was, or is at any time
}

// QuoteCancellation decides a cancellation at a guest's request and says what it would settle. Errors: those of the decision.
func QuoteCancellation(s *State, c *CancelReservation, at At) (CancellationQuote, error) {
	events, err := Decide(s, c, at)
	if err != nil {
		return CancellationQuote{}, err
	}
	r, err := s.unchanged(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return CancellationQuote{}, err
	}
	under := s.book.terms.at(r.terms)
	quote := CancellationQuote{Currency: s.currency, Fee: s.cancelFee(r, at), FreeUntil: under.freeUntil(r.checkIn, s.place)}
	for _, e := range events {
		if m, ok := e.(*eventpb.ReservationCanceled); ok {
			quote.Kept, quote.Refund = m.GetSettlement().GetFeeMinorUnits(), m.GetSettlement().GetRefundMinorUnits()
		}
	}
	return quote, nil
}

func (s *State) markNoShow(c *MarkNoShow, at At) ([]proto.Message, error) {
	r, err := s.taking(c.Hotel, c.ReservationID, c.ExpectedVersion, "missed")
	if err != nil {
		return nil, err
	}
	if today := s.today(at.Now); today < r.checkIn {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id",
			"the guest of reservation %s is expected on %s and it is %s at the hotel", c.ReservationID, r.checkIn, today)
	}
	fee := int64(0)
	if !c.Waive {
		fee = s.missFee(r)
	}
	return one(&eventpb.ReservationNoShow{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Stay: s.stayMessage(r), PreviousStatus: r.state(),
		Settlement: s.settlement(r, fee, c.Waive),
	}), nil
}

func (s *State) expireHolds(c *ExpireHolds, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	now := c.Now
	if now.IsZero() {
		now = at.Now
	}
	var events []proto.Message
	for _, slot := range s.book.holds.expired(s.book.slots, now.UnixMilli(), ExpireMax) {
		events = append(events, s.expiry(&s.book.slots[slot]))
	}
	return events, nil
}

// expiry ends a hold whose time is over: it is canceled, unless it was paid in time and nobody has said so yet.
func (s *State) expiry(r *reservation) proto.Message {
	var captured *payment
	s.book.eachPayment(r, func(p *payment) bool {
		if p.outcome == PaymentCaptured {
			captured = p
		}
		return captured == nil
	})
	if captured != nil {
		return s.paidEvent(r, captured)
	}
	return s.cancellation(r, eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED, "")
}

// reservation returns a reservation of this hotel.
func (s *State) reservation(hotelID, reservationID string) (*reservation, error) {
	if err := s.exists(hotelID); err != nil {
		return nil, err
	}
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return nil, err
	}
	if r := s.book.find(id); r != nil {
		return r, nil
	}
	return nil, domain.Errorf(domain.ReservationNotFound, "reservation_id",
		"hotel %s has no reservation %s that is open or ended in the last %d days", hotelID, reservationID, BooksOpenDays)
}

// unchanged returns a reservation of this hotel that is at the version that the caller has seen, or at any when that is 0.
func (s *State) unchanged(hotelID, reservationID string, expected int64) (*reservation, error) {
	r, err := s.reservation(hotelID, reservationID)
	if err != nil {
		return nil, err
	}
	return r, r.checkVersion(expected)
}

// taking returns a reservation of this hotel that takes rooms.
func (s *State) taking(hotelID, reservationID string, expected int64, verb string) (*reservation, error) {
	r, err := s.unchanged(hotelID, reservationID, expected)
	if err != nil {
		return nil, err
	}
	if !r.takes() {
		return nil, statusConflict(reservationID, r, "only a PENDING or PAID one can be "+verb)
	}
	return r, r.checkAwaited(verb)
}

func statusConflict(reservationID string, r *reservation, rule string) error {
	return domain.Errorf(domain.StatusConflict, "reservation_id",
		"reservation %s is %s: %s", reservationID, statusName(r.state()), rule)
}

func (s *State) cancellation(r *reservation, reason eventpb.ReservationReason, note string) *eventpb.ReservationCanceled {
	return &eventpb.ReservationCanceled{
		HotelId: s.id, ReservationId: r.id.String(), Stay: s.stayMessage(r),
		PreviousStatus: r.state(), Reason: reason, Note: note,
	}
}

func (s *State) stayMessage(r *reservation) *eventpb.Stay {
	stay := r.stay()
	return &eventpb.Stay{
		RoomTypeId: s.roomTypes[r.roomType].details.RoomTypeId, Quantity: int32(r.quantity),
		CheckInDate: stay.CheckIn.String(), CheckOutDate: stay.CheckOut.String(),
	}
}
