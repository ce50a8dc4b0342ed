package main

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

type topicsAddPartitions struct {
	dataFlag
	Topic string `arg:"" help:"The topic."`
	Count int32  `arg:"" help:"How many more."`
	JSON  bool   `help:"Print the topic as JSON."`
}

// Help shows examples.
func (topicsAddPartitions) Help() string {
	return `Keys go to other partitions from then on; old records stay where they are. Consumers in a group with --key-order finish the old ones
before they begin the new ones.

Examples:
  lodge topics add-partitions orders 2`
}

// Run implements the command.
func (c *topicsAddPartitions) Run(ctx context.Context, m *Main) error {
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		res, err := client.AddPartitions(ctx, connect.NewRequest(&lodgev1.AddPartitionsRequest{Name: "topics/" + c.Topic, Count: c.Count}))
		if err != nil {
			return err
		}
		return showTopic(m, res.Msg, c.JSON, "grown")
	})
}

type topicsRetire struct {
	dataFlag
	Topic      string         `arg:"" help:"The topic."`
	Partitions []int32        `arg:"" help:"Which partitions."`
	Keep       *time.Duration `help:"Delete their records after this long; without it the topic's retention does." placeholder:"24h"`
	JSON       bool           `help:"Print the topic as JSON."`
}

// Help shows examples.
func (topicsRetire) Help() string {
	return `They take no more records from now on, are readable until their records are gone, and disappear then.

Examples:
  lodge topics retire orders 4 5
  lodge topics retire orders 4 5 --keep 24h`
}

// Run implements the command.
func (c *topicsRetire) Run(ctx context.Context, m *Main) error {
	req := &lodgev1.RetirePartitionsRequest{Name: "topics/" + c.Topic, Partitions: c.Partitions}
	if c.Keep != nil {
		req.Keep = durationpb.New(*c.Keep)
	}
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		res, err := client.RetirePartitions(ctx, connect.NewRequest(req))
		if err != nil {
			return err
		}
		return showTopic(m, res.Msg, c.JSON, "retiring partitions of")
	})
}

type topicsDeleteRecords struct {
	dataFlag
	Topic     string `arg:"" help:"The topic."`
	Partition int32  `arg:"" help:"The partition."`
	Before    int64  `arg:"" help:"The first offset to keep."`
}

// Help shows examples.
func (topicsDeleteRecords) Help() string {
	return `There is no way back.

Examples:
  lodge topics delete-records orders 0 1024`
}

// Run implements the command.
func (c *topicsDeleteRecords) Run(ctx context.Context, m *Main) error {
	return admin(ctx, c.Data, func(client lodgev1connect.AdminServiceClient) error {
		res, err := client.DeleteRecords(ctx, connect.NewRequest(&lodgev1.DeleteRecordsRequest{
			Name: "topics/" + c.Topic, Partition: c.Partition, BeforeOffset: c.Before,
		}))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(m.Stdout, "%s/%d begins at %d\n", c.Topic, c.Partition, res.Msg.GetLogStartOffset())
		return err
	})
}
