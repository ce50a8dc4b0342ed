package api

import (
	"context"
	"time"

	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// awaitMoney returns what look finds once that is all that is waited for, or when wait is over. It looks again whenever one of the read models of
// reservations and payments has taken in something of the hotel's partition.
func (a *API) awaitMoney(ctx context.Context, hotelID string, wait time.Duration, look func() (found *account, done bool, err error)) (*account, error) {
	found, done, err := look()
	if wait <= 0 || err != nil || done {
		return found, err
	}
	waiting, end, err := a.stream(ctx) // a place among those who wait, until the server ends
	if err != nil {
		return found, nil // there is none: the answer is how things are
	}
	defer end()
	waiting, cancel := context.WithTimeout(waiting, wait)
	defer cancel()
	changed, stop, err := a.listen(hotelID)
	if err != nil {
		return nil, err
	}
	defer stop()
	for {
		if found, done, err = look(); err != nil || done {
			return found, err
		}
		select {
		case <-changed:
		case <-waiting.Done():
			return found, ctx.Err()
		}
	}
}

// listen returns a channel that has a value after every change of a hotel's reservations and payments, until stop.
func (a *API) listen(hotelID string) (changed <-chan struct{}, stop func(), err error) {
	partition := a.deps.Store.PartitionFor(hotelID)
	signal := make(chan struct{}, 1)
	tell := func(applied projections.Applied) {
		if !applied.All && applied.Partition != partition {
			return
		}
		select {
		case signal <- struct{}{}:
		default: // one is waiting to be seen
		}
	}
	stopBookings, err := a.deps.Store.Listen(reservations.Name, tell)
	if err != nil {
		return nil, nil, err
	}
	stopPayments, err := a.deps.Store.Listen(payments.Name, tell)
	if err != nil {
		stopBookings()
		return nil, nil, err
	}
	return signal, func() { stopBookings(); stopPayments() }, nil
}
