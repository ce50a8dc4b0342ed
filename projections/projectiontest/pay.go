package projectiontest

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

// payment is a payment as the history has made it up so far.
type payment struct {
	id       string
	amount   int64
	captured bool
	over     bool // no outcome follows
	counted  bool // by an event of bookings
	refunds  []*refund
}

type refund struct {
	id           string
	amount       int64
	over, failed bool
}

// captured returns what was taken from the guest.
func (b *booking) captured() (units int64) {
	for _, p := range b.payments {
		if p.captured {
			units += p.amount
		}
	}
	return units
}

// asked returns what was asked to be given back and has not failed.
func (b *booking) asked() (units int64) {
	for _, p := range b.payments {
		units += p.asked()
	}
	return units
}

func (p *payment) asked() (units int64) {
	for _, r := range p.refunds {
		if !r.failed {
			units += r.amount
		}
	}
	return units
}

// find returns the first payment that is as wanted, or nil.
func (b *booking) find(wanted func(*payment) bool) *payment {
	for _, p := range b.payments {
		if wanted(p) {
			return p
		}
	}
	return nil
}

// request asks for the price or the balance.
func (h *History) request(b *booking) proto.Message {
	due := b.balance
	if b.status == pending {
		due = b.total
	}
	open := b.find(func(p *payment) bool { return !p.over || p.captured && !p.counted && b.status == pending })
	if due == 0 || open != nil || b.status != pending && !b.awaited() {
		return nil
	}
	p := &payment{id: h.uuid(), amount: due}
	b.payments = append(b.payments, p)
	return &eventpb.PaymentRequested{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, Amount: euros(due), Provider: "simulator", PaymentMethod: "card-ok"}
}

// conclude says what became of a payment, also when the reservation has ended in between.
func (h *History) conclude(b *booking) proto.Message {
	p := b.find(func(p *payment) bool { return !p.over })
	if p == nil {
		return nil
	}
	switch h.rng.IntN(6) {
	case 0:
		return &eventpb.PaymentFailed{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, Cause: "no answer"}
	case 1:
		p.over = true
		return &eventpb.PaymentDeclined{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, DeclineCode: "insufficient_funds", ProviderReference: "sim_" + p.id[:8]}
	}
	p.over, p.captured = true, true
	return &eventpb.PaymentCaptured{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, Amount: euros(p.amount), ProviderReference: "sim_" + p.id[:8]}
}

// pay makes a pending reservation paid, by a payment or outside the platform.
func (h *History) pay(b *booking) proto.Message {
	if b.status != pending {
		return nil
	}
	if p := b.find(func(p *payment) bool { return p.captured && !p.counted }); p != nil {
		p.counted, b.status, b.kept, b.balance = true, paid, min(p.amount, b.total), max(0, b.total-p.amount)
		return &eventpb.ReservationPaid{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PaymentId: p.id, Amount: euros(p.amount)}
	}
	if len(b.payments) > 0 || h.rng.IntN(4) > 0 {
		return nil
	}
	b.status = paid
	return &eventpb.ReservationPaid{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay}
}

// payBalance pays what a modification left.
func (h *History) payBalance(b *booking) proto.Message {
	if !b.awaited() || b.balance == 0 {
		return nil
	}
	m := &eventpb.ReservationBalancePaid{HotelId: b.hotel, ReservationId: b.id}
	if p := b.find(func(p *payment) bool { return p.captured && !p.counted }); p != nil {
		paid := min(p.amount, b.balance)
		p.counted, m.PaymentId, m.Amount = true, p.id, euros(paid)
		b.kept += paid
		b.balance -= paid
		return m
	}
	if h.rng.IntN(2) > 0 {
		return nil
	}
	m.Amount, b.balance = euros(b.balance), 0
	return m
}

// decline ends a pending reservation whose payment was declined.
func (h *History) decline(b *booking) proto.Message {
	p := b.find(func(p *payment) bool { return p.over && !p.captured })
	if b.status != pending || p == nil {
		return nil
	}
	b.status, b.kept = declined, 0
	return &eventpb.ReservationDeclined{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PaymentId: p.id, DeclineCode: "insufficient_funds"}
}

// grant promises a part of what was paid back, also of the fee that an end has kept.
func (h *History) grant(b *booking) proto.Message {
	if b.status != paid && !b.ended() || b.kept == 0 || h.rng.IntN(4) > 0 {
		return nil
	}
	amount := 1 + h.rng.Int64N(b.kept)
	b.kept -= amount
	return &eventpb.RefundGranted{HotelId: b.hotel, ReservationId: b.id, Amount: euros(amount), Note: "noise at night"}
}

// owed returns what is to be given back and was not asked for.
func (b *booking) owed() int64 {
	if b.status == pending {
		return 0
	}
	return b.captured() - b.asked() - b.kept
}

// refund asks for what is owed, as far as one payment goes.
func (h *History) refund(b *booking) proto.Message {
	p := b.find(func(p *payment) bool { return p.captured && p.asked() < p.amount })
	if p == nil || b.owed() <= 0 {
		return nil
	}
	r := &refund{id: h.uuid(), amount: min(b.owed(), p.amount-p.asked())}
	p.refunds = append(p.refunds, r)
	return &eventpb.RefundRequested{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, RefundId: r.id, Amount: euros(r.amount),
		Provider: "simulator", ProviderReference: "sim_" + p.id[:8]}
}

// concludeRefund says what became of a refund.
func (h *History) concludeRefund(b *booking) proto.Message {
	for _, p := range b.payments {
		for _, r := range p.refunds {
			if r.failed && h.rng.IntN(3) == 0 && p.amount-p.asked() >= r.amount && b.owed() >= r.amount {
				r.failed = false
				return &eventpb.RefundSucceeded{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, RefundId: r.id, Amount: euros(r.amount),
					Method: eventpb.RefundMethod(1 + h.rng.IntN(3)), Reference: "receipt " + r.id[:4], Note: "in the lobby"}
			}
			if r.over {
				continue
			}
			if r.over = true; h.rng.IntN(4) == 0 {
				r.failed = true
				return &eventpb.RefundFailed{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, RefundId: r.id, Amount: euros(r.amount), Cause: "the account is closed"}
			}
			return &eventpb.RefundSucceeded{HotelId: b.hotel, ReservationId: b.id, PaymentId: p.id, RefundId: r.id, Amount: euros(r.amount), ProviderReference: "re_" + r.id[:8]}
		}
	}
	return nil
}

// complete makes a reservation refunded when all that was owed is given back.
func (h *History) complete(b *booking) proto.Message {
	if !b.ended() || b.owed() != 0 || b.asked() == 0 || b.find(func(p *payment) bool { return !p.over }) != nil {
		return nil
	}
	for _, p := range b.payments {
		for _, r := range p.refunds {
			if !r.over {
				return nil
			}
		}
	}
	b.status = refunded
	return &eventpb.ReservationRefunded{HotelId: b.hotel, ReservationId: b.id, Refunded: euros(b.asked()), Kept: euros(b.captured() - b.asked())}
}
