package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// topicsCommand looks after topics.
type topicsCommand struct {
	List          topicsList          `cmd:"" default:"withargs" help:"List topics, or the partitions of one."`
	Create        topicsCreate        `cmd:"" help:"Create a topic."`
	Alter         topicsAlter         `cmd:"" help:"Change the settings of a topic."`
	Delete        topicsDelete        `cmd:"" help:"Delete a topic with all its records."`
	AddPartitions topicsAddPartitions `cmd:"" help:"Give a topic more partitions, while producers and consumers run."`
	Retire        topicsRetire        `cmd:"" help:"Take partitions out of service: no new records, readable until the old ones are gone."`
	DeleteRecords topicsDeleteRecords `cmd:"" help:"Delete the beginning of a partition."`
}

// Help shows examples.
func (topicsCommand) Help() string {
	return `The platform's own topics (hotels, inventory, bookings, payments) have a single writer: they can be looked at, but not be produced to, grown or deleted.

Examples:
  lodge topics
  lodge topics bookings
  lodge topics create orders --partitions 4 --retention-age 168h
  lodge topics add-partitions orders 2`
}

// topicsList lists topics or the partitions of one.
type topicsList struct {
	dataFlag
	Topic string `arg:"" optional:"" help:"Show the partitions of this topic."`
	All   bool   `help:"Also the topics of the log itself."`
	JSON  bool   `help:"One JSON object a line."`
}

// Help shows examples.
func (topicsList) Help() string {
	return `Examples:
  lodge topics
  lodge topics list --all
  lodge topics bookings`
}

// Run implements the command.
func (c *topicsList) Run(ctx context.Context, m *Main) error {
	return withServer(ctx, c.Data, func(s *server) error {
		admin := lodgev1connect.NewAdminServiceClient(s.client, s.url)
		if c.Topic != "" {
			return c.partitions(ctx, m, admin)
		}
		return c.topics(ctx, m, admin)
	})
}

func (c *topicsList) topics(ctx context.Context, m *Main, admin lodgev1connect.AdminServiceClient) error {
	t := newTable(m.Stdout, c.JSON, "TOPIC", "PARTITIONS", "RECORDS", "BYTES", "DURABILITY", "CLEANUP", "RETENTION", "CREATED")
	return t.flushed(eachPage(func(token string) (string, error) {
		res, err := admin.ListTopics(ctx, connect.NewRequest(&lodgev1.ListTopicsRequest{PageSize: 1000, PageToken: token, ShowInternal: c.All}))
		if err != nil {
			return "", err
		}
		for _, topic := range res.Msg.GetTopics() {
			t.row(topic, lastPart(topic.GetName()), topic.GetPartitionCount(), topic.GetRecordCount(), topic.GetBytes(),
				topic.GetDurability(), topic.GetCleanupPolicy(), retention(topic), topic.GetCreateTime().AsTime().Format(time.RFC3339))
		}
		return res.Msg.GetNextPageToken(), nil
	}))
}

func retention(t *lodgev1.Topic) string {
	age, size := "for ever", ""
	if d := t.GetRetentionAge(); d != nil {
		age = d.AsDuration().String()
	}
	if n := t.GetRetentionBytes(); n >= 0 {
		size = fmt.Sprintf(", %d bytes", n)
	}
	return age + size
}

func (c *topicsList) partitions(ctx context.Context, m *Main, admin lodgev1connect.AdminServiceClient) error {
	t := newTable(m.Stdout, c.JSON, "PARTITION", "STATE", "START", "HIGH WATERMARK", "END", "BYTES", "SEGMENTS", "EPOCH", "ERROR")
	return t.flushed(eachPage(func(token string) (string, error) {
		res, err := admin.ListPartitions(ctx, connect.NewRequest(&lodgev1.ListPartitionsRequest{
			Parent: "topics/" + c.Topic, PageSize: 1000, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		for _, p := range res.Msg.GetPartitions() {
			t.row(p, p.GetPartition(), cmp.Or(p.GetState(), "active"), p.GetLogStartOffset(), p.GetHighWatermark(), p.GetLogEndOffset(), p.GetBytes(),
				p.GetSegmentCount(), p.GetLeaderEpoch(), p.GetError())
		}
		return res.Msg.GetNextPageToken(), nil
	}))
}
