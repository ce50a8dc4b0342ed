package reservations

import (
	"cmp"
	"fmt"
	"slices"

	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// Name is the projection's name.
const Name = "reservations"

const tables = `
CREATE TABLE reservation (
	hotel_id TEXT NOT NULL,
	reservation_id BLOB NOT NULL,   -- packed.Key
	check_in INTEGER NOT NULL,      -- days since 1970-01-01
	guest_id TEXT,                  -- NULL: none
	details BLOB NOT NULL,          -- what it began with, its terms too: appendDetails
	history BLOB NOT NULL,          -- its events, oldest first: appendEntry
	PRIMARY KEY (hotel_id, reservation_id)
) WITHOUT ROWID;
CREATE INDEX reservation_by_arrival ON reservation (hotel_id, check_in);
CREATE INDEX reservation_by_guest ON reservation (guest_id, check_in, hotel_id, reservation_id) WHERE guest_id IS NOT NULL`

var putReservation = projections.Insert{
	Into: "INSERT INTO reservation VALUES", Columns: 6,
	Then: `ON CONFLICT DO UPDATE SET check_in = excluded.check_in, guest_id = excluded.guest_id, details = excluded.details,
		history = CAST(history || excluded.history AS BLOB)`,
}

// In SQLite what || joins is a text, even of two blobs.
const addHistory = `UPDATE reservation SET history = CAST(history || ?3 AS BLOB) WHERE hotel_id = ?1 AND reservation_id = ?2`

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

// ref is one event of a batch, with its reservation's primary key.
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
	refs := refsOf(events)
	add, err := tx.Stmt(addHistory)
	if err != nil {
		return err
	}
	w := writer{events: events, put: tx.Inserter(putReservation), add: add, chunk: min(chunkMax, rowBytes*len(refs))}
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n].same(refs[0]) {
			n++
		}
		if err := w.write(refs[:n]); err != nil {
			return err
		}
		refs = refs[n:]
	}
	return w.flush()
}

func refsOf(events []projections.Event) []ref {
	refs := make([]ref, 0, len(events))
	for i := range events {
		m, ok := events[i].Envelope.Message.(interface {
			GetHotelId() string
			GetReservationId() string
		})
		if ok {
			refs = append(refs, ref{m.GetHotelId(), m.GetReservationId(), int32(i)})
		}
	}
	slices.SortFunc(refs, ref.compare)
	return refs
}

const (
	rowBytes = 512     // of a usual row, ids included; longer ones get an arena of their own
	chunkMax = 1 << 16 // of a writer's memory
)

// writer writes the reservations of one batch.
type writer struct {
	events []projections.Event
	put    *projections.Inserter
	add    *projections.Stmt
	chunk  int
	arena  []byte // the blobs of rows not yet flushed; never moved, only followed by another
	rows   []row
}

// row is a reservation that is new in this batch.
type row struct {
	hotel            string
	id               any
	checkIn          int64
	guest            any
	details, history []byte
}

// flush writes the new reservations.
func (w *writer) flush() error {
	slices.SortStableFunc(w.rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.checkIn, b.checkIn)) })
	for i := range w.rows {
		r := &w.rows[i]
		if err := w.put.Add(r.hotel, r.id, r.checkIn, r.guest, r.details, r.history); err != nil {
			return err
		}
	}
	return w.put.Flush()
}

// write writes one reservation: anew when the batch has the event that begins it, else what has been added to its history.
func (w *writer) write(refs []ref) error {
	if cap(w.arena)-len(w.arena) < rowBytes {
		w.arena = make([]byte, 0, w.chunk)
	}
	var begun *Reservation
	start := len(w.arena)
	for _, r := range refs {
		e := &w.events[r.event]
		s, ok := stateAfter(e.Envelope.Message)
		if !ok {
			return fmt.Errorf("project %s: %s is not known here", e.Position, e.Envelope.Type)
		}
		w.arena = appendEntry(w.arena, e, s)
		b, err := begin(e.Envelope.Message)
		if err != nil {
			return fmt.Errorf("project %s: %w", e.Position, err)
		}
		if b != nil {
			begun = b
		}
	}
	history := w.arena[start:len(w.arena):len(w.arena)]
	var id any
	w.arena, id = packed.Key(w.arena, refs[0].id)
	if begun == nil {
		return w.add.Exec(refs[0].hotel, id, history)
	}
	var guest any
	if begun.Guest.GuestID != "" {
		guest = begun.Guest.GuestID
	}
	start = len(w.arena)
	w.arena = appendDetails(w.arena, begun)
	w.rows = append(w.rows, row{refs[0].hotel, id, int64(begun.Stay.CheckIn), guest, w.arena[start:len(w.arena):len(w.arena)], history})
	return nil
}
