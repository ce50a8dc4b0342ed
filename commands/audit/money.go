package audit

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

// account is the money of one reservation: what the bookings say of it, and what the payments do.
type account struct {
	currency string

	// From the bookings.
	applied  int64 // counted as paid for it, by a payment of the platform
	promised int64 // to be given back although it goes on
	fee      int64 // kept when it ended
	floor    int64 // what its end would have cost before a modification: that may be kept although the price fell
	refunded int64 // given back, as the event says that ended it all
	settled  int64 // what the bookings account for in all, which was captured

	payments []payment
}

type payment struct {
	id        [16]byte
	amount    int64 // asked for
	asked     bool
	captured  bool
	declined  bool
	counted   int64 // what the bookings counted it for; 0: they did not
	refunds   []refund
	requested int64 // of refunds that have not failed
}

type refund struct {
	id     [16]byte
	amount int64
	ended  bool // the guest has it
	failed bool // the provider refused, so far
}

// amountMax bounds every amount, so that sums of them cannot overflow.
const amountMax = 1 << 50

func (a *account) payment(id string) (*payment, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(a.payments, func(p payment) bool { return p.id == parsed })
	if i < 0 {
		a.payments = append(a.payments, payment{id: parsed})
		i = len(a.payments) - 1
	}
	return &a.payments[i], nil
}

func (a *account) captured() (sum int64) {
	for i := range a.payments {
		if a.payments[i].captured {
			sum += a.payments[i].amount
		}
	}
	return sum
}

// refunds returns what was asked to be given back and has not failed, and what of it was.
func (a *account) refunds() (requested, succeeded int64) {
	for i := range a.payments {
		requested += a.payments[i].requested
		for _, r := range a.payments[i].refunds {
			if r.ended {
				succeeded += r.amount
			}
		}
	}
	return requested, succeeded
}

// amountOf reads an amount of the reservation's one currency.
func (a *account) amountOf(m *eventpb.Money) (int64, string) {
	if m.GetMinorUnits() < 0 || m.GetMinorUnits() > amountMax {
		return 0, fmt.Sprintf("an amount of %d", m.GetMinorUnits())
	}
	if a.currency == "" {
		a.currency = m.GetCurrencyCode()
	}
	if m.GetCurrencyCode() != a.currency {
		return 0, fmt.Sprintf("an amount in %q beside those in %q", m.GetCurrencyCode(), a.currency)
	}
	return m.GetMinorUnits(), ""
}

// follow applies an event of the payments, or says why it cannot be.
func (a *account) follow(m proto.Message) (Kind, string) {
	named, ok := m.(interface{ GetPaymentId() string })
	if !ok {
		return "", ""
	}
	p, err := a.payment(named.GetPaymentId())
	if err != nil {
		return BadPayment, err.Error()
	}
	text := ""
	switch m := m.(type) {
	case *eventpb.PaymentRequested:
		text = a.requestedPayment(p, m)
	case *eventpb.PaymentCaptured:
		amount, wrong := a.amountOf(m.GetAmount())
		switch {
		case wrong != "":
			text = wrong
		case !p.asked || p.captured: // one that was declined may be captured: a late answer counts
			text = fmt.Sprintf("payment %s captured, which was asked for (%t), captured (%t), declined (%t)", named.GetPaymentId(), p.asked, p.captured, p.declined)
		case amount != p.amount:
			text = fmt.Sprintf("payment %s of %d was captured with %d", named.GetPaymentId(), p.amount, amount)
		}
		p.captured, p.declined = true, false
	case *eventpb.PaymentDeclined:
		if !p.asked || p.captured || p.declined {
			text = fmt.Sprintf("payment %s declined, which was asked for (%t), captured (%t), declined (%t)", named.GetPaymentId(), p.asked, p.captured, p.declined)
		}
		p.declined = true
	case *eventpb.PaymentFailed:
		if !p.asked || p.captured || p.declined {
			text = fmt.Sprintf("payment %s failed after its end", named.GetPaymentId())
		}
	case *eventpb.RefundRequested:
		return a.requestedRefund(p, m)
	case *eventpb.RefundSucceeded:
		return a.endedRefund(p, m.GetRefundId(), m.GetAmount(), true)
	case *eventpb.RefundFailed:
		return a.endedRefund(p, m.GetRefundId(), m.GetAmount(), false)
	}
	if text != "" {
		return BadPayment, text
	}
	return "", ""
}

func (a *account) requestedPayment(p *payment, m *eventpb.PaymentRequested) string {
	amount, wrong := a.amountOf(m.GetAmount())
	if wrong == "" && p.asked {
		wrong = fmt.Sprintf("payment %s was asked for before", m.GetPaymentId())
	}
	p.asked, p.amount = true, amount
	return wrong
}

// requestedRefund demands that refunds of a payment never exceed what was captured by it.
func (a *account) requestedRefund(p *payment, m *eventpb.RefundRequested) (Kind, string) {
	amount, wrong := a.amountOf(m.GetAmount())
	id, err := uuid.Parse(m.GetRefundId())
	if err != nil || wrong != "" || slices.ContainsFunc(p.refunds, func(r refund) bool { return r.id == id }) {
		return BadRefund, fmt.Sprintf("refund %q: asked for twice, or no refund: %s", m.GetRefundId(), wrong)
	}
	p.refunds = append(p.refunds, refund{id: id, amount: amount})
	p.requested += amount
	if !p.captured || p.requested > p.amount {
		return BadRefund, fmt.Sprintf("refunds of %d of payment %s, which captured (%t) %d", p.requested, m.GetPaymentId(), p.captured, p.amount)
	}
	return "", ""
}

// endedRefund demands that a refund ends once, with what was asked for.
func (a *account) endedRefund(p *payment, refundID string, m *eventpb.Money, succeeded bool) (Kind, string) {
	amount, wrong := a.amountOf(m)
	id, err := uuid.Parse(refundID)
	i := slices.IndexFunc(p.refunds, func(r refund) bool { return r.id == id })
	if err != nil || wrong != "" || i < 0 || p.refunds[i].ended || p.refunds[i].amount != amount || p.refunds[i].failed && !succeeded {
		return BadRefund, fmt.Sprintf("refund %q of %d ended (succeeded: %t), which was not asked for, ended before or is another amount %s", refundID, amount, succeeded, wrong)
	}
	r := &p.refunds[i]
	switch {
	case !succeeded:
		r.failed = true
		p.requested -= amount
	case r.failed: // a late answer counts, and what was asked for instead may be too much then
		r.ended, r.failed = true, false
		if p.requested += amount; p.requested > p.amount {
			return BadRefund, fmt.Sprintf("refunds of %d of a payment of %d", p.requested, p.amount)
		}
	default:
		r.ended = true
	}
	return "", ""
}
