package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestGuestsBookSoOften: without a flag an address that a trusted proxy names has 30 rooms at once and one a second.
func TestGuestsBookSoOften(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		again int // the status of asking for 30 rooms again
	}{
		{"by default", nil, http.StatusTooManyRequests},
		{"with no limit", []string{"--guest-rate-limit", "0"}, http.StatusNotFound},
		{"with another burst", []string{"--guest-rate-burst", "1000"}, http.StatusNotFound},
	} {
		server, url := serve(t, filepath.Join(t.TempDir(), "data"), append([]string{"--auth", "required", "--trusted-proxies", "127.0.0.0/8,::1"}, c.flags...)...)
		book := func(client string) (status, retryAfter int) {
			req, err := http.NewRequest(http.MethodPost, url+"/v1/hotels/none/reservations", strings.NewReader(`{"roomType":"hotels/none/roomTypes/double","quantity":30,
				"checkInDate":{"year":2030,"month":1,"day":1},"checkOutDate":{"year":2030,"month":1,"day":2},"guest":{"email":"x@example.com"}}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Forwarded-For", client)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			retryAfter, _ = strconv.Atoi(res.Header.Get("Retry-After")) // or 0
			return res.StatusCode, retryAfter
		}
		if status, _ := book("198.51.100.1"); status != http.StatusNotFound {
			t.Errorf("%s: status %d", c.name, status)
		}
		if status, wait := book("198.51.100.1"); status != c.again || wait > 30 || wait <= 0 && c.again == http.StatusTooManyRequests {
			t.Errorf("%s again: status %d, retry after %d s", c.name, status, wait)
		}
		if status, _ := book("198.51.100.2"); status != http.StatusNotFound {
			t.Errorf("%s, another address: status %d", c.name, status)
		}
		if code := server.end(t, syscall.SIGTERM); code != 0 {
			t.Errorf("%s: exit code %d", c.name, code)
		}
	}
}

// TestLimitsThatAreNone are refused at start, by what is wrong with them.
func TestLimitsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		flag, value string
		code        int
		want        string
	}{
		{"--trusted-proxies", "10.0.0.1,proxy.example", codeFailed, `TrustedProxies: "proxy.example" is neither an address nor a CIDR, as in 10.0.0.7 or 10.0.0.0/8`},
		{"--trusted-proxies", "10.0.0.7/8", codeFailed, `TrustedProxies: "10.0.0.7/8" has bits behind its mask: it is 10.0.0.0/8, or 10.0.0.7 alone`},
		{"--guest-rate-limit", "-1", codeFailed, "GuestLimit: -1 is not in [0, 1000000]"},
		{"--guest-rate-burst", "-1", codeFailed, "GuestBurst: -1 is not in [0, 1000000]"},
		{"--fresh-timeout", "2m", codeFailed, "FreshTimeout"},
		{"--guest-rate-limit", "many", codeUsage, "--guest-rate-limit"},
	} {
		_, stderr, code := lodge(t, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--addr", "localhost:0", "--auth", "required", c.flag+"="+c.value)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s=%s: exit code %d: %s", c.flag, c.value, code, stderr)
		}
	}
}
