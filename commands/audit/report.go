package audit

import (
	"lodge/domain"
	"lodge/log"
)

// Kind says which demand an event breaks.
type Kind string

// The kinds of violations.
const (
	Oversold          Kind = "OVERSOLD"           // a night was sold past sellable
	FalseTurnaway     Kind = "FALSE_TURNAWAY"     // the nights and restrictions named are not those that stood in the way
	Forbidden         Kind = "FORBIDDEN"          // placed although a restriction forbade it
	BadInventoryMark  Kind = "BAD_INVENTORY_MARK" // inventory offset went back, or lies beyond the committed inventory
	BadPrice          Kind = "BAD_PRICE"          // lines do not sum to the total, or are not one for each night
	BadStay           Kind = "BAD_STAY"           // dates or quantity that cannot be
	PlacedTwice       Kind = "PLACED_TWICE"       // a reservation id was placed before
	UnknownBooking    Kind = "UNKNOWN_BOOKING"    // an event of a reservation that was not placed
	BadTransition     Kind = "BAD_TRANSITION"     // a status that cannot follow the one before
	BadRelease        Kind = "BAD_RELEASE"        // releases something else than was taken
	RequestTwice      Kind = "REQUEST_TWICE"      // a request id was applied twice
	WrongPartition    Kind = "WRONG_PARTITION"    // an event lies where its hotel does not live
	WrongKey          Kind = "WRONG_KEY"          // the record's key is not the event's hotel
	WrongTopic        Kind = "WRONG_TOPIC"        // an event of another topic
	UnreadableEvent   Kind = "UNREADABLE_EVENT"   // cannot be decoded
	UnknownInventory  Kind = "UNKNOWN_INVENTORY"  // inventory that cannot be applied
	BadRoom           Kind = "BAD_ROOM"           // a room that does not exist, or not as many as were reserved
	RoomTwice         Kind = "ROOM_TWICE"         // a guest was given a room where another one is
	BadPayment        Kind = "BAD_PAYMENT"        // a payment that cannot follow, or counts without having been captured, or twice
	BadRefund         Kind = "BAD_REFUND"         // gives back more than was captured or than is owed, or twice
	BadSettlement     Kind = "BAD_SETTLEMENT"     // what is kept and given back does not sum to what was captured
	violationsDefault      = 100
)

// Violation is one event that breaks a demand.
type Violation struct {
	Kind     Kind
	Position log.Position // of the event
	HotelID  string
	Text     string // for a person
}

// Totals counts events.
type Totals struct {
	Placed         int64 `json:"placed"`
	Rejected       int64 `json:"rejected"`
	Paid           int64 `json:"paid"`
	Canceled       int64 `json:"canceled"`
	NoShows        int64 `json:"no_shows"`
	Declined       int64 `json:"declined"` // their payment was
	Modified       int64 `json:"modified"`
	CheckedIn      int64 `json:"checked_in"`
	CheckedOut     int64 `json:"checked_out"`
	Walked         int64 `json:"walked"`
	Refunded       int64 `json:"refunded"`
	RoomNights     int64 `json:"room_nights"`      // rooms times nights of all placed
	KeptRoomNights int64 `json:"kept_room_nights"` // of them, not released since; a modification may make them more
}

// each calls f for all counts, in one order.
func (t *Totals) each(f func(*int64)) {
	for _, n := range [...]*int64{
		&t.Placed, &t.Rejected, &t.Paid, &t.Canceled, &t.NoShows, &t.Declined, &t.Modified, &t.CheckedIn, &t.CheckedOut, &t.Walked, &t.Refunded,
		&t.RoomNights, &t.KeptRoomNights,
	} {
		f(n)
	}
}

func (t *Totals) add(o Totals) {
	var counts []int64
	o.each(func(n *int64) { counts = append(counts, *n) })
	i := 0
	t.each(func(n *int64) {
		*n += counts[i]
		i++
	})
}

// Peak is how full a night was at the moment of a decision. The zero value says that nothing was ever placed.
type Peak struct {
	RoomTypeID string // empty: all room types of the hotel
	Night      domain.Date
	Sold       int64        // rooms taken, held or paid, the new ones included
	Sellable   int64        // physical - out of order + overbooking limit, at that moment
	Physical   int64        // rooms that exist
	Position   log.Position // of the placed reservation that made it so
}

// Hotel is what the log says of one hotel.
type Hotel struct {
	HotelID     string
	DisplayName string
	RoomTypes   int
	Totals

	// Fullest is the night of one room type with the largest share of sellable rooms sold (of equal shares, the most rooms): the one to look
	// at for overselling.
	Fullest Peak
	// Busiest is the night on which most rooms of the hotel were sold, over all room types.
	Busiest Peak
}

// Report is the outcome of an audit.
type Report struct {
	Partitions int
	Events     [4]int64 // hotels, inventory, bookings, payments
	Read       int64    // of them, in this run; those before it were read by runs before
	Requests   int64    // commands with a request id
	Totals
	Hotels []Hotel          // by id
	Money  map[string]Money // by currency

	// Certificate is what somebody else can check.
	Certificate *Certificate
	// Restarted is why everything was read although something was remembered, or empty.
	Restarted string

	Violations     []Violation // the first Options.ViolationsMax, in order of partition, then as found
	ViolationCount int64       // all

	nights int64
	worst  []Worst
}

// OK reports whether every demand was met.
func (r *Report) OK() bool { return r.ViolationCount == 0 }

// EventCount returns the number of events of all topics, payments included.
func (r *Report) EventCount() (n int64) {
	for _, of := range r.Events {
		n += of
	}
	return n
}
