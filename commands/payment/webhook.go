package payment

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Notice is what a provider tells without being asked: what became of a charge or a refund. It may come late, twice and out of order.
type Notice struct {
	ID            string // the provider's id of the notification
	HotelID       string
	ReservationID string
	PaymentID     string
	RefundID      string // of a refund; empty: it is a charge
	CorrelationID string
	Outcome       Outcome
}

// Verifier reads the notifications of one provider.
type Verifier interface {
	// Name is the provider's.
	Name() string
	// Verify checks the signature of a webhook's body and reads it. nil without an error: it is of no concern here. The error is an *UnsignedError, or says
	// what cannot be read.
	Verify(header http.Header, body []byte) (*Notice, error)
}

// UnsignedError says that a notification was not signed by its provider, or too long ago.
type UnsignedError struct{ Err error }

// Error says what is wrong with the signature.
func (e *UnsignedError) Error() string { return "the signature does not hold: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnsignedError) Unwrap() error { return e.Err }

// ErrUnknown is what a NoticeTaker wraps when it does not know, or does not accept, what a notification is about.
var ErrUnknown = errors.New("the notification is about nothing that is known here")

// NoticeTaker acts on a notice. When it returns nil the notice need not be sent again. Giving it twice changes nothing.
type NoticeTaker func(ctx context.Context, provider string, n *Notice) error

const (
	// NotificationBytesMax is the longest body of a webhook.
	NotificationBytesMax = 64 << 10

	// SignatureHeader has the signature of the simulator's notifications, in Stripe's scheme: t=SECONDS,v1=HEX, the second being HMAC-SHA256 over "SECONDS.BODY".
	SignatureHeader = "Lodge-Signature"

	// SignatureAgeMax is how old a signature may be, or how far ahead of the clock.
	SignatureAgeMax = 5 * time.Minute
)

// Webhook is the http.Handler that a provider posts its notifications to. Answers: 200 taken, or of no concern here; 400 unsigned or unreadable, 413 too long, 422
// about nothing that is known, 503 not now. Providers send again after anything but 200.
type Webhook struct {
	verifier Verifier
	take     NoticeTaker
	logger   *slog.Logger
}

// NewWebhook makes a handler. logger may be nil.
func NewWebhook(v Verifier, take NoticeTaker, logger *slog.Logger) *Webhook {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Webhook{verifier: v, take: take, logger: logger}
}

// ServeHTTP implements http.Handler.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, NotificationBytesMax))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		http.Error(w, fmt.Sprintf("the body is longer than %d bytes", NotificationBytesMax), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	if err := h.Receive(r.Context(), r.Header, body); err != nil {
		h.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// Receive verifies a notification and has it acted on.
func (h *Webhook) Receive(ctx context.Context, header http.Header, body []byte) error {
	n, err := h.verifier.Verify(header, body)
	if err != nil {
		return err
	}
	if n == nil {
		return nil
	}
	if err := h.take(ctx, h.verifier.Name(), n); err != nil {
		return &takeError{err}
	}
	return nil
}

// takeError is of a notification that was in order.
type takeError struct{ error }

func (e *takeError) Unwrap() error { return e.error }

// refuse answers an error. What a stranger may see of it is its kind: the rest is logged.
func (h *Webhook) refuse(w http.ResponseWriter, err error) {
	code, text := http.StatusBadRequest, "the notification cannot be read"
	var unsigned *UnsignedError
	var take *takeError
	switch {
	case errors.As(err, &unsigned):
		text = "the signature does not hold"
	case errors.Is(err, ErrUnknown):
		code, text = http.StatusUnprocessableEntity, "the notification is about nothing that is known here"
	case errors.As(err, &take):
		code, text = http.StatusServiceUnavailable, "not now: send it again"
	}
	h.logger.Warn("a payment notification was refused", "provider", h.verifier.Name(), "status", code, "error", err)
	http.Error(w, text, code)
}

// Verifier returns what reads the simulator's notifications.
func (s *Simulator) Verifier() Verifier { return &simulatorVerifier{s} }

// Receiver returns a Receiver that gives notifications to a webhook of this process, without a network between.
func (h *Webhook) Receiver() Receiver {
	return func(ctx context.Context, signature string, body []byte) error {
		return h.Receive(ctx, http.Header{SignatureHeader: {signature}}, body)
	}
}

type simulatorVerifier struct{ *Simulator }

// Verify implements Verifier.
func (v *simulatorVerifier) Verify(header http.Header, body []byte) (*Notice, error) {
	if err := verify(v.opts.Secret, v.opts.Clock(), header.Get(SignatureHeader), body); err != nil {
		return nil, &UnsignedError{err}
	}
	var b notificationBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("read a notification: %w", err)
	}
	n := &Notice{ID: b.ID, HotelID: b.HotelID, ReservationID: b.ReservationID, PaymentID: b.PaymentID, RefundID: b.RefundID, CorrelationID: b.CorrelationID}
	switch b.Status {
	case Succeeded.String():
		n.Outcome = Outcome{Status: Succeeded, Reference: b.Reference, Amount: money(b.CurrencyCode, b.MinorUnits)}
	case Declined.String():
		n.Outcome = Outcome{Status: Declined, Reference: b.Reference, Code: cut(b.Code, CodeMax)}
	default:
		return nil, fmt.Errorf("read a notification: the status is %.80q", b.Status)
	}
	return n, nil
}

// sign returns the signature of a body.
func sign(secret string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(signature(secret, seconds, body))
}

func signature(secret, seconds string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// verify checks a signature.
func verify(secret string, now time.Time, header string, body []byte) error {
	var seconds string
	var given [][]byte
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "t":
			seconds = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				given = append(given, sum)
			}
		}
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(given) == 0 {
		return fmt.Errorf("the header %s is not t=SECONDS,v1=HEX", SignatureHeader)
	}
	want := signature(secret, seconds, body)
	ok := false
	for _, sum := range given {
		ok = ok || hmac.Equal(sum, want)
	}
	if !ok {
		return errors.New("it is of another secret or another body")
	}
	if age := now.Sub(time.Unix(at, 0)); age > SignatureAgeMax || age < -SignatureAgeMax {
		return fmt.Errorf("it is not within %s of now", SignatureAgeMax)
	}
	return nil
}

// post sends a notification over HTTP.
func post(ctx context.Context, client *http.Client, url, signature string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, signature)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("post a notification to %s: %s", url, res.Status)
	}
	return nil
}
