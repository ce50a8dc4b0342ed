package api_test

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// lists asks for lists as they are, or were: each page by page, put together.
func (a *tale) lists(at *timestamppb.Timestamp, position string) (all []proto.Message) {
	a.Helper()
	for _, req := range []*lodgev1.ListReservationsRequest{
		{},
		{GuestId: "ada"}, {GuestId: "guest3"},
		{CheckInStartDate: day(2), CheckInEndDate: day(5)},
		{StayList: lodgev1.StayList_STAY_LIST_ARRIVALS, StayDate: day(1)}, {StayList: lodgev1.StayList_STAY_LIST_ARRIVALS},
		{StayList: lodgev1.StayList_STAY_LIST_DEPARTURES, StayDate: day(4)}, {StayList: lodgev1.StayList_STAY_LIST_DEPARTURES},
		{StayList: lodgev1.StayList_STAY_LIST_IN_HOUSE}, {StayList: lodgev1.StayList_STAY_LIST_IN_HOUSE, StayDate: day(3)},
		{GroupId: a.group},
		{Statuses: []lodgev1.ReservationStatus{lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING}}, {GuestQuery: "ada"},
		{GuestQuery: "gast", Statuses: []lodgev1.ReservationStatus{lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING, lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED}},
		{GuestQuery: "ada", StayList: lodgev1.StayList_STAY_LIST_IN_HOUSE}, {GuestQuery: "3", CheckInStartDate: day(2)}, {GuestQuery: "ada", GroupId: a.group},
	} {
		req.Parent = "hotels/ritz"
		req.PageSize = 3
		all = append(all, told(a, a.reservations.ListReservations, then(req, at, position)))
	}
	if position == "" { // a position is of one partition
		all = append(all, told(a, a.hotels.ListHotels, then(&lodgev1.ListHotelsRequest{PageSize: 1}, at, "")))
	}
	return all
}

// begin makes rooms to stay in, and a group of reservations.
func (a *tale) begin() {
	a.Helper()
	ctx := context.Background()
	for _, id := range []string{"101", "102", "103"} {
		must[lodgev1.Room](a)(a.rooms.CreateRoom(ctx, connect.NewRequest(&lodgev1.CreateRoomRequest{Parent: "hotels/ritz", RoomId: id, Room: &lodgev1.Room{RoomType: ritzDouble, DisplayName: id}})))
	}
	must[lodgev1.RatePlan](a)(a.rates.CreateRatePlan(ctx, connect.NewRequest(&lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: "plan0", RatePlan: &lodgev1.RatePlan{DisplayName: "Plan", IncludedGuests: 2}})))
	must[lodgev1.SetRatesResponse](a)(a.rates.SetRates(ctx, connect.NewRequest(&lodgev1.SetRatesRequest{
		RatePlan: "hotels/ritz/ratePlans/plan0", RoomType: ritzDouble, StartDate: day(0), EndDate: day(30), NightlyRate: euros(90),
	})))
	a.group = uuid.NewString()
	group := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", GroupId: a.group}
	for _, to := range []int{3, 4} {
		req := stay(1, to)
		req.RequestId, req.ReservationId = "", uuid.NewString()
		group.Requests = append(group.Requests, req)
		a.names = append(a.names, "hotels/ritz/reservations/"+req.GetReservationId())
	}
	must[lodgev1.BatchCreateReservationsResponse](a)(a.reservations.BatchCreateReservations(ctx, connect.NewRequest(group)))
	for _, to := range []int{1, 2, 2} {
		r, _ := a.reserve(stay(0, to))
		must[lodgev1.Reservation](a)(a.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: r.GetName()})))
		a.arriving = append(a.arriving, r.GetName())
	}
}

// stayOver has guests arrive and leave, whom the day allows to.
func (a *tale) stayOver() error {
	ctx := context.Background()
	if a.arrived == len(a.arriving) && a.arrived == a.left {
		return nil
	}
	if a.arrived > a.left && (a.n(2) == 0 || a.arrived == len(a.arriving)) {
		_, err := a.stays.CheckOutReservation(ctx, connect.NewRequest(&lodgev1.CheckOutReservationRequest{Name: a.arriving[a.left]}))
		if err == nil {
			a.left++
		}
		return err
	}
	_, err := a.stays.CheckInReservation(ctx, connect.NewRequest(&lodgev1.CheckInReservationRequest{Name: a.arriving[a.arrived]}))
	if err == nil {
		a.arrived++
	}
	return err
}

func TestListsThatHaveNoPast(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(3)
	_, position := s.reserve(stay(1, 2))
	now := timestamppb.New(s.clock.now())
	_, err := s.reservations.ListReservations(t.Context(), connect.NewRequest(&lodgev1.ListReservationsRequest{
		Parent: "hotels/-", GuestId: "ada", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: now},
	}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "parent")
	_, err = s.availability.SearchHotels(t.Context(), connect.NewRequest(&lodgev1.SearchHotelsRequest{City: "Lisbon", CheckInDate: day(1), CheckOutDate: day(2), AsOfTime: now}))
	expect(t, err, connect.CodeInvalidArgument, "AS_OF_UNSUPPORTED", "as_of_time")

	// A token is of its moment.
	s.reserve(stay(1, 2))
	req := &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageSize: 1, AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: now}}
	page, _ := must[lodgev1.ListReservationsResponse](t)(s.reservations.ListReservations(t.Context(), connect.NewRequest(req)))
	if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
		t.Fatal("there are two reservations, and no second page")
	}
	req.AsOf = &lodgev1.ListReservationsRequest_AsOfPosition{AsOfPosition: position}
	_, err = s.reservations.ListReservations(t.Context(), connect.NewRequest(req))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_PAGE_TOKEN", "page_token")
	for _, bad := range []*lodgev1.ListReservationsRequest{
		{AsOf: &lodgev1.ListReservationsRequest_AsOfPosition{}},
		{AsOf: &lodgev1.ListReservationsRequest_AsOfPosition{AsOfPosition: "bookings/9@9"}},
	} {
		bad.Parent = "hotels/ritz"
		_, err = s.reservations.ListReservations(t.Context(), connect.NewRequest(bad))
		expect(t, err, connect.CodeInvalidArgument, "INVALID_POSITION", "as_of_position")
	}
}
