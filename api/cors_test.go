package api_test

import (
	"net/http"
	"strings"
	"testing"

	"lodge/api"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// asBrowser sends one request as a browser does for a page of an origin.
func (s *stack) asBrowser(method, path, origin, body string, headers ...string) (int, http.Header) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, res.Header
}

const app = "https://app.example"

func TestBrowserAppsOfOtherOrigins(t *testing.T) {
	s := newStack(t, api.Options{CORSOrigins: []string{app, "http://localhost:5173"}})
	for _, want := range []struct{ method, path, headers string }{
		{http.MethodPost, lodgev1connect.ReservationServiceCreateReservationProcedure, "authorization,connect-protocol-version,connect-timeout-ms,content-type,idempotency-key"},
		{http.MethodPost, lodgev1connect.HotelServiceGetHotelProcedure, "content-type,lodge-correlation-id,prefer"},
		{http.MethodPost, lodgev1connect.EventServiceSubscribeProcedure, "content-type,grpc-timeout,x-grpc-web,x-user-agent"},
		{http.MethodPatch, "/v1/hotels/casa", "authorization,content-type,lodge-guest-email"},
		{http.MethodDelete, "/v1/hotels/casa", "authorization"},
	} {
		status, h := s.asBrowser(http.MethodOptions, want.path, app, "", "Access-Control-Request-Method", want.method, "Access-Control-Request-Headers", want.headers)
		if status/100 != 2 || h.Get("Access-Control-Allow-Origin") != app || h.Get("Access-Control-Allow-Methods") != want.method ||
			h.Get("Access-Control-Allow-Headers") != want.headers || h.Get("Access-Control-Max-Age") != "7200" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: %d %v", want.method, want.path, status, h)
		}
	}
	for _, path := range []string{"/v1/hotels?hotelId=casa", lodgev1connect.HotelServiceCreateHotelProcedure} {
		body := `{"displayName":"Casa","timeZone":"Europe/Lisbon","currencyCode":"EUR"}`
		if strings.HasPrefix(path, "/lodge") {
			body = `{"hotelId":"villa","hotel":` + body + `}`
		}
		status, h := s.asBrowser(http.MethodPost, path, app, body, "Content-Type", "application/json")
		exposed := strings.ToLower(h.Get("Access-Control-Expose-Headers"))
		if status != http.StatusOK || h.Get("Access-Control-Allow-Origin") != app || h.Get(api.HeaderPosition) == "" ||
			!strings.Contains(exposed, strings.ToLower(api.HeaderPosition)) || !strings.Contains(exposed, "grpc-status") {
			t.Errorf("%s: %d %v", path, status, h)
		}
	}
}

func TestBrowserAppsOfUnknownOrigins(t *testing.T) {
	for _, origins := range [][]string{nil, {"https://other.example"}} {
		s := newStack(t, api.Options{CORSOrigins: origins})
		_, h := s.asBrowser(http.MethodOptions, lodgev1connect.HotelServiceCreateHotelProcedure, app, "", "Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", "content-type")
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("with %v: %v", origins, h)
		}
		if _, h := s.asBrowser(http.MethodGet, "/v1/hotels", app, ""); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("with %v: %v", origins, h)
		}
	}
}

func TestOriginsThatAreNone(t *testing.T) {
	for _, origin := range []string{"", "app.example", "https://", "https://app.example/", "https://app.example/x", "https://a@app.example", "HTTPS://app.example", "https://*.example", "ftp://app.example", "null", "*"} {
		if err := (api.Options{CORSOrigins: []string{origin}}).Validate(); err == nil {
			t.Errorf("%q was taken", origin)
		}
	}
	if err := (api.Options{CORSOrigins: []string{"*", "http://[::1]:3000"}, AuthRequired: true}).Validate(); err != nil {
		t.Error(err)
	}
}
