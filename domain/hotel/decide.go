package hotel

import (
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
)

// Decide returns the events that c leads to in state s at a moment, all for c.Topic(); s is not changed. There is at
// least one event, except where a command says that there may be none. A broken rule gives an *domain.Error and no event. The events share memory with neither s nor
// c, except for strings; who gets them may pass them to Evolve and keep them, but not change them before.
func Decide(s *State, c Command, at At) ([]proto.Message, error) {
	switch {
	case at.Now.IsZero():
		return nil, domain.Errorf(domain.InvalidArgument, "", "the command has no time")
	case at.Now.Before(TimeMin) || !at.Now.Before(TimeEnd):
		return nil, domain.Errorf(domain.InvalidArgument, "", "the command's time %s is not from %s to %s",
			at.Now.Format(time.RFC3339), TimeMin.Format(time.DateOnly), TimeEnd.Format(time.DateOnly))
	}
	events, err := s.decide(c, at)
	if err != nil {
		return nil, err
	}
	sealWords(events, at.Words)
	return s.endOffers(events), nil
}

func (s *State) decide(c Command, at At) ([]proto.Message, error) {
	switch c := c.(type) {
	case *PlaceReservation:
		return s.placeReservation(c, at)
	case *ConfirmReservation:
		return s.confirmReservation(c, at)
	case *CancelReservation:
		return s.cancelReservation(c, at)
	case *MarkNoShow:
		return s.markNoShow(c, at)
	case *ExpireHolds:
		return s.expireHolds(c, at)
	case *SetInventory:
		return s.setInventory(c, at)
	case *SetRestrictions:
		return s.setRestrictions(c, at)
	case *SetRates:
		return s.setRates(c, at)
	case *CreateRatePlan:
		return s.createRatePlan(c)
	case *UpdateRatePlan:
		return s.updateRatePlan(c)
	case *ArchiveRatePlan:
		return s.archiveRatePlan(c)
	case *CreateHotel:
		return s.createHotel(c)
	case *UpdateHotel:
		return s.updateHotel(c)
	case *ArchiveHotel:
		return s.archiveHotel(c)
	case *CreateRoomType:
		return s.createRoomType(c)
	case *UpdateRoomType:
		return s.updateRoomType(c)
	case *ArchiveRoomType:
		return s.archiveRoomType(c)
	}
	return s.decideMoney(c, at)
}

// exists returns an error unless hotelID names this hotel, archived or not.
func (s *State) exists(hotelID string) error {
	if err := domain.ValidateID(hotelID, "hotel_id"); err != nil {
		return err
	}
	if s.hotel == nil || s.id != hotelID {
		return domain.Errorf(domain.HotelNotFound, "hotel_id", "there is no hotel %s", hotelID)
	}
	return nil
}

// open returns an error unless hotelID names this hotel and it is not archived.
func (s *State) open(hotelID string) error {
	if err := s.exists(hotelID); err != nil {
		return err
	}
	if s.hotel.Archived {
		return domain.Errorf(domain.HotelArchived, "hotel_id", "hotel %s is archived", hotelID)
	}
	return nil
}

// openRoomType returns the index of a room type that is not archived, of an open hotel.
func (s *State) openRoomType(hotelID, roomTypeID string) (uint16, error) {
	if err := s.open(hotelID); err != nil {
		return 0, err
	}
	if err := domain.ValidateID(roomTypeID, "room_type_id"); err != nil {
		return 0, err
	}
	index, ok := s.roomTypeIndex[roomTypeID]
	if !ok {
		return 0, domain.Errorf(domain.RoomTypeNotFound, "room_type_id", "hotel %s has no room type %s", hotelID, roomTypeID)
	}
	if s.roomTypes[index].details.Archived {
		return 0, domain.Errorf(domain.RoomTypeArchived, "room_type_id", "room type %s of hotel %s is archived", roomTypeID, hotelID)
	}
	return index, nil
}

// today returns the hotel's local day.
func (s *State) today(now time.Time) domain.Date { return domain.Today(now, s.place) }

// checkVersion returns an error unless expected is 0 or the current version.
func checkVersion(expected, current int64) error {
	if expected == 0 || expected == current {
		return nil
	}
	return domain.Errorf(domain.EtagMismatch, "etag", "version %d was expected and it is at %d", expected, current)
}

func one(m proto.Message) []proto.Message { return []proto.Message{m} }
