// Package reservations is the read model of reservations, by id, hotel, guest, group and day, with their histories, and of waiting lists.
//
// A reservation has one row: what it began with and a short entry for each of its events, a fold over which says what it is now. The events
// themselves are read from the log, at the position that the history gives. Projector fills it; Queries answers
// from it. It reads the topic bookings only: what providers of payments did is in package payments.
package reservations
