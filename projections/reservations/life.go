package reservations

import (
	"context"

	"lodge/log"
	"lodge/projections/payments"
)

// Places says how far the two histories of a reservation have been read: the next offset of each topic. The zero value is the beginning.
type Places struct{ Bookings, Payments log.Offset }

// Life returns where the events of a reservation lie, its own and those of its payments and refunds, in order of their times and in each topic in that of the
// log; and where to go on when there are more than limit, or nil.
func (q *Queries) Life(ctx context.Context, pay *payments.Queries, hotelID, reservationID string, from Places, limit int) ([]log.Position, *Places, error) {
	limit = pageLimit(limit)
	own, more, err := q.History(ctx, hotelID, reservationID, from.Bookings, limit)
	if err != nil {
		return nil, nil, err
	}
	paid, morePaid, err := pay.History(ctx, hotelID, reservationID, from.Payments, limit)
	if err != nil {
		return nil, nil, err
	}
	var found []log.Position
	for len(found) < limit && (len(own) > 0 || len(paid) > 0) {
		if len(paid) == 0 || len(own) > 0 && !paid[0].Time.Before(own[0].Time) {
			found, from.Bookings, own = append(found, own[0].Position), own[0].Position.Offset+1, own[1:]
		} else {
			found, from.Payments, paid = append(found, paid[0].Position), paid[0].Position.Offset+1, paid[1:]
		}
	}
	if more || morePaid || len(own) > 0 || len(paid) > 0 {
		return found, &from, nil
	}
	return found, nil, nil
}
