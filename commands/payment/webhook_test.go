package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

// posted is what a webhook answers to a body.
func posted(h http.Handler, header http.Header, body string) int {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/any", strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func signed(b *bench, at time.Time, body string) http.Header {
	return http.Header{SignatureHeader: {sign(b.opts.Secret, at, []byte(body))}}
}

func TestSimulatorWebhook(t *testing.T) {
	const body = `{"id":"sim_evt_1","type":"charge","status":"succeeded","reference":"sim_ch_k","currency_code":"EUR","minor_units":10000,"hotel_id":"grand","reservation_id":"r","payment_id":"k"}`
	b := newBench(t, SimulatorOptions{})
	var taken []*Notice
	var failure error
	h := NewWebhook(b.Verifier(), func(_ context.Context, provider string, n *Notice) error {
		if provider != SimulatorName {
			t.Errorf("it is from %s", provider)
		}
		taken = append(taken, n)
		return failure
	}, nil)
	now := b.clock.Now()
	other := sign("another secret", now, []byte(body))
	for _, test := range []struct {
		name   string
		header http.Header
		body   string
		want   int
	}{
		{"unsigned", http.Header{}, body, 400},
		{"another secret", http.Header{SignatureHeader: {other}}, body, 400},
		{"another body", signed(b, now, body), strings.Replace(body, "10000", "99999", 1), 400},
		{"no time", http.Header{SignatureHeader: {strings.SplitN(other, ",", 2)[1]}}, body, 400},
		{"old", signed(b, now.Add(-SignatureAgeMax-time.Second), body), body, 400},
		{"of the future", signed(b, now.Add(SignatureAgeMax+time.Second), body), body, 400},
		{"unreadable", signed(b, now, "{"), "{", 400},
		{"undecided", signed(b, now, `{"status":"pending"}`), `{"status":"pending"}`, 400},
		{"too long", signed(b, now, strings.Repeat(" ", NotificationBytesMax+1)), strings.Repeat(" ", NotificationBytesMax+1), 413},
	} {
		if got := posted(h, test.header, test.body); got != test.want || len(taken) != 0 {
			t.Errorf("%s: %d, want %d; %d were taken", test.name, got, test.want, len(taken))
		}
	}
	two := http.Header{SignatureHeader: {sign(b.opts.Secret, now, []byte(body)) + ",v1=00"}}
	for want, err := range map[int]error{200: nil, 503: errors.New("the engine is not there"), 422: fmt.Errorf("payment: %w", ErrUnknown)} {
		failure = err
		if got := posted(h, two, body); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	if len(taken) != 3 || *taken[0] != (Notice{ID: "sim_evt_1", HotelID: "grand", ReservationID: "r", PaymentID: "k", Outcome: Outcome{Status: Succeeded, Reference: "sim_ch_k", Amount: euros(10_000)}}) {
		t.Errorf("%+v", taken)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/webhooks/simulator", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

// The simulator's notifications over HTTP.
func TestPost(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	taken := 0
	server := httptest.NewServer(NewWebhook(b.Verifier(), func(context.Context, string, *Notice) error { taken++; return nil }, nil))
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); server.Close() })
	b.Notify(Post(&http.Client{Transport: transport}, server.URL+"/webhooks/simulator"))
	_, _ = b.Charge(t.Context(), charging("k", "tok_twice"))
	if b.step(); taken != 2 {
		t.Errorf("%d were taken", taken)
	}
	b.Notify(Post(&http.Client{Transport: transport}, server.URL+"/webhooks/%zz"))
	_, _ = b.Charge(t.Context(), charging("l", "tok_late_1s"))
	b.clock.add(time.Second)
	if wait := b.step(); wait != time.Second || taken != 2 {
		t.Errorf("%s, %d were taken", wait, taken)
	}
}

func TestStripeWebhook(t *testing.T) {
	const ours = `"metadata":{"lodge_hotel_id":"grand","lodge_reservation_id":"r","lodge_payment_id":"p","lodge_correlation_id":"c"%s}`
	event := func(kind, object string) string {
		return `{"id":"evt_1","object":"event","api_version":"2020-08-27","type":"` + kind + `","data":{"object":` + object + `}}`
	}
	intent := func(members string) string {
		return `{"object":"payment_intent","id":"pi_1","currency":"eur",` + members + "," + fmt.Sprintf(ours, "") + `}`
	}
	refund := func(members string) string {
		return `{"object":"refund","id":"re_1","currency":"eur","amount":500,` + members + "," + fmt.Sprintf(ours, `,"lodge_refund_id":"f"`) + `}`
	}
	s, err := NewStripe(StripeOptions{Key: "sk_test_1", WebhookSecret: "whsec_1"})
	if err != nil {
		t.Fatal(err)
	}
	var taken []*Notice
	h := NewWebhook(s.Verifier(), func(_ context.Context, _ string, n *Notice) error { taken = append(taken, n); return nil }, nil)
	sign := func(body, secret string, at time.Time) http.Header {
		p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: secret, Timestamp: at})
		return http.Header{"Stripe-Signature": {p.Header}}
	}
	base := Notice{ID: "evt_1", HotelID: "grand", ReservationID: "r", PaymentID: "p", CorrelationID: "c"}
	of := func(refund string, o Outcome) *Notice {
		n := base
		n.RefundID, n.Outcome = refund, o
		return &n
	}
	for _, test := range []struct {
		name, body string
		want       *Notice
	}{
		{"captured", event("payment_intent.succeeded", intent(`"status":"succeeded","amount_received":1200`)), of("", Outcome{Status: Succeeded, Reference: "pi_1", Amount: euros(1200)})},
		{"declined", event("payment_intent.payment_failed", intent(`"status":"requires_payment_method","last_payment_error":{"type":"card_error","decline_code":"lost_card"}`)), of("", Outcome{Status: Declined, Reference: "pi_1", Code: "lost_card"})},
		{"canceled", event("payment_intent.canceled", intent(`"status":"canceled","cancellation_reason":"fraudulent"`)), of("", Outcome{Status: Declined, Reference: "pi_1", Code: "fraudulent"})},
		{"refunded", event("refund.updated", refund(`"status":"succeeded"`)), of("f", Outcome{Status: Succeeded, Reference: "re_1", Amount: euros(500)})},
		{"refund failed", event("refund.failed", refund(`"status":"failed","failure_reason":"unknown"`)), of("f", Outcome{Status: Declined, Reference: "re_1", Code: "unknown"})},
		{"undecided", event("refund.created", refund(`"status":"pending"`)), nil},
		{"another program's", event("payment_intent.succeeded", `{"object":"payment_intent","id":"pi_2","status":"succeeded","currency":"eur","metadata":{}}`), nil},
		{"given by people", event("refund.updated", `{"object":"refund","id":"re_2","status":"succeeded","metadata":{}}`), nil},
		{"of no concern", event("customer.created", `{"object":"customer","id":"cus_1"}`), nil},
	} {
		taken = nil
		if got := posted(h, sign(test.body, "whsec_1", time.Now()), test.body); got != http.StatusOK {
			t.Errorf("%s: %d", test.name, got)
		}
		if test.want == nil && len(taken) > 0 || test.want != nil && (len(taken) != 1 || *taken[0] != *test.want) {
			t.Errorf("%s: %+v", test.name, taken)
		}
	}
	taken = nil
	body := event("payment_intent.succeeded", intent(`"status":"succeeded","amount_received":1200`))
	unset, err := NewStripe(StripeOptions{Key: "sk_test_1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]int{
		"another secret":        posted(h, sign(body, "whsec_2", time.Now()), body),
		"old":                   posted(h, sign(body, "whsec_1", time.Now().Add(-time.Hour)), body),
		"another body":          posted(h, sign(body, "whsec_1", time.Now()), strings.Replace(body, "1200", "1", 1)),
		"no secret set":         posted(NewWebhook(unset.Verifier(), nil, nil), sign(body, "", time.Now()), body),
		"a strange object":      posted(h, sign(event("refund.failed", `[]`), "whsec_1", time.Now()), event("refund.failed", `[]`)),
		"no amount of currency": posted(h, sign(event("payment_intent.succeeded", strings.Replace(intent(`"status":"succeeded","amount_received":150`), "eur", "isk", 1)), "whsec_1", time.Now()), event("payment_intent.succeeded", strings.Replace(intent(`"status":"succeeded","amount_received":150`), "eur", "isk", 1))),
	} {
		if got != http.StatusBadRequest || len(taken) > 0 {
			t.Errorf("%s: %d, %v", name, got, taken)
		}
	}
}
