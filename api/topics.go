package api

import (
	"context"
	"slices"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// ListTopics lists topics by name.
func (s *adminService) ListTopics(ctx context.Context, req *connect.Request[lodgev1.ListTopicsRequest]) (*connect.Response[lodgev1.ListTopicsResponse], error) {
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	all, err := s.deps.Log.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t log.TopicInfo) bool {
		return after != nil && string(t.Name) <= after[0] || t.Name.Internal() && !req.Msg.GetShowInternal()
	})
	res := &lodgev1.ListTopicsResponse{}
	for i := range min(len(all), pageSize(req.Msg.GetPageSize())) {
		res.Topics = append(res.Topics, toTopic(&all[i]))
	}
	if n := len(res.Topics); n < len(all) && n > 0 {
		res.NextPageToken = newPageToken(req.Msg, string(all[n-1].Name))
	}
	return connect.NewResponse(res), nil
}

// GetTopic returns one topic.
func (s *adminService) GetTopic(ctx context.Context, req *connect.Request[lodgev1.GetTopicRequest]) (*connect.Response[lodgev1.Topic], error) {
	name, err := parseTopic(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	return s.describe(ctx, name)
}

// describe answers with a topic as it is.
func (s *adminService) describe(ctx context.Context, name log.Topic) (*connect.Response[lodgev1.Topic], error) {
	info, err := s.topic(ctx, string(name))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toTopic(&info)), nil
}

func toTopic(info *log.TopicInfo) *lodgev1.Topic {
	t := &lodgev1.Topic{
		Name:           topicsPrefix + string(info.Name),
		PartitionCount: int32(len(info.Partitions)),
		Durability:     string(info.Config.Durability),
		SyncInterval:   positive(info.Config.SyncInterval),
		SegmentBytes:   info.Config.SegmentBytes,
		SegmentAge:     positive(info.Config.SegmentAge),
		RetentionBytes: info.Config.RetentionBytes,
		RetentionAge:   positive(info.Config.RetentionAge),
		OffloadAge:     positive(info.Config.OffloadAge),
		RecordBytesMax: int32(info.Config.RecordBytesMax),
		CreateTime:     timestamppb.New(info.CreateTime),
		CleanupPolicy:  string(info.Config.Cleanup),
		TombstoneAge:   positive(info.Config.TombstoneAge),
		DirtyRatio:     info.Config.DirtyRatio,
		TagHeader:      info.Config.TagHeader,
		PointToPoint:   info.Config.PointToPoint,
		Layout:         info.Layout.Number,
		Internal:       info.Name.Internal(),
	}
	for i := range info.Partitions {
		t.RecordCount += int64(info.Partitions[i].HighWatermark - info.Partitions[i].LogStart)
		t.Bytes += info.Partitions[i].Bytes
	}
	return t
}

func positive(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}

// ListPartitions lists a topic's partitions by number.
func (s *adminService) ListPartitions(ctx context.Context, req *connect.Request[lodgev1.ListPartitionsRequest]) (*connect.Response[lodgev1.ListPartitionsResponse], error) {
	name, err := parseTopic(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	first := 0
	if token != nil {
		if first, err = strconv.Atoi(token[0]); err != nil || first < 0 {
			return nil, badToken("is not one of ours")
		}
	}
	info, err := s.topic(ctx, string(name))
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListPartitionsResponse{}
	last := min(len(info.Partitions), first+pageSize(req.Msg.GetPageSize()))
	for i := first; i < last; i++ {
		res.Partitions = append(res.Partitions, toPartition(&info.Partitions[i]))
	}
	if last < len(info.Partitions) {
		res.NextPageToken = newPageToken(req.Msg, strconv.Itoa(last))
	}
	return connect.NewResponse(res), nil
}

func toPartition(p *log.PartitionInfo) *lodgev1.Partition {
	return &lodgev1.Partition{
		Partition:      int32(p.Partition),
		LeaderEpoch:    int32(p.LeaderEpoch),
		LogStartOffset: int64(p.LogStart),
		HighWatermark:  int64(p.HighWatermark),
		LogEndOffset:   int64(p.LogEnd),
		Bytes:          p.Bytes,
		SegmentCount:   int32(p.Segments),
		OffloadedBytes: p.Offloaded,
		Error:          p.Err,
		State:          string(p.State),
	}
}
