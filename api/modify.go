package api

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/projections/reservations"
)

// UpdateReservation changes a reservation's stay, rooms or guest.
func (s *reservationService) UpdateReservation(ctx context.Context, req *connect.Request[lodgev1.UpdateReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	hotelID, id, err := parseReservation(req.Msg.GetReservation().GetName(), "reservation.name")
	if err != nil {
		return nil, err
	}
	body, err := s.modifyReservation(ctx, hotelID, id.String(), req.Msg)
	if err != nil {
		return nil, err
	}
	if req.Msg.GetQuote() != "" {
		if body.Quote, err = s.quoteOfChange(ctx, body, req.Msg.GetQuote()); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, req.Header(), req.Msg.GetRequestId(), changing{hotelID, id.String(), body.ExpectedVersion}, body)
}

// modifyReservation makes the command of a request.
func (s *reservationService) modifyReservation(ctx context.Context, hotelID, id string, req *lodgev1.UpdateReservationRequest) (*hotel.ModifyReservation, error) {
	r := req.GetReservation()
	current := func() (proto.Message, error) { return s.reservation(ctx, hotelID, id, "") }
	set, err := maskedFields(req.GetUpdateMask(), r, current, "room_type", "quantity", "check_in_date", "check_out_date", "guest")
	if err != nil {
		return nil, err
	}
	body := &hotel.ModifyReservation{
		Hotel: hotelID, ReservationID: id,
		Quantity: when(set["quantity"], r.GetQuantity()),
	}
	if set["guest"] {
		guest, err := fromGuest(r.GetGuest(), "reservation.guest")
		if err != nil {
			return nil, err
		}
		body.Guest = &guest
	}
	if body.ExpectedVersion, err = reservationVersion(r.GetEtag(), hotelID, id); err != nil {
		return nil, err
	}
	if set["room_type"] {
		ofHotel, roomType, err := parseRoomType(r.GetRoomType(), "reservation.room_type")
		if err != nil {
			return nil, err
		}
		if ofHotel != hotelID {
			return nil, domain.Errorf(domain.InvalidArgument, "reservation.room_type", "the room type is not of hotel %s", hotelID)
		}
		body.RoomType = &roomType
	}
	if set["check_in_date"] {
		if body.CheckIn, err = newDate(r.GetCheckInDate(), "reservation.check_in_date"); err != nil {
			return nil, err
		}
	}
	if set["check_out_date"] {
		body.CheckOut, err = newDate(r.GetCheckOutDate(), "reservation.check_out_date")
	}
	return body, err
}

// newDate is fromDate that returns a date of its own.
func newDate(d *date.Date, field string) (*domain.Date, error) {
	day, err := fromDate(d, field)
	return &day, err
}

// quoteOfChange reads a quote for what a reservation is to be. What stays as it is comes from the read model; should that be behind, the decider's
// price says so.
func (s *reservationService) quoteOfChange(ctx context.Context, body *hotel.ModifyReservation, token string) (*hotel.Quote, error) {
	var known reservations.Reservation
	err := s.look(ctx, body.Hotel, domain.ReservationNotFound, func() (err error) {
		known, err = s.API.reservations.Get(ctx, body.Hotel, body.ReservationID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.readQuote(token, changed(&known, body))
}

// changed is the reservation that a change asks for.
func changed(r *reservations.Reservation, c *hotel.ModifyReservation) *hotel.PlaceReservation {
	to := &hotel.PlaceReservation{
		Hotel: r.HotelID, RoomType: r.RoomTypeID, Quantity: int32(r.Quantity), Stay: r.Stay, RatePlan: r.Terms.GetRatePlanId(),
		Guest: hotel.Guest{Adults: int32(r.Guest.Adults), Children: int32(r.Guest.Children)},
	}
	if c.RoomType != nil {
		to.RoomType = *c.RoomType
	}
	if c.Quantity != nil {
		to.Quantity = *c.Quantity
	}
	if c.CheckIn != nil {
		to.Stay.CheckIn = *c.CheckIn
	}
	if c.CheckOut != nil {
		to.Stay.CheckOut = *c.CheckOut
	}
	if c.Guest != nil {
		to.Guest = *c.Guest
	}
	return to
}
