package natsbridge

import (
	"context"
	"time"

	"github.com/google/uuid"

	"lodge/log"
	"lodge/log/internal/record"
)

// Schedule implements log.Scheduler. A schedule without an id gets one that sorts by time. A cron's first time is the next one after now.
// It returns when the schedule is on disk; NATS hears of it later.
func (b *Bridge) Schedule(ctx context.Context, s log.Schedule) (log.Schedule, error) {
	s, err := b.check(ctx, s)
	if err != nil {
		return log.Schedule{}, err
	}
	kept := encodeSchedule(&s)
	old, err := b.lockIdle(ctx, "schedule", s.ID)
	if err != nil {
		return log.Schedule{}, err
	}
	ticket, err := b.keep(old, &kept)
	if err != nil {
		b.mu.Unlock()
		return log.Schedule{}, err
	}
	b.forget(old)
	e := &entry{id: s.ID, gen: ticket.Base, due: s.Due.UnixNano(), size: uint32(len(kept.Value)), cron: s.Cron != ""}
	b.pending.ids.set(e)
	b.arrange(e, b.now())
	b.mu.Unlock()
	s.Generation = int64(ticket.Base)
	return s, ticket.Wait(ctx)
}

// After publishes a record once, when the delay is over. Otherwise it is Schedule; the schedule returned has an id made for it.
func (b *Bridge) After(ctx context.Context, delay time.Duration, r log.Record) (log.Schedule, error) {
	return b.Schedule(ctx, log.Schedule{At: b.opts.Clock().Add(delay), Record: r})
}

// keep enqueues a record for a schedule in the place of old. mu must be held.
func (b *Bridge) keep(old *entry, kept *log.Record) (log.Ticket, error) {
	if old == nil && b.pending.ids.n >= b.opts.SchedulesMax {
		return log.Ticket{}, log.NewError(log.LimitReached, "schedule "+string(kept.Key), "%d schedules are pending, %d are allowed", b.pending.ids.n, b.opts.SchedulesMax)
	}
	ticket, err := b.lg.Enqueue(home, &log.Batch{Records: []log.Record{*kept}})
	if err == nil {
		b.newest = ticket
	}
	return ticket, err
}

// forget takes a schedule, or nil, out of memory and out of NATS. mu must be held.
func (b *Bridge) forget(e *entry) {
	if e == nil {
		return
	}
	b.pending.take(e)
	b.pending.ids.delete(e.id)
	b.pardon(e)
	if e.place == far {
		b.clock.tell(op{id: e.id, gen: e.gen, drop: true})
	}
}

// CancelSchedule implements log.Scheduler. While the schedule is being fired it waits for the outcome. A cron ends with it.
func (b *Bridge) CancelSchedule(ctx context.Context, id string) error {
	e, err := b.lockIdle(ctx, "cancel", id)
	if err != nil {
		return err
	}
	if e == nil {
		b.mu.Unlock()
		return unknown("cancel", id)
	}
	ticket, err := b.lg.Enqueue(home, &log.Batch{Records: []log.Record{{Key: []byte(id)}}})
	if err == nil {
		b.forget(e)
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return ticket.Wait(ctx)
}

// lockIdle takes mu at a moment when the schedule with this id is not being fired, and returns it, or nil if there is none. With an
// error mu is not held.
func (b *Bridge) lockIdle(ctx context.Context, what, id string) (*entry, error) {
	for {
		b.mu.Lock()
		if b.broken != nil || b.closed {
			defer b.mu.Unlock()
			return nil, b.unusable(what + " " + id)
		}
		e := b.pending.ids.get(id)
		if e == nil || e.place != firing && e.place != held {
			return e, nil
		}
		settled, place := b.settled, e.place
		b.mu.Unlock()
		if place == held {
			return nil, log.NewError(log.Unavailable, what+" "+id, "whether it has fired is known when the log is opened again")
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// unusable says why nothing can be done. mu must be held.
func (b *Bridge) unusable(op string) error {
	if b.broken != nil {
		return log.NewError(log.CodeOf(b.broken), op, "%w", b.broken)
	}
	return log.NewError(log.Closed, op, "the schedules are closed")
}

func unknown(what, id string) error {
	return log.NewError(log.UnknownSchedule, what+" "+id, "no such pending schedule")
}

// GetSchedule implements log.Scheduler.
func (b *Bridge) GetSchedule(ctx context.Context, id string) (log.Schedule, error) {
	for {
		b.mu.Lock()
		e, broken := b.pending.ids.get(id), b.broken
		b.mu.Unlock()
		if broken != nil {
			return log.Schedule{}, log.NewError(log.CodeOf(broken), "get "+id, "%w", broken)
		}
		if e == nil {
			return log.Schedule{}, unknown("get", id)
		}
		s, found, err := b.readOne(ctx, e)
		if err != nil || found {
			return s, err
		}
	}
}

// ListSchedules implements log.Scheduler. A limit above 1,000 is taken as that, below 1 is InvalidArgument. Schedules whose records are large may
// be fewer than asked for; only an empty answer is the end.
func (b *Bridge) ListSchedules(ctx context.Context, after string, limit int) ([]log.Schedule, error) {
	if limit < 1 {
		return nil, log.NewError(log.InvalidArgument, "list schedules", "a limit of %d is below 1", limit)
	}
	var found []log.Schedule
	for len(found) == 0 {
		b.mu.Lock()
		entries, broken := b.pending.ids.after(after, min(limit, ListMax)), b.broken
		b.mu.Unlock()
		if broken != nil {
			return nil, log.NewError(log.CodeOf(broken), "list schedules", "%w", broken)
		}
		if len(entries) == 0 {
			return nil, nil
		}
		bytes := 0
		for _, e := range entries {
			if bytes += int(e.size); bytes > listBytesMax && len(found) > 0 {
				break
			}
			s, ok, err := b.readOne(ctx, e)
			if err != nil {
				return nil, err
			}
			if ok { // else it has just fired or was replaced; if all have, look on behind them
				found = append(found, s)
			}
			after = e.id
		}
	}
	return found, nil
}

// readOne reads a schedule. It is not found if it is gone by now.
func (b *Bridge) readOne(ctx context.Context, e *entry) (s log.Schedule, found bool, err error) {
	err = b.records(ctx, []*entry{e}, func(_ *entry, r *log.Record) error {
		s, err = decodeSchedule(r, false)
		return err
	})
	if err == nil {
		return s, true, nil
	}
	b.mu.Lock()
	if settled := b.settled; settled != nil && e.place == firing { // its end may be in the log already, and not here
		b.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return s, false, ctx.Err()
		}
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.pending.ids.get(e.id) != e {
		return s, false, nil // compacted away, as it should be
	}
	return s, false, err
}

// check validates s and returns it as it will be kept.
func (b *Bridge) check(ctx context.Context, s log.Schedule) (log.Schedule, error) {
	if s.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return s, err
		}
		s.ID = id.String()
	}
	if err := checkID(s.ID); err != nil {
		return s, err
	}
	now := b.opts.Clock()
	kept := log.Schedule{ID: s.ID, Cron: s.Cron, TimeZone: s.TimeZone, CreateTime: now.UTC().Round(0), Record: log.Record{
		Topic: s.Record.Topic, Key: s.Record.Key, Value: s.Record.Value, Headers: s.Record.Headers,
	}}
	if err := checkTime(&s, &kept, now); err != nil {
		return s, err
	}
	return kept, b.checkRecord(ctx, &kept)
}

func checkID(id string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	if len(id) > log.ScheduleIDMax {
		return invalid(id[:log.ScheduleIDMax]+"…", "an id of %d bytes is longer than %d", len(id), log.ScheduleIDMax)
	}
	for _, r := range id {
		if bad(r) {
			return invalid("", "id %q has a character outside [a-zA-Z0-9._-]", id)
		}
	}
	return nil
}

func invalid(id, format string, args ...any) error {
	return log.NewError(log.InvalidArgument, "schedule "+id, format, args...)
}

// checkTime sets when kept is due.
func checkTime(s, kept *log.Schedule, now time.Time) error {
	switch {
	case s.At.IsZero() == (s.Cron == ""):
		return invalid(s.ID, "exactly one of a time and a cron is needed")
	case s.Cron == "" && s.TimeZone != "":
		return invalid(s.ID, "time zone %q is for a cron; a time has its own", s.TimeZone)
	case s.Cron == "" && (s.At.Before(time.Unix(0, 0)) || s.At.After(dueMax)):
		return invalid(s.ID, "%v is not within 1970 and %d", s.At, dueMax.Year())
	case s.Cron == "":
		kept.At = s.At.UTC().Round(0)
		kept.Due = kept.At
		return nil
	}
	next, err := nextOccurrence(s.Cron, s.TimeZone, now)
	if err != nil {
		return invalid(s.ID, "%w", err)
	}
	if next.IsZero() {
		return invalid(s.ID, "cron %q never comes", s.Cron)
	}
	kept.Due = next
	return nil
}

// checkRecord looks whether the target takes the record as it will be published.
func (b *Bridge) checkRecord(ctx context.Context, s *log.Schedule) error {
	r := s.Record
	if r.Topic.Internal() {
		return log.NewError(log.InvalidArgument, "schedule "+s.ID, "topic %s belongs to the log itself", r.Topic)
	}
	info, err := b.lg.DescribeTopic(ctx, r.Topic)
	if err != nil {
		return err
	}
	for i := range r.Headers {
		if h := &r.Headers[i]; len(h.Key) == 0 {
			return invalid(s.ID, "header %d has no name", i)
		}
	}
	r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], scheduleHeaders(s.ID, "9223372036854775807", dueMax, dueMax)...)
	if size, limit := record.RecordSize(&r), min(info.Config.RecordBytesMax, RecordBytesMax); size > limit {
		return log.NewError(log.RecordTooLarge, "schedule "+s.ID, "the record of %d bytes, with the headers that it is published with, is larger than %d", size, limit)
	}
	return nil
}

// scheduleHeaders are the headers that a published record has beside its own.
func scheduleHeaders(id, generation string, due, fired time.Time) []log.Header {
	return []log.Header{
		{Key: log.ScheduleIDHeader, Value: []byte(id)},
		{Key: log.ScheduleGenerationHeader, Value: []byte(generation)},
		{Key: log.ScheduleDueHeader, Value: []byte(due.UTC().Format(time.RFC3339Nano))},
		{Key: log.ScheduleFiredHeader, Value: []byte(fired.UTC().Format(time.RFC3339Nano))},
	}
}
