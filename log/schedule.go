package log

import (
	"context"
	"time"
)

// Schedule is a record that is to be published later, once or again and again. Exactly one of At and Cron is set.
type Schedule struct {
	ID       string    // 1 to 128 characters of [a-zA-Z0-9._-]; a new one with the same id replaces. "": an id is made
	At       time.Time // publish once at this time; in the past: at once
	Cron     string    // five fields (minute hour day month weekday), or six with seconds in front, or @daily and the like
	TimeZone string    // IANA name, for Cron; "": UTC
	Record   Record    // Topic, Key, Value, Headers are used. The topic must be there

	// Set by the scheduler.
	Generation int64     // grows with each replacement of the id and each firing of a cron; with the id it is unique for each firing, for ever
	Due        time.Time // when it fires next
	CreateTime time.Time
}

// Headers of a record that a schedule published, beside its own.
const (
	ScheduleIDHeader         = "lodge_schedule_id"
	ScheduleGenerationHeader = "lodge_schedule_generation"
	ScheduleDueHeader        = "lodge_schedule_due"   // RFC 3339 with nanoseconds, UTC
	ScheduleFiredHeader      = "lodge_schedule_fired" // the same
)

// Limits on schedules.
const (
	SchedulesMax  = 1_000_000 // pending in one log
	ScheduleIDMax = 128       // characters of an id
)

// Scheduler keeps schedules. A schedule is accepted when Schedule returns: from then on it fires, however often the
// process is killed; never early, once, for each key of a topic in the order of due times. Safe for concurrent use.
type Scheduler interface {
	// Schedule adds s or replaces the one with its id, and returns it as it is kept. Errors: InvalidArgument, UnknownTopic, RecordTooLarge, LimitReached, Closed.
	Schedule(ctx context.Context, s Schedule) (Schedule, error)
	// CancelSchedule takes it away; when it returns nil the schedule will not fire any more. Error: UnknownSchedule (it has fired or never was).
	CancelSchedule(ctx context.Context, id string) error
	GetSchedule(ctx context.Context, id string) (Schedule, error) // UnknownSchedule
	// ListSchedules returns up to limit pending schedules with ids above after, by id. It may return fewer; only an empty answer is the end.
	ListSchedules(ctx context.Context, after string, limit int) ([]Schedule, error)
}
