package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// Receive gives out records.
func (s *queueService) Receive(ctx context.Context, req *connect.Request[lodgev1.ReceiveRequest]) (*connect.Response[lodgev1.ReceiveResponse], error) {
	group, err := parseGroup(req.Msg.GetName(), queuesPrefix, "name")
	if err != nil {
		return nil, err
	}
	ask := log.ReceiveRequest{Group: group, RecordsMax: int(req.Msg.GetRecordsMax()), BytesMax: int(req.Msg.GetBytesMax()), MaxWait: req.Msg.GetWait().AsDuration()}
	if len(req.Msg.GetTopics()) > 0 {
		if ask.Topics, err = s.topicsOf(ctx, group, req.Msg.GetTopics()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := s.untilEnding(ctx)
	defer cancel()
	deliveries, err := s.deps.Log.Receive(ctx, ask)
	if err != nil {
		return nil, ofQueue(group, becauseOfEnding(ctx, err))
	}
	res := &lodgev1.ReceiveResponse{}
	for i := range deliveries {
		d := &deliveries[i]
		res.Deliveries = append(res.Deliveries, &lodgev1.Delivery{
			Record: toRecord(&d.Record), Receipt: receiptText(d.Receipt), Deliveries: int32(d.Deliveries), Deadline: timestamppb.New(d.Deadline),
		})
	}
	return connect.NewResponse(res), nil
}

// topicsOf reads topics that must be the queue's.
func (s *queueService) topicsOf(ctx context.Context, group log.Group, names []string) ([]log.Topic, error) {
	q, err := s.queue(ctx, group)
	if err != nil {
		return nil, err
	}
	topics := make([]log.Topic, len(names))
	for i, name := range names {
		if topics[i] = log.Topic(name); !slices.Contains(q.GetTopics(), name) {
			return nil, domain.Errorf(domain.InvalidArgument, fmt.Sprintf("topics[%d]", i), "%.250q is not a topic of queue %s", name, group)
		}
	}
	return topics, nil
}

// Ack says that records are done.
func (s *queueService) Ack(ctx context.Context, req *connect.Request[lodgev1.AckRequest]) (*connect.Response[lodgev1.AckResponse], error) {
	err := s.answer(req.Msg.GetName(), req.Msg.GetReceipts(), func(group log.Group, receipts []log.Receipt) error {
		return s.deps.Log.Ack(ctx, group, receipts...)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&lodgev1.AckResponse{}), nil
}

// Nack gives records back.
func (s *queueService) Nack(ctx context.Context, req *connect.Request[lodgev1.NackRequest]) (*connect.Response[lodgev1.NackResponse], error) {
	err := s.answer(req.Msg.GetName(), req.Msg.GetReceipts(), func(group log.Group, receipts []log.Receipt) error {
		return s.deps.Log.Nack(ctx, group, req.Msg.GetDelay().AsDuration(), req.Msg.GetCause(), receipts...)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&lodgev1.NackResponse{}), nil
}

// ExtendVisibility moves deadlines.
func (s *queueService) ExtendVisibility(ctx context.Context, req *connect.Request[lodgev1.ExtendVisibilityRequest]) (*connect.Response[lodgev1.ExtendVisibilityResponse], error) {
	err := s.answer(req.Msg.GetName(), req.Msg.GetReceipts(), func(group log.Group, receipts []log.Receipt) error {
		return s.deps.Log.Extend(ctx, group, req.Msg.GetVisibilityTimeout().AsDuration(), receipts...)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&lodgev1.ExtendVisibilityResponse{}), nil
}

// answer reads what all answers to deliveries have, and gives the answer.
func (s *queueService) answer(name string, texts []string, give func(log.Group, []log.Receipt) error) error {
	group, err := parseGroup(name, queuesPrefix, "name")
	if err != nil {
		return err
	}
	receipts := make([]log.Receipt, len(texts))
	for i, text := range texts {
		if receipts[i], err = parseReceipt(text, fmt.Sprintf("receipts[%d]", i)); err != nil {
			return err
		}
	}
	return ofQueue(group, give(group, receipts))
}

// receiptText writes a receipt as topic/partition@offset.delivery; parseReceipt reads it.
func receiptText(r log.Receipt) string {
	pos := log.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	return pos.String() + "." + strconv.FormatInt(r.Delivery, 10)
}

func parseReceipt(text, field string) (r log.Receipt, err error) {
	i := strings.LastIndexByte(text, '.')
	if i >= 0 {
		var pos log.Position
		if pos, err = log.ParsePosition(text[:i]); err == nil {
			r.TopicPartition, r.Offset = pos.TopicPartition(), pos.Offset
			r.Delivery, err = strconv.ParseInt(text[i+1:], 10, 64)
		}
	}
	if i < 0 || err != nil {
		return r, domain.Errorf(domain.InvalidArgument, field, "%.300q is not a receipt", text)
	}
	return r, nil
}

// untilEnding ends a call that waits when the server ends its streams.
func (a *API) untilEnding(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-a.ending:
			cancel(errEnding)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}

// becauseOfEnding returns errEnding when that is why a call failed.
func becauseOfEnding(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errEnding) {
		return cause
	}
	return err
}
