package hotel

import (
	"fmt"
	"unique"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// payment is what the state keeps of a payment as long as of its reservation.
type payment struct {
	id        [16]byte
	amount    int64
	provider  unique.Handle[string]
	method    string
	reference string // the provider's own, once known
	refunds   ref    // the first, in order
	next      ref    // the reservation's next payment, in order
	outcome   PaymentOutcome
}

// refund is a part of a payment that is given back.
type refund struct {
	id      [16]byte
	amount  int64
	next    ref // the payment's next
	outcome refundOutcome
}

type refundOutcome uint8

const (
	refundOpen refundOutcome = iota
	refundSucceeded
	refundFailed
	refundElsewhere // it had failed, and the hotel gave the money back itself
)

// all calls f for the payments of r in order, until it returns false.
func (b *book) eachPayment(r *reservation, f func(*payment) bool) {
	for at := r.payments; at != 0; {
		p := b.payments.at(at)
		if !f(p) {
			return
		}
		at = p.next
	}
}

// payment returns a payment of r, or nil.
func (b *book) payment(r *reservation, id [16]byte) (found *payment) {
	b.eachPayment(r, func(p *payment) bool {
		if p.id == id {
			found = p
		}
		return found == nil
	})
	return found
}

// refund returns a refund of r and its payment, or nil.
func (b *book) refund(r *reservation, id [16]byte) (found *refund, of *payment) {
	b.eachPayment(r, func(p *payment) bool {
		for at := p.refunds; at != 0 && found == nil; at = b.refunds.at(at).next {
			if b.refunds.at(at).id == id {
				found, of = b.refunds.at(at), p
			}
		}
		return found == nil
	})
	return found, of
}

// asked returns what was asked to be given back of p and was not refused.
func (b *book) asked(p *payment) (units int64) {
	for at := p.refunds; at != 0; at = b.refunds.at(at).next {
		if m := b.refunds.at(at); m.outcome != refundFailed {
			units += m.amount
		}
	}
	return units
}

// addPayment appends to the payments of r.
func (b *book) addPayment(r *reservation, p payment) {
	at := b.payments.add(p)
	last := &r.payments
	for *last != 0 {
		last = &b.payments.at(*last).next
	}
	*last = at
}

// addRefund appends to the refunds of p.
func (b *book) addRefund(p *payment, m refund) {
	at := b.refunds.add(m)
	last := &p.refunds
	for *last != 0 {
		last = &b.refunds.at(*last).next
	}
	*last = at
}

func (b *book) forgetPayments(r *reservation) {
	for at := r.payments; at != 0; {
		p := b.payments.at(at)
		for m := p.refunds; m != 0; {
			next := b.refunds.at(m).next
			b.refunds.remove(m)
			m = next
		}
		next := p.next
		b.payments.remove(at)
		at = next
	}
	r.payments = 0
}

// paymentEvent is an event of one payment.
type paymentEvent interface {
	reservationEvent
	GetPaymentId() string
}

// payer returns the reservation of an event of payments, or nil when it is forgotten: bookings say how long it is remembered.
func (s *State) payer(m paymentEvent) (r *reservation, payment [16]byte, err error) {
	if err := s.owns(m.GetHotelId()); err != nil {
		return nil, payment, err
	}
	id, err := domain.ParseReservationID(m.GetReservationId())
	if err != nil {
		return nil, payment, err
	}
	payment, err = parseUUID(m.GetPaymentId(), "payment_id")
	return s.book.find(id), payment, err
}

func (s *State) paymentRequested(m *eventpb.PaymentRequested) error {
	r, id, err := s.payer(m)
	if err != nil {
		return err
	}
	var placed domain.Date
	if m.GetBooksDate() != "" {
		if placed, err = domain.ParseDate(m.GetBooksDate()); err != nil {
			return err
		}
	}
	units := m.GetAmount().GetMinorUnits()
	switch {
	case units < 0:
		return fmt.Errorf("an amount of %d is negative", units)
	case r == nil || r.turnedAway() || r.books != placed: // of one that is forgotten
		return nil
	case s.book.payment(r, id) != nil:
		return fmt.Errorf("payment %s exists already", m.GetPaymentId())
	}
	s.book.addPayment(r, payment{id: id, amount: units, provider: unique.Make(m.GetProvider()), method: m.GetPaymentMethod()})
	return nil
}

// concluded applies what a provider said of a payment. The latest capture counts for ever.
func (s *State) concluded(m paymentEvent, outcome PaymentOutcome, reference string) error {
	r, id, err := s.payer(m)
	if err != nil || r == nil {
		return err
	}
	p := s.book.payment(r, id)
	if p == nil {
		return nil
	}
	if p.outcome == PaymentCaptured {
		return fmt.Errorf("payment %s was captured before", m.GetPaymentId())
	}
	p.outcome = outcome
	if reference != "" {
		p.reference = reference
	}
	return nil
}

func (s *State) refundRequested(m *eventpb.RefundRequested) error {
	r, id, err := s.payer(m)
	if err != nil {
		return err
	}
	refundID, err := parseUUID(m.GetRefundId(), "refund_id")
	if err != nil {
		return err
	}
	units := m.GetAmount().GetMinorUnits()
	if units < 0 {
		return fmt.Errorf("an amount of %d is negative", units)
	}
	if r == nil {
		return nil
	}
	if known, _ := s.book.refund(r, refundID); known != nil {
		return fmt.Errorf("refund %s exists already", m.GetRefundId())
	}
	if p := s.book.payment(r, id); p != nil {
		s.book.addRefund(p, refund{id: refundID, amount: units})
	}
	return nil
}

func (s *State) refundConcluded(m interface {
	paymentEvent
	GetRefundId() string
}, outcome refundOutcome) error {
	r, _, err := s.payer(m)
	if err != nil {
		return err
	}
	id, err := parseUUID(m.GetRefundId(), "refund_id")
	if err != nil || r == nil {
		return err
	}
	if known, _ := s.book.refund(r, id); known != nil {
		known.outcome = outcome
	}
	return nil
}
