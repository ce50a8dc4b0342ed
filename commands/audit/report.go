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
	Placed         int64
	Rejected       int64
	Paid           int64
	Canceled       int64
	NoShows        int64
	RoomNights     int64 // rooms times nights of all placed
	KeptRoomNights int64 // of them, not released by a cancellation or no-show
}

func (t *Totals) add(o Totals) {
	t.Placed += o.Placed
	t.Rejected += o.Rejected
	t.Paid += o.Paid
	t.Canceled += o.Canceled
	t.NoShows += o.NoShows
	t.RoomNights += o.RoomNights
	t.KeptRoomNights += o.KeptRoomNights
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
	Events     [3]int64 // hotels, inventory, bookings
	Requests   int64    // different request ids
	Totals
	Hotels []Hotel // by id

	Violations     []Violation // the first Options.ViolationsMax, in order of partition, then as found
	ViolationCount int64       // all
}

// OK reports whether every demand was met.
func (r *Report) OK() bool { return r.ViolationCount == 0 }

// EventCount returns the number of events of all topics.
func (r *Report) EventCount() int64 { return r.Events[0] + r.Events[1] + r.Events[2] }
