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

type queuesReceive struct {
	dataFlag
	Queue string        `arg:"" help:"The queue."`
	Max   int32         `short:"n" help:"At most this many records (1 to 1000)." default:"1"`
	Wait  time.Duration `help:"Wait this long when there are none (at most 25s)." default:"0s"`
	Ack   bool          `help:"Acknowledge them once they are printed."`
	JSON  bool          `help:"One JSON object a line; keys and values in base64."`
}

// Help shows examples.
func (queuesReceive) Help() string {
	return `Each line: receipt, deliveries so far, key, value. The records are yours until the queue's visibility timeout is over: acknowledge them by their
receipts, or they come again.

Examples:
  lodge queues receive jobs
  lodge queues receive jobs -n 10 --wait 5s --ack`
}

// Run implements the command.
func (c *queuesReceive) Run(ctx context.Context, m *Main) error {
	if err := notZero("--max", c.Max); err != nil {
		return err
	}
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		res, err := client.Receive(ctx, connect.NewRequest(&lodgev1.ReceiveRequest{
			Name: "queues/" + c.Queue, RecordsMax: c.Max, Wait: durationpb.New(c.Wait),
		}))
		if err != nil {
			return err
		}
		t := newTable(m.Stdout, c.JSON, "RECEIPT", "DELIVERIES", "KEY", "VALUE")
		var receipts []string
		for _, d := range res.Msg.GetDeliveries() {
			t.row(d, d.GetReceipt(), d.GetDeliveries(), plain(d.GetRecord().Key), plain(d.GetRecord().Value))
			receipts = append(receipts, d.GetReceipt())
		}
		if err := t.flush(); err != nil || !c.Ack || len(receipts) == 0 {
			return err
		}
		_, err = client.Ack(ctx, connect.NewRequest(&lodgev1.AckRequest{Name: "queues/" + c.Queue, Receipts: receipts}))
		return err
	})
}

// receiptArgs are what every answer to deliveries has.
type receiptArgs struct {
	Queue    string   `arg:"" help:"The queue."`
	Receipts []string `arg:"" name:"receipt" help:"Receipts, as receive has printed them."`
}

type queuesAck struct {
	dataFlag
	receiptArgs
}

// Help shows examples.
func (queuesAck) Help() string {
	return `Examples:
  lodge queues ack jobs tasks/0@17.1`
}

// Run implements the command.
func (c *queuesAck) Run(ctx context.Context, m *Main) error {
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		if _, err := client.Ack(ctx, connect.NewRequest(&lodgev1.AckRequest{Name: "queues/" + c.Queue, Receipts: c.Receipts})); err != nil {
			return err
		}
		_, err := fmt.Fprintf(m.Stdout, "%d records are done\n", len(c.Receipts))
		return err
	})
}

type queuesNack struct {
	dataFlag
	receiptArgs
	Delay time.Duration `help:"Before they come again (at most 168h)." default:"0s"`
	Cause string        `help:"For the dead letter."`
}

// Help shows examples.
func (queuesNack) Help() string {
	return `After the queue's number of deliveries a record goes to the dead-letter topic, with the cause in its headers.

Examples:
  lodge queues nack jobs tasks/0@17.1 --delay 1m --cause 'no paper'`
}

// Run implements the command.
func (c *queuesNack) Run(ctx context.Context, m *Main) error {
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		req := &lodgev1.NackRequest{Name: "queues/" + c.Queue, Receipts: c.Receipts, Delay: durationpb.New(c.Delay), Cause: c.Cause}
		if _, err := client.Nack(ctx, connect.NewRequest(req)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(m.Stdout, "%d records were given back\n", len(c.Receipts))
		return err
	})
}

type queuesExtend struct {
	dataFlag
	receiptArgs
	For time.Duration `help:"From now on." required:""`
}

// Help shows examples.
func (queuesExtend) Help() string {
	return `Examples:
  lodge queues extend jobs tasks/0@17.1 --for 10m`
}

// Run implements the command.
func (c *queuesExtend) Run(ctx context.Context, m *Main) error {
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		req := &lodgev1.ExtendVisibilityRequest{Name: "queues/" + c.Queue, Receipts: c.Receipts, VisibilityTimeout: durationpb.New(c.For)}
		if _, err := client.ExtendVisibility(ctx, connect.NewRequest(req)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(m.Stdout, "%d records are kept for %s\n", len(c.Receipts), c.For)
		return err
	})
}
