package api

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// scheduleService serves schedules.
type scheduleService struct{ *API }

// schedulesBytesMax ends a page of schedules early: their records may be large.
const schedulesBytesMax = 1 << 20

// scheduler returns who keeps schedules, if anybody does.
func (s *scheduleService) scheduler() (log.Scheduler, error) {
	if s.deps.Scheduler == nil {
		return nil, newError(connect.CodeUnavailable, ReasonUnavailable, "this server runs without schedules", nil)
	}
	return s.deps.Scheduler, nil
}

// CreateSchedule creates or replaces a schedule.
func (s *scheduleService) CreateSchedule(ctx context.Context, req *connect.Request[lodgev1.CreateScheduleRequest]) (*connect.Response[lodgev1.Schedule], error) {
	scheduler, err := s.scheduler()
	if err != nil {
		return nil, err
	}
	asked := req.Msg.GetSchedule()
	if err := unprotected("schedule a record for", log.Topic(asked.GetTopic()), "schedule.topic"); err != nil {
		return nil, err
	}
	schedule := log.Schedule{ID: req.Msg.GetScheduleId(), TimeZone: asked.GetTimeZone(), Record: log.Record{
		Topic: log.Topic(asked.GetTopic()), Key: asked.Key, Value: asked.Value, Headers: fromHeaders(asked.GetHeaders()),
	}}
	switch when := asked.GetWhen().(type) {
	case *lodgev1.Schedule_At:
		if err := when.At.CheckValid(); err != nil {
			return nil, domain.Errorf(domain.InvalidArgument, "schedule.at", "%v", err)
		}
		schedule.At = when.At.AsTime()
	case *lodgev1.Schedule_Delay:
		schedule.At = s.opts.Clock().Add(when.Delay.AsDuration())
	case *lodgev1.Schedule_Cron:
		schedule.Cron = when.Cron
	}
	if schedule.ID != "" {
		if err := ownSchedule(ctx, scheduler, schedule.ID, "replace", "schedule_id"); err != nil {
			return nil, err
		}
	}
	kept, err := scheduler.Schedule(ctx, schedule)
	if err != nil {
		return nil, final(err)
	}
	return connect.NewResponse(toSchedule(&kept)), nil
}

// ownSchedule refuses to touch a schedule that is the platform's: it would be set again, late, and the answer would have been a lie.
func ownSchedule(ctx context.Context, scheduler log.Scheduler, id, what, field string) error {
	found, err := scheduler.GetSchedule(ctx, id)
	if log.CodeOf(err) == log.UnknownSchedule {
		return nil
	}
	if err == nil && unprotected(what, found.Record.Topic, field) != nil {
		return domain.Errorf(ReasonTopicProtected, field, "cannot %s schedule %s: it is the platform's own, for topic %s", what, id, found.Record.Topic)
	}
	return err
}

func toSchedule(s *log.Schedule) *lodgev1.Schedule {
	m := &lodgev1.Schedule{
		Name: schedulesPrefix + s.ID, TimeZone: s.TimeZone, Topic: string(s.Record.Topic), Key: s.Record.Key, Value: s.Record.Value,
		Headers: toHeaders(s.Record.Headers), Generation: s.Generation, DueTime: timestamppb.New(s.Due), CreateTime: timestamppb.New(s.CreateTime),
	}
	if s.Cron != "" {
		m.When = &lodgev1.Schedule_Cron{Cron: s.Cron}
	} else {
		m.When = &lodgev1.Schedule_At{At: timestamppb.New(s.At)}
	}
	return m
}

// GetSchedule returns one schedule.
func (s *scheduleService) GetSchedule(ctx context.Context, req *connect.Request[lodgev1.GetScheduleRequest]) (*connect.Response[lodgev1.Schedule], error) {
	scheduler, err := s.scheduler()
	if err != nil {
		return nil, err
	}
	id, err := parseSchedule(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	found, err := scheduler.GetSchedule(ctx, id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toSchedule(&found)), nil
}

// ListSchedules lists schedules by id. Only an empty page is the last: the log says no more than that.
func (s *scheduleService) ListSchedules(ctx context.Context, req *connect.Request[lodgev1.ListSchedulesRequest]) (*connect.Response[lodgev1.ListSchedulesResponse], error) {
	scheduler, err := s.scheduler()
	if err != nil {
		return nil, err
	}
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	after := ""
	if token != nil {
		after = token[0]
	}
	found, err := scheduler.ListSchedules(ctx, after, pageSize(req.Msg.GetPageSize()))
	if err != nil {
		return nil, err
	}
	res, size := &lodgev1.ListSchedulesResponse{}, 0
	for i := range found {
		res.Schedules = append(res.Schedules, toSchedule(&found[i]))
		res.NextPageToken = newPageToken(req.Msg, found[i].ID)
		if size += recordSize(&found[i].Record); size > schedulesBytesMax {
			break
		}
	}
	return connect.NewResponse(res), nil
}

// DeleteSchedule cancels a schedule.
func (s *scheduleService) DeleteSchedule(ctx context.Context, req *connect.Request[lodgev1.DeleteScheduleRequest]) (*connect.Response[emptypb.Empty], error) {
	scheduler, err := s.scheduler()
	if err != nil {
		return nil, err
	}
	id, err := parseSchedule(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	if err := ownSchedule(ctx, scheduler, id, "cancel", "name"); err != nil {
		return nil, err
	}
	if err := scheduler.CancelSchedule(ctx, id); err != nil {
		return nil, err
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}
