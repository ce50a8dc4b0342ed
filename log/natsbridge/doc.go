// Package natsbridge publishes records later: at a time, after a delay, on a cron. It is the log's log.Scheduler.
//
//	bridge, err := natsbridge.Open(ctx, lg, natsbridge.Options{StoreDir: "data/nats"}) // lg is a *broker.Broker
//	go bridge.Run(ctx)
//	s, err := bridge.Schedule(ctx, log.Schedule{ID: "hold-17", At: expires, Record: log.Record{Topic: "holds", Key: hotel, Value: event}})
//	err = bridge.CancelSchedule(ctx, "hold-17")
//	defer bridge.Close() // before lg
//
// # What is promised
//
//   - A schedule that was accepted is on disk, and fires however often the process is killed.
//   - Never early, by Options.Clock. Late by two syncs of the log and what the disk makes of them; the numbers are in log/DESIGN.md.
//   - Once, whenever the process or the NATS server dies, and whatever becomes of NATS' store. What a topic of durability interval or none
//     has acknowledged a power loss may take away, and that is not published again.
//   - For each key of a topic, those that are pending together in order of due time; of those due at the same time in the order in which they were
//     scheduled. What is scheduled when something due later has fired comes behind it.
//   - When CancelSchedule returns nil the schedule has not fired and will not. When Schedule replaces one, either the old one has fired by then or never will.
//   - What was due while nothing ran fires when Run begins. A cron then fires once, however many of its times have passed.
//
// # Records
//
// Topic, key, value and headers are published as they were scheduled, with four headers behind them: log.ScheduleIDHeader and the others. The
// timestamp is the broker's, in whole milliseconds. Records with a key go to the partition that their key has when they fire; those without go to one
// active partition in each round. Id and generation together are unique for ever, also when an id is used again: a generation is the
// offset of the schedule's record in __schedules.
//
// # Crons
//
// Five fields (minute, hour, day of the month, month of the year, weekday), six with seconds in front, or @hourly, @daily, @weekly, @monthly, @yearly and
// @every with a duration of a second or more. If both days are restricted either suffices. TimeZone is an IANA name; without it the fields are UTC. The
// zones' rules are compiled in. A time that the zone's clock skips comes as much later as the clock was put forward; one that comes twice
// counts the first time only, unless the cron names every hour.
//
// # What cannot be published
//
// A schedule whose target is deleted, or refuses the record for good, is not tried again: its record goes to __schedules_failed, with the same headers and
// FailedTopicHeader and FailedErrorHeader, also exactly once; that topic keeps a week and 1 GiB. A cron goes on with its next time. A
// partition that takes no appends for another reason is tried again, after 100 ms up to 5 s, and the others go on. If an append was begun
// and failed (the partition is poisoned) its schedules are held: they stay pending, cannot be canceled (Unavailable), and what became
// of them is found out when the log is opened again. Stats counts all of these, Failures lists the newest.
//
// # NATS
//
// What NATS has is a copy: one JetStream message schedule for each pending one that is due in more than a second, without its record. NATS rings half
// a second ahead (its own timer has a floor of 250 ms), and the bridge waits out the rest. All else is independent of it: while NATS is away,
// or when it has not rung 100 ms before the due time, the bridge goes by its own timer; when it is back both sides are compared, what is
// missing is sent and what is left over is purged. The embedded server listens nowhere and its folder can be removed at any time that it does not run. With
// Options.URL the stream is named after the log's instance id, so logs can share servers; two copies of one log folder cannot, not at the same time.
//
// # Limits
//
// log.SchedulesMax pending, about 90 bytes of memory each with its id, and about 420 in the embedded server for each that it holds; a record of
// RecordBytesMax, or as its topic allows; an id of log.ScheduleIDMax characters; ListMax in one answer. Due times from 1970 to 2262.
//
// # What it does not do
//
// It does not expire schedules, nor bound how many of them fire at one moment: a burst is published in rounds of 2,048, in order. It does not order keys across a
// change of a topic's partitions: there the topic's own rule holds.
package natsbridge
