package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// refundJob is money that is to be given back, and why.
type refundJob struct {
	cause    cause
	provider string
	asked    time.Time // when it was requested
	attempt  int       // attempts before
	refund   payment.Refund
}

// refund asks the provider to give back what was requested.
func (p *Payments) refund(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.RefundRequested)
	return p.makeRefund(ctx, &refundJob{cause: causeOf(e), provider: m.GetProvider(), asked: e.Time, refund: payment.Refund{
		Key: m.GetRefundId(), PaymentID: m.GetPaymentId(), PaymentReference: m.GetProviderReference(),
		HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), CorrelationID: e.CorrelationID, Amount: money(m.GetAmount()),
	}})
}

// makeRefund gives money back unless that was decided before. What nobody knows is asked for again later, with the same key.
func (p *Payments) makeRefund(ctx context.Context, j *refundJob) error {
	r := &j.refund
	_, err := p.give(ctx, j.cause, &hotel.CheckRefund{Hotel: r.HotelID, ReservationID: r.ReservationID, PaymentID: r.PaymentID, RefundID: r.Key})
	if errors.Is(err, domain.StatusConflict) {
		return p.unlessRule(err, "a refund", j.cause)
	}
	if err != nil { // the reservation has left the book, and the money may still be owed
		return forPeople(err, "give back by refund "+r.Key)
	}
	provider, err := p.provider(j.provider)
	if err != nil {
		return err
	}
	var o payment.Outcome
	if j.attempt > 0 || p.old(j.asked) {
		o, err = p.lookUp(ctx, "look up refund", provider, func(ctx context.Context) (payment.Outcome, error) { return provider.LookupRefund(ctx, *r) })
	}
	if err == nil && o.Status == payment.NotFound {
		o, err = p.call(ctx, "refund", provider, func(ctx context.Context) (payment.Outcome, error) { return provider.Refund(ctx, *r) })
	}
	switch {
	case err != nil:
		return err
	case o.Status == payment.Succeeded || o.Status == payment.Declined:
		_, err := p.give(ctx, j.cause, refundRecord(r, o))
		return forPeople(err, "record what became of refund "+r.Key)
	}
	return p.refundLater(ctx, j)
}

func refundRecord(r *payment.Refund, o payment.Outcome) *hotel.RecordRefund {
	record := &hotel.RecordRefund{
		Hotel: r.HotelID, ReservationID: r.ReservationID, PaymentID: r.PaymentID, RefundID: r.Key, Succeeded: o.Status == payment.Succeeded,
		ProviderReference: plain(o.Reference),
	}
	if !record.Succeeded {
		record.Cause = plain(o.Code)
	}
	return record
}

// complete makes a reservation refunded when everything owed has been given back.
func (p *Payments) complete(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.RefundSucceeded)
	_, err := p.give(ctx, causeOf(e), &hotel.CompleteRefund{Hotel: m.GetHotelId(), ReservationID: m.GetReservationId()})
	return p.unlessRule(err, "completing the refund", causeOf(e))
}

// refundFailed gives a refund that the provider refuses for good to people, by the poison queue. When they have it handled again what is owed is requested once more.
func (p *Payments) refundFailed(ctx context.Context, e *event.Envelope) error {
	m := e.Message.(*eventpb.RefundFailed)
	if d, ok := DeliveryOf(ctx); ok && d.Requeued {
		return p.settleReservation(ctx, e, refundFailsHandler, m.GetHotelId(), m.GetReservationId())
	}
	return Permanent(fmt.Errorf("the provider refused to give back %d minor units of %s of payment %s (%s): clear that up with it, then handle this again",
		m.GetAmount().GetMinorUnits(), m.GetAmount().GetCurrencyCode(), m.GetPaymentId(), m.GetCause()))
}
