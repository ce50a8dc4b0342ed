package reservations

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
)

// Name is the projection's name.
const Name = "reservations"

const tables = `
CREATE TABLE reservation (
	hotel_id TEXT NOT NULL,
	reservation_id TEXT NOT NULL,
	room_type_id TEXT NOT NULL,
	quantity INTEGER NOT NULL,
	check_in INTEGER NOT NULL,      -- days since 1970-01-01
	check_out INTEGER NOT NULL,
	guest_id TEXT NOT NULL,
	guest_name TEXT NOT NULL,
	guest_email TEXT NOT NULL,
	adults INTEGER NOT NULL,
	children INTEGER NOT NULL,
	infants INTEGER NOT NULL,
	status INTEGER NOT NULL,        -- numbers of lodge.events.v1
	reason INTEGER NOT NULL,
	note TEXT NOT NULL,
	currency_code TEXT NOT NULL,
	nightly BLOB,                   -- varints
	total_minor_units INTEGER NOT NULL,
	hold_nanos INTEGER,             -- NULL: the hold does not expire
	channel TEXT NOT NULL,
	external_reference TEXT NOT NULL,
	full_nights BLOB,               -- varints
	create_nanos INTEGER NOT NULL,
	update_nanos INTEGER NOT NULL,
	create_offset INTEGER NOT NULL,
	update_offset INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, reservation_id)
) WITHOUT ROWID;
CREATE TABLE reservation_event (
	hotel_id TEXT NOT NULL,
	reservation_id TEXT NOT NULL,
	offset INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	time_nanos INTEGER NOT NULL,
	status INTEGER NOT NULL,
	reason INTEGER NOT NULL,
	PRIMARY KEY (hotel_id, reservation_id, offset)
) WITHOUT ROWID;
CREATE INDEX reservation_by_arrival ON reservation (hotel_id, check_in);
CREATE INDEX reservation_by_guest ON reservation (guest_id, check_in, hotel_id, reservation_id) WHERE guest_id <> ''`

const putReservation = `INSERT OR REPLACE INTO reservation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
	?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)`

const setState = `UPDATE reservation SET status = ?3, reason = ?4, note = ?5, update_nanos = ?6, update_offset = ?7
WHERE hotel_id = ?1 AND reservation_id = ?2`

const putEvent = `INSERT INTO reservation_event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`

// Projector fills the read model.
type Projector struct{}

// New returns the projector.
func New() Projector { return Projector{} }

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic { return []log.Topic{event.BookingsTopic} }

// ref is one event of a batch, with its reservation's primary key.
type ref struct {
	hotel, id string
	event     int32 // index into the batch
}

func (a ref) compare(b ref) int {
	return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.id, b.id), cmp.Compare(a.event, b.event))
}

func (a ref) same(b ref) bool { return a.hotel == b.hotel && a.id == b.id }

// Apply implements projections.Projector: it sorts the batch by key, and writes each reservation once, as it is after its last event.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	refs := refsOf(events)
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n].same(refs[0]) {
			n++
		}
		if err := write(tx, refs[:n], events); err != nil {
			return err
		}
		refs = refs[n:]
	}
	return nil
}

func refsOf(events []projections.Event) []ref {
	refs := make([]ref, 0, len(events))
	for i := range events {
		m, ok := events[i].Envelope.Message.(interface {
			GetHotelId() string
			GetReservationId() string
		})
		if ok {
			refs = append(refs, ref{m.GetHotelId(), m.GetReservationId(), int32(i)})
		}
	}
	slices.SortFunc(refs, ref.compare)
	return refs
}

// write writes the history of one reservation, and the reservation: anew when the batch has its first event.
func write(tx *projections.Tx, refs []ref, events []projections.Event) error {
	var begun *Reservation
	for _, r := range refs {
		e := &events[r.event]
		if err := writeEvent(tx, r, e); err != nil {
			return err
		}
		b, err := begin(e.Envelope.Message)
		if err != nil {
			return fmt.Errorf("project %s: %w", e.Position, err)
		}
		if b != nil {
			b.CreateTime, b.Created = e.Envelope.Time, e.Position.Offset
			begun = b
		}
	}
	last := &events[refs[len(refs)-1].event]
	s, _ := stateAfter(last.Envelope.Message)
	if begun != nil {
		begun.UpdateTime, begun.Updated = last.Envelope.Time, last.Position.Offset
		return writeReservation(tx, begun, s)
	}
	set, err := tx.Stmt(setState)
	if err != nil {
		return err
	}
	return set.Exec(refs[0].hotel, refs[0].id, int64(s.status), int64(s.reason), s.note, last.Envelope.Time.UnixNano(), int64(last.Position.Offset))
}

func writeEvent(tx *projections.Tx, r ref, e *projections.Event) error {
	s, ok := stateAfter(e.Envelope.Message)
	if !ok {
		return fmt.Errorf("project %s: %s is not known here", e.Position, e.Envelope.Type)
	}
	put, err := tx.Stmt(putEvent)
	if err != nil {
		return err
	}
	return put.Exec(r.hotel, r.id, int64(e.Position.Offset), int64(s.kind), e.Envelope.Time.UnixNano(), int64(s.status), int64(s.reason))
}

func writeReservation(tx *projections.Tx, r *Reservation, s state) error {
	put, err := tx.Stmt(putReservation)
	if err != nil {
		return err
	}
	g := r.Guest
	return put.Exec(r.HotelID, r.ReservationID, r.RoomTypeID, r.Quantity, int64(r.Stay.CheckIn), int64(r.Stay.CheckOut),
		g.GuestID, g.DisplayName, g.Email, g.Adults, g.Children, g.Infants, int64(s.status), int64(s.reason), s.note,
		r.Total.Currency, packed(r.Nightly), r.Total.MinorUnits, nanosOrNil(r.HoldExpireTime), r.Channel, r.ExternalReference,
		packed(r.FullNights), r.CreateTime.UnixNano(), r.UpdateTime.UnixNano(), int64(r.Created), int64(r.Updated))
}

// packed returns the numbers as varints, or nil when there are none.
func packed[T int64 | domain.Date](numbers []T) any {
	if len(numbers) == 0 {
		return nil
	}
	b := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		b = binary.AppendVarint(b, int64(n))
	}
	return b
}

// unpacked is the reverse of packed.
func unpacked[T int64 | domain.Date](b []byte) []T {
	var numbers []T
	for len(b) > 0 {
		n, size := binary.Varint(b)
		if size <= 0 {
			break
		}
		numbers, b = append(numbers, T(n)), b[size:]
	}
	return numbers
}

func nanosOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}
