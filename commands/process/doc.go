// Package process runs process managers: handlers that answer a committed event, or a timer, with commands, and keep on until that is done.
//
//	router, err := process.Open(ctx, lg, process.Options{})            // lg is a *broker.Broker
//	err = router.Register(process.Handler{Name: "refunds", Topic: "bookings", Types: []string{"lodge.reservation.canceled.v1"}, Handle: settle})
//	letters, err := router.Letters(ctx, "", 50)                        // what staff should look at
//	err = router.Run(ctx)                                              // until ctx ends
//
// It is Watermill's router over log/watermill. Each handler is a consumer group of its own (GroupOf), so that handlers wait for nobody but themselves, and
// the log sends it only the types that it names: one that waits for something rare costs next to nothing on a busy topic.
//
// # What is promised
//
//   - Every event of the types named that the topic keeps is handled, at least once: it is committed when it is handled, or lies in the poison queue. So handlers
//     are idempotent: commands that change nothing the second time, or whose request id follows from the event's id (RequestID).
//   - Events of one partition, and so of one hotel, are handled in their order, one at a time; partitions side by side. A handler that waits for somebody outside may ask for
//     several at a time (Handler.Parallel), of which those that belong together (Handler.OrderKey) keep their order.
//   - A handler that fails is tried again with exponential back-off, Options.Retries times. Then the record goes to the poison queue and the partition goes on. Those behind it
//     wait that long and no longer. A handler that panics has failed.
//   - What fails because something else is not there at the moment (IsTransient: the engine or the log answers "later", or the handler says so by Transient) is tried again
//     without limit: order is kept, nothing is poisoned by an outage.
//   - What can never succeed (Permanent) is not tried again, and goes to the poison queue at once.
//
// A handler begins with the first record that the topic keeps, and then goes on behind what it has committed, for ever: the log does not forget these groups (IsGroup).
// Nothing but a delivery calls a handler. Replaying topics, rebuilding states and read models does not, so side effects happen in none of those.
//
// # The poison queue
//
// It is the topic PoisonTopic: one record for each letter, which is the original's value and headers with those beside them that say which handler gave up, on
// what, why and after how many attempts. It is compacted by the letter's id, which follows from the handler and the record's position: the same failure met twice is one letter.
// Staff look at letters (Letters), have one handled again by the handler that gave up (Requeue), or drop it (Discard). A requeued letter is a record of the same topic that replaces
// the waiting one in one append, and that the log sends to that handler alone; when it is handled, it is gone; when not, it waits again. It does not hold up the handler's
// topic, and keeps no order with it.
//
// # Timers
//
// A timer is a record of TimersTopic that the schedules publish when its time has come (Timer.Schedule), keyed by hotel. Handlers of that topic name the timers' types.
//
// # Who runs here
//
// Upkeep ends holds and keeps the inventory open up to the hotels' horizons. Payments is the payment saga.
//
// # What it does not do
//
// It gives no exactly-once: that is the commands' part. It starts no goroutine outside Run. It does not take handlers once Run has begun.
package process
