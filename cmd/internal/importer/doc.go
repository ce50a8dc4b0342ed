// Package importer turns the public "hotel booking demand" CSV (Antonio, de Almeida, Nunes; Data in Brief 22, 2019,
// doi 10.1016/j.dib.2018.11.126) into the history it tells, and runs that history against Lodge under a virtual clock.
//
// Each row is a small true story: placed lead_time days before arrival at its price, under the rate plan of its deposit type; changed as often as booking_changes says; and
// canceled or missed on reservation_status_date, or kept: then the guest arrives, is given a room of the type that was assigned, and leaves on that date. What the
// data does not say is not made up: what was changed, which room it was, what a cancellation cost (a deposit that is not refunded excepted), through whom the guest paid. The steps, in this order:
//
//	Read      CSV → rows, and a Problem with line and reason for every line that is no booking
//	NewPlan   rows → hotels, room types, capacity and the commands, ordered by the day on which they happened
//	Run       plan → commands given to a Commander one behind the other, answers counted
//
// Everything that a command carries, its request id and reservation id included, follows from the row and from how
// many identical rows stand before it. So the same rows imported again, from another copy of the file with another date format or
// column order as well, are recognized as the same requests and add nothing.
//
// It reads no file and opens no platform: cmd/lodge does.
package importer
