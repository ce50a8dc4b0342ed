package reservations_test

import (
	"slices"
	"testing"

	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// TestListsAcrossAMove: a page token that was given before rows moved to the archive leads on behind it.
func TestListsAcrossAMove(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
	m := modelOf(t, l, append(h.Hotels(5), h.Next(1500)...))
	b.Opts.ArchiveDays = -1
	b.Start()
	q := reservations.NewQueries(b.Store)
	hotel := projectiontest.HotelID(0)
	var got []string
	var after reservations.Cursor
	for page := 0; ; page++ {
		found, next, err := q.ListByHotel(t.Context(), hotel, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found {
			got = append(got, r.ReservationID)
		}
		if page == 1 {
			b.Close()
			b.Opts.ArchiveDays = 1
			b.Start()
			b.Archive(t)
			if len(b.Store.Status(t.Context())[0].Archive) == 0 {
				t.Fatal("nothing moved")
			}
			q = reservations.NewQueries(b.Store)
		}
		if next == nil {
			break
		}
		after = *next
	}
	b.Close()
	if want := ids(m.inOrder(func(r *reservations.Reservation) bool { return r.HotelID == hotel })); !slices.Equal(got, want) || len(want) < 30 {
		t.Errorf("%v\nwant %v", got, want)
	}
}
