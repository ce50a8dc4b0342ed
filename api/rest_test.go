package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// rest makes a call over REST, with headers as "Name: value", and returns its status, headers and body.
func (s *stack) rest(method, path, body string, headers ...string) (int, http.Header, string) {
	s.Helper()
	req, err := http.NewRequest(method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], value)
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Error(err) // also called by other goroutines than the test's
		return 0, nil, ""
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.Error(err)
	}
	return res.StatusCode, res.Header, string(answer)
}

// faultOf reads a google.rpc.Status: its code, its reason and the fields at fault.
func faultOf(t testing.TB, body string) (code connect.Code, reason, fields string) {
	t.Helper()
	said := new(status.Status)
	if err := protojson.Unmarshal([]byte(body), said); err != nil {
		t.Errorf("not a google.rpc.Status: %v in %.300q", err, body)
		return 0, "", ""
	}
	for _, detail := range said.GetDetails() {
		m, err := detail.UnmarshalNew()
		if err != nil {
			t.Error(err)
		}
		switch m := m.(type) {
		case *errdetails.ErrorInfo:
			reason = m.GetReason()
		case *errdetails.BadRequest:
			for _, v := range m.GetFieldViolations() {
				fields += v.GetField() + ";"
			}
		}
	}
	return connect.Code(said.GetCode()), reason, fields
}

func restStay(t testing.TB, in, out int) string {
	t.Helper()
	body, err := protojson.Marshal(stay(in, out).GetReservation())
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRESTRefusesWhatItDoesNotKnow(t *testing.T) {
	s := newStack(t, api.Options{MessageBytesMax: 64 << 10})
	s.seed(5)
	before := s.eventCount()
	placing := restStay(t, 1, 2)
	const reservations = "/v1/hotels/ritz/reservations"
	long := `{"displayName":"` + strings.Repeat("x", 100<<10) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     connect.Code
		reason, fields           string
	}{
		{"a parameter", http.MethodGet, "/v1/hotels?pageSise=3", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "pageSise;"},
		{"two parameters", http.MethodGet, "/v1/hotels?z=1&pageSize=3&a=2", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "a;z;"},
		{"within a message", http.MethodGet, "/v1/hotels:search?near.height=3", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "near.height;"},
		{"within a number", http.MethodGet, "/v1/hotels?pageSize.x=3", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"of a change", http.MethodPost, reservations + "?dryRun=true", placing, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "dryRun;"},
		{"of no name", http.MethodGet, "/v1/hotels?=3", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"of a wrong type", http.MethodGet, "/v1/hotels?pageSize=many", "", 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a malformed query", http.MethodPost, reservations + "?a=%zz", placing, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a path", http.MethodGet, "/v1/motels", "", 404, connect.CodeNotFound, "ROUTE_NOT_FOUND", ""},
		{"a path to post to", http.MethodPost, "/v1/hotels/ritz:demolish", `{}`, 404, connect.CodeNotFound, "ROUTE_NOT_FOUND", ""},
		{"a method", http.MethodPut, reservations, `{}`, 405, connect.CodeUnimplemented, "METHOD_NOT_ALLOWED", ""},
		{"a body's type", http.MethodPost, reservations, "<xml/>", 415, connect.CodeInvalidArgument, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"no JSON", http.MethodPost, reservations, `{"roomType":`, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a field", http.MethodPost, reservations, `{"room":"x"}`, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a value of a list", http.MethodPost, "/v1/hotels/ritz/roomTypes/double:setRestrictions", `{"weekdays":["saturday"],"stopSell":true}`, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a value", http.MethodPost, reservations + "/" + uuid.NewString() + ":cancel", `{"reason":"HOTEL_REQUEST"}`, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"a body where there is none", http.MethodDelete, "/v1/hotels/ritz", `{"force":true}`, 400, connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"too long a body", http.MethodPatch, "/v1/hotels/ritz", long, 413, connect.CodeResourceExhausted, "REQUEST_TOO_LARGE", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if strings.HasPrefix(c.body, "<") {
				headers = []string{"Content-Type: application/xml"}
			}
			got, header, body := s.rest(c.method, c.path, c.body, headers...)
			code, reason, fields := faultOf(t, body)
			if got != c.status || code != c.code || reason != c.reason || c.fields != "" && fields != c.fields || header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v %q %q %v\n%s", got, code, reason, fields, header, body)
			}
			if c.status == http.StatusMethodNotAllowed && !strings.Contains(header.Get("Allow"), http.MethodPost) {
				t.Errorf("Allow: %q", header.Get("Allow"))
			}
			for _, name := range strings.Split(strings.TrimSuffix(c.fields, ";"), ";") {
				if !strings.Contains(body, name) {
					t.Errorf("the answer does not name %q: %s", name, body)
				}
			}
		})
	}
	if n := s.eventCount(); n != before {
		t.Errorf("refused requests made %d events", n-before)
	}
	if code, _, body := s.rest(http.MethodGet, "/v1/hotels?page_size=1&pageToken=", ""); code != http.StatusOK { // both kinds of names are known
		t.Errorf("%d %s", code, body)
	}
}

// A call whose time is over says so with a reason, whatever it is called over.
func TestDeadlineHasAReason(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	status, _, body := s.rest(http.MethodGet, "/v1/hotels/ritz", "", "X-Server-Timeout: 0.0000001")
	if code, reason, _ := faultOf(t, body); status != http.StatusGatewayTimeout || code != connect.CodeDeadlineExceeded || reason != "DEADLINE_EXCEEDED" {
		t.Errorf("%d %s", status, body)
	}
	status, _, body = s.rest(http.MethodPost, "/lodge.v1.HotelService/GetHotel", `{"name":"hotels/ritz"}`, "Connect-Timeout-Ms: 0")
	if status != http.StatusGatewayTimeout || !strings.Contains(body, `"reason":"DEADLINE_EXCEEDED"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(50)
	const path = "/v1/hotels/ritz/reservations"
	body, other := restStay(t, 1, 2), restStay(t, 1, 3)
	key := func(k string) string { return "Idempotency-Key: " + k }

	for _, keys := range [][]string{ // each: ways to write one key
		{"order 17/b", `"order 17/b"`, `"order 17/b";v=1`},
		{`"a \"quoted\" \\ key"`, `"a \"quoted\" \\ key"`},
		{"0190A1B2-0000-7000-8000-0000000000aa", `"0190a1b2-0000-7000-8000-0000000000AA"`},
		{strings.Repeat("k", 128)},
		{"00000000-0000-0000-0000-000000000000"},
	} {
		status, header, first := s.rest(http.MethodPost, path, body, key(keys[0]))
		if status != http.StatusOK || header.Get(api.HeaderReplayed) != "" {
			t.Fatalf("%q: %d %s", keys[0], status, first)
		}
		before := s.eventCount()
		for _, k := range keys {
			status, header, again := s.rest(http.MethodPost, path, body, key(k))
			if status != http.StatusOK || header.Get(api.HeaderReplayed) != "true" || nameIn(t, again) != nameIn(t, first) {
				t.Errorf("%q again: %d %v\n%s\n%s", k, status, header, again, first)
			}
			status, _, refused := s.rest(http.MethodPost, path, other, key(k))
			code, reason, _ := faultOf(t, refused)
			if status != http.StatusUnprocessableEntity || code != connect.CodeFailedPrecondition || reason != "IDEMPOTENCY_KEY_REUSED" {
				t.Errorf("%q with another payload: %d %s", k, status, refused)
			}
		}
		if n := s.eventCount(); n != before {
			t.Errorf("%q: retries made %d events", keys[0], n-before)
		}
	}

	before := s.eventCount()
	for _, bad := range [][]string{
		{key("")}, {key(`""`)}, {key(`"open`)}, {key(`"a" "b"`)}, {key("ключ")}, {key(strings.Repeat("k", 129))}, {key("a"), key("b")},
	} {
		status, _, refused := s.rest(http.MethodPost, path, body, bad...)
		code, reason, fields := faultOf(t, refused)
		if status != http.StatusBadRequest || code != connect.CodeInvalidArgument || reason != "INVALID_ARGUMENT" || fields != "Idempotency-Key;" {
			t.Errorf("%q: %d %q %s", bad, status, fields, refused)
		}
	}
	if n := s.eventCount(); n != before {
		t.Errorf("malformed keys made %d events", n-before)
	}
	if status, _, got := s.rest(http.MethodGet, path, "", key("")); status != http.StatusOK { // it means nothing to a query
		t.Errorf("%d %s", status, got)
	}
}

func nameIn(t testing.TB, body string) string {
	t.Helper()
	r := new(lodgev1.Reservation)
	if err := protojson.Unmarshal([]byte(body), r); err != nil {
		t.Errorf("%v in %.300s", err, body)
	}
	return r.GetName()
}

// A payment waits for a provider that nobody asks here: its request is in progress until its caller goes.
func TestIdempotencyKeyInProgress(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	status, _, placed := s.rest(http.MethodPost, "/v1/hotels/ritz/reservations", restStay(t, 1, 2))
	if status != http.StatusOK {
		t.Fatal(placed)
	}
	name := nameIn(t, placed)
	s.settle()

	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.URL+"/v1/"+name+":pay", strings.NewReader(`{"paymentMethod":"tok","wait":"25s"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(api.HeaderIdempotencyKey, "pay-once")
	var first sync.WaitGroup
	first.Go(func() {
		if res, err := s.client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	})
	payments := lodgev1connect.NewPaymentServiceClient(s.client, s.server.URL)
	until(t, "the first request has made its payment", func() bool {
		res, err := payments.ListPayments(ctx, connect.NewRequest(&lodgev1.ListPaymentsRequest{Parent: name}))
		return err == nil && len(res.Msg.GetPayments()) == 1
	})
	const again = `{"paymentMethod":"tok"}`
	status, _, refused := s.rest(http.MethodPost, "/v1/"+name+":pay", again, `Idempotency-Key: "pay-once"`)
	code, reason, _ := faultOf(t, refused)
	if status != http.StatusConflict || code != connect.CodeAborted || reason != "IDEMPOTENCY_KEY_IN_PROGRESS" || !strings.Contains(refused, "RetryInfo") {
		t.Errorf("%d %s", status, refused)
	}
	leave()
	first.Wait()
	until(t, "the first request has ended", func() bool {
		status, header, got := s.rest(http.MethodPost, "/v1/"+name+":pay", again, "Idempotency-Key: pay-once")
		if status == http.StatusConflict {
			return false
		}
		if status != http.StatusOK || header.Get(api.HeaderReplayed) != "true" {
			t.Errorf("%d %v %s", status, header, got)
		}
		return true
	})
}

// until asks again and again, for a minute at most.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// writing is an answer that has its client act before each write to it returns.
type writing struct {
	*httptest.ResponseRecorder
	client func()
}

// Write implements http.ResponseWriter.
func (w *writing) Write(p []byte) (int, error) {
	n, err := w.ResponseRecorder.Write(p)
	w.client()
	return n, err
}

// Whoever has an answer may send the request again, even while the server still writes: the key is in progress no more.
func TestIdempotencyKeyIsFreeBeforeTheAnswer(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	for _, c := range []struct{ name, method, path, body string }{
		{"a post", http.MethodPost, "/v1/hotels/ritz/reservations", restStay(t, 1, 2)},
		{"a patch", http.MethodPatch, "/v1/hotels/ritz", `{"description":"grand"}`},
		{"a refusal", http.MethodPost, "/v1/hotels/ritz/reservations", restStay(t, 70, 71)},
	} {
		ask := func(w http.ResponseWriter) {
			req := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(api.HeaderIdempotencyKey, c.name)
			s.api.ServeHTTP(w, req)
		}
		again, asked := httptest.NewRecorder(), 0
		first := &writing{httptest.NewRecorder(), func() {
			again = httptest.NewRecorder()
			asked++
			ask(again)
		}}
		ask(first)
		if asked == 0 || first.Code == http.StatusConflict || again.Code != first.Code {
			t.Errorf("%s: %d %s\nagain, %d times: %d %s", c.name, first.Code, first.Body, asked, again.Code, again.Body)
		}
	}
}

func TestIdempotencyKeyOfACrowd(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(50)
	body := restStay(t, 1, 2)
	before := s.eventCount()
	var mu sync.Mutex
	names := map[string]int{}
	var crowd sync.WaitGroup
	for range 64 {
		crowd.Go(func() {
			status, _, got := s.rest(http.MethodPost, "/v1/hotels/ritz/reservations", body, "Idempotency-Key: one for all")
			mu.Lock()
			defer mu.Unlock()
			switch status {
			case http.StatusOK:
				names[nameIn(t, got)]++
			case http.StatusConflict:
			default:
				t.Errorf("%d %s", status, got)
			}
		})
	}
	crowd.Wait()
	if n := s.eventCount(); len(names) != 1 || n != before+1 {
		t.Errorf("reservations %v, %d events", names, n-before)
	}
}

// TestHeadIsGetWithoutItsBody asks every route that has GET for both.
func TestHeadIsGetWithoutItsBody(t *testing.T) {
	s := newStack(t, api.Options{CORSOrigins: []string{app}})
	s.seed(5)
	found := 0
	paths := []string{"/v1/hotels?pageSise=3", "/v1/hotels?pageSize=many", "/v1/motels", "/openapi.json", "/"}
	for _, r := range routes() {
		if path, _ := r.pattern(); r.method == http.MethodGet {
			paths = append(paths, strings.Replace(strings.Replace(path, "*", "ritz", 1), "*", "double", 1))
		}
	}
	for _, path := range paths {
		path = strings.ReplaceAll(path, "*", "1")
		status, header, body := s.rest(http.MethodGet, path, "", "Accept-Encoding: identity", "Origin: "+app)
		headStatus, headHeader, headBody := s.rest(http.MethodHead, path, "", "Accept-Encoding: identity", "Origin: "+app)
		header.Del("Date")
		headHeader.Del("Date")
		if headStatus != status || !reflect.DeepEqual(headHeader, header) || headBody != "" || body == "" {
			t.Errorf("%s: %d %v, and HEAD %d %v %q", path, status, header, headStatus, headHeader, headBody)
		}
		if status == http.StatusOK {
			found++
		}
	}
	if found < 15 {
		t.Errorf("only %d were there", found)
	}
	for _, path := range []string{"/events?topic=bookings", "/availability?hotel=hotels/ritz"} {
		if status, header, body := s.rest(http.MethodHead, path, ""); status != http.StatusOK || header.Get("Content-Type") != "text/event-stream" || body != "" {
			t.Errorf("%s: %d %v %q", path, status, header, body)
		}
	}
	if status, _, _ := s.rest(http.MethodHead, "/availability?hotel=hotels/nowhere", ""); status != http.StatusNotFound {
		t.Errorf("a stream of nothing: %d", status)
	}
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodHead, "/v1/hotels/ritz:archive", "POST"},
		{http.MethodPut, "/v1/hotels", "GET, HEAD, POST"},
		{http.MethodPost, "/v1/hotels/ritz", "DELETE, GET, HEAD, PATCH"},
	} {
		if status, header, _ := s.rest(c.method, c.path, ""); status != http.StatusMethodNotAllowed || header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, allowed is %q", c.method, c.path, status, header.Get("Allow"))
		}
	}
	status, header := s.asBrowser(http.MethodOptions, "/v1/hotels", app, "", "Access-Control-Request-Method", http.MethodHead)
	if status/100 != 2 || header.Get("Access-Control-Allow-Methods") != http.MethodHead {
		t.Errorf("preflight: %d %v", status, header)
	}
}
