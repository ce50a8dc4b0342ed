package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

// The types of the saga's timers.
const (
	paymentTimer = "lodge.payment.recheck.v1"
	refundTimer  = "lodge.refund.recheck.v1"
)

// recheckBody is a timer's value, in JSON: a payment or a refund that nobody knows the outcome of.
type recheckBody struct {
	EventID          string    `json:"event_id"` // that asked for it
	CorrelationID    string    `json:"correlation_id,omitempty"`
	RequestTime      time.Time `json:"request_time"`
	Attempt          int       `json:"attempt"`                // from 1
	UnwantedTime     time.Time `json:"unwanted_time,omitzero"` // of a payment: since when nobody wants the money
	Provider         string    `json:"provider"`
	HotelID          string    `json:"hotel_id"`
	ReservationID    string    `json:"reservation_id"`
	PaymentID        string    `json:"payment_id"`
	RefundID         string    `json:"refund_id,omitempty"`
	CurrencyCode     string    `json:"currency_code"`
	MinorUnits       int64     `json:"minor_units"`
	PaymentMethod    string    `json:"payment_method,omitempty"`
	PaymentReference string    `json:"payment_reference,omitempty"`
}

func (b *recheckBody) cause() cause { return cause{b.EventID, b.CorrelationID} }

func (b *recheckBody) amount() domain.Money {
	return domain.Money{Currency: b.CurrencyCode, MinorUnits: b.MinorUnits}
}

// reservationOfTimer is reservationOfEvent for a timer.
func reservationOfTimer(r *log.Record) string {
	var b recheckBody
	if err := json.Unmarshal(r.Value, &b); err != nil {
		return ""
	}
	return b.HotelID + "/" + b.ReservationID
}

// recheck works off a timer.
func (p *Payments) recheck(ctx context.Context, r *log.Record) error {
	var b recheckBody
	if err := json.Unmarshal(r.Value, &b); err != nil {
		return Permanent(fmt.Errorf("read a timer of payments: %w", err))
	}
	if b.RefundID != "" {
		return p.makeRefund(ctx, &refundJob{cause: b.cause(), provider: b.Provider, asked: b.RequestTime, attempt: b.Attempt, refund: payment.Refund{
			Key: b.RefundID, PaymentID: b.PaymentID, PaymentReference: b.PaymentReference,
			HotelID: b.HotelID, ReservationID: b.ReservationID, CorrelationID: b.CorrelationID, Amount: b.amount(),
		}})
	}
	return p.recheckCharge(ctx, &chargeJob{cause: b.cause(), provider: b.Provider, asked: b.RequestTime, attempt: b.Attempt, unwanted: b.UnwantedTime, charge: payment.Charge{
		Key: b.PaymentID, HotelID: b.HotelID, ReservationID: b.ReservationID, CorrelationID: b.CorrelationID, Amount: b.amount(), Method: b.PaymentMethod,
	}})
}

// notCharged is the decline code of a payment that never arrived at the provider and is not wanted any more.
const notCharged = "not_charged"

// recheckCharge finds out what became of a payment. One that the provider has never got is made now, if it is still wanted.
func (p *Payments) recheckCharge(ctx context.Context, j *chargeJob) error {
	provider, err := p.provider(j.provider)
	if err != nil {
		return err
	}
	o, err := p.lookUpCharge(ctx, provider, j)
	if err != nil {
		return err
	}
	if o.Status != payment.NotFound {
		return p.recordCharge(ctx, j, o)
	}
	state, err := p.ask(ctx, j)
	switch {
	case err != nil:
		return err
	case state == wanted:
		j.unwanted = time.Time{}
		return p.makeCharge(ctx, j, true)
	case state == concluded:
		return nil
	}
	now := p.opts.Clock()
	if j.unwanted.IsZero() {
		j.unwanted = now
	}
	if now.Sub(j.unwanted) >= p.opts.ProofAge {
		return p.recordCharge(ctx, j, payment.Outcome{Status: payment.Declined, Code: notCharged})
	}
	return p.recheckChargeLater(ctx, j)
}

func (p *Payments) recheckChargeLater(ctx context.Context, j *chargeJob) error {
	c := &j.charge
	return p.later(ctx, paymentTimer, "payment-"+c.Key, &recheckBody{
		EventID: j.cause.id, CorrelationID: j.cause.correlation, RequestTime: j.asked, Attempt: j.attempt + 1, Provider: j.provider,
		HotelID: c.HotelID, ReservationID: c.ReservationID, PaymentID: c.Key, CurrencyCode: c.Amount.Currency, MinorUnits: c.Amount.MinorUnits,
		PaymentMethod: c.Method, UnwantedTime: j.unwanted,
	})
}

func (p *Payments) refundLater(ctx context.Context, j *refundJob) error {
	r := &j.refund
	return p.later(ctx, refundTimer, "refund-"+r.Key, &recheckBody{
		EventID: j.cause.id, CorrelationID: j.cause.correlation, RequestTime: j.asked, Attempt: j.attempt + 1, Provider: j.provider,
		HotelID: r.HotelID, ReservationID: r.ReservationID, PaymentID: r.PaymentID, RefundID: r.Key,
		CurrencyCode: r.Amount.Currency, MinorUnits: r.Amount.MinorUnits, PaymentReference: r.PaymentReference,
	})
}

var errNoSchedules = errors.New("there are no schedules")

// later sets the timer of a payment or refund, in place of the one that it may have.
func (p *Payments) later(ctx context.Context, timerType, id string, b *recheckBody) error {
	now := p.opts.Clock()
	if now.Sub(b.RequestTime) > p.opts.GiveUpAfter {
		return Permanent(fmt.Errorf("%s: %s does not say what became of it since %s: find out there, then handle this again",
			id, b.Provider, b.RequestTime.Format(time.RFC3339)))
	}
	if p.scheduler == nil {
		return Transient(errNoSchedules)
	}
	value, err := json.Marshal(b)
	if err != nil {
		return Permanent(err)
	}
	wait := min(p.opts.RecheckMin<<min(b.Attempt-1, 20), p.opts.RecheckMax)
	if wait <= 0 {
		wait = p.opts.RecheckMax
	}
	t := Timer{ID: id, Type: timerType, Hotel: b.HotelID, Value: value, At: now.Add(wait)}
	return unlessEnded(ctx, t.Schedule(ctx, p.scheduler))
}

// Take is the payment.NoticeTaker of the saga: it records what a provider says by itself.
func (p *Payments) Take(ctx context.Context, provider string, n *payment.Notice) error {
	c := cause{provider + ":" + n.ID, n.CorrelationID}
	var body hotel.Command
	if n.RefundID != "" {
		body = refundRecord(&payment.Refund{Key: n.RefundID, PaymentID: n.PaymentID, HotelID: n.HotelID, ReservationID: n.ReservationID}, n.Outcome)
	} else {
		body = chargeRecord(&payment.Charge{Key: n.PaymentID, HotelID: n.HotelID, ReservationID: n.ReservationID}, n.Outcome)
	}
	if n.Outcome.Status != payment.Succeeded && n.Outcome.Status != payment.Declined {
		return nil // nothing new
	}
	_, err := p.give(ctx, c, body)
	if isRule(err) {
		return fmt.Errorf("%w: %w", payment.ErrUnknown, err)
	}
	return err
}
