package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// Seal is who a guest is, or what people wrote, in a form that only the holder of a key can read. It is made before the command is decided and its bytes are never looked
// at here: deciding needs to know how many guests there are, not who they are.
type Seal = event.Seal

// GuestsOf appends to dst the guests that a command names, in order. Whoever seals them gives the seals to Decide in At.Seals.
func GuestsOf(c Command, dst []*Guest) []*Guest {
	switch c := c.(type) {
	case *PlaceReservation:
		dst = append(dst, &c.Guest)
	case *PlaceGroup:
		for i := range c.Reservations {
			dst = append(dst, &c.Reservations[i].Guest)
		}
	case *ModifyReservation:
		if c.Guest != nil {
			dst = append(dst, c.Guest)
		}
	case *JoinWaitingList:
		dst = append(dst, &c.Guest)
	}
	return dst
}

// Personal reports whether g says who somebody is.
func (g *Guest) Personal() bool { return g.DisplayName != "" || g.Email != "" }

// Check returns an error for what cannot be recorded.
func (g *Guest) Check() error { return g.check() }

// anonymous is g without saying who it is.
func (g *Guest) anonymous() Guest {
	return Guest{ID: g.ID, Adults: g.Adults, Children: g.Children, Infants: g.Infants}
}

// seal returns the seal of the command's guest i.
func (a *At) seal(i int) Seal {
	if i < len(a.Seals) {
		return a.Seals[i]
	}
	return Seal{}
}

// fillGuest copies g into m, sealed where there is a seal, and reports whether there is anything to say.
func fillGuest(m *eventpb.Guest, g *Guest, seal Seal) bool {
	m.GuestId, m.Adults, m.Children, m.Infants = g.ID, g.Adults, g.Children, g.Infants
	if seal.Key != 0 {
		m.Key, m.Sealed = seal.Key, seal.Sealed
		return true
	}
	m.DisplayName, m.Email = g.DisplayName, g.Email
	return *g != (Guest{})
}

// forgetGuest decides that the guest of a reservation is forgotten. One that is not in the state any more ended long ago.
func (s *State) forgetGuest(c *ForgetGuest, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	id, err := parseUUID(c.ReservationID, "reservation_id")
	if err != nil {
		return nil, err
	}
	if err := checkKeys(c.Keys); err != nil {
		return nil, err
	}
	if !c.Force {
		if err := s.checkOver(id, at); err != nil {
			return nil, err
		}
	}
	return one(&eventpb.GuestForgotten{HotelId: c.Hotel, ReservationId: c.ReservationID, Keys: c.Keys}), nil
}

// checkOver returns an error while the hotel needs to know who the guest of a reservation is.
func (s *State) checkOver(id domain.ReservationID, at At) error {
	r := s.book.find(id)
	if r == nil {
		return nil
	}
	needed := func(why string) error {
		return domain.Errorf(domain.GuestExpected, "reservation_id", "the guest of reservation %s cannot be forgotten yet: %s", r.id, why)
	}
	f := s.funds(r)
	switch {
	case r.state() == pending:
		return needed("rooms are held for them")
	case r.stage == inHouse:
		return needed("they have checked in and not left")
	case r.state() == paid && r.stage == awaited && r.stay().CheckOut > s.today(at.Now):
		return needed("they are expected or may still arrive until " + r.stay().CheckOut.String())
	case f.waiting || s.owed(r, &f) > 0:
		return needed("money is on its way back to them")
	case s.paying(r):
		return needed("a payment is on its way")
	}
	return nil
}

// paying reports whether a payment of a reservation has no outcome yet.
func (s *State) paying(r *reservation) (open bool) {
	s.book.eachPayment(r, func(p *payment) bool {
		open = p.outcome == PaymentOpen
		return !open
	})
	return open
}

// forgetWaiter is forgetGuest for an entry of the waiting list.
func (s *State) forgetWaiter(c *ForgetWaiter, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	id, err := parseUUID(c.EntryID, "entry_id")
	if err != nil {
		return nil, err
	}
	if err := checkKeys(c.Keys); err != nil {
		return nil, err
	}
	if s.waiters.byID[id] != nil && !c.Force {
		return nil, domain.Errorf(domain.GuestExpected, "entry_id", "the guest of entry %s cannot be forgotten yet: they are waiting for rooms, or have an offer", c.EntryID)
	}
	if c.Reservation != "" && !c.Force {
		id, err := parseUUID(c.Reservation, "reservation_id")
		if err == nil {
			err = s.checkOver(id, at)
		}
		if err != nil {
			return nil, err
		}
	}
	return one(&eventpb.WaiterForgotten{HotelId: c.Hotel, EntryId: c.EntryID, Keys: c.Keys}), nil
}

func checkKeys(keys []uint64) error {
	if n := len(keys); n > ForgetMax {
		return domain.Errorf(domain.LimitReached, "keys", "%d keys are more than %d", n, ForgetMax)
	}
	for _, key := range keys {
		if key == 0 {
			return domain.Errorf(domain.InvalidArgument, "keys", "0 is no key")
		}
	}
	return nil
}

// waiterForgotten takes the person from an entry that still waits; who it is offered to then is not known.
func (s *State) waiterForgotten(m *eventpb.WaiterForgotten) error {
	if err := s.owns(m.GetHotelId()); err != nil {
		return err
	}
	id, err := domain.ParseReservationID(m.GetEntryId())
	if err != nil {
		return err
	}
	if w := s.waiters.byID[id]; w != nil && w.guest != nil {
		w.guest.Key, w.guest.Sealed, w.guest.DisplayName, w.guest.Email = 0, nil, "", ""
	}
	return nil
}
