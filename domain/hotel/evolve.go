package hotel

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// countBound is the most that a count in an event can be. Evolve does not know the limits of Decide, which may
// change while events stay; it only refuses what the state cannot hold.
const countBound = 1 << 28

// percentBound is the most that an overbooking limit in per cent can be: of the highest count it still fits.
const percentBound = 400

// Evolve applies one event. It keeps no part of m but strings. An error says that the event cannot follow what came
// before (it is another hotel's, or the log is not one that Decide made), and leaves the state as it was.
func (s *State) Evolve(m proto.Message) error {
	if err := s.evolve(m); err != nil {
		return fmt.Errorf("evolve hotel %s by %s: %w", event.HotelOf(m), event.TypeOf(m), err)
	}
	s.changed(m)
	if s.waiters.looked && frees(m) {
		s.waiters.looked = false
	}
	return nil
}

func (s *State) evolve(m proto.Message) error {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return s.placed(m)
	case *eventpb.ReservationRejected:
		return s.rejected(m)
	case *eventpb.ReservationPaid:
		return s.paid(m)
	case *eventpb.ReservationCanceled:
		return s.ended(m)
	case *eventpb.ReservationNoShow:
		return s.ended(m)
	case *eventpb.InventorySet:
		return s.inventorySet(m)
	case *eventpb.RestrictionsSet:
		return s.restrictionsSet(m)
	case *eventpb.RatesSet:
		return s.ratesSet(m)
	case *eventpb.RatePlanCreated:
		return s.addRatePlan(m.GetRatePlan())
	case *eventpb.RatePlanUpdated:
		return s.setRatePlan(m.GetRatePlan())
	case *eventpb.RatePlanArchived:
		return s.setRatePlan(m.GetRatePlan())
	case *eventpb.HotelCreated:
		return s.setHotel(m.GetHotel(), s.hotel == nil)
	case *eventpb.HotelUpdated:
		return s.setHotel(m.GetHotel(), s.hotel != nil)
	case *eventpb.HotelArchived:
		return s.setHotel(m.GetHotel(), s.hotel != nil)
	case *eventpb.RoomTypeCreated:
		return s.addRoomType(m.GetRoomType())
	case *eventpb.RoomTypeUpdated:
		return s.setRoomType(m.GetRoomType())
	case *eventpb.RoomTypeArchived:
		return s.setRoomType(m.GetRoomType())
	}
	return s.evolveMoney(m)
}

func (s *State) setHotel(hotel *eventpb.Hotel, expected bool) error {
	if !expected || hotel.GetHotelId() == "" || s.hotel != nil && hotel.GetHotelId() != s.id {
		return fmt.Errorf("it does not follow: the state is of hotel %q", s.id)
	}
	place, err := domain.LoadTimeZone(hotel.GetTimeZone())
	if err != nil {
		return err
	}
	s.hotel, s.place = proto.CloneOf(hotel), place
	s.id, s.currency = hotel.HotelId, hotel.CurrencyCode
	s.hold = time.Duration(hotel.HoldSeconds) * time.Second
	return nil
}

func (s *State) addRoomType(details *eventpb.RoomType) error {
	id := details.GetRoomTypeId()
	if err := s.owns(details.GetHotelId()); err != nil {
		return err
	}
	if _, ok := s.roomTypeIndex[id]; ok || id == "" || len(s.roomTypes) >= math.MaxUint16 {
		return fmt.Errorf("room type %q cannot be added to %d", id, len(s.roomTypes))
	}
	s.roomTypeIndex[id] = uint16(len(s.roomTypes))
	s.roomTypes = append(s.roomTypes, &roomType{details: proto.CloneOf(details)})
	return nil
}

func (s *State) setRoomType(details *eventpb.RoomType) error {
	index, err := s.knownRoomType(details.GetHotelId(), details.GetRoomTypeId())
	if err != nil {
		return err
	}
	s.roomTypes[index].details = proto.CloneOf(details)
	return nil
}

func (s *State) inventorySet(m *eventpb.InventorySet) error {
	index, from, to, err := s.rangeOf(m.GetHotelId(), m.GetRoomTypeId(), m)
	if err != nil {
		return err
	}
	for _, n := range [...]int32{m.GetPhysicalCount(), m.GetOutOfOrderCount(), m.GetOverbookingLimit()} {
		if n < 0 || n > countBound {
			return fmt.Errorf("a count of %d is not from 0 to %d", n, countBound)
		}
	}
	if m.NightlyRate != nil && m.NightlyRate.MinorUnits < 0 {
		return fmt.Errorf("a rate of %d is negative", m.NightlyRate.MinorUnits)
	}
	if p := m.GetOverbookingPercent(); p < 0 || p > percentBound {
		return fmt.Errorf("overbooking by %d per cent is not from 0 to %d", p, percentBound)
	}
	if from >= to {
		return nil
	}
	nights := &s.roomTypes[index].nights
	if err := nights.ensure(from, to); err != nil {
		return err
	}
	for d := from; d < to; d++ {
		n := nights.at(d)
		set(&n.physical, m.PhysicalCount)
		set(&n.outOfOrder, m.OutOfOrderCount)
		set(&n.overbooking, m.OverbookingLimit)
		if m.OverbookingPercent != nil {
			n.overbooking = -*m.OverbookingPercent
		}
	}
	nights.say(from, to, countsIn(m))
	if m.NightlyRate != nil {
		nights.setRate(from, to, m.NightlyRate.MinorUnits)
	}
	return nil
}

// countsIn returns which counts an event sets.
func countsIn(m *eventpb.InventorySet) (what known) {
	if m.PhysicalCount != nil {
		what |= knownPhysical
	}
	if m.OverbookingLimit != nil || m.OverbookingPercent != nil {
		what |= knownOverbooking
	}
	return what
}

// rangeOf returns the room type and those nights of an event's range whose books are open; from is not before to when there are none.
func (s *State) rangeOf(hotelID, roomTypeID string, m interface {
	GetStartDate() string
	GetEndDate() string
}) (roomType uint16, from, to domain.Date, err error) {
	if roomType, err = s.knownRoomType(hotelID, roomTypeID); err != nil {
		return 0, 0, 0, err
	}
	if from, err = domain.ParseDate(m.GetStartDate()); err != nil {
		return 0, 0, 0, err
	}
	to, err = domain.ParseDate(m.GetEndDate())
	return roomType, max(from, s.closed), to, err
}

func (s *State) placed(m *eventpb.ReservationPlaced) error {
	r, err := s.read(m.GetHotelId(), m.GetReservationId(), m.GetStay())
	if err != nil {
		return err
	}
	total := m.GetTotalMinorUnits()
	if total < 0 {
		return fmt.Errorf("a total of %d is negative", total)
	}
	under := termsOf(m.GetTerms().GetRatePlanId(), m.GetTerms().GetCancellation())
	r.setPrice(&under, m.GetNightlyMinorUnits(), total)
	r.setGuests(m.GetGuest())
	r.books = s.closed
	r.version = 1
	r.status = uint8(pending)
	if m.HoldExpireTime != nil {
		r.deadline = m.HoldExpireTime.Seconds*1000 + int64(m.HoldExpireTime.Nanos)/1_000_000
	}
	day := s.newest
	if m.PlaceDate != "" {
		if day, err = domain.ParseDate(m.PlaceDate); err != nil {
			return err
		}
	}
	nights := &s.roomTypes[r.roomType].nights
	if from := max(r.checkIn, s.closed); from < r.stay().CheckOut {
		if err := nights.ensure(from, r.stay().CheckOut); err != nil {
			return err
		}
	}
	nights.add(r.stay(), 0, int32(r.quantity))
	r.terms = s.book.terms.use(under)
	s.book.add(r, s.closed)
	s.closeBooks(day)
	return nil
}

func (s *State) rejected(m *eventpb.ReservationRejected) error {
	r, err := s.read(m.GetHotelId(), m.GetReservationId(), m.GetStay())
	if err != nil {
		return err
	}
	r.version = 1
	r.status = uint8(turnedAway)
	s.book.add(r, s.closed)
	return nil
}

// settled moves a reservation's rooms from where they are counted to where status counts them.
func (s *State) settled(m reservationEvent, status eventpb.ReservationStatus) (slot, error) {
	at, err := s.known(m)
	if err != nil {
		return 0, err
	}
	r := &s.book.slots[at]
	if !r.takes() || r.state() == status {
		return 0, fmt.Errorf("reservation %s is not one that can become %s", r.id, statusName(status))
	}
	s.count(r, -1)
	s.book.settle(r, status)
	s.count(r, +1)
	return at, nil
}

// count adds or takes away, by sign, what r counts for on its nights.
func (s *State) count(r *reservation, sign int32) {
	nights := &s.roomTypes[r.roomType].nights
	switch r.state() {
	case pending:
		nights.add(r.taken(), 0, sign*int32(r.quantity))
	case paid:
		nights.add(r.taken(), sign*int32(r.quantity), 0)
	}
}

// closeBooks closes the books that a reservation placed on day closes.
func (s *State) closeBooks(day domain.Date) {
	if day <= s.newest {
		return
	}
	s.newest = day
	if s.closed = max(s.closed, day.AddDays(-BooksOpenDays)); s.closed < 0 {
		s.closed = 0
	}
	s.book.close(s.closed)
	for _, roomType := range s.roomTypes {
		roomType.nights.forget(s.closed)
		for i := range roomType.planRates {
			roomType.planRates[i].forget(s.closed)
		}
	}
}

// read returns a new reservation as an event tells it.
func (s *State) read(hotelID, reservationID string, m *eventpb.Stay) (reservation, error) {
	r, err := s.readStay(hotelID, m)
	if err != nil {
		return reservation{}, err
	}
	if r.id, err = domain.ParseReservationID(reservationID); err != nil {
		return reservation{}, err
	}
	if known := s.book.find(r.id); known != nil && !known.turnedAway() {
		return reservation{}, fmt.Errorf("reservation %s exists already", r.id)
	}
	return r, nil
}

// readStay returns a reservation that has only the stay of an event.
func (s *State) readStay(hotelID string, m *eventpb.Stay) (reservation, error) {
	index, err := s.knownRoomType(hotelID, m.GetRoomTypeId())
	if err != nil {
		return reservation{}, err
	}
	in, err := domain.ParseDate(m.GetCheckInDate())
	if err != nil {
		return reservation{}, err
	}
	out, err := domain.ParseDate(m.GetCheckOutDate())
	if err != nil {
		return reservation{}, err
	}
	if n := out - in; n < 1 || n > spanMax || m.GetQuantity() < 1 || m.GetQuantity() > math.MaxUint8 {
		return reservation{}, fmt.Errorf("%d rooms for %d nights are no stay", m.GetQuantity(), n)
	}
	return reservation{
		roomType: index, quantity: uint8(m.GetQuantity()), checkIn: in, nights: uint16(out - in),
	}, nil
}

func (s *State) owns(hotelID string) error {
	if s.hotel == nil || hotelID != s.id {
		return fmt.Errorf("the state is of hotel %q", s.id)
	}
	return nil
}

func (s *State) knownRoomType(hotelID, roomTypeID string) (uint16, error) {
	if err := s.owns(hotelID); err != nil {
		return 0, err
	}
	index, ok := s.roomTypeIndex[roomTypeID]
	if !ok {
		return 0, fmt.Errorf("there is no room type %q", roomTypeID)
	}
	return index, nil
}
