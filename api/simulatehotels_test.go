package api_test

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// simulateHotels reads a simulation to its end.
func (s *stack) simulateHotels(req *connect.Request[lodgev1.SimulateHotelsRequest]) (all []*lodgev1.SimulateHotelsResponse, err error) {
	s.Helper()
	stream, err := s.proofs().SimulateHotels(context.Background(), req)
	if err != nil {
		s.Fatal(err)
	}
	for stream.Receive() {
		all = append(all, proto.CloneOf(stream.Msg()))
	}
	err = stream.Err()
	if closed := stream.Close(); closed != nil && err == nil {
		s.Error(closed)
	}
	return all, err
}

// seedChain makes three hotels, of which one counts in dollars, with more guests than rooms.
func (s *stack) seedChain() {
	s.Helper()
	ctx := context.Background()
	s.seedHotel("ritz", "Lisbon", 2)
	s.seedHotel("savoy", "London", 1)
	must[lodgev1.Hotel](s)(s.hotels.CreateHotel(ctx, connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: "plaza", Hotel: &lodgev1.Hotel{
		DisplayName: "Plaza", TimeZone: "America/New_York", CurrencyCode: "USD",
	}})))
	must[lodgev1.Hotel](s)(s.hotels.CreateHotel(ctx, connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: "gone", Hotel: &lodgev1.Hotel{
		DisplayName: "Gone", TimeZone: "UTC", CurrencyCode: "EUR",
	}})))
	must[lodgev1.Hotel](s)(s.hotels.ArchiveHotel(ctx, connect.NewRequest(&lodgev1.ArchiveHotelRequest{Name: "hotels/gone"})))
	reserve := func(from, to int) {
		for _, hotel := range []string{"ritz", "savoy"} {
			req := stay(from, to)
			req.Parent, req.Reservation.RoomType = "hotels/"+hotel, "hotels/"+hotel+"/roomTypes/double"
			placed, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
			if reasonOf(err) == "SOLD_OUT" {
				continue
			}
			if err == nil { // so that no hold ends while somebody looks
				_, err = s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.Msg.GetName()}))
			}
			if err != nil {
				s.Fatal(err)
			}
		}
	}
	for i := range 4 {
		reserve(0, 1+i%2)
	}
	s.clock.advance(72 * time.Hour)
	reserve(5, 6) // history goes to the latest event
	s.settle()
}

// The sums are those of what each hotel has alone, by currency, and each hotel's answer is that of a simulation of it.
func TestSimulateHotels(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seedChain()
	req := &lodgev1.SimulateHotelsRequest{All: true, Overbooking: &lodgev1.SimulateHotelsRequest_OverbookingLimit{OverbookingLimit: 1}}
	all, err := s.simulateHotels(connect.NewRequest(req))
	if err != nil || len(all) != 4 || all[3].GetHotel() != nil || all[3].GetDoneCount() != 3 || len(all[3].GetSums()) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	requests, turnaways, revenue := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for i, m := range all[:3] {
		if m.GetHotelCount() != 3 || m.GetDoneCount() != int32(i+1) || len(m.GetSums()) != 0 {
			t.Errorf("%v", m)
		}
		alone, err := s.proofs().SimulateOverbooking(t.Context(), connect.NewRequest(&lodgev1.SimulateOverbookingRequest{
			Name: m.GetHotel().GetHotel(), Overbooking: &lodgev1.SimulateOverbookingRequest_OverbookingLimit{OverbookingLimit: 1},
		}))
		if err != nil || !proto.Equal(alone.Msg, m.GetHotel().GetResult()) {
			t.Errorf("%v, alone %v %v", m, alone, err)
			continue
		}
		total := alone.Msg.GetScenario().GetTotal()
		currency := total.GetRevenue().GetCurrencyCode()
		requests[currency] += total.GetRequestCount()
		turnaways[currency] += alone.Msg.GetBaseline().GetTotal().GetTurnawayCount()
		revenue[currency] += nanosOf(total.GetRevenue())
	}
	for _, sum := range all[3].GetSums() {
		c := sum.GetCurrencyCode()
		if sum.GetScenario().GetRequestCount() != requests[c] || sum.GetBaseline().GetTurnawayCount() != turnaways[c] || nanosOf(sum.GetScenario().GetRevenue()) != revenue[c] {
			t.Errorf("%v, not %d, %d, %d", sum, requests[c], turnaways[c], revenue[c])
		}
	}
	if requests["EUR"] != 8 || turnaways["EUR"] == 0 || all[3].GetSums()[0].GetHotelCount() != 2 {
		t.Errorf("%v %v: too little has happened to tell", requests, turnaways)
	}
}

// What is wrong with one hotel is its answer; what is wrong with the question is refused.
func TestSimulateHotelsThatCannotBe(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seedChain()
	all, err := s.simulateHotels(connect.NewRequest(&lodgev1.SimulateHotelsRequest{
		Hotels: []string{"hotels/plaza", "hotels/nowhere", "hotels/ritz"}, WalkCost: &money.Money{CurrencyCode: "EUR", Units: 90},
	}))
	if err != nil || len(all) != 4 || all[0].GetHotel().GetFailureReason() != "CURRENCY_MISMATCH" || all[1].GetHotel().GetFailureReason() != "HOTEL_NOT_FOUND" ||
		all[2].GetHotel().GetResult() == nil || len(all[3].GetSums()) != 1 || all[3].GetSums()[0].GetHotelCount() != 1 {
		t.Errorf("%v %v", all, err)
	}
	for name, bad := range map[string]struct {
		req    *lodgev1.SimulateHotelsRequest
		reason string
	}{
		"none":          {&lodgev1.SimulateHotelsRequest{}, "INVALID_ARGUMENT"},
		"both":          {&lodgev1.SimulateHotelsRequest{All: true, Hotels: []string{"hotels/ritz"}}, "INVALID_ARGUMENT"},
		"twice":         {&lodgev1.SimulateHotelsRequest{Hotels: []string{"hotels/ritz", "hotels/ritz"}}, "INVALID_ARGUMENT"},
		"no name":       {&lodgev1.SimulateHotelsRequest{Hotels: []string{"hotels/ritz", "savoy"}}, "INVALID_ID"},
		"below nothing": {&lodgev1.SimulateHotelsRequest{All: true, Overbooking: &lodgev1.SimulateHotelsRequest_OverbookingPercent{OverbookingPercent: -1}}, "INVALID_ARGUMENT"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := s.simulateHotels(connect.NewRequest(bad.req))
			if len(all) != 0 || connect.CodeOf(err) != connect.CodeInvalidArgument || reasonOf(err) != bad.reason {
				t.Errorf("%v %v %s", all, err, reasonOf(err))
			}
		})
	}
}

// Staff may ask about their own hotels, by name.
func TestWhoMaySimulateHotels(t *testing.T) {
	s := newStack(t, api.Options{AuthRequired: true})
	s.seedChain()
	staff := s.token(access.Token{Role: access.Staff, Hotels: []string{"ritz", "savoy"}})
	client := s.client.Transport.(*bearer)
	admin := client.secret
	defer func() { client.secret = admin }()
	client.secret = staff
	for _, c := range []struct {
		req  *lodgev1.SimulateHotelsRequest
		want connect.Code
	}{
		{&lodgev1.SimulateHotelsRequest{Hotels: []string{"hotels/ritz", "hotels/savoy"}}, 0},
		{&lodgev1.SimulateHotelsRequest{Hotels: []string{"hotels/ritz", "hotels/plaza"}}, connect.CodePermissionDenied},
		{&lodgev1.SimulateHotelsRequest{All: true}, connect.CodePermissionDenied},
	} {
		_, err := s.simulateHotels(connect.NewRequest(c.req))
		if c.want == 0 && err != nil || c.want != 0 && connect.CodeOf(err) != c.want {
			t.Errorf("%v: %v", c.req, err)
		}
	}
}
