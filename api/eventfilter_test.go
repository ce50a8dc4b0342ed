package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

const (
	placedType = "lodge.reservation.placed.v1"
	paidType   = "lodge.reservation.paid.v1"
)

// copies makes a topic of 20,000 events of reservations placed, of as many hotels, among which every 5,000th is one of "ritz" paid.
func copies(t *testing.T, s *stack, config log.TopicConfig) {
	t.Helper()
	ctx := context.Background()
	s.seed(10)
	reservation, position := s.reserve(stay(1, 2))
	must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: reservation.GetName()})))
	at, err := log.ParsePosition(position)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.broker.Fetch(ctx, log.FetchRequest{TopicPartition: at.TopicPartition()})
	if err != nil || len(got.Records) != 2 {
		t.Fatalf("%d events, %v", len(got.Records), err)
	}
	if err := s.broker.CreateTopic(ctx, "copies", config); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 20_000; {
		var b log.Batch
		for range 50 {
			r := got.Records[0]
			r.Key = fmt.Appendf(nil, "hotel-%d", i)
			if i%5000 == 2500 {
				r = got.Records[1]
			}
			b.Records = append(b.Records, r)
			i++
		}
		if _, err := s.broker.Append(ctx, log.TopicPartition{Topic: "copies"}, &b); err != nil {
			t.Fatal(err)
		}
	}
}

// counting wraps a file system and counts the bytes read.
func counting(fs vfs.FS) (vfs.FS, *atomic.Int64) {
	read := new(atomic.Int64)
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.ReadAt {
			read.Add(int64(op.Bytes))
		}
		return nil
	})), read
}

// readPages returns all events that ReadEvents gives for req, and in how many pages.
func readPages(t *testing.T, s *stack, req *lodgev1.ReadEventsRequest) (events []*lodgev1.Event, pages int) {
	t.Helper()
	for {
		page, _ := must[lodgev1.ReadEventsResponse](t)(s.events.ReadEvents(context.Background(), connect.NewRequest(req)))
		events = append(events, page.GetEvents()...)
		pages++
		if req.PageToken = page.GetNextPageToken(); req.GetPageToken() == "" {
			return events, pages
		}
	}
}

// TestFilteredEventsAreReadThroughTheIndex: subscriptions and pages that name types or keys get what all hold of them, and read less than a tenth.
func TestFilteredEventsAreReadThroughTheIndex(t *testing.T) {
	fs, read := counting(vfs.NewMem())
	s := newStackOn(t, "data", fs, api.Options{})
	copies(t, s, log.TopicConfig{SegmentBytes: 1 << 20})
	subscribe := func(types, keys []string) ([]*lodgev1.Event, *lodgev1.Cursor, int64) {
		before := read.Load()
		sub := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "copies", Types: types, Keys: keys, Start: &lodgev1.SubscribeRequest_Beginning_{}})
		events, cursor := sub.upToCaughtUp()
		return events, cursor, read.Load() - before
	}
	all, end, allBytes := subscribe(nil, nil)
	var want []string
	for _, e := range all {
		if e.GetType() == paidType {
			want = append(want, e.GetPosition())
		}
	}
	if len(all) != 20_000 || len(want) != 4 {
		t.Fatalf("%d events, %d of them paid", len(all), len(want))
	}
	for name, c := range map[string]struct{ types, keys []string }{
		"type": {types: []string{paidType}}, "key": {keys: []string{"ritz", "nobody"}}, "both": {[]string{paidType, placedType}, []string{"ritz"}},
	} {
		got, cursor, bytes := subscribe(c.types, c.keys)
		if !slices.Equal(positionsOf(got), want) || !slices.Equal(cursor.GetPositions(), end.GetPositions()) {
			t.Errorf("by %s: %v up to %v", name, positionsOf(got), cursor)
		}
		before := read.Load()
		paged, pages := readPages(t, s, &lodgev1.ReadEventsRequest{Topic: "copies", Types: c.types, Keys: c.keys, PageSize: 3})
		pageBytes := read.Load() - before
		if !slices.Equal(positionsOf(paged), want) || pages != 2 {
			t.Errorf("pages by %s: %v in %d", name, positionsOf(paged), pages)
		}
		t.Logf("by %s: all %d bytes, subscription %d, pages %d", name, allBytes, bytes, pageBytes)
		if bytes > allBytes/10 || pageBytes > allBytes/10 {
			t.Errorf("by %s: all %d bytes, subscription %d, pages %d", name, allBytes, bytes, pageBytes)
		}
	}
}

// TestTypesOfATopicWithOtherTags: where the topic's tags are something else, events are still chosen by type.
func TestTypesOfATopicWithOtherTags(t *testing.T) {
	s := newStack(t, api.Options{})
	copies(t, s, log.TopicConfig{TagHeader: "ce_id"})
	got, _ := readPages(t, s, &lodgev1.ReadEventsRequest{Topic: "copies", Types: []string{paidType}, PageSize: 1000})
	if len(got) != 4 {
		t.Errorf("%d events", len(got))
	}
	events, _ := s.subscribe(t, &lodgev1.SubscribeRequest{Topic: "copies", Types: []string{paidType}, Start: &lodgev1.SubscribeRequest_Beginning_{}}).upToCaughtUp()
	if len(events) != 4 {
		t.Errorf("%d events", len(events))
	}
}

// TestTooManyKeys: a stream of server-sent events is refused before it begins.
func TestTooManyKeys(t *testing.T) {
	s := newStack(t, api.Options{})
	var query strings.Builder
	for i := range log.FilterKeysMax + 1 {
		fmt.Fprintf(&query, "&hotel=h%d", i)
	}
	res, err := s.client.Get(s.server.URL + "/events?topic=bookings" + query.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%s: %s", res.Status, body)
	}
}
