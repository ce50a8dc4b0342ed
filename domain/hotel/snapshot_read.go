package hotel

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// reader takes a snapshot apart. After the first error everything it returns is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("load snapshot of a hotel: "+format, args...)
		r.b = nil
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.fail("%d bytes are missing", n-len(r.b))
	}
	if r.err != nil {
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint returns a number that is at most limit.
func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail("a number is cut off or beyond %d", limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns what follows its length.
func (r *reader) bytes() []byte { return r.take(int(r.uvarint(math.MaxInt32))) }

// count returns how many things follow that have at least size bytes each.
func (r *reader) count(size int) int {
	n := int(r.uvarint(math.MaxInt32))
	if n*size > len(r.b) {
		r.fail("%d things do not fit into %d bytes", n, len(r.b))
		return 0
	}
	return n
}

func (r *reader) date() domain.Date {
	d := r.varint()
	if !inCalendar(d) {
		r.fail("day %d is outside the calendar", d)
		return 0
	}
	return domain.Date(d)
}

func inCalendar(day int64) bool { return int64(domain.DateMin) <= day && day <= int64(domain.DateMax) }

func (r *reader) message(b []byte, m proto.Message) {
	if r.err != nil {
		return
	}
	if err := proto.Unmarshal(b, m); err != nil {
		r.fail("%w", err)
	}
}

func (s *State) loadHotel(r *reader, b []byte) {
	hotel := new(eventpb.Hotel)
	if r.message(b, hotel); r.err != nil {
		return
	}
	if err := s.setHotel(hotel, true); err != nil {
		r.fail("%w", err)
	}
}

func (s *State) loadRoomType(r *reader) {
	details := new(eventpb.RoomType)
	if r.message(r.bytes(), details); r.err != nil {
		return
	}
	if err := s.addRoomType(details); err != nil {
		r.fail("%w", err)
		return
	}
	s.roomTypes[len(s.roomTypes)-1].nights.load(r, s.closed)
}

func (n *nights) load(r *reader, closed domain.Date) {
	base, left := r.date(), int(r.uvarint(spanMax))
	if left > 0 && base < closed {
		r.fail("night %s is before %s, when the books closed", base, closed)
	}
	if r.err != nil {
		return
	}
	n.base = base
	for left > 0 && r.err == nil {
		run := int(r.uvarint(uint64(left)))
		if run == 0 {
			r.fail("a run of nights is empty")
			return
		}
		n.loadRun(r, run)
		left -= run
	}
}

func (n *nights) loadRun(r *reader, run int) {
	alike := night{
		physical:   int32(r.uvarint(countBound)),
		outOfOrder: int32(r.uvarint(countBound)),
	}
	overbooking, rate := r.varint(), r.varint()
	restricted := Restrictions{MinStay: r.byte(), MaxStay: r.byte(), Closed: Closed(r.byte())}
	said := known(r.byte())
	if overbooking < -percentBound || overbooking > countBound || restricted.Closed&^closedAll != 0 || said&^knownAll != 0 {
		r.fail("overbooking of %d, closing of %b or setting of %b cannot be", overbooking, restricted.Closed, said)
	}
	alike.overbooking = int32(overbooking)
	if r.err != nil {
		return
	}
	from := n.base.AddDays(len(n.counts))
	to := from.AddDays(run)
	if err := n.ensure(from, to); err != nil {
		r.fail("%w", err)
		return
	}
	for d := from; d < to; d++ {
		*n.at(d) = alike
		n.setRestrictions(d, restricted)
	}
	n.say(from, to, said)
	if rate != noRate {
		n.setRate(from, to, rate)
	}
}

func (s *State) loadReservation(r *reader, isRejected bool, under []terms) {
	var loaded reservation
	copy(loaded.id[:], r.take(len(loaded.id)))
	loaded.roomType = uint16(r.uvarint(math.MaxUint16))
	loaded.quantity, loaded.status = r.byte(), r.byte()
	checkIn := r.varint() + int64(s.closed)
	loaded.checkIn = domain.Date(checkIn)
	loaded.nights = uint16(r.uvarint(spanMax))
	loaded.deadline = int64(r.uvarint(math.MaxInt64))
	loaded.version = uint16(r.uvarint(math.MaxUint16))
	rooms := s.loadStage(r, &loaded)
	var m money
	if !isRejected {
		m = s.loadMoney(r, &loaded, under)
	}
	if r.err != nil {
		return
	}
	switch {
	case int(loaded.roomType) >= len(s.roomTypes),
		loaded.quantity < 1 || loaded.nights < 1,
		!inCalendar(checkIn) || !loaded.stay().CheckOut.Valid(),
		isRejected != loaded.turnedAway(),
		!isRejected && !loaded.takes() && !loaded.ended() && loaded.state() != refunded,
		loaded.deadline != 0 && loaded.state() != pending,
		s.book.find(loaded.id) != nil:
		r.fail("reservation %s is not one that can be", loaded.id)
		return
	}
	if s.put(loaded, r); r.err != nil {
		return
	}
	if !isRejected {
		s.book.putMoney(loaded.id, &m)
	}
	if loaded.stage == inHouse {
		s.book.house.occupy(s.book.byID[loaded.id], rooms)
	}
}

// put adds a reservation of a snapshot, and what it counts for.
func (s *State) put(loaded reservation, r *reader) {
	nights := &s.roomTypes[loaded.roomType].nights
	if from, to := max(loaded.checkIn, s.closed), loaded.taken().CheckOut; loaded.takes() && from < to {
		if nights.at(from) == nil || nights.at(to-1) == nil {
			r.fail("reservation %s takes nights that are not there", loaded.id)
			return
		}
	}
	s.book.add(loaded, s.closed)
	s.count(&loaded, +1)
}
