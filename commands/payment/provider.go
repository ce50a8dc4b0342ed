package payment

import (
	"context"
	"errors"
	"strings"

	"lodge/domain"
)

// Provider moves money. Every method is safe for concurrent use, and for a retry with the same key.
//
// An error is an *Error. Unless it is permanent nobody knows what became of the request: ask again, or look it up. A permanent one says that the
// request itself is refused and nothing was moved.
type Provider interface {
	// Name is the provider's, as events have it: simulator, stripe.
	Name() string
	// Charge takes money once for each key.
	Charge(ctx context.Context, c Charge) (Outcome, error)
	// Refund gives back a part of a charge, once for each key.
	Refund(ctx context.Context, r Refund) (Outcome, error)
	// LookupCharge says what became of a charge, with status NotFound when there is none with its key. It moves nothing.
	LookupCharge(ctx context.Context, c Charge) (Outcome, error)
	// LookupRefund says what became of a refund, with status NotFound when there is none with its key. It moves nothing.
	LookupRefund(ctx context.Context, r Refund) (Outcome, error)
}

// Charge is a request for money.
type Charge struct {
	Key           string // the payment's id
	HotelID       string // this and the next two come back with the provider's notifications
	ReservationID string
	CorrelationID string
	Amount        domain.Money // more than 0
	Method        string       // the provider's token
}

// Refund is a request to give money back.
type Refund struct {
	Key              string // the refund's id
	PaymentID        string // the charge's key
	PaymentReference string // the provider's id of the charge
	HotelID          string // this and the next two come back with the provider's notifications
	ReservationID    string
	CorrelationID    string
	Amount           domain.Money // more than 0
}

// Status is what became of a charge or a refund.
type Status uint8

// The statuses. Succeeded and Declined are final for a refund; a charge that was declined may still succeed later where its provider
// allows it, and then counts.
const (
	NotFound  Status = iota // the provider has none with this key
	Pending                 // it is not decided yet
	Succeeded               // the money was taken, or given back
	Declined                // it was not, and will not be
)

var statusNames = [...]string{"not_found", "pending", "succeeded", "declined"}

// String returns the status in lower case, as in "succeeded".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// Outcome is a provider's answer.
type Outcome struct {
	Status    Status
	Reference string       // the provider's id of the charge or refund; may be empty when it was declined
	Amount    domain.Money // what was moved, when Succeeded
	Code      string       // why it was declined, or what it waits for
}

// Error is a request without an answer, or one that the provider refuses to look at.
type Error struct {
	Provider  string
	Op        string // charge, refund, look up charge, look up refund
	Code      string // the provider's own, such as rate_limit
	Permanent bool   // nothing was moved, and the same request will never be taken
	Err       error
}

// Error names provider, operation and code.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Provider + ": " + e.Op)
	for _, part := range []string{e.Code, errorText(e.Err)} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	return b.String()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether err says that the request was refused for good, and by which code.
func Permanent(err error) (code string, ok bool) {
	var e *Error
	if errors.As(err, &e) && e.Permanent {
		return e.Code, true
	}
	return "", false
}

// The limits of what is sent to a provider.
const (
	KeyMax    = 255 // bytes of a key
	MethodMax = 255 // bytes of a payment method
	CodeMax   = 128 // bytes of a decline code that a provider gives; the rest is cut off
)

func (c *Charge) validate(provider string) error {
	switch {
	case c.Key == "" || len(c.Key) > KeyMax:
		return refuse(provider, opCharge, "invalid_key")
	case c.Amount.MinorUnits <= 0 || c.Amount.Validate("amount") != nil:
		return refuse(provider, opCharge, "invalid_amount")
	case c.Method == "" || len(c.Method) > MethodMax:
		return refuse(provider, opCharge, invalidMethod)
	}
	return nil
}

func (r *Refund) validate(provider string) error {
	switch {
	case r.Key == "" || len(r.Key) > KeyMax:
		return refuse(provider, opRefund, "invalid_key")
	case r.Amount.MinorUnits <= 0 || r.Amount.Validate("amount") != nil:
		return refuse(provider, opRefund, "invalid_amount")
	}
	return nil
}

const (
	opCharge       = "charge"
	opRefund       = "refund"
	opLookupCharge = "look up charge"
	opLookupRefund = "look up refund"

	invalidMethod = "invalid_payment_method"
)

// refuse makes a permanent error.
func refuse(provider, op, code string) error {
	return &Error{Provider: provider, Op: op, Code: code, Permanent: true}
}

// cut bounds a text of a provider's.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
