package reservations

import (
	"context"
	"errors"

	"lodge/domain"
	"lodge/projections"
)

const (
	scanMax     = 5_000                    // rows that one page of Arrivals or Departures looks at
	departsMax  = 2 * domain.StayNightsMax // nights between arrival and departure: the longest stay, and as long beyond it
	arrivalRows = `WHERE hotel_id = ? AND (check_in, reservation_id) > (?, ?) AND check_in <= ? ORDER BY check_in, reservation_id LIMIT ?`

	// The index reservation_by_arrival answers it alone.
	departureRows = `WHERE hotel_id = ? AND (check_in, reservation_id) > (?, ?) AND check_in <= ? AND check_in + nights = ?
		ORDER BY check_in, reservation_id LIMIT ?`

	groupRows = `SELECT ` + columns + ` FROM reservation_group g CROSS JOIN reservation r
		ON r.hotel_id = g.hotel_id AND r.reservation_id = g.reservation_id
		WHERE g.hotel_id = ? AND g.group_id = ? AND g.reservation_id > ? ORDER BY g.reservation_id LIMIT ?`

	inHouseRows = `SELECT ` + columns + `, v.until FROM visit v CROSS JOIN reservation r
		ON r.hotel_id = v.hotel_id AND r.reservation_id = v.reservation_id
		WHERE v.hotel_id = ? AND v.until > ? AND v.arrived <= ? AND (v.until, v.reservation_id) > (?, ?)
		ORDER BY v.until, v.reservation_id LIMIT ?`
)

// Arrivals returns the reservations of a hotel whose stay begins on a day, PENDING and PAID ones, whether the guest has come or not. Lists of a day are paged as
// ListByHotel, except that a page may be short and yet have a next one.
func (q *Queries) Arrivals(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	after = after.notBefore(day)
	return q.standing(ctx, hotelID, limit, arrivalRows, hotelID, int64(after.CheckIn), key(after.ReservationID), int64(day))
}

// Departures returns the reservations of a hotel whose guests leave on a day: PENDING and PAID ones that end on it, and those who have left on it,
// early or late; not those who have left on another day. Paged as Arrivals.
func (q *Queries) Departures(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	after = after.notBefore(day - departsMax)
	return q.standing(ctx, hotelID, limit, departureRows, hotelID, int64(after.CheckIn), key(after.ReservationID), int64(day), int64(day))
}

// standing returns one page of the reservations that stand; the limit is the query's last parameter.
func (q *Queries) standing(ctx context.Context, hotelID string, limit int, where string, args ...any) (found []Reservation, next *Cursor, err error) {
	limit = pageLimit(limit)
	rows := 0
	var last Cursor
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, "SELECT "+columns+" FROM reservation r "+where, append(args, scanMax), func(row *projections.Row) error {
			r, err := scan(row)
			if err != nil {
				return err
			}
			rows, last = rows+1, r.cursor()
			if r.stands() {
				found = append(found, r)
			}
			if len(found) > limit {
				return errEnough
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	if found, next = cut(found, limit); next == nil && rows == scanMax {
		next = &last
	}
	return found, next, nil
}

// errEnough ends a query that has found what was asked for.
const errEnough = enough("enough")

type enough string

func (e enough) Error() string { return string(e) }

// InHouse returns the reservations of a hotel whose guests had checked in by the end of a day and not left by then, those who should have left before
// included. Of a day to come these are the ones who are there now. They are in order of the day of leaving, of which Cursor.CheckIn is one here; who has
// not left comes last.
func (q *Queries) InHouse(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) (found []Reservation, next *Cursor, err error) {
	limit = pageLimit(limit)
	var places []Cursor
	args := []any{hotelID, int64(day), int64(day), int64(after.CheckIn), key(after.ReservationID), limit + 1}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, inHouseRows, args, func(row *projections.Row) error {
			r, err := scan(row)
			found = append(found, r)
			places = append(places, Cursor{domain.Date(row.Int(row.Len() - 1)), r.HotelID, r.ReservationID})
			return err
		})
	})
	if len(found) > limit {
		found, next = found[:limit], &places[limit-1]
	}
	return found, next, err
}

// ListByGroup returns the reservations of a hotel that were placed together, in order of their ids.
func (q *Queries) ListByGroup(ctx context.Context, hotelID, groupID string, after Cursor, limit int) (found []Reservation, next *Cursor, err error) {
	limit = pageLimit(limit)
	args := []any{hotelID, key(groupID), key(after.ReservationID), limit + 1}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, groupRows, args, func(row *projections.Row) error {
			r, err := scan(row)
			found = append(found, r)
			return err
		})
	})
	found, next = cut(found, limit)
	return found, next, err
}
