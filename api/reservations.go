package api

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// reservationService serves reservations: the changes here, the queries in reservationqueries.go.
type reservationService struct{ *API }

// CreateReservation reserves rooms.
func (s *reservationService) CreateReservation(ctx context.Context, req *connect.Request[lodgev1.CreateReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	res := connect.NewResponse[lodgev1.Reservation](nil)
	var err error
	res.Msg, err = s.create(ctx, req.Header(), req.Msg, res.Header())
	return res, err
}

// create reserves rooms, given the headers of the request and writing those of the answer.
func (s *reservationService) create(ctx context.Context, header http.Header, req *lodgev1.CreateReservationRequest, answer http.Header) (*lodgev1.Reservation, error) {
	if err := checkTrust(ctx, req); err != nil {
		return nil, err
	}
	c, err := newCall(ctx, header, req.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := s.quotedPlace(req)
	if err != nil {
		return nil, err
	}
	result, err := s.place(ctx, c, body)
	if err != nil {
		return nil, err
	}
	say(answer, result)
	return s.placedAnswer(result, &body.Guest)
}

// place gives the command to the engine, unless the caller chose an id that was given long ago.
func (s *reservationService) place(ctx context.Context, c call, body *hotel.PlaceReservation) (commands.Result, error) {
	if body.ClientAssignedID {
		if result, err := s.earlier(ctx, c, body); err != nil || len(result.Events) > 0 {
			return result, err
		}
	}
	return s.do(ctx, c, body)
}

// placeReservation makes the command of a request.
func placeReservation(req *lodgev1.CreateReservationRequest) (*hotel.PlaceReservation, error) {
	r := req.GetReservation()
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	ofHotel, roomType, err := parseRoomType(r.GetRoomType(), "reservation.room_type")
	if err != nil {
		return nil, err
	}
	if ofHotel != hotelID {
		return nil, domain.Errorf(domain.InvalidArgument, "reservation.room_type", "the room type is not of hotel %s", hotelID)
	}
	body := &hotel.PlaceReservation{
		Hotel:             hotelID,
		ReservationID:     req.GetReservationId(),
		ClientAssignedID:  req.GetReservationId() != "",
		RoomType:          roomType,
		Quantity:          r.GetQuantity(),
		NoHoldExpiry:      req.GetNoHoldExpiry(),
		Channel:           r.GetChannel(),
		ExternalReference: r.GetExternalReference(),
	}
	if body.Guest, err = fromGuest(r.GetGuest(), "reservation.guest"); err != nil {
		return nil, err
	}
	if body.Stay.CheckIn, err = fromDate(r.GetCheckInDate(), "reservation.check_in_date"); err != nil {
		return nil, err
	}
	if body.Stay.CheckOut, err = fromDate(r.GetCheckOutDate(), "reservation.check_out_date"); err != nil {
		return nil, err
	}
	if rate := req.GetNightlyRateOverride(); rate != nil {
		amount, err := fromMoney(rate, "nightly_rate_override")
		if err != nil {
			return nil, err
		}
		body.NightlyRate = &amount
	}
	if r.GetRatePlan() != "" {
		if ofHotel, body.RatePlan, err = parseRatePlan(r.GetRatePlan(), "reservation.rate_plan"); err != nil {
			return nil, err
		}
		if ofHotel != hotelID {
			return nil, domain.Errorf(domain.InvalidArgument, "reservation.rate_plan", "the rate plan is not of hotel %s", hotelID)
		}
	}
	if !body.ClientAssignedID {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make a reservation id: %w", err)
		}
		body.ReservationID = id.String()
	}
	return body, nil
}

// placedAnswer makes the answer of what was decided: the reservation, or SOLD_OUT or RESTRICTED.
func (a *API) placedAnswer(result commands.Result, asked *hotel.Guest) (*lodgev1.Reservation, error) {
	e := lastEvent(result)
	if e == nil {
		return nil, fmt.Errorf("a reservation gave no event")
	}
	switch m := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		guest, err := a.answerGuest(m.GetGuest(), asked, result.Replayed)
		return toPlaced(e, m, guest), err
	case *eventpb.ReservationRejected:
		return nil, turnedAway(m, result, "")
	}
	return nil, fmt.Errorf("a reservation gave a %s at %s", e.Type, result.Position)
}

// toPlaced makes a reservation of the event that it began with.
func toPlaced(e *event.Envelope, m *eventpb.ReservationPlaced, guest *lodgev1.Guest) *lodgev1.Reservation {
	r := ofStay(m.GetHotelId(), m.GetReservationId(), m.GetStay())
	r.Guest = guest
	r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING
	r.NightlyAmounts = toAmounts(m.GetCurrencyCode(), m.GetNightlyMinorUnits())
	r.Total = toMoney(m.GetCurrencyCode(), m.GetTotalMinorUnits())
	r.HoldExpireTime = m.GetHoldExpireTime()
	r.Channel, r.ExternalReference = m.GetChannel(), m.GetExternalReference()
	addTerms(r, m.GetTerms(), m.GetCurrencyCode())
	r.GroupId = m.GetGroupId()
	if m.GetWaitingListEntryId() != "" {
		r.WaitingListEntry = waitingListEntryName(m.GetHotelId(), m.GetWaitingListEntryId())
	}
	r.CreateTime = timestamppb.New(e.Time)
	r.UpdateTime = r.CreateTime
	r.Etag = reservationEtag(m.GetHotelId(), m.GetReservationId(), 1)
	return r
}

// ofStay makes what every event of a reservation says of it.
func ofStay(hotelID, id string, stay *eventpb.Stay) *lodgev1.Reservation {
	return &lodgev1.Reservation{
		Name:         reservationName(hotelID, id),
		RoomType:     roomTypeName(hotelID, stay.GetRoomTypeId()),
		Quantity:     stay.GetQuantity(),
		CheckInDate:  dateText(stay.GetCheckInDate()),
		CheckOutDate: dateText(stay.GetCheckOutDate()),
	}
}

func toAmounts(currency string, minorUnits []int64) []*money.Money {
	amounts := make([]*money.Money, len(minorUnits))
	for i, n := range minorUnits {
		amounts[i] = toMoney(currency, n)
	}
	return amounts
}
