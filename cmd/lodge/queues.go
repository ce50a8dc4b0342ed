package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// queuesCommand looks after queues.
type queuesCommand struct {
	List    queuesList    `cmd:"" default:"withargs" help:"List queues with their standing."`
	Create  queuesCreate  `cmd:"" help:"Create a queue over topics."`
	Delete  queuesDelete  `cmd:"" help:"Forget a queue; its records stay in their topics."`
	Receive queuesReceive `cmd:"" help:"Take records out of a queue."`
	Ack     queuesAck     `cmd:"" help:"Say that records are done."`
	Nack    queuesNack    `cmd:"" help:"Give records back."`
	Extend  queuesExtend  `cmd:"" help:"Keep records for longer."`
}

// Help shows examples.
func (queuesCommand) Help() string {
	return `A queue gives each record of its topics to one consumer, which acknowledges it by itself.

Examples:
  lodge queues create jobs --topic tasks --visibility 1m
  lodge queues receive jobs
  lodge queues ack jobs tasks/0@17.1
  lodge queues`
}

// queues calls f with the queues' service of a data folder's server.
func queues(ctx context.Context, dir string, f func(lodgev1connect.QueueServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewQueueServiceClient(s.client, s.url)) })
}

type queuesList struct {
	dataFlag
	Partitions bool `help:"One line for each partition."`
	JSON       bool `help:"One JSON object a line."`
}

// Help shows examples.
func (queuesList) Help() string {
	return `Examples:
  lodge queues
  lodge queues --partitions`
}

// Run implements the command.
func (c *queuesList) Run(ctx context.Context, m *Main) error {
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		columns := []any{"QUEUE", "TOPICS", "IN FLIGHT", "WAITING", "VISIBILITY", "DELIVERIES", "DEAD LETTERS"}
		if c.Partitions {
			columns = []any{"QUEUE", "TOPIC", "PARTITION", "FLOOR", "NEXT", "IN FLIGHT", "WAITING"}
		}
		t := newTable(m.Stdout, c.JSON, columns...)
		return t.flushed(eachPage(func(token string) (string, error) {
			res, err := client.ListQueues(ctx, connect.NewRequest(&lodgev1.ListQueuesRequest{PageSize: 1000, PageToken: token}))
			if err != nil {
				return "", err
			}
			for _, q := range res.Msg.GetQueues() {
				c.rows(t, q)
			}
			return res.Msg.GetNextPageToken(), nil
		}))
	})
}

func (c *queuesList) rows(t *table, q *lodgev1.Queue) {
	flying, waiting := int32(0), int32(0)
	for _, p := range q.GetPartitions() {
		flying += p.GetInFlightCount()
		waiting += p.GetWaitingCount()
		if c.Partitions {
			t.row(p, lastPart(q.GetName()), p.GetTopic(), p.GetPartition(), p.GetFloorOffset(), p.GetNextOffset(), p.GetInFlightCount(), p.GetWaitingCount())
		}
	}
	if !c.Partitions {
		t.row(q, lastPart(q.GetName()), strings.Join(q.GetTopics(), " "), flying, waiting, q.GetVisibilityTimeout().AsDuration(),
			q.GetDeliveriesMax(), q.GetDeadLetterTopic())
	}
}

type queuesCreate struct {
	dataFlag
	Queue       string        `arg:"" help:"The new queue's name."`
	Topic       []string      `help:"The topics to share." required:"" placeholder:"TOPIC"`
	Visibility  time.Duration `help:"A record that is not acknowledged for this long comes again." default:"30s"`
	Deliveries  int32         `help:"After this many a record is a dead letter; -1: never." default:"5"`
	DeadLetters string        `help:"Topic for dead letters, made when it is missing; default: dlq.QUEUE." placeholder:"TOPIC"`
	InFlightMax int32         `help:"Records with consumers at a time, for each partition." default:"10000"`
}

// Help shows examples.
func (queuesCreate) Help() string {
	return `It begins with the first records that are kept.

Examples:
  lodge queues create jobs --topic tasks
  lodge queues create jobs --topic tasks --topic chores --visibility 1m --deliveries 3`
}

// Run implements the command.
func (c *queuesCreate) Run(ctx context.Context, m *Main) error {
	if err := errors.Join(notZero("--deliveries", c.Deliveries), notZero("--in-flight-max", c.InFlightMax)); err != nil {
		return err
	}
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		res, err := client.CreateQueue(ctx, connect.NewRequest(&lodgev1.CreateQueueRequest{QueueId: c.Queue, Queue: &lodgev1.Queue{
			Topics: c.Topic, VisibilityTimeout: durationpb.New(c.Visibility), DeliveriesMax: c.Deliveries, DeadLetterTopic: c.DeadLetters, InFlightMax: c.InFlightMax,
		}}))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(m.Stdout, "created %s over %s; dead letters go to %s\n", c.Queue, strings.Join(res.Msg.GetTopics(), " "), res.Msg.GetDeadLetterTopic())
		return err
	})
}

type queuesDelete struct {
	dataFlag
	Queue string `arg:"" help:"The queue."`
}

// Help shows examples.
func (queuesDelete) Help() string {
	return `Examples:
  lodge queues delete jobs`
}

// Run implements the command.
func (c *queuesDelete) Run(ctx context.Context, m *Main) error {
	return queues(ctx, c.Data, func(client lodgev1connect.QueueServiceClient) error {
		if _, err := client.DeleteQueue(ctx, connect.NewRequest(&lodgev1.DeleteQueueRequest{Name: "queues/" + c.Queue})); err != nil {
			return err
		}
		_, err := fmt.Fprintln(m.Stdout, "deleted", c.Queue)
		return err
	})
}
