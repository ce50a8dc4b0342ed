package hotels_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/projectiontest"
)

func TestQueries(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 9)
	events := append(h.Hotels(5), h.Next(600)...)
	l.Append(events...)
	last, types := map[string]*eventpb.Hotel{}, map[string]*eventpb.RoomType{}
	for _, e := range events {
		switch m := e.Message.(type) {
		case interface{ GetHotel() *eventpb.Hotel }:
			last[m.GetHotel().GetHotelId()] = m.GetHotel()
		case interface{ GetRoomType() *eventpb.RoomType }:
			types[m.GetRoomType().GetHotelId()+"/"+m.GetRoomType().GetRoomTypeId()] = m.GetRoomType()
		}
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return hotels.New() })
	b.Start()
	defer b.Close()
	q := hotels.NewQueries(b.Store)
	checkGets(t, q, last, types)
	for _, f := range []hotels.Filter{{}, {Limit: 1}, {Limit: 4, ShowArchived: true}, {City: "lisbon", Limit: 2}, {City: "nowhere"}} {
		var want []string
		for i := range 9 {
			if x := last[projectiontest.HotelID(i)]; (f.ShowArchived || !x.GetArchived()) && (f.City == "" || strings.EqualFold(strings.TrimSpace(x.GetAddress().GetCity()), f.City)) {
				want = append(want, x.GetHotelId())
			}
		}
		if got := list(t, q, f); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", f, got, want)
		}
	}
	if _, err := q.Get(t.Context(), "nowhere"); !errors.Is(err, domain.HotelNotFound) {
		t.Errorf("unknown hotel: %v", err)
	}
	if _, err := q.GetRoomType(t.Context(), projectiontest.HotelID(0), "x"); !errors.Is(err, domain.RoomTypeNotFound) {
		t.Errorf("unknown room type: %v", err)
	}
}

func TestACityIsFoundHoweverItIsWritten(t *testing.T) {
	l, h := projectiontest.NewLog(2), projectiontest.NewHistory(projectiontest.Seed(t), 3)
	for i, city := range []string{"São Paulo", "Tromsø", "Sao Paulo "} {
		l.Append(h.Envelope(&eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: projectiontest.HotelID(i), Version: 1, Address: &eventpb.Address{City: city}}}))
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return hotels.New() })
	b.Start()
	defer b.Close()
	q := hotels.NewQueries(b.Store)
	for city, want := range map[string][]string{
		"sao paulo": {projectiontest.HotelID(0), projectiontest.HotelID(2)}, "SA\u0303O PAULO": {projectiontest.HotelID(0), projectiontest.HotelID(2)},
		"tromso": {projectiontest.HotelID(1)}, "Sao": nil,
	} {
		if got := list(t, q, hotels.Filter{City: city}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", city, got, want)
		}
	}
}

func checkGets(t *testing.T, q *hotels.Queries, last map[string]*eventpb.Hotel, types map[string]*eventpb.RoomType) {
	t.Helper()
	for id, want := range last {
		got, err := q.Get(t.Context(), id)
		if err != nil || got.Version != want.GetVersion() || got.DisplayName != want.GetDisplayName() || got.Archived != want.GetArchived() ||
			got.Address.City != want.GetAddress().GetCity() || got.HoldTime.Seconds() != 900 || got.HorizonDays != int(want.GetHorizonDays()) || got.UpdateTime.Before(got.CreateTime) {
			t.Errorf("%s: %+v, want %v, error %v", id, got, want, err)
		}
		rooms, more, err := q.ListRoomTypes(t.Context(), id, false, "", 2)
		if err != nil || !more || len(rooms) != 2 {
			t.Fatalf("%s: %v, error %v", id, rooms, err)
		}
		rest, more, err := q.ListRoomTypes(t.Context(), id, false, rooms[1].RoomTypeID, 2)
		if err != nil || more || len(rest) != 1 {
			t.Fatalf("%s: %v, error %v", id, rest, err)
		}
		for _, got := range append(rooms, rest...) {
			want := types[id+"/"+got.RoomTypeID]
			one, err := q.GetRoomType(t.Context(), id, got.RoomTypeID)
			checkDefaults(t, one.Defaults, want)
			if err != nil || one.Version != want.GetVersion() || got.Version != want.GetVersion() || (got.BaseRate == nil) != (want.GetBaseRate() == nil) {
				t.Errorf("%s: %+v, %+v, want %v, error %v", id, got, one, want, err)
			}
		}
	}
}

func list(t *testing.T, q *hotels.Queries, f hotels.Filter) (ids []string) {
	t.Helper()
	for {
		page, err := q.List(t.Context(), f)
		if err != nil || f.Limit > 0 && len(page.Items) > f.Limit {
			t.Fatalf("%d items, error %v", len(page.Items), err)
		}
		for _, h := range page.Items {
			ids = append(ids, h.HotelID)
		}
		if page.Next == nil {
			return ids
		}
		f.After = *page.Next
	}
}
