package payment

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stripeMockAddr builds and starts stripe-mock, Stripe's own double of its API, on loopback for as long as the test runs. It checks every request against Stripe's
// OpenAPI description, which is compiled in, and answers with examples.
func stripeMockAddr(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stripe-mock")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-modfile="+filepath.Join(root, ".ci", "tools", "stripe-mock.mod"), "-o", binary, "github.com/stripe/stripe-mock")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("build stripe-mock: %v\n%s", err, out)
		}
		t.Skipf("stripe-mock cannot be built here: %v\n%s", err, out)
	}
	mock := exec.Command(binary, "-http-addr", "127.0.0.1:0")
	out, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		_ = mock.Process.Kill()
		<-drained
		_ = mock.Wait() // it was killed
	})
	addr := make(chan string, 1)
	go func() {
		defer close(drained)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, at, ok := strings.Cut(lines.Text(), "Listening for HTTP at address: "); ok {
				addr <- at
			}
		}
	}()
	select {
	case at := <-addr:
		return at
	case <-drained:
		t.Fatal("stripe-mock ended")
	case <-time.After(time.Minute):
		t.Fatal("stripe-mock does not listen")
	}
	return ""
}

// stage stands between the provider and stripe-mock: it keeps what was asked, and makes of stripe-mock's example answers what a test wants Stripe to have said.
type stage struct {
	t        *testing.T
	provider *Stripe

	mu     sync.Mutex
	asked  []string // METHOD path key=IDEMPOTENCY-KEY form
	answer func(path string, body map[string]any) (status int)
	broken atomic.Bool // connections end without an answer
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: stripeMockAddr(t)})
	back := &http.Transport{}
	proxy.Transport, proxy.ModifyResponse = back, s.modify
	front := &http.Transport{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.record(r)
		if s.broken.Load() {
			panic(http.ErrAbortHandler)
		}
		r.Header.Del("Accept-Encoding")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.CloseIdleConnections()
		server.Close()
		back.CloseIdleConnections()
	})
	provider, err := NewStripe(StripeOptions{Key: "sk_test_123", WebhookSecret: "whsec_test", URL: server.URL, Retries: -1, Transport: front})
	if err != nil {
		t.Fatal(err)
	}
	s.provider = provider
	return s
}

func (s *stage) record(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body) + r.URL.RawQuery)
	if err != nil {
		s.t.Error(err)
	}
	plain, err := url.QueryUnescape(form.Encode())
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf("%s %s key=%s %s", r.Method, r.URL.Path, r.Header.Get("Idempotency-Key"), plain))
}

// modify lets the test edit an answer of stripe-mock that is no error.
func (s *stage) modify(r *http.Response) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode == http.StatusOK && s.answer != nil {
		var body map[string]any
		if err := json.Unmarshal(raw, &body); err != nil {
			return err
		}
		r.StatusCode = s.answer(r.Request.URL.Path, body)
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	r.Header.Set("Content-Length", fmt.Sprint(len(raw)))
	return nil
}

// says sets what Stripe answers next: members of the object, or of the only object of a list.
func (s *stage) says(status int, members map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
	s.answer = func(_ string, body map[string]any) int {
		object := body
		if list, ok := body["data"].([]any); ok && len(list) > 0 {
			object = list[0].(map[string]any)
			body["has_more"], body["next_page"] = false, nil
		}
		if status != http.StatusOK {
			clear(object)
		}
		for k, v := range members {
			object[k] = v
		}
		return status
	}
}

func (s *stage) lastAsked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		return ""
	}
	return s.asked[len(s.asked)-1]
}

// charging and refunding of a guest with Stripe's test card.
var (
	stripeCharge = Charge{Key: "p1", HotelID: "grand", ReservationID: "r1", CorrelationID: "c1", Amount: euros(12_050), Method: "pm_card_visa"}
	stripeRefund = Refund{Key: "f1", PaymentID: "p1", PaymentReference: "pi_1", HotelID: "grand", ReservationID: "r1", CorrelationID: "c1", Amount: euros(2_050)}
)

func TestStripe(t *testing.T) {
	s := newStage(t)
	t.Run("requests", func(t *testing.T) { testStripeRequests(t, s) })
	t.Run("outcomes", func(t *testing.T) { testStripeOutcomes(t, s) })
	t.Run("errors", func(t *testing.T) { testStripeErrors(t, s) })
	t.Run("unreachable", func(t *testing.T) { testStripeUnreachable(t, s) })
}

// What is sent is what Stripe's description allows, under the idempotency key and with what notifications need to find back.
func testStripeRequests(t *testing.T, s *stage) {
	s.says(http.StatusOK, map[string]any{"status": "succeeded", "amount_received": 12_050, "currency": "eur", "id": "pi_1"})
	got, err := s.provider.Charge(t.Context(), stripeCharge)
	if want := (Outcome{Status: Succeeded, Reference: "pi_1", Amount: euros(12_050)}); err != nil || got != want {
		t.Errorf("charge: %+v, %v", got, err)
	}
	want := "POST /v1/payment_intents key=p1 amount=12050&automatic_payment_methods[allow_redirects]=never&automatic_payment_methods[enabled]=true&confirm=true&currency=eur" +
		"&error_on_requires_action=true&metadata[lodge_correlation_id]=c1&metadata[lodge_hotel_id]=grand&metadata[lodge_payment_id]=p1&metadata[lodge_reservation_id]=r1&payment_method=pm_card_visa"
	if s.lastAsked() != want {
		t.Errorf("charge asks\n%s\nnot\n%s", s.lastAsked(), want)
	}
	token := stripeCharge
	token.Method = "ctoken_1"
	if _, err := s.provider.Charge(t.Context(), token); err != nil || !strings.Contains(s.lastAsked(), "confirmation_token=ctoken_1&") || strings.Contains(s.lastAsked(), "payment_method=") {
		t.Errorf("a confirmation token: %v, %s", err, s.lastAsked())
	}
	s.says(http.StatusOK, map[string]any{"status": "succeeded", "amount": 2_050, "currency": "eur", "id": "re_1"})
	got, err = s.provider.Refund(t.Context(), stripeRefund)
	if want := (Outcome{Status: Succeeded, Reference: "re_1", Amount: euros(2_050)}); err != nil || got != want {
		t.Errorf("refund: %+v, %v", got, err)
	}
	want = "POST /v1/refunds key=f1 amount=2050&metadata[lodge_correlation_id]=c1&metadata[lodge_hotel_id]=grand&metadata[lodge_payment_id]=p1&metadata[lodge_refund_id]=f1&metadata[lodge_reservation_id]=r1&payment_intent=pi_1"
	if s.lastAsked() != want {
		t.Errorf("refund asks\n%s\nnot\n%s", s.lastAsked(), want)
	}
	s.says(http.StatusOK, map[string]any{"status": "succeeded", "amount_received": 12_050, "currency": "eur", "id": "pi_1", "metadata": map[string]any{"lodge_payment_id": "p1"}})
	if got := answer(s.provider.LookupCharge(t.Context(), stripeCharge)); got != "succeeded" || !strings.Contains(s.lastAsked(), "query=metadata['lodge_payment_id']:'p1'") {
		t.Errorf("look up a charge: %s, %s", got, s.lastAsked())
	}
	s.says(http.StatusOK, map[string]any{"metadata": map[string]any{"lodge_payment_id": "p2"}})
	if got := answer(s.provider.LookupCharge(t.Context(), stripeCharge)); got != "not_found" {
		t.Errorf("look up a charge that is not there: %s", got)
	}
	s.says(http.StatusOK, map[string]any{"status": "requires_action", "metadata": map[string]any{"lodge_refund_id": "f1"}})
	if got := answer(s.provider.LookupRefund(t.Context(), stripeRefund)); got != "pending requires_action" || !strings.Contains(s.lastAsked(), "payment_intent=pi_1") {
		t.Errorf("look up a refund: %s, %s", got, s.lastAsked())
	}
	s.says(http.StatusOK, map[string]any{"metadata": map[string]any{}})
	if got := answer(s.provider.LookupRefund(t.Context(), stripeRefund)); got != "not_found" {
		t.Errorf("look up a refund that is not there: %s", got)
	}
}

func testStripeOutcomes(t *testing.T, s *stage) {
	for _, test := range []struct {
		members map[string]any
		want    string
	}{
		{map[string]any{"status": "processing"}, "pending processing"},
		{map[string]any{"status": "requires_action"}, "pending requires_action"},
		{map[string]any{"status": "requires_capture"}, "pending requires_capture"},
		{map[string]any{"status": "canceled", "cancellation_reason": "abandoned"}, "declined abandoned"},
		{map[string]any{"status": "canceled", "cancellation_reason": nil}, "declined canceled"},
		{map[string]any{"status": "requires_payment_method", "last_payment_error": nil}, "declined requires_payment_method"},
		{map[string]any{"status": "requires_payment_method", "last_payment_error": map[string]any{"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}}, "declined lost_card"},
		{map[string]any{"status": "something_new"}, "pending something_new"},
	} {
		s.says(http.StatusOK, test.members)
		if got := answer(s.provider.Charge(t.Context(), stripeCharge)); got != test.want {
			t.Errorf("charge %v: %s, want %s", test.members, got, test.want)
		}
	}
	for status, want := range map[string]string{"requires_action": "pending requires_action", "canceled": "declined canceled", "failed": "declined expired_or_canceled_card"} {
		members := map[string]any{"status": status}
		if status == "failed" {
			members["failure_reason"] = "expired_or_canceled_card"
		}
		s.says(http.StatusOK, members)
		if got := answer(s.provider.Refund(t.Context(), stripeRefund)); got != want {
			t.Errorf("refund %s: %s, want %s", status, got, want)
		}
	}
}

func testStripeErrors(t *testing.T, s *stage) {
	for _, test := range []struct {
		status         int
		kind, code     string
		charge, refund string
	}{
		{402, "card_error", "card_declined", "declined card_declined", "lost card_declined"},
		{400, "invalid_request_error", "charge_already_refunded", "refused charge_already_refunded", "refused charge_already_refunded"},
		{404, "invalid_request_error", "resource_missing", "refused resource_missing", "refused resource_missing"},
		{400, "idempotency_error", "", "lost idempotency_error", "lost idempotency_error"},
		{409, "idempotency_error", "idempotency_key_in_use", "lost idempotency_key_in_use", "lost idempotency_key_in_use"},
		{401, "invalid_request_error", "api_key_expired", "lost api_key_expired", "lost api_key_expired"},
		{429, "invalid_request_error", "rate_limit", "lost rate_limit", "lost rate_limit"},
		{500, "api_error", "", "lost api_error", "lost api_error"},
	} {
		problem := map[string]any{"type": test.kind, "code": test.code, "message": "of pi_secret_123"}
		if test.status == http.StatusPaymentRequired {
			problem["payment_intent"] = map[string]any{"id": "pi_9", "client_secret": "pi_secret_123"}
		}
		s.says(test.status, map[string]any{"error": problem})
		o, err := s.provider.Charge(t.Context(), stripeCharge)
		if got := answer(o, err); got != test.charge {
			t.Errorf("charge, %d %s: %s, want %s", test.status, test.kind, got, test.charge)
		}
		if test.status == http.StatusPaymentRequired && o.Reference != "pi_9" {
			t.Errorf("the reference of a declined charge is %q", o.Reference)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells what it must not: %v", err)
		}
		if got := answer(s.provider.Refund(t.Context(), stripeRefund)); got != test.refund {
			t.Errorf("refund, %d %s: %s, want %s", test.status, test.kind, got, test.refund)
		}
	}
	s.answer = nil
	nobody := stripeRefund
	nobody.PaymentReference = ""
	if got := answer(s.provider.Refund(t.Context(), nobody)); got != "refused no_such_charge" {
		t.Error(got)
	}
	odd := stripeCharge
	odd.Amount.Currency, odd.Amount.MinorUnits = "KWD", 1_001
	if got := answer(s.provider.Charge(t.Context(), odd)); got != "refused invalid_amount" {
		t.Error(got)
	}
}

// A connection that ends without an answer, and a caller who does not wait: nobody knows what became of it.
func testStripeUnreachable(t *testing.T, s *stage) {
	s.broken.Store(true)
	defer s.broken.Store(false)
	if got := answer(s.provider.Charge(t.Context(), stripeCharge)); got != "lost" {
		t.Error(got)
	}
	if got := answer(s.provider.LookupCharge(t.Context(), stripeCharge)); got != "lost" {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := answer(s.provider.Refund(ctx, stripeRefund)); got != "lost" {
		t.Error(got)
	}
}
