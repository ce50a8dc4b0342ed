package hotel

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func arrive(n int, rooms ...string) *CheckIn {
	return &CheckIn{Hotel: "grand", ReservationID: uuid(n), Rooms: rooms}
}

func depart(n int) *CheckOut { return &CheckOut{Hotel: "grand", ReservationID: uuid(n)} }

func walkAway(n int) *Walk {
	return &Walk{Hotel: "grand", ReservationID: uuid(n), RelocatedTo: "Hotel Mondego", Note: "Overbooked."}
}

// reserved is a hotel with rooms 109, 101 and 105 of doubles, suite s1, and two paid doubles of the first to the fifth of July.
func reserved(more ...Command) []Command {
	return append(open(
		createSuite(), room("109"), room("101"), room("105"), with(room("s1"), func(c *CreateRoom) { c.RoomType = "suite" }),
		place(1, 2, july(1, 5)), confirm(1),
	), more...)
}

func checkedIn(rooms ...string) []proto.Message {
	return []proto.Message{&eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: uuid(1), RoomIds: rooms, Date: "2026-07-01"}}
}

func TestCheckIn(t *testing.T) {
	runAll(t, []scenario{
		{name: "gives the lowest free rooms", given: reserved(), when: arrive(1), then: checkedIn("101", "105")},
		{name: "gives the rooms that were asked for, of any type", given: reserved(), when: arrive(1, "s1", "105"), then: checkedIn("s1", "105")},
		{
			name:  "leaves out rooms that are out of service or archived",
			given: reserved(room("100"), room("99"), &ArchiveRoom{Hotel: "grand", Room: "100"}, &UpdateRoom{Hotel: "grand", Room: "101", OutOfService: ptr(true)}),
			when:  arrive(1), then: checkedIn("105", "109"),
		},
		{
			name: "on a later night", given: reserved(), now: noon.AddDate(0, 0, 3), when: arrive(1),
			then: []proto.Message{&eventpb.GuestCheckedIn{
				HotelId: "grand", ReservationId: uuid(1), RoomIds: []string{"101", "105"}, Date: "2026-07-04",
			}},
		},
		{
			name: "by the hotel's calendar", given: reserved(), now: time.Date(2026, 7, 4, 23, 0, 0, 0, time.UTC), when: arrive(1), // midnight in Lisbon
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{
			name: "too early", given: open(room("1"), place(1, 1, july(2, 3)), confirm(1)), when: arrive(1),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{
			name: "too late", given: reserved(), now: noon.AddDate(0, 0, 4), when: arrive(1),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{
			name: "unpaid", given: open(room("1"), place(1, 1, july(1, 3))), when: arrive(1),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{name: "canceled", given: reserved(cancel(1)), when: arrive(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "twice", given: reserved(arrive(1)), when: arrive(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "again", given: reserved(arrive(1), depart(1)), when: arrive(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "of nobody", given: reserved(), when: arrive(9), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "too few rooms", given: reserved(), when: arrive(1, "101"), reason: domain.InvalidQuantity, field: "room_ids"},
		{name: "too many rooms", given: reserved(), when: arrive(1, "101", "105", "109"), reason: domain.InvalidQuantity, field: "room_ids"},
		{name: "one room twice", given: reserved(), when: arrive(1, "101", "101"), reason: domain.InvalidArgument, field: "room_ids"},
		{name: "an unknown room", given: reserved(), when: arrive(1, "101", "102"), reason: domain.RoomNotFound, field: "room_ids"},
		{name: "no id of a room", given: reserved(), when: arrive(1, "101", ""), reason: domain.InvalidID, field: "room_ids"},
		{
			name: "an archived room", given: reserved(&ArchiveRoom{Hotel: "grand", Room: "105"}), when: arrive(1, "101", "105"),
			reason: domain.RoomArchived, field: "room_ids",
		},
		{
			name: "a room out of service", given: reserved(&UpdateRoom{Hotel: "grand", Room: "105", OutOfService: ptr(true)}), when: arrive(1, "101", "105"),
			reason: domain.RoomUnavailable, field: "room_ids",
		},
		{
			name: "an occupied room", given: reserved(rooms(9), place(2, 1, july(1, 2)), confirm(2), arrive(2, "105")), when: arrive(1, "101", "105"),
			reason: domain.RoomUnavailable, field: "room_ids",
		},
		{
			name: "with too few free rooms", given: reserved(rooms(9), place(2, 2, july(1, 2)), confirm(2), arrive(2)), when: arrive(1),
			reason: domain.RoomUnavailable, field: "room_ids",
		},
	})
}

func TestCheckOut(t *testing.T) {
	left := func(date string) []proto.Message {
		return []proto.Message{&eventpb.GuestCheckedOut{
			HotelId: "grand", ReservationId: uuid(1), Stay: stayOf(2, "2026-07-01", "2026-07-05"), Date: date,
		}}
	}
	runAll(t, []scenario{
		{name: "early", given: reserved(arrive(1)), now: noon.AddDate(0, 0, 2), when: depart(1), then: left("2026-07-03")},
		{name: "on the day of arrival", given: reserved(arrive(1)), when: depart(1), then: left("2026-07-01")},
		{name: "late", given: reserved(arrive(1)), now: noon.AddDate(0, 0, 9), when: depart(1), then: left("2026-07-10")},
		{name: "before the arrival, as clocks go", given: reserved(arrive(1)), now: noon.AddDate(0, 0, -9), when: depart(1), then: left("2026-07-01")},
		{name: "of nobody", given: reserved(), when: depart(9), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "before the check-in", given: reserved(), when: depart(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "twice", given: reserved(arrive(1), depart(1)), when: depart(1), reason: domain.StatusConflict, field: "reservation_id"},
	})
}

// A guest who leaves gives back the rooms and the nights that are left, and those only.
func TestCheckOutReleasesTheNightsThatAreLeft(t *testing.T) {
	for after, want := range map[int][]int32{0: {0, 0, 0, 0}, 2: {2, 2, 0, 0}, 4: {2, 2, 2, 2}, 9: {2, 2, 2, 2}} {
		s := New()
		run(t, s, noon, reserved(arrive(1))...)
		run(t, s, noon.AddDate(0, 0, after), depart(1))
		s = reload(t, s)
		for i, sold := range want {
			if got := s.Night("double", day(2026, 7, 1+i)); got.SoldCount != sold || got.HeldCount != 0 {
				t.Errorf("out after %d nights: %+v, want %d sold", after, got, sold)
			}
		}
		if s.Status(uuid(1)) != paid {
			t.Errorf("a guest who left is %s", s.Status(uuid(1)))
		}
		run(t, s, noon, rooms(9), place(2, 2, july(1, 2)), confirm(2), arrive(2, "101", "105"))
	}
}

// Nothing but leaving ends a stay that has begun, and nothing at all one that is over.
func TestAGuestWhoArrivedCannotBeCanceled(t *testing.T) {
	for stage, given := range map[string][]Command{"in house": reserved(arrive(1)), "departed": reserved(arrive(1), depart(1))} {
		for name, c := range map[string]Command{"cancel": cancel(1), "no show": noShow(1), "walk": walkAway(1)} {
			t.Run(stage+"/"+name, scenario{given: given, when: c, reason: domain.StatusConflict, field: "reservation_id"}.run)
		}
	}
}

func TestWalk(t *testing.T) {
	walked := func(relocatedTo, note string) []proto.Message {
		return []proto.Message{&eventpb.GuestWalked{
			HotelId: "grand", ReservationId: uuid(1), Stay: stayOf(2, "2026-07-01", "2026-07-05"), RelocatedTo: relocatedTo, Note: note,
		}}
	}
	runAll(t, []scenario{
		{name: "on the day of arrival", given: reserved(), when: walkAway(1), then: walked("Hotel Mondego", "Overbooked.")},
		{name: "later", given: reserved(), now: noon.AddDate(0, 0, 9), when: &Walk{Hotel: "grand", ReservationID: uuid(1)}, then: walked("", "")},
		{
			name: "too early", given: open(place(1, 2, july(2, 5)), confirm(1)), when: walkAway(1),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{name: "unpaid", given: open(place(1, 2, july(1, 5))), when: walkAway(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "twice", given: reserved(walkAway(1)), when: walkAway(1), reason: domain.StatusConflict, field: "reservation_id"},
		{
			name: "to too long a place", given: reserved(), when: with(walkAway(1), func(c *Walk) { c.RelocatedTo = strings.Repeat("x", NameMax+1) }),
			reason: domain.InvalidArgument, field: "relocated_to",
		},
		{
			name: "with too long a note", given: reserved(), when: with(walkAway(1), func(c *Walk) { c.Note = strings.Repeat("x", NoteMax+1) }),
			reason: domain.InvalidArgument, field: "note",
		},
	})
	s := New()
	run(t, s, noon, reserved(walkAway(1))...)
	if got := s.Night("double", day(2026, 7, 1)); s.Status(uuid(1)) != canceled || got.SoldCount != 0 {
		t.Errorf("walked: %s, %+v", s.Status(uuid(1)), got)
	}
}

// What a change has made dearer is paid before the guest gets a room, or at the desk.
func TestCheckInWantsTheBalance(t *testing.T) {
	longer := slices.Clip(reserved(with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(1)}, func(c *ModifyReservation) { c.move(july(1, 6)) })))
	atDesk := with(arrive(1), func(c *CheckIn) { c.SettledAtHotel = true })
	settled := checkedIn("101", "105")
	settled[0].(*eventpb.GuestCheckedIn).SettledAtHotel = &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 20_000}
	runAll(t, []scenario{
		{name: "not before", given: longer, when: arrive(1), reason: domain.BalanceDue, field: "reservation_id"},
		{name: "paid before", given: append(longer, confirm(1)), when: arrive(1), then: checkedIn("101", "105")},
		{name: "settled at the hotel", given: longer, when: atDesk, then: settled},
		{name: "nothing to be settled", given: reserved(), when: atDesk, then: checkedIn("101", "105")},
		{
			name: "settled once", given: append(longer, atDesk), when: confirm(1), reason: domain.StatusConflict, field: "reservation_id",
		},
		{
			name: "no other arrival of a guest in house", given: append(longer, atDesk), reason: domain.StatusConflict, field: "reservation_id",
			when: with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(1)}, func(c *ModifyReservation) { c.move(july(2, 7)) }),
		},
	})
}

// The guest who is walked gets everything back, whatever the terms say.
func TestWalkGivesEverythingBack(t *testing.T) {
	s := New()
	run(t, s, noon, open(createFlexible(), rates(1, 9, 7_000), with(place(1, 1, july(1, 3)), func(c *PlaceReservation) { c.RatePlan = "flexible" }),
		pay(1, 1), captured(1, 1, 14_000), confirmPaid(1, 1, 14_000))...)
	walked := run(t, s, noon, walkAway(1))[0].(*eventpb.GuestWalked)
	if want := (&eventpb.Settlement{CurrencyCode: "EUR", RefundMinorUnits: 14_000}); !proto.Equal(walked.Settlement, want) {
		t.Errorf("%v, want %v", walked.Settlement, want)
	}
	asked := run(t, s, noon, settle(1, 1))
	if len(asked) != 1 || asked[0].(*eventpb.RefundRequested).Amount.MinorUnits != 14_000 {
		t.Errorf("%v", asked)
	}
}

// A guest who is never checked out keeps no room for ever: the room is free when the books of the stay close.
func TestForgottenGuestsLeaveTheirRooms(t *testing.T) {
	s := New()
	run(t, s, noon, reserved(arrive(1))...)
	later := noon.AddDate(0, 0, 60)
	in := domain.Today(later, time.UTC)
	stay := domain.Stay{CheckIn: in, CheckOut: in + 1}
	run(t, s, later, with(rooms(2), func(c *SetInventory) { c.Start, c.End = stay.CheckIn, stay.CheckOut }), place(2, 2, stay), confirm(2))
	if s.Status(uuid(1)) != 0 {
		t.Fatalf("the first guest is not forgotten: %s", s.Status(uuid(1)))
	}
	run(t, s, later, arrive(2, "101", "105"))
	reload(t, s)
}
