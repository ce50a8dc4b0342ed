package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestMessagesThatAreTooLong are refused in every protocol by the same reason, which says how long they may be.
func TestMessagesThatAreTooLong(t *testing.T) {
	const most = 64 << 10
	s := newStack(t, api.Options{MessageBytesMax: most})
	s.seed(3)
	before := s.eventCount()
	_, end := s.entries(0)
	long := strings.Repeat("x", most+1)
	placing := stay(1, 2)
	placing.Reservation.Guest.DisplayName = long
	for name, options := range map[string][]connect.ClientOption{
		"protobuf": nil, "JSON": {connect.WithProtoJSON()}, "gRPC-Web": {connect.WithGRPCWeb()},
		"packed": {connect.WithSendGzip()}, "packed gRPC-Web": {connect.WithGRPCWeb(), connect.WithSendGzip()},
	} {
		refused := func(what string, err error) {
			t.Helper()
			info := detail[*errdetails.ErrorInfo](err)
			if connect.CodeOf(err) != connect.CodeResourceExhausted || info.GetReason() != "REQUEST_TOO_LARGE" || info.GetMetadata()["limit_bytes"] != "65536" {
				t.Errorf("%s, %s: %v %v", name, what, err, info)
			}
		}
		_, err := lodgev1connect.NewHotelServiceClient(s.client, s.server.URL, options...).UpdateHotel(t.Context(),
			connect.NewRequest(&lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{Name: "hotels/ritz", Description: long}}))
		refused("a change", err)
		_, err = lodgev1connect.NewReservationServiceClient(s.client, s.server.URL, options...).CreateReservation(t.Context(), connect.NewRequest(placing))
		refused("a reservation", err)
	}
	if after := s.eventCount(); after != before {
		t.Errorf("%d events", after-before)
	}
	found, _ := s.entries(end)
	large := 0
	for _, e := range found {
		if e.Refusal == "REQUEST_TOO_LARGE" && e.Code == "RESOURCE_EXHAUSTED" {
			large++
		}
	}
	if large == 0 {
		t.Errorf("on record: %+v", found)
	}
	for n, want := range map[int]int{most: http.StatusOK, most + 1: http.StatusTooManyRequests} {
		res, err := s.client.Post(s.server.URL+"/lodge.v1.HotelService/ListHotels", "application/json", strings.NewReader("{}"+strings.Repeat(" ", n-2)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", n, res.StatusCode, want)
		}
	}
	status, _, text := s.rest(http.MethodPatch, "/v1/hotels/ritz", `{"description":"`+long+`"}`)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(text, "REQUEST_TOO_LARGE") || !strings.Contains(text, `"65536"`) {
		t.Errorf("over REST: %d %s", status, text)
	}
}

// TestThePastForAnybody: who has not said who they are gets less of it.
func TestThePastForAnybody(t *testing.T) {
	g := newGated(t, api.Options{PastAnonymousMax: 1})
	now := timestamppb.New(g.clock.now())
	for what, ask := range map[string]func(connect.HTTPClient) error{
		"nights": func(client connect.HTTPClient) error {
			_, err := lodgev1connect.NewAvailabilityServiceClient(client, g.server.URL).GetAvailability(context.Background(),
				connect.NewRequest(then(&lodgev1.GetAvailabilityRequest{Hotel: "hotels/ritz"}, now, "")))
			return err
		},
		"a room type": func(client connect.HTTPClient) error {
			_, err := lodgev1connect.NewHotelServiceClient(client, g.server.URL).GetRoomType(context.Background(),
				connect.NewRequest(then(&lodgev1.GetRoomTypeRequest{Name: ritzDouble}, now, "")))
			return err
		},
		"rate plans": func(client connect.HTTPClient) error {
			_, err := lodgev1connect.NewRateServiceClient(client, g.server.URL).ListRatePlans(context.Background(),
				connect.NewRequest(then(&lodgev1.ListRatePlansRequest{Parent: "hotels/ritz"}, now, "")))
			return err
		},
	} {
		err := ask(g.plain)
		expect(t, err, connect.CodeResourceExhausted, "LIMIT_REACHED", "")
		if !strings.Contains(err.Error(), "more than 1 events") || !strings.Contains(err.Error(), "who they are") {
			t.Errorf("%s: %v", what, err)
		}
		for _, who := range []string{"guest", "staff"} {
			if err := ask(&http.Client{Transport: &bearer{g.plain.Transport, g.secrets[who]}}); err != nil {
				t.Errorf("%s, asked by %s: %v", what, who, err)
			}
		}
	}
}
