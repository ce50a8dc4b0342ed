package api_test

import (
	"context"
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
)

// member is a Consume stream.
type member struct {
	testing.TB
	s        *stack
	stream   *connect.ServerStreamForClient[lodgev1.ConsumeResponse]
	end      context.CancelFunc
	consumer string
	got      []string // values
	next     *lodgev1.Cursor
	assigned []string
	revoked  bool
}

func (s *stack) consume(t testing.TB, req *lodgev1.ConsumeRequest) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if req.HeartbeatInterval == nil {
		req.HeartbeatInterval = durationpb.New(200 * time.Millisecond)
	}
	stream, err := s.messages.Consume(ctx, connect.NewRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	m := &member{TB: t, s: s, stream: stream, end: cancel}
	t.Cleanup(m.close)
	return m
}

// close hangs up.
func (m *member) close() {
	m.end()
	for m.stream.Receive() {
	}
	_ = m.stream.Close()
}

// leave hangs up and waits until the member is out of its group.
func (m *member) leave(group string) {
	m.Helper()
	m.close()
	for m.s.group(group).GetMemberCount() > 0 {
	}
}

// step takes in one message.
func (m *member) step() *lodgev1.ConsumeResponse {
	m.Helper()
	if !m.stream.Receive() {
		m.Fatalf("the stream ended: %v %s", m.stream.Err(), reasonOf(m.stream.Err()))
	}
	msg := m.stream.Msg()
	switch {
	case msg.GetAssignment() != nil:
		m.consumer, m.assigned = msg.GetAssignment().GetConsumer(), msg.GetAssignment().GetPartitions()
	case msg.GetRecords() != nil:
		for _, r := range msg.GetRecords().GetRecords() {
			m.got = append(m.got, string(r.GetValue()))
		}
		m.next = msg.GetRecords().GetNext()
	case msg.GetRevocation() != nil:
		m.revoked = true
	}
	return msg
}

// until takes in messages until it is done.
func (m *member) until(done func(*lodgev1.ConsumeResponse) bool) {
	m.Helper()
	for !done(m.step()) {
	}
}

func (m *member) upToCaughtUp() []string {
	m.Helper()
	m.until(func(msg *lodgev1.ConsumeResponse) bool {
		return msg.GetCaughtUp() != nil && (m.consumer == "" || len(m.assigned) > 0)
	})
	slices.Sort(m.got)
	return m.got
}

func (m *member) commit(positions ...string) error {
	_, err := m.s.messages.Commit(context.Background(), connect.NewRequest(&lodgev1.CommitRequest{Consumer: m.consumer, Positions: positions}))
	return err
}

func (s *stack) group(name string) *lodgev1.Group {
	s.Helper()
	g, _ := must[lodgev1.Group](s)(s.groups.GetGroup(context.Background(), connect.NewRequest(&lodgev1.GetGroupRequest{Name: "groups/" + name})))
	return g
}

func TestConsumeAlone(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 2)
	s.produce("orders", new(int32(0)), "a", "b")
	s.clock.advance(time.Hour)
	s.produce("orders", new(int32(0)), "c")
	s.produce("orders", new(int32(1)), "d")
	for _, c := range []struct {
		name string
		req  *lodgev1.ConsumeRequest
		want string
	}{
		{"beginning", &lodgev1.ConsumeRequest{}, "[a b c d]"},
		{"end", &lodgev1.ConsumeRequest{Start: &lodgev1.ConsumeRequest_End_{End: &lodgev1.ConsumeRequest_End{}}}, "[]"},
		{"time", &lodgev1.ConsumeRequest{Start: &lodgev1.ConsumeRequest_Time{Time: timestamppb.New(noon.Add(time.Minute))}}, "[c d]"},
		{"cursor", &lodgev1.ConsumeRequest{Start: &lodgev1.ConsumeRequest_Cursor{Cursor: &lodgev1.Cursor{Positions: []string{"orders/0@1"}}}}, "[b c]"},
		{"one at a time", &lodgev1.ConsumeRequest{RecordsMax: 1}, "[a b c d]"},
		{"keys", &lodgev1.ConsumeRequest{Keys: [][]byte{[]byte("none")}}, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.Topics = []string{"orders"}
			m := s.consume(t, c.req)
			if got := fmt.Sprint(m.upToCaughtUp()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if m.consumer != "" {
				t.Error("it may commit")
			}
		})
	}
	m := s.consume(t, &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Start: &lodgev1.ConsumeRequest_End_{End: &lodgev1.ConsumeRequest_End{}}})
	m.upToCaughtUp()
	s.produce("orders", new(int32(1)), "e")
	m.until(func(msg *lodgev1.ConsumeResponse) bool { return msg.GetRecords() != nil })
	if fmt.Sprint(m.got) != "[e]" {
		t.Error(m.got)
	}
}

// TestAtLeastOnce: what was not committed comes again, what was committed does not.
func TestAtLeastOnce(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	s.produce("orders", nil, "a", "b", "c")
	req := func() *lodgev1.ConsumeRequest {
		return &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "billing", ClientId: "test"}
	}
	first := s.consume(t, req())
	first.upToCaughtUp()
	if g := s.group("billing"); g.GetState() != "Stable" || len(g.GetMembers()) != 1 || g.GetMembers()[0].GetClientId() != "test" ||
		fmt.Sprint(g.GetMembers()[0].GetAssignment()) != "[orders/0]" || len(g.GetOffsets()) != 0 {
		t.Errorf("group %v", g)
	}
	expect(t, first.commit("orders/0@4"), connect.CodeInvalidArgument, "INVALID_POSITION", "positions[0]")
	expect(t, first.commit("orders/0"), connect.CodeInvalidArgument, "INVALID_POSITION", "positions[0]")
	if err := first.commit("orders/0@2"); err != nil {
		t.Fatal(err)
	}
	if o := s.group("billing").GetOffsets(); len(o) != 1 || o[0].GetCommittedOffset() != 2 || o[0].GetLag() != 1 {
		t.Errorf("offsets %v", o)
	}
	first.leave("billing")
	expect(t, first.commit("orders/0@3"), connect.CodeNotFound, "CONSUMER_NOT_FOUND", "")
	second := s.consume(t, req())
	if got := fmt.Sprint(second.upToCaughtUp()); got != "[c]" {
		t.Errorf("then came %s", got)
	}
	if err := second.commit(second.next.GetPositions()...); err != nil {
		t.Error(err)
	}
	second.leave("billing")
	if got := s.consume(t, req()).upToCaughtUp(); len(got) != 0 {
		t.Errorf("committed and came again: %v", got)
	}
}

func TestAtMostOnce(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	s.produce("orders", nil, "a", "b", "c")
	req := func() *lodgev1.ConsumeRequest {
		return &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "g", Delivery: lodgev1.ConsumeRequest_DELIVERY_AT_MOST_ONCE}
	}
	first := s.consume(t, req())
	first.until(func(msg *lodgev1.ConsumeResponse) bool { return msg.GetRecords() != nil })
	if first.consumer != "" || len(first.got) == 0 {
		t.Errorf("%q got %v", first.consumer, first.got)
	}
	first.leave("g")
	second := s.consume(t, req())
	second.upToCaughtUp()
	if all := slices.Concat(first.got, second.got); fmt.Sprint(all) != "[a b c]" {
		t.Errorf("got %v", all)
	}
}

// TestHandover: a member that commits when it is told to loses nothing and doubles nothing.
func TestHandover(t *testing.T) {
	s := newStack(t, api.Options{HandoverTimeout: 30 * time.Second})
	s.topic("orders", 2)
	s.produce("orders", new(int32(0)), "a")
	s.produce("orders", new(int32(1)), "b")
	req := func() *lodgev1.ConsumeRequest { return &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "g"} }
	first := s.consume(t, req())
	first.upToCaughtUp()
	second := s.consume(t, req())
	first.until(func(msg *lodgev1.ConsumeResponse) bool { return msg.GetRevocation() != nil })
	if err := first.commit("orders/0@1", "orders/1@1"); err != nil {
		t.Fatal(err)
	}
	first.until(func(*lodgev1.ConsumeResponse) bool { return len(first.assigned) == 1 })
	second.until(func(msg *lodgev1.ConsumeResponse) bool { return len(second.assigned) == 1 && msg.GetCaughtUp() != nil })
	if first.assigned[0] == second.assigned[0] || len(second.got) != 0 {
		t.Errorf("%v and %v, the second got %v", first.assigned, second.assigned, second.got)
	}
	lost := second.assigned[0] + "@1"
	expect(t, first.commit(lost), connect.CodeAborted, "PARTITION_LOST", "")
}

func TestGroupsOverTheAPI(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 2)
	s.produce("orders", new(int32(0)), "a", "b", "c")
	ctx := context.Background()
	reset := func(change func(*lodgev1.ResetGroupOffsetsRequest)) (*lodgev1.ResetGroupOffsetsResponse, error) {
		req := &lodgev1.ResetGroupOffsetsRequest{Name: "groups/g", Topics: []string{"orders"}, To: &lodgev1.ResetGroupOffsetsRequest_End_{End: &lodgev1.ResetGroupOffsetsRequest_End{}}}
		change(req)
		res, err := s.groups.ResetGroupOffsets(ctx, connect.NewRequest(req))
		if err != nil {
			return nil, err
		}
		return res.Msg, nil
	}
	res, err := reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.ValidateOnly = true })
	if err != nil || len(res.GetResets()) != 2 || res.GetResets()[0].GetNewOffset() != 3 || res.GetResets()[0].OldOffset != nil {
		t.Errorf("%v %v", res, err)
	}
	_, err = s.groups.GetGroup(ctx, connect.NewRequest(&lodgev1.GetGroupRequest{Name: "groups/g"}))
	expect(t, err, connect.CodeNotFound, "GROUP_NOT_FOUND", "") // the dry run made nothing
	if _, err = reset(func(*lodgev1.ResetGroupOffsetsRequest) {}); err != nil {
		t.Fatal(err)
	}
	res, err = reset(func(r *lodgev1.ResetGroupOffsetsRequest) {
		r.Topics, r.To = nil, &lodgev1.ResetGroupOffsetsRequest_Beginning_{Beginning: &lodgev1.ResetGroupOffsetsRequest_Beginning{}}
	})
	if err != nil || len(res.GetResets()) != 2 || res.GetResets()[0].GetOldOffset() != 3 || res.GetResets()[0].GetNewOffset() != 0 {
		t.Errorf("%v %v", res, err)
	}
	res, err = reset(func(r *lodgev1.ResetGroupOffsetsRequest) {
		r.Topics, r.Partitions, r.To = nil, []string{"orders/0"}, &lodgev1.ResetGroupOffsetsRequest_Offset{Offset: 2}
	})
	if err != nil || len(res.GetResets()) != 1 || s.group("g").GetLag() != 1 {
		t.Errorf("%v %v", res, err)
	}
	m := s.consume(t, &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "g"})
	if got := fmt.Sprint(m.upToCaughtUp()); got != "[c]" {
		t.Errorf("got %s", got)
	}
	_, err = reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.ValidateOnly = true })
	expect(t, err, connect.CodeFailedPrecondition, "GROUP_NOT_EMPTY", "")
	_, err = s.groups.DeleteGroup(ctx, connect.NewRequest(&lodgev1.DeleteGroupRequest{Name: "groups/g"}))
	expect(t, err, connect.CodeFailedPrecondition, "GROUP_NOT_EMPTY", "")
	m.leave("g")
	must[emptypb.Empty](t)(s.groups.DeleteGroup(ctx, connect.NewRequest(&lodgev1.DeleteGroupRequest{Name: "groups/g"})))
	for _, name := range []string{"b", "a", "c"} {
		if _, err := reset(func(r *lodgev1.ResetGroupOffsetsRequest) { r.Name = "groups/" + name }); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for token, more := "", true; more; more = token != "" {
		page, _ := must[lodgev1.ListGroupsResponse](t)(s.groups.ListGroups(ctx, connect.NewRequest(&lodgev1.ListGroupsRequest{PageSize: 2, PageToken: token})))
		for _, g := range page.GetGroups() {
			names = append(names, g.GetName())
		}
		token = page.GetNextPageToken()
	}
	if fmt.Sprint(names) != "[groups/a groups/b groups/c]" {
		t.Error(names)
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	s := newStack(t, api.Options{})
	s.topic("orders", 1)
	m := s.consume(t, &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "g"})
	m.upToCaughtUp()
	s.api.EndStreams()
	for m.stream.Receive() {
	}
	expect(t, m.stream.Err(), connect.CodeUnavailable, "UNAVAILABLE", "")
	if g := s.group("g"); len(g.GetMembers()) != 0 {
		t.Errorf("the member has not left: %v", g)
	}
}
