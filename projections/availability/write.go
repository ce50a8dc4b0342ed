package availability

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

const addBookings = `INSERT INTO room_type_inventory (hotel_id, room_type_id, date, physical, out_of_order, overbooking, sold, held)
	VALUES (?1, ?2, ?3, 0, 0, 0, ?4, ?5)
ON CONFLICT DO UPDATE SET sold = sold + ?4, held = held + ?5`

// A NULL parameter leaves the column as it is.
const setInventory = `INSERT INTO room_type_inventory
	VALUES (?1, ?2, ?3, coalesce(?4, 0), coalesce(?5, 0), coalesce(?6, 0), ?7, ?8, 0, 0)
ON CONFLICT DO UPDATE SET physical = coalesce(?4, physical), out_of_order = coalesce(?5, out_of_order),
	overbooking = coalesce(?6, overbooking), rate_currency = coalesce(?7, rate_currency), rate_minor_units = coalesce(?8, rate_minor_units)`

// writeBookings adds what the events sell and hold to a night. A sum of nothing is written too: the row exists once an
// event has named the night, however the events came in batches.
func writeBookings(tx *projections.Tx, key roomType, date domain.Date, events []projections.Event, touches []touch) error {
	var sold, held int64
	for _, t := range touches {
		s, h := claim(events[t.event].Envelope.Message)
		sold, held = sold+s, held+h
	}
	add, err := tx.Stmt(addBookings)
	if err != nil {
		return err
	}
	return add.Exec(key.hotel, key.roomType, int64(date), sold, held)
}

// claim returns by how much an event changes the rooms sold and held in each night of its stay.
func claim(m proto.Message) (sold, held int64) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return 0, int64(m.GetStay().GetQuantity())
	case *eventpb.ReservationPaid:
		q := int64(m.GetStay().GetQuantity())
		return q, -q
	case *eventpb.ReservationCanceled:
		return release(m.GetPreviousStatus(), m.GetStay())
	case *eventpb.ReservationNoShow:
		return release(m.GetPreviousStatus(), m.GetStay())
	}
	return 0, 0
}

func release(was eventpb.ReservationStatus, stay *eventpb.Stay) (sold, held int64) {
	switch was {
	case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
		return 0, -int64(stay.GetQuantity())
	case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
		return -int64(stay.GetQuantity()), 0
	}
	return 0, 0
}

// writeInventory sets what the events say of a night; of several, the last one that says anything about a column.
func writeInventory(tx *projections.Tx, key roomType, date domain.Date, events []projections.Event, touches []touch) error {
	var physical, outOfOrder, overbooking, currency, units any
	for _, t := range touches {
		m, ok := events[t.event].Envelope.Message.(*eventpb.InventorySet)
		if !ok {
			continue
		}
		setCount(&physical, m.PhysicalCount)
		setCount(&outOfOrder, m.OutOfOrderCount)
		setCount(&overbooking, m.OverbookingLimit)
		if rate := m.GetNightlyRate(); rate != nil {
			currency, units = rate.GetCurrencyCode(), rate.GetMinorUnits()
		}
	}
	set, err := tx.Stmt(setInventory)
	if err != nil {
		return err
	}
	return set.Exec(key.hotel, key.roomType, int64(date), physical, outOfOrder, overbooking, currency, units)
}

func setCount(dst *any, count *int32) {
	if count != nil {
		*dst = int64(*count)
	}
}
