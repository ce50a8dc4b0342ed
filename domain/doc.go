// Package domain holds the values that every part of Lodge speaks of: calendar days and stays, money
// in minor units, time zones, identifiers, and the typed error that says which rule a request broke.
//
// Its folders build on it:
//
//	domain/eventpb  the generated messages of the events that are stored
//	domain/event    the registry of event types and their form as log records
//	domain/hotel    the decider: one hotel's state, commands, Decide and Evolve
//
// Everything here is a plain value. Nothing reads a clock, draws a random number, or does I/O; the one
// exception is LoadTimeZone, which reads the machine's (or the program's embedded) tzdata once for each name.
package domain
