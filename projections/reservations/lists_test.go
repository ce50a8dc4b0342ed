package reservations_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// both returns a store with the read models of reservations and payments that has applied the log.
func both(t *testing.T, l *projectiontest.Log) (*projections.Store, func()) {
	t.Helper()
	s, err := projections.Open(t.TempDir(), l, []projections.Projector{reservations.New(), payments.New()},
		projections.Options{Partitions: 3, Logger: projectiontest.Quiet(), WaitMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{reservations.Name, payments.Name} {
		for _, pos := range l.Ends() {
			if err := s.WaitFor(t.Context(), name, pos); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	}
}

type page func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error)

// checkPages compares a list, by pages of several sizes.
func checkPages(t *testing.T, name string, list page, want []*reservations.Reservation) {
	t.Helper()
	for _, limit := range []int{1, 3, 1000} {
		var got []string
		for next := (&reservations.Cursor{}); next != nil; {
			items, more, err := list(*next, limit)
			if err != nil || len(items) > limit {
				t.Fatalf("%s: %d items, error %v", name, len(items), err)
			}
			for _, r := range items {
				got = append(got, r.ReservationID)
			}
			next = more
		}
		if !slices.Equal(got, ids(want)) {
			t.Errorf("%s by %d: %v, want %v", name, limit, got, ids(want))
		}
	}
}

func ids(list []*reservations.Reservation) (ids []string) {
	for _, r := range list {
		ids = append(ids, r.ReservationID)
	}
	return ids
}

func TestLists(t *testing.T) {
	m, q := started(t, 900)
	hotel, guest, from, to := projectiontest.HotelID(3), "guest-7", projectiontest.Day.AddDays(5), projectiontest.Day.AddDays(15)
	for _, c := range []struct {
		name string
		list page
		want func(*reservations.Reservation) bool
	}{
		{"hotel", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByHotel(t.Context(), hotel, after, limit)
		}, func(r *reservations.Reservation) bool { return r.HotelID == hotel }},
		{"arrival", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByArrival(t.Context(), hotel, from, to, after, limit)
		}, func(r *reservations.Reservation) bool {
			return r.HotelID == hotel && from <= r.Stay.CheckIn && r.Stay.CheckIn < to
		}},
		{"guest at hotel", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByGuestAtHotel(t.Context(), guest, hotel, after, limit)
		}, func(r *reservations.Reservation) bool { return r.HotelID == hotel && r.Guest.GuestID == guest }},
		{"guest", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			found, err := q.ListByGuest(t.Context(), guest, after, limit)
			return found.Items, found.Next, err
		}, func(r *reservations.Reservation) bool { return r.Guest.GuestID == guest }},
		{"no guest", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			found, err := q.ListByGuest(t.Context(), "", after, limit)
			return found.Items, found.Next, err
		}, func(*reservations.Reservation) bool { return false }},
	} {
		checkPages(t, c.name, c.list, m.inOrder(c.want))
	}
}

// stands reports whether a guest is expected, there or has been there.
func stands(r *reservations.Reservation) bool {
	return r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PENDING || r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PAID
}

// leaving returns the day on which a guest leaves, or has left.
func leaving(r *reservations.Reservation) domain.Date {
	if r.Visit != nil && !r.Visit.LeaveTime.IsZero() {
		return r.Visit.Left
	}
	return r.Stay.CheckOut
}

// TestDays: who arrives, leaves and is there on each day of each hotel.
func TestDays(t *testing.T) {
	m, q := started(t, 2500)
	found := [3]int{}
	for i := range testHotels {
		for j := range 60 {
			n := checkDay(t, m, q, projectiontest.HotelID(i), projectiontest.Day.AddDays(j-2))
			for k := range n {
				found[k] += n[k]
			}
		}
	}
	if slices.Contains(found[:], 0) {
		t.Errorf("arrivals, departures and guests %v: the test tests nothing", found)
	}
}

func checkDay(t *testing.T, m *model, q *reservations.Queries, hotel string, day domain.Date) [3]int {
	t.Helper()
	arriving := m.inOrder(func(r *reservations.Reservation) bool {
		return r.HotelID == hotel && stands(r) && r.Stay.CheckIn == day
	})
	checkPages(t, "arrivals", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
		return q.Arrivals(t.Context(), hotel, day, after, limit)
	}, arriving)
	departing := m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == hotel && stands(r) && leaving(r) == day })
	checkPages(t, "departures", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
		return q.Departures(t.Context(), hotel, day, after, limit)
	}, departing)
	there := m.there(hotel, day)
	checkPages(t, "in house", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
		return q.InHouse(t.Context(), hotel, day, after, limit)
	}, there)
	return [3]int{len(arriving), len(departing), len(there)}
}

// there returns who is in the house at the end of a day, by the day of leaving.
func (m *model) there(hotel string, day domain.Date) []*reservations.Reservation {
	until := func(r *reservations.Reservation) int {
		if r.InHouse() {
			return math.MaxInt
		}
		return int(r.Visit.Left)
	}
	found := m.inOrder(func(r *reservations.Reservation) bool {
		return r.HotelID == hotel && r.Visit != nil && r.Visit.Arrived <= day && until(r) > int(day)
	})
	slices.SortFunc(found, func(a, b *reservations.Reservation) int {
		return cmp.Or(cmp.Compare(until(a), until(b)), cmp.Compare(a.ReservationID, b.ReservationID))
	})
	return found
}

func TestGroups(t *testing.T) {
	m, q := started(t, 900)
	groups := map[[2]string]int{}
	for _, r := range m.all {
		if r.GroupID != "" {
			groups[[2]string{r.HotelID, r.GroupID}]++
		}
	}
	if len(groups) == 0 {
		t.Fatal("there are no groups")
	}
	for group := range groups {
		want := m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == group[0] && r.GroupID == group[1] })
		slices.SortFunc(want, func(a, b *reservations.Reservation) int { return cmp.Compare(a.ReservationID, b.ReservationID) })
		checkPages(t, "group", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByGroup(t.Context(), group[0], group[1], after, limit)
		}, want)
	}
	if found, next, err := q.ListByGroup(t.Context(), projectiontest.HotelID(0), "", reservations.Cursor{}, 10); len(found) > 0 || next != nil || err != nil {
		t.Errorf("no group: %d reservations, error %v", len(found), err)
	}
}

func TestWaitingList(t *testing.T) {
	m, q := started(t, 2500)
	states, offered := map[reservations.WaiterState]int{}, 0
	for id, want := range m.waiters {
		states[want.State]++
		if want.ReservationID != "" {
			offered++
		}
		got, err := q.GetWaiter(t.Context(), want.HotelID, id)
		if err != nil || !reflect.DeepEqual(&got, want) {
			t.Errorf("got  %+v, error %v\nwant %+v", got, err, *want)
		}
	}
	if len(states) < 2 || offered == 0 {
		t.Errorf("entries by state: %v, %d had an offer", states, offered)
	}
	if _, err := q.GetWaiter(t.Context(), projectiontest.HotelID(0), "nobody"); !errors.Is(err, domain.WaiterNotFound) {
		t.Errorf("unknown entry: %v", err)
	}
	for i := range testHotels {
		for _, ended := range []bool{false, true} {
			want := m.list(func(w *reservations.Waiter) bool {
				return w.HotelID == projectiontest.HotelID(i) && (ended || w.State != reservations.Ended)
			}, func(a, b *reservations.Waiter) int { return cmp.Compare(a.Created, b.Created) })
			for _, limit := range []int{1, 4, 0} {
				if got := waiting(t, q, projectiontest.HotelID(i), ended, limit); !slices.Equal(got, want) {
					t.Errorf("hotel %d, ended %v, by %d: %v, want %v", i, ended, limit, got, want)
				}
			}
		}
	}
	for _, limit := range []int{1, 4, 0} {
		checkWaitersOfGuest(t, q, m, limit)
	}
}

// list returns the ids of the entries that are wanted.
func (m *model) list(want func(*reservations.Waiter) bool, compare func(a, b *reservations.Waiter) int) (ids []string) {
	for _, w := range slices.SortedFunc(maps.Values(m.waiters), compare) {
		if want(w) {
			ids = append(ids, w.EntryID)
		}
	}
	return ids
}

func waiting(t *testing.T, q *reservations.Queries, hotel string, ended bool, limit int) (ids []string) {
	t.Helper()
	for from, more := log.Offset(0), true; more; {
		var found []reservations.Waiter
		var err error
		if found, more, err = q.ListWaiters(t.Context(), hotel, ended, from, limit); err != nil || limit > 0 && len(found) > limit {
			t.Fatalf("%d entries, error %v", len(found), err)
		}
		for _, w := range found {
			ids, from = append(ids, w.EntryID), w.Created+1
		}
	}
	return ids
}

func checkWaitersOfGuest(t *testing.T, q *reservations.Queries, m *model, limit int) {
	t.Helper()
	want := m.list(func(w *reservations.Waiter) bool { return w.Guest.GuestID == "guest-7" },
		func(a, b *reservations.Waiter) int { return cmp.Compare(a.EntryID, b.EntryID) })
	var got []string
	for after := (&reservations.WaiterCursor{}); after != nil; {
		found, err := q.ListWaitersByGuest(t.Context(), "guest-7", *after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range found.Items {
			got = append(got, w.EntryID)
		}
		after = found.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("a guest's entries by %d: %v, want %v", limit, got, want)
	}
}
