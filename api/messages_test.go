package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// produceRequest makes a request with a record for each value; one of the form key=value has a key.
func produceRequest(topic string, partition *int32, values ...string) *lodgev1.ProduceRequest {
	req := &lodgev1.ProduceRequest{Topic: topic, Partition: partition}
	for _, v := range values {
		r := &lodgev1.ProduceRequest_NewRecord{Value: []byte(v)}
		if key, value, ok := strings.Cut(v, "="); ok {
			r.Key, r.Value = []byte(key), []byte(value)
		}
		req.Records = append(req.Records, r)
	}
	return req
}

func (s *stack) produce(topic string, partition *int32, values ...string) []string {
	s.Helper()
	res, _ := must[lodgev1.ProduceResponse](s)(s.messages.Produce(context.Background(), connect.NewRequest(produceRequest(topic, partition, values...))))
	return res.GetPositions()
}

// read fetches everything of a partition.
func (s *stack) read(topic string, partition int32) []*lodgev1.Record {
	s.Helper()
	res, _ := must[lodgev1.FetchResponse](s)(s.messages.Fetch(context.Background(), connect.NewRequest(&lodgev1.FetchRequest{Topic: topic, Partition: partition, BytesMax: 8 << 20})))
	return res.GetRecords()
}

func TestProducedIsFetched(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 3)
	at := timestamppb.New(noon.Add(-time.Hour))
	req := &lodgev1.ProduceRequest{Topic: "orders", Records: []*lodgev1.ProduceRequest_NewRecord{
		{Key: []byte("ada"), Value: []byte("1"), Headers: []*lodgev1.Header{{Key: "ce_type", Value: []byte("placed")}, {Key: "ce_type", Value: nil}}, Timestamp: at},
		{Key: []byte("bob"), Value: []byte{}},
		{Key: []byte("ada")},
		{Value: []byte("no key")},
	}}
	res, _ := must[lodgev1.ProduceResponse](t)(s.messages.Produce(context.Background(), connect.NewRequest(req)))
	for i, text := range res.GetPositions() {
		pos, err := log.ParsePosition(text)
		if err != nil {
			t.Fatal(err)
		}
		sent, got := req.Records[i], s.read("orders", int32(pos.Partition))[pos.Offset]
		if sent.Key != nil && pos.Partition != log.PartitionForKey(sent.Key, 3) {
			t.Errorf("key %s went to %s", sent.Key, pos)
		}
		if string(got.GetKey()) != string(sent.GetKey()) || (got.Key == nil) != (sent.Key == nil) || string(got.GetValue()) != string(sent.GetValue()) ||
			(got.Value == nil) != (sent.Value == nil) || len(got.GetHeaders()) != len(sent.GetHeaders()) {
			t.Errorf("sent %v, got %v", sent, got)
		}
		if i == 0 && (!got.GetTimestamp().AsTime().Equal(at.AsTime()) || string(got.GetHeaders()[0].GetValue()) != "placed") {
			t.Errorf("got %v", got)
		}
	}
}

func TestConditionalProduce(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	produce := func(end int64) error {
		req := produceRequest("orders", new(int32(0)), "x")
		req.ExpectedEndOffset = &end
		_, err := s.messages.Produce(context.Background(), connect.NewRequest(req))
		return err
	}
	if err := produce(0); err != nil {
		t.Fatal(err)
	}
	expect(t, produce(0), connect.CodeAborted, "OFFSET_MISMATCH", "")
	expect(t, produce(2), connect.CodeAborted, "OFFSET_MISMATCH", "")
	if err := produce(1); err != nil {
		t.Fatal(err)
	}
	if n := len(s.read("orders", 0)); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestProduceWithoutWaiting(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	req := produceRequest("orders", nil, "a", "b")
	req.Acks = lodgev1.Acks_ACKS_NONE
	res, _ := must[lodgev1.ProduceResponse](t)(s.messages.Produce(context.Background(), connect.NewRequest(req)))
	if !slices.Equal(res.GetPositions(), []string{"orders/0@0", "orders/0@1"}) {
		t.Error(res)
	}
	got, _ := must[lodgev1.FetchResponse](t)(s.messages.Fetch(context.Background(), connect.NewRequest(&lodgev1.FetchRequest{Topic: "orders", Wait: durationpb.New(20 * time.Second)})))
	if len(got.GetRecords()) != 2 || got.GetNextOffset() != 2 || got.GetHighWatermark() != 2 {
		t.Error(got)
	}
}

func TestFetchFilters(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	var req lodgev1.ProduceRequest
	req.Topic = "orders"
	for i := range 50 {
		req.Records = append(req.Records, &lodgev1.ProduceRequest_NewRecord{
			Key: fmt.Appendf(nil, "k%d", i%5), Value: []byte("v"), Headers: []*lodgev1.Header{{Key: "ce_type", Value: fmt.Appendf(nil, "t%d", i%2)}},
		})
	}
	must[lodgev1.ProduceResponse](t)(s.messages.Produce(context.Background(), connect.NewRequest(&req)))
	res, _ := must[lodgev1.FetchResponse](t)(s.messages.Fetch(context.Background(), connect.NewRequest(&lodgev1.FetchRequest{
		Topic: "orders", Tags: []string{"t1"}, Keys: [][]byte{[]byte("k3"), []byte("k4")}, Offset: new(int64(10)),
	})))
	for _, r := range res.GetRecords() {
		if n := r.GetOffset(); n < 10 || n%2 != 1 || n%5 < 3 {
			t.Errorf("offset %d does not match", n)
		}
	}
	if len(res.GetRecords()) != 8 || res.GetNextOffset() != 50 {
		t.Errorf("%d records, next %d", len(res.GetRecords()), res.GetNextOffset())
	}
}

// TestProduceWhileATopicChanges: each record is in the topic once, in its key's order within each layout.
func TestProduceWhileATopicChanges(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 2)
	const producers, each = 8, 60
	var done atomic.Int64
	var group errgroup.Group
	for p := range producers {
		group.Go(func() error {
			for n := range each {
				values := []string{fmt.Sprintf("k%d=%d", p, n), fmt.Sprintf("other%d=%d.%d", n, p, n)}
				if _, err := s.messages.Produce(context.Background(), connect.NewRequest(produceRequest("orders", nil, values...))); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	for i := range 3 {
		for done.Load() < int64((i+1)*producers*each/5) {
			must[lodgev1.Topic](t)(s.admin.GetTopic(context.Background(), connect.NewRequest(&lodgev1.GetTopicRequest{Name: "topics/orders"})))
		}
		must[lodgev1.Topic](t)(s.admin.AddPartitions(context.Background(), connect.NewRequest(&lodgev1.AddPartitionsRequest{Name: "topics/orders", Count: 2})))
		must[lodgev1.Topic](t)(s.admin.RetirePartitions(context.Background(), connect.NewRequest(&lodgev1.RetirePartitionsRequest{Name: "topics/orders", Partitions: []int32{int32(2 * i)}})))
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	info, err := s.broker.DescribeTopic(context.Background(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		key    string
		layout int32
	}
	seen, last := map[string]int{}, map[place]int{}
	for _, p := range info.Partitions {
		for _, r := range s.read("orders", int32(p.Partition)) {
			seen[string(r.GetKey())+"="+string(r.GetValue())]++
			n, at := 0, place{string(r.GetKey()), info.LayoutOf(p.Partition, log.Offset(r.GetOffset()))}
			if _, err := fmt.Sscan(string(r.GetValue()), &n); strings.HasPrefix(at.key, "k") && (err != nil || n < last[at]) {
				t.Errorf("%s comes after %d in layout %d", r.GetValue(), last[at], at.layout)
			}
			last[at] = n
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if len(seen) != 2*producers*each {
		t.Errorf("%d records of %d", len(seen), 2*producers*each)
	}
}

// TestRecordsOverREST: what curl would send.
func TestRecordsOverREST(t *testing.T) {
	s := newStack(t, api.Options{})
	s.fetch(http.MethodPost, "/v1/topics?topic_id=orders", `{"partitionCount": 1}`)
	status, produced := s.fetch(http.MethodPost, "/v1/topics/orders/records", `{"records": [{"key": "YWRh", "value": "aGVsbG8="}]}`)
	if status != http.StatusOK || fmt.Sprint(produced["positions"]) != "[orders/0@0]" {
		t.Errorf("%d %v", status, produced)
	}
	status, got := s.fetch(http.MethodGet, "/v1/topics/orders/partitions/0/records?bytes_max=1000", "")
	if status != http.StatusOK || got["nextOffset"] != "1" || !strings.Contains(fmt.Sprint(got["records"]), "aGVsbG8=") {
		t.Errorf("%d %v", status, got)
	}
	status, groups := s.fetch(http.MethodPost, "/v1/groups/g:resetOffsets", `{"topics": ["orders"], "end": {}}`)
	if status != http.StatusOK || !strings.Contains(fmt.Sprint(groups), "newOffset:1") {
		t.Errorf("%d %v", status, groups)
	}
	status, group := s.fetch(http.MethodGet, "/v1/groups/g", "")
	if status != http.StatusOK || group["state"] != "Empty" {
		t.Errorf("%d %v", status, group)
	}
	if status, _ := s.fetch(http.MethodDelete, "/v1/topics/orders", ""); status != http.StatusOK {
		t.Error(status)
	}
}

// TestUnreadableBodyOverREST: it is the request that is at fault, not the server.
func TestUnreadableBodyOverREST(t *testing.T) {
	s := newStack(t, api.Options{})
	s.fetch(http.MethodPost, "/v1/topics?topic_id=orders", `{"partitionCount": 1}`)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "/v1/topics/orders/records", `no json`},
		{http.MethodPost, "/v1/topics/orders/records", `{"records": [{"value": "%%"}]}`},
		{http.MethodPost, "/v1/topics?topic_id=others", `{"partitionCount": "many"}`},
		{http.MethodPatch, "/v1/topics/orders", `[]`},
	} {
		if status, answer := s.fetch(c.method, c.path, c.body); status != http.StatusBadRequest || answer["code"] != 3.0 {
			t.Errorf("%s %s %s: %d %v", c.method, c.path, c.body, status, answer)
		}
	}
}
