package process

import (
	"context"
	"errors"
	"time"

	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// chargeJob is a payment that is to be made or found, and why.
type chargeJob struct {
	cause    cause
	provider string
	asked    time.Time // when it was requested
	attempt  int       // look-ups before
	unwanted time.Time // since when nobody wants the money; zero: somebody does
	charge   payment.Charge
}

func money(m *eventpb.Money) domain.Money {
	return domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetMinorUnits()}
}

// charge asks the provider for a payment that was requested.
func (p *Payments) charge(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.PaymentRequested)
	job := chargeJob{cause: causeOf(e), provider: m.GetProvider(), asked: e.Time, charge: payment.Charge{
		Key: m.GetPaymentId(), HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), CorrelationID: e.CorrelationID,
		Amount: money(m.GetAmount()), Method: m.GetPaymentMethod(),
	}}
	switch state, err := p.ask(ctx, &job); {
	case err != nil:
		return err
	case state == wanted:
		return p.makeCharge(ctx, &job, false)
	case state == unwanted: // but it may have been charged before the process died
		return p.recheckCharge(ctx, &job)
	}
	return nil
}

// wish is what the state says of a payment.
type wish int

const (
	concluded wish = iota // its outcome is known, or the payment is not
	wanted
	unwanted // its outcome is not known, but nobody wants the money any more: the hold is over, the reservation canceled, the balance paid
)

// ask returns what the state says of a payment. Nothing is charged otherwise, above all not what was decided before.
func (p *Payments) ask(ctx context.Context, j *chargeJob) (wish, error) {
	c := &j.charge
	_, err := p.give(ctx, j.cause, &hotel.CheckPayment{Hotel: c.HotelID, ReservationID: c.ReservationID, PaymentID: c.Key})
	var rule *domain.Error
	switch {
	case err == nil:
		return wanted, nil
	case errors.As(err, &rule) && (rule.Reason == domain.NothingDue || rule.Reason == domain.StatusConflict && rule.Field != "payment_id"):
		return unwanted, nil
	}
	return concluded, p.unlessRule(err, "a charge", j.cause)
}

// makeCharge charges, unless the provider has done so before and may have forgotten the key. lookedUp: it has just said that it knows nothing.
func (p *Payments) makeCharge(ctx context.Context, j *chargeJob, lookedUp bool) error {
	provider, err := p.provider(j.provider)
	if err != nil {
		return err
	}
	var o payment.Outcome
	if !lookedUp && p.old(j.asked) {
		if o, err = p.lookUpCharge(ctx, provider, j); err != nil {
			return err
		}
	}
	if o.Status == payment.NotFound {
		o, err = p.call(ctx, "charge", provider, func(ctx context.Context) (payment.Outcome, error) { return provider.Charge(ctx, j.charge) })
		if err != nil {
			return err
		}
	}
	return p.recordCharge(ctx, j, o)
}

func (p *Payments) lookUpCharge(ctx context.Context, provider payment.Provider, j *chargeJob) (payment.Outcome, error) {
	return p.lookUp(ctx, "look up charge", provider, func(ctx context.Context) (payment.Outcome, error) { return provider.LookupCharge(ctx, j.charge) })
}

// old reports whether a provider may have forgotten the key of what was asked for at a time.
func (p *Payments) old(asked time.Time) bool { return p.opts.Clock().Sub(asked) > p.opts.KeyAge }

// recordCharge tells the state what became of a payment. What is not known is looked up later: the message is done with only when that is sure.
func (p *Payments) recordCharge(ctx context.Context, j *chargeJob, o payment.Outcome) error {
	if o.Status == payment.Pending || o.Status == payment.NotFound {
		if err := p.recheckChargeLater(ctx, j); err != nil {
			return err
		}
	}
	record := chargeRecord(&j.charge, o)
	if record.Outcome == hotel.PaymentUnknown && j.attempt > 0 {
		return nil // that has been said
	}
	_, err := p.give(ctx, j.cause, record)
	return forPeople(err, "record what became of payment "+j.charge.Key)
}

func chargeRecord(c *payment.Charge, o payment.Outcome) *hotel.RecordPayment {
	r := &hotel.RecordPayment{Hotel: c.HotelID, ReservationID: c.ReservationID, PaymentID: c.Key, ProviderReference: plain(o.Reference), Cause: plain(o.Code)}
	switch o.Status {
	case payment.Succeeded:
		r.Outcome, r.Amount, r.Cause = hotel.PaymentCaptured, o.Amount, ""
	case payment.Declined:
		r.Outcome = hotel.PaymentDeclined
	default:
		r.Outcome = hotel.PaymentUnknown
	}
	return r
}

// confirm makes a reservation paid by a payment that was captured. When that is not possible any more the money goes back.
func (p *Payments) confirm(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.PaymentCaptured)
	_, err := p.give(ctx, causeOf(e), &hotel.ConfirmReservation{
		Hotel: m.GetHotelId(), ReservationID: m.GetReservationId(), PaymentID: m.GetPaymentId(), Amount: money(m.GetAmount()),
	})
	if err != nil && !isRule(err) {
		return err
	}
	confirmed := err == nil
	if err := p.settleReservation(ctx, e, confirmHandler, m.GetHotelId(), m.GetReservationId()); err != nil {
		return err
	}
	if !confirmed {
		return nil
	}
	// It may have become dearer while the payment was under way.
	return p.requestBalance(ctx, e, confirmHandler, m.GetHotelId(), m.GetReservationId())
}

// decline rejects a reservation whose payment was declined.
func (p *Payments) decline(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.PaymentDeclined)
	_, err := p.give(ctx, causeOf(e), &hotel.DeclineReservation{
		Hotel: m.GetHotelId(), ReservationID: m.GetReservationId(), PaymentID: m.GetPaymentId(), DeclineCode: m.GetDeclineCode(),
	})
	if err := p.unlessRule(err, "declining", causeOf(e)); err != nil {
		return err
	}
	return p.settleReservation(ctx, e, declineHandler, m.GetHotelId(), m.GetReservationId())
}
