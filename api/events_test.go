package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// book makes reservations in n hotels, rounds times, and returns their names in order.
func (s *stack) book(n, rounds int) (names []string) {
	s.Helper()
	for h := range n {
		s.seedHotel(fmt.Sprintf("hotel-%d", h), "Lisbon", 1000)
	}
	for range rounds {
		for h := range n {
			req := stay(1, 2)
			req.Parent = fmt.Sprintf("hotels/hotel-%d", h)
			req.Reservation.RoomType = req.Parent + "/roomTypes/double"
			r, _ := s.reserve(req)
			names = append(names, r.GetName())
			s.clock.advance(time.Second)
		}
	}
	return names
}

func TestGetEventFindsEveryEventByItsID(t *testing.T) {
	s := newStack(t, api.Options{})
	s.book(3, 2)
	for _, topic := range []string{"hotels", "inventory", "bookings"} {
		page, _ := must[lodgev1.ReadEventsResponse](t)(s.events.ReadEvents(t.Context(), connect.NewRequest(&lodgev1.ReadEventsRequest{Topic: topic})))
		if len(page.GetEvents()) == 0 {
			t.Errorf("no events in %s", topic)
		}
		for _, want := range page.GetEvents() {
			got, _ := must[lodgev1.Event](t)(s.events.GetEvent(t.Context(), connect.NewRequest(&lodgev1.GetEventRequest{EventId: want.GetId(), MinPosition: want.GetPosition()})))
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	}
	_, err := s.events.GetEvent(t.Context(), connect.NewRequest(&lodgev1.GetEventRequest{EventId: "0190a1b2-0000-7000-8000-000000000001"}))
	if connect.CodeOf(err) != connect.CodeNotFound || reasonOf(err) != api.ReasonEventNotFound {
		t.Errorf("an event that never was: %v", err)
	}
}

func TestReadEventsPagesThroughEverythingOnce(t *testing.T) {
	s := newStack(t, api.Options{ScanMax: 5})
	names := s.book(5, 8)
	for _, c := range []struct {
		name string
		req  *lodgev1.ReadEventsRequest
		want int
	}{
		{"all", &lodgev1.ReadEventsRequest{Topic: "bookings"}, len(names)},
		{"small pages", &lodgev1.ReadEventsRequest{Topic: "bookings", PageSize: 3}, len(names)},
		{"one hotel", &lodgev1.ReadEventsRequest{Topic: "bookings", Keys: []string{"hotel-3"}, PageSize: 3}, 8},
		{"one type", &lodgev1.ReadEventsRequest{Topic: "hotels", Types: []string{"lodge.room_type.created.v1"}, PageSize: 2}, 5},
		{"no such type here", &lodgev1.ReadEventsRequest{Topic: "hotels", Types: []string{"lodge.reservation.placed.v1"}}, 0},
		{"no such hotel", &lodgev1.ReadEventsRequest{Topic: "hotels", Keys: []string{"nowhere"}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[string]bool{}
			for pages := 0; ; pages++ {
				page, _ := must[lodgev1.ReadEventsResponse](t)(s.events.ReadEvents(context.Background(), connect.NewRequest(c.req)))
				for _, e := range page.GetEvents() {
					if seen[e.GetPosition()] {
						t.Errorf("%s came twice", e.GetPosition())
					}
					seen[e.GetPosition()] = true
				}
				if c.req.PageToken = page.GetNextPageToken(); c.req.PageToken == "" {
					break
				}
				if pages > 100 {
					t.Fatal("no end of pages")
				}
			}
			if len(seen) != c.want {
				t.Errorf("%d events, want %d", len(seen), c.want)
			}
		})
	}
}

func TestReadEventsMergesByTime(t *testing.T) {
	s := newStack(t, api.Options{})
	names := s.book(5, 4)
	read := func(from time.Time) (found []string) {
		page, _ := must[lodgev1.ReadEventsResponse](t)(s.events.ReadEvents(context.Background(), connect.NewRequest(&lodgev1.ReadEventsRequest{
			Topic: "bookings", StartTime: timestamppb.New(from),
		})))
		for _, e := range page.GetEvents() {
			m, err := e.GetData().UnmarshalNew()
			if err != nil {
				t.Fatal(err)
			}
			placed := m.(interface {
				GetHotelId() string
				GetReservationId() string
			})
			found = append(found, "hotels/"+placed.GetHotelId()+"/reservations/"+placed.GetReservationId())
		}
		return found
	}
	if got := read(noon.Add(-time.Hour)); strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("got %v\nwant %v", got, names)
	}
}

// subscriber collects what a subscription sends.
type subscriber struct {
	*testing.T
	stream *connect.ServerStreamForClient[lodgev1.SubscribeResponse]
}

func (s *stack) subscribe(t *testing.T, req *lodgev1.SubscribeRequest) *subscriber {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := s.events.Subscribe(ctx, connect.NewRequest(req))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		stream.Close()
	})
	return &subscriber{t, stream}
}

func (s *subscriber) next() *lodgev1.SubscribeResponse {
	s.Helper()
	if !s.stream.Receive() {
		s.Fatalf("the stream ended: %v", s.stream.Err())
	}
	return s.stream.Msg()
}

// upTo returns the events before the caught-up marker, and its cursor.
func (s *subscriber) upToCaughtUp() (events []*lodgev1.Event, at *lodgev1.Cursor) {
	s.Helper()
	for {
		m := s.next()
		if m.GetCaughtUp() != nil {
			return events, m.GetCaughtUp().GetCursor()
		}
		if m.GetEvent() != nil {
			events = append(events, m.GetEvent())
		}
	}
}

func (s *subscriber) event() *lodgev1.Event {
	s.Helper()
	for {
		if e := s.next().GetEvent(); e != nil {
			return e
		}
	}
}

func TestSubscribeFromTheBeginningAndOn(t *testing.T) {
	s := newStack(t, api.Options{})
	names := s.book(5, 3)
	sub := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "bookings", Start: &lodgev1.SubscribeRequest_Beginning_{}})
	events, cursor := sub.upToCaughtUp()
	if len(events) != len(names) || len(cursor.GetPositions()) != partitions {
		t.Errorf("%d events of %d, cursor %v", len(events), len(names), cursor)
	}
	next := map[string]log.Offset{} // per partition: in order, without gaps
	for _, e := range events {
		at, err := log.ParsePosition(e.GetPosition())
		if err != nil || next[at.TopicPartition().String()] != at.Offset {
			t.Errorf("%s follows %v: %v", e.GetPosition(), next, err)
		}
		next[at.TopicPartition().String()] = at.Offset + 1
	}
	for range 3 {
		req := stay(3, 4)
		req.Parent, req.Reservation.RoomType = "hotels/hotel-1", "hotels/hotel-1/roomTypes/double"
		_, position := s.reserve(req)
		if e := sub.event(); e.GetPosition() != position || e.GetRequestId() != req.GetRequestId() || e.GetHotel() != "hotels/hotel-1" {
			t.Errorf("live event %v, want %s", e, position)
		}
	}
}

func TestSubscribeLatestIsTheDefault(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	s.reserve(stay(1, 2))
	for _, req := range []*lodgev1.SubscribeRequest{
		{Topic: "bookings"},
		{Topic: "bookings", Start: &lodgev1.SubscribeRequest_Latest_{}},
	} {
		sub := s.subscribe(t, req)
		if events, _ := sub.upToCaughtUp(); len(events) != 0 {
			t.Errorf("old events %v", events)
		}
		_, position := s.reserve(stay(1, 2))
		if e := sub.event(); e.GetPosition() != position {
			t.Errorf("got %v, want %s", e, position)
		}
	}
}

func TestSubscribeFromPositionTimeAndCursor(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	var positions []string
	for range 6 {
		_, position := s.reserve(stay(1, 2))
		positions = append(positions, position)
		s.clock.advance(time.Minute)
	}
	for _, c := range []struct {
		name  string
		start *lodgev1.SubscribeRequest
		want  []string
	}{
		{"position", &lodgev1.SubscribeRequest{Start: &lodgev1.SubscribeRequest_Position{Position: positions[2]}}, positions[2:]},
		{"cursor", &lodgev1.SubscribeRequest{Start: &lodgev1.SubscribeRequest_Cursor{Cursor: &lodgev1.Cursor{Positions: positions[4:5]}}}, positions[4:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.start.Topic = "bookings"
			events, cursor := s.subscribe(t, c.start).upToCaughtUp()
			if got := positionsOf(events); strings.Join(got, " ") != strings.Join(c.want, " ") || len(cursor.GetPositions()) != 1 {
				t.Errorf("got %v, cursor %v, want %v", got, cursor, c.want)
			}
		})
	}
	from := recordTime(t, s, positions[3])
	events, _ := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "bookings", Start: &lodgev1.SubscribeRequest_Time{Time: timestamppb.New(from)}}).upToCaughtUp()
	if len(events) == 0 || !contains(positionsOf(events), positions[3]) || !contains(positionsOf(events), positions[5]) {
		t.Errorf("from %s: %v", from, positionsOf(events))
	}
}

func recordTime(t *testing.T, s *stack, position string) time.Time {
	t.Helper()
	at, err := log.ParsePosition(position)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.broker.Fetch(context.Background(), log.FetchRequest{TopicPartition: at.TopicPartition(), Offset: at.Offset})
	if err != nil {
		t.Fatal(err)
	}
	return got.Records[0].Timestamp
}

func positionsOf(events []*lodgev1.Event) (positions []string) {
	for _, e := range events {
		positions = append(positions, e.GetPosition())
	}
	return positions
}

func contains(all []string, one string) bool {
	return strings.Contains(strings.Join(all, " ")+" ", one+" ")
}

func TestSubscribeFiltersAndStillMovesItsCursor(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	placed, _ := s.reserve(stay(1, 2))
	must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(context.Background(), connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName()})))
	s.reserve(stay(1, 2))
	sub := s.subscribe(t, &lodgev1.SubscribeRequest{
		Topic: "bookings", Types: []string{"lodge.reservation.paid.v1"}, Keys: []string{"ritz"}, Start: &lodgev1.SubscribeRequest_Beginning_{},
	})
	events, cursor := sub.upToCaughtUp()
	if len(events) != 1 || events[0].GetType() != "lodge.reservation.paid.v1" {
		t.Errorf("events %v", events)
	}
	if len(cursor.GetPositions()) != 1 || !strings.HasSuffix(cursor.GetPositions()[0], "@3") {
		t.Errorf("cursor %v is not behind the third event", cursor)
	}
}

func TestSubscribeSendsHeartbeats(t *testing.T) {
	s := newStack(t, api.Options{})
	sub := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "hotels", HeartbeatInterval: durationpb.New(100 * time.Millisecond)})
	if sub.next().GetCaughtUp() == nil {
		t.Error("no caught-up marker first")
	}
	for range 2 {
		if m := sub.next(); len(m.GetHeartbeat().GetCursor().GetPositions()) != partitions {
			t.Errorf("got %v, want a heartbeat", m)
		}
	}
}

func TestSubscribeRefuses(t *testing.T) {
	s := newStack(t, api.Options{StreamsMax: 1})
	for _, c := range []struct {
		name   string
		req    *lodgev1.SubscribeRequest
		code   connect.Code
		reason string
	}{
		{"unknown topic", &lodgev1.SubscribeRequest{Topic: "gossip"}, connect.CodeNotFound, "TOPIC_NOT_FOUND"},
		{"no topic", &lodgev1.SubscribeRequest{}, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
		{"position of another topic", &lodgev1.SubscribeRequest{Topic: "hotels", Start: &lodgev1.SubscribeRequest_Position{Position: "bookings/0@0"}}, connect.CodeInvalidArgument, "INVALID_POSITION"},
		{"position beyond the end", &lodgev1.SubscribeRequest{Topic: "hotels", Start: &lodgev1.SubscribeRequest_Position{Position: "hotels/0@7"}}, connect.CodeOutOfRange, "OFFSET_OUT_OF_RANGE"},
		{"frantic heartbeat", &lodgev1.SubscribeRequest{Topic: "hotels", HeartbeatInterval: durationpb.New(1)}, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream, err := s.events.Subscribe(context.Background(), connect.NewRequest(c.req))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if stream.Receive() {
				t.Fatal(stream.Msg())
			}
			expect(t, stream.Err(), c.code, c.reason, "")
		})
	}
	first := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "hotels"})
	first.upToCaughtUp()
	second, err := s.events.Subscribe(context.Background(), connect.NewRequest(&lodgev1.SubscribeRequest{Topic: "hotels"}))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Receive() {
		t.Fatal(second.Msg())
	}
	expect(t, second.Err(), connect.CodeResourceExhausted, "QUEUE_FULL", "")
	s.api.EndStreams()
	for first.stream.Receive() { // a heartbeat may be on its way
	}
	expect(t, first.stream.Err(), connect.CodeUnavailable, "UNAVAILABLE", "")
}

func TestServerSentEvents(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	read := func(last string) (next func() (id, name, data string)) {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/events?hotel=ritz&topic=bookings", nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		lines := bufio.NewScanner(res.Body)
		return func() (id, name, data string) {
			for lines.Scan() {
				if lines.Text() == "" && name == "heartbeat" {
					id, name, data = "", "", ""
					continue
				}
				if lines.Text() == "" {
					break
				}
				switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
				case "id":
					id = value
				case "event":
					name = value
				case "data":
					data = value
				}
			}
			return id, name, data
		}
	}
	next := read("")
	first, name, _ := next()
	if name != "caughtup" {
		t.Fatalf("first came %q", name)
	}
	_, position := s.reserve(stay(1, 2))
	if _, name, data := next(); name != "event" || !strings.Contains(data, position) || !strings.Contains(data, "lodge.events.v1.ReservationPlaced") {
		t.Errorf("%s: %s", name, data)
	}
	if _, name, data := read(first)(); name != "event" || !strings.Contains(data, position) {
		t.Errorf("after reconnecting %s: %s", name, data)
	}
}

// TestReadEventsOfATopicWithoutEvents: records of the user's own are no events, which is the request's fault and said so.
func TestReadEventsOfATopicWithoutEvents(t *testing.T) {
	s := newStack(t, api.Options{})
	if err := s.broker.CreateTopic(t.Context(), "orders", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.broker.Append(t.Context(), log.TopicPartition{Topic: "orders"}, &log.Batch{Records: []log.Record{{Value: []byte("one")}}}); err != nil {
		t.Fatal(err)
	}
	_, err := s.events.ReadEvents(t.Context(), connect.NewRequest(&lodgev1.ReadEventsRequest{Topic: "orders"}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "topic")
}
