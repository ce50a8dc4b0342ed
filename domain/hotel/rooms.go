package hotel

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) createRoom(c *CreateRoom) ([]proto.Message, error) {
	if err := s.open(c.Hotel); err != nil {
		return nil, err
	}
	if err := domain.ValidateID(c.Room, "room_id"); err != nil {
		return nil, err
	}
	if _, ok := s.roomIndex[c.Room]; ok {
		return nil, domain.Errorf(domain.RoomExists, "room_id", "hotel %s has a room %s already", c.Hotel, c.Room)
	}
	if len(s.rooms) >= RoomsMax {
		return nil, domain.Errorf(domain.LimitReached, "room_id", "hotel %s has %d rooms, which is the most", c.Hotel, RoomsMax)
	}
	room := &eventpb.Room{HotelId: c.Hotel, RoomId: c.Room, Version: 1}
	err := s.applyRoom(room, &UpdateRoom{Hotel: c.Hotel, RoomType: &c.RoomType, DisplayName: &c.DisplayName, Floor: &c.Floor})
	if err != nil {
		return nil, err
	}
	return one(&eventpb.RoomCreated{Room: room}), nil
}

func (s *State) updateRoom(c *UpdateRoom) ([]proto.Message, error) {
	room, _, err := s.nextRoom(c.Hotel, c.Room, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if err := s.applyRoom(room, c); err != nil {
		return nil, err
	}
	return one(&eventpb.RoomUpdated{Room: room}), nil
}

func (s *State) archiveRoom(c *ArchiveRoom) ([]proto.Message, error) {
	room, index, err := s.nextRoom(c.Hotel, c.Room, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if s.book.house.occupied(index) {
		return nil, domain.Errorf(domain.RoomUnavailable, "room_id", "there is a guest in room %s", c.Room)
	}
	room.Archived = true
	return one(&eventpb.RoomArchived{Room: room}), nil
}

// nextRoom returns a copy of the room in its next version, ready to be changed.
func (s *State) nextRoom(hotelID, roomID string, expected int64) (*eventpb.Room, uint16, error) {
	if err := s.open(hotelID); err != nil {
		return nil, 0, err
	}
	index, err := s.openRoom("room_id", roomID)
	if err != nil {
		return nil, 0, err
	}
	if err := checkVersion(expected, s.rooms[index].Version); err != nil {
		return nil, 0, err
	}
	room := proto.CloneOf(s.rooms[index])
	room.Version++
	return room, index, nil
}

// openRoom returns the index of a room that is not archived.
func (s *State) openRoom(field, roomID string) (uint16, error) {
	if err := domain.ValidateID(roomID, field); err != nil {
		return 0, err
	}
	index, ok := s.roomIndex[roomID]
	if !ok {
		return 0, domain.Errorf(domain.RoomNotFound, field, "hotel %s has no room %s", s.id, roomID)
	}
	if s.rooms[index].Archived {
		return 0, domain.Errorf(domain.RoomArchived, field, "room %s of hotel %s is archived", roomID, s.id)
	}
	return index, nil
}

// applyRoom checks what is set in c and writes it into room.
func (s *State) applyRoom(room *eventpb.Room, c *UpdateRoom) error {
	if c.RoomType != nil {
		if _, err := s.openRoomType(c.Hotel, *c.RoomType); err != nil {
			return err
		}
		room.RoomTypeId = *c.RoomType
	}
	if c.DisplayName != nil {
		if err := checkName(*c.DisplayName); err != nil {
			return err
		}
		room.DisplayName = *c.DisplayName
	}
	if c.Floor != nil {
		if err := checkText("floor", *c.Floor, FloorMax); err != nil {
			return err
		}
		room.Floor = *c.Floor
	}
	if c.OutOfService != nil {
		room.OutOfService = *c.OutOfService
	}
	return nil
}

func (s *State) addRoom(room *eventpb.Room) error {
	id := room.GetRoomId()
	if _, err := s.knownRoomType(room.GetHotelId(), room.GetRoomTypeId()); err != nil {
		return err
	}
	if _, ok := s.roomIndex[id]; ok || id == "" || len(s.rooms) >= math.MaxUint16 {
		return fmt.Errorf("room %q cannot be added to %d", id, len(s.rooms))
	}
	if s.roomIndex == nil {
		s.roomIndex = make(map[string]uint16)
	}
	s.roomIndex[id] = uint16(len(s.rooms))
	s.rooms = append(s.rooms, proto.CloneOf(room))
	return nil
}

func (s *State) setRoom(room *eventpb.Room) error {
	if _, err := s.knownRoomType(room.GetHotelId(), room.GetRoomTypeId()); err != nil {
		return err
	}
	index, ok := s.roomIndex[room.GetRoomId()]
	if !ok {
		return fmt.Errorf("there is no room %q", room.GetRoomId())
	}
	s.rooms[index] = proto.CloneOf(room)
	return nil
}
