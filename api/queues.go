package api

import (
	"context"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// queueService serves queues: what they are here, their records in deliveries.go.
type queueService struct{ *API }

// queues returns all queues by name.
func (s *queueService) queues(ctx context.Context) ([]*lodgev1.Queue, error) {
	infos, err := s.deps.Log.DescribeQueues(ctx)
	if err != nil {
		return nil, err
	}
	var all []*lodgev1.Queue
	for i := range infos { // by group, topic and partition
		info := &infos[i]
		name := queuesPrefix + string(info.Group)
		if len(all) == 0 || all[len(all)-1].GetName() != name {
			all = append(all, &lodgev1.Queue{
				Name: name, VisibilityTimeout: durationpb.New(info.Config.Visibility), DeliveriesMax: int32(info.Config.DeliveriesMax),
				DeadLetterTopic: string(info.Config.DeadLetter), InFlightMax: int32(info.Config.InFlightMax),
			})
		}
		q := all[len(all)-1]
		if !slices.Contains(q.Topics, string(info.Topic)) {
			q.Topics = append(q.Topics, string(info.Topic))
		}
		q.Partitions = append(q.Partitions, &lodgev1.QueuePartition{
			Topic: string(info.Topic), Partition: int32(info.Partition), FloorOffset: int64(info.Floor), NextOffset: int64(info.Next),
			InFlightCount: int32(info.InFlight), WaitingCount: int32(info.Waiting),
		})
	}
	return all, nil
}

// queue returns one queue.
func (s *queueService) queue(ctx context.Context, group log.Group) (*lodgev1.Queue, error) {
	all, err := s.queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range all {
		if q.GetName() == queuesPrefix+string(group) {
			return q, nil
		}
	}
	return nil, noQueue(group)
}

func noQueue(group log.Group) error {
	return domain.Errorf(ReasonQueueNotFound, "name", "there is no queue %s", group)
}

// ofQueue makes of an error about groups one about a queue.
func ofQueue(group log.Group, err error) error {
	if log.CodeOf(err) == log.UnknownGroup {
		return noQueue(group)
	}
	return err
}

// GetQueue returns one queue.
func (s *queueService) GetQueue(ctx context.Context, req *connect.Request[lodgev1.GetQueueRequest]) (*connect.Response[lodgev1.Queue], error) {
	group, err := parseGroup(req.Msg.GetName(), queuesPrefix, "name")
	if err != nil {
		return nil, err
	}
	q, err := s.queue(ctx, group)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(q), nil
}

// ListQueues lists queues by name.
func (s *queueService) ListQueues(ctx context.Context, req *connect.Request[lodgev1.ListQueuesRequest]) (*connect.Response[lodgev1.ListQueuesResponse], error) {
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	all, err := s.queues(ctx)
	if err != nil {
		return nil, err
	}
	if after != nil {
		all = slices.DeleteFunc(all, func(q *lodgev1.Queue) bool { return q.GetName() <= after[0] })
	}
	res := &lodgev1.ListQueuesResponse{Queues: all[:min(len(all), pageSize(req.Msg.GetPageSize()))]}
	if n := len(res.Queues); n < len(all) && n > 0 {
		res.NextPageToken = newPageToken(req.Msg, res.Queues[n-1].GetName())
	}
	return connect.NewResponse(res), nil
}

// CreateQueue makes a queue.
func (s *queueService) CreateQueue(ctx context.Context, req *connect.Request[lodgev1.CreateQueueRequest]) (*connect.Response[lodgev1.Queue], error) {
	group := log.Group(req.Msg.GetQueueId())
	if group.Validate() != nil {
		return nil, domain.Errorf(domain.InvalidID, "queue_id", "%.80q is not 1 to %d characters of [a-zA-Z0-9._-]", string(group), log.TopicNameMax)
	}
	if err := unprotectedGroup(group, "queue_id"); err != nil {
		return nil, err
	}
	s.queueing.Lock()
	defer s.queueing.Unlock()
	if _, err := s.queue(ctx, group); err == nil {
		return nil, domain.Errorf(ReasonQueueExists, "queue_id", "there is a queue %s already", group)
	} else if domain.ReasonOf(err) != ReasonQueueNotFound {
		return nil, err
	}
	return s.setQueue(ctx, group, req.Msg.GetQueue())
}

// queueSettings are the settings of a queue that can be changed.
var queueSettings = []string{"topics", "visibility_timeout", "deliveries_max", "dead_letter_topic", "in_flight_max"}

// UpdateQueue changes settings of a queue.
func (s *queueService) UpdateQueue(ctx context.Context, req *connect.Request[lodgev1.UpdateQueueRequest]) (*connect.Response[lodgev1.Queue], error) {
	group, err := parseGroup(req.Msg.GetQueue().GetName(), queuesPrefix, "queue.name")
	if err != nil {
		return nil, err
	}
	selected, err := maskedFields(req.Msg.GetUpdateMask(), req.Msg.GetQueue(), nil, queueSettings...)
	if err != nil {
		return nil, err
	}
	s.queueing.Lock()
	defer s.queueing.Unlock()
	q, err := s.queue(ctx, group)
	if err != nil {
		return nil, err
	}
	to, from := q.ProtoReflect(), req.Msg.GetQueue().ProtoReflect()
	for setting := range selected {
		field := to.Descriptor().Fields().ByName(protoreflect.Name(setting))
		if from.Has(field) {
			to.Set(field, from.Get(field))
		} else {
			to.Clear(field)
		}
	}
	return s.setQueue(ctx, group, q)
}

// setQueue gives a queue its settings, making it when it is missing.
func (s *queueService) setQueue(ctx context.Context, group log.Group, q *lodgev1.Queue) (*connect.Response[lodgev1.Queue], error) {
	topics := make([]log.Topic, len(q.GetTopics()))
	for i, topic := range q.GetTopics() {
		info, err := s.topic(ctx, topic)
		if err != nil {
			return nil, err
		}
		topics[i] = info.Name
	}
	dead := q.GetDeadLetterTopic()
	if err := unprotected("bury dead letters in", log.Topic(dead), "queue.dead_letter_topic"); err != nil {
		return nil, err
	}
	config := log.QueueConfig{
		Visibility: orNegative(q.GetVisibilityTimeout()), DeliveriesMax: int(q.GetDeliveriesMax()), DeadLetter: log.Topic(dead), InFlightMax: int(q.GetInFlightMax()),
	}
	if err := s.deps.Log.CreateQueue(ctx, group, topics, config); err != nil {
		return nil, final(err)
	}
	made, err := s.queue(ctx, group)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(made), nil
}

// DeleteQueue forgets a queue.
func (s *queueService) DeleteQueue(ctx context.Context, req *connect.Request[lodgev1.DeleteQueueRequest]) (*connect.Response[emptypb.Empty], error) {
	group, err := parseGroup(req.Msg.GetName(), queuesPrefix, "name")
	if err != nil {
		return nil, err
	}
	s.queueing.Lock()
	defer s.queueing.Unlock()
	if err := s.deps.Log.DeleteQueue(ctx, group); err != nil {
		return nil, ofQueue(group, err)
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}
