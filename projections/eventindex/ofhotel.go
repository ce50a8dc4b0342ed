package eventindex

import (
	"context"

	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// FindOfHotel is Find for an event of a hotel, for which one shard is asked.
func (q *Queries) FindOfHotel(ctx context.Context, hotelID, id string) (Entry, bool, error) {
	if id == "" {
		return Entry{}, false, log.NewError(log.InvalidArgument, "find an event", "the id is empty")
	}
	_, key := packed.Key(nil, id)
	var found []Entry
	partition := q.store.PartitionFor(hotelID)
	err := q.store.View(ctx, Name, partition, func(c *projections.Conn) error {
		return c.Query(ctx, withID, []any{key}, func(r *projections.Row) error {
			e, err := entryOf(r, partition)
			found = append(found, e)
			return err
		})
	})
	if err != nil || len(found) == 0 || found[0].HotelID != hotelID {
		return Entry{}, false, err
	}
	return found[0], true, nil
}
