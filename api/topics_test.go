package api_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// topic makes a topic with n partitions.
func (s *stack) topic(id string, n int32) {
	s.Helper()
	must[lodgev1.Topic](s)(s.admin.CreateTopic(context.Background(), connect.NewRequest(&lodgev1.CreateTopicRequest{
		TopicId: id, Topic: &lodgev1.Topic{PartitionCount: n},
	})))
}

func TestATopicsLife(t *testing.T) {
	s := newStack(t, api.Options{})
	ctx := context.Background()
	made, _ := must[lodgev1.Topic](t)(s.admin.CreateTopic(ctx, connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: "orders", Topic: &lodgev1.Topic{
		PartitionCount: 2, Durability: "interval", SyncInterval: durationpb.New(50 * time.Millisecond), SegmentBytes: 1 << 20, SegmentAge: durationpb.New(time.Hour),
		RetentionBytes: 1 << 30, RetentionAge: durationpb.New(24 * time.Hour), RecordBytesMax: 1000, CleanupPolicy: "compact,delete",
		TombstoneAge: durationpb.New(time.Minute), DirtyRatio: 0.25, TagHeader: "kind",
	}})))
	if made.GetName() != "topics/orders" || made.GetPartitionCount() != 2 || made.GetDurability() != "interval" || made.GetRetentionAge().AsDuration() != 24*time.Hour ||
		made.GetRecordBytesMax() != 1000 || made.GetCleanupPolicy() != "compact,delete" || made.GetTombstoneAge().AsDuration() != time.Minute ||
		made.GetDirtyRatio() != 0.25 || made.GetTagHeader() != "kind" || made.GetPointToPoint() || made.GetInternal() {
		t.Errorf("made %v", made)
	}
	changed, _ := must[lodgev1.Topic](t)(s.admin.UpdateTopic(ctx, connect.NewRequest(&lodgev1.UpdateTopicRequest{
		Topic: &lodgev1.Topic{Name: "topics/orders", CleanupPolicy: "delete"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"cleanup_policy", "retention_age"}},
	})))
	if changed.GetCleanupPolicy() != "delete" || changed.GetRetentionAge() != nil || changed.GetRecordBytesMax() != 1000 {
		t.Errorf("changed %v", changed)
	}
	grown, _ := must[lodgev1.Topic](t)(s.admin.AddPartitions(ctx, connect.NewRequest(&lodgev1.AddPartitionsRequest{Name: "topics/orders", Count: 2})))
	if grown.GetPartitionCount() != 4 || grown.GetLayout() != 1 {
		t.Errorf("grown %v", grown)
	}
	s.produce("orders", new(int32(3)), "a", "b", "c")
	retired, _ := must[lodgev1.Topic](t)(s.admin.RetirePartitions(ctx, connect.NewRequest(&lodgev1.RetirePartitionsRequest{Name: "topics/orders", Partitions: []int32{3}})))
	if retired.GetLayout() != 2 {
		t.Errorf("retired %v", retired)
	}
	_, err := s.messages.Produce(ctx, connect.NewRequest(produceRequest("orders", new(int32(3)), "d")))
	expect(t, err, connect.CodeFailedPrecondition, "PARTITION_DRAINING", "")
	left, _ := must[lodgev1.Partition](t)(s.admin.DeleteRecords(ctx, connect.NewRequest(&lodgev1.DeleteRecordsRequest{Name: "topics/orders", Partition: 3, BeforeOffset: 2})))
	if left.GetLogStartOffset() != 2 || left.GetState() != "draining" {
		t.Errorf("left %v", left)
	}
	must[emptypb.Empty](t)(s.admin.DeleteTopic(ctx, connect.NewRequest(&lodgev1.DeleteTopicRequest{Name: "topics/orders"})))
	_, err = s.admin.GetTopic(ctx, connect.NewRequest(&lodgev1.GetTopicRequest{Name: "topics/orders"}))
	expect(t, err, connect.CodeNotFound, "TOPIC_NOT_FOUND", "")
}

func TestInternalTopicsAreListedOnRequest(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("tasks", 1)
	s.queue("jobs", &lodgev1.Queue{Topics: []string{"tasks"}})
	list := func(internal bool) (names []string) {
		for token := ""; ; {
			page, _ := must[lodgev1.ListTopicsResponse](t)(s.admin.ListTopics(context.Background(), connect.NewRequest(&lodgev1.ListTopicsRequest{
				PageSize: 2, PageToken: token, ShowInternal: internal,
			})))
			for _, topic := range page.GetTopics() {
				names = append(names, topic.GetName())
			}
			if token = page.GetNextPageToken(); token == "" {
				return names
			}
		}
	}
	if names := list(false); !slices.Equal(names, []string{"topics/bookings", "topics/dlq.jobs", "topics/hotels", "topics/inventory", "topics/payments", "topics/tasks"}) {
		t.Error(names)
	}
	if names := list(true); !slices.Contains(names, "topics/__queues") {
		t.Error(names)
	}
}

// TestHarmlessSettingsOfThePlatform: how its topics are stored may be changed, what is kept may not.
func TestHarmlessSettingsOfThePlatform(t *testing.T) {
	s := newStack(t, api.Options{})
	update := func(change *lodgev1.Topic) error {
		change.Name = "topics/bookings"
		_, err := s.admin.UpdateTopic(context.Background(), connect.NewRequest(&lodgev1.UpdateTopicRequest{Topic: change}))
		return err
	}
	if err := update(&lodgev1.Topic{Durability: "interval", SegmentBytes: 1 << 20}); err != nil {
		t.Error(err)
	}
	expect(t, update(&lodgev1.Topic{RetentionAge: durationpb.New(time.Hour)}), connect.CodeFailedPrecondition, "TOPIC_PROTECTED", "")
	expect(t, update(&lodgev1.Topic{Durability: "none", CleanupPolicy: "compact"}), connect.CodeFailedPrecondition, "TOPIC_PROTECTED", "")
	kept, _ := must[lodgev1.Topic](t)(s.admin.GetTopic(context.Background(), connect.NewRequest(&lodgev1.GetTopicRequest{Name: "topics/bookings"})))
	if kept.GetDurability() != "interval" || kept.GetSegmentBytes() != 1<<20 || kept.GetRetentionAge() != nil || kept.GetCleanupPolicy() != "delete" {
		t.Error(kept)
	}
}
