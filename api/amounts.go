package api

import (
	"cmp"
	"context"
	"slices"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// account is a reservation with its money: what its own events say and what its payments do. The two come from different topics, so one may be a
// moment ahead of the other.
type account struct {
	reservation *reservations.Reservation
	payments    []payments.Payment
	sums        payments.Sums
}

// account reads a reservation and its payments.
func (a *API) account(ctx context.Context, hotelID, id string) (*account, error) {
	r, err := a.reservations.Get(ctx, hotelID, id)
	if err != nil {
		return nil, err
	}
	return a.accountOf(ctx, &r)
}

func (a *API) accountOf(ctx context.Context, r *reservations.Reservation) (*account, error) {
	found, err := a.payments.OfReservation(ctx, r.HotelID, r.ReservationID)
	if err != nil {
		return nil, err
	}
	return a.openAccount(r, found)
}

// openAccount makes an account of rows, and opens what is sealed in them.
func (a *API) openAccount(r *reservations.Reservation, found []payments.Payment) (*account, error) {
	if err := a.openReservation(r); err != nil {
		return nil, err
	}
	for i := range found {
		if err := a.openPayment(&found[i]); err != nil {
			return nil, err
		}
	}
	return &account{r, found, payments.SumsOf(found)}, nil
}

// message returns the API's form of the reservation.
func (c *account) message() *lodgev1.Reservation {
	out := reservationRow(c.reservation)
	out.Amounts = c.amounts()
	return out
}

// amounts returns the sums, nil when nothing has been paid and nothing is due beside the total.
func (c *account) amounts() *lodgev1.Amounts {
	m := &c.reservation.Money
	if c.sums.Captured == 0 && m.Paid == 0 && m.Balance == 0 {
		return nil
	}
	currency := cmp.Or(c.sums.Currency, c.reservation.Total.Currency)
	return &lodgev1.Amounts{
		Captured:       toMoney(currency, c.sums.Captured),
		SettledOutside: toMoney(currency, m.Outside),
		RefundPending:  toMoney(currency, c.owed()+c.sums.RefundRequested-c.sums.Refunded),
		Refunded:       toMoney(currency, c.sums.Refunded),
		Balance:        toMoney(currency, c.balance()),
		Fee:            toMoney(currency, c.fee()),
	}
}

// balance returns what is still to be paid.
func (c *account) balance() int64 {
	switch c.reservation.Status {
	case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
		return max(0, c.reservation.Total.MinorUnits-c.sums.Captured)
	case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
		return c.reservation.Money.Balance
	}
	return 0
}

// fee returns what is kept beyond the price of the stay: of a reservation that ended, what its settlement says, less what was granted afterwards; of one that stands, what a change left to be paid beyond the new total.
func (c *account) fee() int64 {
	m := &c.reservation.Money
	if c.reservation.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PAID {
		return max(0, m.Keeps()+m.Outside+m.Balance-c.reservation.Total.MinorUnits)
	}
	return max(0, m.Settlement.GetFeeMinorUnits()-m.GrantedAfter)
}

// owed returns what is to be given back and was not asked for yet.
func (c *account) owed() int64 {
	switch c.reservation.Status {
	case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
		return 0
	case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
		m := &c.reservation.Money
		return max(0, c.sums.Captured-c.sums.RefundRequested-m.Keeps()-min(m.Balance, c.loose()))
	}
	return max(0, c.sums.Captured-c.fee()-c.sums.RefundRequested)
}

// loose returns what was captured by payments that have not counted, and was not asked back: the balance is about to be paid from it.
func (c *account) loose() (units int64) {
	for i := range c.payments {
		p := &c.payments[i]
		if slices.Contains(c.reservation.Money.PaymentIDs, p.PaymentID) {
			continue
		}
		sums := payments.SumsOf(c.payments[i : i+1])
		units += max(0, sums.Captured-sums.RefundRequested)
	}
	return units
}

// behind reports whether the reservation speaks of payments or refunds that its payments do not show yet: there is no order between the two read models.
func (c *account) behind() bool {
	for _, id := range c.reservation.Money.PaymentIDs {
		if !slices.ContainsFunc(c.payments, func(p payments.Payment) bool { return p.PaymentID == id && p.Outcome == hotel.PaymentCaptured }) {
			return true
		}
	}
	return c.reservation.Status == eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED && c.sums.Refunded == 0
}

// settled reports whether nothing more is to happen to the money by itself: no payment and no refund is open, what was captured has counted or
// was given back, and what is due was asked for once.
func (c *account) settled() bool {
	if c.behind() {
		return false
	}
	var last hotel.PaymentOutcome
	for i := range c.payments {
		p := &c.payments[i]
		last = p.Outcome
		if p.Outcome == hotel.PaymentOpen || p.Outcome == hotel.PaymentUnknown {
			return false
		}
		for j := range p.Refunds {
			if p.Refunds[j].State == payments.RefundRequested {
				return false
			}
		}
	}
	switch c.reservation.Status {
	case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
		return len(c.payments) == 0 // an outcome makes it PAID or REJECTED
	case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
		return c.owed() == 0 && (c.reservation.Money.Balance == 0 || last != hotel.PaymentCaptured) // whose method is charged again
	case eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED:
		return c.owed() == 0
	}
	return c.owed() == 0 && c.sums.Refunded == 0 // else it becomes REFUNDED
}
