package payment

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"lodge/domain"
)

// outcomeOfIntent says what became of a charge.
func outcomeOfIntent(p *stripe.PaymentIntent) (Outcome, error) {
	o := Outcome{Reference: p.ID}
	switch p.Status {
	case stripe.PaymentIntentStatusSucceeded:
		amount, err := fromStripe(string(p.Currency), p.AmountReceived)
		if err != nil {
			return Outcome{}, &Error{Provider: StripeName, Op: opCharge, Code: "unexpected_amount", Err: err}
		}
		o.Status, o.Amount = Succeeded, amount
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		o.Status, o.Code = Declined, string(p.Status)
		if e := p.LastPaymentError; e != nil {
			o.Code = stripeCode(e)
		}
	case stripe.PaymentIntentStatusCanceled:
		o.Status, o.Code = Declined, cmp.Or(string(p.CancellationReason), string(p.Status))
	default:
		o.Status, o.Code = Pending, string(p.Status)
	}
	return o, nil
}

// outcomeOfRefund says what became of a refund.
func outcomeOfRefund(r *stripe.Refund) (Outcome, error) {
	o := Outcome{Reference: r.ID}
	switch r.Status {
	case stripe.RefundStatusSucceeded:
		amount, err := fromStripe(string(r.Currency), r.Amount)
		if err != nil {
			return Outcome{}, &Error{Provider: StripeName, Op: opRefund, Code: "unexpected_amount", Err: err}
		}
		o.Status, o.Amount = Succeeded, amount
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		o.Status, o.Code = Declined, cut(cmp.Or(string(r.FailureReason), string(r.Status)), CodeMax)
	default:
		o.Status, o.Code = Pending, string(r.Status)
	}
	return o, nil
}

// Where Stripe counts in other units than ISO 4217's (docs.stripe.com/currencies): ISK and UGX have no minor unit but are given in hundredths; MGA has hundredths in the
// standard and none there; currencies of thousandths must end in 0.
var (
	stripeHundredfold = []string{"ISK", "UGX"}
	stripeHundredth   = []string{"MGA"}
	stripeTens        = []string{"BHD", "JOD", "KWD", "OMR", "TND"}
)

// toStripe returns an amount in the units that Stripe counts in.
func toStripe(m domain.Money) (int64, error) {
	switch {
	case slices.Contains(stripeHundredfold, m.Currency):
		return domain.MultiplyUnits(m.MinorUnits, 100)
	case slices.Contains(stripeHundredth, m.Currency) && m.MinorUnits%100 == 0:
		return m.MinorUnits / 100, nil
	case slices.Contains(stripeHundredth, m.Currency), slices.Contains(stripeTens, m.Currency) && m.MinorUnits%10 != 0:
		return 0, fmt.Errorf("%s is not an amount that Stripe can take", m)
	}
	return m.MinorUnits, nil
}

// fromStripe is the reverse of toStripe.
func fromStripe(currency string, amount int64) (m domain.Money, err error) {
	m = money(strings.ToUpper(currency), amount)
	switch {
	case slices.Contains(stripeHundredth, m.Currency):
		m.MinorUnits, err = domain.MultiplyUnits(amount, 100)
	case slices.Contains(stripeHundredfold, m.Currency):
		if amount%100 != 0 {
			return m, fmt.Errorf("%d is not a whole amount of %s", amount, m.Currency)
		}
		m.MinorUnits = amount / 100
	}
	return m, err
}

// Verifier returns what reads Stripe's notifications. The endpoint at Stripe sends it payment_intent.succeeded, payment_intent.payment_failed,
// payment_intent.canceled, refund.created, refund.updated and refund.failed; others are of no concern, as are objects without Lodge's metadata.
func (s *Stripe) Verifier() Verifier { return &stripeVerifier{s.opts.WebhookSecret} }

type stripeVerifier struct{ secret string }

// Name implements Verifier.
func (v *stripeVerifier) Name() string { return StripeName }

// Verify implements Verifier.
func (v *stripeVerifier) Verify(header http.Header, body []byte) (*Notice, error) {
	if v.secret == "" {
		return nil, &UnsignedError{errors.New("no webhook secret is set")}
	}
	e, err := webhook.ConstructEventWithOptions(body, header.Get("Stripe-Signature"), v.secret,
		webhook.ConstructEventOptions{Tolerance: SignatureAgeMax, IgnoreAPIVersionMismatch: true})
	if err != nil {
		return nil, &UnsignedError{err}
	}
	if e.Data == nil {
		return nil, errors.New("read a notification: it has no data")
	}
	switch e.Type {
	case stripe.EventTypePaymentIntentSucceeded, stripe.EventTypePaymentIntentPaymentFailed, stripe.EventTypePaymentIntentCanceled:
		var intent stripe.PaymentIntent
		if err := json.Unmarshal(e.Data.Raw, &intent); err != nil {
			return nil, fmt.Errorf("read a notification: %w", err)
		}
		return noticeOf(&e, intent.Metadata, func() (Outcome, error) { return outcomeOfIntent(&intent) })
	case stripe.EventTypeRefundCreated, stripe.EventTypeRefundUpdated, stripe.EventTypeRefundFailed, stripe.EventTypeChargeRefundUpdated:
		var refund stripe.Refund
		if err := json.Unmarshal(e.Data.Raw, &refund); err != nil {
			return nil, fmt.Errorf("read a notification: %w", err)
		}
		if refund.Metadata[metaRefund] == "" {
			return nil, nil // given by people at Stripe
		}
		return noticeOf(&e, refund.Metadata, func() (Outcome, error) { return outcomeOfRefund(&refund) })
	}
	return nil, nil
}

func noticeOf(e *stripe.Event, m map[string]string, outcome func() (Outcome, error)) (*Notice, error) {
	if m[metaPayment] == "" {
		return nil, nil // of another program with the same account
	}
	o, err := outcome()
	if err != nil || o.Status == Pending {
		return nil, err
	}
	return &Notice{
		ID: e.ID, HotelID: m[metaHotel], ReservationID: m[metaReservation], PaymentID: m[metaPayment], RefundID: m[metaRefund],
		CorrelationID: m[metaCorrelation], Outcome: o,
	}, nil
}
