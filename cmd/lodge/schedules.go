package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// schedulesCommand looks after records that are published later.
type schedulesCommand struct {
	List   schedulesList   `cmd:"" default:"withargs" help:"List pending schedules."`
	Create schedulesCreate `cmd:"" help:"Publish a record later, once or again and again."`
	Cancel schedulesCancel `cmd:"" help:"Cancel schedules."`
}

// Help shows examples.
func (schedulesCommand) Help() string {
	return `What is pending fires while the data folder is served, never early, and once; what fell due meanwhile fires when it is served again.

Examples:
  lodge schedules create orders 'remember me' --in 10m
  lodge schedules create reports '{}' --cron '0 6 * * *' --time-zone Europe/Lisbon --id daily-report
  lodge schedules
  lodge schedules cancel daily-report`
}

// schedules calls f with the schedules' service of a data folder's server.
func schedules(ctx context.Context, dir string, f func(lodgev1connect.ScheduleServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewScheduleServiceClient(s.client, s.url)) })
}

type schedulesList struct {
	dataFlag
	JSON bool `help:"One JSON object a line; keys and values in base64."`
}

// Help shows examples.
func (schedulesList) Help() string {
	return `Examples:
  lodge schedules
  lodge schedules --json`
}

// Run implements the command.
func (c *schedulesList) Run(ctx context.Context, m *Main) error {
	return schedules(ctx, c.Data, func(client lodgev1connect.ScheduleServiceClient) error {
		t := newTable(m.Stdout, c.JSON, "SCHEDULE", "DUE", "CRON", "TOPIC", "KEY", "BYTES")
		return t.flushed(eachPage(func(token string) (string, error) {
			res, err := client.ListSchedules(ctx, connect.NewRequest(&lodgev1.ListSchedulesRequest{PageSize: 1000, PageToken: token}))
			if err != nil {
				return "", err
			}
			for _, s := range res.Msg.GetSchedules() {
				cron := s.GetCron()
				if s.GetTimeZone() != "" {
					cron += " " + s.GetTimeZone()
				}
				t.row(s, lastPart(s.GetName()), s.GetDueTime().AsTime().Format(time.RFC3339Nano), dash(cron), s.GetTopic(), plain(s.Key), len(s.GetValue()))
			}
			return res.Msg.GetNextPageToken(), nil
		}))
	})
}

type schedulesCreate struct {
	dataFlag
	Topic    string         `arg:"" help:"The topic to publish to; it must be there."`
	Value    string         `arg:"" help:"The record's value."`
	At       string         `help:"Publish at this time (2026-07-01T06:00:00Z); in the past: at once." xor:"when" placeholder:"TIME"`
	In       *time.Duration `help:"Publish after this long." xor:"when" placeholder:"10m"`
	Cron     string         `help:"Publish again and again: five fields (minute hour day month weekday), six with seconds in front, or @daily and the like." xor:"when" placeholder:"'0 6 * * *'"`
	TimeZone string         `help:"Time zone of --cron, such as Europe/Lisbon; default: UTC." placeholder:"ZONE"`
	ID       string         `help:"The schedule's id; one that is pending under it is replaced. Default: one is made." name:"id"`
	Key      *string        `help:"The record's key."`
	Header   []string       `help:"A header of the record." placeholder:"NAME=VALUE" sep:"none"`
	JSON     bool           `help:"Print the schedule as JSON."`
}

// Help shows examples.
func (schedulesCreate) Help() string {
	return `The record is published with its key and headers, and with the headers lodge_schedule_id, lodge_schedule_generation, lodge_schedule_due and lodge_schedule_fired.

Examples:
  lodge schedules create orders 'remember me' --in 10m --key ada
  lodge schedules create orders 'happy new year' --at 2027-01-01T00:00:00Z
  lodge schedules create reports '{}' --cron '0 6 * * *' --time-zone Europe/Lisbon --id daily-report`
}

// Run implements the command.
func (c *schedulesCreate) Run(ctx context.Context, m *Main) error {
	s, err := c.schedule()
	if err != nil {
		return err
	}
	return schedules(ctx, c.Data, func(client lodgev1connect.ScheduleServiceClient) error {
		res, err := client.CreateSchedule(ctx, connect.NewRequest(&lodgev1.CreateScheduleRequest{ScheduleId: c.ID, Schedule: s}))
		if err != nil {
			return err
		}
		if c.JSON {
			t := newTable(m.Stdout, true)
			t.row(res.Msg)
			return t.flush()
		}
		_, err = fmt.Fprintf(m.Stdout, "%s is due at %s\n", lastPart(res.Msg.GetName()), res.Msg.GetDueTime().AsTime().Format(time.RFC3339Nano))
		return err
	})
}

// schedule makes the message.
func (c *schedulesCreate) schedule() (*lodgev1.Schedule, error) {
	headers, err := parseHeaders(c.Header)
	if err != nil {
		return nil, err
	}
	s := &lodgev1.Schedule{Topic: c.Topic, Value: []byte(c.Value), Headers: headers, TimeZone: c.TimeZone}
	if c.Key != nil {
		s.Key = []byte(*c.Key)
	}
	switch {
	case c.At != "":
		at, err := time.Parse(time.RFC3339Nano, c.At)
		if err != nil {
			return nil, fmt.Errorf("--at %q is no time such as 2026-07-01T06:00:00Z", c.At)
		}
		s.When = &lodgev1.Schedule_At{At: timestamppb.New(at)}
	case c.In != nil:
		s.When = &lodgev1.Schedule_Delay{Delay: durationpb.New(*c.In)}
	case c.Cron != "":
		s.When = &lodgev1.Schedule_Cron{Cron: c.Cron}
	default:
		return nil, errors.New("when? give --at, --in or --cron")
	}
	return s, nil
}

type schedulesCancel struct {
	dataFlag
	IDs []string `arg:"" name:"schedule" help:"Ids of schedules."`
}

// Help shows examples.
func (schedulesCancel) Help() string {
	return `Examples:
  lodge schedules cancel daily-report`
}

// Run implements the command.
func (c *schedulesCancel) Run(ctx context.Context, m *Main) error {
	return schedules(ctx, c.Data, func(client lodgev1connect.ScheduleServiceClient) error {
		var errs []error
		for _, id := range c.IDs {
			_, err := client.DeleteSchedule(ctx, connect.NewRequest(&lodgev1.DeleteScheduleRequest{Name: "schedules/" + id}))
			switch {
			case err == nil:
				fmt.Fprintln(m.Stdout, "canceled", id)
			case connect.CodeOf(err) == connect.CodeNotFound: // the others may be there
				errs = append(errs, fmt.Errorf("cancel %s: %w", id, err))
			default:
				return errors.Join(append(errs, fmt.Errorf("cancel %s: %w", id, err))...)
			}
		}
		return errors.Join(errs...)
	})
}
