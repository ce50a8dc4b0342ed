package reservations_test

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

const testHotels = 6

// ours are the types of the events that a reservation's history may have.
func ours() (types []string) {
	for _, kind := range event.Kinds() {
		_, ok := kind.New().(interface{ GetReservationId() string })
		if ok && kind.Topic == event.BookingsTopic && kind.Type != "lodge.waiting_list.offered.v1" {
			types = append(types, kind.Type)
		}
	}
	return types
}

// started returns a read model of random events, at least so many and of all kinds, and what it should say.
func started(t *testing.T, events int) (*model, *reservations.Queries) {
	t.Helper()
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	m := modelOf(t, l, append(h.Hotels(5), h.NextWith(events, ours())...))
	b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
	b.Opts.BulkEvents = 50 // so that reservations begin in one batch and go on in others
	b.Opts.ArchiveDays = 20
	b.Start()
	t.Cleanup(b.Close)
	if st := b.Store.Status(t.Context()); len(st[0].Archive) == 0 {
		t.Fatal("nothing is in the archive")
	}
	return m, reservations.NewQueries(b.Store)
}

// TestGetAndHistory: whatever may happen to a reservation, the row says what the events say one by one.
func TestGetAndHistory(t *testing.T) {
	m, q := started(t, 4000)
	seen := map[string]bool{}
	for id, want := range m.all {
		got, err := q.Get(t.Context(), want.HotelID, id)
		if err != nil {
			t.Fatal(err)
		}
		check(t, &got, want)
		history, more, err := q.History(t.Context(), want.HotelID, id, 0, 0)
		if err != nil || more || !slices.Equal(history, m.history[id]) {
			t.Fatalf("%s: history %v, error %v\nwant %v", id, history, err, m.history[id])
		}
		for _, e := range history {
			seen[e.Type] = true
		}
	}
	for _, name := range ours() {
		if !seen[name] {
			t.Errorf("no reservation's history has %s", name)
		}
	}
	if _, err := q.Get(t.Context(), "nowhere", "nobody"); !errors.Is(err, domain.ReservationNotFound) {
		t.Errorf("unknown reservation: %v", err)
	}
}

// check compares all that a reservation has.
func check(t *testing.T, got, want *reservations.Reservation) {
	t.Helper()
	if !proto.Equal(got.Terms, want.Terms) || !proto.Equal(got.Money.Settlement, want.Money.Settlement) {
		t.Errorf("%s: terms %v, want %v; settlement %v, want %v", want.ReservationID, got.Terms, want.Terms, got.Money.Settlement, want.Money.Settlement)
	}
	same := *got
	same.Terms, same.Money.Settlement = want.Terms, want.Money.Settlement
	if !reflect.DeepEqual(&same, want) {
		t.Errorf("got  %+v %+v\nwant %+v %+v", same, same.Visit, *want, want.Visit)
	}
	if got.InHouse() != (want.Visit != nil && want.Visit.LeaveTime.IsZero()) {
		t.Errorf("%s: in house %v, visit %+v", want.ReservationID, got.InHouse(), want.Visit)
	}
}

// TestHistoryInPages: from any offset on, any number of entries.
func TestHistoryInPages(t *testing.T) {
	m, q := started(t, 600)
	for id, r := range m.all {
		all := m.history[id]
		for i := range all {
			got, more, err := q.History(t.Context(), r.HotelID, id, all[i].Position.Offset, 2)
			if want := all[i:min(i+2, len(all))]; err != nil || more != (len(all) > i+2) || !slices.Equal(got, want) {
				t.Fatalf("%s from %d: %v, more %v, error %v\nwant %v", id, i, got, more, err, want)
			}
		}
	}
}

// TestLife: a reservation's events and those of its payments are found together, each once, however they are paged.
func TestLife(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	m := modelOf(t, l, append(h.Hotels(5), h.Next(1200)...))
	store, stop := both(t, l)
	defer stop()
	q, pay := reservations.NewQueries(store), payments.NewQueries(store)
	mixed := 0
	for id, r := range m.all {
		var want []log.Position
		for _, e := range m.history[id] {
			want = append(want, e.Position)
		}
		want = append(want, m.paid[id]...)
		if len(m.paid[id]) > 0 {
			mixed++
		}
		for _, limit := range []int{0, 1, 3} {
			got := life(t, q, pay, r, limit)
			bookings := slices.IndexFunc(got, func(p log.Position) bool { return p.Topic == event.BookingsTopic })
			if bookings != 0 {
				t.Errorf("%s by %d: %v does not begin with what it begins with", id, limit, got)
			}
			slices.SortStableFunc(got, func(a, b log.Position) int { return cmp.Compare(a.Topic, b.Topic) })
			if !slices.Equal(got, want) {
				t.Fatalf("%s by %d: %v\nwant %v", id, limit, got, want)
			}
		}
	}
	if mixed < 10 {
		t.Errorf("only %d reservations have payments", mixed)
	}
}

func life(t *testing.T, q *reservations.Queries, pay *payments.Queries, r *reservations.Reservation, limit int) (all []log.Position) {
	t.Helper()
	for from := (&reservations.Places{}); from != nil; {
		found, next, err := q.Life(t.Context(), pay, r.HotelID, r.ReservationID, *from, limit)
		if err != nil || limit > 0 && len(found) > limit || next != nil && len(found) == 0 {
			t.Fatalf("%d of %d events, next %v, error %v", len(found), limit, next, err)
		}
		all, from = append(all, found...), next
	}
	return all
}

// inOrder returns the reservations that are wanted, in the order of most lists.
func (m *model) inOrder(want func(*reservations.Reservation) bool) []*reservations.Reservation {
	found := slices.DeleteFunc(slices.Collect(maps.Values(m.all)), func(r *reservations.Reservation) bool { return !want(r) })
	slices.SortFunc(found, func(a, b *reservations.Reservation) int {
		return cmp.Or(cmp.Compare(a.Stay.CheckIn, b.Stay.CheckIn), cmp.Compare(a.HotelID, b.HotelID), cmp.Compare(a.ReservationID, b.ReservationID))
	})
	return found
}
