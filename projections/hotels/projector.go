package hotels

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/fold"
)

// Name is the projection's name.
const Name = "hotels"

const tables = `
CREATE TABLE hotel (
	hotel_id TEXT PRIMARY KEY,
	display_name TEXT NOT NULL,
	description TEXT NOT NULL,
	street TEXT NOT NULL,
	city TEXT NOT NULL,
	city_key TEXT NOT NULL,         -- fold.Name(city)
	postal_code TEXT NOT NULL,
	country_code TEXT NOT NULL,
	latitude REAL NOT NULL,
	longitude REAL NOT NULL,
	time_zone TEXT NOT NULL,
	currency_code TEXT NOT NULL,
	hold_seconds INTEGER NOT NULL,
	version INTEGER NOT NULL,
	archived INTEGER NOT NULL,
	create_nanos INTEGER NOT NULL,  -- since 1970, of the first event
	update_nanos INTEGER NOT NULL,  -- of the last
	update_offset INTEGER NOT NULL,
	taxes BLOB NOT NULL,            -- an eventpb.Hotel with nothing else
	horizon_days INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE room (
	hotel_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	archived INTEGER NOT NULL,
	room BLOB NOT NULL,             -- the eventpb.Room
	create_nanos INTEGER NOT NULL,
	update_nanos INTEGER NOT NULL,
	update_offset INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, room_id)
) WITHOUT ROWID;
CREATE TABLE rate_plan (
	hotel_id TEXT NOT NULL,
	rate_plan_id TEXT NOT NULL,
	archived INTEGER NOT NULL,
	plan BLOB NOT NULL,             -- the eventpb.RatePlan
	create_nanos INTEGER NOT NULL,
	update_nanos INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, rate_plan_id)
) WITHOUT ROWID;
CREATE TABLE room_type (
	hotel_id TEXT NOT NULL,
	room_type_id TEXT NOT NULL,
	display_name TEXT NOT NULL,
	description TEXT NOT NULL,
	max_guests INTEGER NOT NULL,
	base_currency TEXT,             -- NULL: no base rate
	base_minor_units INTEGER,
	version INTEGER NOT NULL,
	archived INTEGER NOT NULL,
	create_nanos INTEGER NOT NULL,
	update_nanos INTEGER NOT NULL,
	update_offset INTEGER NOT NULL,
	default_physical INTEGER,       -- of the nights that the horizon reaches, NULL: they are not opened
	default_overbooking INTEGER NOT NULL, -- rooms, or per cent as a negative number
	PRIMARY KEY (hotel_id, room_type_id)
) WITHOUT ROWID;
CREATE INDEX hotel_by_city ON hotel (city_key, hotel_id)`

const putHotel = `INSERT INTO hotel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT DO UPDATE SET display_name = ?2, description = ?3, street = ?4, city = ?5, city_key = ?6, postal_code = ?7, country_code = ?8,
	latitude = ?9, longitude = ?10, time_zone = ?11, currency_code = ?12, hold_seconds = ?13, version = ?14, archived = ?15,
	update_nanos = ?17, update_offset = ?18, taxes = ?19, horizon_days = ?20`

const putRoomType = `INSERT INTO room_type VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT DO UPDATE SET display_name = ?3, description = ?4, max_guests = ?5, base_currency = ?6, base_minor_units = ?7,
	version = ?8, archived = ?9, update_nanos = ?11, update_offset = ?12, default_physical = ?13, default_overbooking = ?14`

// Projector fills the read model.
type Projector struct{}

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic { return []log.Topic{event.HotelsTopic} }

// roomTypeKey is the primary key of a room type, or of what else a hotel has.
type roomTypeKey struct{ hotel, roomType string }

func (a roomTypeKey) compare(b roomTypeKey) int {
	return cmp.Or(strings.Compare(a.hotel, b.hotel), strings.Compare(a.roomType, b.roomType))
}

// changes is the last state of everything that a batch changes.
type changes struct {
	hotels    map[string]Hotel
	roomTypes map[roomTypeKey]RoomType
	ratePlans map[roomTypeKey]RatePlan // by hotel and plan
	rooms     map[roomTypeKey]Room     // by hotel and room
}

// Apply implements projections.Projector: every event holds the whole new state, so the last one wins.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	c := changes{map[string]Hotel{}, map[roomTypeKey]RoomType{}, map[roomTypeKey]RatePlan{}, map[roomTypeKey]Room{}}
	for i := range events {
		c.add(&events[i])
	}
	for _, id := range slices.Sorted(maps.Keys(c.hotels)) {
		if err := writeHotel(tx, c.hotels[id]); err != nil {
			return err
		}
	}
	if err := writeEach(tx, c.roomTypes, writeRoomType); err != nil {
		return err
	}
	if err := writeEach(tx, c.ratePlans, writeRatePlan); err != nil {
		return err
	}
	return writeEach(tx, c.rooms, writeRoom)
}

// writeEach writes rows in key order.
func writeEach[T any](tx *projections.Tx, rows map[roomTypeKey]T, write func(*projections.Tx, T) error) error {
	for _, key := range slices.SortedFunc(maps.Keys(rows), roomTypeKey.compare) {
		if err := write(tx, rows[key]); err != nil {
			return err
		}
	}
	return nil
}

func (c *changes) add(e *projections.Event) {
	switch m := e.Envelope.Message.(type) {
	case interface{ GetHotel() *eventpb.Hotel }:
		h := hotelOf(m.GetHotel())
		h.CreateTime, h.UpdateTime, h.Offset = e.Envelope.Time, e.Envelope.Time, e.Position.Offset
		if before, ok := c.hotels[h.HotelID]; ok {
			h.CreateTime = before.CreateTime
		}
		c.hotels[h.HotelID] = h
	case interface{ GetRoomType() *eventpb.RoomType }:
		r := roomTypeOf(m.GetRoomType())
		r.CreateTime, r.UpdateTime, r.Offset = e.Envelope.Time, e.Envelope.Time, e.Position.Offset
		key := roomTypeKey{r.HotelID, r.RoomTypeID}
		if before, ok := c.roomTypes[key]; ok {
			r.CreateTime = before.CreateTime
		}
		c.roomTypes[key] = r
	case interface{ GetRatePlan() *eventpb.RatePlan }:
		p := RatePlan{Plan: m.GetRatePlan(), CreateTime: e.Envelope.Time, UpdateTime: e.Envelope.Time}
		key := roomTypeKey{p.Plan.GetHotelId(), p.Plan.GetRatePlanId()}
		if before, ok := c.ratePlans[key]; ok {
			p.CreateTime = before.CreateTime
		}
		c.ratePlans[key] = p
	case interface{ GetRoom() *eventpb.Room }:
		r := Room{Room: m.GetRoom(), CreateTime: e.Envelope.Time, UpdateTime: e.Envelope.Time, Offset: e.Position.Offset}
		key := roomTypeKey{r.Room.GetHotelId(), r.Room.GetRoomId()}
		if before, ok := c.rooms[key]; ok {
			r.CreateTime = before.CreateTime
		}
		c.rooms[key] = r
	}
}

func writeHotel(tx *projections.Tx, h Hotel) error {
	put, err := tx.Stmt(putHotel)
	if err != nil {
		return err
	}
	taxes, err := proto.MarshalOptions{Deterministic: true}.Marshal(&eventpb.Hotel{Taxes: h.Taxes})
	if err != nil {
		return err
	}
	a := h.Address
	return put.Exec(h.HotelID, h.DisplayName, h.Description, a.Street, a.City, fold.Name(a.City), a.PostalCode, a.CountryCode,
		a.Latitude, a.Longitude, h.TimeZone, h.Currency, int64(h.HoldTime.Seconds()), h.Version, h.Archived,
		h.CreateTime.UnixNano(), h.UpdateTime.UnixNano(), int64(h.Offset), taxes, h.HorizonDays)
}

func writeRoomType(tx *projections.Tx, r RoomType) error {
	put, err := tx.Stmt(putRoomType)
	if err != nil {
		return err
	}
	var currency, units any
	if r.BaseRate != nil {
		currency, units = r.BaseRate.Currency, r.BaseRate.MinorUnits
	}
	var physical any
	if r.Defaults.PhysicalCount != nil {
		physical = *r.Defaults.PhysicalCount
	}
	overbooking := r.Defaults.OverbookingLimit
	if percent := r.Defaults.OverbookingPercent; percent > 0 {
		overbooking = -percent
	}
	return put.Exec(r.HotelID, r.RoomTypeID, r.DisplayName, r.Description, r.MaxGuests, currency, units,
		r.Version, r.Archived, r.CreateTime.UnixNano(), r.UpdateTime.UnixNano(), int64(r.Offset), physical, overbooking)
}

// New returns the projector.
func New() Projector { return Projector{} }
