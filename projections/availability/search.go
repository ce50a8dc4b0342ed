package availability

import (
	"context"
	"strings"

	"lodge/domain"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/hotels"
)

// Limits of Search.
const (
	PageMax = 200 // hotels of one page
	scanMax = 200 // hotels that one shard looks at for one page
)

// Request says what to search for.
type Request struct {
	City     string // as by hotels.CityKey
	Stay     domain.Stay
	Quantity int    // rooms of one type; at least 1
	Guests   int    // that the rooms must hold together; 0: any
	After    string // hotels with ids behind this one
	Limit    int    // of one page; PageMax when it is 0 or more
}

// Offer is a hotel with at least one room type that can be had.
type Offer struct {
	HotelID   string
	RoomTypes []RoomOffer // in order of their ids
}

// RoomOffer is a room type that can be had for the whole stay.
type RoomOffer struct {
	RoomTypeID string
	MaxGuests  int
	Available  int          // in the fullest night
	Total      domain.Money // of all rooms and nights
}

const selectHotels = `SELECT hotel_id FROM searched_hotel WHERE city_key = ? AND hotel_id > ? AND archived = 0
ORDER BY hotel_id LIMIT ?`

// sellable is how many rooms may be sold in a night.
const sellable = `(coalesce(i.physical, 0) - coalesce(i.out_of_order, 0) +
	CASE WHEN i.overbooking < 0 THEN coalesce(i.physical, 0) * -i.overbooking / 100 ELSE coalesce(i.overbooking, 0) END)`

// forbidden is 1 for a night that is not for sale, or on which the stay [?2, ?3) must not begin; departure for the day on which it must not end.
// The numbers are those of the column restrictions.
const (
	forbidden = `CASE WHEN i.restrictions IS NULL THEN 0 WHEN i.restrictions & 0x40000 THEN 1
	WHEN i.date = ?2 AND (i.restrictions & 0x10000 OR (i.restrictions & 255) > ?3 - ?2
		OR (i.restrictions >> 8 & 255) BETWEEN 1 AND ?3 - ?2 - 1) THEN 1 ELSE 0 END`
	departure = `EXISTS (SELECT 1 FROM room_type_inventory d WHERE d.hotel_id = t.hotel_id AND d.room_type_id = t.room_type_id
	AND d.date = ?3 AND d.restrictions & 0x20000)`
)

// The cross join makes SQLite begin with the room types, so that only the nights of the stay are read.
const selectOffers = `SELECT t.room_type_id, t.max_guests,
	min(` + sellable + ` - i.sold - i.held) AS available,
	sum(coalesce(i.rate_minor_units, t.base_minor_units)), coalesce(t.base_currency, i.rate_currency)
FROM searched_room_type t CROSS JOIN room_type_inventory i
	ON i.hotel_id = t.hotel_id AND i.room_type_id = t.room_type_id AND i.date >= ?2 AND i.date < ?3
WHERE t.hotel_id = ?1 AND t.archived = 0 AND (?6 = 0 OR t.max_guests * ?5 >= ?6)
GROUP BY t.room_type_id
HAVING count(*) = ?3 - ?2 AND available >= ?5 AND count(coalesce(i.rate_minor_units, t.base_minor_units)) = ?3 - ?2
	AND sum(` + forbidden + `) = 0 AND NOT ` + departure + `
ORDER BY t.room_type_id LIMIT ?4`

const offersMax = 500 // room types of one hotel

// Search returns the hotels of a city, in order of their ids, that have rooms and a price for every night of the stay. Go
// on with Request.After = *Next; a page may be short and yet have a Next, when many hotels were full. Errors:
// domain.InvalidDates, domain.InvalidQuantity, domain.StayTooLong.
func (q *Queries) Search(ctx context.Context, req Request) (projections.Page[Offer, string], error) {
	if err := req.validate(); err != nil {
		return projections.Page[Offer, string]{}, err
	}
	if req.Limit <= 0 || req.Limit > PageMax {
		req.Limit = PageMax
	}
	return projections.Gather(ctx, q.store, Name, projections.Query[Offer, string]{
		After: req.After, Limit: req.Limit, Compare: strings.Compare,
		Key: func(o *Offer) string { return o.HotelID },
		Shard: func(ctx context.Context, c *projections.Conn, _ log.Partition, after string, limit int) (projections.Part[Offer, string], error) {
			return searchShard(ctx, c, &req, after, limit)
		},
	})
}

func (r *Request) validate() error {
	switch {
	case r.Stay.CheckOut <= r.Stay.CheckIn:
		return domain.Errorf(domain.InvalidDates, "check_out_date", "%s is not after %s", r.Stay.CheckOut, r.Stay.CheckIn)
	case r.Stay.Nights() > RangeMax:
		return domain.Errorf(domain.StayTooLong, "check_out_date", "%d nights are more than %d", r.Stay.Nights(), RangeMax)
	case r.Quantity < 1:
		return domain.Errorf(domain.InvalidQuantity, "quantity", "%d rooms", r.Quantity)
	}
	return nil
}

// searchShard looks at up to scanMax hotels of the city, until it has found limit offers.
func searchShard(ctx context.Context, c *projections.Conn, req *Request, after string, limit int) (part projections.Part[Offer, string], err error) {
	var ids []string
	err = c.Query(ctx, selectHotels, []any{hotels.CityKey(req.City), after, scanMax}, func(r *projections.Row) error {
		ids = append(ids, r.Text(0))
		return nil
	})
	for i, id := range ids {
		if err != nil {
			return part, err
		}
		var rooms []RoomOffer
		if rooms, err = offersOf(ctx, c, id, req); len(rooms) > 0 {
			part.Items = append(part.Items, Offer{id, rooms})
		}
		if len(part.Items) == limit || i == scanMax-1 {
			part.Upto = &ids[i]
			break
		}
	}
	return part, err
}

func offersOf(ctx context.Context, c *projections.Conn, hotelID string, req *Request) (rooms []RoomOffer, err error) {
	args := []any{hotelID, int64(req.Stay.CheckIn), int64(req.Stay.CheckOut), offersMax, req.Quantity, req.Guests}
	err = c.Query(ctx, selectOffers, args, func(r *projections.Row) error {
		total := domain.Money{Currency: r.Text(4), MinorUnits: r.Int(3) * int64(req.Quantity)}
		rooms = append(rooms, RoomOffer{RoomTypeID: r.Text(0), MaxGuests: int(r.Int(1)), Available: int(r.Int(2)), Total: total})
		return nil
	})
	return rooms, err
}
