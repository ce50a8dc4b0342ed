package availability

import (
	"maps"
	"slices"

	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/hotels"
)

const putHotel = `INSERT INTO searched_hotel VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET city_key = ?2, archived = ?3`

const putRoomType = `INSERT INTO searched_room_type VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET max_guests = ?3, base_currency = ?4, base_minor_units = ?5, archived = ?6`

// applyHotels keeps what a search needs to know of hotels and room types.
func applyHotels(tx *projections.Tx, events []projections.Event) error {
	changedHotels := map[string]*eventpb.Hotel{}
	changedTypes := map[roomType]*eventpb.RoomType{}
	for i := range events {
		switch m := events[i].Envelope.Message.(type) {
		case interface{ GetHotel() *eventpb.Hotel }:
			changedHotels[m.GetHotel().GetHotelId()] = m.GetHotel()
		case interface{ GetRoomType() *eventpb.RoomType }:
			changedTypes[roomType{m.GetRoomType().GetHotelId(), m.GetRoomType().GetRoomTypeId()}] = m.GetRoomType()
		}
	}
	if err := writeHotels(tx, changedHotels); err != nil {
		return err
	}
	return writeRoomTypes(tx, changedTypes)
}

func writeHotels(tx *projections.Tx, changed map[string]*eventpb.Hotel) error {
	put, err := tx.Stmt(putHotel)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		h := changed[id]
		if err := put.Exec(id, hotels.CityKey(h.GetAddress().GetCity()), h.GetArchived()); err != nil {
			return err
		}
	}
	return nil
}

func writeRoomTypes(tx *projections.Tx, changed map[roomType]*eventpb.RoomType) error {
	put, err := tx.Stmt(putRoomType)
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(changed), roomType.compare) {
		r := changed[key]
		var currency, units any
		if rate := r.GetBaseRate(); rate != nil {
			currency, units = rate.GetCurrencyCode(), rate.GetMinorUnits()
		}
		if err := put.Exec(key.hotel, key.roomType, r.GetMaxGuests(), currency, units, r.GetArchived()); err != nil {
			return err
		}
	}
	return nil
}
