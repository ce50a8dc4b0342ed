package availability

import (
	"context"

	"lodge/domain"
	"lodge/projections"
)

// Limits of Range.
const (
	RangeMax    = 1100 // nights of one room type
	RangeAllMax = 400  // nights of all room types of a hotel
)

// Night is what can be sold of one room type in one night.
type Night struct {
	Date        domain.Date
	Physical    int
	OutOfOrder  int
	Overbooking int
	Sold        int           // committed
	Held        int           // taken by pending reservations
	Rate        *domain.Money // of its own, else the room type's base rate, else nil
}

// Sellable returns physical - out of order + overbooking limit.
func (n *Night) Sellable() int { return n.Physical - n.OutOfOrder + n.Overbooking }

// Available returns what is left, never less than 0.
func (n *Night) Available() int { return max(0, n.Sellable()-n.Sold-n.Held) }

// Nights are the nights of one room type, one for each date that was asked for.
type Nights struct {
	RoomTypeID string
	MaxGuests  int
	Archived   bool
	Nights     []Night
}

// Queries answers questions about availability. Safe for concurrent use.
type Queries struct{ store *projections.Store }

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store} }

const selectNights = `SELECT t.room_type_id, t.max_guests, t.archived, t.base_currency, t.base_minor_units,
	i.date, i.physical, i.out_of_order, i.overbooking, i.sold, i.held, i.rate_currency, i.rate_minor_units
FROM searched_room_type t LEFT JOIN room_type_inventory i
	ON i.hotel_id = t.hotel_id AND i.room_type_id = t.room_type_id AND i.date >= ?2 AND i.date < ?3
WHERE t.hotel_id = ?1 `

const (
	selectOne = selectNights + "AND t.room_type_id = ?4 ORDER BY t.room_type_id, i.date"
	selectAll = selectNights + "AND t.archived = 0 ORDER BY t.room_type_id, i.date"
)

// Range returns the nights [from, to) of a hotel's room types in order of their ids: of the one named, archived or not, or of all
// that are not archived when roomTypeID is empty. Nights that no event has named have counts of 0. An unknown
// hotel or room type has no room types here. Errors: domain.InvalidDates, domain.LimitReached.
func (q *Queries) Range(ctx context.Context, hotelID, roomTypeID string, from, to domain.Date) ([]Nights, error) {
	limit, sql, args := RangeAllMax, selectAll, []any{hotelID, int64(from), int64(to)}
	if roomTypeID != "" {
		limit, sql, args = RangeMax, selectOne, append(args, roomTypeID)
	}
	if to <= from {
		return nil, domain.Errorf(domain.InvalidDates, "", "%s is not after %s", to, from)
	}
	if int(to)-int(from) > limit {
		return nil, domain.Errorf(domain.LimitReached, "", "%d nights are more than %d", int(to)-int(from), limit)
	}
	var found []Nights
	err := q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, sql, args, func(r *projections.Row) error {
			if n := len(found); n == 0 || found[n-1].RoomTypeID != r.Text(0) {
				found = append(found, emptyNights(r, from, to))
			}
			if !r.Null(5) {
				scanNight(r, &found[len(found)-1].Nights[int(r.Int(5))-int(from)])
			}
			return nil
		})
	})
	return found, err
}

// emptyNights returns a room type's nights before any is known.
func emptyNights(r *projections.Row, from, to domain.Date) Nights {
	out := Nights{RoomTypeID: r.Text(0), MaxGuests: int(r.Int(1)), Archived: r.Bool(2), Nights: make([]Night, to-from)}
	for i := range out.Nights {
		out.Nights[i] = Night{Date: from.AddDays(i), Rate: money(r, 3)}
	}
	return out
}

func scanNight(r *projections.Row, n *Night) {
	n.Physical, n.OutOfOrder, n.Overbooking = int(r.Int(6)), int(r.Int(7)), int(r.Int(8))
	n.Sold, n.Held = int(r.Int(9)), int(r.Int(10))
	if rate := money(r, 11); rate != nil {
		n.Rate = rate
	}
}

// money returns the amount in columns i and i+1, or nil.
func money(r *projections.Row, i int) *domain.Money {
	if r.Null(i) {
		return nil
	}
	return &domain.Money{Currency: r.Text(i), MinorUnits: r.Int(i + 1)}
}
