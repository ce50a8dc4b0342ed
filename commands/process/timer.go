package process

import (
	"context"
	"time"

	"lodge/log"
)

// TimersTopic is where timers arrive. Records are keyed by hotel, so that those of one hotel come in the order of their due times, and tagged (ce_type) by the timer's type.
const TimersTopic log.Topic = "timers"

// HeaderTimerType is the header that tells a timer's type: the topic's tag.
const HeaderTimerType = "ce_type"

// timersKeep is how long fired timers are kept. Handlers see them within moments, and whoever misses one derives it again.
const timersKeep = 7 * 24 * time.Hour

// createTimers makes the topic when it is missing.
func createTimers(ctx context.Context, admin log.Admin, partitions int) error {
	err := admin.CreateTopic(ctx, TimersTopic, log.TopicConfig{Partitions: partitions, RetentionAge: timersKeep, SegmentAge: 24 * time.Hour})
	if log.CodeOf(err) == log.TopicExists {
		return nil
	}
	return err
}

// Timer calls the handlers of its type at a time, through the schedules: never early, however often the process is killed in between.
type Timer struct {
	ID    string // of the schedule; another timer with the id replaces it
	Type  string // which handlers of TimersTopic get it
	Hotel string // the record's key
	Value []byte // the record's value
	At    time.Time
	Cron  string // in place of At: again and again, in UTC
}

// schedule returns what the schedules get.
func (t *Timer) schedule() log.Schedule {
	s := log.Schedule{ID: t.ID, At: t.At, Cron: t.Cron, Record: log.Record{
		Topic: TimersTopic, Value: t.Value, Headers: []log.Header{{Key: HeaderTimerType, Value: []byte(t.Type)}},
	}}
	if t.Hotel != "" {
		s.Record.Key = []byte(t.Hotel)
	}
	if s.Record.Value == nil {
		s.Record.Value = []byte{}
	}
	return s
}

// Schedule sets the timer and returns when that is durable. Errors: the scheduler's.
func (t *Timer) Schedule(ctx context.Context, scheduler log.Scheduler) error {
	s := t.schedule()
	s.Record.Headers = append(s.Record.Headers, traceHeader(ctx)...)
	_, err := scheduler.Schedule(ctx, s)
	return err
}
