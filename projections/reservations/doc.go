// Package reservations is the read model of reservations, by id, hotel and guest, with their histories.
//
// A reservation has one row: what it began with and a short entry for each of its events, the last of which says its state. The events
// themselves are read from the log, at the position that the history gives. Projector fills it; Queries answers
// from it. It reads the topic bookings only.
package reservations
