package reservations_test

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

const (
	someReservation = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	someEntry       = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"
)

// TestAnIDBeginsAnew: the engine forgets reservations and entries that ended long ago, and their ids may come again. Nothing of the first life is left but its
// events, whether the second one comes in the same batch or later.
func TestAnIDBeginsAnew(t *testing.T) {
	for name, bulk := range map[string]int{"one batch": 0, "event by event": 1} {
		t.Run(name, func(t *testing.T) {
			l, h := projectiontest.NewLog(1), projectiontest.NewHistory(1, 1)
			l.Append(h.Hotels(5)...)
			for _, m := range lives() {
				l.Append(h.Envelope(m))
			}
			b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
			b.Opts.BulkEvents = bulk
			b.Start()
			defer b.Close()
			checkAnew(t, reservations.NewQueries(b.Store))
		})
	}
}

func checkAnew(t *testing.T, q *reservations.Queries) {
	t.Helper()
	hotel := projectiontest.HotelID(0)
	r, err := q.Get(t.Context(), hotel, someReservation)
	if err != nil || r.RoomTypeID != "single" || r.Stay.CheckIn.String() != "2026-09-01" || r.Stay.Nights() != 2 || r.Guest.GuestID != "guest-2" ||
		r.Status != eventpb.ReservationStatus_RESERVATION_STATUS_PENDING || r.Visit != nil || !reflect.DeepEqual(r.Money, reservations.Money{}) || r.Total.MinorUnits != 300 {
		t.Errorf("%+v, error %v", r, err)
	}
	history, _, err := q.History(t.Context(), hotel, someReservation, 0, 0)
	if err != nil || len(history) != 6 {
		t.Errorf("history %v, error %v", history, err)
	}
	for day, want := range map[string]int{"2026-07-05": 0, "2026-09-03": 1} {
		leaving, _, err := q.Departures(t.Context(), hotel, parse(t, day), reservations.Cursor{}, 10)
		if err != nil || len(leaving) != want {
			t.Errorf("%d leave on %s, error %v", len(leaving), day, err)
		}
	}
	w, err := q.GetWaiter(t.Context(), hotel, someEntry)
	if err != nil || w.State != reservations.Waiting || w.Quantity != 2 || w.Reason != 0 || w.Created != w.Updated {
		t.Errorf("%+v, error %v", w, err)
	}
	waiting, more, err := q.ListWaiters(t.Context(), hotel, false, 0, 10)
	if err != nil || more || len(waiting) != 1 {
		t.Errorf("%d wait, error %v", len(waiting), err)
	}
}

// lives are two lives of one reservation, and of one entry of the waiting list.
func lives() []proto.Message {
	hotel := projectiontest.HotelID(0)
	stay := func(roomType, in, out string, quantity int32) *eventpb.Stay {
		return &eventpb.Stay{RoomTypeId: roomType, Quantity: quantity, CheckInDate: in, CheckOutDate: out}
	}
	first, second := stay("double", "2026-07-02", "2026-07-05", 1), stay("single", "2026-09-01", "2026-09-03", 1)
	join := func(quantity int32) *eventpb.WaitingListJoined {
		return &eventpb.WaitingListJoined{HotelId: hotel, EntryId: someEntry, Stay: stay("double", "2026-07-02", "2026-07-05", quantity), JoinDate: "2026-06-01"}
	}
	return []proto.Message{
		&eventpb.ReservationPlaced{HotelId: hotel, ReservationId: someReservation, Stay: stay("double", "2026-07-01", "2026-07-03", 1),
			CurrencyCode: "EUR", TotalMinorUnits: 200, NightlyMinorUnits: []int64{100, 100}, Guest: &eventpb.Guest{GuestId: "guest-1"}},
		&eventpb.ReservationPaid{HotelId: hotel, ReservationId: someReservation, Stay: first},
		&eventpb.ReservationModified{HotelId: hotel, ReservationId: someReservation, PreviousStay: first, Stay: first, BalanceMinorUnits: 70,
			Status: eventpb.ReservationStatus_RESERVATION_STATUS_PAID, NightlyMinorUnits: []int64{90, 90, 90}, TotalMinorUnits: 270, CurrencyCode: "EUR"},
		&eventpb.GuestCheckedIn{HotelId: hotel, ReservationId: someReservation, RoomIds: []string{"101"}, Date: "2026-07-02"},
		&eventpb.GuestCheckedOut{HotelId: hotel, ReservationId: someReservation, Stay: first, Date: "2026-07-05"},
		join(1), &eventpb.WaitingListLeft{HotelId: hotel, EntryId: someEntry, Reason: eventpb.WaitingListEnd_WAITING_LIST_END_PAST}, join(2),
		&eventpb.ReservationPlaced{HotelId: hotel, ReservationId: someReservation, Stay: second, CurrencyCode: "EUR", TotalMinorUnits: 300,
			NightlyMinorUnits: []int64{150, 150}, Guest: &eventpb.Guest{GuestId: "guest-2"}},
	}
}

// TestALaterLifeEndsOnTheSameDay: two visits under one id that end on one day are one row, and stop nothing.
func TestALaterLifeEndsOnTheSameDay(t *testing.T) {
	l, h := projectiontest.NewLog(1), projectiontest.NewHistory(1, 1)
	l.Append(h.Hotels(5)...)
	for range 2 {
		for _, m := range lives()[:5] {
			l.Append(h.Envelope(m))
		}
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
	b.Start()
	defer b.Close()
	q := reservations.NewQueries(b.Store)
	for day, want := range map[string]int{"2026-07-01": 0, "2026-07-02": 1, "2026-07-04": 1, "2026-07-05": 0} {
		there, _, err := q.InHouse(t.Context(), projectiontest.HotelID(0), parse(t, day), reservations.Cursor{}, 10)
		if err != nil || len(there) != want {
			t.Errorf("%d in house on %s, want %d, error %v", len(there), day, want, err)
		}
	}
}

func parse(t *testing.T, date string) domain.Date {
	t.Helper()
	d, err := domain.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
