package api_test

import (
	"testing"

	"lodge/api"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// TestSettledWaitsForBothReadModels: bookings and payments are applied in no order, and what one says may not be in the other yet.
func TestSettledWaitsForBothReadModels(t *testing.T) {
	eur := func(units int64) domain.Money { return domain.Money{Currency: "EUR", MinorUnits: units} }
	captured := func(id string, units int64, refunds ...payments.Refund) payments.Payment {
		return payments.Payment{PaymentID: id, Amount: eur(units), Outcome: hotel.PaymentCaptured, Captured: units, Refunds: refunds}
	}
	paid := func(balance, paid int64, ids ...string) *reservations.Reservation {
		return &reservations.Reservation{Status: eventpb.ReservationStatus_RESERVATION_STATUS_PAID, Total: eur(paid + balance),
			Money: reservations.Money{PaymentIDs: ids, Paid: paid, Balance: balance}}
	}
	refunded := &reservations.Reservation{Status: eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED, Total: eur(100)}
	back := payments.Refund{RefundID: "r", Amount: eur(100), State: payments.RefundSucceeded}
	for _, c := range []struct {
		name string
		r    *reservations.Reservation
		of   []payments.Payment
		want bool
	}{
		{"paid", paid(0, 100, "a"), []payments.Payment{captured("a", 100)}, true},
		{"a payment that has counted is not there yet", paid(0, 150, "a", "b"), []payments.Payment{captured("a", 100)}, false},
		{"it is there, and has no outcome yet", paid(0, 150, "a", "b"), []payments.Payment{captured("a", 100), {PaymentID: "b", Amount: eur(50)}}, false},
		{"both have counted", paid(0, 150, "a", "b"), []payments.Payment{captured("a", 100), captured("b", 50)}, true},
		{"a balance is about to be asked for", paid(50, 100, "a"), []payments.Payment{captured("a", 100)}, false},
		{"a balance whose payment was declined", paid(50, 100, "a"), []payments.Payment{captured("a", 100), {PaymentID: "b", Amount: eur(50), Outcome: hotel.PaymentDeclined}}, true},
		{"refunded, and the payment is not there yet", refunded, nil, false},
		{"refunded, and the refund is not there yet", refunded, []payments.Payment{captured("a", 100)}, false},
		{"refunded", refunded, []payments.Payment{captured("a", 100, back)}, true},
	} {
		if got := api.Settled(c.r, c.of); got != c.want {
			t.Errorf("%s: settled is %t", c.name, got)
		}
	}
}
