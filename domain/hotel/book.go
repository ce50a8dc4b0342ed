package hotel

import (
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// reservation is what the state keeps of one: 96 bytes, beside some 35 in the map. Slots are reused.
type reservation struct {
	id        domain.ReservationID
	deadline  int64 // of the hold in Unix milliseconds; 0: none
	total     int64 // of its price, in minor units
	fee       int64 // of canceling when it is not free
	noShowFee int64
	checkIn   domain.Date
	books     domain.Date // State.closed when it was placed: larger for each reservation with the same id
	nights    uint16
	roomType  uint16 // index into State.roomTypes
	next      slot   // in the chain of the day on which it is forgotten, or noSlot
	before    slot   // likewise
	heap      int32  // index into holds.slots, or -1
	terms     ref    // in book.terms
	applied   ref    // in book.applied: the newest
	payments  ref    // in book.payments: the first. Only events of payments read and change it
	adults    uint16
	children  uint16
	quantity  uint8
	status    uint8 // an eventpb.ReservationStatus
	marks     mark
	stage     stage
	used      uint16 // nights that the guest stayed, when departed
	version   uint16 // counts its events of topic bookings, from 1: see changed
}

// slot is the place of a reservation in a book.
type slot uint32

const noSlot = ^slot(0)

func (r *reservation) stay() domain.Stay {
	return domain.Stay{CheckIn: r.checkIn, CheckOut: r.checkIn.AddDays(int(r.nights))}
}

func (r *reservation) state() eventpb.ReservationStatus {
	return eventpb.ReservationStatus(r.status)
}

// takes reports whether r takes rooms.
func (r *reservation) takes() bool { return r.state() == pending || r.state() == paid }

// book holds the reservations that a hotel remembers, found by id, and forgets them by the day.
type book struct {
	slots    []reservation
	free     []slot
	byID     map[domain.ReservationID]slot
	days     map[domain.Date]slot // first of the chain that is forgotten when the books of the nights before this day close
	rejected []slot               // oldest first, at most RejectedMax; in no chain
	holds    holds
	house    house

	terms    termsTable
	accounts map[slot]account // of those whose account is out of the usual; nil: none
	applied  slab[applied]
	payments slab[payment]
	refunds  slab[refund]
}

func newBook() book {
	return book{byID: make(map[domain.ReservationID]slot), days: make(map[domain.Date]slot), house: newHouse()}
}

// find returns the reservation, or nil.
func (b *book) find(id domain.ReservationID) *reservation {
	if s, ok := b.byID[id]; ok {
		return &b.slots[s]
	}
	return nil
}

// add puts in a reservation that is not there, or was rejected, to be forgotten with the books of its last night.
func (b *book) add(r reservation, closed domain.Date) {
	r.heap = -1
	b.unreject(r.id)
	s := b.insert(r)
	if r.turnedAway() {
		b.reject(s)
		return
	}
	b.chain(s, max(r.stay().CheckOut, closed+1))
	if r.deadline != 0 && r.state() == pending {
		b.holds.push(b.slots, s)
	}
}

func (b *book) insert(r reservation) slot {
	s := slot(len(b.slots))
	if n := len(b.free); n > 0 {
		s = b.free[n-1]
		b.free = b.free[:n-1]
		b.slots[s] = r
	} else {
		if len(b.slots) == cap(b.slots) { // by a quarter, also when there are few: there are many small hotels
			b.slots = append(make([]reservation, 0, len(b.slots)+len(b.slots)/4+8), b.slots...)
		}
		b.slots = append(b.slots, r)
	}
	b.byID[r.id] = s
	return s
}

func (b *book) remove(s slot) {
	b.forgetMoney(s)
	delete(b.byID, b.slots[s].id)
	b.house.vacate(s)
	b.slots[s] = reservation{}
	b.free = append(b.free, s)
}

func (b *book) chain(s slot, day domain.Date) {
	first, ok := b.days[day]
	if !ok {
		first = noSlot
	} else {
		b.slots[first].before = s
	}
	b.slots[s].next, b.slots[s].before = first, noSlot
	b.days[day] = s
}

// rechain moves a reservation whose last night changes to another day's chain. It is called before the change.
func (b *book) rechain(s slot, checkOut, closed domain.Date) {
	r := &b.slots[s]
	// What checks out by the day that the books are closed to is in the chain of the day after.
	day, to := max(r.stay().CheckOut, closed+1), max(checkOut, closed+1)
	if day == to {
		return
	}
	if r.next != noSlot {
		b.slots[r.next].before = r.before
	}
	switch {
	case r.before != noSlot:
		b.slots[r.before].next = r.next
	case r.next != noSlot:
		b.days[day] = r.next
	default:
		delete(b.days, day)
	}
	b.chain(s, to)
}

// reject remembers s as the newest rejected one, and forgets the oldest when there are too many.
func (b *book) reject(s slot) {
	if len(b.rejected) == RejectedMax {
		b.remove(b.rejected[0])
		b.rejected = slices.Delete(b.rejected, 0, 1)
	}
	b.rejected = append(b.rejected, s)
}

// unreject forgets that id was rejected. Decide never leads there: it is for events that were decided when fewer
// rejected ids were remembered.
func (b *book) unreject(id domain.ReservationID) {
	if s, ok := b.byID[id]; ok {
		b.rejected = slices.DeleteFunc(b.rejected, func(known slot) bool { return known == s })
		b.remove(s)
	}
}

// settle gives r its new status and ends its hold.
func (b *book) settle(r *reservation, status eventpb.ReservationStatus) {
	if r.heap >= 0 {
		b.holds.remove(b.slots, r.heap)
	}
	r.deadline = 0
	if r.status = uint8(status); !r.takes() && r.stage == inHouse {
		b.house.vacate(b.byID[r.id])
		r.stage = awaited
	}
}

// close forgets the reservations whose last night is before closed, except those whose hold has yet to end.
func (b *book) close(closed domain.Date) {
	var due []domain.Date
	for day := range b.days {
		if day <= closed {
			due = append(due, day)
		}
	}
	slices.Sort(due)
	for _, day := range due {
		first := b.days[day]
		delete(b.days, day)
		for s := first; s != noSlot; {
			next := b.slots[s].next
			if b.slots[s].heap >= 0 {
				b.chain(s, closed+1)
			} else {
				b.remove(s)
			}
			s = next
		}
	}
}
