package reservations

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

const (
	rowBytes = 512     // of a usual row, ids included; longer ones get an arena of their own
	chunkMax = 1 << 16 // of a writer's memory
)

// writer writes the reservations of one batch.
type writer struct {
	tx     *projections.Tx
	events []projections.Event
	put    *projections.Inserter
	add    *projections.Stmt
	chunk  int
	arena  []byte      // the blobs of rows not yet flushed; never moved, only followed by another
	more   []byte      // of one entry
	first  Reservation // as the last event that begins one says
	rows   []row
}

// row is a reservation that is new in this batch.
type row struct {
	hotel            string
	id               any
	checkIn, nights  int64
	guest            any
	details, history []byte
}

func newWriter(tx *projections.Tx, events []projections.Event, refs int) (*writer, error) {
	add, err := tx.Stmt(addHistory)
	return &writer{tx: tx, events: events, put: tx.Inserter(putReservation), add: add, chunk: min(chunkMax, rowBytes*refs)}, err
}

// flush writes the new reservations.
func (w *writer) flush() error {
	order := make([]int, len(w.rows)) // rows are large: their places are sorted
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &w.rows[a], &w.rows[b]
		return cmp.Or(strings.Compare(x.hotel, y.hotel), cmp.Compare(x.checkIn, y.checkIn), a-b)
	})
	for _, i := range order {
		r := &w.rows[i]
		if err := w.put.Add(r.hotel, r.id, r.checkIn, r.nights, r.guest, r.details, r.history); err != nil {
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
	var c change
	var id any
	w.arena, id = packed.Key(w.arena, refs[0].id)
	start := len(w.arena)
	for _, r := range refs {
		e := &w.events[r.event]
		if err := w.entry(e, &c); err != nil {
			return fmt.Errorf("project %s: %w", e.Position, err)
		}
		if err := w.beside(e.Envelope.Message, r.hotel, id); err != nil {
			return err
		}
	}
	history := w.arena[start:len(w.arena):len(w.arena)]
	if c.begun == nil {
		return w.update(&c, refs[0].hotel, id, history)
	}
	if _, err := w.tx.ThawID(reservationTable, id, refs[0].hotel, id); err != nil { // of an earlier life
		return err
	}
	start = len(w.arena)
	w.arena = appendDetails(w.arena, c.begun)
	checkIn, nights := c.stay()
	w.rows = append(w.rows, row{refs[0].hotel, id, checkIn, nights, orNull(c.guest), w.arena[start:len(w.arena):len(w.arena)], history})
	return nil
}

// entry appends an event to the history, and notes what else it changes.
func (w *writer) entry(e *projections.Event, c *change) (err error) {
	s, ok := stateAfter(e.Envelope.Message)
	if !ok {
		return fmt.Errorf("%s is not known here", e.Envelope.Type)
	}
	if w.more, err = appendMore(w.more[:0], e.Envelope.Message); err != nil {
		return err
	}
	w.today(e.Envelope.Message)
	w.arena = appendEntry(w.arena, e, s, w.more)
	return c.add(e.Envelope.Message, &w.first)
}

// update adds to a reservation that began before the batch, and brings it back from the archive when it is there.
func (w *writer) update(c *change, hotel string, id any, history []byte) error {
	n, err := w.updateHot(c, hotel, id, history)
	if n == 0 && err == nil {
		var found bool
		if found, err = w.tx.ThawID(reservationTable, id, hotel, id); !found || err != nil {
			return err
		}
		_, err = w.updateHot(c, hotel, id, history)
	}
	if err != nil || !c.lost {
		return err
	}
	return execute(w.tx, forget, hotel, id)
}

// updateHot returns how many rows it has changed: one, or none when the reservation is not there.
func (w *writer) updateHot(c *change, hotel string, id any, history []byte) (int64, error) {
	var sql string
	args := []any{hotel, id, history}
	switch {
	case c.moved != nil:
		checkIn, nights := c.stay()
		sql, args = changeStay, append(args, checkIn, nights, c.named, orNull(c.guest))
	case c.left:
		sql, args = endStay, append(args, c.leaving)
	default:
		return w.add.Changed(args...)
	}
	st, err := w.tx.Stmt(sql)
	if err != nil {
		return 0, err
	}
	return st.Changed(args...)
}

// today notes the days that events name as the hotel's.
func (w *writer) today(m any) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		w.tx.Today(m.GetHotelId(), m.GetPlaceDate())
	case *eventpb.GuestCheckedIn:
		w.tx.Today(m.GetHotelId(), m.GetDate())
	case *eventpb.GuestCheckedOut:
		w.tx.Today(m.GetHotelId(), m.GetDate())
	}
}

// beside writes what few events say in tables of their own.
func (w *writer) beside(m any, hotel string, id any) error {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return w.group(m.GetGroupId(), hotel, id)
	case *eventpb.ReservationRejected:
		return w.group(m.GetGroupId(), hotel, id)
	case *eventpb.GuestCheckedIn:
		day, err := dayOf(m.GetDate())
		if err != nil {
			return err
		}
		return execute(w.tx, beginVisit, hotel, inHouse, id, day)
	case *eventpb.GuestCheckedOut:
		day, err := dayOf(m.GetDate())
		if err != nil {
			return err
		}
		return execute(w.tx, endVisit, hotel, inHouse, id, day)
	}
	return nil
}

func (w *writer) group(group, hotel string, id any) error {
	if group == "" {
		return nil
	}
	return execute(w.tx, putInGroup, hotel, key(group), id)
}

func dayOf(date string) (int64, error) {
	d, err := domain.ParseDate(date)
	return int64(d), err
}
