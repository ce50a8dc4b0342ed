package reservations_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"lodge/domain/eventpb"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// TestOnly: lists that leave some out have all others, in the same order, hot and cold, however little a page looks at.
func TestOnly(t *testing.T) {
	m, q := started(t, 2500)
	hotel, day, guest := projectiontest.HotelID(3), projectiontest.Day.AddDays(20), "guest-7"
	from, to := projectiontest.Day.AddDays(5), projectiontest.Day.AddDays(25)
	looked := 0
	paid := func(r *reservations.Reservation) (bool, error) {
		looked++
		return r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PAID, nil
	}
	lists := []struct {
		name string
		list func(*reservations.Queries) page
		want []*reservations.Reservation
	}{
		{"hotel", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.ListByHotel(t.Context(), hotel, after, limit)
			}
		}, m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == hotel })},
		{"arrival", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.ListByArrival(t.Context(), hotel, from, to, after, limit)
			}
		}, m.inOrder(func(r *reservations.Reservation) bool {
			return r.HotelID == hotel && from <= r.Stay.CheckIn && r.Stay.CheckIn < to
		})},
		{"guest at hotel", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.ListByGuestAtHotel(t.Context(), guest, hotel, after, limit)
			}
		}, m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == hotel && r.Guest.GuestID == guest })},
		{"arrivals", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.Arrivals(t.Context(), hotel, day, after, limit)
			}
		}, m.inOrder(func(r *reservations.Reservation) bool {
			return r.HotelID == hotel && stands(r) && r.Stay.CheckIn == day
		})},
		{"departures", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.Departures(t.Context(), hotel, day, after, limit)
			}
		}, m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == hotel && stands(r) && leaving(r) == day })},
		{"in house", func(q *reservations.Queries) page {
			return func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				return q.InHouse(t.Context(), hotel, day, after, limit)
			}
		}, m.there(hotel, day)},
	}
	for _, l := range lists {
		want := slices.DeleteFunc(slices.Clone(l.want), func(r *reservations.Reservation) bool { has, _ := paid(r); return !has })
		for _, look := range []int{1, 7, 5000} {
			short := 0
			list := l.list(q.Only(paid, look))
			checkPages(t, l.name, func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
				looked = 0
				found, next, err := list(after, limit)
				if places := 4; looked > look*places {
					t.Errorf("%s: a page looked at %d reservations, and at %d in each place at most", l.name, looked, look)
				}
				if next != nil && len(found) < limit {
					short++
				}
				return found, next, err
			}, want)
			if l.name == "hotel" && (len(want) == 0 || len(want) == len(l.want) || short > 0 != (look < 5000)) {
				t.Errorf("%d of %d are paid, %d short pages of %d: the test tests nothing", len(want), len(l.want), short, look)
			}
		}
	}
	refused := errors.New("not today")
	for _, l := range lists {
		if _, _, err := l.list(q.Only(func(*reservations.Reservation) (bool, error) { return false, refused }, 9))(reservations.Cursor{}, 1); !errors.Is(err, refused) && len(l.want) > 0 {
			t.Errorf("%s: error %v", l.name, err)
		}
	}
}

// TestOnlyInGroups: the rest of a group is in order, and nothing is left out that is to be kept.
func TestOnlyInGroups(t *testing.T) {
	m, q := started(t, 900)
	odd := func(r *reservations.Reservation) (bool, error) { return r.Stay.CheckIn%2 == 1, nil }
	kept := 0
	for _, r := range m.all {
		if r.GroupID == "" {
			continue
		}
		want := m.inOrder(func(o *reservations.Reservation) bool {
			return o.HotelID == r.HotelID && o.GroupID == r.GroupID && o.Stay.CheckIn%2 == 1
		})
		slices.SortFunc(want, func(a, b *reservations.Reservation) int { return cmp.Compare(a.ReservationID, b.ReservationID) })
		kept += len(want)
		checkPages(t, "group", func(after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.Only(odd, 1).ListByGroup(t.Context(), r.HotelID, r.GroupID, after, limit)
		}, want)
	}
	if kept == 0 {
		t.Error("the test tests nothing")
	}
}
