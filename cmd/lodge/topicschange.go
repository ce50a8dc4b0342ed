package main

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// topicFlags are the settings of a topic, of which each may be left out.
type topicFlags struct {
	Durability     *string        `help:"When a record is acknowledged: sync (on disk), interval (within --sync-interval) or none (page cache)." placeholder:"sync"`
	SyncInterval   *time.Duration `help:"For durability interval." placeholder:"100ms"`
	SegmentBytes   *int64         `help:"Bytes of one segment file." placeholder:"67108864"`
	SegmentAge     *time.Duration `help:"Close a segment whose first record is this old." placeholder:"168h"`
	RetentionBytes *int64         `help:"Keep this much of each partition; -1: everything." placeholder:"-1"`
	RetentionAge   *time.Duration `help:"Keep records for this long; 0: for ever." placeholder:"0"`
	OffloadAge     *time.Duration `help:"Move segments whose youngest record is this old to the cold folder (serve --offload-dir); 0: never." placeholder:"0"`
	RecordBytesMax *int32         `help:"Bytes of one record." placeholder:"1048576"`
	Cleanup        *string        `help:"What becomes of old records: delete (by retention), compact (keep the last of each key) or compact,delete." placeholder:"delete"`
	TombstoneAge   *time.Duration `help:"For compaction: how long a tombstone is kept." placeholder:"24h"`
	DirtyRatio     *float64       `help:"For compaction: compact when this part of the bytes is not compacted yet." placeholder:"0.5"`
	TagHeader      *string        `help:"The header whose value is a record's tag." placeholder:"ce_type"`
}

// into sets what was given in t, and returns the names of the fields.
func (f *topicFlags) into(t *lodgev1.Topic) (paths []string) {
	set := func(given bool, path string, assign func()) {
		if given {
			assign()
			paths = append(paths, path)
		}
	}
	set(f.Durability != nil, "durability", func() { t.Durability = *f.Durability })
	set(f.SyncInterval != nil, "sync_interval", func() { t.SyncInterval = durationpb.New(*f.SyncInterval) })
	set(f.SegmentBytes != nil, "segment_bytes", func() { t.SegmentBytes = *f.SegmentBytes })
	set(f.SegmentAge != nil, "segment_age", func() { t.SegmentAge = durationpb.New(*f.SegmentAge) })
	set(f.RetentionBytes != nil, "retention_bytes", func() { t.RetentionBytes = *f.RetentionBytes })
	set(f.RetentionAge != nil, "retention_age", func() {
		if *f.RetentionAge != 0 {
			t.RetentionAge = durationpb.New(*f.RetentionAge)
		}
	})
	set(f.OffloadAge != nil, "offload_age", func() {
		if *f.OffloadAge != 0 {
			t.OffloadAge = durationpb.New(*f.OffloadAge)
		}
	})
	set(f.RecordBytesMax != nil, "record_bytes_max", func() { t.RecordBytesMax = *f.RecordBytesMax })
	set(f.Cleanup != nil, "cleanup_policy", func() { t.CleanupPolicy = *f.Cleanup })
	set(f.TombstoneAge != nil, "tombstone_age", func() { t.TombstoneAge = durationpb.New(*f.TombstoneAge) })
	set(f.DirtyRatio != nil, "dirty_ratio", func() { t.DirtyRatio = *f.DirtyRatio })
	set(f.TagHeader != nil, "tag_header", func() { t.TagHeader = *f.TagHeader })
	return paths
}

// admin calls f with the topics' service of a data folder's server.
func admin(ctx context.Context, dir string, f func(lodgev1connect.AdminServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewAdminServiceClient(s.client, s.url)) })
}

// notZero refuses a flag that was given as 0, which the API would take for one that was not given.
func notZero(flag string, value int32) error {
	if value == 0 {
		return fmt.Errorf("%s must not be 0", flag)
	}
	return nil
}

// showTopic says what a topic is after a change.
func showTopic(m *Main, t *lodgev1.Topic, json bool, what string) error {
	if json {
		out := newTable(m.Stdout, true)
		out.row(t)
		return out.flush()
	}
	_, err := fmt.Fprintf(m.Stdout, "%s %s: %d partitions, layout %d\n", what, lastPart(t.GetName()), t.GetPartitionCount(), t.GetLayout())
	return err
}

type topicsCreate struct {
	dataFlag
	Topic        string `arg:"" help:"The new topic's name."`
	Partitions   int32  `help:"Partitions." default:"1"`
	PointToPoint bool   `help:"Records are deleted once the topic's one queue has acknowledged them."`
	topicFlags
	JSON bool `help:"Print the topic as JSON."`
}

// Help shows examples.
func (topicsCreate) Help() string {
	return `Examples:
  lodge topics create orders --partitions 4
  lodge topics create addresses --cleanup compact
  lodge topics create jobs --point-to-point`
}

// Run implements the command.
func (c *topicsCreate) Run(ctx context.Context, m *Main) error {
	if err := notZero("--partitions", c.Partitions); err != nil {
		return err
	}
	topic := &lodgev1.Topic{PartitionCount: c.Partitions, PointToPoint: c.PointToPoint}
	c.into(topic)
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		res, err := client.CreateTopic(ctx, connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: c.Topic, Topic: topic}))
		if err != nil {
			return err
		}
		return showTopic(m, res.Msg, c.JSON, "created")
	})
}

type topicsAlter struct {
	dataFlag
	Topic string `arg:"" help:"The topic."`
	topicFlags
	JSON bool `help:"Print the topic as JSON."`
}

// Help shows examples.
func (topicsAlter) Help() string {
	return `What is not named stays as it is. Records that are there follow the new settings from the next housekeeping on.

Examples:
  lodge topics alter orders --retention-age 72h
  lodge topics alter orders --retention-age 0 --durability interval`
}

// Run implements the command.
func (c *topicsAlter) Run(ctx context.Context, m *Main) error {
	topic := &lodgev1.Topic{Name: "topics/" + c.Topic}
	paths := c.into(topic)
	if len(paths) == 0 {
		return fmt.Errorf("nothing is to be changed: lodge topics alter --help lists the settings")
	}
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		res, err := client.UpdateTopic(ctx, connect.NewRequest(&lodgev1.UpdateTopicRequest{Topic: topic, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}))
		if err != nil {
			return err
		}
		return showTopic(m, res.Msg, c.JSON, "altered")
	})
}

type topicsDelete struct {
	dataFlag
	Topic string `arg:"" help:"The topic."`
}

// Help shows examples.
func (topicsDelete) Help() string {
	return `There is no way back. What groups have committed for the topic goes too.

Examples:
  lodge topics delete orders`
}

// Run implements the command.
func (c *topicsDelete) Run(ctx context.Context, m *Main) error {
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		if _, err := client.DeleteTopic(ctx, connect.NewRequest(&lodgev1.DeleteTopicRequest{Name: "topics/" + c.Topic})); err != nil {
			return err
		}
		_, err := fmt.Fprintln(m.Stdout, "deleted", c.Topic)
		return err
	})
}
