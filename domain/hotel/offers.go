package hotel

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// OffersDue reports whether OfferRooms may lead to events at a moment: somebody waits, and rooms may have been freed since the
// last OffersMade, or a day of arrival is over. It costs nothing when nobody waits.
func (s *State) OffersDue(now time.Time) bool {
	l := &s.waiters
	if len(l.list) == len(l.byOffer) {
		return false
	}
	return !l.looked || l.earliest < s.today(now)
}

// OffersMade says that OfferRooms has just led to no event, so that OffersDue need not ask for it before something changes. It changes nothing that a
// command or a snapshot could tell.
func (s *State) OffersMade() { s.waiters.looked = true }

// frees reports whether an event may let somebody have rooms who could not before.
func frees(m proto.Message) bool {
	switch m.(type) {
	case *eventpb.ReservationCanceled, *eventpb.ReservationNoShow, *eventpb.ReservationDeclined, *eventpb.ReservationModified,
		*eventpb.GuestCheckedOut, *eventpb.GuestWalked,
		*eventpb.InventorySet, *eventpb.RestrictionsSet, *eventpb.RatesSet, *eventpb.RoomTypeUpdated, *eventpb.RatePlanUpdated:
		return true
	}
	return false
}

func (s *State) offerRooms(c *OfferRooms, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	today := s.today(at.Now)
	taken := make(overlay)
	var events []proto.Message
	served := 0
	for _, w := range s.waiters.list {
		if served == OffersMax {
			break
		}
		if !w.waits() {
			continue
		}
		if w.stay.CheckIn < today {
			events = append(events, s.leaving(w, eventpb.WaitingListEnd_WAITING_LIST_END_PAST))
			served++
			continue
		}
		if offered := s.offer(w, taken, at); offered != nil {
			events = append(events, offered...)
			served++
		}
	}
	return events, nil
}

// offer returns the events that offer to w what it waits for, or nil when that cannot be had now. taken counts what the command has offered.
func (s *State) offer(w *waiter, taken overlay, at At) []proto.Message {
	quantity := int32(w.quantity)
	if !s.hasRoom(w.roomType, w.stay, quantity, taken) {
		return nil
	}
	asked, err := s.wantedBy(s.requestOf(w, at), at)
	if err != nil { // the room type is archived, the plan has other terms: they go on waiting
		return nil
	}
	asked.seal = Seal{Key: w.guest.GetKey(), Sealed: w.guest.GetSealed()}
	if _, broken := s.obstacles(&asked, taken); broken != nil {
		return nil
	}
	b, err := s.grant(&asked, at)
	if err != nil { // there is no price
		return nil
	}
	taken.add(w.roomType, w.stay, quantity)
	b.event.WaitingListEntryId = w.id.String()
	return []proto.Message{
		&eventpb.WaitingListOffered{HotelId: s.id, EntryId: b.event.WaitingListEntryId, ReservationId: b.event.ReservationId},
		&b.event,
	}
}

// offerChannel is the channel of reservations that were offered.
const offerChannel = "waiting_list"

// requestOf is the reservation that w waits for.
func (s *State) requestOf(w *waiter, at At) *PlaceReservation {
	c := &PlaceReservation{
		Hotel: s.id, ReservationID: s.offerID(w, at).String(), RoomType: s.roomTypes[w.roomType].details.RoomTypeId,
		Quantity: int32(w.quantity), Stay: w.stay, Channel: offerChannel,
	}
	if w.plan > 0 {
		c.RatePlan = s.ratePlans[w.plan-1].RatePlanId
	}
	if g := w.guest; g != nil {
		c.Guest = Guest{ID: g.GuestId, DisplayName: g.DisplayName, Email: g.Email, Adults: g.Adults, Children: g.Children, Infants: g.Infants}
	}
	return c
}

// offerID derives the id of the offered reservation from entry and time, as UUIDs of version 8 are meant for. Whoever has guessed one and taken it has
// another derived.
func (s *State) offerID(w *waiter, at At) domain.ReservationID {
	var seed [16 + 8 + 8]byte
	copy(seed[:], w.id[:])
	binary.BigEndian.PutUint64(seed[16:], uint64(at.Now.UnixMilli()))
	for attempt := uint64(0); ; attempt++ {
		binary.BigEndian.PutUint64(seed[24:], attempt)
		sum := sha256.Sum256(seed[:])
		id := domain.ReservationID(sum[:16])
		id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
		if s.book.find(id) == nil && s.waiters.byOffer[id] == nil {
			return id
		}
	}
}

// endOffers adds to the events of a command what they mean for the waiting list: the entry of an offered reservation ends with the offer.
func (s *State) endOffers(events []proto.Message) []proto.Message {
	if len(s.waiters.byOffer) == 0 {
		return events
	}
	for _, e := range events {
		reservation, reason := offerEnd(e)
		if reason == eventpb.WaitingListEnd_WAITING_LIST_END_UNSPECIFIED {
			continue
		}
		id, err := domain.ParseReservationID(reservation)
		if err != nil {
			continue
		}
		if w := s.waiters.byOffer[id]; w != nil {
			events = append(events, s.leaving(w, reason))
		}
	}
	return events
}

// offerEnd says how an event ends the offer of its reservation, if it does.
func offerEnd(m proto.Message) (reservationID string, reason eventpb.WaitingListEnd) {
	switch m := m.(type) {
	case *eventpb.ReservationPaid:
		return m.GetReservationId(), eventpb.WaitingListEnd_WAITING_LIST_END_ACCEPTED
	case *eventpb.ReservationCanceled:
		return m.GetReservationId(), eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED
	case *eventpb.ReservationNoShow:
		return m.GetReservationId(), eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED
	case *eventpb.ReservationDeclined:
		return m.GetReservationId(), eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED
	}
	return "", eventpb.WaitingListEnd_WAITING_LIST_END_UNSPECIFIED
}

func (s *State) leaving(w *waiter, reason eventpb.WaitingListEnd) proto.Message {
	return &eventpb.WaitingListLeft{HotelId: s.id, EntryId: w.id.String(), Reason: reason}
}
