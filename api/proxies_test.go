package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lodge/api"
)

// TestWhoIsSeen: the audit trail tells what address a call is of.
func TestWhoIsSeen(t *testing.T) {
	g := newGated(t, api.Options{TrustedProxies: []string{"10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"}})
	_, end := g.entries(0)
	calls := []string{"AccessService/ListTokens", "AccountService/ListAccounts", "AdminService/ListTopics"} // by turns: ten refusals that are alike are told of one by one
	for i, c := range []struct {
		name, peer string
		forwarded  []string // one for each header
		want       string
	}{
		{"no proxy", "203.0.113.5:99", nil, "203.0.113.5"},
		{"made up by who is no proxy", "203.0.113.5:99", []string{"198.51.100.1"}, "203.0.113.5"},
		{"one proxy", "10.1.2.3:99", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a bare address is itself alone", "192.0.2.7:99", []string{"198.51.100.1"}, "198.51.100.1"},
		{"and not its neighbor", "192.0.2.8:99", []string{"198.51.100.1"}, "192.0.2.8"},
		{"made up before a proxy", "10.1.2.3:99", []string{"8.8.8.8, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.1.2.3:99", []string{"198.51.100.1,192.0.2.7"}, "198.51.100.1"},
		{"two proxies, made up before them", "10.1.2.3:99", []string{"10.9.9.9, 8.8.8.8, 198.51.100.1 , 192.0.2.7"}, "198.51.100.1"},
		{"several headers are one list", "10.1.2.3:99", []string{"8.8.8.8", "198.51.100.1, 10.4.4.4", "192.0.2.7"}, "198.51.100.1"},
		{"an address with a port", "10.1.2.3:99", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6 is a /64", "[2001:db8:1:2::3]:99", []string{"2001:db8:2:2::9"}, "2001:db8:2:2::/64"},
		{"IPv6 in brackets", "[2001:db8:1:2::3]:99", []string{"[2001:db8:2:2::9]"}, "2001:db8:2:2::/64"},
		{"IPv6 with a port", "[2001:db8:1:2::3]:99", []string{"[2001:db8:2:2::9]:80"}, "2001:db8:2:2::/64"},
		{"IPv4 written as IPv6", "[::ffff:10.1.2.3]:99", []string{"::ffff:198.51.100.1, ::ffff:192.0.2.7"}, "198.51.100.1"},
		{"what is made up need not be an address", "10.1.2.3:99", []string{"<script>", "unknown,198.51.100.1"}, "198.51.100.1"},
		{"nothing", "10.1.2.3:99", []string{""}, "10.1.2.3"},
		{"no address", "10.1.2.3:99", []string{"198.51.100.1, unknown"}, "10.1.2.3"},
		{"no address behind a proxy", "10.1.2.3:99", []string{"198.51.100.1, , 192.0.2.7"}, "10.1.2.3"},
		{"IPv4 in brackets", "10.1.2.3:99", []string{"[198.51.100.1]"}, "10.1.2.3"},
		{"a bracket too few", "10.1.2.3:99", []string{"[2001:db8:2:2::9"}, "10.1.2.3"},
		{"proxies only", "10.1.2.3:99", []string{"10.4.4.4, 192.0.2.7"}, "10.1.2.3"},
	} {
		req := httptest.NewRequest(http.MethodPost, "/lodge.v1."+calls[i%len(calls)], strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		req.RemoteAddr = c.peer
		for _, list := range c.forwarded {
			req.Header.Add("X-Forwarded-For", list)
		}
		g.api.ServeHTTP(httptest.NewRecorder(), req)
		found, next := g.entries(end)
		if end = next; len(found) != 1 || found[0].Client != c.want || found[0].Refusal != "TOKEN_REQUIRED" {
			t.Errorf("%s: %+v, want a refusal of %s", c.name, found, c.want)
		}
		if req.RemoteAddr != c.peer {
			t.Errorf("%s: the request itself is changed", c.name)
		}
	}
}

// TestEveryLimitSeesThroughProxies: that of calls, of guesses and of sign-ups.
func TestEveryLimitSeesThroughProxies(t *testing.T) {
	g := newGated(t, api.Options{RateLimit: 1, RateBurst: 40, TrustedProxies: []string{"127.0.0.0/8"}})
	for _, c := range []struct {
		name, call, body string
		within           int
		free             string
	}{
		{"calls", "HotelService/GetHotel", `{"name":"hotels/ritz"}`, 40, ""},
		{"sign-ups", "AccountService/SignUp", `{"email":"%d@example.com","password":"` + sesame + `"}`, 20, ""},
		{"guesses", "SessionService/CreateSession", `{"email":"nobody@example.com","password":"wrong wrong"}`, 10, "INVALID_CREDENTIALS"},
	} {
		n := 0
		ask := func(client string) string {
			body := c.body
			if strings.Contains(body, "%d") {
				n++
				body = fmt.Sprintf(body, n)
			}
			return g.post("anonymous", c.call, body, "X-Forwarded-For", client)
		}
		for i := range c.within {
			if got := ask("198.51.100.1"); got != c.free {
				t.Fatalf("%s: call %d: %q", c.name, i, got)
			}
		}
		if got := ask("198.51.100.1"); got != "RATE_LIMITED" {
			t.Errorf("%s: %q beyond the limit", c.name, got)
		}
		if got := ask("198.51.100.2"); got != c.free {
			t.Errorf("%s: %q of another client", c.name, got)
		}
		g.clock.advance(time.Minute) // for the next
	}
}

func TestTrustedProxiesAreAddresses(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.0.%d", i)
	}
	for _, c := range []struct {
		of   []string
		want string
	}{
		{many[:64], ""},
		{many, "65 are more than 64"},
		{[]string{"10.0.0.0/8", "::1"}, ""},
		{[]string{""}, `"" is neither an address nor a CIDR, as in 10.0.0.7 or 10.0.0.0/8`},
		{[]string{"::1", "proxy.example"}, `"proxy.example" is neither`},
		{[]string{"10.0.0.1:80"}, `"10.0.0.1:80" is neither`},
		{[]string{"10.0.0.0/33"}, `"10.0.0.0/33" is neither`},
		{[]string{"fe80::1%eth0"}, `"fe80::1%eth0" is neither`},
		{[]string{"10.0.0.7/8"}, `"10.0.0.7/8" has bits behind its mask: it is 10.0.0.0/8, or 10.0.0.7 alone`},
		{[]string{"::ffff:10.0.0.0/104"}, `is IPv4 written as IPv6: leave ::ffff: out`},
		{[]string{"0.0.0.0/0"}, `"0.0.0.0/0" is everybody`},
		{[]string{"::/0"}, `"::/0" is everybody`},
	} {
		err := api.Options{TrustedProxies: c.of}.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), "api: option TrustedProxies: "+c.want) && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.of, err, c.want)
		}
	}
}
