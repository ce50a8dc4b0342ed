// Package reservations is the read model of reservations, by id, hotel and guest, with their histories.
//
// A reservation has one row with its state now, and one small row for each of its events; the events
// themselves are read from the log, at the position that the history gives. Projector fills it; Queries answers
// from it. It reads the topic bookings only.
package reservations
