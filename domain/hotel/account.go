package hotel

import (
	"fmt"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// account is what a reservation's booking events say of its money, in minor units, none negative. What was captured and refunded say its payments, which lie
// in another topic: neither side's events read the other's.
type account struct {
	kept    int64 // of the payments that bookings know of, what the house keeps
	outside int64 // settled outside the platform
	due     int64 // of a PAID one: still to be paid
	granted int64 // given back by RefundGranted
	floor   int64 // what canceling would have cost before a modification: an end costs at least that
}

// price returns what the guest is to pay in all.
func (a *account) price() int64 { return a.kept + a.outside + a.due }

// modified returns the account of a PAID reservation whose total becomes this, when canceling would have cost fee: the new total less what was granted, but
// never less than the fee.
func (a account) modified(total, fee int64) account {
	price := a.price()
	a.floor = max(a.floor, min(fee, price))
	next := max(total-a.granted, min(a.floor, price), 0)
	less := max(0, price-next)
	a.due += max(0, next-price)
	unpaid := min(a.due, less)
	a.due -= unpaid
	a.kept -= min(a.kept, less-unpaid)
	return a
}

// balancePaid returns the account after amount was paid, through the platform or outside.
func (a account) balancePaid(amount int64, outside bool) account {
	amount = min(amount, a.due)
	a.due -= amount
	if outside {
		a.outside += amount
	} else {
		a.kept += amount
	}
	return a
}

// mark is a set of what is true of a reservation.
type mark uint8

const (
	keptAll    mark = 1 << iota // its account is its total kept, and nothing else
	outsideAll                  // its account is its total outside, and nothing else
	declined                    // REJECTED since the payment was declined, after it had held rooms

	accountMarks = keptAll | outsideAll
)

// account returns that of a reservation.
func (b *book) account(s slot) account {
	switch r := &b.slots[s]; {
	case r.marks&keptAll != 0:
		return account{kept: r.total}
	case r.marks&outsideAll != 0:
		return account{outside: r.total}
	}
	return b.accounts[s]
}

// setAccount replaces that of a reservation. Those that are as usual cost no memory.
func (b *book) setAccount(s slot, a account) {
	r := &b.slots[s]
	if r.marks&accountMarks == 0 {
		delete(b.accounts, s)
	}
	r.marks &^= accountMarks
	switch a {
	case account{}:
	case account{kept: r.total}:
		r.marks |= keptAll
	case account{outside: r.total}:
		r.marks |= outsideAll
	default:
		if b.accounts == nil {
			b.accounts = make(map[slot]account)
		}
		b.accounts[s] = a
	}
}

// balance returns what is still to be paid of a PAID reservation.
func (s *State) balance(r *reservation) int64 { return s.book.account(s.book.byID[r.id]).due }

// applied is a payment that a booking event has counted.
type applied struct {
	id   [16]byte
	next ref
}

// apply remembers that a payment was counted.
func (b *book) apply(s slot, payment [16]byte) {
	b.slots[s].applied = b.applied.add(applied{payment, b.slots[s].applied})
}

// hasApplied reports whether a payment was counted.
func (b *book) hasApplied(s slot, payment [16]byte) bool {
	for at := b.slots[s].applied; at != 0; at = b.applied.at(at).next {
		if b.applied.at(at).id == payment {
			return true
		}
	}
	return false
}

// forgetMoney forgets everything about a reservation's money.
func (b *book) forgetMoney(s slot) {
	b.setAccount(s, account{})
	r := &b.slots[s]
	for at := r.applied; at != 0; {
		next := b.applied.at(at).next
		b.applied.remove(at)
		at = next
	}
	b.forgetPayments(r)
	b.terms.release(r.terms)
	r.applied, r.terms = 0, 0
}

// setPrice keeps what a price and its terms mean for the reservation.
func (r *reservation) setPrice(t *terms, nightly []int64, total int64) {
	noShow := t.noShow
	if noShow == (fee{}) {
		noShow = t.fee // a guest who never came canceled too late
	}
	r.total, r.fee, r.noShowFee = total, t.fee.of(nightly, total), noShow.of(nightly, total)
}

// paid applies an event that makes a pending reservation PAID.
func (s *State) paid(m *eventpb.ReservationPaid) error {
	payment, amount, err := paidBy(m.GetPaymentId(), m.GetAmount())
	if err != nil {
		return err
	}
	at, err := s.settled(m, paid)
	if err != nil {
		return err
	}
	a := account{due: s.book.slots[at].total}
	if payment == ([16]byte{}) {
		amount = a.due
	} else {
		s.book.apply(at, payment)
	}
	s.book.setAccount(at, a.balancePaid(amount, payment == [16]byte{}))
	return nil
}

func (s *State) balancePaid(m *eventpb.ReservationBalancePaid) error {
	payment, amount, err := paidBy(m.GetPaymentId(), m.GetAmount())
	if err != nil {
		return err
	}
	at, err := s.known(m)
	if err != nil {
		return err
	}
	r := &s.book.slots[at]
	if r.state() != paid || payment != ([16]byte{}) && s.book.hasApplied(at, payment) {
		return fmt.Errorf("reservation %s is %s and has no balance that payment %q pays", r.id, statusName(r.state()), m.GetPaymentId())
	}
	if payment != ([16]byte{}) {
		s.book.apply(at, payment)
	}
	s.book.setAccount(at, s.book.account(at).balancePaid(amount, payment == [16]byte{}))
	return nil
}

// paidBy returns the payment of an event, zero when there is none, and its amount.
func paidBy(paymentID string, amount *eventpb.Money) (payment [16]byte, units int64, err error) {
	if units = amount.GetMinorUnits(); units < 0 {
		return payment, 0, fmt.Errorf("an amount of %d is negative", units)
	}
	if paymentID != "" {
		payment, err = parseUUID(paymentID, "payment_id")
	}
	return payment, units, err
}

// ended applies an event that cancels a reservation, and keeps what its settlement says.
func (s *State) ended(m interface {
	reservationEvent
	GetSettlement() *eventpb.Settlement
}) error {
	kept := m.GetSettlement().GetFeeMinorUnits()
	if kept < 0 {
		return fmt.Errorf("a fee of %d is negative", kept)
	}
	at, err := s.settled(m, canceled)
	if err != nil {
		return err
	}
	s.book.setAccount(at, account{kept: kept})
	return nil
}

func (s *State) declined(m *eventpb.ReservationDeclined) error {
	at, err := s.settled(m, turnedAway)
	if err != nil {
		return err
	}
	s.book.setAccount(at, account{})
	s.book.slots[at].marks |= declined
	return nil
}

func (s *State) granted(m *eventpb.RefundGranted) error {
	at, err := s.known(m)
	if err != nil {
		return err
	}
	a, amount := s.book.account(at), m.GetAmount().GetMinorUnits()
	if amount < 0 || amount > a.kept {
		return fmt.Errorf("%d cannot be given back of %d", amount, a.kept)
	}
	a.kept -= amount
	a.granted += amount
	s.book.setAccount(at, a)
	return nil
}

func (s *State) refunded(m *eventpb.ReservationRefunded) error {
	at, err := s.known(m)
	if err != nil {
		return err
	}
	r := &s.book.slots[at]
	if !r.ended() {
		return fmt.Errorf("reservation %s is %s and cannot become REFUNDED", r.id, statusName(r.state()))
	}
	r.status = uint8(refunded)
	return nil
}

// ended reports whether r was canceled, or rejected after it had held rooms.
func (r *reservation) ended() bool {
	return r.state() == canceled || r.state() == turnedAway && !r.turnedAway()
}

// turnedAway reports whether r never held rooms.
func (r *reservation) turnedAway() bool { return r.state() == turnedAway && r.marks&declined == 0 }

// reservationEvent is an event of one reservation.
type reservationEvent interface {
	GetHotelId() string
	GetReservationId() string
}

// known returns the reservation of an event, unless it never held rooms.
func (s *State) known(m reservationEvent) (slot, error) {
	if err := s.owns(m.GetHotelId()); err != nil {
		return 0, err
	}
	id, err := domain.ParseReservationID(m.GetReservationId())
	if err != nil {
		return 0, err
	}
	at, ok := s.book.byID[id]
	if !ok || s.book.slots[at].turnedAway() {
		return 0, fmt.Errorf("reservation %s is not known", id)
	}
	return at, nil
}
