package eventindex

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// Name is the projection's name.
const Name = "eventindex"

const tables = `
CREATE TABLE event (
	time_nanos INTEGER NOT NULL,
	topic INTEGER NOT NULL,         -- see topics
	offset INTEGER NOT NULL,
	hotel_id TEXT NOT NULL,
	event_id BLOB NOT NULL,         -- packed.Key
	rest BLOB NOT NULL,             -- type, subject, correlation: appendRest
	PRIMARY KEY (time_nanos, topic, offset)
) WITHOUT ROWID;
CREATE INDEX event_by_hotel ON event (hotel_id);
CREATE INDEX event_by_id ON event (event_id)`

// topics gives the numbers by which rows name topics: the index plus one. Only ever append.
var topics = []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}

// types gives the numbers by which rows name types: the index plus one. Only ever append; a type that is not here is stored as text.
var types = []string{
	"lodge.hotel.created.v1", "lodge.hotel.updated.v1", "lodge.hotel.archived.v1",
	"lodge.room_type.created.v1", "lodge.room_type.updated.v1", "lodge.room_type.archived.v1",
	"lodge.inventory.set.v1",
	"lodge.reservation.placed.v1", "lodge.reservation.rejected.v1", "lodge.reservation.paid.v1",
	"lodge.reservation.canceled.v1", "lodge.reservation.no_show.v1",
	"lodge.restrictions.set.v1",
	"lodge.rate_plan.created.v1", "lodge.rate_plan.updated.v1", "lodge.rate_plan.archived.v1", "lodge.rates.set.v1",
	"lodge.reservation.balance_paid.v1", "lodge.reservation.declined.v1", "lodge.reservation.modified.v1",
	"lodge.reservation.refund_granted.v1", "lodge.reservation.refunded.v1",
	"lodge.reservation.checked_in.v1", "lodge.reservation.checked_out.v1", "lodge.reservation.walked.v1",
	"lodge.waiting_list.joined.v1", "lodge.waiting_list.offered.v1", "lodge.waiting_list.left.v1",
	"lodge.payment.requested.v1", "lodge.payment.captured.v1", "lodge.payment.declined.v1", "lodge.payment.failed.v1",
	"lodge.refund.requested.v1", "lodge.refund.succeeded.v1", "lodge.refund.failed.v1",
	"lodge.room.created.v1", "lodge.room.updated.v1", "lodge.room.archived.v1",
	"lodge.reservation.moved.v1",
	"lodge.reservation.guest_forgotten.v1", "lodge.waiting_list.guest_forgotten.v1",
}

var typeNumbers = func() map[string]int {
	numbers := map[string]int{}
	for i, t := range types {
		numbers[t] = i + 1
	}
	return numbers
}()

var putEvent = projections.Insert{Into: "INSERT INTO event VALUES", Columns: 6}

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
// appended to the table; ids, which begin with the time, nearly are to their index.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	put := tx.Inserter(putEvent)
	topic := 1 + slices.Index(topics, events[0].Position.Topic)
	arena := make([]byte, 0, rowBytes*len(events))
	for _, e := range inOrder(events) {
		var id any
		arena, id = packed.Key(arena, e.Envelope.ID)
		start := len(arena)
		arena = appendRest(arena, e.Envelope)
		err := put.Add(e.Envelope.Time.UnixNano(), topic, int64(e.Position.Offset), e.Envelope.HotelID, id, arena[start:len(arena):len(arena)])
		if err != nil {
			return err
		}
	}
	return put.Flush()
}

// rowBytes is the usual length of an id and a rest: a UUID; two more and a type.
const rowBytes = 16 + 2*17 + 1

// appendRest appends what no query searches by.
func appendRest(b []byte, e *event.Envelope) []byte {
	number := typeNumbers[e.Type]
	if b = packed.AppendInt(b, int64(number)); number == 0 {
		b = packed.AppendText(b, e.Type)
	}
	b = packed.AppendID(b, subject(e.Message))
	return packed.AppendID(b, e.CorrelationID)
}

// readRest is the reverse of appendRest.
func (e *Entry) readRest(b []byte) error {
	r := packed.NewReader(b)
	if n := r.Int(); n > 0 && n <= int64(len(types)) {
		e.Type = types[n-1]
	} else {
		e.Type = r.Text()
	}
	e.SubjectID, e.CorrelationID = r.ID(), r.ID()
	return r.Err()
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

// subject returns the id of what an event is about, below the hotel; or "". An offer is about the entry of the waiting list, a refund about the reservation.
func subject(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetEntryId() string }:
		return m.GetEntryId()
	case interface{ GetReservationId() string }:
		return m.GetReservationId()
	case interface{ GetRoomTypeId() string }:
		return m.GetRoomTypeId()
	case interface{ GetRoomType() *eventpb.RoomType }:
		return m.GetRoomType().GetRoomTypeId()
	case interface{ GetRoom() *eventpb.Room }:
		return m.GetRoom().GetRoomId()
	}
	return ""
}
