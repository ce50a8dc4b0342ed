package api_test

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// TestAChosenIDIsOfOneReservationForEver: also when the processor has long forgotten whose it was.
func TestAChosenIDIsOfOneReservationForEver(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	s.seedHotel("plaza", "Porto", 1)
	ctx := context.Background()
	req := stay(1, 3)
	req.ReservationId = uuid.NewString()
	first, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: first.Msg.GetName()})))
	turnedAway := stay(2, 3)
	turnedAway.ReservationId = uuid.NewString()
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(turnedAway))
	expect(t, err, connect.CodeFailedPrecondition, "SOLD_OUT", "")
	s.clock.advance(40 * 24 * time.Hour)
	s.reserve(stay(41, 42)) // closes the books of the first one
	s.settle()
	before := s.eventCount()
	for _, c := range []struct {
		name   string
		change func(*lodgev1.CreateReservationRequest)
		code   connect.Code
		reason string
	}{
		{"for other nights", func(r *lodgev1.CreateReservationRequest) {
			r.RequestId, r.Reservation.CheckInDate, r.Reservation.CheckOutDate = uuid.NewString(), day(50), day(51)
		}, connect.CodeAlreadyExists, "RESERVATION_EXISTS"},
		{"without a request id", func(r *lodgev1.CreateReservationRequest) {
			r.RequestId, r.Reservation.CheckInDate, r.Reservation.CheckOutDate = "", day(50), day(51)
		}, connect.CodeAlreadyExists, "RESERVATION_EXISTS"},
		{"of one turned away", func(r *lodgev1.CreateReservationRequest) {
			r.RequestId, r.ReservationId = uuid.NewString(), turnedAway.GetReservationId()
		}, connect.CodeAlreadyExists, "RESERVATION_EXISTS"},
		{"under the same request id", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = 2 }, connect.CodeFailedPrecondition, "IDEMPOTENCY_KEY_REUSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := proto.Clone(req).(*lodgev1.CreateReservationRequest)
			c.change(other)
			_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(other))
			expect(t, err, c.code, c.reason, "")
		})
	}
	again, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
	if err != nil || !proto.Equal(again.Msg, first.Msg) || again.Header().Get(api.HeaderReplayed) != "true" ||
		again.Header().Get(api.HeaderPosition) != first.Header().Get(api.HeaderPosition) {
		t.Errorf("the same request: %v %v %v", again, again.Header(), err)
	}
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(turnedAway))
	expect(t, err, connect.CodeFailedPrecondition, "SOLD_OUT", "")
	if n := s.eventCount(); n != before {
		t.Errorf("%d events", n-before)
	}
	elsewhere := stay(50, 51)
	elsewhere.Parent, elsewhere.Reservation.RoomType, elsewhere.ReservationId = "hotels/plaza", "hotels/plaza/roomTypes/double", req.GetReservationId()
	s.reserve(elsewhere) // an id is of its hotel
}
