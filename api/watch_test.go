package api_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
	"lodge/projections/projectiontest"
)

// calendar is what a reader of a watch makes of it: nights by room type and date.
type calendar map[string]map[string]*lodgev1.StayNight

func (c calendar) put(types []*lodgev1.RoomTypeAvailability) {
	for _, t := range types {
		if c[t.GetRoomType()] == nil {
			c[t.GetRoomType()] = map[string]*lodgev1.StayNight{}
		}
		for _, n := range t.GetNights() {
			c[t.GetRoomType()][protojsonDate(n)] = n
		}
	}
}

func protojsonDate(n *lodgev1.StayNight) string {
	return fmt.Sprintf("%04d-%02d-%02d", n.GetDate().GetYear(), n.GetDate().GetMonth(), n.GetDate().GetDay())
}

// watching is a stream and its reader.
type watching struct {
	testing.TB
	stream   *connect.ServerStreamForClient[lodgev1.WatchAvailabilityResponse]
	stop     func()
	nights   calendar
	cursor   *lodgev1.Cursor
	caughtUp bool
	changes  int // nights that came in changes
	whole    int // calendars
}

func (s *stack) watch(req *lodgev1.WatchAvailabilityRequest) *watching {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stream, err := s.availability.WatchAvailability(ctx, connect.NewRequest(req))
	if err != nil {
		stop()
		s.Fatal(err)
	}
	w := &watching{TB: s.TB, stream: stream, nights: calendar{}, stop: func() {
		stop()
		stream.Close()
	}}
	s.Cleanup(w.stop)
	return w
}

// next takes in one message.
func (w *watching) next() *lodgev1.WatchAvailabilityResponse {
	w.Helper()
	if !w.stream.Receive() {
		w.Fatalf("the stream ended: %v", w.stream.Err())
	}
	m := w.stream.Msg()
	switch x := m.GetMessage().(type) {
	case *lodgev1.WatchAvailabilityResponse_Calendar:
		clear(w.nights)
		w.nights.put(x.Calendar.GetRoomTypes())
		w.whole++
	case *lodgev1.WatchAvailabilityResponse_Change_:
		w.nights.put(x.Change.GetRoomTypes())
		for _, t := range x.Change.GetRoomTypes() {
			w.changes += len(t.GetNights())
		}
		for _, name := range x.Change.GetRemovedRoomTypes() {
			delete(w.nights, name)
		}
	case *lodgev1.WatchAvailabilityResponse_CaughtUp_:
		w.caughtUp = true
	}
	w.cursor = m.GetCursor()
	return m
}

// change returns the next change.
func (w *watching) change() *lodgev1.WatchAvailabilityResponse_Change {
	w.Helper()
	for {
		if c := w.next().GetChange(); c != nil {
			return c
		}
	}
}

func (w *watching) catchUp() *watching {
	w.Helper()
	for !w.caughtUp {
		w.next()
	}
	return w
}

// until reads until the reader's calendar is the one that the server tells, which a slow reader may reach in few steps.
func (w *watching) until(s *stack, req *lodgev1.GetAvailabilityRequest) {
	w.Helper()
	answer, _ := must[lodgev1.Availability](w)(s.availability.GetAvailability(context.Background(), connect.NewRequest(req)))
	want := calendar{}
	want.put(answer.GetRoomTypes())
	for !same(w.nights, want) {
		w.next() // ends with the test's own time when it never comes
	}
}

func same(a, b calendar) bool {
	return maps.EqualFunc(a, b, func(a, b map[string]*lodgev1.StayNight) bool {
		return maps.EqualFunc(a, b, func(a, b *lodgev1.StayNight) bool { return proto.Equal(a, b) })
	})
}

func TestWatchSendsTheCalendarAndThenWhatChanges(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	w := s.watch(&lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", EndDate: day(10)})
	if first := w.next().GetCalendar(); first.GetHotel() != "hotels/ritz" || len(first.GetRoomTypes()) != 1 || len(first.GetRoomTypes()[0].GetNights()) != 10 ||
		first.GetRoomTypes()[0].GetDisplayName() != "Double" || first.GetRoomTypes()[0].GetNights()[0].GetAvailableCount() != 10 {
		t.Fatal(first)
	}
	if m := w.next(); m.GetCaughtUp() == nil || len(m.GetCursor().GetPositions()) != 3 {
		t.Fatal(m)
	}
	_, position := s.reserve(stay(3, 5))
	change := w.change()
	nights := change.GetRoomTypes()[0].GetNights()
	if len(change.GetRoomTypes()) != 1 || len(nights) != 2 || !proto.Equal(nights[0].GetDate(), day(3)) || nights[1].GetHeldCount() != 1 || nights[1].GetAvailableCount() != 9 || change.GetPosition() != position {
		t.Errorf("%v, want nights 3 and 4 at %s", change, position)
	}
	no := true
	must[lodgev1.SetRestrictionsResponse](t)(s.inventory.SetRestrictions(t.Context(), connect.NewRequest(&lodgev1.SetRestrictionsRequest{
		RoomType: "hotels/ritz/roomTypes/double", StartDate: day(9), EndDate: day(20), StopSell: &no,
	})))
	if nights := w.change().GetRoomTypes()[0].GetNights(); len(nights) != 1 || !nights[0].GetRestrictions().GetStopSell() {
		t.Errorf("%v, want the last night alone", nights)
	}
	must[lodgev1.RoomType](t)(s.hotels.CreateRoomType(t.Context(), connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
		Parent: "hotels/ritz", RoomTypeId: "suite", RoomType: &lodgev1.RoomType{DisplayName: "Suite", MaxGuests: 4},
	})))
	if types := w.change().GetRoomTypes(); len(types) != 1 || types[0].GetMaxGuests() != 4 || len(types[0].GetNights()) != 10 {
		t.Errorf("%v, want all of the new room type", types)
	}
	must[lodgev1.RoomType](t)(s.hotels.ArchiveRoomType(t.Context(), connect.NewRequest(&lodgev1.ArchiveRoomTypeRequest{Name: "hotels/ritz/roomTypes/suite"})))
	if removed := w.change().GetRemovedRoomTypes(); !slices.Equal(removed, []string{"hotels/ritz/roomTypes/suite"}) {
		t.Errorf("removed %v", removed)
	}
}

func TestWatchGoesOnFromItsCursor(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	s.seedHotel("savoy", "Lisbon", 10)
	req := &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", StartDate: day(0), EndDate: day(20)}
	w := s.watch(req).catchUp()
	w.stop()
	s.reserve(stay(3, 5))
	s.reserve(stay(4, 25))
	s.settle()
	req.Cursor = w.cursor
	again := s.watch(req)
	again.nights = w.nights
	again.catchUp()
	if again.whole != 0 || again.changes != 17 { // 3 to 19
		t.Errorf("%d calendars and %d nights, want those that changed", again.whole, again.changes)
	}
	again.until(s, &lodgev1.GetAvailabilityRequest{Hotel: "hotels/ritz", EndDate: day(20)})
	again.stop()
	req.Cursor = again.cursor
	if idle := s.watch(req).catchUp(); idle.whole+idle.changes != 0 {
		t.Errorf("%d calendars and %d nights although nothing has changed", idle.whole, idle.changes)
	}
	must[lodgev1.RoomType](t)(s.hotels.UpdateRoomType(t.Context(), connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{RoomType: &lodgev1.RoomType{
		Name: "hotels/ritz/roomTypes/double", BaseRate: euros(120),
	}})))
	s.settle()
	if all := s.watch(req).catchUp(); all.whole != 1 {
		t.Errorf("%d calendars although every night costs something else", all.whole)
	}
	for name, positions := range map[string][]string{
		"no position":     {},
		"not a position":  {"x"},
		"two of three":    again.cursor.GetPositions()[:2],
		"one twice":       {again.cursor.GetPositions()[0], again.cursor.GetPositions()[0], again.cursor.GetPositions()[1]},
		"another topic":   append([]string{"payments/0@0"}, again.cursor.GetPositions()[1:]...),
		"beyond the log":  append([]string{beyond(t, again.cursor.GetPositions()[0])}, again.cursor.GetPositions()[1:]...),
		"of another part": append([]string{elsewhere(t, again.cursor.GetPositions()[0])}, again.cursor.GetPositions()[1:]...),
	} {
		req.Cursor = &lodgev1.Cursor{Positions: positions}
		stream, err := s.availability.WatchAvailability(t.Context(), connect.NewRequest(req))
		if err != nil {
			t.Fatal(err)
		}
		for stream.Receive() {
			t.Errorf("%s: %v", name, stream.Msg())
		}
		if reasonOf(stream.Err()) != "INVALID_POSITION" {
			t.Errorf("%s: %v", name, stream.Err())
		}
		stream.Close()
	}
}

func beyond(t *testing.T, text string) string {
	pos, err := log.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	pos.Offset += 1000
	return pos.String()
}

func elsewhere(t *testing.T, text string) string {
	pos, err := log.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	pos.Partition = (pos.Partition + 1) % partitions
	return pos.String()
}

// TestWatchersSeeEverythingInTheEnd: many changes at random, readers that come, go and come back. What they were sent adds up to what there is.
func TestWatchersSeeEverythingInTheEnd(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	rng := rand.New(rand.NewPCG(projectiontest.Seed(t), 5))
	req := func(cursor *lodgev1.Cursor) *lodgev1.WatchAvailabilityRequest {
		return &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", StartDate: day(0), EndDate: day(30), Cursor: cursor}
	}
	readers := []*watching{s.watch(req(nil)).catchUp(), s.watch(req(nil)).catchUp(), s.watch(req(nil)).catchUp()}
	for range 60 {
		in := rng.IntN(29)
		r, _ := s.reserve(stay(in, in+1+rng.IntN(3)))
		if rng.IntN(2) == 0 {
			must[lodgev1.Reservation](t)(s.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: r.GetName()})))
		}
		if i := rng.IntN(3); rng.IntN(8) == 0 {
			old := readers[i]
			old.stop()
			readers[i] = s.watch(req(old.cursor))
			readers[i].nights = old.nights
			if readers[i].catchUp(); readers[i].whole != 0 {
				t.Error("the calendar was sent again")
			}
		}
	}
	s.settle()
	for _, w := range readers {
		w.until(s, &lodgev1.GetAvailabilityRequest{Hotel: "hotels/ritz", EndDate: day(30)})
	}
}

func TestWatchSendsHeartbeatsAndEndsWithTheServer(t *testing.T) {
	s := newStack(t, api.Options{StreamsMax: 1})
	s.seed(10)
	w := s.watch(&lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", HeartbeatInterval: durationpb.New(100 * time.Millisecond)}).catchUp()
	for range 2 {
		if m := w.next(); m.GetHeartbeat() == nil || len(m.GetCursor().GetPositions()) != 3 {
			t.Errorf("got %v, want a heartbeat", m)
		}
	}
	second, err := s.availability.WatchAvailability(t.Context(), connect.NewRequest(&lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz"}))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Receive() {
		t.Fatal(second.Msg())
	}
	expect(t, second.Err(), connect.CodeResourceExhausted, "QUEUE_FULL", "")
	s.api.EndStreams()
	for w.stream.Receive() {
		if w.stream.Msg().GetHeartbeat() == nil {
			t.Error(w.stream.Msg())
		}
	}
	expect(t, w.stream.Err(), connect.CodeUnavailable, "UNAVAILABLE", "")
}

func TestWatchRefuses(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	for _, c := range []struct {
		name   string
		req    *lodgev1.WatchAvailabilityRequest
		code   connect.Code
		reason string
	}{
		{"no hotel", &lodgev1.WatchAvailabilityRequest{}, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
		{"unknown hotel", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/nowhere"}, connect.CodeNotFound, "HOTEL_NOT_FOUND"},
		{"unknown room type", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", RoomType: "hotels/ritz/roomTypes/cave"}, connect.CodeNotFound, "ROOM_TYPE_NOT_FOUND"},
		{"room type of another", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", RoomType: "hotels/savoy/roomTypes/double"}, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
		{"dates", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", StartDate: day(3), EndDate: day(3)}, connect.CodeInvalidArgument, "INVALID_DATES"},
		{"a long range", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", EndDate: day(367)}, connect.CodeInvalidArgument, "INVALID_DATES"},
		{"frantic heartbeat", &lodgev1.WatchAvailabilityRequest{Hotel: "hotels/ritz", HeartbeatInterval: durationpb.New(1)}, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream, err := s.availability.WatchAvailability(t.Context(), connect.NewRequest(c.req))
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
}

// sse reads server-sent events.
func (s *stack) sse(path, last string) (next func() (id, name, data string)) {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		s.Fatal(res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return func() (id, name, data string) {
		for lines.Scan() && lines.Text() != "" {
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

func TestWatchAsServerSentEvents(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(10)
	const path = "/availability?hotel=hotels/ritz&start_date=2026-07-01&end_date=2026-07-11"
	next := s.sse(path, "")
	_, name, data := next()
	var first lodgev1.Availability
	if err := protojson.Unmarshal([]byte(data), &first); name != "calendar" || err != nil || len(first.GetRoomTypes()[0].GetNights()) != 10 {
		t.Fatal(name, data, err)
	}
	id, name, _ := next()
	if name != "caughtup" {
		t.Fatal(name)
	}
	_, position := s.reserve(stay(1, 2))
	for _, from := range []func() (string, string, string){next, s.sse(path, id)} {
		_, name, data := from()
		for name != "change" && name != "" {
			_, name, data = from()
		}
		var change lodgev1.WatchAvailabilityResponse_Change
		if err := protojson.Unmarshal([]byte(data), &change); name != "change" || err != nil || change.GetRoomTypes()[0].GetNights()[0].GetHeldCount() != 1 {
			t.Errorf("%s %s %v after %s", name, data, err, position)
		}
	}
	for path, want := range map[string]int{
		"/availability?hotel=hotels/nowhere":                      http.StatusNotFound,
		"/availability?hotel=hotels/ritz&start_date=tomorrow":     http.StatusBadRequest,
		"/availability?hotel=hotels/ritz&month=7":                 http.StatusBadRequest,
		"/availability?hotel=ritz":                                http.StatusBadRequest,
		"/availability?hotel=hotels/ritz&room_type=hotels/ritz/x": http.StatusBadRequest,
	} {
		res, err := s.client.Get(s.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
}
