package eventindex_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/eventindex"
	"lodge/projections/projectiontest"
)

// appended appends events one by one and returns what the index should say, in its order.
func appended(l *projectiontest.Log, events []*event.Envelope) []eventindex.Entry {
	var all []eventindex.Entry
	for _, e := range events {
		pos := l.Append(e)
		all = append(all, eventindex.Entry{Position: pos, Type: e.Type, HotelID: e.HotelID, ID: e.ID, Time: e.Time})
	}
	order := []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}
	slices.SortFunc(all, func(a, b eventindex.Entry) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(slices.Index(order, a.Position.Topic), slices.Index(order, b.Position.Topic)),
			cmp.Compare(a.Position.Partition, b.Position.Partition), cmp.Compare(a.Position.Offset, b.Position.Offset))
	})
	return all
}

func TestListFindsWhatPassesTheFilter(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 6)
	all := appended(l, append(h.Hotels(5), h.Next(300)...))
	b := projectiontest.NewBench(t, l, func() projections.Projector { return eventindex.New() })
	b.Start()
	defer b.Close()
	from, to := all[100].Time, all[200].Time
	for _, c := range []struct {
		name   string
		filter eventindex.Filter
		want   func(e *eventindex.Entry) bool
	}{
		{"all", eventindex.Filter{}, func(*eventindex.Entry) bool { return true }},
		{"topic", eventindex.Filter{Topic: event.InventoryTopic}, func(e *eventindex.Entry) bool { return e.Position.Topic == event.InventoryTopic }},
		{"types", eventindex.Filter{Types: []string{"lodge.reservation.paid.v1"}}, func(e *eventindex.Entry) bool { return e.Type == "lodge.reservation.paid.v1" }},
		{"hotel", eventindex.Filter{HotelID: projectiontest.HotelID(2)}, func(e *eventindex.Entry) bool { return e.HotelID == projectiontest.HotelID(2) }},
		{"time", eventindex.Filter{From: from, To: to}, func(e *eventindex.Entry) bool { return !e.Time.Before(from) && e.Time.Before(to) }},
		{"nothing", eventindex.Filter{From: all[len(all)-1].Time.Add(time.Second)}, func(*eventindex.Entry) bool { return false }},
	} {
		for _, limit := range []int{0, 1, 7, 50} {
			c.filter.Limit = limit
			var want []log.Position
			for i := range all {
				if c.want(&all[i]) {
					want = append(want, all[i].Position)
				}
			}
			if got := pages(t, b.Store, c.filter); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %d events, want %d\n got %v\nwant %v", c.name, limit, len(got), len(want), got, want)
			}
		}
	}
}

func pages(t *testing.T, s *projections.Store, f eventindex.Filter) (found []log.Position) {
	t.Helper()
	for {
		page, err := eventindex.NewQueries(s).List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if f.Limit > 0 && len(page.Items) > f.Limit {
			t.Fatalf("page of %d items, limit %d", len(page.Items), f.Limit)
		}
		for _, e := range page.Items {
			found = append(found, e.Position)
		}
		if page.Next == nil {
			return found
		}
		f.After = *page.Next
	}
}

// TestASubjectsEventsAreFoundInAllTopics: the events of a reservation and those of its payments have one subject.
func TestASubjectsEventsAreFoundInAllTopics(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 6)
	want, hotel := map[string][]log.Position{}, map[string]string{}
	for _, e := range append(h.Hotels(5), h.Next(600)...) {
		pos := l.Append(e)
		if _, offer := e.Message.(*eventpb.WaitingListOffered); offer {
			continue // about the entry
		}
		if m, ok := e.Message.(interface{ GetReservationId() string }); ok {
			want[m.GetReservationId()], hotel[m.GetReservationId()] = append(want[m.GetReservationId()], pos), e.HotelID
		}
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return eventindex.New() })
	b.Start()
	defer b.Close()
	both := 0
	for id, positions := range want {
		got := pages(t, b.Store, eventindex.Filter{HotelID: hotel[id], SubjectID: id})
		for _, list := range [][]log.Position{got, positions} {
			slices.SortFunc(list, func(a, b log.Position) int {
				return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Offset, b.Offset))
			})
		}
		if !slices.Equal(got, positions) {
			t.Errorf("%s: %v, want %v", id, got, positions)
		}
		if positions[0].Topic != positions[len(positions)-1].Topic {
			both++
		}
	}
	if both < 10 {
		t.Errorf("only %d reservations have events in two topics", both)
	}
}

func TestEntriesSayWhatTheEventsSay(t *testing.T) {
	l, h := projectiontest.NewLog(1), projectiontest.NewHistory(projectiontest.Seed(t), 3)
	events := append(h.Hotels(5), h.Next(100)...)
	events[7].ID, events[8].CorrelationID, events[9].CorrelationID = "no-uuid", "", strings.ToUpper(events[9].CorrelationID)
	l.Append(events...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return eventindex.New() })
	b.Start()
	defer b.Close()
	page, err := eventindex.NewQueries(b.Store).List(t.Context(), eventindex.Filter{})
	if err != nil || len(page.Items) != len(events) {
		t.Fatalf("%d entries of %d events, error %v", len(page.Items), len(events), err)
	}
	byID := map[string]eventindex.Entry{}
	for _, e := range page.Items {
		byID[e.ID] = e
	}
	for _, e := range events {
		subject := ""
		switch m := e.Message.(type) {
		case *eventpb.WaitingListOffered:
			subject = m.GetEntryId()
		case interface{ GetReservationId() string }:
			subject = m.GetReservationId()
		case interface{ GetEntryId() string }:
			subject = m.GetEntryId()
		case interface{ GetRoomTypeId() string }:
			subject = m.GetRoomTypeId()
		case *eventpb.RoomTypeCreated:
			subject = m.GetRoomType().GetRoomTypeId()
		case *eventpb.RoomTypeUpdated:
			subject = m.GetRoomType().GetRoomTypeId()
		case *eventpb.RoomCreated:
			subject = m.GetRoom().GetRoomId()
		case *eventpb.RoomUpdated:
			subject = m.GetRoom().GetRoomId()
		}
		got := byID[e.ID]
		want := eventindex.Entry{Position: got.Position, Type: e.Type, HotelID: e.HotelID, SubjectID: subject, ID: e.ID,
			CorrelationID: e.CorrelationID, Time: e.Time}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestFindByID(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 6)
	events := append(h.Hotels(5), h.Next(200)...)
	events[7].ID, events[9].ID = "no-uuid", strings.ToUpper(events[9].ID)
	again := *events[8]
	again.Time = again.Time.Add(time.Hour)
	all := appended(l, events)
	l.Append(&again) // a producer that gives an id twice
	b := projectiontest.NewBench(t, l, func() projections.Projector { return eventindex.New() })
	b.Start()
	defer b.Close()
	q := eventindex.NewQueries(b.Store)
	for _, want := range all {
		got, found, err := q.Find(t.Context(), want.ID)
		if err != nil || !found || got.Position != want.Position || got.ID != want.ID || got.Type != want.Type || got.HotelID != want.HotelID || !got.Time.Equal(want.Time) {
			t.Fatalf("%s: %+v, %v, error %v\nwant %+v", want.ID, got, found, err, want)
		}
	}
	for _, id := range []string{"nothing", strings.ToLower(events[9].ID)} {
		if got, found, err := q.Find(t.Context(), id); found || err != nil {
			t.Errorf("%s: %+v, error %v", id, got, err)
		}
	}
	if _, _, err := q.Find(t.Context(), ""); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("without id: %v", err)
	}
}

func TestEveryTypeHasANumber(t *testing.T) {
	for _, kind := range event.Kinds() {
		if !eventindex.Numbered(kind.Type) {
			t.Errorf("%s is stored as text: append it to types", kind.Type)
		}
	}
}
