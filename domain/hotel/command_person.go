package hotel

import "lodge/domain/event"

// ForgetGuest records that the guest of a reservation is forgotten: whoever gives it erases the keys when the event is durable. It is refused
// with GUEST_EXPECTED while the hotel needs to know who they are. Giving it twice does no harm.
type ForgetGuest struct {
	Hotel         string
	ReservationID string
	Keys          []uint64 // all that seal the reservation's guests, which only the events know; none: it names nobody, and leaves the account. Not changed any more
	Force         bool     // also while they are expected, in house, or have money to come
}

// ForgetWaiter is ForgetGuest for an entry of the waiting list.
type ForgetWaiter struct {
	Hotel       string
	EntryID     string
	Reservation string // what the entry was offered, whose guest is sealed by the same key; or empty
	Keys        []uint64
	Force       bool // also while they wait, or are needed for the reservation
}

// HotelID implements Command.
func (c *ForgetGuest) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *ForgetGuest) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *ForgetGuest) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *ForgetWaiter) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *ForgetWaiter) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *ForgetWaiter) Fingerprint() [16]byte { return fingerprint(c) }

func (c *ForgetGuest) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	b.keys(c.Keys)
	b.flag(c.Force)
}

func (c *ForgetWaiter) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.EntryID, c.Reservation)
	b.keys(c.Keys)
	b.flag(c.Force)
}

func (c *canonical) keys(keys []uint64) {
	c.number(int64(len(keys)))
	for _, key := range keys {
		c.number(int64(key))
	}
}
