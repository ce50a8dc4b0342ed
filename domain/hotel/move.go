package hotel

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) moveGuest(c *MoveGuest, at At) ([]proto.Message, error) {
	r, err := s.lodging(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err == nil {
		err = r.checkChanges()
	}
	if err != nil {
		return nil, err
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	from, err := s.roomOf(r, c.From)
	if err != nil {
		return nil, err
	}
	to := c.To
	if to == "" {
		free, err := s.freeRooms(r, 1)
		if err != nil {
			return nil, err
		}
		to = free[0]
	}
	if err := s.checkVacant("to_room_id", to); err != nil {
		return nil, err
	}
	return one(&eventpb.GuestMoved{
		HotelId: s.id, ReservationId: c.ReservationID, FromRoomId: from, ToRoomId: to, Date: s.today(at.Now).String(), Note: c.Note,
	}), nil
}

// roomOf returns the room that the guest of r is in: the one that was named, or the only one.
func (s *State) roomOf(r *reservation, named string) (string, error) {
	rooms := s.book.house.rooms[s.book.byID[r.id]]
	if named == "" {
		if len(rooms) != 1 {
			return "", domain.Errorf(domain.InvalidArgument, "from_room_id", "reservation %s has %d rooms: name one", r.id, len(rooms))
		}
		return s.rooms[rooms[0]].RoomId, nil
	}
	if err := domain.ValidateID(named, "from_room_id"); err != nil {
		return "", err
	}
	if index, ok := s.roomIndex[named]; !ok || !slices.Contains(rooms, index) {
		return "", domain.Errorf(domain.RoomNotFound, "from_room_id", "the guest of reservation %s is not in room %s", r.id, named)
	}
	return named, nil
}

func (s *State) moved(m *eventpb.GuestMoved) error {
	at, _, err := s.present(m.GetHotelId(), m.GetReservationId(), inHouse)
	if err != nil {
		return err
	}
	from, was := s.roomIndex[m.GetFromRoomId()]
	to, is := s.roomIndex[m.GetToRoomId()]
	if !was || !is || s.book.house.occupied(to) || !s.book.house.move(at, from, to) {
		return fmt.Errorf("there is no move from room %q to room %q", m.GetFromRoomId(), m.GetToRoomId())
	}
	return nil
}
