package hotels_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/projectiontest"
)

func checkDefaults(t *testing.T, got hotel.RoomTypeDefaults, want *eventpb.RoomType) {
	t.Helper()
	if (got.PhysicalCount == nil) != (want.DefaultPhysicalCount == nil) || got.PhysicalCount != nil && *got.PhysicalCount != want.GetDefaultPhysicalCount() ||
		got.OverbookingLimit != want.GetDefaultOverbookingLimit() || got.OverbookingPercent != want.GetDefaultOverbookingPercent() {
		t.Errorf("defaults %+v, want %v", got, want)
	}
}

func TestRooms(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 9)
	events := append(h.Hotels(5), h.Next(1500)...)
	closed := &eventpb.Room{HotelId: projectiontest.HotelID(0), RoomId: projectiontest.Rooms[0], RoomTypeId: projectiontest.RoomTypes[0], Version: 1 << 20, Archived: true}
	events = append(events, h.Envelope(&eventpb.RoomUpdated{Room: closed})) // an archived one, whatever the seed
	l.Append(events...)
	last, first, updated := map[[2]string]*eventpb.Room{}, map[[2]string]int64{}, map[[2]string]int64{}
	for _, e := range events {
		if m, ok := e.Message.(interface{ GetRoom() *eventpb.Room }); ok {
			key := [2]string{m.GetRoom().GetHotelId(), m.GetRoom().GetRoomId()}
			if last[key] == nil {
				first[key] = e.Time.UnixNano()
			}
			last[key], updated[key] = m.GetRoom(), e.Time.UnixNano()
		}
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return hotels.New() })
	b.Start()
	defer b.Close()
	q := hotels.NewQueries(b.Store)
	for key, want := range last {
		got, err := q.GetRoom(t.Context(), key[0], key[1])
		if err != nil || !proto.Equal(got.Room, want) || got.CreateTime.UnixNano() != first[key] || got.UpdateTime.UnixNano() != updated[key] {
			t.Errorf("%v: %+v, want %v, error %v", key, got, want, err)
		}
	}
	for i := range 9 {
		for _, all := range []bool{false, true} {
			want := slices.DeleteFunc(slices.Clone(projectiontest.Rooms), func(id string) bool {
				return !all && last[[2]string{projectiontest.HotelID(i), id}].GetArchived()
			})
			for _, limit := range []int{1, 2, 0} {
				if got := rooms(t, q, projectiontest.HotelID(i), all, limit); !slices.Equal(got, want) {
					t.Errorf("hotel %d, archived %v, by %d: %v, want %v", i, all, limit, got, want)
				}
			}
		}
	}
	if _, err := q.GetRoom(t.Context(), projectiontest.HotelID(0), "cellar"); !errors.Is(err, domain.RoomNotFound) {
		t.Errorf("unknown room: %v", err)
	}
}

func rooms(t *testing.T, q *hotels.Queries, hotelID string, archived bool, limit int) (ids []string) {
	t.Helper()
	for after, more := "", true; more; {
		var found []hotels.Room
		var err error
		if found, more, err = q.ListRooms(t.Context(), hotelID, archived, after, limit); err != nil || limit > 0 && len(found) > limit {
			t.Fatalf("%d rooms, error %v", len(found), err)
		}
		for _, r := range found {
			ids, after = append(ids, r.Room.GetRoomId()), r.Room.GetRoomId()
		}
	}
	return ids
}

// TestDefaultRates: a rate plan's row has the rates that the horizon's nights are opened with.
func TestDefaultRates(t *testing.T) {
	l, h := projectiontest.NewLog(1), projectiontest.NewHistory(1, 1)
	plan := &eventpb.RatePlan{HotelId: projectiontest.HotelID(0), RatePlanId: "saver", Version: 1,
		DefaultRates: []*eventpb.DefaultRate{{RoomTypeId: "suite", NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 21_000}}}}
	l.Append(append(h.Hotels(5), h.Envelope(&eventpb.RatePlanCreated{RatePlan: plan}))...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return hotels.New() })
	b.Start()
	defer b.Close()
	q := hotels.NewQueries(b.Store)
	got, err := q.GetRatePlan(t.Context(), projectiontest.HotelID(0), "saver")
	if err != nil || !proto.Equal(got.Plan, plan) {
		t.Errorf("%v, error %v", got.Plan, err)
	}
}
