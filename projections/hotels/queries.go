package hotels

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/fold"
)

// Queries answers questions about hotels and room types. Safe for concurrent use.
type Queries struct{ store *projections.Store }

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store} }

// PageMax is the most items of one page.
const PageMax = 1000

// Filter says which hotels to list.
type Filter struct {
	City         string // its whole name, compared by fold.Name; "": all
	ShowArchived bool
	After        string // list hotels with ids behind this one
	Limit        int    // of one page; PageMax when it is 0 or more
}

// Get returns a hotel, archived or not. The error has reason domain.HotelNotFound when there is none.
func (q *Queries) Get(ctx context.Context, hotelID string) (Hotel, error) {
	var found []Hotel
	err := q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) (err error) {
		found, err = hotelsOf(ctx, c, "WHERE hotel_id = ?", hotelID)
		return err
	})
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.HotelNotFound, "", "there is no hotel %q", hotelID)
	}
	if err != nil {
		return Hotel{}, err
	}
	return found[0], nil
}

// List returns hotels of all shards in order of their ids. Go on with Filter.After = *Next.
func (q *Queries) List(ctx context.Context, f Filter) (projections.Page[Hotel, string], error) {
	limit := pageLimit(f.Limit)
	where, city := "WHERE hotel_id > ?", []any{}
	if f.City != "" {
		where, city = "WHERE city_key = ? AND hotel_id > ?", []any{fold.Name(f.City)}
	}
	if !f.ShowArchived {
		where += " AND archived = 0"
	}
	where += " ORDER BY hotel_id LIMIT ?"
	id := func(h *Hotel) string { return h.HotelID }
	return projections.Gather(ctx, q.store, Name, projections.Query[Hotel, string]{
		After: f.After, Limit: limit, Key: id, Compare: strings.Compare,
		Shard: func(ctx context.Context, c *projections.Conn, _ log.Partition, after string, limit int) (projections.Part[Hotel, string], error) {
			items, err := hotelsOf(ctx, c, where, slices.Concat(city, []any{after, limit + 1})...)
			return projections.Upto(items, limit, id), err
		},
	})
}

// GetRoomType returns a room type, archived or not. The error has reason domain.RoomTypeNotFound when there is none.
func (q *Queries) GetRoomType(ctx context.Context, hotelID, roomTypeID string) (RoomType, error) {
	found, err := q.roomTypes(ctx, hotelID, "WHERE hotel_id = ? AND room_type_id = ?", hotelID, roomTypeID)
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.RoomTypeNotFound, "", "there is no room type %q in hotel %q", roomTypeID, hotelID)
	}
	if err != nil {
		return RoomType{}, err
	}
	return found[0], nil
}

// ListRoomTypes returns a hotel's room types with ids behind after, in order of their ids, and whether there are more.
func (q *Queries) ListRoomTypes(ctx context.Context, hotelID string, showArchived bool, after string, limit int) ([]RoomType, bool, error) {
	limit = pageLimit(limit)
	where := "WHERE hotel_id = ? AND room_type_id > ?"
	if !showArchived {
		where += " AND archived = 0"
	}
	found, err := q.roomTypes(ctx, hotelID, where+" ORDER BY room_type_id LIMIT ?", hotelID, after, limit+1)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

func pageLimit(n int) int {
	if n <= 0 || n > PageMax {
		return PageMax
	}
	return n
}

func (q *Queries) roomTypes(ctx context.Context, hotelID, where string, args ...any) (found []RoomType, err error) {
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, "SELECT * FROM room_type "+where, args, func(r *projections.Row) error {
			found = append(found, scanRoomType(r))
			return nil
		})
	})
	return found, err
}

func hotelsOf(ctx context.Context, c *projections.Conn, where string, args ...any) (found []Hotel, err error) {
	err = c.Query(ctx, "SELECT * FROM hotel "+where, args, func(r *projections.Row) error {
		h, err := scanHotel(r)
		found = append(found, h)
		return err
	})
	return found, err
}

func scanHotel(r *projections.Row) (Hotel, error) {
	var taxed eventpb.Hotel
	if err := proto.Unmarshal(r.Blob(18), &taxed); err != nil {
		return Hotel{}, fmt.Errorf("read the taxes of hotel %s: %w", r.Text(0), err)
	}
	return Hotel{
		HotelID: r.Text(0), DisplayName: r.Text(1), Description: r.Text(2),
		Address: Address{Street: r.Text(3), City: r.Text(4), PostalCode: r.Text(6), CountryCode: r.Text(7),
			Latitude: r.Float(8), Longitude: r.Float(9)},
		TimeZone: r.Text(10), Currency: r.Text(11), HoldTime: time.Duration(r.Int(12)) * time.Second,
		Version: r.Int(13), Archived: r.Bool(14), CreateTime: nanos(r.Int(15)), UpdateTime: nanos(r.Int(16)), Offset: log.Offset(r.Int(17)),
		Taxes: taxed.GetTaxes(), HorizonDays: int(r.Int(19)),
	}, nil
}

func scanRoomType(r *projections.Row) RoomType {
	out := RoomType{
		HotelID: r.Text(0), RoomTypeID: r.Text(1), DisplayName: r.Text(2), Description: r.Text(3), MaxGuests: int(r.Int(4)),
		Version: r.Int(7), Archived: r.Bool(8), CreateTime: nanos(r.Int(9)), UpdateTime: nanos(r.Int(10)), Offset: log.Offset(r.Int(11)),
	}
	if !r.Null(5) {
		out.BaseRate = &domain.Money{Currency: r.Text(5), MinorUnits: r.Int(6)}
	}
	if !r.Null(12) {
		physical := int32(r.Int(12))
		out.Defaults.PhysicalCount = &physical
	}
	out.Defaults.OverbookingLimit, out.Defaults.OverbookingPercent = int32(max(0, r.Int(13))), int32(max(0, -r.Int(13)))
	return out
}

func nanos(n int64) time.Time { return time.Unix(0, n).UTC() }
