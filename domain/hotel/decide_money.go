package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// decideMoney decides the commands of command_money.go, and leaves others to decideStay.
func (s *State) decideMoney(c Command, at At) ([]proto.Message, error) {
	switch c := c.(type) {
	case *RequestPayment:
		return s.requestPayment(c, at)
	case *RecordPayment:
		return s.recordPayment(c)
	case *CheckPayment:
		return nil, s.checkPayment(c, at)
	case *DeclineReservation:
		return s.declineReservation(c)
	case *ModifyReservation:
		return s.modifyReservation(c, at)
	case *GrantRefund:
		return s.grantRefund(c)
	case *SettleRefunds:
		return s.settleRefunds(c)
	case *RecordRefund:
		return s.recordRefund(c)
	case *SettleRefund:
		return s.settleRefund(c)
	case *CompleteRefund:
		return s.completeRefund(c)
	case *CheckRefund:
		return nil, s.checkRefund(c)
	}
	return s.decideStay(c, at)
}

// evolveMoney applies the events of those commands.
func (s *State) evolveMoney(m proto.Message) error {
	switch m := m.(type) {
	case *eventpb.ReservationBalancePaid:
		return s.balancePaid(m)
	case *eventpb.ReservationDeclined:
		return s.declined(m)
	case *eventpb.ReservationModified:
		return s.modified(m)
	case *eventpb.RefundGranted:
		return s.granted(m)
	case *eventpb.ReservationRefunded:
		return s.refunded(m)
	case *eventpb.PaymentRequested:
		return s.paymentRequested(m)
	case *eventpb.PaymentCaptured:
		return s.concluded(m, PaymentCaptured, m.GetProviderReference())
	case *eventpb.PaymentDeclined:
		return s.concluded(m, PaymentDeclined, m.GetProviderReference())
	case *eventpb.PaymentFailed:
		return s.concluded(m, PaymentUnknown, "")
	case *eventpb.RefundRequested:
		return s.refundRequested(m)
	case *eventpb.RefundSucceeded:
		if m.GetMethod() != eventpb.RefundMethod_REFUND_METHOD_UNSPECIFIED {
			return s.refundConcluded(m, refundElsewhere)
		}
		return s.refundConcluded(m, refundSucceeded)
	case *eventpb.RefundFailed:
		return s.refundConcluded(m, refundFailed)
	}
	return s.evolveStay(m)
}

// funds are what a reservation's payments amount to, in minor units.
type funds struct {
	captured int64 // by the platform
	asked    int64 // to be given back, and not refused
	returned int64 // of that, given back
	loose    int64 // captured, not asked back, and of payments that no booking event has counted
	waiting  bool  // a refund has no outcome yet
	refunds  int   // in all
}

func (s *State) funds(r *reservation) (f funds) {
	at := s.book.byID[r.id]
	s.book.eachPayment(r, func(p *payment) bool {
		for m := p.refunds; m != 0; m = s.book.refunds.at(m).next {
			f.refunds++
			switch part := s.book.refunds.at(m); part.outcome {
			case refundSucceeded, refundElsewhere:
				f.returned += part.amount
			case refundOpen:
				f.waiting = true
			}
		}
		asked := s.book.asked(p)
		f.asked += asked
		if p.outcome == PaymentCaptured {
			f.captured += p.amount
			if !s.book.hasApplied(at, p.id) {
				f.loose += max(0, p.amount-asked)
			}
		}
		return true
	})
	return f
}

// keeps returns what the house may keep of what was captured: everything of a PENDING reservation, which is about to be PAID; the price of a PAID
// one, as far as it was paid or is about to be; and of others what their end said.
func (s *State) keeps(r *reservation, f *funds) int64 {
	left := max(0, f.captured-f.asked)
	if r.state() == pending {
		return left
	}
	a := s.book.account(s.book.byID[r.id])
	if r.state() == paid {
		return min(left, a.kept+min(a.due, f.loose))
	}
	return min(left, a.kept)
}

// owed returns what is to be given back and was not asked for yet.
func (s *State) owed(r *reservation, f *funds) int64 {
	return max(0, f.captured-f.asked-s.keeps(r, f))
}

// settlement says what becomes of the money of r when it ends and the house is due a fee; nil when nothing was captured. What was settled outside the
// platform counts for the fee first: of captured money, no more than what is missing then is kept.
func (s *State) settlement(r *reservation, fee int64, waived bool) *eventpb.Settlement {
	f := s.funds(r)
	if f.captured == 0 {
		return nil
	}
	keeps := s.keeps(r, &f)
	outside := s.book.account(s.book.byID[r.id]).outside
	kept := min(max(0, fee-outside), keeps)
	return &eventpb.Settlement{
		CurrencyCode: s.currency, FeeMinorUnits: kept, RefundMinorUnits: keeps - kept,
		RefundedMinorUnits: f.captured - keeps, Waived: waived,
	}
}

// walkSettlement is the settlement of a guest who is sent elsewhere: everything is given back.
func (s *State) walkSettlement(r *reservation) *eventpb.Settlement { return s.settlement(r, 0, false) }

// cancelFee returns what canceling r costs now. One that was never paid for costs nothing.
func (s *State) cancelFee(r *reservation, at At) int64 {
	if r.state() != paid {
		return 0
	}
	fee := s.book.account(s.book.byID[r.id]).floor
	under := s.book.terms.at(r.terms)
	if !under.free(r.checkIn, at.Now, s.place) {
		fee = max(fee, r.fee)
	}
	return fee
}

func (s *State) missFee(r *reservation) int64 {
	if r.state() != paid {
		return 0
	}
	return max(r.noShowFee, s.book.account(s.book.byID[r.id]).floor)
}

// money returns an amount as an event holds it.
func (s *State) money(units int64) *eventpb.Money {
	return &eventpb.Money{CurrencyCode: s.currency, MinorUnits: units}
}

func (s *State) declineReservation(c *DeclineReservation) ([]proto.Message, error) {
	r, p, err := s.paymentOf(c.Hotel, c.ReservationID, c.PaymentID)
	if err != nil {
		return nil, err
	}
	if err := checkText("decline_code", c.DeclineCode, CauseMax); err != nil {
		return nil, err
	}
	if r.state() != pending || p.outcome != PaymentDeclined {
		return nil, nil
	}
	another := false // payment may still bring the money
	s.book.eachPayment(r, func(p *payment) bool {
		another = another || p.outcome != PaymentDeclined
		return !another
	})
	if another {
		return nil, nil
	}
	return one(&eventpb.ReservationDeclined{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Stay: s.stayMessage(r), PaymentId: c.PaymentID, DeclineCode: c.DeclineCode,
	}), nil
}

func (s *State) grantRefund(c *GrantRefund) ([]proto.Message, error) {
	r, err := s.unchanged(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if r.state() == pending || r.turnedAway() {
		return nil, statusConflict(c.ReservationID, r, "nothing was paid that can be given back")
	}
	units, err := s.checkRate("amount", &c.Amount)
	if err != nil {
		return nil, err
	}
	if units == 0 {
		return nil, domain.Errorf(domain.InvalidArgument, "amount", "it is zero")
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	f := s.funds(r)
	if left := min(s.book.account(s.book.byID[r.id]).kept, max(0, f.captured-f.asked)); units > left {
		return nil, domain.Errorf(domain.RefundTooLarge, "amount", "%s is more than what is left: %s",
			domain.Money{Currency: s.currency, MinorUnits: units}, domain.Money{Currency: s.currency, MinorUnits: left})
	}
	if f.refunds >= RefundsMax {
		return nil, domain.Errorf(domain.LimitReached, "reservation_id", "reservation %s has %d refunds, which is the most", c.ReservationID, f.refunds)
	}
	return one(&eventpb.RefundGranted{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Amount: s.money(units), Note: c.Note,
	}), nil
}

func (s *State) completeRefund(c *CompleteRefund) ([]proto.Message, error) {
	r, err := s.reservation(c.Hotel, c.ReservationID)
	if err != nil {
		return nil, err
	}
	f := s.funds(r)
	if !r.ended() || f.waiting || f.returned == 0 || s.owed(r, &f) > 0 {
		return nil, nil
	}
	return one(&eventpb.ReservationRefunded{
		HotelId: c.Hotel, ReservationId: c.ReservationID,
		Refunded: s.money(f.returned), Kept: s.money(max(0, f.captured-f.returned)),
	}), nil
}
