package eventindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// Limits of List.
const (
	PageMax = 1000
	scanMax = 10_000 // rows that one shard looks at for one page
)

// Entry is one event and where it lies.
type Entry struct {
	Position      log.Position
	Type          string
	HotelID       string
	SubjectID     string // reservation, entry of the waiting list, room or room type, or empty
	ID            string
	CorrelationID string
	Time          time.Time
}

// Cursor is a place in the order of List: time, topic, partition, offset. The zero value is the beginning.
type Cursor struct {
	Time      int64 // nanoseconds since 1970
	Topic     int   // its number in this index
	Partition log.Partition
	Offset    log.Offset
}

func (c Cursor) compare(d Cursor) int {
	return cmp.Or(cmp.Compare(c.Time, d.Time), cmp.Compare(c.Topic, d.Topic), cmp.Compare(c.Partition, d.Partition), cmp.Compare(c.Offset, d.Offset))
}

func (e *Entry) cursor() Cursor {
	return Cursor{e.Time.UnixNano(), 1 + slices.Index(topics, e.Position.Topic), e.Position.Partition, e.Position.Offset}
}

// Filter says which events to list. Empty fields take all.
type Filter struct {
	Topic     log.Topic
	Types     []string
	HotelID   string
	SubjectID string
	From, To  time.Time // [From, To); zero: open
	After     Cursor
	Limit     int // of one page; PageMax when it is 0 or more
}

// Queries answers questions about events. Safe for concurrent use.
type Queries struct{ store *projections.Store }

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store} }

const (
	columns  = "SELECT time_nanos, topic, offset, hotel_id, event_id, rest FROM event "
	inTime   = "(time_nanos, topic, offset) > (?, ?, ?) AND time_nanos < ? ORDER BY time_nanos, topic, offset LIMIT ?"
	overAll  = columns + "WHERE " + inTime
	forHotel = columns + "WHERE hotel_id = ? AND " + inTime
	withID   = columns + "WHERE event_id = ? ORDER BY time_nanos, topic, offset LIMIT 1"
)

// Find returns the event with an id, and whether there is one. Its record lies at Entry.Position. Of several, which only producers that give
// the same id twice can make, it is the oldest. An event that was just appended is found once the projection has it: see projections.Store.WaitFor. Error:
// log.InvalidArgument when id is empty; those of projections.Store.View.
func (q *Queries) Find(ctx context.Context, id string) (Entry, bool, error) {
	if id == "" {
		return Entry{}, false, log.NewError(log.InvalidArgument, "find an event", "the id is empty")
	}
	_, key := packed.Key(nil, id)
	page, err := projections.Gather(ctx, q.store, Name, projections.Query[Entry, Cursor]{
		Limit: 1, Key: (*Entry).cursor, Compare: Cursor.compare,
		Shard: func(ctx context.Context, c *projections.Conn, p log.Partition, _ Cursor, _ int) (part projections.Part[Entry, Cursor], err error) {
			err = c.Query(ctx, withID, []any{key}, func(r *projections.Row) error {
				e, err := entryOf(r, p)
				part.Items = append(part.Items, e)
				return err
			})
			return part, err
		},
	})
	if err != nil || len(page.Items) == 0 {
		return Entry{}, false, err
	}
	return page.Items[0], true, nil
}

// List returns events in order of their times, oldest first, over all topics and partitions. Go on with
// Filter.After = *Next; a page may be short, even empty, and yet have a Next, when few events pass the filter.
func (q *Queries) List(ctx context.Context, f Filter) (projections.Page[Entry, Cursor], error) {
	if f.Limit <= 0 || f.Limit > PageMax {
		f.Limit = PageMax
	}
	query := projections.Query[Entry, Cursor]{
		After: f.After, Limit: f.Limit, Key: (*Entry).cursor, Compare: Cursor.compare,
		Shard: func(ctx context.Context, c *projections.Conn, p log.Partition, after Cursor, limit int) (projections.Part[Entry, Cursor], error) {
			return f.shard(ctx, c, p, after, limit)
		},
	}
	if f.HotelID != "" {
		return projections.GatherOne(ctx, q.store, Name, q.store.PartitionFor(f.HotelID), query)
	}
	return projections.Gather(ctx, q.store, Name, query)
}

// shard looks at up to scanMax rows of a shard, until it has found limit events.
func (f *Filter) shard(ctx context.Context, c *projections.Conn, p log.Partition, after Cursor, limit int) (projections.Part[Entry, Cursor], error) {
	var part projections.Part[Entry, Cursor]
	rows := 0
	var last Cursor
	err := f.scan(ctx, c, p, after, func(e *Entry) error {
		rows++
		last = e.cursor()
		if f.matches(e) {
			part.Items = append(part.Items, *e)
		}
		if len(part.Items) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || err == nil && rows == scanMax {
		part.Upto, err = &last, nil
	}
	return part, err
}

const errEnough = enough("enough")

type enough string

func (e enough) Error() string { return string(e) }

func (f *Filter) matches(e *Entry) bool {
	return (f.Topic == "" || e.Position.Topic == f.Topic) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) &&
		(f.SubjectID == "" || e.SubjectID == f.SubjectID)
}

// scan calls each for the shard's rows of the hotel and time in question, behind the cursor.
func (f *Filter) scan(ctx context.Context, c *projections.Conn, p log.Partition, from Cursor, each func(*Entry) error) error {
	sql, args := overAll, []any{}
	if f.HotelID != "" {
		sql, args = forHotel, []any{f.HotelID}
	}
	after, to := f.begin(p, from), int64(1<<63-1)
	if !f.To.IsZero() {
		to = f.To.UnixNano()
	}
	args = append(args, after.Time, after.Topic, int64(after.Offset), to, scanMax)
	return c.Query(ctx, sql, args, func(r *projections.Row) error {
		e, err := entryOf(r, p)
		if err != nil {
			return err
		}
		return each(&e)
	})
}

// entryOf reads a row of columns.
func entryOf(r *projections.Row, p log.Partition) (Entry, error) {
	e := Entry{
		Position: log.Position{Topic: topicOf(int(r.Int(1))), Partition: p, Offset: log.Offset(r.Int(2))},
		HotelID:  r.Text(3), ID: packed.KeyText(r.Value(4)), Time: time.Unix(0, r.Int(0)).UTC(),
	}
	if err := e.readRest(r.Blob(5)); err != nil {
		return e, fmt.Errorf("read the index of %s: %w", e.Position, err)
	}
	return e, nil
}

// begin returns the place in partition p behind which the page begins: of rows with the cursor's time and topic, those of lower
// partitions have been seen whole, those of higher ones not at all.
func (f *Filter) begin(p log.Partition, after Cursor) Cursor {
	zero := after == (Cursor{})
	switch {
	case p < after.Partition:
		after.Offset = 1<<63 - 1
	case p > after.Partition:
		after.Offset = -1
	}
	if zero {
		after.Time, after.Offset = -1<<63, -1
	}
	if !f.From.IsZero() && f.From.UnixNano() > after.Time {
		after = Cursor{Time: f.From.UnixNano(), Topic: 0, Offset: -1}
	}
	return after
}

func topicOf(number int) log.Topic {
	if number < 1 || number > len(topics) {
		return ""
	}
	return topics[number-1]
}
