package api

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
	"lodge/log/client"
)

// What one Consume stream may hold of records that it has not sent.
const (
	consumeRecords     = 500     // of one message, by default
	consumeMessageMax  = 1 << 20 // bytes of one message, but for its last record
	consumeFetchMax    = 512 << 10
	consumeBufferBytes = 8 << 20
	consumeHeartbeat   = 500 * time.Millisecond // to the coordinator, which is in this process: members come and go that fast
	consumeFilterWait  = 500 * time.Millisecond // a fetch that finds no match says so late how far it has looked
	consumeRebalance   = consumeSendMax         // a caller that does not take a message for so long loses its partitions
)

// Consume sends records until the caller hangs up.
func (s *messageService) Consume(ctx context.Context, req *connect.Request[lodgev1.ConsumeRequest], stream *connect.ServerStream[lodgev1.ConsumeResponse]) (err error) {
	c, err := s.newConsuming(req.Msg, stream)
	if err != nil {
		return err
	}
	defer c.consumer.Close()
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	c.ctx = ctx
	defer func() { c.ending = true }() // before the consumer is closed: nobody is there to commit any more
	if err := c.begin(ctx, req.Msg); err != nil {
		return err
	}
	if c.commits() {
		defer s.consumers.add(c)()
	}
	err = c.run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// newConsuming makes what a request asks for.
func (s *messageService) newConsuming(req *lodgev1.ConsumeRequest, stream *connect.ServerStream[lodgev1.ConsumeResponse]) (*consuming, error) {
	if err := checkConsume(req); err != nil {
		return nil, err
	}
	filter, err := fromFilter(req.GetTags(), req.GetKeys())
	if err != nil {
		return nil, err
	}
	c := &consuming{log: s.deps.Log, stream: stream, group: log.Group(req.GetGroup()), heartbeat: heartbeatDefault, handover: s.opts.HandoverTimeout}
	c.init()
	if d := req.GetHeartbeatInterval(); d != nil {
		c.heartbeat = d.AsDuration()
	}
	opts := client.ConsumerOptions{
		FetchBytesMax: consumeFetchMax, BufferBytesMax: consumeBufferBytes, OutOfRange: client.ToBeginning,
		PollRecordsMax: cmp.Or(int(req.GetRecordsMax()), consumeRecords), Filter: filter,
	}
	if filter != nil {
		opts.FetchWait = consumeFilterWait
	}
	if c.group != "" {
		opts.HeartbeatInterval = consumeHeartbeat
		opts.Group, opts.Instance, opts.ClientID = c.group, req.GetInstanceId(), req.GetClientId()
		opts.SessionTimeout, opts.RebalanceTimeout = req.GetSessionTimeout().AsDuration(), consumeRebalance
		opts.CommitInterval, opts.KeyOrder = -1, req.GetKeyOrder()
		opts.OnAssigned, opts.OnRevoked, opts.OnLost = c.assigned, c.revoked, c.lost
		if c.atMostOnce = req.GetDelivery() == lodgev1.ConsumeRequest_DELIVERY_AT_MOST_ONCE; c.atMostOnce {
			opts.Delivery = client.AtMostOnce
		}
		if opts.Start, err = startIn(req); err != nil {
			return nil, err
		}
	}
	c.consumer, err = client.NewConsumer(s.deps.Log, opts)
	return c, err
}

// checkConsume checks what the shape rules cannot: what goes with what.
func checkConsume(req *lodgev1.ConsumeRequest) error {
	if req.GetGroup() == "" {
		for field, set := range map[string]bool{
			"delivery": req.GetDelivery() != 0, "instance_id": req.GetInstanceId() != "", "client_id": req.GetClientId() != "",
			"session_timeout": req.GetSessionTimeout() != nil, "key_order": req.GetKeyOrder(),
		} {
			if set {
				return domain.Errorf(domain.InvalidArgument, field, "%s is for a group", field)
			}
		}
		return nil
	}
	switch {
	case log.Group(req.GetGroup()).Validate() != nil:
		return domain.Errorf(domain.InvalidID, "group", "%.80q is not 1 to %d characters of [a-zA-Z0-9._-]", req.GetGroup(), log.TopicNameMax)
	case req.GetCursor() != nil:
		return domain.Errorf(domain.InvalidArgument, "cursor", "a group begins where it has committed: reset its offsets instead")
	case req.GetKeyOrder() && req.GetDelivery() == lodgev1.ConsumeRequest_DELIVERY_AT_MOST_ONCE:
		return domain.Errorf(domain.InvalidArgument, "key_order", "key order needs that what is committed is processed, which at most once does not promise")
	}
	return unprotectedGroup(log.Group(req.GetGroup()), "group")
}

// startIn returns where a partition begins.
func startIn(req *lodgev1.ConsumeRequest) (client.Start, error) {
	switch from := req.GetStart().(type) {
	case *lodgev1.ConsumeRequest_End_:
		return client.AtEnd(), nil
	case *lodgev1.ConsumeRequest_Time:
		if err := from.Time.CheckValid(); err != nil {
			return client.Start{}, domain.Errorf(domain.InvalidArgument, "time", "%v", err)
		}
		return client.AtTime(from.Time.AsTime()), nil
	}
	return client.AtBeginning(), nil
}

// begin subscribes to topics, or has partitions assigned.
func (c *consuming) begin(ctx context.Context, req *lodgev1.ConsumeRequest) error {
	topics := make([]log.Topic, len(req.GetTopics()))
	var all []log.TopicPartition
	for i, name := range req.GetTopics() {
		topics[i] = log.Topic(name)
		if topics[i].Validate() != nil {
			return domain.Errorf(ReasonTopicNotFound, fmt.Sprintf("topics[%d]", i), "there is no topic %.250q", name)
		}
		info, err := c.log.DescribeTopic(ctx, topics[i])
		if err != nil {
			return err
		}
		for _, p := range info.Partitions {
			all = append(all, log.TopicPartition{Topic: info.Name, Partition: p.Partition})
		}
	}
	if c.group != "" {
		if err := c.consumer.Subscribe(topics...); err != nil {
			return err
		}
		return c.sendAssignment()
	}
	if err := c.assign(ctx, req, all); err != nil {
		return err
	}
	return c.sendAssignment()
}

// assign has the consumer read all partitions, or those that a cursor names.
func (c *consuming) assign(ctx context.Context, req *lodgev1.ConsumeRequest, all []log.TopicPartition) error {
	if len(all) > client.AssignedMax {
		return domain.Errorf(domain.LimitReached, "topics", "%d partitions are more than %d", len(all), client.AssignedMax)
	}
	cursor := req.GetCursor()
	if cursor == nil {
		start, err := startIn(req)
		if err != nil {
			return err
		}
		if err := c.consumer.Assign(ctx, start, all...); err != nil {
			return err
		}
		_, err = c.assigned(ctx, all)
		return err
	}
	offsets, err := cursorOffsets(req.GetTopics(), cursor.GetPositions(), "cursor.positions")
	if err != nil {
		return err
	}
	for tp, o := range offsets {
		first, high, err := c.log.Offsets(ctx, tp)
		switch {
		case err != nil:
			return err
		case o < first || o > high:
			return log.NewError(log.OffsetOutOfRange, "consume", "%s@%d is not in [%d, %d]", tp, o, first, high)
		}
		if err := c.consumer.Assign(ctx, client.AtOffset(o), tp); err != nil {
			return err
		}
	}
	_, err = c.assigned(ctx, c.consumer.Assignment())
	return err
}
