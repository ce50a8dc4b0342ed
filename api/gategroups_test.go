package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// groupGuest is somebody who books, pays and cancels a group at the ritz: with a token, or by an e-mail address.
type groupGuest struct {
	*front
	reservations lodgev1connect.ReservationServiceClient
	payments     lodgev1connect.PaymentServiceClient
	group        string
}

// sender shows an e-mail address with every request.
type sender struct {
	http.RoundTripper
	email string
}

func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(api.HeaderGuestEmail, s.email)
	return s.RoundTripper.RoundTrip(r)
}

func (s *sender) CloseIdleConnections() { s.RoundTripper.(*http.Transport).CloseIdleConnections() }

func (g *gated) groupGuest(transport http.RoundTripper) *groupGuest {
	client := &http.Client{Transport: transport}
	return &groupGuest{
		front:        frontOf(g.stack),
		reservations: lodgev1connect.NewReservationServiceClient(client, g.server.URL),
		payments:     lodgev1connect.NewPaymentServiceClient(client, g.server.URL),
	}
}

// book reserves two rooms under the plan, for two nights at 80 EUR and a city tax of 2 EUR a night.
func (c *groupGuest) book(in int) (names []string) {
	c.Helper()
	batch := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz"}
	for range 2 {
		req := stay(in, in+2)
		req.RequestId, req.Reservation.RatePlan = "", flexible
		req.Reservation.Guest = &lodgev1.Guest{Email: "ada@example.com", Adults: 1}
		batch.Requests = append(batch.Requests, req)
	}
	answer, _ := must[lodgev1.BatchCreateReservationsResponse](c)(c.reservations.BatchCreateReservations(c.Context(), connect.NewRequest(batch)))
	for _, r := range answer.GetReservations() {
		names = append(names, r.GetName())
	}
	c.group = answer.GetGroupId()
	return names
}

// pay pays for the group; the provider takes the money.
func (c *groupGuest) pay(cents int64) {
	c.Helper()
	answer, _ := must[lodgev1.PayGroupResponse](c)(c.payments.PayGroup(c.Context(), connect.NewRequest(&lodgev1.PayGroupRequest{
		Parent: "hotels/ritz", GroupId: c.group, PaymentMethod: "tok_approve",
	})))
	if len(answer.GetPayments()) != 2 {
		c.Fatalf("payments %v", answer.GetPayments())
	}
	for _, p := range answer.GetPayments() {
		var reservation, payment string
		if _, err := fmt.Sscanf(p.GetName(), "hotels/ritz/reservations/%36s", &reservation); err != nil {
			c.Fatal(err)
		}
		payment = p.GetName()[len(p.GetName())-36:]
		if got := p.GetAmount().GetUnits()*100 + int64(p.GetAmount().GetNanos())/10_000_000; got != cents {
			c.Errorf("%v is asked for, want %d cents", p.GetAmount(), cents)
		}
		c.capture("hotels/ritz/reservations/"+reservation, payment, cents)
	}
	c.settle()
}

func (c *groupGuest) cancel() ([]*lodgev1.Reservation, error) {
	answer, err := c.reservations.CancelGroup(c.Context(), connect.NewRequest(&lodgev1.CancelGroupRequest{Parent: "hotels/ritz", GroupId: c.group}))
	if err != nil {
		return nil, err
	}
	return answer.Msg.GetReservations(), nil
}

// TestGuestsHaveTheirOwnGroup: book, look, pay and cancel, by account and by e-mail address. Each reservation has its own fee, and all end or none.
func TestGuestsHaveTheirOwnGroup(t *testing.T) {
	for name, transport := range map[string]func(*gated) http.RoundTripper{
		"account": func(g *gated) http.RoundTripper { return &bearer{g.plain.Transport, g.secrets["guest"]} },
		"email":   func(g *gated) http.RoundTripper { return &sender{g.plain.Transport, "ADA@example.com"} },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGated(t, api.Options{})
			g.seedPlan()
			guest := g.groupGuest(transport(g))
			names := guest.book(4) // a Sunday
			list, _ := must[lodgev1.ListReservationsResponse](t)(guest.reservations.ListReservations(t.Context(), connect.NewRequest(&lodgev1.ListReservationsRequest{
				Parent: "hotels/ritz", GroupId: guest.group,
			})))
			if len(list.GetReservations()) != 2 {
				t.Errorf("the group: %v", list)
			}
			guest.pay(164_00)
			g.clock.advance(4*24*time.Hour - time.Hour) // the terms' free time is over
			canceled, err := guest.cancel()
			if err != nil || len(canceled) != 2 {
				t.Fatalf("%v, error %v", canceled, err)
			}
			g.settle()
			for _, name := range names {
				r := guest.get(name, 0)
				if a := r.GetAmounts(); r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED || r.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST ||
					a.GetFee().GetUnits() != 80 || a.GetRefundPending().GetUnits() != 84 {
					t.Errorf("canceled: %v", r)
				}
			}
			if _, err := guest.cancel(); reasonOf(err) != "STATUS_CONFLICT" {
				t.Errorf("canceled again: %v", err)
			}
		})
	}
}

// TestNoPartOfAGroupIsCanceled when the guest of one of its reservations is there.
func TestNoPartOfAGroupIsCanceled(t *testing.T) {
	g := newGated(t, api.Options{})
	g.seedPlan()
	guest := g.groupGuest(&bearer{g.plain.Transport, g.secrets["guest"]})
	names := guest.book(0)
	guest.pay(164_00)
	must[lodgev1.Room](t)(guest.rooms.CreateRoom(t.Context(), connect.NewRequest(&lodgev1.CreateRoomRequest{
		Parent: "hotels/ritz", RoomId: "101", Room: &lodgev1.Room{RoomType: ritzDouble, DisplayName: "101"},
	})))
	must[lodgev1.Reservation](t)(guest.stays.CheckInReservation(t.Context(), connect.NewRequest(&lodgev1.CheckInReservationRequest{Name: names[1]})))
	if _, err := guest.cancel(); reasonOf(err) != "STATUS_CONFLICT" {
		t.Fatalf("%v", err)
	}
	g.settle()
	for _, name := range names {
		if r := guest.get(name, 0); r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID {
			t.Errorf("%v", r)
		}
	}
}

// TestGroupsOfOthers: they look like groups that there are not, and so does a group in which one reservation is somebody else's.
func TestGroupsOfOthers(t *testing.T) {
	g := newGated(t, api.Options{})
	g.secrets["eve"] = g.token(access.Token{Role: access.Guest, GuestID: "eve"})
	hers, mixed := g.bookGroup("ritz", "ada", "ada"), g.bookGroup("ritz", "ada", "eve")
	nobodys := `{"parent":"hotels/ritz","groupId":"0190a1b2-0000-7000-8000-00000000dead"}`
	elsewhere := `{"parent":"hotels/savoy"` + hers[len(`{"parent":"hotels/ritz"`):]
	before := g.eventCount()
	for _, call := range []string{"ReservationService/ListReservations", "ReservationService/CancelGroup", "PaymentService/PayGroup"} {
		for _, c := range []struct{ who, body, email, want string }{
			{"eve", hers, "", "NOT_YOURS"}, {"eve", hers, "eve@example.com", "NOT_YOURS"}, {"eve", mixed, "", "NOT_YOURS"}, {"guest", mixed, "", "NOT_YOURS"},
			{"guest", nobodys, "", "NOT_YOURS"}, {"guest", elsewhere, "", "NOT_YOURS"}, {"anonymous", hers, "eve@example.com", "NOT_YOURS"},
			{"anonymous", mixed, "ada@example.com", "NOT_YOURS"}, {"anonymous", nobodys, "ada@example.com", "NOT_YOURS"}, {"anonymous", hers, "", "TOKEN_REQUIRED"},
			{"guest", `{"parent":"hotels/ritz","groupId":"x"}`, "", "INVALID_ID"},
		} {
			var header []string
			if c.email != "" {
				header = []string{api.HeaderGuestEmail, c.email}
			}
			if got := g.post(c.who, call, c.body, header...); got != c.want {
				t.Errorf("%s by %s %s, %s: %q, want %q", call, c.who, c.email, c.body, got, c.want)
			}
		}
	}
	if n := g.eventCount(); n != before {
		t.Errorf("%d events came of it", n-before)
	}
	// Somebody whose account has one of them and whose e-mail address is the other's is the guest of both.
	if got := g.post("guest", "ReservationService/CancelGroup", mixed, api.HeaderGuestEmail, "eve@example.com"); got != "" {
		t.Error(got)
	}
}
