package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
	"lodge/projections"
)

// adminService serves whoever runs the platform.
type adminService struct{ *API }

// ListTopics lists topics by name.
func (s *adminService) ListTopics(ctx context.Context, req *connect.Request[lodgev1.ListTopicsRequest]) (*connect.Response[lodgev1.ListTopicsResponse], error) {
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	all, err := s.deps.Admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	if after != nil {
		all = slices.DeleteFunc(all, func(t log.TopicInfo) bool { return string(t.Name) <= after[0] })
	}
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
		RecordBytesMax: int32(info.Config.RecordBytesMax),
		CreateTime:     timestamppb.New(info.CreateTime),
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
		Error:          p.Err,
	}
}

// ListProjections lists the read models by name.
func (s *adminService) ListProjections(ctx context.Context, _ *connect.Request[lodgev1.ListProjectionsRequest]) (*connect.Response[lodgev1.ListProjectionsResponse], error) {
	res := &lodgev1.ListProjectionsResponse{}
	for _, status := range s.deps.Store.Status(ctx) {
		res.Projections = append(res.Projections, toProjection(&status))
	}
	slices.SortFunc(res.Projections, func(a, b *lodgev1.Projection) int { return strings.Compare(a.GetName(), b.GetName()) })
	return connect.NewResponse(res), nil
}

func toProjection(status *projections.Status) *lodgev1.Projection {
	p := &lodgev1.Projection{
		Name:    projectionsPrefix + status.Name,
		Version: int32(status.Version),
		Lag:     status.Lag,
		Error:   status.Err,
		State:   string(status.State),
		Bytes:   status.Bytes,
	}
	for _, shard := range status.Shards {
		for _, t := range shard.Topics {
			p.Partitions = append(p.Partitions, &lodgev1.ProjectionPartition{
				Topic: string(t.Topic), Partition: int32(shard.Partition),
				NextOffset: int64(t.Next), HighWatermark: int64(t.HighWatermark),
			})
		}
	}
	slices.SortStableFunc(p.Partitions, func(a, b *lodgev1.ProjectionPartition) int { return strings.Compare(a.GetTopic(), b.GetTopic()) })
	if status.Rebuild != nil {
		p.Rebuild = toProgress(*status.Rebuild)
	}
	return p
}

func toProgress(p projections.Progress) *lodgev1.RebuildProjectionResponse {
	return &lodgev1.RebuildProjectionResponse{
		EventsApplied: p.Done,
		EventsTotal:   p.Total,
		Elapsed:       durationpb.New(p.Elapsed),
		Remaining:     positive(p.ETA),
		Phase:         string(p.Phase),
	}
}

// RebuildProjection makes a read model again.
func (s *adminService) RebuildProjection(ctx context.Context, req *connect.Request[lodgev1.RebuildProjectionRequest], stream *connect.ServerStream[lodgev1.RebuildProjectionResponse]) error {
	name, ok := strings.CutPrefix(req.Msg.GetName(), projectionsPrefix)
	if !ok {
		return badName(req.Msg.GetName(), "name", "projections/{projection}")
	}
	if !slices.ContainsFunc(s.deps.Store.Status(ctx), func(p projections.Status) bool { return p.Name == name }) {
		return domain.Errorf(ReasonProjectionNotFound, "name", "there is no projection %.80q", name)
	}
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.rebuild(ctx, name, stream)
}

// rebuild runs the rebuild beside the sending, because reporting progress must not hold it up: a slow caller
// misses what is out of date, never the last word.
func (s *adminService) rebuild(ctx context.Context, name string, stream *connect.ServerStream[lodgev1.RebuildProjectionResponse]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	latest := make(chan projections.Progress, 1)
	report := func(p projections.Progress) {
		select {
		case <-latest:
		default:
		}
		latest <- p
	}
	ended := make(chan error, 1)
	var last projections.Progress
	go func() {
		result, err := s.deps.Store.RebuildWith(ctx, name, projections.RebuildOptions{Progress: report})
		last = result.Last
		ended <- err
	}()
	for {
		select {
		case p := <-latest:
			if err := stream.Send(toProgress(p)); err != nil {
				cancel()
				return errors.Join(err, <-ended)
			}
		case err := <-ended:
			if err != nil {
				return errors.Join(context.Cause(ctx), err)
			}
			final := toProgress(last)
			final.Done = true
			return stream.Send(final)
		}
	}
}

// GetHealth returns the health of the parts.
func (s *adminService) GetHealth(ctx context.Context, _ *connect.Request[lodgev1.GetHealthRequest]) (*connect.Response[lodgev1.Health], error) {
	return connect.NewResponse(s.health(ctx)), nil
}
