package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// topicsCommand lists topics or the partitions of one.
type topicsCommand struct {
	dataFlag
	Topic string `arg:"" optional:"" help:"Show the partitions of this topic."`
	JSON  bool   `help:"One JSON object a line."`
}

// Help shows examples.
func (topicsCommand) Help() string {
	return `Examples:
  lodge topics
  lodge topics bookings`
}

// Run implements the command.
func (c *topicsCommand) Run(ctx context.Context, m *Main) error {
	return withServer(ctx, c.Data, func(s *server) error {
		admin := lodgev1connect.NewAdminServiceClient(s.client, s.url)
		if c.Topic != "" {
			return c.partitions(ctx, m, admin)
		}
		return c.topics(ctx, m, admin)
	})
}

func (c *topicsCommand) topics(ctx context.Context, m *Main, admin lodgev1connect.AdminServiceClient) error {
	t := newTable(m.Stdout, c.JSON, "TOPIC", "PARTITIONS", "RECORDS", "BYTES", "DURABILITY", "RETENTION", "CREATED")
	for token := ""; ; {
		res, err := admin.ListTopics(ctx, connect.NewRequest(&lodgev1.ListTopicsRequest{PageSize: 1000, PageToken: token}))
		if err != nil {
			return err
		}
		for _, topic := range res.Msg.GetTopics() {
			t.row(topic, lastPart(topic.GetName()), topic.GetPartitionCount(), topic.GetRecordCount(), topic.GetBytes(),
				topic.GetDurability(), retention(topic), topic.GetCreateTime().AsTime().Format(time.RFC3339))
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			return t.flush()
		}
	}
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

func (c *topicsCommand) partitions(ctx context.Context, m *Main, admin lodgev1connect.AdminServiceClient) error {
	t := newTable(m.Stdout, c.JSON, "PARTITION", "START", "HIGH WATERMARK", "END", "BYTES", "SEGMENTS", "EPOCH", "ERROR")
	for token := ""; ; {
		res, err := admin.ListPartitions(ctx, connect.NewRequest(&lodgev1.ListPartitionsRequest{
			Parent: "topics/" + c.Topic, PageSize: 1000, PageToken: token,
		}))
		if err != nil {
			return err
		}
		for _, p := range res.Msg.GetPartitions() {
			t.row(p, p.GetPartition(), p.GetLogStartOffset(), p.GetHighWatermark(), p.GetLogEndOffset(), p.GetBytes(),
				p.GetSegmentCount(), p.GetLeaderEpoch(), p.GetError())
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			return t.flush()
		}
	}
}

// table writes rows for a person or messages for a program.
type table struct {
	out  io.Writer
	tabs *tabwriter.Writer // nil: JSON
	err  error
}

func newTable(out io.Writer, json bool, columns ...any) *table {
	t := &table{out: out}
	if !json {
		t.tabs = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		t.row(nil, columns...)
	}
	return t
}

// row writes one line: the message as JSON, or the cells.
func (t *table) row(msg proto.Message, cells ...any) {
	if t.tabs == nil {
		line, err := protojson.Marshal(msg)
		if err != nil {
			t.err = err
		}
		fmt.Fprintln(t.out, string(line))
		return
	}
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.tabs, "\t")
		}
		fmt.Fprint(t.tabs, cell)
	}
	fmt.Fprintln(t.tabs)
}

func (t *table) flush() error {
	if t.tabs != nil {
		return t.tabs.Flush()
	}
	return t.err
}

// lastPart returns a resource name without its collection: bookings of topics/bookings.
func lastPart(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}
