package api

import (
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// HasRule reports whether the table says who may make a call.
func HasRule(procedure string) bool {
	_, ok := rules[procedure]
	return ok
}

// Settled reports whether a reservation's money is settled, as settle_wait asks.
func Settled(r *reservations.Reservation, of []payments.Payment) bool {
	c := account{r, of, payments.SumsOf(of)}
	return c.settled()
}
