package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// CreateRoomType makes a room type.
func (s *hotelService) CreateRoomType(ctx context.Context, req *connect.Request[lodgev1.CreateRoomTypeRequest]) (*connect.Response[lodgev1.RoomType], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	id, err := parseHotel(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	t := req.Msg.GetRoomType()
	rate, err := baseRate(t)
	if err != nil {
		return nil, err
	}
	return s.changeRoomType(ctx, c, &hotel.CreateRoomType{
		Hotel:       id,
		RoomType:    req.Msg.GetRoomTypeId(),
		DisplayName: t.GetDisplayName(),
		Description: t.GetDescription(),
		MaxGuests:   t.GetMaxGuests(),
		BaseRate:    rate,
		Defaults:    fromDefaults(t.GetDefaults()),
	})
}

// UpdateRoomType changes a room type.
func (s *hotelService) UpdateRoomType(ctx context.Context, req *connect.Request[lodgev1.UpdateRoomTypeRequest]) (*connect.Response[lodgev1.RoomType], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := updateRoomType(req.Msg)
	if err != nil {
		return nil, err
	}
	return s.changeRoomType(ctx, c, body)
}

func updateRoomType(req *lodgev1.UpdateRoomTypeRequest) (*hotel.UpdateRoomType, error) {
	t := req.GetRoomType()
	hotelID, id, err := parseRoomType(t.GetName(), "room_type.name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(t.GetEtag())
	if err != nil {
		return nil, err
	}
	set, err := maskedFields(req.GetUpdateMask(), t, nil, "display_name", "description", "max_guests", "base_rate", "defaults")
	if err != nil {
		return nil, err
	}
	rate, err := baseRate(t)
	switch {
	case err != nil:
		return nil, err
	case !set["base_rate"]:
		rate = nil
	case rate == nil && !slices.Contains(req.GetUpdateMask().GetPaths(), "*"): // without a mask it has a value
		return nil, domain.Errorf(domain.InvalidArgument, "room_type.base_rate", "a base rate cannot be removed")
	}
	return &hotel.UpdateRoomType{
		Hotel:           hotelID,
		RoomType:        id,
		ExpectedVersion: version,
		DisplayName:     when(set["display_name"], t.GetDisplayName()),
		Description:     when(set["description"], t.GetDescription()),
		MaxGuests:       when(set["max_guests"], t.GetMaxGuests()),
		BaseRate:        rate,
		Defaults:        defaultsWhen(set["defaults"], t),
	}, nil
}

// fromDefaults reads what nights are opened with; nil: they are not.
func fromDefaults(d *lodgev1.NightDefaults) *hotel.RoomTypeDefaults {
	if d == nil {
		return nil
	}
	return &hotel.RoomTypeDefaults{
		PhysicalCount: d.PhysicalCount, OverbookingLimit: d.GetOverbookingLimit(), OverbookingPercent: d.GetOverbookingPercent(),
	}
}

// defaultsWhen returns the defaults to set when the field is selected: none, when it has no value.
func defaultsWhen(selected bool, t *lodgev1.RoomType) *hotel.RoomTypeDefaults {
	switch {
	case !selected:
		return nil
	case t.GetDefaults() == nil:
		return &hotel.RoomTypeDefaults{}
	}
	return fromDefaults(t.GetDefaults())
}

// toDefaults returns the API's form of what nights are opened with.
func toDefaults(physical *int32, limit, percent int32) *lodgev1.NightDefaults {
	if physical == nil && limit == 0 && percent == 0 {
		return nil
	}
	return &lodgev1.NightDefaults{PhysicalCount: physical, OverbookingLimit: limit, OverbookingPercent: percent}
}

func baseRate(t *lodgev1.RoomType) (*domain.Money, error) {
	if t.GetBaseRate() == nil {
		return nil, nil
	}
	rate, err := fromMoney(t.GetBaseRate(), "room_type.base_rate")
	return &rate, err
}

// ArchiveRoomType takes a room type out of sale.
func (s *hotelService) ArchiveRoomType(ctx context.Context, req *connect.Request[lodgev1.ArchiveRoomTypeRequest]) (*connect.Response[lodgev1.RoomType], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	hotelID, id, err := parseRoomType(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(req.Msg.GetEtag())
	if err != nil {
		return nil, err
	}
	return s.changeRoomType(ctx, c, &hotel.ArchiveRoomType{Hotel: hotelID, RoomType: id, ExpectedVersion: version})
}

func (s *hotelService) changeRoomType(ctx context.Context, c call, body hotel.Command) (*connect.Response[lodgev1.RoomType], error) {
	res := connect.NewResponse[lodgev1.RoomType](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	res.Msg, err = changedRoomType(result)
	return res, err
}

// changedRoomType returns the room type as the last event left it.
func changedRoomType(r commands.Result) (*lodgev1.RoomType, error) {
	e := lastEvent(r)
	if e == nil {
		return nil, errors.New("a change of a room type gave no event")
	}
	m, ok := e.Message.(interface{ GetRoomType() *eventpb.RoomType })
	if !ok {
		return nil, fmt.Errorf("a change of a room type gave a %s at %s", e.Type, r.Position)
	}
	t := toRoomType(m.GetRoomType())
	t.UpdateTime = timestamppb.New(e.Time)
	if _, created := e.Message.(*eventpb.RoomTypeCreated); created {
		t.CreateTime = t.UpdateTime
	}
	return t, nil
}

func toRoomType(t *eventpb.RoomType) *lodgev1.RoomType {
	return &lodgev1.RoomType{
		Name:        roomTypeName(t.GetHotelId(), t.GetRoomTypeId()),
		DisplayName: t.GetDisplayName(),
		Description: t.GetDescription(),
		MaxGuests:   t.GetMaxGuests(),
		BaseRate:    toMoney(t.GetBaseRate().GetCurrencyCode(), t.GetBaseRate().GetMinorUnits()),
		Defaults:    toDefaults(t.DefaultPhysicalCount, t.GetDefaultOverbookingLimit(), t.GetDefaultOverbookingPercent()),
		Archived:    t.GetArchived(),
		Etag:        toEtag(t.GetVersion()),
	}
}
