package audit

import (
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// house is the physical rooms of a hotel: which there are, and who is in them. Between the topics of hotels and of bookings nothing says
// when a room was out of service, so that is not looked at.
type house struct {
	exists map[string]bool
	guest  map[string]guest    // by room
	rooms  map[string][]string // by reservation: the other way round
}

// guest is who is in a room: for which reservation, since when.
type guest struct {
	reservation string
	since       domain.Date
}

// guestDaysMax is how long a guest may be in a room. Whoever has not been checked out by then has been forgotten by the decider, which keeps reservations for
// 30 days after their end.
const guestDaysMax = domain.StayNightsMax + 30

func newHouse() house {
	return house{exists: make(map[string]bool), guest: make(map[string]guest), rooms: make(map[string][]string)}
}

// checkedIn demands that the rooms exist, are as many as were reserved, and are empty.
func (h *house) checkedIn(p *pass, at log.Position, m *eventpb.GuestCheckedIn) {
	rooms := slices.Clone(m.GetRoomIds())
	slices.Sort(rooms)
	if len(rooms) == 0 || len(slices.Compact(rooms)) != len(m.GetRoomIds()) {
		p.found(BadRoom, at, m.GetHotelId(), "reservation %s got %d rooms, and some twice", m.GetReservationId(), len(m.GetRoomIds()))
	}
	day, err := domain.ParseDate(m.GetDate())
	if err != nil {
		p.found(BadStay, at, m.GetHotelId(), "reservation %s arrived on %q", m.GetReservationId(), m.GetDate())
	}
	for _, room := range m.GetRoomIds() {
		h.enter(p, at, m, room, day)
	}
	h.rooms[m.GetReservationId()] = slices.Clone(m.GetRoomIds())
}

// lodging is an event of a reservation whose guest gets a room.
type lodging interface {
	GetHotelId() string
	GetReservationId() string
}

// enter demands that a room exists and is empty, and puts the guest in it.
func (h *house) enter(p *pass, at log.Position, m lodging, room string, day domain.Date) {
	if !h.exists[room] {
		p.found(BadRoom, at, m.GetHotelId(), "reservation %s got room %q, which does not exist", m.GetReservationId(), room)
	}
	if other, ok := h.guest[room]; ok && day-other.since <= guestDaysMax {
		p.found(RoomTwice, at, m.GetHotelId(), "reservation %s got room %s, where the guest of %s is", m.GetReservationId(), room, other.reservation)
	}
	h.guest[room] = guest{m.GetReservationId(), day}
}

// moved demands that the guest is in the one room, and that the other is empty.
func (h *house) moved(p *pass, at log.Position, m *eventpb.GuestMoved) {
	rooms, since := h.rooms[m.GetReservationId()], h.guest[m.GetFromRoomId()]
	if len(rooms) == 0 {
		return // that the guest is there, the identities check
	}
	i := slices.Index(rooms, m.GetFromRoomId())
	if i < 0 || since.reservation != m.GetReservationId() {
		p.found(BadRoom, at, m.GetHotelId(), "reservation %s leaves room %q, where its guest is not", m.GetReservationId(), m.GetFromRoomId())
		return
	}
	if _, err := domain.ParseDate(m.GetDate()); err != nil {
		p.found(BadStay, at, m.GetHotelId(), "the guest of reservation %s moves on %q", m.GetReservationId(), m.GetDate())
	}
	h.enter(p, at, m, m.GetToRoomId(), since.since)
	delete(h.guest, m.GetFromRoomId())
	rooms[i] = m.GetToRoomId()
}

// lodges reports whether the guest of a reservation is there.
func (h *house) lodges(reservationID string) bool { return len(h.rooms[reservationID]) > 0 }

// checkedOut empties the rooms of a reservation.
func (h *house) checkedOut(m *eventpb.GuestCheckedOut) {
	for _, room := range h.rooms[m.GetReservationId()] {
		if h.guest[room].reservation == m.GetReservationId() {
			delete(h.guest, room)
		}
	}
	delete(h.rooms, m.GetReservationId())
}
