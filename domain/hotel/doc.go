// Package hotel is the decider of one hotel: its state, the commands it takes, Decide and Evolve.
//
//	events, err := hotel.Decide(state, command, at)   // pure: looks, never changes
//	err = state.Evolve(event)                         // for each event, in order: changes, never judges
//
// The owner holds one *State per hotel, made by New and fed with every event of the hotel, and is the only one that
// touches it: nothing here locks. Time comes in with the command (At.Now); there is no clock, no
// randomness and no I/O. Replaying the same events always gives the same state, and AppendSnapshot the same bytes.
//
// # Rooms and nights
//
// A night of a room type has room for sellable = physical - out of order + overbooking limit rooms, of which
// sold are paid and held are pending. A reservation takes its quantity on every night of its stay or on none. When a
// night has not enough left the answer is not an error but a ReservationRejected event that names every
// such night: turnaways are facts that a hotel wants to know. Inventory may be set below what is
// sold, since rooms do break; then nothing more is sold until enough is free again.
//
// # Guests
//
// Guests reserve room types; on arrival they are given physical rooms (CheckIn), on leaving the nights that are left are released (CheckOut). Who finds a stay full may wait:
// OfferRooms turns what is free again into holds for those who wait, in their order. The owner of a state gives it while OffersDue says so, before it decides for anybody else.
//
// # Money
//
// A reservation knows its price, what its frozen terms would keep of it, and what was paid and given back; its payments lie beside it and come from
// events of another topic. Evolve of one never reads the other; Decide sees both. The rules are in DESIGN.md, the pure parts of them in PriceStay, FeeOf
// and FreeToCancel.
//
// # Books
//
// Memory is bounded by forgetting: when a reservation is placed on day d (its place_date), the books of all nights before
// d - BooksOpenDays close. Closed nights, and reservations that ended by then, leave the state, whatever
// their status; a reservation that still holds rooms against a deadline waits for that deadline. The newest
// RejectedMax rejected ids are remembered, so that one id is not told two stories. New reservations and
// inventory on closed nights are refused with BOOKS_CLOSED, because the state can no longer know what was there.
//
// The package knows neither topics' partitions nor records, and it does not deduplicate requests: the processor does.
package hotel
