package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/log"
	"lodge/log/vfs"
)

// bearer shows a token with every request that shows none. No token: it shows nothing.
type bearer struct {
	http.RoundTripper
	secret string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.secret != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.secret)
	}
	return b.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (b *bearer) CloseIdleConnections() { b.RoundTripper.(*http.Transport).CloseIdleConnections() }

func (s *stack) token(wish access.Token) (secret string) {
	s.Helper()
	_, secret, err := s.tokens.Create(context.Background(), wish)
	if err != nil {
		s.Fatal(err)
	}
	return secret
}

// gated is a stack that asks, with two hotels and somebody of each role.
type gated struct {
	*stack
	secrets map[string]string // by who; "anonymous" has none
	plain   *http.Client      // shows nothing by itself
	ada     string            // the reservation of guest ada at the ritz
	eve     string            // of guest eve at the savoy
}

var everybody = []string{"anonymous", "guest", "staff", "service", "admin"}

func newGated(t *testing.T, opts api.Options) *gated { return newGatedWith(t, opts, nil) }

func newGatedWith(t *testing.T, opts api.Options, scheduler func(*stack) log.Scheduler) *gated {
	opts.AuthRequired = true
	s := newStackWith(t, "data", vfs.NewMem(), opts, scheduler)
	s.seed(20)
	s.seedHotel("savoy", "Lisbon", 20)
	g := &gated{stack: s, plain: &http.Client{Transport: s.client.Transport.(*bearer).RoundTripper}, secrets: map[string]string{
		"anonymous": "",
		"guest":     s.token(access.Token{Role: access.Guest, GuestID: "ada"}),
		"staff":     s.token(access.Token{Role: access.Staff, Hotels: []string{"ritz"}}),
		"service":   s.token(access.Token{Role: access.Service}),
		"admin":     s.token(access.Token{Role: access.Admin}),
	}}
	g.ada, g.eve = g.book("ritz", "ada"), g.book("savoy", "eve")
	g.settle()
	return g
}

func (g *gated) book(hotel, guest string) (name string) {
	g.Helper()
	req := stay(1, 2)
	req.Parent, req.Reservation.RoomType = "hotels/"+hotel, "hotels/"+hotel+"/roomTypes/double"
	req.Reservation.Guest = &lodgev1.Guest{GuestId: guest, Email: guest + "@example.com", Adults: 1}
	r, _ := g.reserve(req)
	return r.GetName()
}

// bookGroup reserves a room for each of some guests, and returns the fields that name the group.
func (g *gated) bookGroup(hotel string, guests ...string) (body string) {
	g.Helper()
	batch := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/" + hotel}
	for _, guest := range guests {
		req := stay(1, 3)
		req.RequestId, req.Parent, req.Reservation.RoomType = "", batch.Parent, batch.Parent+"/roomTypes/double"
		req.Reservation.Guest = &lodgev1.Guest{GuestId: guest, Email: guest + "@example.com", Adults: 1}
		batch.Requests = append(batch.Requests, req)
	}
	group, _ := must[lodgev1.BatchCreateReservationsResponse](g)(g.reservations.BatchCreateReservations(context.Background(), connect.NewRequest(batch)))
	return fmt.Sprintf(`{"parent":"hotels/%s","groupId":%q}`, hotel, group.GetGroupId())
}

// post makes a call in Connect's JSON and returns the reason that it was refused with, "" when it was not.
func (g *gated) post(who, call, body string, header ...string) (reason string) {
	g.Helper()
	req, err := http.NewRequest(http.MethodPost, g.server.URL+"/lodge.v1."+call, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return g.ask(who, req, header...)
}

func (g *gated) ask(who string, req *http.Request, header ...string) (reason string) {
	g.Helper()
	if secret := g.secrets[who]; secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := g.plain.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		g.Fatal(err)
	}
	if res.StatusCode == http.StatusOK {
		return ""
	}
	var e struct {
		Details []struct {
			Debug  struct{ Reason string } // Connect
			Reason string                  // REST
		}
	}
	if err := json.Unmarshal(answer, &e); err != nil {
		g.Fatalf("%s: %s", res.Status, answer)
	}
	for _, d := range e.Details {
		if d.Debug.Reason+d.Reason != "" {
			return d.Debug.Reason + d.Reason
		}
	}
	g.Fatalf("%s: %s", res.Status, answer)
	return ""
}

func TestEveryCallHasARule(t *testing.T) {
	n := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				n++
				if name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name()); !api.HasRule(name) {
					t.Errorf("nothing says who may call %s: see rules", name)
				}
			}
		}
		return true
	})
	if n < 80 || api.HasRule("/lodge.v1.HotelService/Rob") {
		t.Errorf("%d calls were found", n)
	}
}

// The letters of a row are what becomes of everybody, in their order.
var outcomes = map[rune]string{'y': "", 't': "TOKEN_REQUIRED", 'r': "ROLE_DENIED", 'h': "HOTEL_DENIED", 'n': "NOT_YOURS", 'f': "FORBIDDEN_FIELD", 'T': "TOPIC_DENIED"}

func TestWhoMay(t *testing.T) {
	g := newGated(t, api.Options{})
	in, out := dateJSON(day(3)), dateJSON(day(4))
	booking := func(hotel, guest string) string {
		return fmt.Sprintf(`{"parent":"hotels/%s","reservation":{"roomType":"hotels/%[1]s/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s,"guest":{"email":"x@example.com"%s}}}`, hotel, in, out, guest)
	}
	name := func(of string) string { return fmt.Sprintf(`{"name":%q}`, of) }
	hers, mixed, eves := g.bookGroup("ritz", "ada", "ada"), g.bookGroup("ritz", "ada", "eve"), g.bookGroup("savoy", "eve", "eve")
	for _, c := range []struct{ want, call, body string }{
		{"yyyyy", "HotelService/GetHotel", name("hotels/savoy")},
		{"yyyyy", "HotelService/ListHotels", `{}`},
		{"yyyyy", "HotelService/ListRoomTypes", `{"parent":"hotels/savoy"}`},
		{"yyyyy", "AdminService/GetHealth", `{}`},
		{"yyyyy", "AvailabilityService/GetAvailability", fmt.Sprintf(`{"hotel":"hotels/savoy","startDate":%s,"endDate":%s}`, in, out)},
		{"trryy", "HotelService/CreateHotel", `{"hotelId":"new","hotel":{"displayName":"N","timeZone":"UTC","currencyCode":"EUR"},"requestId":"018f0000-0000-7000-8000-000000000001"}`},
		{"tryyy", "HotelService/UpdateHotel", `{"hotel":{"name":"hotels/ritz","displayName":"R"}}`},
		{"trhyy", "HotelService/UpdateHotel", `{"hotel":{"name":"hotels/savoy","displayName":"S"}}`},
		{"tryyy", "InventoryService/ListInventory", fmt.Sprintf(`{"parent":"hotels/ritz/roomTypes/double","startDate":%s,"endDate":%s}`, in, out)},
		{"trhyy", "InventoryService/ListInventory", fmt.Sprintf(`{"parent":"hotels/savoy/roomTypes/double","startDate":%s,"endDate":%s}`, in, out)},
		{"yyyyy", "ReservationService/CreateReservation", booking("ritz", "")},
		{"yyhyy", "ReservationService/CreateReservation", booking("savoy", "")},
		{"fyyyy", "ReservationService/CreateReservation", booking("ritz", `,"guestId":"ada"`)},
		{"ffhyy", "ReservationService/CreateReservation", booking("savoy", `,"guestId":"eve"`)},
		{"ffyyy", "ReservationService/BatchCreateReservations", `{"parent":"hotels/ritz","requests":[` + booking("ritz", "") + "," + booking("ritz", `,"guestId":"eve"`) + `]}`},
		{"tyyyy", "ReservationService/GetReservation", name(g.ada)},
		{"tnhyy", "ReservationService/GetReservation", name(g.eve)},
		{"tyyyy", "PaymentService/ListPayments", fmt.Sprintf(`{"parent":%q}`, g.ada)},
		{"tnhyy", "PaymentService/ListPayments", fmt.Sprintf(`{"parent":%q}`, g.eve)},
		{"tyhyy", "ReservationService/ListReservations", `{"parent":"hotels/-","guestId":"ada"}`},
		{"tfhyy", "ReservationService/ListReservations", `{"parent":"hotels/-","guestId":"eve"}`},
		{"tfyyy", "ReservationService/ListReservations", `{"parent":"hotels/ritz"}`},
		{"tfhyy", "ReservationService/ListReservations", `{"parent":"hotels/savoy"}`},
		{"tryyy", "ReservationService/ListReservationEvents", fmt.Sprintf(`{"parent":%q}`, g.ada)},
		{"tfyyy", "ReservationService/CancelReservation", fmt.Sprintf(`{"name":%q,"waive":true}`, g.ada)},
		{"tyyyy", "ReservationService/CancelReservation", name(g.ada)},
		{"tnhyy", "ReservationService/CancelReservation", name(g.eve)},
		{"tyyyy", "ReservationService/ListReservations", hers},
		{"tnyyy", "ReservationService/ListReservations", mixed},
		{"tnhyy", "ReservationService/ListReservations", eves},
		{"tfyyy", "ReservationService/CancelGroup", `{"waive":true,` + hers[1:]},
		{"tfyyy", "ReservationService/CancelGroup", `{"reason":"RESERVATION_REASON_HOTEL_REQUEST",` + hers[1:]},
		{"tyyyy", "ReservationService/CancelGroup", hers},
		{"tnyyy", "ReservationService/CancelGroup", mixed},
		{"tnhyy", "ReservationService/CancelGroup", eves},
		{"tyyyy", "PaymentService/PayGroup", hers},
		{"tnyyy", "PaymentService/PayGroup", mixed},
		{"tnhyy", "PaymentService/PayGroup", eves},
		{"tfyyy", "WaitingListService/ListWaitingListEntries", `{"parent":"hotels/ritz"}`},
		{"tyhyy", "WaitingListService/ListWaitingListEntries", `{"parent":"hotels/-","guestId":"ada"}`},
		{"trhyy", "EventService/ReadEvents", `{"topic":"bookings"}`},
		{"tryyy", "EventService/ReadEvents", `{"topic":"bookings","keys":["ritz"]}`},
		{"trhyy", "EventService/ReadEvents", `{"topic":"bookings","keys":["ritz","savoy"]}`},
		{"trrTy", "MessageService/Fetch", `{"topic":"__access"}`},
		{"trryy", "MessageService/Fetch", `{"topic":"bookings"}`},
		{"trryy", "GroupService/ListGroups", `{}`},
		{"trrry", "AdminService/CreateTopic", `{"topicId":"orders","topic":{}}`},
		{"trrry", "AccessService/ListTokens", `{}`},
	} {
		for i, who := range everybody {
			if got, want := g.post(who, c.call, c.body), outcomes[rune(c.want[i])]; got != want && got != "STATUS_CONFLICT" && got != "NOTHING_DUE" { // somebody has canceled it before
				t.Errorf("%s by %s, %s: %q, want %q", c.call, who, c.body, got, want)
			}
		}
	}
}

// TestIDAndEmail: who knows both is the reservation's guest, whatever they ask of it, and of no other.
func TestIDAndEmail(t *testing.T) {
	g := newGated(t, api.Options{})
	for _, c := range []struct{ name, email, want string }{
		{g.ada, "ada@example.com", ""}, {g.ada, " ADA@Example.com", ""}, {g.ada, "eve@example.com", "NOT_YOURS"},
		{g.ada[:len(g.ada)-12] + "000000000000", "ada@example.com", "NOT_YOURS"}, {"hotels/savoy" + g.ada[len("hotels/ritz"):], "ada@example.com", "NOT_YOURS"},
	} {
		if got := g.post("anonymous", "ReservationService/GetReservation", fmt.Sprintf(`{"name":%q}`, c.name), api.HeaderGuestEmail, c.email); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.name, c.email, got, c.want)
		}
	}
	if got := g.post("guest", "ReservationService/CancelReservation", fmt.Sprintf(`{"name":%q}`, g.book("ritz", "ada"))); got != "" {
		t.Errorf("what was made a moment ago is not found: %q", got)
	}
	// A change of the guest leaves the reservation in the account that it is in.
	change := fmt.Sprintf(`{"reservation":{"name":%q,"guest":{"displayName":"A","email":"new@example.com","adults":1}},"updateMask":"guest"}`, g.ada)
	if got := g.post("anonymous", "ReservationService/UpdateReservation", change, api.HeaderGuestEmail, "ada@example.com"); got != "" {
		t.Fatal(got)
	}
	if got := g.post("guest", "ReservationService/GetReservation", fmt.Sprintf(`{"name":%q}`, g.ada)); got != "" {
		t.Error(got)
	}
	if got := g.post("anonymous", "ReservationService/CreateReservation",
		fmt.Sprintf(`{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s}}`, dateJSON(day(1)), dateJSON(day(2)))); got != "TOKEN_REQUIRED" {
		t.Errorf("a booking that nobody could come back to: %q", got)
	}
}

// TestTheWayBack: a guest's change of who the guest is takes a reservation neither out of its account nor, in none, from who knows the e-mail address.
func TestTheWayBack(t *testing.T) {
	g := newGated(t, api.Options{})
	req := stay(1, 2)
	req.Reservation.Guest = &lodgev1.Guest{DisplayName: "Nora", Email: "nora@example.com", Adults: 1}
	nora, _ := g.reserve(req)
	g.settle()
	for _, c := range []struct{ who, name, email, guest, mask, want string }{
		{"anonymous", nora.GetName(), "nora@example.com", `{"displayName":"Norah","adults":1}`, `"guest"`, "FORBIDDEN_FIELD"},
		{"anonymous", nora.GetName(), "nora@example.com", `{"displayName":"Norah","email":" ","adults":1}`, `null`, "FORBIDDEN_FIELD"},
		{"anonymous", nora.GetName(), "nora@example.com", `null`, `"guest"`, "FORBIDDEN_FIELD"},
		{"guest", nora.GetName(), "nora@example.com", `{"displayName":"Norah","adults":1}`, `"guest"`, "FORBIDDEN_FIELD"},
		{"anonymous", nora.GetName(), "nora@example.com", `{"displayName":"Norah","email":"norah@example.com","adults":1}`, `null`, ""},
		{"anonymous", nora.GetName(), "norah@example.com", `{"displayName":"N","email":"nora@example.com","adults":1}`, `"guest"`, ""},
		{"guest", g.ada, "", `null`, `"guest"`, ""},
		{"staff", nora.GetName(), "", `{"displayName":"Nora","adults":1}`, `"guest"`, ""}, // the hotel knows the guest otherwise
	} {
		body := fmt.Sprintf(`{"reservation":{"name":%q,"guest":%s},"updateMask":%s}`, c.name, c.guest, c.mask)
		if got := g.post(c.who, "ReservationService/UpdateReservation", body, api.HeaderGuestEmail, c.email); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.who, body, got, c.want)
		}
		g.settle()
	}
	if got := g.post("guest", "ReservationService/GetReservation", fmt.Sprintf(`{"name":%q}`, g.ada)); got != "" {
		t.Errorf("the account has lost its reservation: %q", got)
	}
	if got := g.post("anonymous", "ReservationService/GetReservation", fmt.Sprintf(`{"name":%q}`, nora.GetName()), api.HeaderGuestEmail, "nora@example.com"); got != "NOT_YOURS" {
		t.Errorf("an address that the hotel has taken away: %q", got)
	}
}

// TestEveryProtocolAsks makes one call over each protocol: without a token, with somebody else's, with a revoked one, and with the guest's.
func TestEveryProtocolAsks(t *testing.T) {
	g := newGated(t, api.Options{})
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	rpc := func(transport http.RoundTripper, opts ...connect.ClientOption) func(who string) string {
		return func(who string) string {
			client := lodgev1connect.NewReservationServiceClient(&http.Client{Transport: &bearer{transport, g.secrets[who]}}, g.server.URL, opts...)
			_, err := client.GetReservation(t.Context(), connect.NewRequest(&lodgev1.GetReservationRequest{Name: g.ada}))
			return reasonOf(err)
		}
	}
	g.secrets["eve"] = g.token(access.Token{Role: access.Guest, GuestID: "eve"})
	g.secrets["unknown"] = "lodge_" + strings.Repeat("a", 16) + "_" + strings.Repeat("b", 52)
	g.secrets["malformed"] = "open sesame"
	g.secrets["revoked"] = g.token(access.Token{Role: access.Admin})
	g.secrets["expired"] = g.token(access.Token{Role: access.Admin, Expires: g.clock.now().Add(1)})
	g.clock.advance(1)
	id, err := g.tokens.Authenticate("Bearer " + g.secrets["revoked"])
	if err != nil {
		t.Fatal(err)
	}
	plain := g.plain.Transport
	protocols := map[string]func(who string) string{
		"connect": rpc(plain), "connect json": rpc(plain, connect.WithProtoJSON()), "connect get": rpc(plain, connect.WithHTTPGet()),
		"grpc": rpc(h2c, connect.WithGRPC()), "grpc-web": rpc(plain, connect.WithGRPCWeb()),
		"rest": func(who string) string {
			req, err := http.NewRequest(http.MethodGet, g.server.URL+"/v1/"+g.ada, nil)
			if err != nil {
				t.Fatal(err)
			}
			return g.ask(who, req)
		},
		"fast post": func(who string) string {
			if who == "anonymous" || who == "eve" {
				return map[string]string{"anonymous": "TOKEN_REQUIRED", "eve": "NOT_YOURS"}[who] // they may book: TestWhoMay
			}
			return g.post(who, "ReservationService/CreateReservation", fmt.Sprintf(`{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s,"guest":{"guestId":"ada"}}}`, dateJSON(day(5)), dateJSON(day(6))))
		},
	}
	for name, call := range protocols {
		if got := call("revoked"); got != "" {
			t.Errorf("%s before the end: %q", name, got)
		}
	}
	if _, err := g.tokens.Revoke(t.Context(), id.ID); err != nil {
		t.Fatal(err)
	}
	for name, call := range protocols {
		for who, want := range map[string]string{
			"anonymous": "TOKEN_REQUIRED", "eve": "NOT_YOURS", "guest": "", "staff": "", "unknown": "TOKEN_UNKNOWN", "malformed": "TOKEN_MALFORMED",
			"revoked": "TOKEN_REVOKED", "expired": "TOKEN_EXPIRED",
		} {
			if got := call(who); got != want {
				t.Errorf("%s by %s: %q, want %q", name, who, got, want)
			}
		}
	}
}

// TestStreamsAsk: before they begin, and they end with the token.
func TestStreamsAsk(t *testing.T) {
	g := newGated(t, api.Options{})
	status := func(who, path string) int {
		req, err := http.NewRequest(http.MethodGet, g.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if g.secrets[who] != "" {
			req.Header.Set("Authorization", "Bearer "+g.secrets[who])
		}
		res, err := g.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if (res.StatusCode == http.StatusUnauthorized) != (res.Header.Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s by %s: %v", path, who, res.Header)
		}
		return res.StatusCode
	}
	for path, want := range map[string][5]int{
		"/": {200, 200, 200, 200, 200}, "/events": {401, 403, 403, 200, 200}, "/events?hotel=ritz": {401, 403, 200, 200, 200},
		"/events?topic=bookings&hotel=ritz&hotel=savoy": {401, 403, 403, 200, 200},
		"/availability?hotel=hotels/savoy":              {401, 200, 200, 200, 200},
	} {
		for i, who := range everybody {
			if got := status(who, path); got != want[i] {
				t.Errorf("%s by %s: %d, want %d", path, who, got, want[i])
			}
		}
	}
	secret := g.token(access.Token{Role: access.Service})
	id, err := g.tokens.Authenticate("Bearer " + secret)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := func(secret string) *connect.ServerStreamForClient[lodgev1.SubscribeResponse] {
		client := lodgev1connect.NewEventServiceClient(&http.Client{Transport: &bearer{g.plain.Transport, secret}}, g.server.URL)
		stream, err := client.Subscribe(t.Context(), connect.NewRequest(&lodgev1.SubscribeRequest{Topic: "bookings"}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stream.Close() })
		return stream
	}
	if s := subscribe(g.secrets["guest"]); s.Receive() || reasonOf(s.Err()) != "ROLE_DENIED" {
		t.Errorf("a guest subscribes: %v", s.Err())
	}
	stream := subscribe(secret)
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	if _, err := g.tokens.Revoke(t.Context(), id.ID); err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
		_ = stream.Msg()
	}
	if reasonOf(stream.Err()) != "TOKEN_REVOKED" {
		t.Errorf("it ended with %v", stream.Err())
	}
}

// TestEventsSayWho: who gave a command is in its events, and nobody where nobody is asked.
func TestEventsSayWho(t *testing.T) {
	g := newGated(t, api.Options{})
	if got := g.post("staff", "ReservationService/CancelReservation", fmt.Sprintf(`{"name":%q}`, g.ada)); got != "" {
		t.Fatal(got)
	}
	life := func(s *stack, name string) []*lodgev1.Event {
		s.settle()
		res, _ := must[lodgev1.ListReservationEventsResponse](t)(s.reservations.ListReservationEvents(t.Context(), connect.NewRequest(&lodgev1.ListReservationEventsRequest{Parent: name})))
		return res.GetEvents()
	}
	staff, err := g.tokens.Authenticate("Bearer " + g.secrets["staff"])
	if err != nil {
		t.Fatal(err)
	}
	events := life(g.stack, g.ada)
	if len(events) != 2 || !strings.HasPrefix(events[0].GetActor(), "admin:") || events[1].GetActor() != "staff:"+staff.ID {
		t.Errorf("%v", events)
	}
	open := newStack(t, api.Options{})
	open.seed(1)
	r, _ := open.reserve(stay(1, 2))
	if events := life(open, r.GetName()); len(events) != 1 || events[0].GetActor() != "" {
		t.Errorf("%v", events)
	}
}
