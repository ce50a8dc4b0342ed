package reservations

import (
	"cmp"
	"context"
	"fmt"

	"lodge/domain"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

const selectWaiters = "SELECT hotel_id, entry_id, guest_id, details, history FROM waiting_list "

// GetWaiter returns an entry of a hotel's waiting list, ended or not. The error has reason domain.WaiterNotFound when there is none.
func (q *Queries) GetWaiter(ctx context.Context, hotelID, entryID string) (Waiter, error) {
	found, err := q.waiters(ctx, hotelID, "WHERE hotel_id = ? AND entry_id = ?", hotelID, key(entryID))
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.WaiterNotFound, "", "there is no entry %q in the waiting list of hotel %q", entryID, hotelID)
	}
	if err != nil {
		return Waiter{}, err
	}
	return found[0], nil
}

// ListWaiters returns a hotel's waiting list in order, without the entries that have ended unless they are asked for, and whether there are more than
// limit. Go on with from = the last one's Created + 1.
func (q *Queries) ListWaiters(ctx context.Context, hotelID string, ended bool, from log.Offset, limit int) (found []Waiter, more bool, err error) {
	limit = pageLimit(limit)
	where := "WHERE hotel_id = ? AND joined >= ?"
	if !ended {
		where += " AND ended = 0"
	}
	found, err = q.waiters(ctx, hotelID, where+" ORDER BY joined LIMIT ?", hotelID, int64(from), limit+1)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

// WaiterCursor is a place in a guest's entries, which are in order of entry id and hotel id. The zero value is the beginning.
type WaiterCursor struct{ EntryID, HotelID string }

func (c WaiterCursor) compare(d WaiterCursor) int {
	return cmp.Or(cmp.Compare(c.EntryID, d.EntryID), cmp.Compare(c.HotelID, d.HotelID))
}

func (w *Waiter) cursor() WaiterCursor { return WaiterCursor{w.EntryID, w.HotelID} }

// ListWaitersByGuest returns a guest's entries in the waiting lists of all hotels, ended ones too. Go on with after = *Next.
func (q *Queries) ListWaitersByGuest(ctx context.Context, guestID string, after WaiterCursor, limit int) (projections.Page[Waiter, WaiterCursor], error) {
	return projections.Gather(ctx, q.store, Name, projections.Query[Waiter, WaiterCursor]{
		After: after, Limit: pageLimit(limit), Key: (*Waiter).cursor, Compare: WaiterCursor.compare,
		Shard: func(ctx context.Context, c *projections.Conn, _ log.Partition, after WaiterCursor, limit int) (projections.Part[Waiter, WaiterCursor], error) {
			items, err := selectWaitersFrom(ctx, c, "WHERE guest_id = ? AND (entry_id, hotel_id) > (?, ?) ORDER BY entry_id, hotel_id LIMIT ?",
				guestID, key(after.EntryID), after.HotelID, limit+1)
			return projections.Upto(items, limit, (*Waiter).cursor), err
		},
	})
}

func (q *Queries) waiters(ctx context.Context, hotelID, where string, args ...any) (found []Waiter, err error) {
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) (err error) {
		found, err = selectWaitersFrom(ctx, c, where, args...)
		return err
	})
	return found, err
}

func selectWaitersFrom(ctx context.Context, c *projections.Conn, where string, args ...any) (found []Waiter, err error) {
	err = c.Query(ctx, selectWaiters+where, args, func(row *projections.Row) error {
		w := Waiter{HotelID: row.Text(0), EntryID: packed.KeyText(row.Value(1)), Guest: Guest{GuestID: row.Text(2)}}
		err := w.readWish(row.Blob(3))
		if err == nil {
			err = w.readSteps(row.Blob(4))
		}
		if err != nil {
			return fmt.Errorf("read entry %s of the waiting list of hotel %s: %w", w.EntryID, w.HotelID, err)
		}
		found = append(found, w)
		return nil
	})
	return found, err
}
