package api

import (
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// topicSettings are the settings of a topic that can be changed, and how each gets from the message into the log's form. One
// without a value gets the log's default.
var topicSettings = map[string]func(c *log.TopicConfig, t *lodgev1.Topic){
	"durability":       func(c *log.TopicConfig, t *lodgev1.Topic) { c.Durability = log.Durability(t.GetDurability()) },
	"sync_interval":    func(c *log.TopicConfig, t *lodgev1.Topic) { c.SyncInterval = orNegative(t.GetSyncInterval()) },
	"segment_bytes":    func(c *log.TopicConfig, t *lodgev1.Topic) { c.SegmentBytes = t.GetSegmentBytes() },
	"segment_age":      func(c *log.TopicConfig, t *lodgev1.Topic) { c.SegmentAge = orNegative(t.GetSegmentAge()) },
	"retention_bytes":  func(c *log.TopicConfig, t *lodgev1.Topic) { c.RetentionBytes = t.GetRetentionBytes() },
	"retention_age":    func(c *log.TopicConfig, t *lodgev1.Topic) { c.RetentionAge = retentionAge(t.GetRetentionAge()) },
	"offload_age":      func(c *log.TopicConfig, t *lodgev1.Topic) { c.OffloadAge = retentionAge(t.GetOffloadAge()) },
	"record_bytes_max": func(c *log.TopicConfig, t *lodgev1.Topic) { c.RecordBytesMax = int(t.GetRecordBytesMax()) },
	"cleanup_policy":   func(c *log.TopicConfig, t *lodgev1.Topic) { c.Cleanup = log.Cleanup(t.GetCleanupPolicy()) },
	"tombstone_age":    func(c *log.TopicConfig, t *lodgev1.Topic) { c.TombstoneAge = orNegative(t.GetTombstoneAge()) },
	"dirty_ratio":      func(c *log.TopicConfig, t *lodgev1.Topic) { c.DirtyRatio = t.GetDirtyRatio() },
	"tag_header":       func(c *log.TopicConfig, t *lodgev1.Topic) { c.TagHeader = t.GetTagHeader() },
}

// harmlessSettings are those that may be changed of a platform topic: the others say which records are kept and found.
var harmlessSettings = []string{"durability", "sync_interval", "segment_bytes", "segment_age", "offload_age"}

// orNegative returns a duration in which a given zero is refused by the log rather than taken for the default.
func orNegative(d *durationpb.Duration) time.Duration {
	if d != nil && d.AsDuration() == 0 {
		return -time.Nanosecond
	}
	return d.AsDuration()
}

// retentionAge is orNegative where -1 ns would mean for ever.
func retentionAge(d *durationpb.Duration) time.Duration {
	if d != nil && d.AsDuration() <= 0 {
		return -time.Second
	}
	return d.AsDuration()
}

// topicConfig returns the settings of a new topic.
func topicConfig(t *lodgev1.Topic) log.TopicConfig {
	c := log.TopicConfig{Partitions: int(t.GetPartitionCount()), PointToPoint: t.GetPointToPoint()}
	for _, set := range topicSettings {
		set(&c, t)
	}
	return c
}

// CreateTopic makes a topic.
func (s *adminService) CreateTopic(ctx context.Context, req *connect.Request[lodgev1.CreateTopicRequest]) (*connect.Response[lodgev1.Topic], error) {
	name := log.Topic(req.Msg.GetTopicId())
	if name.Validate() != nil {
		return nil, domain.Errorf(domain.InvalidID, "topic_id", "%.80q is not 1 to %d characters of [a-zA-Z0-9._-]", string(name), log.TopicNameMax)
	}
	if err := unprotected("create", name, "topic_id"); err != nil {
		return nil, err
	}
	if err := s.deps.Log.CreateTopic(ctx, name, topicConfig(req.Msg.GetTopic())); err != nil {
		return nil, final(err)
	}
	return s.describe(ctx, name)
}

// UpdateTopic changes settings of a topic.
func (s *adminService) UpdateTopic(ctx context.Context, req *connect.Request[lodgev1.UpdateTopicRequest]) (*connect.Response[lodgev1.Topic], error) {
	t := req.Msg.GetTopic()
	name, err := parseTopic(t.GetName(), "topic.name")
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(topicSettings))
	for setting := range topicSettings {
		names = append(names, setting)
	}
	slices.Sort(names)
	current := func() (proto.Message, error) {
		info, err := s.topic(ctx, string(name))
		return toTopic(&info), err
	}
	selected, err := maskedFields(req.Msg.GetUpdateMask(), t, current, names...)
	if err != nil {
		return nil, err
	}
	for _, setting := range names {
		if selected[setting] && (!platformTopic(name) || !slices.Contains(harmlessSettings, setting)) {
			if err := unprotected("change "+setting+" of", name, "topic."+setting); err != nil {
				return nil, err
			}
		}
	}
	err = s.deps.Log.AlterTopic(ctx, name, func(c *log.TopicConfig) {
		for setting := range selected {
			topicSettings[setting](c, t)
		}
	})
	if err != nil {
		return nil, err
	}
	return s.describe(ctx, name)
}

// changeable returns the topic in a name whose records or partitions may be changed from outside.
func (s *adminService) changeable(ctx context.Context, name, what string) (log.Topic, error) {
	topic, err := parseTopic(name, "name")
	if err != nil {
		return "", err
	}
	if err := unprotected(what, topic, "name"); err != nil {
		return "", err
	}
	_, err = s.topic(ctx, string(topic))
	return topic, err
}

// DeleteTopic deletes a topic.
func (s *adminService) DeleteTopic(ctx context.Context, req *connect.Request[lodgev1.DeleteTopicRequest]) (*connect.Response[emptypb.Empty], error) {
	name, err := s.changeable(ctx, req.Msg.GetName(), "delete")
	if err != nil {
		return nil, err
	}
	if err := s.deps.Log.DeleteTopic(ctx, name); err != nil {
		return nil, err
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}

// AddPartitions gives a topic more partitions.
func (s *adminService) AddPartitions(ctx context.Context, req *connect.Request[lodgev1.AddPartitionsRequest]) (*connect.Response[lodgev1.Topic], error) {
	name, err := s.changeable(ctx, req.Msg.GetName(), "add partitions to")
	if err != nil {
		return nil, err
	}
	if _, err := s.deps.Log.AddPartitions(ctx, name, int(req.Msg.GetCount())); err != nil {
		return nil, final(err)
	}
	return s.describe(ctx, name)
}

// RetirePartitions takes partitions of a topic out of service.
func (s *adminService) RetirePartitions(ctx context.Context, req *connect.Request[lodgev1.RetirePartitionsRequest]) (*connect.Response[lodgev1.Topic], error) {
	name, err := s.changeable(ctx, req.Msg.GetName(), "retire partitions of")
	if err != nil {
		return nil, err
	}
	keep := time.Duration(-1)
	if d := req.Msg.GetKeep(); d != nil {
		keep = d.AsDuration()
	}
	partitions := make([]log.Partition, len(req.Msg.GetPartitions()))
	for i, p := range req.Msg.GetPartitions() {
		partitions[i] = log.Partition(p)
	}
	if _, err := s.deps.Log.RetirePartitions(ctx, name, keep, partitions...); err != nil {
		return nil, final(err)
	}
	return s.describe(ctx, name)
}

// DeleteRecords deletes the beginning of a partition.
func (s *adminService) DeleteRecords(ctx context.Context, req *connect.Request[lodgev1.DeleteRecordsRequest]) (*connect.Response[lodgev1.Partition], error) {
	name, err := s.changeable(ctx, req.Msg.GetName(), "delete records of")
	if err != nil {
		return nil, err
	}
	tp := log.TopicPartition{Topic: name, Partition: log.Partition(req.Msg.GetPartition())}
	if err := s.deps.Log.DeleteRecords(ctx, tp, log.Offset(req.Msg.GetBeforeOffset())); err != nil {
		return nil, err
	}
	info, err := s.topic(ctx, string(name))
	if err != nil {
		return nil, err
	}
	for i := range info.Partitions {
		if info.Partitions[i].Partition == tp.Partition {
			return connect.NewResponse(toPartition(&info.Partitions[i])), nil
		}
	}
	return nil, log.NewError(log.UnknownTopic, "delete records", "partition %s is gone", tp)
}
