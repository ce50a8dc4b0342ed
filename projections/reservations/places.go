package reservations

import (
	"context"
	"errors"
	"math"

	"lodge/domain"
	"lodge/projections"
)

// Rows lie in the shard's own tables or, long after, in the archive's file of a year. A question asks those places that can have an answer, each for a whole page, and
// merges what they say: so a place in a list stays what it is when rows move, and a list from a day on that is not long past opens no file.

// hot stands for the shard's own tables where a year could be.
const hot = 0

// endless is later than any day.
const endless = domain.Date(math.MaxInt32)

// errEnough ends a query that has found what was asked for.
const errEnough = enough("enough")

type enough string

func (e enough) Error() string { return string(e) }

// part is what one place, or several, say of a list.
type part = projections.Part[Reservation, Cursor]

// question asks for a part of a list.
type question struct {
	where    string // and the order, which is that of cursors
	args     []any
	from, to domain.Date // stays that end before from or begin behind to are not asked for
	keep     Keep        // nil: all
	lookMax  int         // rows that are looked at in each place; 0: any number
}

// rows calls each for the rows of one place. The columns are those of scan.
func rows(ctx context.Context, c *projections.Conn, year int, where string, args []any, each func(*projections.Row) error) error {
	var err error
	if year == hot {
		err = c.Query(ctx, "SELECT "+columns+" FROM reservation r WHERE "+where, args, each)
	} else {
		err = c.QueryArchive(ctx, reservationTable, year, columns, where, args, each)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// ask returns the first limit answers of one shard.
func (q *question) ask(ctx context.Context, c *projections.Conn, limit int) (part, error) {
	own, err := q.askIn(ctx, c, hot, limit)
	if err != nil {
		return part{}, err
	}
	years, err := c.Years(ctx, reservationTable, int64(q.from), int64(q.to))
	if err != nil {
		return part{}, err
	}
	all := projections.Merge([]part{own}, limit, (*Reservation).cursor, Cursor.compare)
	for _, y := range years {
		low := domain.Date(y.Low)
		more := part{Upto: &Cursor{CheckIn: low}}
		full := len(all.Items) >= limit && all.Items[limit-1].Stay.CheckIn < low
		if !full && (all.Upto == nil || all.Upto.CheckIn >= low) {
			if more, err = q.askIn(ctx, c, y.Year, limit); err != nil {
				return part{}, err
			}
		}
		all = projections.Merge([]part{all, more}, limit, (*Reservation).cursor, Cursor.compare)
	}
	return all, nil
}

// askIn returns the first limit answers of one place.
func (q *question) askIn(ctx context.Context, c *projections.Conn, year, limit int) (found part, err error) {
	looked := 0
	err = rows(ctx, c, year, q.where, q.args, func(row *projections.Row) error {
		r, err := scan(row)
		if err != nil {
			return err
		}
		looked++
		has := q.keep == nil
		if !has {
			if has, err = q.keep(&r); err != nil {
				return err
			}
		}
		if has {
			found.Items = append(found.Items, r)
		}
		if looked == q.lookMax {
			at := r.cursor()
			found.Upto = &at
		}
		if len(found.Items) > limit || found.Upto != nil {
			return errEnough
		}
		return nil
	})
	if len(found.Items) > limit {
		found = projections.Upto(found.Items, limit, (*Reservation).cursor)
	}
	return found, err
}

// page returns one page of one hotel.
func (q *Queries) page(ctx context.Context, hotelID string, limit int, ask question) (found []Reservation, next *Cursor, err error) {
	if q.keep != nil {
		ask.keep, ask.lookMax = both(ask.keep, q.keep), q.look
	}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		all, err := ask.ask(ctx, c, limit)
		found, next = all.Items, all.Upto
		return err
	})
	return found, next, err
}

// both keeps what the two keep.
func both(first, second Keep) Keep {
	if first == nil {
		return second
	}
	return func(r *Reservation) (bool, error) {
		if has, err := first(r); !has || err != nil {
			return false, err
		}
		return second(r)
	}
}

const byID = "hotel_id = ? AND reservation_id = ?"

// find calls each for the row of a reservation, wherever it lies, if there is one.
func find(ctx context.Context, c *projections.Conn, hotelID string, id any, each func(*projections.Row) error) error {
	found, args := false, []any{hotelID, id}
	once := func(r *projections.Row) error {
		found = true
		return each(r)
	}
	if err := rows(ctx, c, hot, byID, args, once); found || err != nil {
		return err
	}
	years, err := c.YearsOf(ctx, id)
	for i := 0; i < len(years) && !found && err == nil; i++ {
		err = rows(ctx, c, years[i], byID, args, once)
	}
	return err
}

// each returns the reservations of a hotel with the given ids, wherever they lie.
func each(ctx context.Context, c *projections.Conn, hotelID string, ids []any) (found []Reservation, err error) {
	for _, id := range ids {
		err := find(ctx, c, hotelID, id, func(row *projections.Row) error {
			r, err := scan(row)
			found = append(found, r)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
