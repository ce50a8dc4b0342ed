// Package payments is the read model of payments and their refunds, by reservation and by id, with their histories.
//
// A payment has one row, to which each of its events and of its refunds' is appended. Projector fills it; Queries answers from it. It reads the
// topic payments only, and is no part of the read model of reservations, which reads bookings: there is no order between the two, what is
// written for a payment costs the reservations nothing, and either is rebuilt without the other.
package payments
