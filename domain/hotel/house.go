package hotel

import (
	"slices"

	"lodge/domain"
)

// stage says where the guest of a reservation is.
type stage uint8

const (
	awaited stage = iota
	inHouse
	departed
)

// taken returns the nights that r takes: those of its stay, or those that its guest stayed.
func (r *reservation) taken() domain.Stay {
	stay := r.stay()
	if r.stage == departed {
		stay.CheckOut = stay.CheckIn.AddDays(int(r.used))
	}
	return stay
}

// checkAwaited returns an error when the guest has arrived.
func (r *reservation) checkAwaited(verb string) error {
	switch r.stage {
	case inHouse:
		return domain.Errorf(domain.StatusConflict, "reservation_id", "the guest of reservation %s has checked in: it cannot be %s", r.id, verb)
	case departed:
		return domain.Errorf(domain.StatusConflict, "reservation_id", "the guest of reservation %s has checked out: it cannot be %s", r.id, verb)
	}
	return nil
}

// house knows which rooms guests are in. Rooms are indexes into State.rooms.
type house struct {
	guests map[uint16]slot   // by room: the reservation
	rooms  map[slot][]uint16 // by reservation, in the order of its event
}

func newHouse() house {
	return house{guests: make(map[uint16]slot), rooms: make(map[slot][]uint16)}
}

// occupied reports whether there is a guest in a room.
func (h *house) occupied(room uint16) bool {
	_, ok := h.guests[room]
	return ok
}

// occupy gives rooms, which are free, to a reservation.
func (h *house) occupy(s slot, rooms []uint16) {
	h.rooms[s] = rooms
	for _, room := range rooms {
		h.guests[room] = s
	}
}

// move gives a reservation another room, which is free, for one that it has, and reports whether it has that.
func (h *house) move(s slot, from, to uint16) bool {
	rooms := h.rooms[s]
	i := slices.Index(rooms, from)
	if i < 0 {
		return false
	}
	rooms[i] = to
	delete(h.guests, from)
	h.guests[to] = s
	return true
}

// vacate frees the rooms of a reservation, if it has any.
func (h *house) vacate(s slot) {
	if len(h.rooms) == 0 {
		return
	}
	for _, room := range h.rooms[s] {
		delete(h.guests, room)
	}
	delete(h.rooms, s)
}
