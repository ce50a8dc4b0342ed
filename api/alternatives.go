package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/projections/availability"
)

// otherTypesMax is how many other room types an answer names at most.
const otherTypesMax = 20

// FindAlternatives finds what a hotel has instead of a stay.
func (s *availabilityService) FindAlternatives(ctx context.Context, req *connect.Request[lodgev1.FindAlternativesRequest]) (*connect.Response[lodgev1.FindAlternativesResponse], error) {
	ask := availability.Ask{Quantity: max(1, req.Msg.GetQuantity()), Adults: req.Msg.GetAdults(), Children: req.Msg.GetChildren()}
	hotelID, roomTypeID, err := hotelAndType(req.Msg.GetHotel(), req.Msg.GetRoomType())
	if err != nil {
		return nil, err
	}
	if ask.Stay, err = stayOf(req.Msg); err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	sheet, err := s.sheetOf(ctx, hotelID)
	if err != nil {
		return nil, err
	}
	if roomTypeID != "" && sheet.roomTypes[roomTypeID] == nil {
		return nil, domain.Errorf(domain.RoomTypeNotFound, "room_type", "there is no room type %q in hotel %q", roomTypeID, hotelID)
	}
	found, err := s.availability.Alternatives(ctx, hotelID, roomTypeID, ask, s.opts.Clock())
	if err != nil {
		return nil, err
	}
	res := &lodgev1.FindAlternativesResponse{Dates: sheet.dates(&found)}
	for i := range found.RoomTypes {
		if t := sheet.roomOffer(ask.Stay, &found.RoomTypes[i], found.Currency); t != nil && len(res.RoomTypes) < otherTypesMax {
			res.RoomTypes = append(res.RoomTypes, t)
		}
	}
	return connect.NewResponse(res), nil
}

// hotelAndType reads the name of a hotel and, unless it is empty, that of a room type of it.
func hotelAndType(hotelText, roomTypeText string) (hotelID, roomTypeID string, err error) {
	if hotelID, err = parseHotel(hotelText, "hotel"); err != nil || roomTypeText == "" {
		return hotelID, "", err
	}
	of, roomTypeID, err := parseRoomType(roomTypeText, "room_type")
	if err == nil && of != hotelID {
		err = domain.Errorf(domain.InvalidArgument, "room_type", "the room type is not of hotel %s", hotelID)
	}
	return hotelID, roomTypeID, err
}

// dates returns the API's form of stays on other dates.
func (s *sheet) dates(found *availability.Alternatives) (dates []*lodgev1.DatesOffer) {
	for i := range found.Dates {
		d := &found.Dates[i]
		if t := s.roomOffer(d.Stay, &d.Room, found.Currency); t != nil {
			dates = append(dates, &lodgev1.DatesOffer{CheckInDate: toDate(d.Stay.CheckIn), CheckOutDate: toDate(d.Stay.CheckOut), RoomType: t})
		}
	}
	return dates
}

// nearby returns what hotels have on other dates, for a search that has found none.
func (a *API) nearby(ctx context.Context, search availability.Request) (all []*lodgev1.HotelAlternatives, err error) {
	ids, found, err := a.availability.Nearby(ctx, search, nearbyHotels)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		sheet, err := a.sheetOf(ctx, id)
		if domain.ReasonOf(err) == domain.HotelNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if dates := sheet.dates(&found[i]); len(dates) > 0 {
			all = append(all, &lodgev1.HotelAlternatives{Hotel: hotelRow(&sheet.hotel), Dates: dates[:min(len(dates), nearbyDates)]})
		}
	}
	return all, nil
}
