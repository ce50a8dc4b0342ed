package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/trail"
)

// standing is all that the message queue holds, to be compared.
func (s *stack) standing() string {
	s.Helper()
	ctx := context.Background()
	topics, err := s.broker.ListTopics(ctx)
	if err != nil {
		s.Fatal(err)
	}
	var all strings.Builder
	for i := range topics {
		if topics[i].Name == trail.Topic { // what changed nothing is there too
			continue
		}
		fmt.Fprintf(&all, "%+v\n", topics[i])
	}
	groups, err := s.broker.ListGroups(ctx)
	if err != nil {
		s.Fatal(err)
	}
	for _, g := range groups {
		fmt.Fprintln(&all, s.group(string(g.Group)))
	}
	fmt.Fprintln(&all, s.listQueues())
	if res, err := s.schedules.ListSchedules(ctx, connect.NewRequest(&lodgev1.ListSchedulesRequest{})); err == nil {
		fmt.Fprintln(&all, res.Msg)
	}
	return all.String()
}

// mistake is a request that must be refused.
type mistake struct {
	name   string
	err    error
	code   connect.Code
	reason string
	field  string
}

// refused makes mistakes and compares what is there before and after.
func (s *stack) refused(t *testing.T, mistakes func() []mistake) {
	t.Helper()
	before := s.standing()
	for _, m := range mistakes() {
		t.Run(m.name, func(t *testing.T) { expect(t, m.err, m.code, m.reason, m.field) })
	}
	if after := s.standing(); after != before {
		t.Errorf("bad input changed something:\n%s\nnow:\n%s", before, after)
	}
}

const (
	invalid  = connect.CodeInvalidArgument
	notFound = connect.CodeNotFound
	failed   = connect.CodeFailedPrecondition
)

func TestBadTopics(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 2)
	s.produce("orders", new(int32(0)), "a")
	ctx := context.Background()
	create := func(id string, topic *lodgev1.Topic) error {
		_, err := s.admin.CreateTopic(ctx, connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: id, Topic: topic}))
		return err
	}
	update := func(topic *lodgev1.Topic, paths ...string) error {
		topic.Name = "topics/orders"
		_, err := s.admin.UpdateTopic(ctx, connect.NewRequest(&lodgev1.UpdateTopicRequest{Topic: topic, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}))
		return err
	}
	remove := func(name string) error {
		_, err := s.admin.DeleteTopic(ctx, connect.NewRequest(&lodgev1.DeleteTopicRequest{Name: name}))
		return err
	}
	add := func(name string, n int32) error {
		_, err := s.admin.AddPartitions(ctx, connect.NewRequest(&lodgev1.AddPartitionsRequest{Name: name, Count: n}))
		return err
	}
	retire := func(name string, partitions ...int32) error {
		_, err := s.admin.RetirePartitions(ctx, connect.NewRequest(&lodgev1.RetirePartitionsRequest{Name: name, Partitions: partitions}))
		return err
	}
	truncate := func(name string, partition int32, before int64) error {
		_, err := s.admin.DeleteRecords(ctx, connect.NewRequest(&lodgev1.DeleteRecordsRequest{Name: name, Partition: partition, BeforeOffset: before}))
		return err
	}
	s.refused(t, func() []mistake {
		return []mistake{
			{"no id", create("", nil), invalid, "INVALID_ARGUMENT", "topic_id"},
			{"bad id", create("a b", nil), invalid, "INVALID_ID", "topic_id"},
			{"long id", create(strings.Repeat("a", 250), nil), invalid, "INVALID_ID", "topic_id"},
			{"exists", create("orders", nil), connect.CodeAlreadyExists, "TOPIC_EXISTS", ""},
			{"internal", create("__mine", nil), failed, "TOPIC_PROTECTED", ""},
			{"reserved", create("payments", nil), failed, "TOPIC_PROTECTED", ""},
			{"negative partitions", create("new", &lodgev1.Topic{PartitionCount: -1}), invalid, "INVALID_ARGUMENT", "topic.partition_count"},
			{"many partitions", create("new", &lodgev1.Topic{PartitionCount: 1025}), invalid, "INVALID_ARGUMENT", ""},
			{"durability", create("new", &lodgev1.Topic{Durability: "maybe"}), invalid, "INVALID_ARGUMENT", ""},
			{"no sync interval at all", create("new", &lodgev1.Topic{SyncInterval: durationpb.New(0)}), invalid, "INVALID_ARGUMENT", ""},
			{"no time at all", create("new", &lodgev1.Topic{RetentionAge: durationpb.New(0)}), invalid, "INVALID_ARGUMENT", ""},
			{"negative retention", create("new", &lodgev1.Topic{RetentionBytes: -2}), invalid, "INVALID_ARGUMENT", ""},
			{"point to point and compacted", create("new", &lodgev1.Topic{PointToPoint: true, CleanupPolicy: "compact"}), invalid, "INVALID_ARGUMENT", ""},
			{"mask of partitions", update(&lodgev1.Topic{PartitionCount: 4}, "partition_count"), invalid, "INVALID_FIELD_MASK", "update_mask"},
			{"mask of point to point", update(&lodgev1.Topic{PointToPoint: true}, "point_to_point"), invalid, "INVALID_FIELD_MASK", "update_mask"},
			{"nothing to change", update(&lodgev1.Topic{}), invalid, "INVALID_FIELD_MASK", "update_mask"},
			{"dirty ratio", update(&lodgev1.Topic{DirtyRatio: 2}), invalid, "INVALID_ARGUMENT", ""},
			{"delete nothing", remove("topics/gossip"), notFound, "TOPIC_NOT_FOUND", ""},
			{"delete a malformed name", remove("orders"), invalid, "INVALID_ID", "name"},
			{"delete the truth", remove("topics/bookings"), failed, "TOPIC_PROTECTED", ""},
			{"delete what is internal", remove("topics/__consumer_offsets"), failed, "TOPIC_PROTECTED", ""},
			{"add none", add("topics/orders", 0), invalid, "INVALID_ARGUMENT", "count"},
			{"add too many", add("topics/orders", 1024), connect.CodeResourceExhausted, "LIMIT_REACHED", ""},
			{"grow the truth", add("topics/hotels", 1), failed, "TOPIC_PROTECTED", ""},
			{"retire none", retire("topics/orders"), invalid, "INVALID_ARGUMENT", "partitions"},
			{"retire all", retire("topics/orders", 0, 1), invalid, "INVALID_ARGUMENT", ""},
			{"retire what is not there", retire("topics/orders", 7), invalid, "INVALID_ARGUMENT", ""},
			{"retire the truth", retire("topics/inventory", 0), failed, "TOPIC_PROTECTED", ""},
			{"delete records beyond the end", truncate("topics/orders", 0, 2), connect.CodeOutOfRange, "OFFSET_OUT_OF_RANGE", ""},
			{"delete records of no partition", truncate("topics/orders", 9, 0), notFound, "TOPIC_NOT_FOUND", ""},
			{"delete the truth's records", truncate("topics/bookings", 0, 0), failed, "TOPIC_PROTECTED", ""},
		}
	})
}

func TestBadRecords(t *testing.T) {
	s := newStack(t, api.Options{})
	ctx := context.Background()
	s.topic("orders", 2)
	s.produce("orders", new(int32(0)), "a")
	must[lodgev1.Topic](t)(s.admin.CreateTopic(ctx, connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: "small", Topic: &lodgev1.Topic{
		PartitionCount: 3, RecordBytesMax: 100, CleanupPolicy: "compact",
	}})))
	produce := func(req *lodgev1.ProduceRequest, change func(*lodgev1.ProduceRequest)) error {
		change(req)
		_, err := s.messages.Produce(ctx, connect.NewRequest(req))
		return err
	}
	nothing := func(*lodgev1.ProduceRequest) {}
	fetch := func(req *lodgev1.FetchRequest) error {
		_, err := s.messages.Fetch(ctx, connect.NewRequest(req))
		return err
	}
	s.refused(t, func() []mistake {
		return []mistake{
			{"no topic", produce(produceRequest("", nil, "x"), nothing), invalid, "INVALID_ARGUMENT", "topic"},
			{"no such topic", produce(produceRequest("gossip", nil, "x"), nothing), notFound, "TOPIC_NOT_FOUND", ""},
			{"no records", produce(produceRequest("orders", nil), nothing), invalid, "INVALID_ARGUMENT", "records"},
			{"too many records", produce(produceRequest("orders", nil, make([]string, 10_001)...), nothing), invalid, "INVALID_ARGUMENT", "records"},
			{"no such partition", produce(produceRequest("orders", new(int32(2)), "x"), nothing), notFound, "TOPIC_NOT_FOUND", ""},
			{"negative partition", produce(produceRequest("orders", new(int32(-1)), "x"), nothing), invalid, "INVALID_ARGUMENT", "partition"},
			{"into the truth", produce(produceRequest("bookings", nil, "x"), nothing), failed, "TOPIC_PROTECTED", ""},
			{"into the log's own", produce(produceRequest("__schedules", nil, "x"), nothing), failed, "TOPIC_PROTECTED", ""},
			{"one too large among many", produce(produceRequest("small", nil, "a=1", "b=2", "c="+strings.Repeat("x", 91)), nothing), invalid, "RECORD_TOO_LARGE", "records[2]"},
			{"one without key among many", produce(produceRequest("small", nil, "a=1", "b=2", "c"), nothing), invalid, "INVALID_ARGUMENT", "records[2].key"},
			{"before time", produce(produceRequest("orders", nil, "x", "y"), func(r *lodgev1.ProduceRequest) {
				r.Records[1].Timestamp = timestamppb.New(time.Unix(-1, 0))
			}), invalid, "INVALID_ARGUMENT", "records[1].timestamp"},
			{"header without name", produce(produceRequest("orders", nil, "x"), func(r *lodgev1.ProduceRequest) {
				r.Records[0].Headers = []*lodgev1.Header{{}}
			}), invalid, "INVALID_ARGUMENT", "records[0].headers[0].key"},
			{"expected end of no partition", produce(produceRequest("orders", nil, "x"), func(r *lodgev1.ProduceRequest) {
				r.ExpectedEndOffset = new(int64(0))
			}), invalid, "INVALID_ARGUMENT", "expected_end_offset"},
			{"unknown acks", produce(produceRequest("orders", nil, "x"), func(r *lodgev1.ProduceRequest) { r.Acks = 9 }), invalid, "INVALID_ARGUMENT", "acks"},
			{"message too large", produce(produceRequest("orders", nil, strings.Repeat("x", 2<<20)), nothing), connect.CodeResourceExhausted, "REQUEST_TOO_LARGE", ""},
			{"fetch nothing", fetch(&lodgev1.FetchRequest{Topic: "gossip"}), notFound, "TOPIC_NOT_FOUND", ""},
			{"fetch no partition", fetch(&lodgev1.FetchRequest{Topic: "orders", Partition: 5}), notFound, "TOPIC_NOT_FOUND", ""},
			{"fetch beyond the end", fetch(&lodgev1.FetchRequest{Topic: "orders", Offset: new(int64(5))}), connect.CodeOutOfRange, "OFFSET_OUT_OF_RANGE", ""},
			{"fetch for ever", fetch(&lodgev1.FetchRequest{Topic: "orders", Wait: durationpb.New(time.Hour)}), invalid, "INVALID_ARGUMENT", "wait"},
		}
	})
	// The largest record that the topic takes, and no byte more: the surface counts as the log does.
	s.produce("small", nil, "a=1", "b=2", "c="+strings.Repeat("x", 90))
}

func TestBadConsumers(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 2)
	consume := func(change func(*lodgev1.ConsumeRequest)) error {
		req := &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "g"}
		change(req)
		stream, err := s.messages.Consume(context.Background(), connect.NewRequest(req))
		if err != nil {
			return err
		}
		defer stream.Close()
		for stream.Receive() {
		}
		return stream.Err()
	}
	alone := func(change func(*lodgev1.ConsumeRequest)) error {
		return consume(func(r *lodgev1.ConsumeRequest) { r.Group = ""; change(r) })
	}
	cursor := func(positions ...string) *lodgev1.ConsumeRequest_Cursor {
		return &lodgev1.ConsumeRequest_Cursor{Cursor: &lodgev1.Cursor{Positions: positions}}
	}
	_, commit := s.messages.Commit(context.Background(), connect.NewRequest(&lodgev1.CommitRequest{Consumer: "consumers/none", Positions: []string{"orders/0@1"}}))
	s.refused(t, func() []mistake {
		return []mistake{
			{"no topics", consume(func(r *lodgev1.ConsumeRequest) { r.Topics = nil }), invalid, "INVALID_ARGUMENT", ""},
			{"no such topic", consume(func(r *lodgev1.ConsumeRequest) { r.Topics = []string{"gossip"} }), notFound, "TOPIC_NOT_FOUND", ""},
			{"bad group", consume(func(r *lodgev1.ConsumeRequest) { r.Group = "a b" }), invalid, "INVALID_ID", ""},
			{"cursor of a group", consume(func(r *lodgev1.ConsumeRequest) { r.Start = cursor("orders/0@0") }), invalid, "INVALID_ARGUMENT", ""},
			{"frantic session", consume(func(r *lodgev1.ConsumeRequest) { r.SessionTimeout = durationpb.New(time.Second) }), invalid, "INVALID_ARGUMENT", ""},
			{"key order at most once", consume(func(r *lodgev1.ConsumeRequest) {
				r.KeyOrder, r.Delivery = true, lodgev1.ConsumeRequest_DELIVERY_AT_MOST_ONCE
			}), invalid, "INVALID_ARGUMENT", ""},
			{"instance without group", alone(func(r *lodgev1.ConsumeRequest) { r.InstanceId = "a" }), invalid, "INVALID_ARGUMENT", ""},
			{"position beyond the end", alone(func(r *lodgev1.ConsumeRequest) { r.Start = cursor("orders/0@9") }), connect.CodeOutOfRange, "OFFSET_OUT_OF_RANGE", ""},
			{"position of another topic", alone(func(r *lodgev1.ConsumeRequest) { r.Start = cursor("hotels/0@0") }), invalid, "INVALID_POSITION", ""},
			{"too many tags", alone(func(r *lodgev1.ConsumeRequest) { r.Tags = make([]string, 257) }), invalid, "INVALID_ARGUMENT", ""},
			{"commit for nobody", commit, notFound, "CONSUMER_NOT_FOUND", ""},
		}
	})
}

func TestBadGroupsAndQueues(t *testing.T) {
	s := newStack(t, api.Options{})
	ctx := context.Background()
	s.topic("orders", 1)
	s.produce("orders", nil, "a")
	s.queue("jobs", &lodgev1.Queue{Topics: []string{"orders"}})
	s.receive("jobs", 1) // from now on the queue's standing is kept
	reset := func(change func(*lodgev1.ResetGroupOffsetsRequest)) error {
		req := &lodgev1.ResetGroupOffsetsRequest{Name: "groups/g", Topics: []string{"orders"}, To: &lodgev1.ResetGroupOffsetsRequest_Offset{Offset: 0}}
		change(req)
		_, err := s.groups.ResetGroupOffsets(ctx, connect.NewRequest(req))
		return err
	}
	_, forget := s.groups.DeleteGroup(ctx, connect.NewRequest(&lodgev1.DeleteGroupRequest{Name: "groups/none"}))
	create := func(id string, q *lodgev1.Queue) error {
		_, err := s.queues.CreateQueue(ctx, connect.NewRequest(&lodgev1.CreateQueueRequest{QueueId: id, Queue: q}))
		return err
	}
	update := func(q *lodgev1.Queue, paths ...string) error {
		_, err := s.queues.UpdateQueue(ctx, connect.NewRequest(&lodgev1.UpdateQueueRequest{Queue: q, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}))
		return err
	}
	ack := func(name string, receipts ...string) error {
		_, err := s.queues.Ack(ctx, connect.NewRequest(&lodgev1.AckRequest{Name: name, Receipts: receipts}))
		return err
	}
	receive := func(req *lodgev1.ReceiveRequest) error {
		_, err := s.queues.Receive(ctx, connect.NewRequest(req))
		return err
	}
	orders := []string{"orders"}
	s.refused(t, func() []mistake {
		return []mistake{
			{"reset to nowhere", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.To = nil }), invalid, "INVALID_ARGUMENT", "to"},
			{"reset beyond the end", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.To = &lodgev1.ResetGroupOffsetsRequest_Offset{Offset: 2} }), connect.CodeOutOfRange, "OFFSET_OUT_OF_RANGE", ""},
			{"reset of no topic", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.Topics = []string{"gossip"} }), notFound, "TOPIC_NOT_FOUND", ""},
			{"reset of no partition", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.Partitions = []string{"orders/7"} }), notFound, "TOPIC_NOT_FOUND", ""},
			{"reset of no group", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.Topics = nil }), notFound, "GROUP_NOT_FOUND", ""},
			{"reset of a malformed partition", reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.Partitions = []string{"orders"} }), invalid, "INVALID_POSITION", "partitions[0]"},
			{"delete no group", forget, notFound, "GROUP_NOT_FOUND", ""},
			{"queue without topics", create("q", &lodgev1.Queue{}), invalid, "INVALID_ARGUMENT", ""},
			{"queue without name", create("", &lodgev1.Queue{Topics: orders}), invalid, "INVALID_ARGUMENT", "queue_id"},
			{"queue over nothing", create("q", &lodgev1.Queue{Topics: []string{"gossip"}}), notFound, "TOPIC_NOT_FOUND", ""},
			{"dead letters into the truth", create("q", &lodgev1.Queue{Topics: orders, DeadLetterTopic: "bookings"}), failed, "TOPIC_PROTECTED", ""},
			{"dead letters into itself", create("q", &lodgev1.Queue{Topics: orders, DeadLetterTopic: "orders"}), invalid, "INVALID_ARGUMENT", ""},
			{"no visibility at all", create("q", &lodgev1.Queue{Topics: orders, VisibilityTimeout: durationpb.New(0)}), invalid, "INVALID_ARGUMENT", ""},
			{"too many deliveries", create("q", &lodgev1.Queue{Topics: orders, DeliveriesMax: 1001}), invalid, "INVALID_ARGUMENT", ""},
			{"change of no queue", update(&lodgev1.Queue{Name: "queues/none", DeliveriesMax: 1}), notFound, "QUEUE_NOT_FOUND", ""},
			{"change of nothing", update(&lodgev1.Queue{Name: "queues/jobs"}), invalid, "INVALID_FIELD_MASK", "update_mask"},
			{"change to no topics", update(&lodgev1.Queue{Name: "queues/jobs"}, "topics"), invalid, "INVALID_ARGUMENT", ""},
			{"receipt that is none", ack("queues/jobs", "orders/0@0"), invalid, "INVALID_ARGUMENT", "receipts[0]"},
			{"receipt of nobody", ack("queues/jobs", "orders/0@0.7"), failed, "VOID_RECEIPT", ""},
			{"ack in no queue", ack("queues/none", "orders/0@0.1"), notFound, "QUEUE_NOT_FOUND", ""},
			{"receive of a strange topic", receive(&lodgev1.ReceiveRequest{Name: "queues/jobs", Topics: []string{"hotels"}}), invalid, "INVALID_ARGUMENT", "topics[0]"},
			{"receive too much", receive(&lodgev1.ReceiveRequest{Name: "queues/jobs", RecordsMax: 1001}), invalid, "INVALID_ARGUMENT", "records_max"},
		}
	})
}

func TestBadSchedules(t *testing.T) {
	s := newScheduling(t)
	s.topic("orders", 1)
	create := func(id string, change func(*lodgev1.Schedule)) error {
		schedule := &lodgev1.Schedule{Topic: "orders", When: &lodgev1.Schedule_Delay{Delay: durationpb.New(time.Hour)}}
		change(schedule)
		_, err := s.schedules.CreateSchedule(context.Background(), connect.NewRequest(&lodgev1.CreateScheduleRequest{ScheduleId: id, Schedule: schedule}))
		return err
	}
	_, cancel := s.schedules.DeleteSchedule(context.Background(), connect.NewRequest(&lodgev1.DeleteScheduleRequest{Name: "schedules/none"}))
	s.refused(t, func() []mistake {
		return []mistake{
			{"never", create("a", func(s *lodgev1.Schedule) { s.When = nil }), invalid, "INVALID_ARGUMENT", "schedule.when"},
			{"bad cron", create("a", func(s *lodgev1.Schedule) { s.When = &lodgev1.Schedule_Cron{Cron: "often"} }), invalid, "INVALID_ARGUMENT", ""},
			{"bad zone", create("a", func(s *lodgev1.Schedule) {
				s.When, s.TimeZone = &lodgev1.Schedule_Cron{Cron: "@daily"}, "Mars/Olympus"
			}), invalid, "INVALID_ARGUMENT", ""},
			{"zone of a delay", create("a", func(s *lodgev1.Schedule) { s.TimeZone = "UTC" }), invalid, "INVALID_ARGUMENT", ""},
			{"negative delay", create("a", func(s *lodgev1.Schedule) { s.When = &lodgev1.Schedule_Delay{Delay: durationpb.New(-1)} }), invalid, "INVALID_ARGUMENT", "schedule.delay"},
			{"bad id", create("a b", func(*lodgev1.Schedule) {}), invalid, "INVALID_ARGUMENT", ""},
			{"no topic", create("a", func(s *lodgev1.Schedule) { s.Topic = "" }), invalid, "INVALID_ARGUMENT", "schedule.topic"},
			{"no such topic", create("a", func(s *lodgev1.Schedule) { s.Topic = "gossip" }), notFound, "TOPIC_NOT_FOUND", ""},
			{"into the truth", create("a", func(s *lodgev1.Schedule) { s.Topic = "bookings" }), failed, "TOPIC_PROTECTED", ""},
			{"into the log's own", create("a", func(s *lodgev1.Schedule) { s.Topic = "__queues" }), failed, "TOPIC_PROTECTED", ""},
			{"cancel nothing", cancel, notFound, "SCHEDULE_NOT_FOUND", ""},
		}
	})
}
