package hotel

import (
	"bytes"
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
)

// snapshotVersion is the first byte of a snapshot. A snapshot of another version is refused: it is
// only a shortcut, and its owner replays the log instead.
const snapshotVersion = 6

// AppendSnapshot appends the state in a compact form to b. Two states made by the same events give the same bytes, also when
// the events of one were sorted by their topics.
//
//	version      1 byte
//	hotel        length, eventpb.Hotel; a length of 0 ends the snapshot: there is no hotel
//	newest       varint, days since 1970
//	closed       varint, days since 1970
//	room types   count, then each: length, eventpb.RoomType, base (varint), nights (count), runs;
//	             blank nights before and behind all others are left out
//	  run        nights (count), physical, out of order (uvarint), overbooking, rate (varint),
//	             min stay, max stay, closed, which counts were set (1 byte each)
//	rate plans   see appendRates
//	rooms        see appendRooms
//	waiters      see appendWaiters
//	terms        see appendTerms
//	reservations count, then each in order of ids
//	rejected     count, then each, oldest first
//	  each       id (16 bytes), room type index, quantity, status (uvarint),
//	             check-in (varint, from closed), nights, deadline, version (uvarint), see appendStage;
//	             of those that are not rejected, see appendMoney
//
// Sold and held counts are not written: they are the sums of the reservations, and LoadSnapshot adds them up again.
func (s *State) AppendSnapshot(b []byte) []byte {
	b = append(b, snapshotVersion)
	if s.hotel == nil {
		return append(b, 0)
	}
	b = appendMessage(b, s.hotel)
	b = binary.AppendVarint(b, int64(s.newest))
	b = binary.AppendVarint(b, int64(s.closed))
	b = binary.AppendUvarint(b, uint64(len(s.roomTypes)))
	for _, roomType := range s.roomTypes {
		b = appendMessage(b, roomType.details)
		b = roomType.nights.appendTo(b)
	}
	b, places := s.appendTerms(s.appendWaiters(s.appendRooms(s.appendRates(b))))
	return s.appendReservations(b, places)
}

func appendMessage(b []byte, m proto.Message) []byte {
	b = binary.AppendUvarint(b, uint64(proto.Size(m)))
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, m)
	if err != nil {
		panic("hotel: a message that was decoded does not encode: " + err.Error())
	}
	return b
}

func (n *nights) appendTo(b []byte) []byte {
	from, to := 0, len(n.counts)
	for from < to && n.blank(from) {
		from++
	}
	for from < to && n.blank(to-1) {
		to--
	}
	b = appendRange(b, n.base, from, to)
	for i := from; i < to; {
		run := 1
		for i+run < to && n.same(i, i+run) {
			run++
		}
		first := &n.counts[i]
		b = binary.AppendUvarint(b, uint64(run))
		b = binary.AppendUvarint(b, uint64(first.physical))
		b = binary.AppendUvarint(b, uint64(first.outOfOrder))
		b = binary.AppendVarint(b, int64(first.overbooking))
		b = binary.AppendVarint(b, n.rate(n.base.AddDays(i)))
		restricted := n.restrictions(n.base.AddDays(i))
		b = append(b, restricted.MinStay, restricted.MaxStay, byte(restricted.Closed), byte(n.said(n.base.AddDays(i))))
		i += run
	}
	return b
}

// appendRange appends base and number of the nights [from, to) of a calendar; the same for all calendars that have none.
func appendRange(b []byte, base domain.Date, from, to int) []byte {
	if from == to {
		return append(b, 0, 0)
	}
	b = binary.AppendVarint(b, int64(base.AddDays(from)))
	return binary.AppendUvarint(b, uint64(to-from))
}

// blank reports whether night i is one of which nothing was ever said and which nobody takes. Whether such a night is in a calendar's memory depends on what
// else was, and in which order.
func (n *nights) blank(i int) bool {
	d := n.base.AddDays(i)
	return n.counts[i] == night{} && n.rate(d) == noRate && n.restrictions(d) == Restrictions{} && n.said(d) == 0
}

// same reports whether the nights i and j were set alike.
func (n *nights) same(i, j int) bool {
	a, b := &n.counts[i], &n.counts[j]
	return a.physical == b.physical && a.outOfOrder == b.outOfOrder && a.overbooking == b.overbooking &&
		(n.rates == nil || n.rates[i] == n.rates[j]) && (n.restricted == nil || n.restricted[i] == n.restricted[j]) &&
		(n.known == nil || n.known[i] == n.known[j])
}

func (s *State) appendReservations(b []byte, places map[ref]uint64) []byte {
	order := make([]slot, 0, len(s.book.byID))
	for _, slot := range s.book.byID {
		if !s.book.slots[slot].turnedAway() {
			order = append(order, slot)
		}
	}
	slices.SortFunc(order, func(i, j slot) int {
		return bytes.Compare(s.book.slots[i].id[:], s.book.slots[j].id[:])
	})
	b = binary.AppendUvarint(b, uint64(len(order)))
	for _, slot := range order {
		b = s.appendStage(s.appendReservation(b, &s.book.slots[slot]), slot)
		b = s.appendMoney(b, slot, places)
	}
	b = binary.AppendUvarint(b, uint64(len(s.book.rejected)))
	for _, slot := range s.book.rejected {
		b = s.appendStage(s.appendReservation(b, &s.book.slots[slot]), slot)
	}
	return b
}

func (s *State) appendReservation(b []byte, r *reservation) []byte {
	b = append(b, r.id[:]...)
	b = binary.AppendUvarint(b, uint64(r.roomType))
	b = append(b, r.quantity, r.status)
	b = binary.AppendVarint(b, int64(r.checkIn-s.closed))
	b = binary.AppendUvarint(b, uint64(r.nights))
	b = binary.AppendUvarint(b, uint64(r.deadline))
	return binary.AppendUvarint(b, uint64(r.version))
}

// LoadSnapshot makes the state that AppendSnapshot wrote. b is not kept. It refuses, with an error and
// without much memory, whatever AppendSnapshot cannot have written; it does not detect every flipped bit, which is what the owner's checksum is for.
func LoadSnapshot(b []byte) (*State, error) {
	r := &reader{b: b}
	s := New()
	if version := r.byte(); r.err == nil && version != snapshotVersion {
		r.fail("version %d is not %d", version, snapshotVersion)
	}
	if hotel := r.bytes(); r.err == nil && len(hotel) > 0 {
		s.load(r, hotel)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes are left over", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

// minimum sizes of what is counted, by which a count is checked before memory is made.
const (
	roomTypeBytesMin    = 3
	reservationBytesMin = 16 + 8
)

func (s *State) load(r *reader, hotel []byte) {
	s.loadHotel(r, hotel)
	s.newest, s.closed = r.date(), r.date()
	for range r.count(roomTypeBytesMin) {
		s.loadRoomType(r)
	}
	s.loadRates(r)
	s.loadRooms(r)
	s.loadWaiters(r)
	under := s.loadTerms(r)
	for range r.count(reservationBytesMin) {
		s.loadReservation(r, false, under)
	}
	for range r.count(reservationBytesMin) {
		s.loadReservation(r, true, under)
	}
}
