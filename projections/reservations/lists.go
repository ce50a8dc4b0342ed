package reservations

import (
	"cmp"
	"context"
	"errors"

	"lodge/domain"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

const (
	scanMax     = 5_000                    // rows that one page of Arrivals or Departures looks at in each place
	departsMax  = 2 * domain.StayNightsMax // nights between arrival and departure: the longest stay, and as long beyond it
	arrivalRows = `hotel_id = ? AND (check_in, reservation_id) > (?, ?) AND check_in <= ? ORDER BY check_in, reservation_id`

	// The index reservation_by_arrival answers it alone.
	departureRows = `hotel_id = ? AND (check_in, reservation_id) > (?, ?) AND check_in <= ? AND check_in + nights = ? ORDER BY check_in, reservation_id`

	groupRows    = `SELECT reservation_id FROM reservation_group WHERE hotel_id = ? AND group_id = ? AND reservation_id > ? ORDER BY reservation_id LIMIT ?`
	visitColumns = "hotel_id, until, reservation_id"
	visitRows    = `hotel_id = ? AND until > ? AND arrived <= ? AND (until, reservation_id) > (?, ?) ORDER BY until, reservation_id`
)

// Arrivals returns the reservations of a hotel whose stay begins on a day, PENDING and PAID ones, whether the guest has come or not. Lists of a day are paged as
// ListByHotel, except that a page may be short and yet have a next one.
func (q *Queries) Arrivals(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	after = after.notBefore(day)
	return q.standing(ctx, hotelID, limit, question{
		where: arrivalRows, args: []any{hotelID, int64(after.CheckIn), key(after.ReservationID), int64(day)}, from: day, to: day,
	})
}

// Departures returns the reservations of a hotel whose guests leave on a day: PENDING and PAID ones that end on it, and those who have left on it,
// early or late; not those who have left on another day. Paged as Arrivals.
func (q *Queries) Departures(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	after = after.notBefore(day - departsMax)
	return q.standing(ctx, hotelID, limit, question{
		where: departureRows, args: []any{hotelID, int64(after.CheckIn), key(after.ReservationID), int64(day), int64(day)}, from: day, to: day,
	})
}

// standing returns one page of the reservations that stand.
func (q *Queries) standing(ctx context.Context, hotelID string, limit int, ask question) (found []Reservation, next *Cursor, err error) {
	ask.keep, ask.lookMax = func(r *Reservation) (bool, error) { return r.stands(), nil }, scanMax
	return q.page(ctx, hotelID, pageLimit(limit), ask)
}

// visit is a row of the table of visits.
type visit struct {
	until domain.Date
	id    any
}

func (v *visit) cursor() Cursor { return Cursor{CheckIn: v.until, ReservationID: packed.KeyText(v.id)} }

func (c Cursor) compareID(d Cursor) int {
	return cmp.Or(cmp.Compare(c.CheckIn, d.CheckIn), cmp.Compare(c.ReservationID, d.ReservationID))
}

// InHouse returns the reservations of a hotel whose guests had checked in by the end of a day and not left by then, those who should have left before
// included. Of a day to come these are the ones who are there now. They are in order of the day of leaving, of which Cursor.CheckIn is one here; who has
// not left comes last.
func (q *Queries) InHouse(ctx context.Context, hotelID string, day domain.Date, after Cursor, limit int) (found []Reservation, next *Cursor, err error) {
	limit = pageLimit(limit)
	look := limit
	if q.keep != nil {
		look = q.look
	}
	args := []any{hotelID, int64(day), int64(day), int64(after.CheckIn), key(after.ReservationID)}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		own, err := visits(ctx, c, hot, args, look)
		if err != nil {
			return err
		}
		all := projections.Merge([]projections.Part[visit, Cursor]{own}, look, (*visit).cursor, Cursor.compareID)
		years, err := c.Years(ctx, visitTable, int64(day)+1, int64(day))
		for i := 0; i < len(years) && err == nil; i++ {
			var more projections.Part[visit, Cursor]
			more, err = visits(ctx, c, years[i].Year, args, look)
			all = projections.Merge([]projections.Part[visit, Cursor]{all, more}, look, (*visit).cursor, Cursor.compareID)
		}
		if err != nil {
			return err
		}
		found, next, err = q.visitors(ctx, c, hotelID, all, limit)
		return err
	})
	return found, next, err
}

// visitors returns the first limit reservations of visits.
func (q *Queries) visitors(ctx context.Context, c *projections.Conn, hotelID string, all projections.Part[visit, Cursor], limit int) (found []Reservation, next *Cursor, err error) {
	for i := range all.Items {
		one, err := q.each(ctx, c, hotelID, all.Items[i].id)
		if err != nil {
			return nil, nil, err
		}
		if found = append(found, one...); len(found) == limit && i < len(all.Items)-1 {
			at := all.Items[i].cursor()
			return found, &at, nil
		}
	}
	return found, all.Upto, nil
}

// each is each without what the queries leave out.
func (q *Queries) each(ctx context.Context, c *projections.Conn, hotelID string, ids ...any) (found []Reservation, err error) {
	all, err := each(ctx, c, hotelID, ids)
	if q.keep == nil || err != nil {
		return all, err
	}
	for i := range all {
		has, err := q.keep(&all[i])
		if err != nil {
			return nil, err
		}
		if has {
			found = append(found, all[i])
		}
	}
	return found, nil
}

// visits returns the first visits of one place.
func visits(ctx context.Context, c *projections.Conn, year int, args []any, limit int) (projections.Part[visit, Cursor], error) {
	var items []visit
	take := func(row *projections.Row) error {
		items = append(items, visit{domain.Date(row.Int(1)), row.Value(2)})
		if len(items) > limit {
			return errEnough
		}
		return nil
	}
	var err error
	if year == hot {
		err = c.Query(ctx, "SELECT "+visitColumns+" FROM visit WHERE "+visitRows, args, take)
	} else {
		err = c.QueryArchive(ctx, visitTable, year, visitColumns, visitRows, args, take)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return projections.Part[visit, Cursor]{}, err
	}
	return projections.Upto(items, limit, (*visit).cursor), nil
}

// ListByGroup returns the reservations of a hotel that were placed together, in order of their ids.
func (q *Queries) ListByGroup(ctx context.Context, hotelID, groupID string, after Cursor, limit int) (found []Reservation, next *Cursor, err error) {
	limit = pageLimit(limit)
	look := limit
	if q.keep != nil {
		look = PageMax // a group is smaller than that
	}
	args := []any{hotelID, key(groupID), key(after.ReservationID), look + 1}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		var ids []any
		err := c.Query(ctx, groupRows, args, func(row *projections.Row) error {
			ids = append(ids, row.Value(0))
			return nil
		})
		if err == nil {
			found, err = q.each(ctx, c, hotelID, ids...)
		}
		return err
	})
	found, next = cut(found, limit)
	return found, next, err
}
