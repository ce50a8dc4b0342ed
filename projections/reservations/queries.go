package reservations

import (
	"cmp"
	"context"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// PageMax is the most items of one page.
const PageMax = 1000

// Cursor is a place in a list: lists are in order of check-in date, hotel id and reservation id. The zero
// value is the beginning.
type Cursor struct {
	CheckIn                domain.Date
	HotelID, ReservationID string
}

func (c Cursor) compare(d Cursor) int {
	return cmp.Or(cmp.Compare(c.CheckIn, d.CheckIn), cmp.Compare(c.HotelID, d.HotelID), cmp.Compare(c.ReservationID, d.ReservationID))
}

// notBefore returns the cursor, or the beginning of a day if that is later: where an index is entered, so that nothing before the day is read.
func (c Cursor) notBefore(day domain.Date) Cursor {
	if c.CheckIn < day {
		return Cursor{CheckIn: day}
	}
	return c
}

func (r *Reservation) cursor() Cursor { return Cursor{r.Stay.CheckIn, r.HotelID, r.ReservationID} }

// Queries answers questions about reservations. Safe for concurrent use.
type Queries struct {
	store *projections.Store
	keep  Keep // nil: lists of one hotel have all
	look  int  // with keep: rows that one page looks at in each place
}

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store: store} }

// Keep says whether a list has a reservation. An error ends the list with it.
type Keep func(*Reservation) (bool, error)

// Only returns queries whose lists of one hotel leave out what keep does. A page looks at look rows at most in each place where they lie, the shard's own tables and each year of the archive,
// so it may be short, even empty, and yet have a next one.
func (q *Queries) Only(keep Keep, look int) *Queries { return &Queries{q.store, keep, look} }

// Get returns a reservation, wherever it lies. The error has reason domain.ReservationNotFound when there is none.
func (q *Queries) Get(ctx context.Context, hotelID, reservationID string) (Reservation, error) {
	var found []Reservation
	err := q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) (err error) {
		found, err = each(ctx, c, hotelID, []any{key(reservationID)})
		return err
	})
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.ReservationNotFound, "", "there is no reservation %q in hotel %q", reservationID, hotelID)
	}
	if err != nil {
		return Reservation{}, err
	}
	return found[0], nil
}

// ListByHotel returns a hotel's reservations behind a cursor, archived ones too, and the cursor to go on with, or nil.
func (q *Queries) ListByHotel(ctx context.Context, hotelID string, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	return q.page(ctx, hotelID, pageLimit(limit), question{
		where: "hotel_id = ? AND (check_in, reservation_id) > (?, ?) ORDER BY check_in, reservation_id",
		args:  []any{hotelID, int64(after.CheckIn), key(after.ReservationID)}, from: after.CheckIn, to: endless,
	})
}

// ListByArrival is ListByHotel for the reservations that check in on [from, to).
func (q *Queries) ListByArrival(ctx context.Context, hotelID string, from, to domain.Date, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	after = after.notBefore(from)
	return q.page(ctx, hotelID, pageLimit(limit), question{
		where: "hotel_id = ? AND (check_in, reservation_id) > (?, ?) AND check_in < ? ORDER BY check_in, reservation_id",
		args:  []any{hotelID, int64(after.CheckIn), key(after.ReservationID), int64(to)}, from: after.CheckIn, to: to,
	})
}

// ListByGuestAtHotel returns a guest's reservations in one hotel, as ListByHotel.
func (q *Queries) ListByGuestAtHotel(ctx context.Context, guestID, hotelID string, after Cursor, limit int) ([]Reservation, *Cursor, error) {
	return q.page(ctx, hotelID, pageLimit(limit), question{
		where: "guest_id = ? AND hotel_id = ? AND (check_in, reservation_id) > (?, ?) ORDER BY check_in, reservation_id",
		args:  []any{guestID, hotelID, int64(after.CheckIn), key(after.ReservationID)}, from: after.CheckIn, to: endless,
	})
}

// cut returns the first limit of what a query for one more has found, and the cursor to go on with, or nil.
func cut(found []Reservation, limit int) ([]Reservation, *Cursor) {
	if len(found) <= limit {
		return found, nil
	}
	at := found[limit-1].cursor()
	return found[:limit], &at
}

// ListByGuest returns a guest's reservations in all hotels, archived ones too. Go on with after = *Next.
func (q *Queries) ListByGuest(ctx context.Context, guestID string, after Cursor, limit int) (projections.Page[Reservation, Cursor], error) {
	limit = pageLimit(limit)
	return projections.Gather(ctx, q.store, Name, projections.Query[Reservation, Cursor]{
		After: after, Limit: limit, Key: (*Reservation).cursor, Compare: Cursor.compare,
		Shard: func(ctx context.Context, c *projections.Conn, _ log.Partition, after Cursor, limit int) (projections.Part[Reservation, Cursor], error) {
			ask := question{
				where: "guest_id = ? AND (check_in, hotel_id, reservation_id) > (?, ?, ?) ORDER BY check_in, hotel_id, reservation_id",
				args:  []any{guestID, int64(after.CheckIn), after.HotelID, key(after.ReservationID)}, from: after.CheckIn, to: endless,
			}
			return ask.ask(ctx, c, limit)
		},
	})
}

// Entry is one event in a reservation's history; the event itself lies at Position in the log.
type Entry struct {
	Position log.Position
	Type     string // as in lodge.reservation.placed.v1
	Time     time.Time
	Status   eventpb.ReservationStatus // from it on
	Reason   eventpb.ReservationReason
	Version  int64
}

// History returns the events of a reservation in topic bookings at and behind an offset, oldest first, and whether there are more than limit. An
// unknown reservation has none.
func (q *Queries) History(ctx context.Context, hotelID, reservationID string, from log.Offset, limit int) (found []Entry, more bool, err error) {
	limit = pageLimit(limit)
	partition := q.store.PartitionFor(hotelID)
	err = q.store.View(ctx, Name, partition, func(c *projections.Conn) error {
		return find(ctx, c, hotelID, key(reservationID), func(r *projections.Row) error {
			var status eventpb.ReservationStatus
			var reason eventpb.ReservationReason
			var version int64
			return readHistory(r.Blob(5), func(e *entry) error {
				status, reason = e.after(status, reason)
				if e.kind.bare() {
					version = 0
				}
				version++
				if e.offset >= from && len(found) <= limit {
					at := log.Position{Topic: event.BookingsTopic, Partition: partition, Offset: e.offset}
					found = append(found, Entry{at, types[e.kind], e.time, status, reason, version})
				}
				return nil
			})
		})
	})
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

// key returns an id as its column holds it.
func key(id string) any {
	_, key := packed.Key(nil, id)
	return key
}

func pageLimit(n int) int {
	if n <= 0 || n > PageMax {
		return PageMax
	}
	return n
}
