package api_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/dayofweek"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

const double = "hotels/ritz/roomTypes/double"

// TestRestrictionsForbidStays: set, seen in the calendar and in searches, and named by what they refuse.
func TestRestrictionsForbidStays(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	ctx := context.Background()
	set, _ := must[lodgev1.SetRestrictionsResponse](t)(s.inventory.SetRestrictions(ctx, connect.NewRequest(&lodgev1.SetRestrictionsRequest{
		RoomType: double, StartDate: day(0), EndDate: day(14), Weekdays: []dayofweek.DayOfWeek{dayofweek.DayOfWeek_FRIDAY}, // July 3 and 10
		MinStay: proto.Int32(2), ClosedToDeparture: proto.Bool(true),
	})))
	if set.GetNightCount() != 2 {
		t.Errorf("%v", set)
	}
	_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(stay(2, 3)))
	expect(t, err, connect.CodeFailedPrecondition, "RESTRICTED", "")
	info := detail[*errdetails.ErrorInfo](err).GetMetadata()
	if info["nights"] != "2026-07-03" || info["restrictions"] != "MIN_STAY(2):2026-07-03" {
		t.Errorf("metadata %v", info)
	}
	r, _ := must[lodgev1.Reservation](t)(s.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{
		Name: info["reservation"], MinPosition: info["position"],
	})))
	want := []*lodgev1.BrokenRestriction{{Restriction: lodgev1.Restriction_RESTRICTION_MIN_STAY, Limit: 2}}
	want[0].Nights = append(want[0].Nights, day(2))
	if r.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_RESTRICTED || len(r.GetBrokenRestrictions()) != 1 || !proto.Equal(r.GetBrokenRestrictions()[0], want[0]) {
		t.Errorf("rejected %v", r)
	}
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(stay(0, 2)))
	expect(t, err, connect.CodeFailedPrecondition, "RESTRICTED", "")
	s.reserve(stay(2, 4))
	s.settle()
	for nights, offers := range map[[2]int]int{{2, 3}: 0, {0, 2}: 0, {2, 4}: 1, {1, 4}: 1} {
		found, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(ctx, connect.NewRequest(&lodgev1.SearchHotelsRequest{
			City: "Lisbon", CheckInDate: day(nights[0]), CheckOutDate: day(nights[1]),
		})))
		if len(found.GetOffers()) != offers {
			t.Errorf("%v: %v", nights, found)
		}
	}
	seen, _ := must[lodgev1.Availability](t)(s.availability.GetAvailability(ctx, connect.NewRequest(&lodgev1.GetAvailabilityRequest{
		Hotel: "hotels/ritz", StartDate: day(1), EndDate: day(3),
	})))
	calendar := seen.GetRoomTypes()[0].GetNights()
	if calendar[0].GetRestrictions() != nil || !proto.Equal(calendar[1].GetRestrictions(), &lodgev1.StayRestrictions{MinStay: 2, ClosedToDeparture: true}) {
		t.Errorf("%v", calendar)
	}
}

// TestOverbookingByPercent: the limit follows the count of rooms.
func TestOverbookingByPercent(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	path, night := "/v1/"+double, `{"startDate":{"year":2026,"month":7,"day":2},"endDate":{"year":2026,"month":7,"day":3},`
	for _, c := range []struct {
		method, more string
		status       int
	}{
		{":setInventory", `"overbookingPercent":25}`, http.StatusOK},
		{":setInventory", `"overbookingPercent":25,"overbookingLimit":1}`, http.StatusBadRequest},
		{":setRestrictions", `"weekdays":["MONDAY"],"stopSell":true}`, http.StatusBadRequest}, // a Thursday
		{":setRestrictions", `"weekdays":["THURSDAY"],"stopSell":false}`, http.StatusOK},
		{":setRestrictions", `"weekdays":["DAY_OF_WEEK_UNSPECIFIED"],"stopSell":true}`, http.StatusBadRequest},
	} {
		if status, answer := s.fetch("POST", path+c.method, night+c.more); status != c.status {
			t.Errorf("%s %s: %d %v", c.method, c.more, status, answer)
		}
	}
	s.settle()
	seen, _ := must[lodgev1.ListInventoryResponse](t)(s.inventory.ListInventory(context.Background(), connect.NewRequest(&lodgev1.ListInventoryRequest{
		Parent: double, StartDate: day(1), EndDate: day(2),
	})))
	if n := seen.GetNights()[0]; n.GetOverbookingLimit() != 2 || n.GetOverbookingPercent() != 25 || n.GetSellableCount() != 12 || n.GetRestrictions() != nil {
		t.Errorf("%v", n)
	}
}
