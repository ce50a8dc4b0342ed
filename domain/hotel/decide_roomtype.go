package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) createRoomType(c *CreateRoomType) ([]proto.Message, error) {
	if err := s.open(c.Hotel); err != nil {
		return nil, err
	}
	if err := domain.ValidateID(c.RoomType, "room_type_id"); err != nil {
		return nil, err
	}
	if _, ok := s.roomTypeIndex[c.RoomType]; ok {
		return nil, domain.Errorf(domain.RoomTypeExists, "room_type_id", "hotel %s has a room type %s already", c.Hotel, c.RoomType)
	}
	if len(s.roomTypes) >= RoomTypesMax {
		return nil, domain.Errorf(domain.LimitReached, "room_type_id", "hotel %s has %d room types, which is the most", c.Hotel, RoomTypesMax)
	}
	roomType := &eventpb.RoomType{HotelId: c.Hotel, RoomTypeId: c.RoomType, Version: 1}
	err := s.applyRoomType(roomType, &UpdateRoomType{
		DisplayName: &c.DisplayName, Description: &c.Description, MaxGuests: &c.MaxGuests, BaseRate: c.BaseRate,
		Defaults: c.Defaults,
	})
	if err != nil {
		return nil, err
	}
	return one(&eventpb.RoomTypeCreated{RoomType: roomType}), nil
}

func (s *State) updateRoomType(c *UpdateRoomType) ([]proto.Message, error) {
	roomType, err := s.nextRoomType(c.Hotel, c.RoomType, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if err := s.applyRoomType(roomType, c); err != nil {
		return nil, err
	}
	return one(&eventpb.RoomTypeUpdated{RoomType: roomType}), nil
}

func (s *State) archiveRoomType(c *ArchiveRoomType) ([]proto.Message, error) {
	roomType, err := s.nextRoomType(c.Hotel, c.RoomType, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	roomType.Archived = true
	return one(&eventpb.RoomTypeArchived{RoomType: roomType}), nil
}

// nextRoomType returns a copy of the room type in its next version, ready to be changed.
func (s *State) nextRoomType(hotelID, roomTypeID string, expected int64) (*eventpb.RoomType, error) {
	index, err := s.openRoomType(hotelID, roomTypeID)
	if err != nil {
		return nil, err
	}
	details := s.roomTypes[index].details
	if err := checkVersion(expected, details.Version); err != nil {
		return nil, err
	}
	roomType := proto.CloneOf(details)
	roomType.Version++
	return roomType, nil
}

// applyRoomType checks what is set in c and writes it into roomType.
func (s *State) applyRoomType(roomType *eventpb.RoomType, c *UpdateRoomType) error {
	if c.DisplayName != nil {
		if err := checkName(*c.DisplayName); err != nil {
			return err
		}
		roomType.DisplayName = *c.DisplayName
	}
	if c.Description != nil {
		if err := checkText("description", *c.Description, DescriptionMax); err != nil {
			return err
		}
		roomType.Description = *c.Description
	}
	if c.MaxGuests != nil {
		if *c.MaxGuests < 0 || *c.MaxGuests > MaxGuestsMax {
			return domain.Errorf(domain.InvalidArgument, "max_guests", "%d is not from 0 to %d", *c.MaxGuests, MaxGuestsMax)
		}
		roomType.MaxGuests = *c.MaxGuests
	}
	if c.BaseRate != nil {
		rate, err := s.recordedRate("base_rate", c.BaseRate)
		if err != nil {
			return err
		}
		roomType.BaseRate = rate
	}
	if c.Defaults != nil {
		return c.Defaults.apply(roomType)
	}
	return nil
}
