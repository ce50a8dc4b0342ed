package hotel

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// livedIn is a hotel with guests in its rooms, guests who left, some who wait and one to whom rooms are offered.
func livedIn(t testing.TB) *State {
	s := New()
	run(t, s, noon, reserved(
		rooms(4), createFlexible(), rates(2, 3, 8_000), with(rates(3, 4, 0), func(c *SetRates) { c.NightlyRate = nil }),
		&ArchiveRoom{Hotel: "grand", Room: "109"}, &UpdateRoom{Hotel: "grand", Room: "s1", OutOfService: ptr(true)},
		&SetInventory{Hotel: "grand", RoomType: "double", Start: day(2026, 8, 1), End: day(2026, 8, 3), OverbookingLimit: ptr(int32(0))},
		arrive(1, "105", "101"), room("99"), place(2, 1, july(1, 4)), confirm(2), arrive(2), depart(2), place(3, 1, july(1, 4)), place(4, 1, july(1, 4)),
		join(1, 1, july(1, 4)), join(2, 2, july(2, 4)),
		with(join(3, 3, july(3, 5)), func(c *JoinWaitingList) { c.RatePlan, c.Guest = "flexible", Guest{ID: "g", Adults: 2, Infants: 1} }),
		cancel(3), offerRooms,
	)...)
	if s.Waiting() != 3 || len(s.waiters.byOffer) != 1 || len(s.book.house.rooms) != 1 {
		t.Fatalf("%d wait, %d offers, %d in house", s.Waiting(), len(s.waiters.byOffer), len(s.book.house.rooms))
	}
	return s
}

// A state that was loaded decides as the one that was saved.
func TestALoadedHouse(t *testing.T) {
	for name, tt := range map[string]struct {
		when   Command
		reason domain.Reason
	}{
		"an occupied room":         {&ArchiveRoom{Hotel: "grand", Room: "101"}, domain.RoomUnavailable},
		"the room of one who left": {&ArchiveRoom{Hotel: "grand", Room: "99"}, ""},
		"an archived room":         {&UpdateRoom{Hotel: "grand", Room: "109"}, domain.RoomArchived},
		"a guest in house":         {cancel(1), domain.StatusConflict},
		"a guest who left":         {cancel(2), domain.StatusConflict},
		"a guest goes":             {depart(1), ""},
		"one who waits":            {join(2, 1, july(1, 4)), domain.WaiterExists},
		"one who goes":             {leave(3), ""},
	} {
		loaded := reload(t, livedIn(t))
		if _, err := Decide(loaded, tt.when, At{Now: noon}); domain.ReasonOf(err) != tt.reason {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
}

// TestEvolveRefusesStaysWithoutChange gives events of rooms, stays and the waiting list that cannot follow.
func TestEvolveRefusesStaysWithoutChange(t *testing.T) {
	doubles := func(n int32) *eventpb.Stay { return stayOf(n, "2026-07-01", "2026-07-04") }
	in := func(n int, rooms ...string) proto.Message {
		return &eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: uuid(n), RoomIds: rooms}
	}
	for name, m := range map[string]proto.Message{
		"a room twice":           &eventpb.RoomCreated{Room: &eventpb.Room{HotelId: "grand", RoomId: "101", RoomTypeId: "double"}},
		"a room without id":      &eventpb.RoomCreated{Room: &eventpb.Room{HotelId: "grand", RoomTypeId: "double"}},
		"a room of no type":      &eventpb.RoomCreated{Room: &eventpb.Room{HotelId: "grand", RoomId: "1", RoomTypeId: "none"}},
		"another hotel's room":   &eventpb.RoomCreated{Room: &eventpb.Room{HotelId: "other", RoomId: "1", RoomTypeId: "double"}},
		"an unknown room":        &eventpb.RoomUpdated{Room: &eventpb.Room{HotelId: "grand", RoomId: "1", RoomTypeId: "double"}},
		"a type that is none":    &eventpb.RoomUpdated{Room: &eventpb.Room{HotelId: "grand", RoomId: "101", RoomTypeId: "none"}},
		"no room":                &eventpb.RoomArchived{},
		"a check-in twice":       in(1, "99", "s1"),
		"an unpaid guest":        in(4, "99"),
		"an unknown guest":       in(20, "99"),
		"a guest of no id":       &eventpb.GuestCheckedIn{HotelId: "grand"},
		"another hotel's guest":  &eventpb.GuestCheckedIn{HotelId: "other", ReservationId: uuid(1)},
		"a check-out of nobody":  &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: uuid(4), Date: "2026-07-01"},
		"a check-out on no day":  &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: uuid(1), Date: "soon"},
		"a check-out twice":      &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: uuid(2), Date: "2026-07-01"},
		"a walk of nobody":       &eventpb.GuestWalked{HotelId: "grand", ReservationId: uuid(20)},
		"waiting twice":          &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(1), Stay: doubles(1)},
		"waiting without id":     &eventpb.WaitingListJoined{HotelId: "grand", Stay: doubles(1)},
		"waiting for nothing":    &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(9)},
		"waiting for no rooms":   &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(9), Stay: doubles(0)},
		"waiting for 256 rooms":  &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(9), Stay: doubles(256)},
		"waiting for no day":     &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(9), Stay: stayOf(1, "2026-07-01", "2026-07-01")},
		"waiting under no plan":  &eventpb.WaitingListJoined{HotelId: "grand", EntryId: entryID(9), Stay: doubles(1), RatePlanId: "none"},
		"an offer to nobody":     &eventpb.WaitingListOffered{HotelId: "grand", EntryId: entryID(9), ReservationId: uuid(30)},
		"an offer of nothing":    &eventpb.WaitingListOffered{HotelId: "grand", EntryId: entryID(2)},
		"an offer twice":         &eventpb.WaitingListOffered{HotelId: "grand", EntryId: entryID(1), ReservationId: uuid(30)},
		"another hotel's offer":  &eventpb.WaitingListOffered{HotelId: "other", EntryId: entryID(2), ReservationId: uuid(30)},
		"an end of no waiting":   &eventpb.WaitingListLeft{HotelId: "grand", EntryId: entryID(9)},
		"an end of what is none": &eventpb.WaitingListLeft{HotelId: "grand"},
	} {
		s := livedIn(t)
		before := s.AppendSnapshot(nil)
		if err := s.Evolve(m); err == nil {
			t.Errorf("%s: taken", name)
		}
		if !slices.Equal(before, s.AppendSnapshot(nil)) {
			t.Errorf("%s: refused, and the state has changed", name)
		}
	}
	s := New()
	run(t, s, noon, reserved()...)
	for name, m := range map[string]proto.Message{
		"too few rooms": in(1, "101"), "one room twice": in(1, "101", "101"), "an unknown room": in(1, "101", "none"), "too many rooms": in(1, "101", "105", "109"),
	} {
		before := s.AppendSnapshot(nil)
		if err := s.Evolve(m); err == nil || !slices.Equal(before, s.AppendSnapshot(nil)) {
			t.Errorf("%s: %v, or the state has changed", name, err)
		}
	}
}
