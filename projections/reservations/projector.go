package reservations

import (
	"cmp"
	"math"
	"slices"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
)

// Name is the projection's name.
const Name = "reservations"

const tables = `
CREATE TABLE reservation (
	hotel_id TEXT NOT NULL,
	reservation_id BLOB NOT NULL,   -- packed.Key
	check_in INTEGER NOT NULL,      -- days since 1970-01-01
	nights INTEGER NOT NULL,        -- until the guest leaves as reserved, or has left
	guest_id TEXT,                  -- NULL: none
	details BLOB NOT NULL,          -- what it began with, its terms too, its guest sealed: appendDetails
	history BLOB NOT NULL,          -- its events, oldest first: appendEntry
	PRIMARY KEY (hotel_id, reservation_id)
) WITHOUT ROWID;
CREATE TABLE reservation_group (
	hotel_id TEXT NOT NULL,
	group_id BLOB NOT NULL,         -- packed.Key
	reservation_id BLOB NOT NULL,
	PRIMARY KEY (hotel_id, group_id, reservation_id)
) WITHOUT ROWID;
CREATE TABLE visit (                -- of guests who have checked in
	hotel_id TEXT NOT NULL,
	until INTEGER NOT NULL,         -- the day of leaving, or inHouse
	reservation_id BLOB NOT NULL,
	arrived INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, until, reservation_id)
) WITHOUT ROWID;
CREATE INDEX reservation_by_arrival ON reservation (hotel_id, check_in, reservation_id, nights);
CREATE INDEX reservation_by_guest ON reservation (guest_id, check_in, hotel_id, reservation_id) WHERE guest_id IS NOT NULL;` + waitingTables

// inHouse is in the column until of those who have not left: later than any day.
const inHouse = int64(math.MaxInt32)

var putReservation = projections.Insert{
	Into: "INSERT INTO reservation VALUES", Columns: 7,
	Then: `ON CONFLICT DO UPDATE SET check_in = excluded.check_in, nights = excluded.nights, guest_id = excluded.guest_id,
		details = excluded.details, history = CAST(history || excluded.history AS BLOB)`,
}

// In SQLite what || joins is a text, even of two blobs.
const (
	addHistory = `UPDATE reservation SET history = CAST(history || ?3 AS BLOB) WHERE hotel_id = ?1 AND reservation_id = ?2`
	changeStay = `UPDATE reservation SET check_in = ?4, nights = ?5, guest_id = iif(?6, ?7, guest_id), history = CAST(history || ?3 AS BLOB)
		WHERE hotel_id = ?1 AND reservation_id = ?2`
	endStay = `UPDATE reservation SET nights = ?4 - check_in, history = CAST(history || ?3 AS BLOB)
		WHERE hotel_id = ?1 AND reservation_id = ?2`

	forget     = `UPDATE reservation SET guest_id = NULL WHERE hotel_id = ?1 AND reservation_id = ?2`
	putInGroup = `INSERT INTO reservation_group VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`
	beginVisit = `INSERT INTO visit VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET arrived = ?4`
	endVisit   = `UPDATE OR REPLACE visit SET until = ?4 WHERE hotel_id = ?1 AND until = ?2 AND reservation_id = ?3`
)

// Projector fills the read model.
type Projector struct{}

// New returns the projector.
func New() Projector { return Projector{} }

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic { return []log.Topic{event.BookingsTopic} }

// Archive implements projections.Archiver: reservations move when their guests have left long ago, in whatever status they are, and the visits with them. Groups and the waiting
// list stay: they are few, and a group's reservations are found by id.
func (Projector) Archive() []projections.ArchiveTable {
	return []projections.ArchiveTable{
		{Name: reservationTable, Day: "check_in + nights", Begin: "check_in", Due: "hotel_id = ?1 AND check_in <= ?2 AND check_in + nights <= ?2", ID: "reservation_id"},
		{Name: visitTable, Day: "until", Begin: "arrived", Due: "hotel_id = ?1 AND until <= ?2"},
	}
}

// The tables whose rows move.
const (
	reservationTable = "reservation"
	visitTable       = "visit"
)

// ref is one event of a batch, with its reservation's primary key, or that of its entry of the waiting list.
type ref struct {
	hotel, id string
	event     int32 // index into the batch
}

func (a ref) compare(b ref) int {
	return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.id, b.id), cmp.Compare(a.event, b.event))
}

func (a ref) same(b ref) bool { return a.hotel == b.hotel && a.id == b.id }

// Apply implements projections.Projector: it sorts the batch by key, and writes each reservation once. New ones come in the order of arrival: their
// keys grow with time and lie together anyway, while reservation_by_arrival would be written all over.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	refs, waiting := refsOf(events)
	w, err := newWriter(tx, events, len(refs))
	if err != nil {
		return err
	}
	if err := eachKey(refs, w.write); err != nil {
		return err
	}
	if err := w.flush(); err != nil || len(waiting) == 0 {
		return err
	}
	return applyWaiting(tx, events, waiting)
}

// eachKey calls write with the events of each key, in order.
func eachKey(refs []ref, write func(refs []ref) error) error {
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n].same(refs[0]) {
			n++
		}
		if err := write(refs[:n]); err != nil {
			return err
		}
		refs = refs[n:]
	}
	return nil
}

// refsOf returns the events of reservations and those of the waiting list, by key.
func refsOf(events []projections.Event) (refs, waiting []ref) {
	refs = make([]ref, 0, len(events))
	for i := range events {
		switch m := events[i].Envelope.Message.(type) {
		case interface {
			GetHotelId() string
			GetEntryId() string
		}:
			waiting = append(waiting, ref{m.GetHotelId(), m.GetEntryId(), int32(i)})
		case interface {
			GetHotelId() string
			GetReservationId() string
		}:
			refs = append(refs, ref{m.GetHotelId(), m.GetReservationId(), int32(i)})
		}
	}
	slices.SortFunc(refs, ref.compare)
	slices.SortFunc(waiting, ref.compare)
	return refs, waiting
}

// change is what the events of a batch say of a reservation beside its history.
type change struct {
	begun   *Reservation // in the writer's memory; nil: it began before
	moved   *Reservation // what the last modification made of it; nil: none
	named   bool         // a modification said who books
	guest   string       // the account of who books, with begun or named
	lost    bool         // who books is forgotten, the account too
	left    bool
	leaving int64 // the day of leaving, with left
}

// add notes what an event says; a reservation that it begins is kept in first.
func (c *change) add(m any, first *Reservation) (err error) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		err = placed(m, first)
		*c = change{begun: first, guest: first.Guest.GuestID}
	case *eventpb.ReservationRejected:
		err = rejected(m, first)
		*c = change{begun: first, guest: first.Guest.GuestID}
	case *eventpb.ReservationModified:
		c.moved, err = modified(m)
		if g := m.GetGuest(); g != nil {
			c.named, c.lost, c.guest = true, false, g.GetGuestId()
		}
	case *eventpb.GuestForgotten:
		c.named, c.lost, c.guest = true, true, ""
	case *eventpb.GuestCheckedOut:
		c.left = true
		c.leaving, err = dayOf(m.GetDate())
	}
	return err
}

// stay returns the day of arrival and the nights as they have become. There must be begun or moved.
func (c *change) stay() (checkIn, nights int64) {
	r := c.begun
	if c.moved != nil {
		r = c.moved
	}
	checkIn, nights = int64(r.Stay.CheckIn), int64(r.Stay.Nights())
	if c.left {
		nights = c.leaving - checkIn
	}
	return checkIn, nights
}

func orNull(id string) any {
	if id == "" {
		return nil
	}
	return id
}
