package reservations_test

import (
	"slices"
	"testing"

	"lodge/domain/eventpb"
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

// TestForgettingAcrossAMove: of a guest whose reservation lies in the archive nothing is in the list of the account, neither while the row is back nor when it has moved again beside the copy that was left.
func TestForgettingAcrossAMove(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
	m := modelOf(t, l, append(h.Hotels(5), h.Next(1500)...))
	b.Opts.ArchiveDays = 9
	b.Start()
	if b.Archive(t); archivedRows(t, b) == 0 {
		t.Fatal("nothing moved")
	}
	q := reservations.NewQueries(b.Store)
	check := func(when string, forgotten bool) (named int) {
		for _, r := range m.all {
			if r.Guest.GuestID == "" {
				continue
			}
			named++
			found, err := q.ListByGuest(t.Context(), r.Guest.GuestID, reservations.Cursor{}, 1)
			if err != nil || (len(found.Items) == 0) != forgotten {
				t.Fatalf("%s the account %s has %d reservations, error %v", when, r.Guest.GuestID, len(found.Items), err)
			}
		}
		return named
	}
	if named := check("at first", false); named < 10 {
		t.Fatalf("only %d reservations are of an account", named)
	}
	for id, r := range m.all {
		if r.Guest.GuestID != "" {
			l.Append(h.Envelope(&eventpb.GuestForgotten{HotelId: r.HotelID, ReservationId: id}))
		}
	}
	b.CatchUp()
	check("back from the archive", true)
	before := archivedRows(t, b)
	b.Close()
	b.Opts.ArchiveDays = 1
	b.Start()
	q = reservations.NewQueries(b.Store)
	if b.Archive(t); archivedRows(t, b) <= before {
		t.Fatal("nothing moved again")
	}
	check("in the archive again", true)
	b.Close()
}

func archivedRows(t *testing.T, b *projectiontest.Bench) (rows int64) {
	t.Helper()
	for _, y := range b.Store.Status(t.Context())[0].Archive {
		rows += y.Rows
	}
	return rows
}
