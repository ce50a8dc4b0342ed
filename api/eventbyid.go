package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
	"lodge/projections/eventindex"
)

// GetEvent looks the event's place up in the index and reads it from the log, which is the truth.
func (s *eventService) GetEvent(ctx context.Context, req *connect.Request[lodgev1.GetEventRequest]) (*connect.Response[lodgev1.Event], error) {
	if err := s.fresh(ctx, eventindex.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	entry, found, err := s.index.Find(ctx, req.Msg.GetEventId())
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, domain.Errorf(ReasonEventNotFound, "event_id", "there is no event %.128q, or the index does not have it yet", req.Msg.GetEventId())
	}
	at := entry.Position
	result, err := s.deps.Log.Fetch(ctx, log.FetchRequest{TopicPartition: at.TopicPartition(), Offset: at.Offset, MaxBytes: 1})
	if err != nil {
		return nil, err
	}
	if len(result.Records) == 0 || result.Records[0].Offset != at.Offset {
		return nil, domain.Errorf(ReasonEventNotFound, "event_id", "event %.128q lay at %s, and the log does not hold that any more", req.Msg.GetEventId(), at)
	}
	e, err := s.toEvent(&result.Records[0])
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(e), nil
}
