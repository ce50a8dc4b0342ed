package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

func TestReservationLives(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	ctx := context.Background()
	placed, position := s.reserve(stay(1, 3))
	if placed.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING || placed.GetTotal().GetUnits() != 200 || len(placed.GetNightlyAmounts()) != 2 {
		t.Fatalf("placed %v", placed)
	}
	read, _ := must[lodgev1.Reservation](t)(s.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{Name: placed.GetName(), MinPosition: position})))
	if !proto.Equal(read, placed) {
		t.Errorf("read %v, placed %v", read, placed)
	}
	paid, _ := must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName()})))
	if paid.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || paid.GetGuest().GetGuestId() != "ada" {
		t.Errorf("paid %v", paid)
	}
	cancel := connect.NewRequest(&lodgev1.CancelReservationRequest{
		Name: placed.GetName(), Reason: lodgev1.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST, Note: "burst pipe",
	})
	canceled, position := must[lodgev1.Reservation](t)(s.reservations.CancelReservation(ctx, cancel))
	if canceled.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED || canceled.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST || canceled.GetNote() != "burst pipe" {
		t.Errorf("canceled %v", canceled)
	}
	_, err := s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName()}))
	expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")

	var types []string
	req := &lodgev1.ListReservationEventsRequest{Parent: placed.GetName(), PageSize: 2, MinPosition: position}
	for {
		page, _ := must[lodgev1.ListReservationEventsResponse](t)(s.reservations.ListReservationEvents(ctx, connect.NewRequest(req)))
		for _, e := range page.GetEvents() {
			types = append(types, e.GetType())
			if m, err := e.GetData().UnmarshalNew(); err != nil || m.(interface{ GetHotelId() string }).GetHotelId() != "ritz" {
				t.Errorf("data of %v: %v", e, err)
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if want := []string{"lodge.reservation.placed.v1", "lodge.reservation.paid.v1", "lodge.reservation.canceled.v1"}; !slices.Equal(types, want) {
		t.Errorf("history %v, want %v", types, want)
	}
}

func TestNoShowAndMinimalAnswers(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	ctx := context.Background()
	placed, _ := s.reserve(stay(1, 3))
	early := &lodgev1.MarkNoShowRequest{Name: placed.GetName()}
	_, err := s.reservations.MarkNoShow(ctx, connect.NewRequest(early))
	expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")
	confirm := connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName()})
	confirm.Header().Set(api.HeaderPrefer, "return=minimal")
	paid, _ := must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(ctx, confirm))
	if paid.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || paid.GetQuantity() != 1 || paid.GetTotal() != nil {
		t.Errorf("minimal %v", paid)
	}
	s.clock.advance(24 * time.Hour)
	missed, _ := must[lodgev1.Reservation](t)(s.reservations.MarkNoShow(ctx, connect.NewRequest(early)))
	if missed.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_NO_SHOW || missed.GetTotal().GetUnits() != 200 {
		t.Errorf("missed %v", missed)
	}
}

func TestSoldOutNamesTheNights(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	s.reserve(stay(2, 4))
	_, err := s.reservations.CreateReservation(context.Background(), connect.NewRequest(stay(1, 5)))
	expect(t, err, connect.CodeFailedPrecondition, "SOLD_OUT", "")
	info := detail[*errdetails.ErrorInfo](err).GetMetadata()
	if info["nights"] != "2026-07-03,2026-07-04" {
		t.Errorf("metadata %v", info)
	}
	r, _ := must[lodgev1.Reservation](t)(s.reservations.GetReservation(context.Background(), connect.NewRequest(&lodgev1.GetReservationRequest{
		Name: info["reservation"], MinPosition: info["position"],
	})))
	if r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_REJECTED || len(r.GetFullNights()) != 2 || r.GetTotal() != nil {
		t.Errorf("rejected %v", r)
	}
}

func TestRetriesGetTheFirstAnswer(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	ctx := context.Background()
	req := stay(1, 2)
	first, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
	if err != nil || first.Header().Get(api.HeaderReplayed) != "" {
		t.Fatal(first, err)
	}
	before := s.eventCount()
	again, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
	if err != nil || !proto.Equal(again.Msg, first.Msg) || again.Header().Get(api.HeaderReplayed) != "true" ||
		again.Header().Get(api.HeaderPosition) != first.Header().Get(api.HeaderPosition) {
		t.Errorf("again %v %v %v", again, again.Header(), err)
	}
	byHeader := proto.Clone(req).(*lodgev1.CreateReservationRequest)
	byHeader.RequestId = ""
	keyed := connect.NewRequest(byHeader)
	keyed.Header().Set(api.HeaderIdempotencyKey, `"`+strings.ToUpper(req.GetRequestId())+`"`)
	if again, err = s.reservations.CreateReservation(ctx, keyed); err != nil || !proto.Equal(again.Msg, first.Msg) {
		t.Errorf("by header %v %v", again, err)
	}
	other := proto.Clone(req).(*lodgev1.CreateReservationRequest)
	other.Reservation.Quantity = 2
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(other))
	expect(t, err, connect.CodeFailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
	differing := connect.NewRequest(req)
	differing.Header().Set(api.HeaderIdempotencyKey, uuid.NewString())
	_, err = s.reservations.CreateReservation(ctx, differing)
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "request_id")
	if n := s.eventCount(); n != before {
		t.Errorf("retries made %d events", n-before)
	}
}

func TestRaceForTheLastRoom(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	var won atomic.Pointer[lodgev1.CreateReservationRequest]
	var wins, losses atomic.Int32
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			req := stay(1, 2)
			_, err := s.reservations.CreateReservation(context.Background(), connect.NewRequest(req))
			switch {
			case err == nil:
				wins.Add(1)
				won.Store(req)
			case reasonOf(err) == "SOLD_OUT":
				losses.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if wins.Load() != 1 || losses.Load() != 99 {
		t.Fatalf("%d won, %d lost", wins.Load(), losses.Load())
	}
	s.reserve(won.Load())
}

func TestListReservations(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(50)
	s.seedHotel("plaza", "Porto", 50)
	var position string
	for i := range 7 {
		req := stay(1+i%3, 4)
		if i%2 == 1 {
			req.Reservation.Guest.GuestId = "bob"
		}
		_, position = s.reserve(req)
	}
	elsewhere := stay(1, 2)
	elsewhere.Parent, elsewhere.Reservation.RoomType = "hotels/plaza", "hotels/plaza/roomTypes/double"
	_, elsewherePosition := s.reserve(elsewhere)
	list := func(req *lodgev1.ListReservationsRequest) (found []*lodgev1.Reservation) {
		t.Helper()
		for pages := 0; ; pages++ {
			page, _ := must[lodgev1.ListReservationsResponse](t)(s.reservations.ListReservations(context.Background(), connect.NewRequest(req)))
			found = append(found, page.GetReservations()...)
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				return found
			}
			if len(page.GetReservations()) > int(req.GetPageSize()) || pages > 20 {
				t.Fatalf("page %d has %d items", pages, len(page.GetReservations()))
			}
		}
	}
	for _, c := range []struct {
		name string
		req  *lodgev1.ListReservationsRequest
		want int
	}{
		{"hotel", &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageSize: 2, MinPosition: position}, 7},
		{"hotel, one page", &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", MinPosition: position}, 7},
		{"guest at a hotel", &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GuestId: "bob", PageSize: 1, MinPosition: position}, 3},
		{"guest", &lodgev1.ListReservationsRequest{Parent: "hotels/-", GuestId: "ada", PageSize: 2, MinPosition: elsewherePosition}, 5},
		{"arrivals", &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", CheckInStartDate: day(2), CheckInEndDate: day(3), PageSize: 1, MinPosition: position}, 2},
		{"nobody", &lodgev1.ListReservationsRequest{Parent: "hotels/-", GuestId: "eve"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := list(c.req)
			names := map[string]bool{}
			for _, r := range found {
				names[r.GetName()] = true
			}
			if len(found) != c.want || len(names) != c.want {
				t.Errorf("found %d (%d different), want %d", len(found), len(names), c.want)
			}
		})
	}
}

func TestPageTokensBelongToTheirRequest(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(9)
	var position string
	for range 3 {
		_, position = s.reserve(stay(1, 2))
	}
	ctx := context.Background()
	page, _ := must[lodgev1.ListReservationsResponse](t)(s.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{
		Parent: "hotels/ritz", PageSize: 1, MinPosition: position,
	})))
	token := page.GetNextPageToken()
	for i := range token {
		changed := []byte(token)
		changed[i] ^= 1
		_, err := s.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageToken: string(changed)}))
		if reasonOf(err) != "INVALID_PAGE_TOKEN" && i < len(token)-1 { // the last character has spare bits
			t.Errorf("token changed at %d: %v", i, err)
		}
	}
	_, err := s.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GuestId: "ada", PageToken: token}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_PAGE_TOKEN", "page_token")
	if _, err = s.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageSize: 9, PageToken: token})); err != nil {
		t.Errorf("another page size: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(stay(1, 2)))
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Error(err)
	}
	res, err := http.NewRequest(http.MethodPost, s.server.URL+"/lodge.v1.HotelService/GetHotel", strings.NewReader(`{"name":"hotels/ritz"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Set("Content-Type", "application/json")
	res.Header.Set("Connect-Timeout-Ms", "1")
	answer, err := s.client.Do(res)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}
