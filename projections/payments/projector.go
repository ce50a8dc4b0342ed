package payments

import (
	"cmp"
	"fmt"
	"slices"

	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// Name is the projection's name.
const Name = "payments"

const tables = `
CREATE TABLE payment (
	hotel_id TEXT NOT NULL,
	reservation_id BLOB NOT NULL,   -- packed.Key
	payment_id BLOB NOT NULL,       -- packed.Key
	history BLOB NOT NULL,          -- its events and those of its refunds, oldest first: appendEntry
	PRIMARY KEY (hotel_id, reservation_id, payment_id)
) WITHOUT ROWID;
CREATE INDEX payment_by_id ON payment (payment_id)`

// In SQLite what || joins is a text, even of two blobs.
var putPayment = projections.Insert{
	Into: "INSERT INTO payment VALUES", Columns: 4,
	Then: "ON CONFLICT DO UPDATE SET history = CAST(history || excluded.history AS BLOB)",
}

// Projector fills the read model.
type Projector struct{}

// New returns the projector.
func New() Projector { return Projector{} }

// Name implements projections.Projector.
func (Projector) Name() string { return Name }

// Schema implements projections.Projector.
func (Projector) Schema() string { return tables }

// Topics implements projections.Projector.
func (Projector) Topics() []log.Topic { return []log.Topic{event.PaymentsTopic} }

// payable is what all events of payments and refunds are.
type payable interface {
	GetHotelId() string
	GetReservationId() string
	GetPaymentId() string
}

// ref is one event of a batch, with its payment's primary key.
type ref struct {
	hotel, reservation, payment string
	event                       int32 // index into the batch
}

func (a ref) compare(b ref) int {
	return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.reservation, b.reservation), cmp.Compare(a.payment, b.payment),
		cmp.Compare(a.event, b.event))
}

func (a ref) same(b ref) bool {
	return a.hotel == b.hotel && a.reservation == b.reservation && a.payment == b.payment
}

// Apply implements projections.Projector: it sorts the batch by key, and appends to each payment once.
func (Projector) Apply(tx *projections.Tx, events []projections.Event) error {
	refs := make([]ref, len(events))
	for i := range events {
		m, ok := events[i].Envelope.Message.(payable)
		if !ok {
			return fmt.Errorf("project %s: %s is not known here", events[i].Position, events[i].Envelope.Type)
		}
		refs[i] = ref{m.GetHotelId(), m.GetReservationId(), m.GetPaymentId(), int32(i)}
	}
	slices.SortFunc(refs, ref.compare)
	put := tx.Inserter(putPayment)
	for i := 0; i < len(refs); {
		var history []byte
		first := refs[i]
		for ; i < len(refs) && refs[i].same(first); i++ {
			e := &events[refs[i].event]
			var err error
			if history, err = appendEntry(history, e); err != nil {
				return fmt.Errorf("project %s: %w", e.Position, err)
			}
		}
		_, reservation := packed.Key(nil, first.reservation)
		_, payment := packed.Key(nil, first.payment)
		if err := put.Add(first.hotel, reservation, payment, history); err != nil {
			return err
		}
	}
	return put.Flush()
}
