package availability

import (
	"context"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/cache"
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
	Overbooking int           // in rooms, also when it was set in per cent
	Sold        int           // committed
	Held        int           // taken by pending reservations
	Rate        *domain.Money // of its own, else the room type's base rate, else nil

	OverbookingPercent int // of Physical, when it was set so
	Restrictions       hotel.Restrictions
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
type Queries struct {
	store *projections.Store
	cache *cache.Cache // nil: none
}

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store: store} }

// NewCachedQueries is NewQueries with a cache before the rows, which is told what to forget: its answers are as new as the rows are.
func NewCachedQueries(store *projections.Store, c *cache.Cache) (*Queries, error) {
	_, err := store.Listen(Name, func(a projections.Applied) { forget(c, a) })
	return &Queries{store, c}, err
}

// forget voids the answers about hotels that something has happened to.
func forget(c *cache.Cache, a projections.Applied) {
	if a.All {
		c.ForgetAll()
	}
	last := ""
	for i := range a.Events {
		if e := a.Events[i].Envelope; e.HotelID != last && Changes(e.Message) {
			c.Forget(e.HotelID)
			last = e.HotelID
		}
	}
}

// Changes reports whether an event may change what the queries answer. Of events that it does not know it says so.
func Changes(m proto.Message) bool {
	switch m.(type) {
	case *eventpb.ReservationRejected, *eventpb.ReservationBalancePaid, *eventpb.RefundGranted, *eventpb.ReservationRefunded, *eventpb.GuestCheckedIn, *eventpb.GuestMoved,
		*eventpb.WaitingListJoined, *eventpb.WaitingListOffered, *eventpb.WaitingListLeft,
		*eventpb.RoomCreated, *eventpb.RoomUpdated, *eventpb.RoomArchived:
		return false
	}
	return true
}

const (
	selectTypes = "SELECT room_type_id, max_guests, archived, base_currency, base_minor_units FROM searched_room_type WHERE hotel_id = ? "
	selectOne   = selectTypes + "AND room_type_id = ?"
	selectAll   = selectTypes + "AND archived = 0 ORDER BY room_type_id"

	nightColumns = "date, physical, out_of_order, overbooking, sold, held, rate_currency, rate_minor_units, restrictions"
	whereNights  = "hotel_id = ? AND room_type_id = ? AND date >= ? AND date < ?"
)

// Calendar is a hotel's nights as of one moment.
type Calendar struct {
	RoomTypes []Nights
	At        []log.Position // of each topic the next event that is not in it, in the order of the topics' names
}

type calendarQuestion struct {
	roomType string
	from, to domain.Date
}

func (c *Calendar) bytes() int {
	n := 100
	for i := range c.RoomTypes {
		n += 100 + 130*len(c.RoomTypes[i].Nights)
	}
	return n
}

// Range returns the nights [from, to) of a hotel's room types in order of their ids: of the one named, archived or not, or of all
// that are not archived when roomTypeID is empty. Nights that no event has named have counts of 0. An unknown
// hotel or room type has no room types here. What it returns is shared, not to be changed. Errors: domain.InvalidDates, domain.LimitReached.
func (q *Queries) Range(ctx context.Context, hotelID, roomTypeID string, from, to domain.Date) ([]Nights, error) {
	found, err := q.Calendar(ctx, hotelID, roomTypeID, from, to)
	if err != nil {
		return nil, err
	}
	return found.RoomTypes, nil
}

// Calendar is Range with the moment that it is of.
func (q *Queries) Calendar(ctx context.Context, hotelID, roomTypeID string, from, to domain.Date) (*Calendar, error) {
	limit := RangeAllMax
	if roomTypeID != "" {
		limit = RangeMax
	}
	if to <= from {
		return nil, domain.Errorf(domain.InvalidDates, "", "%s is not after %s", to, from)
	}
	if int(to)-int(from) > limit {
		return nil, domain.Errorf(domain.LimitReached, "", "%d nights are more than %d", int(to)-int(from), limit)
	}
	key := cache.Key{Hotel: hotelID, Question: calendarQuestion{roomTypeID, from, to}}
	return cache.Get(q.cache, key, (*Calendar).bytes, func() (found *Calendar, err error) {
		partition := q.store.PartitionFor(hotelID)
		err = q.store.View(ctx, Name, partition, func(c *projections.Conn) error {
			found, err = readCalendar(ctx, c, hotelID, roomTypeID, from, to)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range found.At {
			found.At[i].Partition = partition
		}
		return found, nil
	})
}

const selectAt = "SELECT topic, next_offset FROM projection_checkpoint ORDER BY topic"

func readCalendar(ctx context.Context, c *projections.Conn, hotelID, roomTypeID string, from, to domain.Date) (*Calendar, error) {
	found, sql, args := new(Calendar), selectAll, []any{hotelID}
	if roomTypeID != "" {
		sql, args = selectOne, append(args, roomTypeID)
	}
	err := c.Query(ctx, sql, args, func(r *projections.Row) error {
		found.RoomTypes = append(found.RoomTypes, emptyNights(r, from, to))
		return nil
	})
	for i := 0; i < len(found.RoomTypes) && err == nil; i++ {
		err = found.RoomTypes[i].fill(ctx, c, hotelID)
	}
	if err != nil {
		return found, err
	}
	return found, c.Query(ctx, selectAt, nil, func(r *projections.Row) error {
		found.At = append(found.At, log.Position{Topic: log.Topic(r.Text(0)), Offset: log.Offset(r.Int(1))})
		return nil
	})
}

// emptyNights returns a room type's nights before any is known.
func emptyNights(r *projections.Row, from, to domain.Date) Nights {
	out := Nights{RoomTypeID: r.Text(0), MaxGuests: int(r.Int(1)), Archived: r.Bool(2), Nights: make([]Night, to-from)}
	rate := money(r, 3)
	for i := range out.Nights {
		out.Nights[i] = Night{Date: from.AddDays(i), Rate: rate}
	}
	return out
}

// fill reads the nights that are known.
func (n *Nights) fill(ctx context.Context, c *projections.Conn, hotelID string) error {
	from := n.Nights[0].Date
	args := []any{hotelID, n.RoomTypeID, int64(from), int64(from) + int64(len(n.Nights))}
	return eachDay(ctx, c, nightTable, nightColumns, whereNights, args, func(r *projections.Row) error {
		night := &n.Nights[int(r.Int(0))-int(from)]
		night.Physical, night.OutOfOrder, night.Overbooking = int(r.Int(1)), int(r.Int(2)), int(r.Int(3))
		if night.Overbooking < 0 {
			night.OverbookingPercent = -night.Overbooking
			night.Overbooking = night.Physical * night.OverbookingPercent / 100
		}
		night.Sold, night.Held = int(r.Int(4)), int(r.Int(5))
		night.Restrictions = restrictionsOf(r.Int(8))
		if rate := money(r, 6); rate != nil {
			night.Rate = rate
		}
		return nil
	})
}

// money returns the amount in columns i and i+1, or nil.
func money(r *projections.Row, i int) *domain.Money {
	if r.Null(i) {
		return nil
	}
	return &domain.Money{Currency: r.Text(i), MinorUnits: r.Int(i + 1)}
}
