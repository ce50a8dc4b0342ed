package api

import (
	"slices"

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

// Givers returns the call that gives each command.
func Givers() map[string]string { return givers }

// PlatformCommands returns the commands that no call gives.
func PlatformCommands() map[string]bool { return platformCommands }

// Effects returns the calls that change something, with what: command, action or flow.
func Effects() map[string]string {
	names := map[effect]string{command: "command", action: "action", flow: "flow"}
	all := map[string]string{}
	for procedure, e := range effects {
		all[procedure] = names[e]
	}
	return all
}

// Harmless reports whether a call is known to change nothing.
func Harmless(procedure string) bool { return slices.Contains(harmless, procedure) }
