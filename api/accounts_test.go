package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

const sesame = "open sesame, please"

// signIn makes a call that signs in over REST and returns what it answers.
func (g *gated) signIn(path, body string) (m struct {
	Account                   struct{ Name, GuestID, Role string }
	Session                   struct{ Name string }
	AccessToken, RefreshToken string
}) {
	g.Helper()
	req, err := http.NewRequest(http.MethodPost, g.server.URL+path, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := g.plain.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil || res.StatusCode != http.StatusOK || m.AccessToken == "" || res.Header.Get("Cache-Control") != "no-store" || res.Header["Set-Cookie"] != nil {
		g.Fatalf("%s: %s %v %s %v", path, res.Status, res.Header, text, err)
	}
	return m
}

func (g *gated) request(method, path, body string) *http.Request {
	g.Helper()
	req, err := http.NewRequest(method, g.server.URL+path, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func TestAGuestWithAnAccount(t *testing.T) {
	g := newGated(t, api.Options{})
	zoe := g.signIn("/v1/accounts:signUp", fmt.Sprintf(`{"email":"zoe@example.com","password":%q,"label":"Zoe"}`, sesame))
	eve := g.signIn("/v1/accounts:signUp", fmt.Sprintf(`{"email":"eve@example.com","password":%q}`, sesame))
	g.secrets["zoe"], g.secrets["eve"] = zoe.AccessToken, eve.AccessToken
	id := strings.TrimPrefix(zoe.Account.Name, "accounts/")
	if zoe.Account.Role != "ROLE_GUEST" || id == "" {
		t.Fatalf("%+v", zoe)
	}
	rpcs := lodgev1connect.NewReservationServiceClient(&http.Client{Transport: &bearer{g.plain.Transport, zoe.AccessToken}}, g.server.URL)
	booking := stay(1, 2)
	booking.Reservation.Guest = &lodgev1.Guest{DisplayName: "Zoe", Adults: 1}
	made, _ := must[lodgev1.Reservation](t)(rpcs.CreateReservation(t.Context(), connect.NewRequest(booking)))
	if made.GetGuest().GetGuestId() != id {
		t.Errorf("the reservation is not in the account: %v", made.GetGuest())
	}
	if got := g.actorOf(made.GetName()); got != "guest:"+id {
		t.Errorf("it was made by %q", got)
	}
	for _, c := range []struct{ who, method, path, body, want string }{
		{"zoe", http.MethodGet, "/v1/" + made.GetName(), "", ""},
		{"eve", http.MethodGet, "/v1/" + made.GetName(), "", "NOT_YOURS"},
		{"zoe", http.MethodGet, "/v1/accounts/me", "", ""},
		{"zoe", http.MethodGet, "/v1/" + zoe.Account.Name, "", ""},
		{"eve", http.MethodGet, "/v1/" + zoe.Account.Name, "", "NOT_YOURS"},
		{"eve", http.MethodDelete, "/v1/" + zoe.Account.Name, "", "NOT_YOURS"},
		{"eve", http.MethodGet, "/v1/" + zoe.Account.Name + "/sessions", "", "NOT_YOURS"},
		{"eve", http.MethodDelete, "/v1/" + zoe.Session.Name, "", "NOT_YOURS"},
		{"eve", http.MethodDelete, "/v1/accounts/me/sessions/" + zoe.Session.Name[len(zoe.Account.Name)+len("/sessions/"):], "", "SESSION_NOT_FOUND"},
		{"eve", http.MethodPost, "/v1/" + zoe.Account.Name + ":disable", "{}", "ROLE_DENIED"},
		{"eve", http.MethodPost, "/v1/" + zoe.Account.Name + ":invite", "{}", "ROLE_DENIED"},
		{"eve", http.MethodPatch, "/v1/" + eve.Account.Name, `{"label":"x"}`, "ROLE_DENIED"},
		{"eve", http.MethodPost, "/v1/accounts", `{"account":{"email":"x@example.com","role":"ROLE_ADMIN"}}`, "ROLE_DENIED"},
		{"staff", http.MethodGet, "/v1/accounts", "", "ROLE_DENIED"},
		{"service", http.MethodGet, "/v1/accounts", "", "ROLE_DENIED"},
		{"anonymous", http.MethodGet, "/v1/accounts/me", "", "TOKEN_REQUIRED"},
		{"guest", http.MethodGet, "/v1/accounts/me", "", "NOT_YOURS"}, // a token is no account
		{"admin", http.MethodGet, "/v1/accounts/me", "", "ACCOUNT_NOT_FOUND"},
		{"admin", http.MethodGet, "/v1/accounts", "", ""},
		{"zoe", http.MethodPost, "/v1/accounts/me:changePassword", `{"oldPassword":"wrong wrong wrong","newPassword":"another password"}`, "INVALID_CREDENTIALS"},
		{"zoe", http.MethodPost, "/v1/accounts/me:changePassword", `{"oldPassword":"` + sesame + `","newPassword":"short"}`, "WEAK_PASSWORD"},
		{"anonymous", http.MethodPost, "/v1/sessions", `{"email":"zoe@example.com","password":"wrong wrong wrong"}`, "INVALID_CREDENTIALS"},
		{"anonymous", http.MethodPost, "/v1/sessions", `{"email":"nobody@example.com","password":"wrong wrong wrong"}`, "INVALID_CREDENTIALS"},
		{"anonymous", http.MethodPost, "/v1/accounts:signUp", `{"email":"zoe@example.com","password":"wrong wrong wrong"}`, "EMAIL_UNAVAILABLE"},
		{"anonymous", http.MethodPost, "/v1/accounts:signUp", `{"email":"zoe","password":"wrong wrong wrong"}`, "INVALID_ARGUMENT"},
		{"anonymous", http.MethodPost, "/v1/sessions:refresh", `{}`, "TOKEN_MALFORMED"},
		{"admin", http.MethodPost, "/v1/" + eve.Account.Name + ":disable", "{}", ""},
		{"eve", http.MethodGet, "/v1/accounts/me", "", "SESSION_ENDED"},
		{"anonymous", http.MethodPost, "/v1/sessions", fmt.Sprintf(`{"email":"eve@example.com","password":%q}`, sesame), "ACCOUNT_DISABLED"},
		{"admin", http.MethodPost, "/v1/" + eve.Account.Name + ":enable", "{}", ""},
		{"eve", http.MethodGet, "/v1/accounts/me", "", "SESSION_ENDED"},
	} {
		if got := g.ask(c.who, g.request(c.method, c.path, c.body)); got != c.want {
			t.Errorf("%s: %s %s %s: %q, want %q", c.who, c.method, c.path, c.body, got, c.want)
		}
	}
	g.clock.advance(access.SessionFor)
	if got := g.ask("zoe", g.request(http.MethodGet, "/v1/accounts/me", "")); got != "TOKEN_EXPIRED" {
		t.Errorf("after its time: %q", got)
	}
	zoe = g.signIn("/v1/sessions:refresh", fmt.Sprintf(`{"refreshToken":%q}`, zoe.RefreshToken))
	g.secrets["zoe"] = zoe.AccessToken
	if got := g.ask("zoe", g.request(http.MethodDelete, "/v1/accounts/me/sessions/current", "")); got != "" {
		t.Errorf("signing out: %q", got)
	}
	if got := g.ask("zoe", g.request(http.MethodGet, "/v1/accounts/me", "")); got != "SESSION_ENDED" {
		t.Errorf("signed out: %q", got)
	}
}

// actorOf returns who made a reservation.
func (g *gated) actorOf(name string) string {
	g.Helper()
	g.settle()
	res, err := g.reservations.ListReservationEvents(g.Context(), connect.NewRequest(&lodgev1.ListReservationEventsRequest{Parent: name}))
	if err != nil || len(res.Msg.GetEvents()) == 0 {
		g.Fatal(res, err)
	}
	return res.Msg.GetEvents()[0].GetActor()
}

// TestStaffByInvitation: an admin invites, staff choose a password and see their hotel.
func TestStaffByInvitation(t *testing.T) {
	g := newGated(t, api.Options{})
	admin := lodgev1connect.NewAccountServiceClient(g.client, g.server.URL)
	made, _ := must[lodgev1.CreateAccountResponse](t)(admin.CreateAccount(t.Context(), connect.NewRequest(&lodgev1.CreateAccountRequest{
		Account: &lodgev1.Account{Email: "desk@ritz.example", Role: lodgev1.Role_ROLE_STAFF, Hotels: []string{"hotels/ritz"}},
	})))
	desk := g.signIn("/v1/accounts:acceptInvitation", fmt.Sprintf(`{"invitation":%q,"password":%q}`, made.GetInvitation(), sesame))
	g.secrets["desk"] = desk.AccessToken
	for call, want := range map[string]string{"hotels/ritz": "", "hotels/savoy": "HOTEL_DENIED"} {
		if got := g.post("desk", "ReservationService/ListReservations", fmt.Sprintf(`{"parent":%q}`, call)); got != want {
			t.Errorf("%s: %q", call, got)
		}
	}
	_, err := admin.UpdateAccount(t.Context(), connect.NewRequest(&lodgev1.UpdateAccountRequest{Account: &lodgev1.Account{Name: desk.Account.Name, Hotels: []string{"hotels/savoy"}}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := g.post("desk", "ReservationService/ListReservations", `{"parent":"hotels/savoy"}`); got != "" {
		t.Errorf("moved to the savoy: %q", got)
	}
	list, _ := must[lodgev1.ListAccountsResponse](t)(admin.ListAccounts(t.Context(), connect.NewRequest(&lodgev1.ListAccountsRequest{Role: lodgev1.Role_ROLE_STAFF})))
	if len(list.GetAccounts()) != 1 || list.GetAccounts()[0].GetEmail() != "desk@ritz.example" || !list.GetAccounts()[0].GetHasPassword() {
		t.Errorf("%v", list)
	}
	_, err = admin.UpdateAccount(t.Context(), connect.NewRequest(&lodgev1.UpdateAccountRequest{Account: &lodgev1.Account{Name: desk.Account.Name}}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_FIELD_MASK", "update_mask")
	_, err = admin.UpdateAccount(t.Context(), connect.NewRequest(&lodgev1.UpdateAccountRequest{Account: &lodgev1.Account{Name: desk.Account.Name, Email: "x@example.com"}}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "account.email")
}

// TestWhereNobodyIsAsked: accounts are looked after over the socket only.
func TestWhereNobodyIsAsked(t *testing.T) {
	s := newStack(t, api.Options{})
	status, _, body := s.rest(http.MethodPost, "/v1/sessions", `{"email":"a@example.com","password":"xxxxxxxxxx"}`)
	if _, reason, _ := faultOf(t, body); status != http.StatusServiceUnavailable || reason != "UNAVAILABLE" {
		t.Errorf("%d %s", status, body)
	}
}

// browser is a client as pages have it: it keeps cookies, and says where what it asks comes from.
type browser struct {
	*gated
	client *http.Client
	site   string // Sec-Fetch-Site
}

func (g *gated) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.Fatal(err)
	}
	return &browser{g, &http.Client{Transport: g.plain.Transport, Jar: jar}, "same-origin"}
}

func (b *browser) do(method, path, body string) (status int, cookies []*http.Cookie, text string) {
	b.Helper()
	req := b.request(method, path, body)
	req.Header.Set("Sec-Fetch-Site", b.site)
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, res.Cookies(), string(read)
}

func (b *browser) is(want int, method, path, body string) {
	b.Helper()
	if status, _, text := b.do(method, path, body); status != want {
		b.Errorf("%s %s: %d, want %d: %s", method, path, status, want, text)
	}
}

const signInCookie = `{"email":"desk@ritz.example","password":"` + sesame + `","secretDelivery":"SECRET_DELIVERY_COOKIE"}`

func (g *gated) desk() {
	g.Helper()
	if _, _, err := g.accounts.Create(g.Context(), access.Account{Email: "desk@ritz.example", Role: access.Staff, Hotels: []string{"ritz"}}, sesame); err != nil {
		g.Fatal(err)
	}
}

func TestABrowserSignsIn(t *testing.T) {
	g := newGated(t, api.Options{})
	g.desk()
	b := g.browser()
	b.is(http.StatusUnauthorized, http.MethodGet, "/v1/hotels/ritz/reservations", "")
	status, cookies, text := b.do(http.MethodPost, "/v1/sessions", signInCookie)
	if status != http.StatusOK || strings.Contains(text, "lodgesession_") || strings.Contains(text, "lodgerefresh_") || len(cookies) != 3 {
		t.Fatalf("%d %v\n%s", status, cookies, text)
	}
	for _, c := range cookies {
		if !c.HttpOnly || c.Secure || c.SameSite != map[bool]http.SameSite{true: http.SameSiteLaxMode, false: http.SameSiteStrictMode}[c.Path == "/"] || c.MaxAge <= 0 {
			t.Errorf("%v", c)
		}
	}
	b.is(http.StatusOK, http.MethodGet, "/v1/hotels/ritz/reservations", "")
	b.is(http.StatusForbidden, http.MethodGet, "/v1/hotels/savoy/reservations", "")
	const change, rename = "/v1/hotels/ritz", `{"displayName":"R"}`
	b.is(http.StatusOK, http.MethodPatch, change, rename)
	for _, site := range []string{"cross-site", "same-site"} {
		b.site = site
		b.is(http.StatusForbidden, http.MethodPatch, change, rename)
		b.is(http.StatusForbidden, http.MethodPost, "/lodge.v1.HotelService/ListHotels", "{}")
		b.is(http.StatusForbidden, http.MethodPost, "/v1/sessions", signInCookie) // somebody else's account is not put into it
		b.is(http.StatusOK, http.MethodGet, "/v1/hotels/ritz/reservations", "")   // nor can another site read it
	}
	b.site = "same-origin"
	g.clock.advance(access.SessionFor)
	b.is(http.StatusUnauthorized, http.MethodGet, "/v1/hotels/ritz/reservations", "")
	b.is(http.StatusOK, http.MethodGet, "/v1/hotels", "") // everybody may
	b.is(http.StatusOK, http.MethodPost, "/v1/sessions:refresh", "{}")
	b.is(http.StatusOK, http.MethodGet, "/v1/hotels/ritz/reservations", "")
	b.is(http.StatusOK, http.MethodPost, "/lodge.v1.SessionService/RefreshSession", "{}")
	b.is(http.StatusOK, http.MethodGet, "/v1/hotels/ritz/reservations", "")
	b.is(http.StatusOK, http.MethodDelete, "/v1/accounts/me/sessions/current", "")
	at, err := url.Parse(g.server.URL + "/v1/sessions:refresh")
	if err != nil || len(b.client.Jar.Cookies(at)) != 0 {
		t.Errorf("signed out, with cookies: %v", b.client.Jar.Cookies(at))
	}
	b.is(http.StatusUnauthorized, http.MethodGet, "/v1/hotels/ritz/reservations", "")
}

// TestAnotherPagesOrigin: browsers that say no Sec-Fetch-Site say Origin.
func TestAnotherPagesOrigin(t *testing.T) {
	g := newGated(t, api.Options{PublicURL: "https://lodge.example"})
	for origin, want := range map[string]int{"https://evil.example": http.StatusForbidden, "null": http.StatusForbidden, "https://lodge.example": http.StatusOK, g.server.URL: http.StatusOK, "": http.StatusOK} {
		req := g.request(http.MethodPost, "/lodge.v1.HotelService/ListHotels", "{}")
		req.Header.Set("Cookie", "theirs=1")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := g.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("from %q: %d, want %d", origin, res.StatusCode, want)
		}
	}
	g.desk()
	req := g.request(http.MethodPost, "/v1/sessions", signInCookie)
	res, err := g.plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for _, c := range res.Cookies() {
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-lodge_") && !strings.HasPrefix(c.Name, "__Secure-lodge_") {
			t.Errorf("over TLS: %v", c)
		}
	}
	if len(res.Cookies()) != 3 {
		t.Errorf("%v", res.Header)
	}
	for url, ok := range map[string]bool{"": true, "https://lodge.example": true, "http://localhost:8080": true, "https://lodge.example/": false, "lodge.example": false, "ftp://x": false, "https://": false, "https://a b": false} {
		if err := (api.Options{PublicURL: url}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestServerSentEventsOfASession: a page's EventSource sends its cookie, and the stream ends with the session.
func TestServerSentEventsOfASession(t *testing.T) {
	g := newGated(t, api.Options{})
	g.desk()
	b := g.browser()
	open := func(path string) (status int, events *bufio.Reader) {
		t.Helper()
		req := g.request(http.MethodGet, path, "")
		res, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res.StatusCode, bufio.NewReader(res.Body)
	}
	if status, _ := open("/events?hotel=ritz"); status != http.StatusUnauthorized {
		t.Error(status)
	}
	b.is(http.StatusOK, http.MethodPost, "/v1/sessions", signInCookie)
	if status, _ := open("/events?hotel=savoy"); status != http.StatusForbidden {
		t.Error(status)
	}
	status, events := open("/events?topic=bookings&hotel=ritz")
	nights, calendar := open("/availability?hotel=hotels/ritz")
	if status != http.StatusOK || nights != http.StatusOK {
		t.Fatal(status, nights)
	}
	g.book("ritz", "ada")
	for _, in := range []*bufio.Reader{events, calendar} {
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "event: ") {
			t.Errorf("%q, %v", line, err)
		}
	}
	desk := g.accounts
	found, _ := desk.List("", access.Staff, "", 1)
	if _, err := desk.Update(t.Context(), found[0].ID, access.Change{Disabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*bufio.Reader{events, calendar} {
		if _, err := io.Copy(io.Discard, in); err != nil { // it ends
			t.Error(err)
		}
	}
	if status, _ := open("/events?hotel=ritz"); status != http.StatusUnauthorized {
		t.Error(status)
	}
	b.is(http.StatusOK, http.MethodGet, "/", "")
}

// TestSessionsCountByAccount: however many sessions, it is one client.
func TestSessionsCountByAccount(t *testing.T) {
	g := newGated(t, api.Options{RateLimit: 0.001, RateBurst: 40})
	g.desk()
	outcomes := map[string]int{}
	for range 5 {
		in, err := g.accounts.SignIn(t.Context(), "desk@ritz.example", sesame, access.From{})
		if err != nil {
			t.Fatal(err)
		}
		g.secrets["desk"] = in.Secret
		for range 10 {
			outcomes[g.post("desk", "HotelService/GetHotel", `{"name":"hotels/ritz"}`)]++
		}
	}
	if outcomes[""] != 40 || outcomes["RATE_LIMITED"] != 10 {
		t.Errorf("%v", outcomes)
	}
}

// TestTooManyGuesses are told when to try again.
func TestTooManyGuesses(t *testing.T) {
	g := newGated(t, api.Options{})
	g.desk()
	for range 10 {
		g.post("anonymous", "SessionService/CreateSession", `{"email":"desk@ritz.example","password":"wrong wrong"}`)
	}
	res, err := g.plain.Do(g.request(http.MethodPost, "/v1/sessions", signInCookie))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if wait, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); res.StatusCode != http.StatusTooManyRequests || err != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("%s %v", res.Status, res.Header)
	}
}
