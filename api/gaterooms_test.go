package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// newCrowd makes a stack with 100 rooms at the hotel crowd, behind a proxy: 3 rooms at once and one a second are for each address of who shows nothing.
func newCrowd(t *testing.T) *gated {
	g := newGated(t, api.Options{GuestLimit: 1, GuestBurst: 3, TrustedProxies: []string{"127.0.0.1"}})
	g.seedHotel("crowd", "Lisbon", 100)
	return g
}

const (
	createReservation = "ReservationService/CreateReservation"
	someClient        = "198.51.100.1"
)

// roomsJSON asks for some of them at the hotel crowd.
func roomsJSON(quantity int) string {
	return fmt.Sprintf(`{"parent":"hotels/crowd","reservation":{"roomType":"hotels/crowd/roomTypes/double","quantity":%d,"checkInDate":%s,"checkOutDate":%s,"guest":{"email":"x@example.com"}}}`,
		quantity, dateJSON(day(1)), dateJSON(day(2)))
}

func batchJSON(n int) string {
	return `{"parent":"hotels/crowd","requests":[` + strings.TrimSuffix(strings.Repeat(roomsJSON(1)+",", n), ",") + `]}`
}

func TestRoomsOfWhoIsNotKnown(t *testing.T) {
	g := newCrowd(t)
	book := func(who, client string) string {
		return g.post(who, createReservation, roomsJSON(1), "X-Forwarded-For", client)
	}
	for range 3 {
		if got := book("anonymous", someClient); got != "" {
			t.Fatalf("within the burst: %q", got)
		}
	}
	before := g.eventCount()
	if got := book("anonymous", someClient); got != "RATE_LIMITED" || g.eventCount() != before {
		t.Errorf("beyond the burst: %q, %d events", got, g.eventCount()-before)
	}
	if got := book("anonymous", "198.51.100.2"); got != "" {
		t.Errorf("another address waits for the first: %q", got)
	}
	for _, who := range []string{"guest", "service", "admin"} {
		for range 5 {
			if got := book(who, someClient); got != "" {
				t.Fatalf("%s: %q", who, got)
			}
		}
	}
	if got := g.post("anonymous", "HotelService/GetHotel", `{"name":"hotels/ritz"}`, "X-Forwarded-For", someClient); got != "" {
		t.Errorf("a look: %q", got)
	}
	g.clock.advance(time.Second)
	if got := []string{book("anonymous", someClient), book("anonymous", someClient)}; got[0] != "" || got[1] != "RATE_LIMITED" {
		t.Errorf("after a second: %q", got)
	}
	g.clock.advance(time.Minute)
	for i := range 4 {
		if got := book("anonymous", someClient); (got == "") != (i < 3) {
			t.Errorf("after a minute, call %d: %q", i, got)
		}
	}
}

// TestRoomsOfAccounts: an account costs nothing, so it lifts no limit of its address; and it has one of its own, wherever it is used from.
func TestRoomsOfAccounts(t *testing.T) {
	g := newCrowd(t)
	const joinWaitingList = "WaitingListService/JoinWaitingList"
	wait := fmt.Sprintf(`{"parent":"hotels/crowd","entry":{"roomType":"hotels/crowd/roomTypes/double","quantity":%%d,"checkInDate":%s,"checkOutDate":%s,"guest":{"displayName":"X"}}}`, dateJSON(day(1)), dateJSON(day(2)))
	signUp := func(who string) {
		g.secrets[who] = g.signIn("/v1/accounts:signUp", fmt.Sprintf(`{"email":"%s@example.com","password":%q}`, who, sesame)).AccessToken
	}
	signUp("zoe")
	signUp("yan")
	if _, _, err := g.accounts.Create(t.Context(), access.Account{Email: "desk@ritz.example", Role: access.Staff, Hotels: []string{"crowd"}}, sesame); err != nil {
		t.Fatal(err)
	}
	g.secrets["desk"] = g.signIn("/v1/sessions", fmt.Sprintf(`{"email":"desk@ritz.example","password":%q}`, sesame)).AccessToken
	for _, c := range []struct {
		after             time.Duration
		who, client, call string
		body, want        string
	}{
		{0, "zoe", someClient, createReservation, roomsJSON(2), ""},
		{0, "anonymous", someClient, createReservation, roomsJSON(1), ""},
		{0, "yan", someClient, createReservation, roomsJSON(1), "RATE_LIMITED"}, // three of the address
		{0, "desk", someClient, createReservation, roomsJSON(5), ""},            // the hotel's own
		{0, "zoe", "198.51.100.2", createReservation, roomsJSON(1), ""},
		{0, "zoe", "198.51.100.3", createReservation, roomsJSON(1), "RATE_LIMITED"}, // three of the account
		{0, "anonymous", "198.51.100.3", createReservation, roomsJSON(3), ""},       // which took none of the address
		{0, "desk", someClient, createReservation, roomsJSON(88), ""},               // the rest
		{3 * time.Second, "zoe", someClient, joinWaitingList, fmt.Sprintf(wait, 2), ""},
		{0, "zoe", someClient, joinWaitingList, fmt.Sprintf(wait, 2), "RATE_LIMITED"},
		{0, "desk", someClient, joinWaitingList, fmt.Sprintf(wait, 4), ""},
		{0, "zoe", someClient, joinWaitingList, fmt.Sprintf(wait, 1), ""},
	} {
		g.clock.advance(c.after)
		before := g.eventCount()
		if got := g.post(c.who, c.call, c.body, "X-Forwarded-For", c.client); got != c.want || (g.eventCount() == before) != (got != "") {
			t.Errorf("%s from %s: %s: %q, want %q; %d events", c.who, c.client, c.body, got, c.want, g.eventCount()-before)
		}
	}
}

// TestRoomsAreCounted, not calls: several of one reservation, of a group, and of a change.
func TestRoomsAreCounted(t *testing.T) {
	g := newCrowd(t)
	for _, c := range []struct {
		name, call, body string
		left             int // of three rooms
	}{
		{"one room", createReservation, roomsJSON(1), 2},
		{"two rooms", createReservation, roomsJSON(2), 1},
		{"three rooms", createReservation, roomsJSON(3), 0},
		{"more than there may be at once", createReservation, roomsJSON(50), 0},
		{"a group of two", "ReservationService/BatchCreateReservations", batchJSON(2), 1},
		{"a group of more than there may be at once", "ReservationService/BatchCreateReservations", batchJSON(5), 0},
	} {
		if got := g.post("anonymous", c.call, c.body, "X-Forwarded-For", someClient); got != "" {
			t.Fatalf("%s: %q", c.name, got)
		}
		for i := range c.left + 1 {
			if got := g.post("anonymous", createReservation, roomsJSON(1), "X-Forwarded-For", someClient); (got == "") != (i < c.left) {
				t.Errorf("%s: room %d: %q", c.name, i, got)
			}
		}
		if got := g.post("anonymous", c.call, c.body, "X-Forwarded-For", someClient); got != "RATE_LIMITED" {
			t.Errorf("%s again: %q", c.name, got)
		}
		g.clock.advance(3 * time.Second)
	}
	update := func(fields string) string {
		return g.post("anonymous", "ReservationService/UpdateReservation", fmt.Sprintf(`{"reservation":{"name":%q%s}}`, g.ada, fields), "X-Forwarded-For", someClient, api.HeaderGuestEmail, "ada@example.com")
	}
	if got := []string{update(`,"quantity":3`), update(`,"quantity":2`), update(`,"checkOutDate":` + dateJSON(day(4)))}; got[0] != "" || got[1] != "RATE_LIMITED" || got[2] != "" {
		t.Errorf("changes: %q", got)
	}
}

// TestTooManyRoomsOverEveryProtocol: the refusal is that of any limit.
func TestTooManyRoomsOverEveryProtocol(t *testing.T) {
	g := newCrowd(t)
	g.post("anonymous", createReservation, roomsJSON(3), "X-Forwarded-For", someClient)
	for path, body := range map[string]string{
		"/lodge.v1." + createReservation: roomsJSON(1),
		"/v1/hotels/crowd/reservations":  roomsJSON(1)[len(`{"parent":"hotels/crowd","reservation":`) : len(roomsJSON(1))-1],
	} {
		req := g.request(http.MethodPost, path, body)
		req.Header.Set("X-Forwarded-For", someClient)
		res, err := g.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %s, retry after %q", path, res.Status, res.Header.Get("Retry-After"))
		}
	}
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	for name, client := range map[string]lodgev1connect.ReservationServiceClient{
		"connect": lodgev1connect.NewReservationServiceClient(g.plain, g.server.URL),
		"grpc":    lodgev1connect.NewReservationServiceClient(&http.Client{Transport: h2c}, g.server.URL, connect.WithGRPC()),
	} {
		req := connect.NewRequest(stay(1, 2))
		req.Msg.Reservation.Guest = &lodgev1.Guest{Email: "x@example.com", Adults: 1}
		req.Header().Set("X-Forwarded-For", someClient)
		_, err := client.CreateReservation(t.Context(), req)
		expect(t, err, connect.CodeResourceExhausted, "RATE_LIMITED", "")
		if wait := detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration(); wait != time.Second {
			t.Errorf("%s: wait %s", name, wait)
		}
	}
}

// TestWhereRoomsAreNotCounted: over the socket, and at addresses that may be a proxy's, which is told of once.
func TestWhereRoomsAreNotCounted(t *testing.T) {
	logged := new(buffer)
	g := newGated(t, api.Options{GuestLimit: 1, GuestBurst: 1, Logger: slog.New(slog.NewTextHandler(logged, nil))})
	book := func(peer, forwarded string) int {
		req := httptest.NewRequest(http.MethodPost, "/lodge.v1."+createReservation, strings.NewReader(strings.ReplaceAll(roomsJSON(1), "crowd", "ritz")))
		req.Header.Set("Content-Type", "application/json")
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		req.RemoteAddr = peer
		res := httptest.NewRecorder()
		g.api.ServeHTTP(res, req)
		return res.Code
	}
	for peer, second := range map[string]int{
		"127.0.0.1:9": 200, "[::1]:9": 200, "10.1.1.1:9": 200, "[::ffff:192.168.1.1]:9": 200, "[fd00::1]:9": 200, "169.254.1.1:9": 200, "203.0.113.5:9": 429, "[2001:db8::1]:9": 429,
	} {
		if got := []int{book(peer, ""), book(peer, "")}; got[0] != 200 || got[1] != second {
			t.Errorf("%s: %d, the second %d", peer, got, second)
		}
	}
	if text := logged.String(); text != "" {
		t.Errorf("there is nothing to tell: %s", text)
	}
	book("203.0.113.5:9", someClient)
	book("10.1.1.1:9", someClient)
	book("10.1.1.2:9", someClient)
	if text := logged.String(); strings.Count(text, "trusted proxy") != 1 || !strings.Contains(text, "proxy=10.1.1.1") {
		t.Errorf("it is told: %s", text)
	}
	local := g.local()
	for range 3 {
		if _, err := local.CreateReservation(context.Background(), connect.NewRequest(stay(3, 4))); err != nil {
			t.Errorf("over the socket: %v", err)
		}
	}
}

// TestPrivateAddressesAreCountedBehindProxies: a network's own guests, and its own programs, are clients then.
func TestPrivateAddressesAreCountedBehindProxies(t *testing.T) {
	for _, proxies := range [][]string{{"127.0.0.1"}, {"203.0.113.1"}} { // which is who asks, and which is not
		g := newGated(t, api.Options{GuestLimit: 1, GuestBurst: 1, TrustedProxies: proxies})
		for i, want := range []string{"", "RATE_LIMITED"} {
			if got := g.post("anonymous", createReservation, strings.ReplaceAll(roomsJSON(1), "crowd", "ritz"), "X-Forwarded-For", "10.0.0.9"); got != want {
				t.Errorf("%s: call %d: %q, want %q", proxies, i, got, want)
			}
		}
	}
}

func TestGuestLimitIsANumber(t *testing.T) {
	for _, o := range []api.Options{{GuestLimit: -1}, {GuestLimit: math.NaN()}, {GuestLimit: math.Inf(1)}, {GuestLimit: 1, GuestBurst: -1}, {GuestLimit: 1, GuestBurst: 1_000_001}} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "api: option Guest") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
