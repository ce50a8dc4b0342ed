package hotel

import (
	"encoding/binary"
	"math"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// appendRooms appends the rooms:
//
//	rooms        count, then each in order of creation: length, eventpb.Room
func (s *State) appendRooms(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.rooms)))
	for _, room := range s.rooms {
		b = appendMessage(b, room)
	}
	return b
}

func (s *State) loadRooms(r *reader) {
	for range r.count(1) {
		room := new(eventpb.Room)
		if r.message(r.bytes(), room); r.err != nil {
			return
		}
		if err := s.addRoom(room); err != nil {
			r.fail("%w", err)
			return
		}
	}
}

// appendStage appends where a reservation's guest is:
//
//	stage        1 byte
//	rooms        of one in house: count, then each: room index (uvarint)
//	used         of one departed: nights (uvarint)
func (s *State) appendStage(b []byte, at slot) []byte {
	r := &s.book.slots[at]
	b = append(b, byte(r.stage))
	switch r.stage {
	case inHouse:
		rooms := s.book.house.rooms[at]
		b = binary.AppendUvarint(b, uint64(len(rooms)))
		for _, room := range rooms {
			b = binary.AppendUvarint(b, uint64(room))
		}
	case departed:
		b = binary.AppendUvarint(b, uint64(r.used))
	}
	return b
}

// loadStage reads the stage into loaded, and returns the rooms that it is in.
func (s *State) loadStage(r *reader, loaded *reservation) (rooms []uint16) {
	switch loaded.stage = stage(r.byte()); loaded.stage {
	case awaited:
	case inHouse:
		rooms = s.loadHouse(r, loaded)
	case departed:
		loaded.used = uint16(r.uvarint(uint64(loaded.nights)))
	default:
		r.fail("a guest at stage %d cannot be", loaded.stage)
	}
	if r.err == nil && loaded.stage != awaited && loaded.state() != paid {
		r.fail("the guest of reservation %s cannot be at stage %d", loaded.id, loaded.stage)
	}
	return rooms
}

func (s *State) loadHouse(r *reader, loaded *reservation) []uint16 {
	n := r.count(1)
	if r.err == nil && n != int(loaded.quantity) {
		r.fail("%d rooms for %d reserved", n, loaded.quantity)
	}
	rooms := make([]uint16, 0, n)
	for range n {
		room := uint16(r.uvarint(math.MaxUint16))
		if r.err != nil {
			return nil
		}
		if int(room) >= len(s.rooms) || s.book.house.occupied(room) {
			r.fail("reservation %s cannot be in room %d", loaded.id, room)
			return nil
		}
		for _, other := range rooms {
			if other == room {
				r.fail("reservation %s is in room %d twice", loaded.id, room)
			}
		}
		rooms = append(rooms, room)
	}
	return rooms
}

const waiterBytesMin = 16 + 16 + 6

// appendWaiters appends the waiting list:
//
//	waiters      count, then each in their order: entry id (16 bytes), reservation id (16 bytes, zero: not offered), room type index,
//	             plan index and 1 (uvarint), quantity (1 byte), check-in (varint), nights (uvarint), 0, or 1 and the length and bytes of eventpb.Guest
func (s *State) appendWaiters(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.waiters.list)))
	for _, w := range s.waiters.list {
		b = append(append(b, w.id[:]...), w.offer[:]...)
		b = binary.AppendUvarint(b, uint64(w.roomType))
		b = binary.AppendUvarint(b, uint64(w.plan))
		b = append(b, w.quantity)
		b = binary.AppendVarint(b, int64(w.stay.CheckIn))
		b = binary.AppendUvarint(b, uint64(w.stay.Nights()))
		if b = append(b, 0); w.guest != nil {
			b[len(b)-1] = 1
			b = appendMessage(b, w.guest)
		}
	}
	return b
}

func (s *State) loadWaiters(r *reader) {
	for range r.count(waiterBytesMin) {
		if s.loadWaiter(r); r.err != nil {
			return
		}
	}
}

func (s *State) loadWaiter(r *reader) {
	w := new(waiter)
	copy(w.id[:], r.take(len(w.id)))
	copy(w.offer[:], r.take(len(w.offer)))
	w.roomType, w.plan = uint16(r.uvarint(math.MaxUint16)), uint16(r.uvarint(math.MaxUint16))
	w.quantity = r.byte()
	w.stay.CheckIn = r.date()
	w.stay.CheckOut = w.stay.CheckIn.AddDays(int(r.uvarint(domain.StayNightsMax)))
	switch said := r.byte(); said {
	case 0:
	case 1:
		w.guest = new(eventpb.Guest)
		r.message(r.bytes(), w.guest)
	default:
		r.fail("a guest of kind %d cannot be", said)
	}
	if r.err != nil {
		return
	}
	if int(w.roomType) >= len(s.roomTypes) || int(w.plan) > len(s.ratePlans) || w.quantity == 0 || w.stay.Validate() != nil ||
		w.id == (domain.ReservationID{}) || s.waiters.byID[w.id] != nil || s.waiters.byOffer[w.offer] != nil {
		r.fail("entry %s of the waiting list is not one that can be", w.id)
		return
	}
	s.waiters.add(w)
}
