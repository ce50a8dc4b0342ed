package availability

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

var addBookings = projections.Insert{
	Into: "INSERT INTO room_type_inventory (hotel_id, room_type_id, date, sold, held) VALUES", Columns: 5,
	Then: "ON CONFLICT DO UPDATE SET sold = sold + excluded.sold, held = held + excluded.held",
}

const addToRun = `UPDATE room_type_inventory SET sold = sold + ?1, held = held + ?2
WHERE hotel_id = ?3 AND room_type_id = ?4 AND date >= ?5 AND date < ?6`

const addIfMissing = `INSERT OR IGNORE INTO room_type_inventory (hotel_id, room_type_id, date, sold, held) VALUES (?1, ?2, ?3, ?4, ?5)`

// A NULL parameter leaves the column as it is.
var setInventory = projections.Insert{
	Into: `INSERT INTO room_type_inventory (hotel_id, room_type_id, date, physical, out_of_order, overbooking, rate_currency, rate_minor_units)
	VALUES`, Columns: 8,
	Then: `ON CONFLICT DO UPDATE SET physical = coalesce(excluded.physical, physical),
	out_of_order = coalesce(excluded.out_of_order, out_of_order), overbooking = coalesce(excluded.overbooking, overbooking),
	rate_currency = coalesce(excluded.rate_currency, rate_currency), rate_minor_units = coalesce(excluded.rate_minor_units, rate_minor_units)`,
}

// runMin is the number of nights from which on one UPDATE of a range is cheaper than rows of an insert.
const runMin = 2

// bookings writes what events sell and hold. Nights in a row that change alike, as those of a stay mostly do, are written together.
type bookings struct {
	tx  *projections.Tx
	put *projections.Inserter
	run run
}

// run is a stretch of nights [from, to) and what is added to each of them.
type run struct {
	key        roomType
	from, to   domain.Date
	sold, held int64
}

func newBookings(tx *projections.Tx) *bookings {
	return &bookings{tx: tx, put: tx.Inserter(addBookings)}
}

// night implements writer. A sum of nothing is written too: the row exists once an event has named the night, however the
// events came in batches.
func (b *bookings) night(key roomType, date domain.Date, events []projections.Event, touches []touch) error {
	var sold, held int64
	for _, t := range touches {
		i, earlier := t.event()
		s, h := claim(events[i].Envelope.Message, earlier)
		sold, held = sold+s, held+h
	}
	if r := &b.run; r.to == date && r.from < r.to && r.sold == sold && r.held == held && r.key == key {
		r.to++
		return nil
	}
	err := b.writeRun()
	b.run = run{key, date, date + 1, sold, held}
	return err
}

// end implements writer.
func (b *bookings) end() error {
	if err := b.writeRun(); err != nil {
		return err
	}
	b.run = run{}
	return b.put.Flush()
}

func (b *bookings) writeRun() error {
	r := &b.run
	if r.from == r.to {
		return nil
	}
	if err := thaw(b.tx, r.key, r.from, r.to); err != nil {
		return err
	}
	if r.to-r.from >= runMin {
		return b.addToRun()
	}
	for date := r.from; date < r.to; date++ {
		if err := b.put.Add(r.key.hotel, r.key.roomType, int64(date), r.sold, r.held); err != nil {
			return err
		}
	}
	return nil
}

// thaw brings nights back from the archive that are there.
func thaw(tx *projections.Tx, key roomType, from, to domain.Date) error {
	archived, err := tx.Archived(nightTable, key.hotel, int64(from))
	for date := from; date < to && archived && err == nil; date++ {
		_, err = tx.Thaw(nightTable, int64(date), key.hotel, key.roomType, int64(date))
	}
	return err
}

// addToRun updates the rows that exist, which are nearly always all, and then makes the others.
func (b *bookings) addToRun() error {
	r := &b.run
	add, err := b.tx.Stmt(addToRun)
	if err != nil {
		return err
	}
	n, err := add.Changed(r.sold, r.held, r.key.hotel, r.key.roomType, int64(r.from), int64(r.to))
	if err != nil || n == int64(r.to-r.from) {
		return err
	}
	put, err := b.tx.Stmt(addIfMissing)
	for date := r.from; date < r.to && err == nil; date++ {
		err = put.Exec(r.key.hotel, r.key.roomType, int64(date), r.sold, r.held)
	}
	return err
}

// claim returns by how much an event changes the rooms sold and held in each night that it names, or in each that it gives up.
func claim(m proto.Message, earlier bool) (sold, held int64) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return take(pending, m.GetStay())
	case *eventpb.ReservationPaid:
		q := int64(m.GetStay().GetQuantity())
		return q, -q
	case *eventpb.ReservationModified:
		if earlier {
			return release(m.GetStatus(), m.GetPreviousStay())
		}
		return take(m.GetStatus(), m.GetStay())
	case *eventpb.ReservationCanceled:
		return release(m.GetPreviousStatus(), m.GetStay())
	case *eventpb.ReservationNoShow:
		return release(m.GetPreviousStatus(), m.GetStay())
	case *eventpb.ReservationDeclined:
		return release(pending, m.GetStay())
	case *eventpb.GuestWalked:
		return release(paid, m.GetStay())
	case *eventpb.GuestCheckedOut:
		return release(paid, m.GetStay())
	}
	return 0, 0
}

// Short names of the statuses that take rooms.
const (
	pending = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	paid    = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
)

// take returns what a reservation of a status adds to each night of its stay.
func take(status eventpb.ReservationStatus, stay *eventpb.Stay) (sold, held int64) {
	switch status {
	case pending:
		return 0, int64(stay.GetQuantity())
	case paid:
		return int64(stay.GetQuantity()), 0
	}
	return 0, 0
}

func release(was eventpb.ReservationStatus, stay *eventpb.Stay) (sold, held int64) {
	sold, held = take(was, stay)
	return -sold, -held
}

// inventory writes what events say of nights.
type inventory struct {
	tx       *projections.Tx
	put      *projections.Inserter
	restrict *projections.Stmt
}

func applyInventory(tx *projections.Tx, events []projections.Event) error {
	restrict, err := tx.Stmt(setRestrictions)
	if err != nil {
		return err
	}
	if err := applyNights(events, inventory{tx, tx.Inserter(setInventory), restrict}); err != nil {
		return err
	}
	return applyRates(tx, events)
}

// night implements writer: of several events, the last one that says anything about a column counts.
func (w inventory) night(key roomType, date domain.Date, events []projections.Event, touches []touch) error {
	var physical, outOfOrder, overbooking, currency, units any
	var restrictions change
	counted, restricted := false, false
	for _, t := range touches {
		i, _ := t.event()
		switch m := events[i].Envelope.Message.(type) {
		case *eventpb.InventorySet:
			counted = true
			setCount(&physical, m.PhysicalCount)
			setCount(&outOfOrder, m.OutOfOrderCount)
			setCount(&overbooking, m.OverbookingLimit)
			if m.OverbookingPercent != nil {
				overbooking = -int64(m.GetOverbookingPercent())
			}
			if rate := m.GetNightlyRate(); rate != nil {
				currency, units = rate.GetCurrencyCode(), rate.GetMinorUnits()
			}
		case *eventpb.RestrictionsSet:
			restricted = true
			restrictions.add(m)
		}
	}
	if err := thaw(w.tx, key, date, date+1); err != nil {
		return err
	}
	if restricted {
		if err := w.restrict.Exec(key.hotel, key.roomType, int64(date), restrictions.mask, restrictions.value); err != nil {
			return err
		}
	}
	if !counted {
		return nil
	}
	return w.put.Add(key.hotel, key.roomType, int64(date), physical, outOfOrder, overbooking, currency, units)
}

// end implements writer.
func (w inventory) end() error { return w.put.Flush() }

func setCount(dst *any, count *int32) {
	if count != nil {
		*dst = int64(*count)
	}
}
