// Package commands is the write side of Lodge: it takes commands for hotels, decides them one at a time per
// partition, appends the events to the log, and answers when they are committed.
//
//	engine, err := commands.Open(ctx, broker, commands.Options{Partitions: 8})
//	go engine.Run(ctx)
//	result, err := engine.Execute(ctx, commands.Command{
//		RequestID: uuid.New(),
//		Body:      &hotel.PlaceReservation{...},
//	})
//
// A hotel lives at one partition number (the hash of its id) in each of the topics hotels, inventory, bookings and payments.
// A partition processor owns that number: it is the only writer of those partitions and holds their
// hotels in memory, so a command needs no lock, no version and no retry. Deciding goes on while earlier events
// are being synced; answers wait for the commit. See DESIGN.md for what happens when something fails.
//
// Every command carries a request id. It is remembered with the events themselves: a retry, whether the first attempt is
// still in flight, committed, or made before a crash, gets the first answer and is never applied twice.
//
// What it does not do: it does not know the rules (domain/hotel decides), how events are stored (log), or who may
// send a command (api).
package commands
