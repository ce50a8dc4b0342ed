package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/projections"
)

// adminService serves whoever runs the platform: read models and health here, topics in topics.go and topicchanges.go.
type adminService struct{ *API }

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
	for _, y := range status.Archive {
		p.Archive = append(p.Archive, &lodgev1.ProjectionArchive{Year: int32(y.Year), Rows: y.Rows, Bytes: y.Bytes})
	}
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
