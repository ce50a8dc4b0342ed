package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

const (
	pending  = lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING
	paid     = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
	canceled = lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED
)

// desk is a hotel and what those who stay there are called.
type desk struct {
	*stack
	who   map[string]string // by name of the reservation
	pages int               // of the last list
	empty int               // of those, pages without a reservation that have a next one
}

func newDesk(t *testing.T, opts api.Options) *desk {
	d := &desk{stack: newStack(t, opts), who: map[string]string{}}
	d.seed(100)
	return d
}

// book reserves a stay for somebody.
func (d *desk) book(name, email string, in, out int) (reservation string) {
	d.Helper()
	req := stay(in, out)
	req.Reservation.Guest = &lodgev1.Guest{DisplayName: name, Email: email, Adults: 1}
	r, _ := d.reserve(req)
	d.who[r.GetName()] = name
	return r.GetName()
}

// found returns the names of those whom a list has, page by page, joined.
func (d *desk) found(req *lodgev1.ListReservationsRequest) string {
	d.Helper()
	req.Parent = "hotels/ritz"
	var names []string
	d.pages, d.empty = 0, 0
	for {
		page, _ := must[lodgev1.ListReservationsResponse](d)(d.reservations.ListReservations(context.Background(), connect.NewRequest(req)))
		for _, r := range page.GetReservations() {
			names = append(names, d.who[r.GetName()])
		}
		d.pages++
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return strings.Join(names, "; ")
		}
		if len(page.GetReservations()) == 0 {
			d.empty++
		}
	}
}

func TestGuestsAreFound(t *testing.T) {
	d := newDesk(t, api.Options{})
	d.book("Ada Lovelace", "ada.lovelace@example.com", 1, 2)
	d.book("Łukasz Żółć", "LUKASZ@example.PL", 2, 3)
	d.book("Seán O’Brien-Müller", "sean@Example.com", 3, 4)
	d.book("山田 太郎", "", 4, 5)
	d.book("ada", "a@b.example", 5, 6)
	d.book("", "", 6, 7)
	d.settle()
	for _, c := range []struct{ query, want string }{
		{"Lovelace", "Ada Lovelace"},
		{"LOVE  ada", "Ada Lovelace"},
		{"lace", "Ada Lovelace"},
		{"ADA", "Ada Lovelace; ada"},
		{"ada lukasz", ""},
		{"lukasz zolc", "Łukasz Żółć"},
		{"ŻÓŁĆ", "Łukasz Żółć"},
		{"o'brien", "Seán O’Brien-Müller"},
		{"muller, sean", "Seán O’Brien-Müller"},
		{"太郎", "山田 太郎"},
		{"ada.lovelace@example.com", "Ada Lovelace"},
		{"Ada.Lovelace@EXAMPLE.com", "Ada Lovelace"},
		{"@example.com", "Ada Lovelace; Seán O’Brien-Müller"},
		{"lukasz@", "Łukasz Żółć"},
		{"ada @b.", "ada"},
		{"example", ""}, // of an address, not of a name
		{"1 2 3 4 5 6 7 8", ""},
	} {
		if got := d.found(&lodgev1.ListReservationsRequest{GuestQuery: c.query}); got != c.want {
			t.Errorf("%q finds %q, want %q", c.query, got, c.want)
		}
	}
	for _, c := range []struct {
		req   *lodgev1.ListReservationsRequest
		field string
	}{
		{&lodgev1.ListReservationsRequest{GuestQuery: " .,-' "}, "guest_query"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "1 2 3 4 5 6 7 8 9@"}, "guest_query"},
		{&lodgev1.ListReservationsRequest{GuestQuery: strings.Repeat("a", 321)}, "guest_query"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "--", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: timestamppb.New(noon)}}, "guest_query"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "ada", Parent: "hotels/-", GuestId: "ada"}, "guest_query"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{paid}, Parent: "hotels/-", GuestId: "ada"}, "statuses"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{paid, paid}}, "statuses"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{0}}, "statuses[0]"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{paid, 77}}, "statuses[1]"},
	} {
		if c.req.GetParent() == "" {
			c.req.Parent = "hotels/ritz"
		}
		_, err := d.reservations.ListReservations(t.Context(), connect.NewRequest(c.req))
		expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", c.field)
	}
}

// TestStatusesAndGuestsGoWithEveryList: they narrow whatever list is asked for.
func TestStatusesAndGuestsGoWithEveryList(t *testing.T) {
	d := newDesk(t, api.Options{})
	d.book("Ada Pending", "", 1, 3)
	ended := d.book("Ada Canceled", "", 1, 3)
	here := d.book("Bob Paid", "", 1, 2)
	must[lodgev1.Reservation](t)(d.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: ended})))
	must[lodgev1.Reservation](t)(d.reservations.ConfirmReservation(t.Context(), connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: here})))
	d.settle()
	statuses := func(s ...lodgev1.ReservationStatus) []lodgev1.ReservationStatus { return s }
	for _, c := range []struct {
		req  *lodgev1.ListReservationsRequest
		want []string
	}{
		{&lodgev1.ListReservationsRequest{Statuses: statuses(pending)}, []string{"Ada Pending"}},
		{&lodgev1.ListReservationsRequest{Statuses: statuses(paid, canceled)}, []string{"Ada Canceled", "Bob Paid"}},
		{&lodgev1.ListReservationsRequest{Statuses: statuses(canceled), GuestQuery: "ada"}, []string{"Ada Canceled"}},
		{&lodgev1.ListReservationsRequest{StayList: lodgev1.StayList_STAY_LIST_ARRIVALS, StayDate: day(1), GuestQuery: "ada"}, []string{"Ada Pending"}},
		{&lodgev1.ListReservationsRequest{StayList: lodgev1.StayList_STAY_LIST_DEPARTURES, StayDate: day(2), Statuses: statuses(paid)}, []string{"Bob Paid"}},
		{&lodgev1.ListReservationsRequest{CheckInStartDate: day(1), CheckInEndDate: day(2), GuestQuery: "bob"}, []string{"Bob Paid"}},
		{&lodgev1.ListReservationsRequest{CheckInStartDate: day(2), GuestQuery: "bob"}, nil},
		{&lodgev1.ListReservationsRequest{GuestId: "nobody", GuestQuery: "bob"}, nil},
	} {
		got := strings.Split(d.found(c.req), "; ")
		slices.Sort(got)
		if want := strings.Join(c.want, "; "); strings.Join(got, "; ") != want {
			t.Errorf("%v has %q, want %q", c.req, got, want)
		}
	}
}

// TestSearchesReachBackNinetyDays: who came since may be there still; further back goes who says so.
func TestSearchesReachBackNinetyDays(t *testing.T) {
	d := newDesk(t, api.Options{})
	d.book("Old Ada", "", 1, 2)
	d.book("Ada", "", 2, 3)
	then := timestamppb.New(d.clock.now())
	d.clock.advance(91 * 24 * time.Hour) // the first to have come on the second of July is still looked at
	d.settle()
	if got := d.found(&lodgev1.ListReservationsRequest{GuestQuery: "ada"}); got != "Old Ada; Ada" {
		t.Errorf("after 91 days: %q", got)
	}
	d.clock.advance(24 * time.Hour)
	for _, c := range []struct {
		req  *lodgev1.ListReservationsRequest
		want string
	}{
		{&lodgev1.ListReservationsRequest{GuestQuery: "ada"}, "Ada"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "ada", CheckInStartDate: day(-100)}, "Old Ada; Ada"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "ada", CheckInEndDate: day(2)}, "Old Ada"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "ada", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: then}}, "Old Ada; Ada"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{canceled, pending}}, "Old Ada; Ada"},
	} {
		if got := d.found(c.req); got != c.want {
			t.Errorf("%v has %q, want %q", c.req, got, c.want)
		}
	}
}

// TestShortPages: what a page looks at is bounded, and who goes on finds everybody once. A token is of its filter.
func TestShortPages(t *testing.T) {
	d := newDesk(t, api.Options{ListLookMax: 3})
	var want []string
	for i := range 20 {
		name := "Bob"
		if i%9 == 8 {
			name = fmt.Sprint("Ada ", i)
			want = append(want, name)
		}
		d.book(name, "", 1+i, 2+i)
	}
	d.settle()
	then := timestamppb.New(d.clock.now())
	for _, req := range []*lodgev1.ListReservationsRequest{
		{GuestQuery: "ada"}, {GuestQuery: "ada", PageSize: 1},
		{GuestQuery: "ada", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: then}},
	} {
		if got := d.found(req); got != strings.Join(want, "; ") || d.pages != 7 || d.empty != 4 {
			t.Errorf("%v has %q, want %q; %d pages, %d empty", req, got, want, d.pages, d.empty)
		}
	}
	if d.found(&lodgev1.ListReservationsRequest{}); d.pages != 1 {
		t.Errorf("%d pages of a list that leaves nobody out", d.pages)
	}
	first := &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GuestQuery: "ada", Statuses: []lodgev1.ReservationStatus{pending}}
	page, _ := must[lodgev1.ListReservationsResponse](t)(d.reservations.ListReservations(t.Context(), connect.NewRequest(first)))
	for _, other := range []*lodgev1.ListReservationsRequest{
		{}, {GuestQuery: "ada"}, {GuestQuery: "Ada", Statuses: first.GetStatuses()}, {GuestQuery: "ada", Statuses: []lodgev1.ReservationStatus{paid}},
	} {
		other.Parent, other.PageToken = "hotels/ritz", page.GetNextPageToken()
		_, err := d.reservations.ListReservations(t.Context(), connect.NewRequest(other))
		expect(t, err, connect.CodeInvalidArgument, "INVALID_PAGE_TOKEN", "page_token")
	}
}

// TestWhoIsForgottenIsNotFound: not now, and not as of the time when there was a name.
func TestWhoIsForgottenIsNotFound(t *testing.T) {
	d := newDesk(t, api.Options{})
	name := d.book("Ada", "ada@example.com", 1, 2)
	d.book("Ada too", "too@example.com", 2, 3)
	must[lodgev1.Reservation](t)(d.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: name})))
	d.settle()
	then := timestamppb.New(d.clock.now())
	if got := d.found(&lodgev1.ListReservationsRequest{GuestQuery: "@example.com"}); got != "Ada; Ada too" {
		t.Fatalf("before: %q", got)
	}
	d.clock.advance(time.Second)
	guests := lodgev1connect.NewGuestServiceClient(d.client, d.server.URL)
	must[lodgev1.ForgetGuestResponse](t)(guests.ForgetGuest(t.Context(), connect.NewRequest(&lodgev1.ForgetGuestRequest{Name: name})))
	d.settle()
	for _, c := range []struct {
		req  *lodgev1.ListReservationsRequest
		want string
	}{
		{&lodgev1.ListReservationsRequest{GuestQuery: "@example.com"}, "Ada too"},
		{&lodgev1.ListReservationsRequest{GuestQuery: "@example.com", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: then}}, "Ada too"},
		{&lodgev1.ListReservationsRequest{Statuses: []lodgev1.ReservationStatus{canceled}}, "Ada"},
	} {
		if got := d.found(c.req); got != c.want {
			t.Errorf("%v has %q, want %q", c.req, got, c.want)
		}
	}
}

// TestWhoMaySearchForGuests: the hotel may; guests may list their own by status, and search for nobody.
func TestWhoMaySearchForGuests(t *testing.T) {
	g := newGated(t, api.Options{})
	g.secrets["savoy"] = g.token(access.Token{Role: access.Staff, Hotels: []string{"savoy"}})
	callers := append(slices.Clone(everybody), "savoy")
	const list = "ReservationService/ListReservations"
	for _, c := range []struct{ want, body string }{
		{"tfyyyh", `{"parent":"hotels/ritz","guestQuery":"ada"}`},
		{"tfyyyh", `{"parent":"hotels/ritz","guestQuery":"ada","guestId":"ada"}`},
		{"tfyyyh", `{"parent":"hotels/ritz","guestQuery":"ada","groupId":"0190a1b2-0000-7000-8000-000000000001"}`},
		{"tfhyyy", `{"parent":"hotels/savoy","guestQuery":"@example.com"}`},
		{"tyyyyh", `{"parent":"hotels/ritz","guestId":"ada","statuses":["RESERVATION_STATUS_PENDING"]}`},
		{"tfyyyh", `{"parent":"hotels/ritz","statuses":["RESERVATION_STATUS_PENDING"]}`},
	} {
		for i, who := range callers {
			if got, want := g.post(who, list, c.body), outcomes[rune(c.want[i])]; got != want {
				t.Errorf("%s by %s: %q, want %q", c.body, who, got, want)
			}
		}
	}
}
