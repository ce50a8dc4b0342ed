package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

const forgetCall = "GuestService/ForgetGuest"

// wait puts a guest on the waiting list of the ritz, on nights that are sold to nobody, and returns the name of the entry.
func (g *gated) wait(guest *lodgev1.Guest) string {
	g.Helper()
	none := int32(0)
	must[lodgev1.SetInventoryResponse](g)(g.inventory.SetInventory(context.Background(), connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: "hotels/ritz/roomTypes/double", StartDate: day(40), EndDate: day(41), PhysicalCount: &none,
	})))
	waiting := lodgev1connect.NewWaitingListServiceClient(g.client, g.server.URL)
	entry, _ := must[lodgev1.WaitingListEntry](g)(waiting.JoinWaitingList(context.Background(), connect.NewRequest(&lodgev1.JoinWaitingListRequest{
		Parent: "hotels/ritz", Entry: &lodgev1.WaitingListEntry{
			RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(40), CheckOutDate: day(41), Guest: guest,
		},
	})))
	return entry.GetName()
}

// TestWhoMayForget: everybody is asked about somebody who is expected, so that whoever may forget them changes nothing.
func TestWhoMayForget(t *testing.T) {
	g := newGated(t, api.Options{})
	g.secrets["eve"] = g.token(access.Token{Role: access.Guest, GuestID: "eve"})
	g.secrets["savoy"] = g.token(access.Token{Role: access.Staff, Hotels: []string{"savoy"}})
	entry, forced := g.wait(&lodgev1.Guest{GuestId: "ada", Email: "ada@example.com", Adults: 1}), g.book("ritz", "ada")
	g.settle()
	callers := []string{"anonymous", "email", "guest", "eve", "staff", "savoy", "service", "admin"}
	outcomes := map[rune]string{'y': "", 'e': "GUEST_EXPECTED", 't': "TOKEN_REQUIRED", 'h': "HOTEL_DENIED", 'n': "NOT_YOURS", 'f': "FORBIDDEN_FIELD", '0': "RESERVATION_NOT_FOUND"}
	for _, c := range []struct{ want, name, more string }{
		{"teenehee", g.ada, ""},
		{"tnneheee", g.eve, ""},
		{"tnenehee", entry, ""},
		{"nnynhhyy", "guests/ada", ""},
		{"nnnyhhyy", "guests/eve", ""},
		{"nnnnhhyy", "guests/nobody", ""},
		{"tnnn0h00", g.ada[:len(g.ada)-12] + "000000000000", ""},
		{"nnnnfffy", "guests/nobody", `,"force":true`},
		{"fffffffy", forced, `,"force":true`},
	} {
		for i, who := range callers {
			var header []string
			if who == "email" {
				header = []string{api.HeaderGuestEmail, "ada@example.com"}
			}
			if got, want := g.post(who, forgetCall, fmt.Sprintf(`{"name":%q%s}`, c.name, c.more), header...), outcomes[rune(c.want[i])]; got != want {
				t.Errorf("%s%s by %s: %q, want %q", c.name, c.more, who, got, want)
			}
		}
	}
}

// TestForgettingEndsTheWayBackByEmail: who knew id and e-mail address may forget themselves, and then is nobody to the booking, like its account.
func TestForgettingEndsTheWayBackByEmail(t *testing.T) {
	g := newGated(t, api.Options{})
	name := fmt.Sprintf(`{"name":%q}`, g.ada)
	email := []string{api.HeaderGuestEmail, "ada@example.com"}
	type step struct{ who, call, want string }
	try := func(steps ...step) {
		t.Helper()
		for _, s := range steps {
			var header []string
			if s.who == "anonymous" {
				header = email
			}
			if got := g.post(s.who, s.call, name, header...); got != s.want {
				t.Errorf("%s by %s: %q, want %q", s.call, s.who, got, s.want)
			}
		}
	}
	const get, pays = "ReservationService/GetReservation", "PaymentService/ListPayments"
	try(step{"anonymous", forgetCall, "GUEST_EXPECTED"}, step{"anonymous", "ReservationService/CancelReservation", ""}, step{"anonymous", get, ""}, step{"anonymous", forgetCall, ""})
	g.settle()
	try(step{"anonymous", get, "NOT_YOURS"}, step{"anonymous", forgetCall, "NOT_YOURS"}, step{"guest", get, "NOT_YOURS"}, step{"guest", forgetCall, "NOT_YOURS"},
		step{"staff", get, ""}, step{"staff", forgetCall, ""}, step{"service", forgetCall, ""}, step{"admin", forgetCall, ""})
	for _, empty := range []string{" ", "@", "\u00a0"} {
		if got := g.post("anonymous", get, name, api.HeaderGuestEmail, empty); got != "NOT_YOURS" && got != "TOKEN_REQUIRED" {
			t.Errorf("by the address %q: %q", empty, got)
		}
	}
	if got := g.post("anonymous", pays, fmt.Sprintf(`{"parent":%q}`, g.ada), email...); got != "NOT_YOURS" {
		t.Errorf("payments: %q", got)
	}
	r, _ := must[lodgev1.Reservation](t)(g.reservations.GetReservation(t.Context(), connect.NewRequest(&lodgev1.GetReservationRequest{Name: g.ada})))
	if who := r.GetGuest(); !who.GetForgotten() || who.GetEmail() != "" || who.GetGuestId() != "" || who.GetAdults() != 1 {
		t.Errorf("the guest is %v", who)
	}
}

// account forgets guests/{id} page by page. It returns how many were forgotten, the names of those that were kept, and how many pages there were.
func (g *gated) forgetAccount(secret, id string) (forgotten int, kept []string, pages int) {
	g.Helper()
	client := lodgev1connect.NewGuestServiceClient(&http.Client{Transport: &bearer{g.plain.Transport, secret}}, g.server.URL)
	for token := ""; ; pages++ {
		page, _ := must[lodgev1.ForgetGuestResponse](g)(client.ForgetGuest(context.Background(), connect.NewRequest(&lodgev1.ForgetGuestRequest{Name: "guests/" + id, PageToken: token})))
		forgotten += int(page.GetForgottenCount())
		for _, k := range page.GetKept() {
			kept = append(kept, k.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			return forgotten, kept, pages + 1
		}
	}
}

// TestForgetWhoHasBookedOften: more than two pages of reservations and one of entries, one on the first page that is kept, a rejection and a booking that names nobody. The login
// goes with the last of them, and not before.
func TestForgetWhoHasBookedOften(t *testing.T) {
	const booked, waited = 205, 102
	g := newGated(t, api.Options{})
	zoe := g.signIn("/v1/accounts:signUp", fmt.Sprintf(`{"email":"zoe@example.com","password":%q}`, sesame))
	id := strings.TrimPrefix(zoe.Account.Name, "accounts/")
	signsIn := func() string {
		return g.post("anonymous", "SessionService/CreateSession", fmt.Sprintf(`{"email":"zoe@example.com","password":%q}`, sesame))
	}
	cancel := func(name string) {
		t.Helper()
		must[lodgev1.Reservation](t)(g.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: name})))
	}
	waiting := lodgev1connect.NewWaitingListServiceClient(g.client, g.server.URL)
	for range waited {
		entry := g.wait(&lodgev1.Guest{GuestId: id, DisplayName: "Zoe", Adults: 1})
		must[lodgev1.WaitingListEntry](t)(waiting.LeaveWaitingList(t.Context(), connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: entry})))
	}
	reserve := func(in int, guest *lodgev1.Guest) string {
		req := stay(in, in+1)
		req.Reservation.Guest = guest
		r, _ := g.reserve(req)
		return r.GetName()
	}
	expected := reserve(1, &lodgev1.Guest{GuestId: id, DisplayName: "Zoe", Adults: 1})
	for range booked {
		cancel(reserve(2, &lodgev1.Guest{GuestId: id, DisplayName: "Zoe", Adults: 1}))
	}
	nameless := reserve(3, &lodgev1.Guest{GuestId: id, Adults: 1})
	full := stay(40, 41)
	full.Reservation.Guest = &lodgev1.Guest{GuestId: id, DisplayName: "Zoe", Adults: 1}
	if _, err := g.reservations.CreateReservation(t.Context(), connect.NewRequest(full)); reasonOf(err) != "SOLD_OUT" {
		t.Fatalf("where nothing is sold: %v", err)
	}

	if forgotten, kept, pages := g.forgetAccount(zoe.AccessToken, id); forgotten != booked+waited+1 || strings.Join(kept, " ") != expected+" "+nameless || pages != 5 {
		t.Errorf("%d bookings were forgotten and %q kept on %d pages", forgotten, kept, pages)
	}
	if got := signsIn(); got != "" {
		t.Errorf("who is expected cannot sign in: %q", got)
	}
	cancel(nameless)
	if forgotten, kept, pages := g.forgetAccount(zoe.AccessToken, id); forgotten != 1 || len(kept) != 1 || pages != 2 {
		t.Errorf("then %d bookings were forgotten and %q kept on %d pages", forgotten, kept, pages)
	}
	cancel(expected)
	if forgotten, kept, pages := g.forgetAccount(zoe.AccessToken, id); forgotten != 1 || len(kept) != 0 || pages != 2 {
		t.Errorf("at last %d bookings were forgotten and %q kept on %d pages", forgotten, kept, pages)
	}
	if got := signsIn(); got != "INVALID_CREDENTIALS" {
		t.Errorf("who is forgotten signs in: %q", got)
	}
	left, _ := must[lodgev1.ListReservationsResponse](t)(g.reservations.ListReservations(t.Context(), connect.NewRequest(&lodgev1.ListReservationsRequest{Parent: "hotels/-", GuestId: id})))
	if len(left.GetReservations()) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestForgettingRightBehindAPayment: why somebody paid is forgotten, too, when the read model of payments is behind that of bookings.
func TestForgettingRightBehindAPayment(t *testing.T) {
	g := newGated(t, api.Options{})
	var names []string
	for range 4 {
		name := g.book("ritz", "ada")
		if got := g.post("admin", "PaymentService/PayReservation", fmt.Sprintf(`{"name":%q,"paymentMethod":"tok_approve"}`, name), api.HeaderReason, "Augusta asked me to"); got != "" {
			t.Fatal(got)
		}
		if got := g.post("admin", forgetCall, fmt.Sprintf(`{"name":%q,"force":true}`, name)); got != "" {
			t.Fatal(got)
		}
		names = append(names, name)
	}
	g.settle()
	for _, name := range names {
		events, _ := must[lodgev1.ListReservationEventsResponse](t)(g.reservations.ListReservationEvents(t.Context(), connect.NewRequest(&lodgev1.ListReservationEventsRequest{Parent: name})))
		if len(events.GetEvents()) < 2 || strings.Contains(events.String(), "Augusta") {
			t.Errorf("of %s there are %v", name, events)
		}
	}
}
