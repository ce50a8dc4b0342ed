package payments

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"lodge/domain"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// AsOf is OfReservation at a moment of the past.
func (q *Queries) AsOf(ctx context.Context, hotelID, reservationID string, until projections.Until) (found []Payment, err error) {
	rows := 0
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, ofReservation, []any{hotelID, key(reservationID), PaymentsMax + 1}, func(r *projections.Row) error {
			rows++
			p := Payment{HotelID: r.Text(0), ReservationID: packed.KeyText(r.Value(1)), PaymentID: packed.KeyText(r.Value(2))}
			begun, over := false, false
			err := readHistory(r.Blob(3), func(e *entry) {
				if over = over || !until.Has(e.offset, e.time); !over {
					p.take(e)
					begun = true
				}
			})
			if err != nil {
				return fmt.Errorf("read payment %s of hotel %s: %w", p.PaymentID, p.HotelID, err)
			}
			if begun {
				found = append(found, p)
			}
			return nil
		})
	})
	if err == nil && rows > PaymentsMax {
		err = domain.Errorf(domain.LimitReached, "", "reservation %s has more than %d payments", reservationID, PaymentsMax)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Payment) int { return cmp.Compare(a.Created, b.Created) })
	return found, nil
}
