package api

import (
	"cmp"
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

const fetchBytesDefault = 256 << 10

// Fetch reads one partition.
func (s *messageService) Fetch(ctx context.Context, req *connect.Request[lodgev1.FetchRequest]) (*connect.Response[lodgev1.FetchResponse], error) {
	info, err := s.topic(ctx, req.Msg.GetTopic())
	if err != nil {
		return nil, err
	}
	filter, err := fromFilter(req.Msg.GetTags(), req.Msg.GetKeys())
	if err != nil {
		return nil, err
	}
	tp := log.TopicPartition{Topic: info.Name, Partition: log.Partition(req.Msg.GetPartition())}
	from := log.Offset(req.Msg.GetOffset())
	if req.Msg.Offset == nil {
		if from, _, err = s.deps.Log.Offsets(ctx, tp); err != nil {
			return nil, err
		}
	}
	ctx, cancel := s.untilEnding(ctx)
	defer cancel()
	got, err := s.deps.Log.Fetch(ctx, log.FetchRequest{
		TopicPartition: tp, Offset: from, Filter: filter,
		MaxBytes: cmp.Or(int(req.Msg.GetBytesMax()), fetchBytesDefault), MaxWait: req.Msg.GetWait().AsDuration(),
	})
	if err != nil {
		return nil, becauseOfEnding(ctx, err)
	}
	res := &lodgev1.FetchResponse{NextOffset: int64(got.Next), LogStartOffset: int64(got.LogStart), HighWatermark: int64(got.HighWatermark)}
	for i := range got.Records {
		res.Records = append(res.Records, toRecord(&got.Records[i]))
	}
	return connect.NewResponse(res), nil
}
