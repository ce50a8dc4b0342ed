package hotel

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) checkIn(c *CheckIn, at At) ([]proto.Message, error) {
	r, err := s.arriving(c.Hotel, c.ReservationID, c.ExpectedVersion, "checked in", at)
	if err != nil {
		return nil, err
	}
	today := s.today(at.Now)
	if out := r.stay().CheckOut; today >= out {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id",
			"the guest of reservation %s was to leave on %s and it is %s at the hotel", c.ReservationID, out, today)
	}
	rooms, err := s.roomsFor(r, c.Rooms)
	if err != nil {
		return nil, err
	}
	e := &eventpb.GuestCheckedIn{HotelId: s.id, ReservationId: c.ReservationID, RoomIds: rooms, Date: today.String()}
	if due := s.balance(r); due > 0 {
		if !c.SettledAtHotel {
			return nil, s.balanceDue(r, due)
		}
		e.SettledAtHotel = s.money(due)
	}
	return one(e), nil
}

// arriving returns a paid reservation whose guest has not arrived, from its day of arrival on.
func (s *State) arriving(hotelID, reservationID string, expected int64, verb string, at At) (*reservation, error) {
	r, err := s.unchanged(hotelID, reservationID, expected)
	if err != nil {
		return nil, err
	}
	if r.state() != paid {
		return nil, statusConflict(reservationID, r, "only a PAID one can be "+verb)
	}
	if err := r.checkAwaited(verb); err != nil {
		return nil, err
	}
	if today := s.today(at.Now); today < r.checkIn {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id",
			"the guest of reservation %s is expected on %s and it is %s at the hotel", reservationID, r.checkIn, today)
	}
	return r, nil
}

// roomsFor returns the rooms that r gets: those that were asked for, when they can be had, or else free ones of its type.
func (s *State) roomsFor(r *reservation, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return s.freeRooms(r, int(r.quantity))
	}
	if len(asked) != int(r.quantity) {
		return nil, domain.Errorf(domain.InvalidQuantity, "room_ids", "%d rooms are given and %d are reserved", len(asked), r.quantity)
	}
	for i, id := range asked {
		if slices.Contains(asked[:i], id) {
			return nil, domain.Errorf(domain.InvalidArgument, "room_ids", "room %s is given twice", id)
		}
		if err := s.checkVacant("room_ids", id); err != nil {
			return nil, err
		}
	}
	return slices.Clone(asked), nil
}

// checkVacant returns an error unless a guest can be given the room.
func (s *State) checkVacant(field, roomID string) error {
	index, err := s.openRoom(field, roomID)
	switch {
	case err != nil:
		return err
	case s.rooms[index].OutOfService:
		return domain.Errorf(domain.RoomUnavailable, field, "room %s is out of service", roomID)
	case s.book.house.occupied(index):
		return domain.Errorf(domain.RoomUnavailable, field, "there is a guest in room %s", roomID)
	}
	return nil
}

// freeRooms returns so many free rooms of the type that r reserved, the lowest ids first.
func (s *State) freeRooms(r *reservation, wanted int) ([]string, error) {
	roomType := s.roomTypes[r.roomType].details.RoomTypeId
	var free []string
	for i, room := range s.rooms {
		if room.RoomTypeId == roomType && !room.Archived && !room.OutOfService && !s.book.house.occupied(uint16(i)) {
			free = append(free, room.RoomId)
		}
	}
	if len(free) < wanted {
		return nil, domain.Errorf(domain.RoomUnavailable, "room_ids", "%d rooms of type %s are wanted and %d are free: name others", wanted, roomType, len(free))
	}
	slices.SortFunc(free, strings.Compare)
	return free[:wanted:wanted], nil
}

func (s *State) checkOut(c *CheckOut, at At) ([]proto.Message, error) {
	r, err := s.lodging(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	e := &eventpb.GuestCheckedOut{
		HotelId: s.id, ReservationId: c.ReservationID, Stay: s.stayMessage(r), Date: max(r.checkIn, s.today(at.Now)).String(),
	}
	switch due := s.balance(r); {
	case due == 0 || c.LeftUnpaid && !c.SettledAtHotel:
	case !c.SettledAtHotel:
		return nil, s.balanceDue(r, due)
	default:
		e.SettledAtHotel = s.money(due)
	}
	return one(e), nil
}

// lodging returns a reservation whose guest is there.
func (s *State) lodging(hotelID, reservationID string, expected int64) (*reservation, error) {
	r, err := s.unchanged(hotelID, reservationID, expected)
	if err != nil {
		return nil, err
	}
	if r.stage != inHouse {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id", "the guest of reservation %s is not checked in", reservationID)
	}
	return r, nil
}

func (s *State) balanceDue(r *reservation, due int64) error {
	return domain.Errorf(domain.BalanceDue, "reservation_id", "%s of reservation %s are still to be paid", domain.Money{Currency: s.currency, MinorUnits: due}, r.id)
}

func (s *State) walk(c *Walk, at At) ([]proto.Message, error) {
	r, err := s.arriving(c.Hotel, c.ReservationID, c.ExpectedVersion, "walked", at)
	if err != nil {
		return nil, err
	}
	if err := checkText("relocated_to", c.RelocatedTo, NameMax); err != nil {
		return nil, err
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	return one(&eventpb.GuestWalked{
		HotelId: s.id, ReservationId: c.ReservationID, Stay: s.stayMessage(r), RelocatedTo: c.RelocatedTo, Note: c.Note,
		Settlement: s.walkSettlement(r),
	}), nil
}

func (s *State) checkedIn(m *eventpb.GuestCheckedIn) error {
	at, r, err := s.present(m.GetHotelId(), m.GetReservationId(), awaited)
	if err != nil {
		return err
	}
	rooms := make([]uint16, 0, len(m.GetRoomIds()))
	for _, id := range m.GetRoomIds() {
		index, ok := s.roomIndex[id]
		if !ok || s.book.house.occupied(index) || slices.Contains(rooms, index) {
			return fmt.Errorf("room %q is not there or occupied", id)
		}
		rooms = append(rooms, index)
	}
	if len(rooms) != int(r.quantity) {
		return fmt.Errorf("%d rooms for %d reserved", len(rooms), r.quantity)
	}
	settled := m.GetSettledAtHotel().GetMinorUnits()
	if settled < 0 {
		return fmt.Errorf("an amount of %d is negative", settled)
	}
	s.book.house.occupy(at, rooms)
	s.book.setAccount(at, s.book.account(at).balancePaid(settled, true))
	r.stage = inHouse
	return nil
}

func (s *State) checkedOut(m *eventpb.GuestCheckedOut) error {
	at, r, err := s.present(m.GetHotelId(), m.GetReservationId(), inHouse)
	if err != nil {
		return err
	}
	day, err := domain.ParseDate(m.GetDate())
	if err != nil {
		return err
	}
	settled := m.GetSettledAtHotel().GetMinorUnits()
	if settled < 0 {
		return fmt.Errorf("an amount of %d is negative", settled)
	}
	s.book.setAccount(at, s.book.account(at).balancePaid(settled, true))
	s.count(r, -1)
	s.book.house.vacate(at)
	r.stage, r.used = departed, uint16(min(max(0, day-r.checkIn), domain.Date(r.nights)))
	s.count(r, +1)
	return nil
}

// present returns a paid reservation whose guest is at a stage.
func (s *State) present(hotelID, reservationID string, at stage) (slot, *reservation, error) {
	if err := s.owns(hotelID); err != nil {
		return 0, nil, err
	}
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return 0, nil, err
	}
	found, ok := s.book.byID[id]
	if !ok {
		return 0, nil, fmt.Errorf("reservation %s is not known", id)
	}
	r := &s.book.slots[found]
	if r.state() != paid || r.stage != at {
		return 0, nil, fmt.Errorf("reservation %s is %s and its guest at stage %d, not %d", id, statusName(r.state()), r.stage, at)
	}
	return found, r, nil
}
