package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lodge/api"
)

// plainPost posts as a page can without asking first: no type that JSON has.
func (s *stack) plainPost(path, body string, header ...string) int {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		s.Fatal(err)
	}
	return res.StatusCode
}

const casa, archiveCasa = `{"displayName":"Casa","timeZone":"UTC","currencyCode":"EUR"}`, "/v1/hotels/casa:archive"

// TestAPageOfAnotherSiteWhereNobodyIsAsked: being able to connect is not enough when it is a browser that was told to.
func TestAPageOfAnotherSiteWhereNobodyIsAsked(t *testing.T) {
	s := newStack(t, api.Options{CORSOrigins: []string{app}, PublicURL: "https://lodge.example"})
	if status := s.plainPost("/v1/hotels?hotelId=casa", casa); status != http.StatusOK {
		t.Fatalf("curl without a type: %d", status)
	}
	for _, foreign := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
		{"Origin", "https://evil.example", "Authorization", "Basic eDp5"},
		{"Origin", "http://evil.example:8080", "Host", "evil.example:8080"}, {"Sec-Fetch-Site", "same-origin", "Host", "evil.example"}, {"Host", "localhost.evil.example"},
	} {
		if status := s.plainPost(archiveCasa, "", foreign...); status != http.StatusForbidden {
			t.Errorf("%v: %d", foreign, status)
		}
	}
	for _, own := range [][]string{
		{"Origin", app, "Sec-Fetch-Site", "cross-site"}, {"Origin", "https://lodge.example", "Sec-Fetch-Site", "same-origin"}, {"Origin", s.server.URL}, {"Sec-Fetch-Site", "none"},
		{"Host", "localhost:8080"}, {"Host", "[::1]:8080"}, {"Host", "::1"}, {"Host", "app.localhost"}, {"Host", "lodge.example"},
	} {
		if status := s.plainPost(archiveCasa, "", own...); status == http.StatusForbidden {
			t.Errorf("%v: %d", own, status)
		}
	}
}

// TestAPageOfAnotherSiteSignsNobodyIn: into an account of its owner's, before there is a cookie.
func TestAPageOfAnotherSiteSignsNobodyIn(t *testing.T) {
	for origins, want := range map[string]int{"": http.StatusForbidden, "*": http.StatusOK} {
		opts := api.Options{}
		if origins != "" {
			opts.CORSOrigins = []string{origins}
		}
		g := newGated(t, opts)
		g.desk()
		for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "same-site"} {
			req := g.request(http.MethodPost, "/v1/sessions", signInCookie)
			req.Header.Del("Content-Type")
			req.Header.Set(header, value)
			res, err := g.plain.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want {
				t.Errorf("%s: %s with CORS for %q: %d", header, value, origins, res.StatusCode)
			}
		}
	}
}

// TestNoSharedCacheKeepsAnAnswer: a cookie, or the header with a guest's address, does not show in a URL.
func TestNoSharedCacheKeepsAnAnswer(t *testing.T) {
	g := newGated(t, api.Options{})
	message := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {`{"name":"` + g.ada + `"}`}}
	for _, path := range []string{"/v1/" + g.ada, "/lodge.v1.ReservationService/GetReservation?" + message.Encode()} {
		req := g.request(http.MethodGet, path, "")
		req.Header.Set(api.HeaderGuestEmail, "ada@example.com")
		res, err := g.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if got := res.Header["Cache-Control"]; res.StatusCode != http.StatusOK || len(got) != 1 || got[0] != "private" {
			t.Errorf("%s: %d, %q", path, res.StatusCode, got)
		}
	}
}
