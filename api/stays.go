package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
)

// stayService serves arrival and departure.
type stayService struct{ *API }

// CheckInReservation gives the guest of a reservation their rooms.
func (s *stayService) CheckInReservation(ctx context.Context, req *connect.Request[lodgev1.CheckInReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	rooms, err := roomsOf(req.Msg)
	if err != nil {
		return nil, err
	}
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.CheckIn{Hotel: hotelID, ReservationID: id, Rooms: rooms, SettledAtHotel: req.Msg.GetSettledAtHotel(), ExpectedVersion: expected}
	})
}

// roomsOf reads the rooms that a guest is to get.
func roomsOf(req *lodgev1.CheckInReservationRequest) (ids []string, err error) {
	hotelID, _, err := parseReservation(req.GetName(), "name")
	if err != nil {
		return nil, err
	}
	for _, name := range req.GetRooms() {
		room, err := roomIn(hotelID, name, "rooms")
		if err != nil {
			return nil, err
		}
		ids = append(ids, room)
	}
	return ids, nil
}

// roomIn reads the name of a room in a hotel.
func roomIn(hotelID, name, field string) (string, error) {
	ofHotel, room, err := parseRoom(name, field)
	if err == nil && ofHotel != hotelID {
		err = domain.Errorf(domain.InvalidArgument, field, "room %s is not of hotel %s", name, hotelID)
	}
	return room, err
}

// MoveGuest gives the guest of a reservation another room.
func (s *stayService) MoveGuest(ctx context.Context, req *connect.Request[lodgev1.MoveGuestRequest]) (*connect.Response[lodgev1.Reservation], error) {
	hotelID, _, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	body := &hotel.MoveGuest{Note: req.Msg.GetNote()}
	for _, room := range [...]struct {
		name, field string
		id          *string
	}{{req.Msg.GetFromRoom(), "from_room", &body.From}, {req.Msg.GetToRoom(), "to_room", &body.To}} {
		if room.name == "" {
			continue
		}
		if *room.id, err = roomIn(hotelID, room.name, room.field); err != nil {
			return nil, err
		}
	}
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		body.Hotel, body.ReservationID, body.ExpectedVersion = hotelID, id, expected
		return body
	})
}

// CheckOutReservation releases what is left of a stay.
func (s *stayService) CheckOutReservation(ctx context.Context, req *connect.Request[lodgev1.CheckOutReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.CheckOut{Hotel: hotelID, ReservationID: id, SettledAtHotel: req.Msg.GetSettledAtHotel(), LeftUnpaid: req.Msg.GetLeftUnpaid(), ExpectedVersion: expected}
	})
}

// WalkReservation sends the guest of a reservation elsewhere.
func (s *stayService) WalkReservation(ctx context.Context, req *connect.Request[lodgev1.WalkReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.Walk{Hotel: hotelID, ReservationID: id, RelocatedTo: req.Msg.GetRelocatedTo(), Note: req.Msg.GetNote(), ExpectedVersion: expected}
	})
}
