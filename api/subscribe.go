package api

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// Subscribe streams events until the caller hangs up.
func (s *eventService) Subscribe(ctx context.Context, req *connect.Request[lodgev1.SubscribeRequest], stream *connect.ServerStream[lodgev1.SubscribeResponse]) error {
	sub, err := s.subscription(ctx, req.Msg)
	if err != nil {
		return err
	}
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	return sub.run(ctx, streamSink{stream})
}

// subscription makes what a request asks for, ready to run.
func (s *eventService) subscription(ctx context.Context, req *lodgev1.SubscribeRequest) (*subscription, error) {
	filter, err := newEventFilter(req.GetTypes(), req.GetKeys())
	if err != nil {
		return nil, err
	}
	partitions, err := s.partitions(ctx, req.GetTopic(), req.GetPartitions(), &filter)
	if err != nil {
		return nil, err
	}
	start, err := startOf(req)
	if err != nil {
		return nil, err
	}
	sub := s.subscribe(partitions, filter, start)
	if d := req.GetHeartbeatInterval(); d != nil {
		sub.heartbeat = d.AsDuration()
	}
	return sub, sub.begin(ctx, start)
}

// subscribe makes a subscription of those partitions, or of those among them that start names offsets for.
func (a *API) subscribe(partitions []log.TopicPartition, filter eventFilter, start startAt) *subscription {
	if start.offsets != nil {
		partitions = slices.DeleteFunc(partitions, func(tp log.TopicPartition) bool {
			_, covered := start.offsets[tp]
			return !covered
		})
	}
	return &subscription{reader: a.deps.Log, filter: filter, heartbeat: heartbeatDefault, partitions: partitions, toEvent: a.toEvent, announce: start.offsets == nil}
}

func startOf(req *lodgev1.SubscribeRequest) (start startAt, err error) {
	switch from := req.GetStart().(type) {
	case *lodgev1.SubscribeRequest_Beginning_:
		start.beginning = true
	case *lodgev1.SubscribeRequest_Time:
		start.at = from.Time.AsTime()
	case *lodgev1.SubscribeRequest_Position:
		start.offsets, err = cursorOffsets([]string{req.GetTopic()}, []string{from.Position}, "position")
	case *lodgev1.SubscribeRequest_Cursor:
		start.offsets, err = cursorOffsets([]string{req.GetTopic()}, from.Cursor.GetPositions(), "cursor.positions")
	}
	return start, err
}

// streamSink sends to a Connect stream.
type streamSink struct {
	stream *connect.ServerStream[lodgev1.SubscribeResponse]
}

func (s streamSink) event(e *lodgev1.Event) error {
	return s.stream.Send(&lodgev1.SubscribeResponse{Message: &lodgev1.SubscribeResponse_Event{Event: e}})
}

func (s streamSink) caughtUp(c *lodgev1.Cursor) error {
	return s.stream.Send(&lodgev1.SubscribeResponse{Message: &lodgev1.SubscribeResponse_CaughtUp_{
		CaughtUp: &lodgev1.SubscribeResponse_CaughtUp{Cursor: c},
	}})
}

func (s streamSink) heartbeat(c *lodgev1.Cursor) error {
	return s.stream.Send(&lodgev1.SubscribeResponse{Message: &lodgev1.SubscribeResponse_Heartbeat_{
		Heartbeat: &lodgev1.SubscribeResponse_Heartbeat{Cursor: c},
	}})
}
