package hotel

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// waiter is an entry of the waiting list.
type waiter struct {
	id       domain.ReservationID // of the entry
	offer    domain.ReservationID // the reservation that was offered, or zero
	stay     domain.Stay
	roomType uint16
	plan     uint16 // index into State.ratePlans and 1; 0: none
	quantity uint8
	guest    *eventpb.Guest // owned; nil: nothing was said
}

// waits reports whether nothing was offered yet.
func (w *waiter) waits() bool { return w.offer == domain.ReservationID{} }

// waiters are a hotel's waiting list.
type waiters struct {
	list     []*waiter // in the order in which they came
	byID     map[domain.ReservationID]*waiter
	byOffer  map[domain.ReservationID]*waiter // by the reservation
	earliest domain.Date                      // day of arrival among those who wait; domain.DateMax: nobody waits
	looked   bool                             // nothing was freed since the owner called OffersMade; no part of snapshots
}

func newWaiters() waiters {
	return waiters{
		byID: make(map[domain.ReservationID]*waiter), byOffer: make(map[domain.ReservationID]*waiter), earliest: domain.DateMax,
	}
}

// add puts an entry at the end.
func (l *waiters) add(w *waiter) {
	l.list = append(l.list, w)
	l.byID[w.id] = w
	if w.waits() {
		l.earliest = min(l.earliest, w.stay.CheckIn)
	} else {
		l.byOffer[w.offer] = w
	}
}

func (l *waiters) offer(w *waiter, reservation domain.ReservationID) {
	w.offer = reservation
	l.byOffer[reservation] = w
	l.findEarliest()
}

func (l *waiters) remove(w *waiter) {
	l.list = slices.DeleteFunc(l.list, func(other *waiter) bool { return other == w })
	delete(l.byID, w.id)
	delete(l.byOffer, w.offer)
	l.findEarliest()
}

func (l *waiters) findEarliest() {
	l.earliest = domain.DateMax
	for _, w := range l.list {
		if w.waits() {
			l.earliest = min(l.earliest, w.stay.CheckIn)
		}
	}
}

// Waiting returns how many entries the waiting list has, those with an open offer included.
func (s *State) Waiting() int { return len(s.waiters.list) }

func (s *State) joinWaitingList(c *JoinWaitingList, at At) ([]proto.Message, error) {
	if err := s.open(c.Hotel); err != nil {
		return nil, err
	}
	id, err := parseUUID(c.EntryID, "entry_id")
	if err != nil {
		return nil, err
	}
	if s.waiters.byID[id] != nil {
		return nil, domain.Errorf(domain.WaiterExists, "entry_id", "entry %s is on the waiting list already", c.EntryID)
	}
	if len(s.waiters.list) >= WaitersMax {
		return nil, domain.Errorf(domain.LimitReached, "", "%d wait at hotel %s, which is the most", WaitersMax, s.id)
	}
	wanted, err := s.wanted(c.request(), at, false)
	if err != nil {
		return nil, err
	}
	switch full, broken := s.obstacles(&wanted, nil); {
	case broken != nil:
		e := domain.Errorf(domain.Restricted, "", "a restriction forbids the stay, so that waiting for rooms would be in vain: %s", broken[0].Restriction)
		e.Nights = broken[0].Nights
		return nil, e
	case full == nil:
		return nil, domain.Errorf(domain.RoomsAvailable, "", "the rooms can be had now")
	}
	e := &eventpb.WaitingListJoined{
		HotelId: s.id, EntryId: c.EntryID, RatePlanId: c.RatePlan, JoinDate: s.today(at.Now).String(),
		Stay: &eventpb.Stay{
			RoomTypeId: c.RoomType, Quantity: c.Quantity, CheckInDate: c.Stay.CheckIn.String(), CheckOutDate: c.Stay.CheckOut.String(),
		},
	}
	if guest := new(eventpb.Guest); fillGuest(guest, &c.Guest, at.seal(0)) {
		e.Guest = guest
	}
	return one(e), nil
}

// request is the reservation that the entry waits for, without an id.
func (c *JoinWaitingList) request() *PlaceReservation {
	return &PlaceReservation{
		Hotel: c.Hotel, RoomType: c.RoomType, Quantity: c.Quantity, Stay: c.Stay, Guest: c.Guest, RatePlan: c.RatePlan,
	}
}

func (s *State) leaveWaitingList(c *LeaveWaitingList) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	id, err := parseUUID(c.EntryID, "entry_id")
	if err != nil {
		return nil, err
	}
	if s.waiters.byID[id] == nil {
		return nil, domain.Errorf(domain.WaiterNotFound, "entry_id", "entry %s is not on the waiting list of hotel %s", c.EntryID, s.id)
	}
	reason := eventpb.WaitingListEnd_WAITING_LIST_END_GUEST_REQUEST
	if c.ByHotel {
		reason = eventpb.WaitingListEnd_WAITING_LIST_END_HOTEL_REQUEST
	}
	return one(&eventpb.WaitingListLeft{HotelId: s.id, EntryId: c.EntryID, Reason: reason}), nil
}

func (s *State) joined(m *eventpb.WaitingListJoined) error {
	index, err := s.knownRoomType(m.GetHotelId(), m.GetStay().GetRoomTypeId())
	if err != nil {
		return err
	}
	w := &waiter{roomType: index, quantity: uint8(m.GetStay().GetQuantity()), guest: proto.CloneOf(m.GetGuest())}
	if w.id, err = domain.ParseReservationID(m.GetEntryId()); err != nil {
		return err
	}
	if s.waiters.byID[w.id] != nil {
		return fmt.Errorf("entry %s is on the waiting list already", w.id)
	}
	if plan := m.GetRatePlanId(); plan != "" {
		known, err := s.knownRatePlan(m.GetHotelId(), plan)
		if err != nil {
			return err
		}
		w.plan = known + 1
	}
	if w.stay, err = domain.ParseStay(m.GetStay().GetCheckInDate(), m.GetStay().GetCheckOutDate()); err != nil {
		return err
	}
	if n := m.GetStay().GetQuantity(); n < 1 || n > math.MaxUint8 {
		return fmt.Errorf("%d rooms are no stay", n)
	}
	s.waiters.add(w)
	return nil
}

func (s *State) offered(m *eventpb.WaitingListOffered) error {
	w, err := s.waiter(m.GetHotelId(), m.GetEntryId())
	if err != nil {
		return err
	}
	reservation, err := domain.ParseReservationID(m.GetReservationId())
	if err != nil {
		return err
	}
	if !w.waits() || s.waiters.byOffer[reservation] != nil {
		return fmt.Errorf("entry %s has an offer, or reservation %s is one", w.id, reservation)
	}
	s.waiters.offer(w, reservation)
	return nil
}

func (s *State) left(m *eventpb.WaitingListLeft) error {
	w, err := s.waiter(m.GetHotelId(), m.GetEntryId())
	if err != nil {
		return err
	}
	s.waiters.remove(w)
	return nil
}

func (s *State) waiter(hotelID, entryID string) (*waiter, error) {
	if err := s.owns(hotelID); err != nil {
		return nil, err
	}
	id, err := domain.ParseReservationID(entryID)
	if err != nil {
		return nil, err
	}
	if w := s.waiters.byID[id]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("entry %s is not on the waiting list", id)
}
