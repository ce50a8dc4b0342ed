// Package availability is the read model of what can be sold: counts and rates per hotel, room type and night.
//
// The table room_type_inventory has one row per hotel, room type and night that any event has named. The topic inventory writes
// its counts and rates, the topic bookings what is sold and held, the topic hotels four small tables that searches
// need: no column is written by two topics, because there is no order between them.
//
// Projector fills it; Queries answers from it. It is a moment behind the log: whether a room can really be had is decided by the
// write side alone.
package availability
