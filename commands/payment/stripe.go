package payment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
)

// StripeName is Stripe's name.
const StripeName = "stripe"

// StripeOptions sets up Stripe. The zero value of a field means its default.
type StripeOptions struct {
	Key           string        // the account's secret or restricted key: required
	WebhookSecret string        // of the webhook's endpoint; empty: StripeVerifier refuses everything
	URL           string        // of the API: default Stripe's own
	Timeout       time.Duration // of one HTTP request: default 30 s
	Retries       int           // of one call after errors of the network: default 2, negative: none

	Transport http.RoundTripper // default http.DefaultTransport
}

// Validate returns an error for a setting that is out of its range. It never names the key.
func (o StripeOptions) Validate() error {
	switch {
	case !strings.HasPrefix(o.Key, "sk_") && !strings.HasPrefix(o.Key, "rk_"):
		return errors.New("payment: the key of Stripe is not a secret or restricted one (sk_…, rk_…)")
	case o.WebhookSecret != "" && !strings.HasPrefix(o.WebhookSecret, "whsec_"):
		return errors.New("payment: the webhook secret of Stripe does not begin with whsec_")
	case o.Timeout < 0:
		return fmt.Errorf("payment: option Timeout: %s is negative", o.Timeout)
	}
	if u, err := url.Parse(o.URL); err != nil || o.URL != "" && u.Host == "" {
		return fmt.Errorf("payment: option URL: %q is no URL", o.URL)
	}
	return nil
}

// Stripe is the provider at stripe.com. A charge is a PaymentIntent, confirmed as it is made; a refund is a Refund of it. Both carry Lodge's ids in
// their metadata, by which notifications and look-ups find back.
//
// Payment methods: a PaymentMethod (pm_…) or a ConfirmationToken (ctoken_…), made in the guest's browser. A charge that would need the
// guest to do something (3-D Secure) is declined as authentication_required: confirm with the guest beforehand, and give the ConfirmationToken.
//
// Stripe remembers idempotency keys for at least 24 hours. LookupCharge searches the metadata, which Stripe's index has within about a minute: until then NotFound
// proves nothing, and the same Charge again is the way. LookupRefund lists the refunds of the PaymentIntent, which is always current.
type Stripe struct {
	client *stripe.Client
	opts   StripeOptions
}

// The metadata of PaymentIntents and Refunds.
const (
	metaHotel       = "lodge_hotel_id"
	metaReservation = "lodge_reservation_id"
	metaPayment     = "lodge_payment_id"
	metaRefund      = "lodge_refund_id"
	metaCorrelation = "lodge_correlation_id"
)

const (
	stripeTimeoutDefault = 30 * time.Second
	stripeRetriesDefault = 2
	stripePage           = 100 // objects asked for at a time
)

// NewStripe makes the provider. It calls nobody.
func NewStripe(opts StripeOptions) (*Stripe, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	retries := int64(cmp.Or(opts.Retries, stripeRetriesDefault))
	config := &stripe.BackendConfig{
		EnableTelemetry:   stripe.Bool(false),
		HTTPClient:        &http.Client{Timeout: cmp.Or(opts.Timeout, stripeTimeoutDefault), Transport: opts.Transport},
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull}, // it would log what guests must not see of a payment
		MaxNetworkRetries: stripe.Int64(max(retries, 0)),
	}
	if opts.URL != "" {
		config.URL = stripe.String(strings.TrimSuffix(opts.URL, "/"))
	}
	return &Stripe{client: stripe.NewClient(opts.Key, stripe.WithBackends(stripe.NewBackendsWithConfig(config))), opts: opts}, nil
}

// Name implements Provider.
func (s *Stripe) Name() string { return StripeName }

// Charge implements Provider.
func (s *Stripe) Charge(ctx context.Context, c Charge) (Outcome, error) {
	if err := c.validate(StripeName); err != nil {
		return Outcome{}, err
	}
	amount, err := toStripe(c.Amount)
	if err != nil {
		return Outcome{}, refuse(StripeName, opCharge, "invalid_amount")
	}
	p := &stripe.PaymentIntentCreateParams{
		Amount:                stripe.Int64(amount),
		Currency:              stripe.String(strings.ToLower(c.Amount.Currency)),
		Confirm:               stripe.Bool(true),
		ErrorOnRequiresAction: stripe.Bool(true),
		AutomaticPaymentMethods: &stripe.PaymentIntentCreateAutomaticPaymentMethodsParams{
			Enabled: stripe.Bool(true), AllowRedirects: stripe.String("never"),
		},
		Metadata: metadata(c.HotelID, c.ReservationID, c.Key, "", c.CorrelationID),
	}
	p.SetIdempotencyKey(c.Key)
	setMethod(p, c.Method)
	intent, err := s.client.V1PaymentIntents.Create(ctx, p)
	if err != nil {
		return declinedOr(opCharge, err)
	}
	return outcomeOfIntent(intent)
}

// setMethod puts a token where its kind belongs.
func setMethod(p *stripe.PaymentIntentCreateParams, method string) {
	if strings.HasPrefix(method, "ctoken_") {
		p.ConfirmationToken = stripe.String(method)
		return
	}
	p.PaymentMethod = stripe.String(method)
}

// Refund implements Provider.
func (s *Stripe) Refund(ctx context.Context, r Refund) (Outcome, error) {
	if err := r.validate(StripeName); err != nil {
		return Outcome{}, err
	}
	amount, err := toStripe(r.Amount)
	switch {
	case err != nil:
		return Outcome{}, refuse(StripeName, opRefund, "invalid_amount")
	case r.PaymentReference == "":
		return Outcome{}, refuse(StripeName, opRefund, "no_such_charge")
	}
	p := &stripe.RefundCreateParams{
		Amount: stripe.Int64(amount), PaymentIntent: stripe.String(r.PaymentReference),
		Metadata: metadata(r.HotelID, r.ReservationID, r.PaymentID, r.Key, r.CorrelationID),
	}
	p.SetIdempotencyKey(r.Key)
	refund, err := s.client.V1Refunds.Create(ctx, p)
	if err != nil {
		return Outcome{}, stripeError(opRefund, err)
	}
	return outcomeOfRefund(refund)
}

// LookupCharge implements Provider.
func (s *Stripe) LookupCharge(ctx context.Context, c Charge) (Outcome, error) {
	p := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{
		Query: "metadata['" + metaPayment + "']:'" + searchText(c.Key) + "'", Limit: stripe.Int64(stripePage),
	}}
	var best Outcome
	for intent, err := range s.client.V1PaymentIntents.Search(ctx, p).All(ctx) {
		if err != nil {
			return Outcome{}, stripeError(opLookupCharge, err)
		}
		if intent.Metadata[metaPayment] != c.Key {
			continue
		}
		o, err := outcomeOfIntent(intent)
		if err != nil {
			return Outcome{}, err
		}
		if best.Status == NotFound || o.Status == Succeeded || o.Status == Pending && best.Status == Declined {
			best = o
		}
	}
	return best, nil
}

// searchText escapes a value for Stripe's search query language.
func searchText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
}

// LookupRefund implements Provider.
func (s *Stripe) LookupRefund(ctx context.Context, r Refund) (Outcome, error) {
	if r.PaymentReference == "" {
		return Outcome{}, nil
	}
	p := &stripe.RefundListParams{PaymentIntent: stripe.String(r.PaymentReference)}
	p.Limit = stripe.Int64(stripePage)
	for refund, err := range s.client.V1Refunds.List(ctx, p).All(ctx) {
		if err != nil {
			return Outcome{}, stripeError(opLookupRefund, err)
		}
		if refund.Metadata[metaRefund] == r.Key {
			return outcomeOfRefund(refund)
		}
	}
	return Outcome{}, nil
}

func metadata(hotel, reservation, payment, refund, correlation string) map[string]string {
	m := map[string]string{metaHotel: hotel, metaReservation: reservation, metaPayment: payment}
	if refund != "" {
		m[metaRefund] = refund
	}
	if correlation != "" {
		m[metaCorrelation] = correlation
	}
	return m
}

// declinedOr turns the refusal of a card into an outcome.
func declinedOr(op string, err error) (Outcome, error) {
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeCard {
		return Outcome{}, stripeError(op, err)
	}
	o := Outcome{Status: Declined, Code: stripeCode(e)}
	if e.PaymentIntent != nil {
		o.Reference = e.PaymentIntent.ID
	}
	return o, nil
}

// stripeCode is the most that Stripe says of an error.
func stripeCode(e *stripe.Error) string {
	return cut(cmp.Or(string(e.DeclineCode), string(e.Code), string(e.Type)), CodeMax)
}

// stripeError says whether asking again may help. It keeps of Stripe's answer what may be logged: an error's text holds the whole of it, secrets included.
func stripeError(op string, err error) error {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return &Error{Provider: StripeName, Op: op, Err: err}
	}
	out := &Error{Provider: StripeName, Op: op, Code: stripeCode(e), Err: fmt.Errorf("HTTP %d, request %q", e.HTTPStatusCode, e.RequestID)}
	switch e.HTTPStatusCode {
	case http.StatusBadRequest, http.StatusNotFound:
		// A key that was used with other parameters proves that something was asked for with it before.
		out.Permanent = e.Type == stripe.ErrorTypeInvalidRequest
	}
	return out
}
