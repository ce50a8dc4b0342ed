package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/log"
)

// consumeCommand shows the records of topics.
type consumeCommand struct {
	dataFlag
	Topics     []string `arg:"" name:"topic" help:"The topics."`
	Group      string   `help:"Be a member of this group: it shares the partitions, begins where it has committed, and commits what was printed."`
	Instance   string   `help:"Be a static member of the group, whose place is kept while it restarts." placeholder:"NAME"`
	AtMostOnce bool     `help:"Commit before printing rather than after it."`
	KeyOrder   bool     `help:"Finish the records of an older layout of a topic before newer ones, with the whole group."`
	From       string   `help:"Where to begin: beginning, end, a time (2026-07-01T00:00:00Z), a duration back (24h) or a position (orders/3@1024). For a group, in partitions that it has committed nothing for." default:"beginning"`
	Tag        []string `help:"Only records with one of these tags." placeholder:"TAG" sep:"none"`
	Key        []string `help:"Only records with one of these keys." placeholder:"KEY" sep:"none"`
	Follow     bool     `short:"f" help:"Wait for more and show it as it is committed."`
	Max        int      `short:"n" help:"Stop after this many records (0: no limit)." default:"0"`
	JSON       bool     `help:"One JSON object a line; keys and values in base64."`
}

// Help shows examples.
func (consumeCommand) Help() string {
	return `Each line: position, key, value. Partitions have no order between them. Without -f it ends when everything that was there has been shown.

In a group every record is shown at least once: it is committed after it was printed, so a record may be shown again after a crash or when
members change. With --at-most-once it is the other way around.

Examples:
  lodge consume orders
  lodge consume orders -f --from end --tag order.placed
  lodge consume orders --group billing -n 100
  lodge consume orders --from orders/0@1024 --json`
}

// Run implements the command.
func (c *consumeCommand) Run(ctx context.Context, m *Main) error {
	req, err := c.request(time.Now())
	if err != nil {
		return err
	}
	err = withServer(ctx, c.Data, func(s *server) error {
		r := &recordReader{c: c, out: bufio.NewWriter(m.Stdout), left: c.Max, client: lodgev1connect.NewMessageServiceClient(s.client, s.url)}
		return r.run(ctx, req)
	})
	if ctx.Err() != nil { // interrupted: that is how following ends
		err = nil
	}
	return ignoreEnough(err)
}

// request makes the subscription.
func (c *consumeCommand) request(now time.Time) (*lodgev1.ConsumeRequest, error) {
	req := &lodgev1.ConsumeRequest{Topics: c.Topics, Group: c.Group, InstanceId: c.Instance, KeyOrder: c.KeyOrder, Tags: c.Tag}
	if c.Group != "" {
		req.ClientId = "lodge-consume"
	}
	if c.AtMostOnce {
		req.Delivery = lodgev1.ConsumeRequest_DELIVERY_AT_MOST_ONCE
	}
	if c.Max > 0 {
		req.RecordsMax = int32(min(c.Max, 500))
	}
	for _, key := range c.Key {
		req.Keys = append(req.Keys, []byte(key))
	}
	switch {
	case c.From == "beginning":
		return req, nil
	case c.From == "end":
		req.Start = &lodgev1.ConsumeRequest_End_{End: &lodgev1.ConsumeRequest_End{}}
		return req, nil
	case strings.Contains(c.From, "@"):
		req.Start = &lodgev1.ConsumeRequest_Cursor{Cursor: &lodgev1.Cursor{Positions: []string{c.From}}}
		return req, nil
	}
	t, err := parseTime(c.From, now)
	if err != nil {
		return nil, fmt.Errorf("--from %q is no beginning, end, time, duration or position", c.From)
	}
	req.Start = &lodgev1.ConsumeRequest_Time{Time: timestamppb.New(t)}
	return req, nil
}

// recordReader writes what a stream brings.
type recordReader struct {
	c        *consumeCommand
	out      *bufio.Writer
	client   lodgev1connect.MessageServiceClient
	consumer string // who commits; empty: nobody
	left     int    // records to be written, if there is a limit
}

func (r *recordReader) run(ctx context.Context, req *lodgev1.ConsumeRequest) error {
	stream, err := r.client.Consume(ctx, connect.NewRequest(req))
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // what it says was said by Err
	for stream.Receive() {
		if err := r.take(ctx, stream.Msg()); err != nil {
			return err
		}
	}
	return stream.Err()
}

// take does what one message asks for.
func (r *recordReader) take(ctx context.Context, msg *lodgev1.ConsumeResponse) error {
	switch m := msg.GetMessage().(type) {
	case *lodgev1.ConsumeResponse_Assignment_:
		r.consumer = m.Assignment.GetConsumer()
	case *lodgev1.ConsumeResponse_Records_:
		return r.records(ctx, m.Records.GetRecords())
	case *lodgev1.ConsumeResponse_Heartbeat_:
		return r.commit(ctx, m.Heartbeat.GetNext().GetPositions())
	case *lodgev1.ConsumeResponse_CaughtUp_:
		if err := r.commit(ctx, m.CaughtUp.GetNext().GetPositions()); err != nil {
			return err
		}
		if !r.c.Follow {
			return errEnough
		}
	}
	return nil
}

// records writes records, and then commits those that it has written.
func (r *recordReader) records(ctx context.Context, records []*lodgev1.Record) error {
	if r.c.Max > 0 {
		records = records[:min(len(records), r.left)]
		r.left -= len(records)
	}
	next := map[log.TopicPartition]log.Position{}
	for _, record := range records {
		if err := r.write(record); err != nil {
			return err
		}
		pos := log.Position{Topic: log.Topic(record.GetTopic()), Partition: log.Partition(record.GetPartition()), Offset: log.Offset(record.GetOffset()) + 1}
		next[pos.TopicPartition()] = pos
	}
	if err := r.out.Flush(); err != nil {
		return err
	}
	positions := make([]string, 0, len(next))
	for _, pos := range next {
		positions = append(positions, pos.String())
	}
	if err := r.commit(ctx, positions); err != nil {
		return err
	}
	if r.c.Max > 0 && r.left == 0 {
		return errEnough
	}
	return nil
}

// commit stores how far the group has got. Partitions that went to another member meanwhile are that one's: it begins where the last commit was.
func (r *recordReader) commit(ctx context.Context, positions []string) error {
	if r.consumer == "" || len(positions) == 0 {
		return nil
	}
	_, err := r.client.Commit(ctx, connect.NewRequest(&lodgev1.CommitRequest{Consumer: r.consumer, Positions: positions}))
	if connect.CodeOf(err) == connect.CodeAborted {
		return nil
	}
	return err
}

func (r *recordReader) write(record *lodgev1.Record) error {
	if r.c.JSON {
		line, err := protojson.Marshal(record)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(r.out, string(line))
		return err
	}
	_, err := fmt.Fprintf(r.out, "%s/%d@%d\t%s\t%s\n", record.GetTopic(), record.GetPartition(), record.GetOffset(), plain(record.Key), plain(record.Value))
	return err
}

// plain writes bytes so that a line stays a line: as they are if they are printable, else quoted; a hyphen for none.
func plain(b []byte) string {
	s := string(b)
	switch {
	case b == nil:
		return "-"
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Sprintf("%q", s)
	}
	return s
}
