package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
	"lodge/log/natsbridge"
	"lodge/log/vfs"
)

func (s *stack) queue(id string, q *lodgev1.Queue) *lodgev1.Queue {
	s.Helper()
	made, _ := must[lodgev1.Queue](s)(s.queues.CreateQueue(context.Background(), connect.NewRequest(&lodgev1.CreateQueueRequest{QueueId: id, Queue: q})))
	return made
}

func (s *stack) receive(queue string, n int32) []*lodgev1.Delivery {
	s.Helper()
	res, _ := must[lodgev1.ReceiveResponse](s)(s.queues.Receive(context.Background(), connect.NewRequest(&lodgev1.ReceiveRequest{Name: "queues/" + queue, RecordsMax: n})))
	return res.GetDeliveries()
}

func TestAQueuesLife(t *testing.T) {
	s := newStack(t, api.Options{})
	ctx := context.Background()
	s.topic("tasks", 1)
	s.produce("tasks", nil, "a", "b", "c")
	q := s.queue("jobs", &lodgev1.Queue{Topics: []string{"tasks"}, VisibilityTimeout: durationpb.New(time.Minute), DeliveriesMax: 2})
	if q.GetName() != "queues/jobs" || q.GetDeadLetterTopic() != "dlq.jobs" || q.GetInFlightMax() != 10_000 || len(q.GetPartitions()) != 1 {
		t.Errorf("made %v", q)
	}
	_, err := s.queues.CreateQueue(ctx, connect.NewRequest(&lodgev1.CreateQueueRequest{QueueId: "jobs", Queue: &lodgev1.Queue{Topics: []string{"tasks"}}}))
	expect(t, err, connect.CodeAlreadyExists, "QUEUE_EXISTS", "")
	got := s.receive("jobs", 3)
	if len(got) != 3 || string(got[0].GetRecord().GetValue()) != "a" || got[0].GetDeliveries() != 1 || got[0].GetDeadline().AsTime() != s.clock.now().Add(time.Minute) {
		t.Fatalf("received %v", got)
	}
	ack := func(receipts ...string) error {
		_, err := s.queues.Ack(ctx, connect.NewRequest(&lodgev1.AckRequest{Name: "queues/jobs", Receipts: receipts}))
		return err
	}
	if err := ack(got[0].GetReceipt()); err != nil {
		t.Fatal(err)
	}
	must[lodgev1.ExtendVisibilityResponse](t)(s.queues.ExtendVisibility(ctx, connect.NewRequest(&lodgev1.ExtendVisibilityRequest{
		Name: "queues/jobs", Receipts: []string{got[1].GetReceipt()}, VisibilityTimeout: durationpb.New(time.Hour),
	})))
	must[lodgev1.NackResponse](t)(s.queues.Nack(ctx, connect.NewRequest(&lodgev1.NackRequest{
		Name: "queues/jobs", Receipts: []string{got[2].GetReceipt()}, Delay: durationpb.New(time.Second), Cause: "no paper",
	})))
	s.clock.advance(2 * time.Minute)
	again := s.receive("jobs", 3)
	if len(again) != 1 || string(again[0].GetRecord().GetValue()) != "c" || again[0].GetDeliveries() != 2 {
		t.Fatalf("received again %v", again)
	}
	expect(t, ack(got[2].GetReceipt(), got[1].GetReceipt()), connect.CodeFailedPrecondition, "VOID_RECEIPT", "") // b counts all the same
	if p := s.listQueues()[0].GetPartitions()[0]; p.GetFloorOffset() != 2 || p.GetInFlightCount() != 1 {
		t.Errorf("standing %v", p)
	}
	changed, _ := must[lodgev1.Queue](t)(s.queues.UpdateQueue(ctx, connect.NewRequest(&lodgev1.UpdateQueueRequest{Queue: &lodgev1.Queue{Name: "queues/jobs", DeliveriesMax: 9}})))
	if changed.GetDeliveriesMax() != 9 || changed.GetVisibilityTimeout().AsDuration() != time.Minute || changed.GetPartitions()[0].GetFloorOffset() != 2 {
		t.Errorf("changed %v", changed)
	}
	must[emptypb.Empty](t)(s.queues.DeleteQueue(ctx, connect.NewRequest(&lodgev1.DeleteQueueRequest{Name: "queues/jobs"})))
	expect(t, ack(again[0].GetReceipt()), connect.CodeNotFound, "QUEUE_NOT_FOUND", "")
}

func (s *stack) listQueues() []*lodgev1.Queue {
	s.Helper()
	res, _ := must[lodgev1.ListQueuesResponse](s)(s.queues.ListQueues(context.Background(), connect.NewRequest(&lodgev1.ListQueuesRequest{})))
	return res.GetQueues()
}

func TestAWaitingReceiveEndsWithTheServer(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("tasks", 1)
	s.queue("jobs", &lodgev1.Queue{Topics: []string{"tasks"}})
	done := make(chan error, 1)
	go func() {
		_, err := s.queues.Receive(context.Background(), connect.NewRequest(&lodgev1.ReceiveRequest{Name: "queues/jobs", Wait: durationpb.New(25 * time.Second)}))
		done <- err
	}()
	s.api.EndStreams()
	expect(t, <-done, connect.CodeUnavailable, "UNAVAILABLE", "")
}

// newScheduling makes a stack with a running bridge.
func newScheduling(t *testing.T) *stack {
	return newStackWith(t, "data", vfs.NewMem(), api.Options{}, bridge(t))
}

func bridge(t *testing.T) func(*stack) log.Scheduler {
	return func(s *stack) log.Scheduler {
		b, err := natsbridge.Open(context.Background(), s.broker, natsbridge.Options{StoreDir: t.TempDir(), Clock: s.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		s.ends = append(s.ends, func() {
			stop()
			if err := errors.Join(<-done, b.Close()); err != nil {
				t.Error(err)
			}
		})
		return b
	}
}

func TestSchedulesOverTheAPI(t *testing.T) {
	s := newScheduling(t)
	s.topic("orders", 1)
	ctx := context.Background()
	create := func(id string, schedule *lodgev1.Schedule) *lodgev1.Schedule {
		t.Helper()
		schedule.Topic = "orders"
		made, _ := must[lodgev1.Schedule](t)(s.schedules.CreateSchedule(ctx, connect.NewRequest(&lodgev1.CreateScheduleRequest{ScheduleId: id, Schedule: schedule})))
		return made
	}
	past := create("", &lodgev1.Schedule{When: &lodgev1.Schedule_At{At: timestamppb.New(noon.Add(-time.Hour))}, Key: []byte("ada"), Value: []byte("now"),
		Headers: []*lodgev1.Header{{Key: "ce_type", Value: []byte("reminder")}}})
	got, _ := must[lodgev1.FetchResponse](t)(s.messages.Fetch(ctx, connect.NewRequest(&lodgev1.FetchRequest{Topic: "orders", Wait: durationpb.New(20 * time.Second)})))
	if len(got.GetRecords()) != 1 || string(got.GetRecords()[0].GetKey()) != "ada" || string(got.GetRecords()[0].GetValue()) != "now" ||
		got.GetRecords()[0].GetHeaders()[0].GetKey() != "ce_type" || "schedules/"+header(got.GetRecords()[0], log.ScheduleIDHeader) != past.GetName() {
		t.Errorf("published %v", got)
	}
	until(t, "it is no longer pending", func() bool {
		_, err := s.schedules.GetSchedule(ctx, connect.NewRequest(&lodgev1.GetScheduleRequest{Name: past.GetName()}))
		return reasonOf(err) == "SCHEDULE_NOT_FOUND"
	})
	first := create("b", &lodgev1.Schedule{When: &lodgev1.Schedule_Delay{Delay: durationpb.New(time.Hour)}, Value: []byte("1")})
	second := create("b", &lodgev1.Schedule{When: &lodgev1.Schedule_Delay{Delay: durationpb.New(2 * time.Hour)}, Value: []byte("2")})
	if !second.GetDueTime().AsTime().Equal(noon.Add(2*time.Hour)) || second.GetGeneration() <= first.GetGeneration() || second.GetAt() == nil {
		t.Errorf("replaced %v by %v", first, second)
	}
	create("a", &lodgev1.Schedule{When: &lodgev1.Schedule_Cron{Cron: "0 6 * * *"}, TimeZone: "Europe/Lisbon", Value: []byte{}})
	create("c", &lodgev1.Schedule{When: &lodgev1.Schedule_Delay{Delay: durationpb.New(time.Hour)}})
	list := func() (names []string) {
		t.Helper()
		for token, more := "", true; more; more = token != "" {
			page, _ := must[lodgev1.ListSchedulesResponse](t)(s.schedules.ListSchedules(ctx, connect.NewRequest(&lodgev1.ListSchedulesRequest{PageSize: 2, PageToken: token})))
			for _, p := range page.GetSchedules() {
				names = append(names, p.GetName())
			}
			token = page.GetNextPageToken()
		}
		return names
	}
	if names := list(); !slices.Equal(names, []string{"schedules/a", "schedules/b", "schedules/c"}) {
		t.Error(names)
	}
	must[emptypb.Empty](t)(s.schedules.DeleteSchedule(ctx, connect.NewRequest(&lodgev1.DeleteScheduleRequest{Name: "schedules/b"})))
	_, err := s.schedules.GetSchedule(ctx, connect.NewRequest(&lodgev1.GetScheduleRequest{Name: "schedules/b"}))
	expect(t, err, connect.CodeNotFound, "SCHEDULE_NOT_FOUND", "")
	a, _ := must[lodgev1.Schedule](t)(s.schedules.GetSchedule(ctx, connect.NewRequest(&lodgev1.GetScheduleRequest{Name: "schedules/a"})))
	if a.GetCron() != "0 6 * * *" || a.GetTimeZone() != "Europe/Lisbon" || a.Value == nil || a.Key != nil || fmt.Sprint(list()) != "[schedules/a schedules/c]" {
		t.Errorf("%v among %v", a, list())
	}
}

func header(r *lodgev1.Record, name string) string {
	for _, h := range r.GetHeaders() {
		if h.GetKey() == name {
			return string(h.GetValue())
		}
	}
	return ""
}

func TestWithoutAScheduler(t *testing.T) {
	s := newStack(t, api.Options{})
	_, err := s.schedules.ListSchedules(context.Background(), connect.NewRequest(&lodgev1.ListSchedulesRequest{}))
	expect(t, err, connect.CodeUnavailable, "UNAVAILABLE", "")
}
