// Package simulate asks the log of a hotel what would have been: it replays what really happened under another overbooking limit or other cancellation terms
// and reports walks, turnaways, occupancy and revenue by period, beside the same replay under what was in force.
//
//	result, err := simulate.Run(ctx, reader, simulate.Options{Partitions: 8, Hotel: "grand", Policy: simulate.Policy{Percent: &ten}})
//
// # The model
//
// Demand is every request that was made: the reservations that were placed and those that were turned away for want of rooms, each at its own time and in the log's order. A request is
// granted when every night of its stay has room: sold + asked <= physical - out of order + overbooking limit, with the inventory of that moment
// and the limit of the policy. Nights that have no rooms get none. Requests that a restriction forbade stay refused. A group is granted as a whole or not at all.
//
// Guests do what they did: a reservation that was canceled is canceled at the same moment, one that was missed is missed, one that was changed is changed when
// there is room for it (otherwise the guest keeps the old stay), one that left early leaves early. What other terms would have made guests do, nobody knows: they change what a
// cancellation costs, not who cancels. What a policy turns away, it loses.
//
// Of guests who were turned away nobody knows what they would have done. They do what the guest did whose reservation of the same room type was placed last before theirs: its price
// for a room and night, its terms, and whether and after which part of the time to arrival it was canceled or missed. No dice are thrown: the same log and policy give the same figures.
//
// Every night those who are expected arrive, who booked first first. Whoever finds no room of their type free is walked: in full, for all nights. With Upgrades they get a room of
// another type first, the cheapest that is left. A night ends when the log's time passes it; nights after the log's last booking event have not happened and are not reported.
//
// Revenue is the price of nights, as agreed, of those who stayed (taxes on top are no revenue), on the night; and fees of cancellations and no-shows by the terms frozen in the reservation, or by the
// policy's, on the day of arrival. Fees are taken to be collected in full; holds that expired, payments that were declined and
// cancellations by the hotel cost nothing.
//
// What it does not do: it does not guess how prices would have changed demand, and it knows nothing of those who looked and did not ask.
package simulate
