package audit

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
	"lodge/log"
)

// bill applies what an event of the bookings says of money, or says why it cannot be.
func (r *life) bill(m proto.Message) (Kind, string) {
	switch m := m.(type) {
	case *eventpb.ReservationPaid:
		return r.count(m.GetPaymentId(), m.GetAmount())
	case *eventpb.ReservationBalancePaid:
		return r.count(m.GetPaymentId(), m.GetAmount())
	case *eventpb.ReservationModified:
		return r.modify(m)
	case *eventpb.ReservationCanceled:
		return r.settle(m.GetSettlement())
	case *eventpb.ReservationNoShow:
		return r.settle(m.GetSettlement())
	case *eventpb.GuestWalked:
		if m.GetSettlement().GetFeeMinorUnits() != 0 {
			return BadSettlement, fmt.Sprintf("%d are kept of a guest who was sent away", m.GetSettlement().GetFeeMinorUnits())
		}
		return r.settle(m.GetSettlement())
	case *eventpb.RefundGranted:
		return r.grant(m.GetAmount())
	case *eventpb.ReservationRefunded:
		return r.refunded(m)
	}
	return "", ""
}

// account returns the reservation's, which is made when its first money moves.
func (r *life) account() *account {
	if r.money == nil {
		r.money = new(account)
	}
	return r.money
}

// count demands that no payment counts twice. That it was captured is looked at when the payments have been read.
func (r *life) count(paymentID string, m *eventpb.Money) (Kind, string) {
	if paymentID == "" {
		return "", "" // settled outside the platform
	}
	a := r.account()
	amount, wrong := a.amountOf(m)
	if wrong != "" {
		return BadPayment, wrong
	}
	p, err := a.payment(paymentID)
	if err != nil {
		return BadPayment, err.Error()
	}
	if p.counted != 0 {
		return BadPayment, fmt.Sprintf("payment %s counts twice", paymentID)
	}
	p.counted = amount
	a.applied += min(amount, max(0, r.total-a.applied+a.promised)) // a payment may have been asked for before the price fell
	return "", ""
}

func (r *life) modify(m *eventpb.ReservationModified) (Kind, string) {
	before := r.total
	r.total = m.GetTotalMinorUnits()
	balance, refund := m.GetBalanceMinorUnits(), m.GetRefundMinorUnits()
	switch {
	case m.GetPreviousTotalMinorUnits() != before:
		return BadPrice, fmt.Sprintf("the price before is said to be %d and was %d", m.GetPreviousTotalMinorUnits(), before)
	case balance < 0 || refund < 0 || balance > amountMax || refund > amountMax || m.GetStatus() == pendingStatus && balance+refund != 0:
		return BadSettlement, fmt.Sprintf("a change of %s asks for %d and gives back %d", m.GetStatus(), balance, refund)
	}
	if refund > 0 {
		r.account().promised += refund
	}
	if fee := m.GetFeeMinorUnits(); fee > 0 {
		r.account().floor = max(r.account().floor, min(fee, before))
	}
	return "", ""
}

// settle notes what is kept of a reservation that ends: never more than its price, and with what is given back never more than was captured.
func (r *life) settle(m *eventpb.Settlement) (Kind, string) {
	if m == nil {
		return "", ""
	}
	a := r.account()
	fee, now, before := m.GetFeeMinorUnits(), m.GetRefundMinorUnits(), m.GetRefundedMinorUnits()
	if min(fee, now, before) < 0 || max(fee, now, before) > amountMax || fee > max(r.total, a.floor) || m.GetWaived() && fee != 0 {
		return BadSettlement, fmt.Sprintf("of a price of %d, %d are kept (waived: %t), %d given back now and %d before", r.total, fee, m.GetWaived(), now, before)
	}
	a.fee, a.settled = fee, fee+now+before
	return "", ""
}

func (r *life) grant(m *eventpb.Money) (Kind, string) {
	a := r.account()
	amount, wrong := a.amountOf(m)
	if wrong != "" || amount == 0 {
		return BadSettlement, fmt.Sprintf("a refund of %d is granted %s", amount, wrong)
	}
	if r.status == pendingStatus || r.status == paidStatus {
		a.promised += amount
		return "", ""
	}
	if a.fee -= amount; a.fee < 0 {
		a.fee = 0
		return BadSettlement, fmt.Sprintf("%d more than what is kept are given back", amount)
	}
	return "", ""
}

func (r *life) refunded(m *eventpb.ReservationRefunded) (Kind, string) {
	a := r.account()
	back, wrong := a.amountOf(m.GetRefunded())
	kept, wrong2 := a.amountOf(m.GetKept())
	if wrong != "" || wrong2 != "" || kept > a.fee {
		return BadSettlement, fmt.Sprintf("%d given back and %d kept, where %d may be %s%s", back, kept, a.fee, wrong, wrong2)
	}
	a.refunded, a.settled = back, max(a.settled, back+kept)
	return "", ""
}

// owed returns what the guest may have back of what was captured, beyond what was asked for already.
func (r *life) owed() int64 {
	a := r.money
	requested, _ := a.refunds()
	switch r.status {
	case pendingStatus:
		return a.promised - requested
	case paidStatus:
		return a.promised + max(0, a.captured()-a.applied) - requested
	}
	return max(0, a.captured()-a.fee) - requested
}

// due demands, of all that was asked for before the payments were measured first, that no more is given back than the bookings say.
func (ids *identities) due(p *pass, at log.Position) {
	for _, key := range ids.sorted() {
		r := ids.reservations[key]
		if r.money == nil {
			continue
		}
		requested, _ := r.money.refunds()
		switch {
		case r.status == 0:
			p.found(UnknownBooking, at, "", "reservation %s: a payment, and it was never placed", key.id)
		case r.status == pendingStatus && requested > r.money.captured():
			p.found(BadRefund, at, "", "reservation %s: it is pending and gives back %d of %d", key.id, requested, r.money.captured())
		case r.status != pendingStatus && r.owed() < 0:
			p.found(BadRefund, at, "", "reservation %s: refunds of %d are %d more than it owes, being %s with %d captured",
				key.id, requested, -r.owed(), r.status, r.money.captured())
		}
	}
}

// captured demands that what counts as paid was captured, and that what is said to be given back was.
func (ids *identities) captured(p *pass, at log.Position) {
	for _, key := range ids.sorted() {
		a := ids.reservations[key].money
		if a == nil {
			continue
		}
		for i := range a.payments {
			if pay := &a.payments[i]; pay.counted != 0 && (!pay.captured || pay.counted > pay.amount) {
				p.found(BadPayment, at, "", "reservation %s: payment %x counts for %d; it captured (%t) %d", key.id, pay.id, pay.counted, pay.captured, pay.amount)
			}
		}
		if _, succeeded := a.refunds(); succeeded < a.refunded || a.captured() < a.settled {
			p.found(BadSettlement, at, "", "reservation %s: of %d captured and %d given back, it says that it gave back %d and accounts for %d",
				key.id, a.captured(), succeeded, a.refunded, a.settled)
		}
	}
}

// Money is what moved in one currency: Captured = Refunded + Refunding + Owed + Kept.
type Money struct {
	Captured  int64 `json:"captured"`  // money in
	Refunded  int64 `json:"refunded"`  // money out
	Refunding int64 `json:"refunding"` // asked for, under way
	Owed      int64 `json:"owed"`      // to be asked for
	Kept      int64 `json:"kept"`      // for stays and fees, those to come included
}

// sum adds up the money of all reservations of this share, and reports whether the sums fit into 63 bits.
func (ids *identities) sum(into map[string]Money) bool {
	fits := true
	add := func(sum *int64, value int64) {
		next := *sum + value
		fits = fits && (value >= 0) == (next >= *sum)
		*sum = next
	}
	for _, r := range ids.reservations {
		if r.money == nil || r.money.currency == "" {
			continue
		}
		total := into[r.money.currency]
		requested, succeeded := r.money.refunds()
		captured, owed := r.money.captured(), max(0, r.owed())
		add(&total.Captured, captured)
		add(&total.Refunded, succeeded)
		add(&total.Refunding, requested-succeeded)
		add(&total.Owed, owed)
		add(&total.Kept, captured-requested-owed)
		into[r.money.currency] = total
	}
	return fits
}
