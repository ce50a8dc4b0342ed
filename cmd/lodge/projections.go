package main

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// projectionsCommand looks after the read models.
type projectionsCommand struct {
	List    projectionsList    `cmd:"" default:"withargs" help:"List read models with their lag."`
	Rebuild projectionsRebuild `cmd:"" help:"Make a read model again from the log, beside the one in service, and swap."`
}

type projectionsList struct {
	dataFlag
	Shards  bool `help:"One line for each topic and partition." xor:"what"`
	Archive bool `help:"One line for each year of the archive, and one for what is hot." xor:"what"`
	JSON    bool `help:"One JSON object a line."`
}

// Help shows examples.
func (projectionsList) Help() string {
	return `Examples:
  lodge projections list
  lodge projections list --shards
  lodge projections list --archive`
}

// Run implements the command.
func (c *projectionsList) Run(ctx context.Context, m *Main) error {
	return withServer(ctx, c.Data, func(s *server) error {
		res, err := lodgev1connect.NewAdminServiceClient(s.client, s.url).ListProjections(ctx, connect.NewRequest(&lodgev1.ListProjectionsRequest{}))
		if err != nil {
			return err
		}
		if c.Shards {
			return c.shards(m, res.Msg.GetProjections())
		}
		if c.Archive {
			return c.archive(m, res.Msg.GetProjections())
		}
		t := newTable(m.Stdout, c.JSON, "PROJECTION", "VERSION", "LAG", "BYTES", "ARCHIVED ROWS", "BYTES", "ERROR")
		for _, p := range res.Msg.GetProjections() {
			rows, bytes := int64(0), int64(0)
			for _, y := range p.GetArchive() {
				rows, bytes = rows+y.GetRows(), bytes+y.GetBytes()
			}
			t.row(p, lastPart(p.GetName()), p.GetVersion(), p.GetLag(), p.GetBytes(), rows, bytes, p.GetError())
		}
		return t.flush()
	})
}

func (c *projectionsList) archive(m *Main, all []*lodgev1.Projection) error {
	t := newTable(m.Stdout, c.JSON, "PROJECTION", "YEAR", "ROWS", "BYTES")
	for _, p := range all {
		t.row(p, lastPart(p.GetName()), "hot", "", p.GetBytes())
		for _, y := range p.GetArchive() {
			if c.JSON {
				continue // it is in the projection's own object
			}
			t.row(y, lastPart(p.GetName()), y.GetYear(), y.GetRows(), y.GetBytes())
		}
	}
	return t.flush()
}

func (c *projectionsList) shards(m *Main, all []*lodgev1.Projection) error {
	t := newTable(m.Stdout, c.JSON, "PROJECTION", "TOPIC", "PARTITION", "NEXT", "HIGH WATERMARK", "LAG")
	for _, p := range all {
		for _, s := range p.GetPartitions() {
			t.row(s, lastPart(p.GetName()), s.GetTopic(), s.GetPartition(), s.GetNextOffset(), s.GetHighWatermark(), s.GetHighWatermark()-s.GetNextOffset())
		}
	}
	return t.flush()
}

type projectionsRebuild struct {
	dataFlag
	Names []string `arg:"" optional:"" name:"projection" help:"Which ones; none: all."`
}

// Help shows examples.
func (projectionsRebuild) Help() string {
	return `Queries are answered from the old tables until the new ones are complete. Interrupting it leaves the old ones in service.

Examples:
  lodge projections rebuild
  lodge projections rebuild availability`
}

// Run implements the command.
func (c *projectionsRebuild) Run(ctx context.Context, m *Main) error {
	return withServer(ctx, c.Data, func(s *server) error {
		admin := lodgev1connect.NewAdminServiceClient(s.client, s.url)
		names := c.Names
		if len(names) == 0 {
			res, err := admin.ListProjections(ctx, connect.NewRequest(&lodgev1.ListProjectionsRequest{}))
			if err != nil {
				return err
			}
			for _, p := range res.Msg.GetProjections() {
				names = append(names, lastPart(p.GetName()))
			}
		}
		for _, name := range names {
			if err := c.rebuild(ctx, m, admin, name); err != nil {
				return fmt.Errorf("rebuild %s: %w", name, err)
			}
		}
		return nil
	})
}

func (c *projectionsRebuild) rebuild(ctx context.Context, m *Main, admin lodgev1connect.AdminServiceClient, name string) error {
	stream, err := admin.RebuildProjection(ctx, connect.NewRequest(&lodgev1.RebuildProjectionRequest{Name: "projections/" + name}))
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // what it says was said by Err
	progress := newBar(m.Stderr, -1, name, "events")
	var last *lodgev1.RebuildProjectionResponse
	for stream.Receive() {
		last = stream.Msg()
		progress.to(last.GetEventsApplied(), max(last.GetEventsTotal(), 1))
	}
	progress.finish()
	if err := stream.Err(); err != nil {
		return err
	}
	if !last.GetDone() {
		return fmt.Errorf("the server ended before it was done")
	}
	took := last.GetElapsed().AsDuration()
	fmt.Fprintf(m.Stdout, "%s: %d events in %s (%.0f/s)\n", name, last.GetEventsApplied(), took.Round(time.Millisecond),
		float64(last.GetEventsApplied())/max(took.Seconds(), 1e-9))
	return nil
}
