package availability

import (
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
)

// Name is the projection's name.
const Name = "availability"

const tables = `
CREATE TABLE room_type_inventory (
	hotel_id TEXT NOT NULL,
	room_type_id TEXT NOT NULL,
	date INTEGER NOT NULL,          -- days since 1970-01-01
	physical INTEGER,               -- these six by topic inventory, NULL: it has not said
	out_of_order INTEGER,
	overbooking INTEGER,            -- rooms, or per cent of physical as a negative number
	rate_currency TEXT,             -- NULL: no rate of its own
	rate_minor_units INTEGER,
	restrictions INTEGER,           -- packRestrictions
	sold INTEGER NOT NULL DEFAULT 0, -- these two by topic bookings
	held INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (hotel_id, room_type_id, date)
) WITHOUT ROWID;
CREATE TABLE rate (                 -- by topic inventory
	hotel_id TEXT NOT NULL,
	rate_plan_id TEXT NOT NULL,
	room_type_id TEXT NOT NULL,
	date INTEGER NOT NULL,
	currency TEXT,
	minor_units INTEGER,            -- NULL: the night has no rate any more
	PRIMARY KEY (hotel_id, rate_plan_id, room_type_id, date)
) WITHOUT ROWID;`

// Projector fills the read model.
type Projector struct{}

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables + searchTables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic {
	return []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic}
}

// Archive implements projections.Archiver: nights move when they are long past.
func (Projector) Archive() []projections.ArchiveTable {
	return []projections.ArchiveTable{
		{Name: nightTable, Day: "date", Due: "hotel_id = ?1 AND date <= ?2"},
		{Name: rateTable, Day: "date", Due: "hotel_id = ?1 AND date <= ?2"},
	}
}

// The tables whose rows move.
const (
	nightTable = "room_type_inventory"
	rateTable  = "rate"
)

// Weight implements projections.Weigher: an event writes a row for each of its nights.
func (Projector) Weight(e *projections.Event) int {
	first, last, err := nightsOf(e.Envelope.Message)
	if m, ok := e.Envelope.Message.(*eventpb.RatesSet); ok {
		first, last, err = nights(m.GetStartDate(), m.GetEndDate())
	}
	if err != nil {
		return 1
	}
	rows := int(last - first)
	if earlier := earlierOf(e.Envelope.Message); earlier != nil {
		if first, last, err = nights(earlier.GetCheckInDate(), earlier.GetCheckOutDate()); err == nil {
			rows += int(last - first)
		}
	}
	return max(1, rows)
}

// Apply implements projections.Projector.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	switch events[0].Position.Topic {
	case event.HotelsTopic:
		return applyHotels(tx, events)
	case event.InventoryTopic:
		return applyInventory(tx, events)
	default:
		for i := range events {
			switch m := events[i].Envelope.Message.(type) {
			case *eventpb.ReservationPlaced:
				tx.Today(m.GetHotelId(), m.GetPlaceDate())
			case *eventpb.GuestCheckedIn:
				tx.Today(m.GetHotelId(), m.GetDate())
			case *eventpb.GuestCheckedOut:
				tx.Today(m.GetHotelId(), m.GetDate())
			}
		}
		return applyNights(events, newBookings(tx))
	}
}

// New returns the projector.
func New() Projector { return Projector{} }
