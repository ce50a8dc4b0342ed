package api

import (
	"context"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections/hotels"
)

// fresh waits until a read model has seen min_position, if the caller names one: for Options.FreshTimeout at most.
func (a *API) fresh(ctx context.Context, projection, minPosition string) error {
	pos, named, err := parsePosition(minPosition, "min_position")
	if err != nil || !named {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.opts.FreshTimeout)
	defer cancel()
	return freshError(a.deps.Store.WaitFor(ctx, projection, pos), pos)
}

// freshError says what a caller can do about a read model that is behind.
func freshError(err error, pos log.Position) error {
	switch log.CodeOf(err) {
	case log.OffsetOutOfRange, log.UnknownTopic, log.InvalidArgument:
		return domain.Errorf(ReasonInvalidPosition, "min_position", "there is nothing at %s", pos)
	case log.Unavailable:
		return notReached(pos)
	}
	if isDeadline(err) {
		return notReached(pos)
	}
	return err
}

// GetHotel returns one hotel.
func (s *hotelService) GetHotel(ctx context.Context, req *connect.Request[lodgev1.GetHotelRequest]) (*connect.Response[lodgev1.Hotel], error) {
	id, err := parseHotel(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, hotels.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, id, req.Msg)
	if err != nil {
		return nil, err
	}
	h, err := nowOrThen(ctx, s.API, m,
		func() (hotels.Hotel, error) { return s.hotels.Get(ctx, id) },
		func(then *hotels.Past) (hotels.Hotel, error) { return then.Get(id) })
	return respond(hotelRow(&h), err)
}

// ListHotels lists hotels by id.
func (s *hotelService) ListHotels(ctx context.Context, req *connect.Request[lodgev1.ListHotelsRequest]) (*connect.Response[lodgev1.ListHotelsResponse], error) {
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, hotels.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	filter := hotels.Filter{City: req.Msg.GetCity(), ShowArchived: req.Msg.GetShowArchived(), Limit: pageSize(req.Msg.GetPageSize())}
	if token != nil {
		filter.After = token[0]
	}
	rows, next, err := s.listHotels(ctx, req.Msg, filter)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListHotelsResponse{}
	for i := range rows {
		res.Hotels = append(res.Hotels, hotelRow(&rows[i]))
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, *next)
	}
	return connect.NewResponse(res), nil
}

// listHotels returns one page of the hotels as they are, or were.
func (s *hotelService) listHotels(ctx context.Context, req *lodgev1.ListHotelsRequest, filter hotels.Filter) (rows []hotels.Hotel, next *string, err error) {
	if req.GetAsOfTime() != nil {
		return s.hotelsAsOf(ctx, req, filter)
	}
	page, err := s.hotels.List(ctx, filter)
	return page.Items, page.Next, err
}

// GetRoomType returns one room type.
func (s *hotelService) GetRoomType(ctx context.Context, req *connect.Request[lodgev1.GetRoomTypeRequest]) (*connect.Response[lodgev1.RoomType], error) {
	hotelID, id, err := parseRoomType(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	return getPart(ctx, s.API, s.roomTypeParts(), hotelID, id, req.Msg)
}

// ListRoomTypes lists a hotel's room types by id.
func (s *hotelService) ListRoomTypes(ctx context.Context, req *connect.Request[lodgev1.ListRoomTypesRequest]) (*connect.Response[lodgev1.ListRoomTypesResponse], error) {
	types, next, err := listParts(ctx, s.API, s.roomTypeParts(), req.Msg)
	return respond(&lodgev1.ListRoomTypesResponse{RoomTypes: types, NextPageToken: next}, err)
}

func hotelRow(h *hotels.Hotel) *lodgev1.Hotel {
	a := h.Address
	return &lodgev1.Hotel{
		Name:        hotelName(h.HotelID),
		DisplayName: h.DisplayName,
		Description: h.Description,
		Address: toAddress(&eventpb.Address{
			Street: a.Street, City: a.City, PostalCode: a.PostalCode, CountryCode: a.CountryCode,
			Latitude: a.Latitude, Longitude: a.Longitude,
		}),
		TimeZone:     h.TimeZone,
		CurrencyCode: h.Currency,
		HoldDuration: durationpb.New(h.HoldTime),
		Archived:     h.Archived,
		Etag:         toEtag(h.Version),
		Taxes:        toTaxes(h.Taxes, h.Currency),
		HorizonDays:  int32(h.HorizonDays),
		CreateTime:   timestamppb.New(h.CreateTime),
		UpdateTime:   timestamppb.New(h.UpdateTime),
	}
}

func roomTypeRow(t *hotels.RoomType) *lodgev1.RoomType {
	out := &lodgev1.RoomType{
		Name:        roomTypeName(t.HotelID, t.RoomTypeID),
		DisplayName: t.DisplayName,
		Description: t.Description,
		MaxGuests:   int32(t.MaxGuests),
		Defaults:    toDefaults(t.Defaults.PhysicalCount, t.Defaults.OverbookingLimit, t.Defaults.OverbookingPercent),
		Archived:    t.Archived,
		Etag:        toEtag(t.Version),
		CreateTime:  timestamppb.New(t.CreateTime),
		UpdateTime:  timestamppb.New(t.UpdateTime),
	}
	if t.BaseRate != nil {
		out.BaseRate = toMoney(t.BaseRate.Currency, t.BaseRate.MinorUnits)
	}
	return out
}

// today returns the day that it is at a hotel.
func (a *API) today(h *hotels.Hotel) (domain.Date, error) { return dayAt(h, a.opts.Clock()) }

// dayAt returns the day that it is at a hotel at a time.
func dayAt(h *hotels.Hotel, at time.Time) (domain.Date, error) {
	place, err := domain.LoadTimeZone(h.TimeZone)
	if err != nil {
		return 0, err
	}
	return domain.Today(at, place), nil
}
