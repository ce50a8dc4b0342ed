package availability

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/fold"
)

// searchTables are what a search needs to know of hotels beside their nights. By topic hotels.
const searchTables = `
CREATE TABLE searched_hotel (
	hotel_id TEXT PRIMARY KEY,
	city_key TEXT NOT NULL,         -- Fold(city)
	name_key TEXT NOT NULL,         -- Fold(display name)
	latitude REAL,                  -- NULL: it is not said where the hotel is
	longitude REAL,
	terms BLOB NOT NULL,            -- an eventpb.Hotel: time zone, currency and taxes
	archived INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE searched_word (        -- folded, of name and address
	hotel_id TEXT NOT NULL,
	word TEXT NOT NULL,
	PRIMARY KEY (hotel_id, word)
) WITHOUT ROWID;
CREATE TABLE searched_room_type (
	hotel_id TEXT NOT NULL,
	room_type_id TEXT NOT NULL,
	max_guests INTEGER NOT NULL,
	base_currency TEXT,
	base_minor_units INTEGER,
	archived INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, room_type_id)
) WITHOUT ROWID;
CREATE TABLE searched_rate_plan (
	hotel_id TEXT NOT NULL,
	rate_plan_id TEXT NOT NULL,
	plan BLOB NOT NULL,             -- the eventpb.RatePlan without texts
	archived INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, rate_plan_id)
) WITHOUT ROWID;
CREATE INDEX searched_hotel_by_city ON searched_hotel (city_key, hotel_id);
CREATE INDEX searched_hotel_by_place ON searched_hotel (latitude, longitude);
CREATE INDEX searched_word_by_word ON searched_word (word, hotel_id)`

const putHotel = `INSERT INTO searched_hotel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET city_key = ?2, name_key = ?3, latitude = ?4, longitude = ?5, terms = ?6, archived = ?7`

const putRoomType = `INSERT INTO searched_room_type VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET max_guests = ?3, base_currency = ?4, base_minor_units = ?5, archived = ?6`

const putRatePlan = `INSERT INTO searched_rate_plan VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET plan = ?3, archived = ?4`

var putWord = projections.Insert{Into: "INSERT INTO searched_word VALUES", Columns: 2}

// applyHotels keeps what a search needs to know of hotels, room types and rate plans. Every event holds the whole new state, so the last one wins.
func applyHotels(tx *projections.Tx, events []projections.Event) error {
	changedHotels := map[string]*eventpb.Hotel{}
	changedTypes := map[roomType]*eventpb.RoomType{}
	changedPlans := map[ratePlan]*eventpb.RatePlan{}
	for i := range events {
		switch m := events[i].Envelope.Message.(type) {
		case interface{ GetHotel() *eventpb.Hotel }:
			changedHotels[m.GetHotel().GetHotelId()] = m.GetHotel()
		case interface{ GetRoomType() *eventpb.RoomType }:
			changedTypes[roomType{m.GetRoomType().GetHotelId(), m.GetRoomType().GetRoomTypeId()}] = m.GetRoomType()
		case interface{ GetRatePlan() *eventpb.RatePlan }:
			changedPlans[ratePlan{m.GetRatePlan().GetHotelId(), m.GetRatePlan().GetRatePlanId()}] = m.GetRatePlan()
		}
	}
	if err := writeHotels(tx, changedHotels); err != nil {
		return err
	}
	if err := writeRoomTypes(tx, changedTypes); err != nil {
		return err
	}
	return writeRatePlans(tx, changedPlans)
}

func writeHotels(tx *projections.Tx, changed map[string]*eventpb.Hotel) error {
	put, err := tx.Stmt(putHotel)
	if err != nil {
		return err
	}
	forget, err := tx.Stmt("DELETE FROM searched_word WHERE hotel_id = ?")
	if err != nil {
		return err
	}
	words := tx.Inserter(putWord)
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		h, a := changed[id], changed[id].GetAddress()
		terms, err := stored(&eventpb.Hotel{TimeZone: h.GetTimeZone(), CurrencyCode: h.GetCurrencyCode(), Taxes: h.GetTaxes()})
		if err != nil {
			return err
		}
		var latitude, longitude any
		if a.GetLatitude() != 0 || a.GetLongitude() != 0 { // 0, 0 lies in the sea: nobody has said
			latitude, longitude = a.GetLatitude(), a.GetLongitude()
		}
		if err := put.Exec(id, fold.Name(a.GetCity()), fold.Name(h.GetDisplayName()), latitude, longitude, terms, h.GetArchived()); err != nil {
			return err
		}
		if err := forget.Exec(id); err != nil {
			return err
		}
		for _, word := range wordsOf(wordsMax, a.GetCity(), h.GetDisplayName(), a.GetPostalCode(), a.GetCountryCode(), a.GetStreet()) {
			if err := words.Add(id, word); err != nil {
				return err
			}
		}
	}
	return words.Flush()
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

// ratePlan is a rate plan's primary key.
type ratePlan struct{ hotel, plan string }

func (a ratePlan) compare(b ratePlan) int {
	return cmp.Or(strings.Compare(a.hotel, b.hotel), strings.Compare(a.plan, b.plan))
}

func writeRatePlans(tx *projections.Tx, changed map[ratePlan]*eventpb.RatePlan) error {
	put, err := tx.Stmt(putRatePlan)
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(changed), ratePlan.compare) {
		p := proto.CloneOf(changed[key])
		archived := p.GetArchived()
		p.DisplayName, p.Description, p.DefaultRates = "", "", nil
		plan, err := stored(p)
		if err != nil {
			return err
		}
		if err := put.Exec(key.hotel, key.plan, plan, archived); err != nil {
			return err
		}
	}
	return nil
}

func stored(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}
