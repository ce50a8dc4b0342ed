package payments

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// Limits of the queries.
const (
	PaymentsMax = 1000 // of one reservation
	PageMax     = 1000 // entries of one page of History
)

// Queries answers questions about payments. Safe for concurrent use.
type Queries struct{ store *projections.Store }

// NewQueries returns the queries of a store that has a Projector.
func NewQueries(store *projections.Store) *Queries { return &Queries{store} }

const (
	columns       = "SELECT hotel_id, reservation_id, payment_id, history FROM payment "
	ofReservation = columns + "WHERE hotel_id = ? AND reservation_id = ? ORDER BY payment_id LIMIT ?"
	one           = columns + "WHERE hotel_id = ? AND reservation_id = ? AND payment_id = ?"
	withID        = columns + "WHERE payment_id = ? ORDER BY payment_id LIMIT 1"
)

// OfReservation returns the payments of a reservation with their refunds, oldest first: its folio, with SumsOf. An unknown reservation has none. Error:
// domain.LimitReached for more than PaymentsMax.
func (q *Queries) OfReservation(ctx context.Context, hotelID, reservationID string) ([]Payment, error) {
	found, err := q.find(ctx, hotelID, ofReservation, hotelID, key(reservationID), PaymentsMax+1)
	if err == nil && len(found) > PaymentsMax {
		err = domain.Errorf(domain.LimitReached, "", "reservation %s has more than %d payments", reservationID, PaymentsMax)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Payment) int { return cmp.Compare(a.Created, b.Created) })
	return found, nil
}

// Get returns a payment. The error has reason domain.PaymentNotFound when there is none.
func (q *Queries) Get(ctx context.Context, hotelID, reservationID, paymentID string) (Payment, error) {
	found, err := q.find(ctx, hotelID, one, hotelID, key(reservationID), key(paymentID))
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.PaymentNotFound, "", "there is no payment %q of reservation %q in hotel %q", paymentID, reservationID, hotelID)
	}
	if err != nil {
		return Payment{}, err
	}
	return found[0], nil
}

// Find returns the payment with an id, whichever hotel's it is. The error has reason domain.PaymentNotFound when there is none.
func (q *Queries) Find(ctx context.Context, paymentID string) (Payment, error) {
	page, err := projections.Gather(ctx, q.store, Name, projections.Query[Payment, string]{
		Limit: 1, Key: func(p *Payment) string { return p.PaymentID }, Compare: cmp.Compare[string],
		Shard: func(ctx context.Context, c *projections.Conn, _ log.Partition, _ string, _ int) (part projections.Part[Payment, string], err error) {
			part.Items, err = selectFrom(ctx, c, withID, key(paymentID))
			return part, err
		},
	})
	if err == nil && len(page.Items) == 0 {
		err = domain.Errorf(domain.PaymentNotFound, "", "there is no payment %q", paymentID)
	}
	if err != nil {
		return Payment{}, err
	}
	return page.Items[0], nil
}

// Entry is one event in the history of a reservation's payments; the event itself lies at Position in the log.
type Entry struct {
	Position  log.Position
	Type      string // as in lodge.payment.requested.v1
	Time      time.Time
	PaymentID string
}

// History returns the events of a reservation's payments and refunds at and behind an offset of topic payments, oldest first, and whether there
// are more than limit. An unknown reservation has none.
func (q *Queries) History(ctx context.Context, hotelID, reservationID string, from log.Offset, limit int) (found []Entry, more bool, err error) {
	if limit <= 0 || limit > PageMax {
		limit = PageMax
	}
	partition := q.store.PartitionFor(hotelID)
	err = q.store.View(ctx, Name, partition, func(c *projections.Conn) error {
		return c.Query(ctx, ofReservation, []any{hotelID, key(reservationID), PaymentsMax}, func(r *projections.Row) error {
			payment := packed.KeyText(r.Value(2))
			return readHistory(r.Blob(3), func(e *entry) {
				if e.offset >= from {
					at := log.Position{Topic: event.PaymentsTopic, Partition: partition, Offset: e.offset}
					found = append(found, Entry{at, types[e.kind], e.time, payment})
				}
			})
		})
	})
	slices.SortFunc(found, func(a, b Entry) int { return cmp.Compare(a.Position.Offset, b.Position.Offset) })
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

func (q *Queries) find(ctx context.Context, hotelID, sql string, args ...any) (found []Payment, err error) {
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) (err error) {
		found, err = selectFrom(ctx, c, sql, args...)
		return err
	})
	return found, err
}

func selectFrom(ctx context.Context, c *projections.Conn, sql string, args ...any) (found []Payment, err error) {
	err = c.Query(ctx, sql, args, func(r *projections.Row) error {
		p := Payment{HotelID: r.Text(0), ReservationID: packed.KeyText(r.Value(1)), PaymentID: packed.KeyText(r.Value(2))}
		if err := readHistory(r.Blob(3), p.take); err != nil {
			return fmt.Errorf("read payment %s of hotel %s: %w", p.PaymentID, p.HotelID, err)
		}
		found = append(found, p)
		return nil
	})
	return found, err
}

// key returns an id as its column holds it.
func key(id string) any {
	_, key := packed.Key(nil, id)
	return key
}
