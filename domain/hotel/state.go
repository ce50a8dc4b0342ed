package hotel

import (
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// State is one hotel as its events made it. The zero value is not ready; New makes one. Not safe for concurrent use.
type State struct {
	hotel *eventpb.Hotel // nil: there is no hotel yet. Owned: never shared with an event
	place *time.Location // of hotel.time_zone

	roomTypes     []*roomType // in order of creation
	roomTypeIndex map[string]uint16

	ratePlans     []*eventpb.RatePlan // in order of creation; owned
	ratePlanIndex map[string]uint16   // nil: no plans

	rooms     []*eventpb.Room // in order of creation; owned
	roomIndex map[string]uint16

	waiters waiters

	book   book
	newest domain.Date // the newest place_date seen, or 0
	closed domain.Date // the books of the nights before it are closed: newest - BooksOpenDays, or 0

	// Copies made when the hotel is written, so that placing reads no proto.
	id       string
	currency string
	hold     time.Duration
}

// roomType is a room type and its nights.
type roomType struct {
	details *eventpb.RoomType // owned
	nights  nights

	planRates []rateCalendar // by index of the plan; as long as the last plan with rates needs
}

// At is when and upon what a command is decided.
type At struct {
	Now             time.Time // of the command
	InventoryOffset int64     // next offset of the hotel's inventory partition: all before it is in the state
	Seals           []Seal    // of GuestsOf the command, in their order; nil: persons are recorded as they are given
	Words           Seal      // of WordsOf the command; without a key they are recorded as they are given
}

// New returns the state of a hotel that nothing has happened to.
func New() *State {
	return &State{roomTypeIndex: make(map[string]uint16), waiters: newWaiters(), book: newBook()}
}

// Exists reports whether the hotel was created.
func (s *State) Exists() bool { return s.hotel != nil }

// Reservations returns how many reservations the state remembers, finished ones included.
func (s *State) Reservations() int { return len(s.book.byID) }

// NextHoldExpiry returns when the next hold ends, and false when there is none.
func (s *State) NextHoldExpiry() (time.Time, bool) {
	if len(s.book.holds.slots) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(s.book.slots[s.book.holds.slots[0]].deadline).UTC(), true
}

// Night is what the state counts of one room type on one night.
type Night struct {
	Date             domain.Date
	PhysicalCount    int32
	OutOfOrderCount  int32
	OverbookingLimit int32 // in rooms, also when it was set in per cent
	SoldCount        int32
	HeldCount        int32
}

// SellableCount returns how many rooms may be taken in all.
func (n Night) SellableCount() int32 {
	return n.PhysicalCount - n.OutOfOrderCount + n.OverbookingLimit
}

// Night returns the counts of a night; all are zero when there is no such night or room type.
func (s *State) Night(roomTypeID string, date domain.Date) Night {
	found := Night{Date: date}
	index, ok := s.roomTypeIndex[roomTypeID]
	if !ok {
		return found
	}
	if n := s.roomTypes[index].nights.at(date); n != nil {
		found.PhysicalCount, found.OutOfOrderCount, found.OverbookingLimit = n.physical, n.outOfOrder, n.overbookingLimit()
		found.SoldCount, found.HeldCount = n.sold, n.held
	}
	return found
}

// Status returns the status of a reservation, or UNSPECIFIED when the state does not know it.
func (s *State) Status(reservationID string) eventpb.ReservationStatus {
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
	}
	if r := s.book.find(id); r != nil {
		return r.state()
	}
	return eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
}
