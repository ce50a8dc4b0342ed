package api

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/hotels"
)

// roomService serves physical rooms.
type roomService struct{ *API }

// CreateRoom makes a room.
func (s *roomService) CreateRoom(ctx context.Context, req *connect.Request[lodgev1.CreateRoomRequest]) (*connect.Response[lodgev1.Room], error) {
	hotelID, err := parseHotel(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	r := req.Msg.GetRoom()
	roomType, err := typeOfRoom(hotelID, r)
	if err != nil {
		return nil, err
	}
	if r.GetOutOfService() {
		return nil, domain.Errorf(domain.InvalidArgument, "room.out_of_service", "a room is made in service; update it afterwards")
	}
	return s.changeRoom(ctx, req, req.Msg.GetRequestId(), &hotel.CreateRoom{
		Hotel: hotelID, Room: req.Msg.GetRoomId(), RoomType: roomType, DisplayName: r.GetDisplayName(), Floor: r.GetFloor(),
	})
}

// typeOfRoom reads the room type of a room of a hotel.
func typeOfRoom(hotelID string, r *lodgev1.Room) (string, error) {
	ofHotel, roomType, err := parseRoomType(r.GetRoomType(), "room.room_type")
	if err == nil && ofHotel != hotelID {
		err = domain.Errorf(domain.InvalidArgument, "room.room_type", "the room type is not of hotel %s", hotelID)
	}
	return roomType, err
}

// UpdateRoom changes a room.
func (s *roomService) UpdateRoom(ctx context.Context, req *connect.Request[lodgev1.UpdateRoomRequest]) (*connect.Response[lodgev1.Room], error) {
	r := req.Msg.GetRoom()
	hotelID, id, err := parseRoom(r.GetName(), "room.name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(r.GetEtag())
	if err != nil {
		return nil, err
	}
	set, err := maskedFields(req.Msg.GetUpdateMask(), r, nil, "room_type", "display_name", "floor", "out_of_service")
	if err != nil {
		return nil, err
	}
	body := &hotel.UpdateRoom{
		Hotel: hotelID, Room: id, ExpectedVersion: version,
		DisplayName: when(set["display_name"], r.GetDisplayName()), Floor: when(set["floor"], r.GetFloor()),
		OutOfService: when(set["out_of_service"], r.GetOutOfService()),
	}
	if set["room_type"] {
		roomType, err := typeOfRoom(hotelID, r)
		if err != nil {
			return nil, err
		}
		body.RoomType = &roomType
	}
	return s.changeRoom(ctx, req, req.Msg.GetRequestId(), body)
}

// ArchiveRoom takes a room away.
func (s *roomService) ArchiveRoom(ctx context.Context, req *connect.Request[lodgev1.ArchiveRoomRequest]) (*connect.Response[lodgev1.Room], error) {
	hotelID, id, err := parseRoom(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	version, err := fromEtag(req.Msg.GetEtag())
	if err != nil {
		return nil, err
	}
	return s.changeRoom(ctx, req, req.Msg.GetRequestId(), &hotel.ArchiveRoom{Hotel: hotelID, Room: id, ExpectedVersion: version})
}

// changeRoom carries out a change and answers with the room as its event left it.
func (s *roomService) changeRoom(ctx context.Context, req connect.AnyRequest, requestID string, body hotel.Command) (*connect.Response[lodgev1.Room], error) {
	c, err := newCall(ctx, req.Header(), requestID)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.Room](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	e := lastEvent(result)
	if e == nil {
		return nil, errors.New("a change of a room gave no event")
	}
	m, ok := e.Message.(interface{ GetRoom() *eventpb.Room })
	if !ok {
		return nil, fmt.Errorf("a change of a room gave a %s at %s", e.Type, result.Position)
	}
	res.Msg = toRoom(m.GetRoom())
	res.Msg.UpdateTime = timestamppb.New(e.Time)
	if _, created := e.Message.(*eventpb.RoomCreated); created {
		res.Msg.CreateTime = res.Msg.UpdateTime
	}
	return res, nil
}

func toRoom(r *eventpb.Room) *lodgev1.Room {
	return &lodgev1.Room{
		Name: roomName(r.GetHotelId(), r.GetRoomId()), RoomType: roomTypeName(r.GetHotelId(), r.GetRoomTypeId()), DisplayName: r.GetDisplayName(),
		Floor: r.GetFloor(), OutOfService: r.GetOutOfService(), Archived: r.GetArchived(), Etag: toEtag(r.GetVersion()),
	}
}

// GetRoom returns one room.
func (s *roomService) GetRoom(ctx context.Context, req *connect.Request[lodgev1.GetRoomRequest]) (*connect.Response[lodgev1.Room], error) {
	hotelID, id, err := parseRoom(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	return getPart(ctx, s.API, s.roomParts(), hotelID, id, req.Msg)
}

// ListRooms lists a hotel's rooms by id.
func (s *roomService) ListRooms(ctx context.Context, req *connect.Request[lodgev1.ListRoomsRequest]) (*connect.Response[lodgev1.ListRoomsResponse], error) {
	rooms, next, err := listParts(ctx, s.API, s.roomParts(), req.Msg)
	return respond(&lodgev1.ListRoomsResponse{Rooms: rooms, NextPageToken: next}, err)
}

func roomRow(r *hotels.Room) *lodgev1.Room {
	out := toRoom(r.Room)
	out.CreateTime, out.UpdateTime = timestamppb.New(r.CreateTime), timestamppb.New(r.UpdateTime)
	return out
}
