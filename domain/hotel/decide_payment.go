package hotel

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) requestPayment(c *RequestPayment, at At) ([]proto.Message, error) {
	r, err := s.unchanged(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	id, err := parseUUID(c.PaymentID, "payment_id")
	if err != nil {
		return nil, err
	}
	provider, method, err := s.payWith(r, c)
	if err != nil {
		return nil, err
	}
	due, err := s.payable(r, id, at)
	if err == nil && method == "" {
		err = domain.Errorf(domain.InvalidArgument, "payment_method", "it is empty, and there was no payment before")
	}
	if err != nil {
		if c.OnlyIfUnsettled {
			return nil, nil // there is nothing to pay, or nothing to pay with
		}
		return nil, err
	}
	e := &eventpb.PaymentRequested{
		HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, Amount: s.money(due), Provider: provider, PaymentMethod: method,
	}
	if r.books != 0 {
		e.BooksDate = r.books.String()
	}
	return one(e), nil
}

// payWith returns the provider and the method to pay with: those asked for, or those of the last payment.
func (s *State) payWith(r *reservation, c *RequestPayment) (provider, method string, err error) {
	if err := checkText("payment_method", c.PaymentMethod, MethodMax); err != nil {
		return "", "", err
	}
	provider, method = c.Provider, c.PaymentMethod
	if method == "" {
		s.book.eachPayment(r, func(p *payment) bool {
			provider, method = p.provider.Value(), p.method
			return true
		})
	}
	if c.OnlyIfUnsettled && method == "" {
		return "", "", nil
	}
	if len(provider) > ProviderMax {
		return "", "", domain.Errorf(domain.InvalidArgument, "provider", "%d bytes are more than %d", len(provider), ProviderMax)
	}
	return provider, method, domain.ValidateID(provider, "provider")
}

// payable returns what a new payment of r is to bring.
func (s *State) payable(r *reservation, id [16]byte, at At) (int64, error) {
	if !r.takes() {
		return 0, statusConflict(r.id.String(), r, "only a PENDING or PAID one can be paid for")
	}
	if err := r.checkHold(at.Now); err != nil {
		return 0, err
	}
	var open *payment
	count := 0
	s.book.eachPayment(r, func(p *payment) bool {
		if p.outcome == PaymentOpen || p.outcome == PaymentUnknown {
			open = p
		}
		count++
		return true
	})
	if s.book.payment(r, id) != nil {
		return 0, domain.Errorf(domain.PaymentExists, "payment_id", "reservation %s has a payment %s already", r.id, uuidText(id))
	}
	if open != nil {
		return 0, domain.Errorf(domain.PaymentInProgress, "reservation_id",
			"payment %s of reservation %s has no outcome yet", uuidText(open.id), r.id)
	}
	if count >= PaymentsMax {
		return 0, domain.Errorf(domain.LimitReached, "reservation_id", "reservation %s has %d payments, which is the most", r.id, count)
	}
	return s.unpaid(r)
}

// unpaid returns what is still to be captured for r, which takes rooms; the error says that it is nothing.
func (s *State) unpaid(r *reservation) (int64, error) {
	due := r.total
	if r.state() == paid {
		due = s.balance(r)
	}
	f := s.funds(r)
	if due -= f.loose; due <= 0 {
		return 0, domain.Errorf(domain.NothingDue, "reservation_id", "there is nothing to pay of reservation %s", r.id)
	}
	return due, nil
}

// checkHold returns an error when the hold of r is over.
func (r *reservation) checkHold(now time.Time) error {
	if r.deadline == 0 || r.deadline > now.UnixMilli() {
		return nil
	}
	return domain.Errorf(domain.StatusConflict, "reservation_id", "the hold of reservation %s ended at %s",
		r.id, time.UnixMilli(r.deadline).UTC().Format(time.RFC3339))
}

// paymentOf returns a payment and its reservation.
func (s *State) paymentOf(hotelID, reservationID, paymentID string) (*reservation, *payment, error) {
	r, err := s.reservation(hotelID, reservationID)
	if err != nil {
		return nil, nil, err
	}
	id, err := parseUUID(paymentID, "payment_id")
	if err != nil {
		return nil, nil, err
	}
	if p := s.book.payment(r, id); p != nil {
		return r, p, nil
	}
	return nil, nil, domain.Errorf(domain.PaymentNotFound, "payment_id", "reservation %s has no payment %s", reservationID, paymentID)
}

func (s *State) checkPayment(c *CheckPayment, at At) error {
	r, p, err := s.paymentOf(c.Hotel, c.ReservationID, c.PaymentID)
	if err != nil {
		return err
	}
	switch {
	case p.outcome == PaymentCaptured || p.outcome == PaymentDeclined:
		return domain.Errorf(domain.StatusConflict, "payment_id", "the outcome of payment %s is known", c.PaymentID)
	case !r.takes():
		return statusConflict(c.ReservationID, r, "only a PENDING or PAID one can be paid for")
	}
	if _, err := s.unpaid(r); err != nil {
		return err
	}
	return r.checkHold(at.Now)
}

func (s *State) recordPayment(c *RecordPayment) ([]proto.Message, error) {
	_, p, err := s.paymentOf(c.Hotel, c.ReservationID, c.PaymentID)
	if err != nil {
		return nil, err
	}
	if err := checkText("provider_reference", c.ProviderReference, ProviderRefMax); err != nil {
		return nil, err
	}
	if err := checkText("cause", c.Cause, CauseMax); err != nil {
		return nil, err
	}
	switch c.Outcome {
	case PaymentCaptured:
		if c.Amount != (domain.Money{Currency: s.currency, MinorUnits: p.amount}) {
			return nil, domain.Errorf(domain.InvalidArgument, "amount", "%s was captured and %s was asked for",
				c.Amount, domain.Money{Currency: s.currency, MinorUnits: p.amount})
		}
		if p.outcome == PaymentCaptured {
			return nil, nil
		}
		return one(&eventpb.PaymentCaptured{
			HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, Amount: s.money(p.amount), ProviderReference: c.ProviderReference,
		}), nil
	case PaymentDeclined:
		if p.outcome == PaymentCaptured || p.outcome == PaymentDeclined {
			return nil, nil
		}
		return one(&eventpb.PaymentDeclined{
			HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, DeclineCode: c.Cause, ProviderReference: c.ProviderReference,
		}), nil
	case PaymentUnknown:
		if p.outcome != PaymentOpen {
			return nil, nil
		}
		return one(&eventpb.PaymentFailed{HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, Cause: c.Cause}), nil
	}
	return nil, domain.Errorf(domain.InvalidArgument, "outcome", "%d is no outcome of a payment", c.Outcome)
}

// settleRefunds asks for what is owed: first of payments that nobody has counted, then of the newest.
func (s *State) settleRefunds(c *SettleRefunds) ([]proto.Message, error) {
	r, err := s.reservation(c.Hotel, c.ReservationID)
	if err != nil {
		return nil, err
	}
	id, err := parseUUID(c.RefundID, "refund_id")
	if err != nil {
		return nil, err
	}
	f := s.funds(r)
	owed := s.owed(r, &f)
	if known, _ := s.book.refund(r, id); owed == 0 || known != nil {
		return nil, nil
	}
	var loose, counted []*payment // newest first
	s.book.eachPayment(r, func(p *payment) bool {
		if p.outcome != PaymentCaptured {
			return true
		}
		if s.book.hasApplied(s.book.byID[r.id], p.id) {
			counted = append([]*payment{p}, counted...)
		} else {
			loose = append([]*payment{p}, loose...)
		}
		return true
	})
	var events []proto.Message
	for _, p := range append(loose, counted...) {
		units := min(owed, p.amount-s.book.asked(p))
		if units <= 0 {
			continue
		}
		owed -= units
		for known, _ := s.book.refund(r, id); known != nil; known, _ = s.book.refund(r, id) {
			id = nextUUID(id)
		}
		events = append(events, &eventpb.RefundRequested{
			HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: uuidText(p.id), RefundId: uuidText(id), Amount: s.money(units),
			Provider: p.provider.Value(), ProviderReference: p.reference,
		})
		id = nextUUID(id)
	}
	return events, nil
}

func (s *State) recordRefund(c *RecordRefund) ([]proto.Message, error) {
	p, part, err := s.refundOf(c.Hotel, c.ReservationID, c.PaymentID, c.RefundID)
	if err != nil {
		return nil, err
	}
	if err := checkText("provider_reference", c.ProviderReference, ProviderRefMax); err != nil {
		return nil, err
	}
	if err := checkText("cause", c.Cause, CauseMax); err != nil {
		return nil, err
	}
	switch {
	case part.outcome == refundElsewhere && c.Succeeded:
		return nil, domain.Errorf(domain.RefundTooLarge, "refund_id", "refund %s was given back otherwise, and now by the provider as well", c.RefundID)
	case part.outcome == refundSucceeded || part.outcome != refundOpen && !c.Succeeded:
		return nil, nil
	case part.outcome == refundFailed:
		if err := s.checkLeft(p, part, c.RefundID); err != nil {
			return nil, err
		}
	}
	if c.Succeeded {
		return one(&eventpb.RefundSucceeded{
			HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, RefundId: c.RefundID,
			Amount: s.money(part.amount), ProviderReference: c.ProviderReference,
		}), nil
	}
	return one(&eventpb.RefundFailed{
		HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, RefundId: c.RefundID, Amount: s.money(part.amount), Cause: c.Cause,
	}), nil
}

func uuidText(id [16]byte) string { return domain.ReservationID(id).String() }

// nextUUID counts up.
func nextUUID(id [16]byte) [16]byte {
	binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(id[8:])+1)
	return id
}
