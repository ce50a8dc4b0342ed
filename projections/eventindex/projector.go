package eventindex

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
)

// Name is the projection's name.
const Name = "eventindex"

const tables = `
CREATE TABLE event (
	time_nanos INTEGER NOT NULL,
	topic INTEGER NOT NULL,         -- see topics
	offset INTEGER NOT NULL,
	type TEXT NOT NULL,
	hotel_id TEXT NOT NULL,
	subject_id TEXT NOT NULL,       -- reservation or room type, or empty
	event_id TEXT NOT NULL,
	correlation_id TEXT NOT NULL,
	PRIMARY KEY (time_nanos, topic, offset)
) WITHOUT ROWID;
CREATE INDEX event_by_hotel ON event (hotel_id)`

// topics gives the numbers by which rows name topics: the index plus one. Only ever append.
var topics = []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic}

const putEvent = `INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`

// Projector fills the read model.
type Projector struct{}

// New returns the projector.
func New() Projector { return Projector{} }

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic { return slices.Clone(topics) }

// Apply implements projections.Projector. Events come nearly in order of their times; written in full order, they are
// appended to the table.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	put, err := tx.Stmt(putEvent)
	if err != nil {
		return err
	}
	topic := 1 + slices.Index(topics, events[0].Position.Topic)
	for _, e := range inOrder(events) {
		env := e.Envelope
		err := put.Exec(env.Time.UnixNano(), topic, int64(e.Position.Offset), env.Type, env.HotelID, subject(env.Message), env.ID, env.CorrelationID)
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns the events in order of their times; those of one time stay in order of their offsets.
func inOrder(events []projections.Event) []*projections.Event {
	sorted := make([]*projections.Event, len(events))
	for i := range events {
		sorted[i] = &events[i]
	}
	slices.SortStableFunc(sorted, func(a, b *projections.Event) int {
		return cmp.Compare(a.Envelope.Time.UnixNano(), b.Envelope.Time.UnixNano())
	})
	return sorted
}

// subject returns the id of what an event is about, below the hotel; or "".
func subject(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetReservationId() string }:
		return m.GetReservationId()
	case interface{ GetRoomTypeId() string }:
		return m.GetRoomTypeId()
	case interface{ GetRoomType() *eventpb.RoomType }:
		return m.GetRoomType().GetRoomTypeId()
	}
	return ""
}
