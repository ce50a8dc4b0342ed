package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// hotelService serves hotels and room types.
type hotelService struct{ *API }

// CreateHotel makes a hotel.
func (s *hotelService) CreateHotel(ctx context.Context, req *connect.Request[lodgev1.CreateHotelRequest]) (*connect.Response[lodgev1.Hotel], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	h := req.Msg.GetHotel()
	taxes, err := fromTaxes(h)
	if err != nil {
		return nil, err
	}
	if err := checkHold(h); err != nil {
		return nil, err
	}
	return s.changeHotel(ctx, c, &hotel.CreateHotel{
		Hotel:        req.Msg.GetHotelId(),
		DisplayName:  h.GetDisplayName(),
		Description:  h.GetDescription(),
		Address:      fromAddress(h.GetAddress()),
		TimeZone:     h.GetTimeZone(),
		CurrencyCode: h.GetCurrencyCode(),
		HoldDuration: h.GetHoldDuration().AsDuration(),
		Taxes:        taxes,
		HorizonDays:  h.GetHorizonDays(),
	})
}

// UpdateHotel changes a hotel.
func (s *hotelService) UpdateHotel(ctx context.Context, req *connect.Request[lodgev1.UpdateHotelRequest]) (*connect.Response[lodgev1.Hotel], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	h := req.Msg.GetHotel()
	id, err := parseHotel(h.GetName(), "hotel.name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(h.GetEtag())
	if err != nil {
		return nil, err
	}
	set, err := maskedFields(req.Msg.GetUpdateMask(), h, s.hotelNow(ctx, id), "display_name", "description", "address", "time_zone", "hold_duration", "taxes", "horizon_days")
	if err != nil {
		return nil, err
	}
	taxes, err := fromTaxes(h)
	if err != nil {
		return nil, err
	}
	if set["hold_duration"] {
		if err := checkHold(h); err != nil {
			return nil, err
		}
	}
	return s.changeHotel(ctx, c, &hotel.UpdateHotel{
		Hotel:           id,
		ExpectedVersion: version,
		DisplayName:     when(set["display_name"], h.GetDisplayName()),
		Description:     when(set["description"], h.GetDescription()),
		Address:         when(set["address"], fromAddress(h.GetAddress())),
		TimeZone:        when(set["time_zone"], h.GetTimeZone()),
		HoldDuration:    when(set["hold_duration"], h.GetHoldDuration().AsDuration()),
		Taxes:           when(set["taxes"], taxes),
		HorizonDays:     when(set["horizon_days"], h.GetHorizonDays()),
	})
}

// checkHold refuses a duration of holds that is named and is none. To the domain zero is the platform's default.
func checkHold(h *lodgev1.Hotel) error {
	if h.GetHoldDuration() == nil {
		return nil
	}
	return hotel.CheckHold(h.GetHoldDuration().AsDuration())
}

// hotelNow returns what tells how a hotel is.
func (s *hotelService) hotelNow(ctx context.Context, id string) func() (proto.Message, error) {
	return func() (proto.Message, error) {
		h, err := s.hotels.Get(ctx, id)
		return hotelRow(&h), err
	}
}

// ArchiveHotel takes a hotel out of service.
func (s *hotelService) ArchiveHotel(ctx context.Context, req *connect.Request[lodgev1.ArchiveHotelRequest]) (*connect.Response[lodgev1.Hotel], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	id, err := parseHotel(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(req.Msg.GetEtag())
	if err != nil {
		return nil, err
	}
	return s.changeHotel(ctx, c, &hotel.ArchiveHotel{Hotel: id, ExpectedVersion: version})
}

func (s *hotelService) changeHotel(ctx context.Context, c call, body hotel.Command) (*connect.Response[lodgev1.Hotel], error) {
	res := connect.NewResponse[lodgev1.Hotel](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	res.Msg, err = changedHotel(result)
	return res, err
}

// changedHotel returns the hotel as the last event left it.
func changedHotel(r commands.Result) (*lodgev1.Hotel, error) {
	e := lastEvent(r)
	if e == nil {
		return nil, errors.New("a change of a hotel gave no event")
	}
	m, ok := e.Message.(interface{ GetHotel() *eventpb.Hotel })
	if !ok {
		return nil, fmt.Errorf("a change of a hotel gave a %s at %s", e.Type, r.Position)
	}
	h := toHotel(m.GetHotel())
	h.UpdateTime = timestamppb.New(e.Time)
	if _, created := e.Message.(*eventpb.HotelCreated); created {
		h.CreateTime = h.UpdateTime
	}
	return h, nil
}

func toHotel(h *eventpb.Hotel) *lodgev1.Hotel {
	return &lodgev1.Hotel{
		Name:         hotelName(h.GetHotelId()),
		DisplayName:  h.GetDisplayName(),
		Description:  h.GetDescription(),
		Address:      toAddress(h.GetAddress()),
		TimeZone:     h.GetTimeZone(),
		CurrencyCode: h.GetCurrencyCode(),
		HoldDuration: durationpb.New(time.Duration(h.GetHoldSeconds()) * time.Second),
		Archived:     h.GetArchived(),
		Etag:         toEtag(h.GetVersion()),
		Taxes:        toTaxes(h.GetTaxes(), h.GetCurrencyCode()),
		HorizonDays:  h.GetHorizonDays(),
	}
}

func toAddress(a *eventpb.Address) *lodgev1.Address {
	if proto.Size(a) == 0 {
		return nil
	}
	return &lodgev1.Address{
		Street: a.GetStreet(), City: a.GetCity(), PostalCode: a.GetPostalCode(), CountryCode: a.GetCountryCode(),
		Latitude: a.GetLatitude(), Longitude: a.GetLongitude(),
	}
}

func fromAddress(a *lodgev1.Address) hotel.Address {
	return hotel.Address{
		Street: a.GetStreet(), City: a.GetCity(), PostalCode: a.GetPostalCode(), CountryCode: a.GetCountryCode(),
		Latitude: a.GetLatitude(), Longitude: a.GetLongitude(),
	}
}
