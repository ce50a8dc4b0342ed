package hotels

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
)

// Room is a physical room as it is now.
type Room struct {
	Room       *eventpb.Room
	CreateTime time.Time
	UpdateTime time.Time
	Offset     log.Offset // of the event that made it so, in topic hotels
}

const putRoom = `INSERT INTO room VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET archived = ?3, room = ?4, update_nanos = ?6, update_offset = ?7`

func writeRoom(tx *projections.Tx, r Room) error {
	put, err := tx.Stmt(putRoom)
	if err != nil {
		return err
	}
	room, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.Room)
	if err != nil {
		return err
	}
	return put.Exec(r.Room.GetHotelId(), r.Room.GetRoomId(), r.Room.GetArchived(), room, r.CreateTime.UnixNano(), r.UpdateTime.UnixNano(), int64(r.Offset))
}

// GetRoom returns a room, archived or not. The error has reason domain.RoomNotFound when there is none.
func (q *Queries) GetRoom(ctx context.Context, hotelID, roomID string) (Room, error) {
	found, err := q.rooms(ctx, hotelID, "WHERE hotel_id = ? AND room_id = ?", hotelID, roomID)
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.RoomNotFound, "", "there is no room %q in hotel %q", roomID, hotelID)
	}
	if err != nil {
		return Room{}, err
	}
	return found[0], nil
}

// ListRooms returns a hotel's rooms with ids behind after, in order of their ids, and whether there are more.
func (q *Queries) ListRooms(ctx context.Context, hotelID string, showArchived bool, after string, limit int) ([]Room, bool, error) {
	limit = pageLimit(limit)
	where := "WHERE hotel_id = ? AND room_id > ?"
	if !showArchived {
		where += " AND archived = 0"
	}
	found, err := q.rooms(ctx, hotelID, where+" ORDER BY room_id LIMIT ?", hotelID, after, limit+1)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

func (q *Queries) rooms(ctx context.Context, hotelID, where string, args ...any) (found []Room, err error) {
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, "SELECT room, create_nanos, update_nanos, update_offset FROM room "+where, args, func(r *projections.Row) error {
			room := Room{Room: new(eventpb.Room), CreateTime: nanos(r.Int(1)), UpdateTime: nanos(r.Int(2)), Offset: log.Offset(r.Int(3))}
			if err := proto.Unmarshal(r.Blob(0), room.Room); err != nil {
				return fmt.Errorf("read a room of hotel %s: %w", hotelID, err)
			}
			found = append(found, room)
			return nil
		})
	})
	return found, err
}
