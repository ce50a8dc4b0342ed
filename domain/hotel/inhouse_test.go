package hotel

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// lodged is a guest in room 101 from the first to the fourth of July, who paid 30,000 under the plan flexible; 102, 109 and suite s1 are free.
func lodged(more ...Command) []Command {
	p := with(place(1, 1, july(1, 4)), func(c *PlaceReservation) { c.RatePlan = "flexible" })
	return append(open(
		createFlexible(), rates(1, 31, 10_000), createSuite(), room("101"), room("109"), room("102"), with(room("s1"), func(c *CreateRoom) { c.RoomType = "suite" }),
		p, pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000), arrive(1, "101"),
	), more...)
}

// leaveOn changes the day of leaving.
func leaveOn(d int) *ModifyReservation {
	return change(func(c *ModifyReservation) { c.CheckOut = ptr(day(2026, 7, d)) })
}

// staysTo is what follows: a night costs 10,000, and so would canceling.
func staysTo(out string, nights int, balance, refund int64) []proto.Message {
	lines := slices.Repeat([]int64{10_000}, nights)
	return modifiedEvent(stayOf(1, "2026-07-01", out), lines, func(e *eventpb.ReservationModified) {
		e.PreviousStay = stayOf(1, "2026-07-01", "2026-07-04")
		ofPaid(balance, refund, 10_000)(e)
	})
}

func limitOn(d int, change func(*SetRestrictions)) *SetRestrictions {
	return with(&SetRestrictions{Hotel: "grand", RoomType: "double", Start: day(2026, 7, d), End: day(2026, 7, d+1)}, change)
}

func TestAGuestStaysLongerOrLeavesEarlier(t *testing.T) {
	second := noon.AddDate(0, 0, 1)
	shut := limitOn(1, func(c *SetRestrictions) { c.ClosedToArrival, c.StopSell = ptr(true), ptr(true) })
	runAll(t, []scenario{
		{name: "longer", given: lodged(), now: second, when: leaveOn(5), then: staysTo("2026-07-05", 4, 10_000, 0)},
		{name: "longer, on the day of leaving", given: lodged(), now: noon.AddDate(0, 0, 3), when: leaveOn(5), then: staysTo("2026-07-05", 4, 10_000, 0)},
		{name: "longer, when the day of leaving is over", given: lodged(), now: noon.AddDate(0, 0, 4), when: leaveOn(6), then: staysTo("2026-07-06", 5, 20_000, 0)},
		{name: "shorter", given: lodged(), now: second, when: leaveOn(3), then: staysTo("2026-07-03", 2, 0, 10_000)},
		{name: "today", given: lodged(), now: noon.AddDate(0, 0, 2), when: leaveOn(3), then: staysTo("2026-07-03", 2, 0, 10_000)},
		{name: "longer, although nobody may arrive on their day any more, nor stay that night", given: lodged(shut), now: second, when: leaveOn(5), then: staysTo("2026-07-05", 4, 10_000, 0)},
		{
			name: "not on a night that is sold", given: lodged(rooms(1), place(2, 1, july(5, 6))), now: second, when: leaveOn(6),
			reason: domain.SoldOut, field: "stay", nights: []domain.Date{day(2026, 7, 5)},
		},
		{
			name: "not on a night that is not sold", given: lodged(limitOn(4, func(c *SetRestrictions) { c.StopSell = ptr(true) })), now: second, when: leaveOn(5),
			reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 4)},
		},
		{
			name: "not on a day when nobody leaves", given: lodged(limitOn(5, func(c *SetRestrictions) { c.ClosedToDeparture = ptr(true) })), now: second, when: leaveOn(5),
			reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 5)},
		},
		{name: "not longer than the plan allows", given: lodged(), now: second, when: leaveOn(7), reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 1)}},
		{name: "not shorter than the plan allows", given: lodged(), when: leaveOn(2), reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 1)}},
		{name: "not in the past", given: lodged(), now: noon.AddDate(0, 0, 3), when: leaveOn(3), reason: domain.PastDate, field: "check_out_date"},
		{name: "not before the arrival", given: lodged(), when: leaveOn(1), reason: domain.InvalidDates, field: "check_out_date"},
		{
			name: "not in more rooms", given: lodged(), when: change(func(c *ModifyReservation) { c.Quantity = ptr(int32(2)) }),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{
			name: "not in rooms of another type", given: lodged(), when: change(func(c *ModifyReservation) { c.RoomType = ptr("suite") }),
			reason: domain.StatusConflict, field: "reservation_id",
		},
		{name: "not when they have left", given: lodged(depart(1)), now: second, when: leaveOn(5), reason: domain.StatusConflict, field: "reservation_id"},
	})
}

// The nights that a guest gives up are free at once, and those that they get are taken.
func TestNightsOfAGuestWhoStaysLonger(t *testing.T) {
	for out, want := range map[int][]int32{3: {1, 1, 0, 0, 0}, 4: {1, 1, 1, 0, 0}, 6: {1, 1, 1, 1, 1}} {
		s := New()
		run(t, s, noon, lodged()...)
		run(t, s, noon.AddDate(0, 0, 1), leaveOn(out))
		s = reload(t, s)
		for i, sold := range want {
			if n := s.Night("double", day(2026, 7, 1+i)); n.SoldCount != sold {
				t.Errorf("until %d: %d rooms are sold on July %d, want %d", out, n.SoldCount, 1+i, sold)
			}
		}
	}
}

func TestCheckOutWantsTheBalance(t *testing.T) {
	longer := lodged(leaveOn(5))
	left := func(settled *eventpb.Money) []proto.Message {
		return []proto.Message{&eventpb.GuestCheckedOut{
			HotelId: "grand", ReservationId: uuid(1), Stay: stayOf(1, "2026-07-01", "2026-07-05"), Date: "2026-07-05", SettledAtHotel: settled,
		}}
	}
	fifth := noon.AddDate(0, 0, 4)
	atDesk := with(depart(1), func(c *CheckOut) { c.SettledAtHotel = true })
	unpaid := with(depart(1), func(c *CheckOut) { c.LeftUnpaid = true })
	runAll(t, []scenario{
		{name: "before", given: longer, now: fifth, when: depart(1), reason: domain.BalanceDue, field: "reservation_id"},
		{name: "at the desk", given: longer, now: fifth, when: atDesk, then: left(&eventpb.Money{CurrencyCode: "EUR", MinorUnits: 10_000})},
		{name: "or lets them go", given: longer, now: fifth, when: unpaid, then: left(nil)},
		{name: "which does not settle it", given: append(slices.Clone(longer), unpaid), when: confirm(1), then: []proto.Message{
			&eventpb.ReservationBalancePaid{HotelId: "grand", ReservationId: uuid(1), Amount: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 10_000}},
		}},
		{name: "settled once", given: append(slices.Clone(longer), atDesk), when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
	})
}

func TestMoveGuest(t *testing.T) {
	to := func(from, to string) *MoveGuest {
		return &MoveGuest{Hotel: "grand", ReservationID: uuid(1), From: from, To: to, Note: "The shower leaks."}
	}
	moved := func(from, to string) []proto.Message {
		return []proto.Message{&eventpb.GuestMoved{HotelId: "grand", ReservationId: uuid(1), FromRoomId: from, ToRoomId: to, Date: "2026-07-01", Note: "The shower leaks."}}
	}
	out := &UpdateRoom{Hotel: "grand", Room: "102", OutOfService: ptr(true)}
	two := reserved(arrive(1))
	runAll(t, []scenario{
		{name: "to another room", given: lodged(), when: to("101", "109"), then: moved("101", "109")},
		{name: "of another type", given: lodged(), when: to("", "s1"), then: moved("101", "s1")},
		{name: "to the lowest that is free", given: lodged(), when: to("", ""), then: moved("101", "102")},
		{name: "and is in service", given: lodged(out), when: to("", ""), then: moved("101", "109")},
		{name: "one of two", given: two, when: to("105", "109"), then: moved("105", "109")},
		{name: "one of two, without saying which", given: two, when: to("", "109"), reason: domain.InvalidArgument, field: "from_room_id"},
		{name: "to the room that they are in", given: lodged(), when: to("101", "101"), reason: domain.RoomUnavailable, field: "to_room_id"},
		{name: "to one out of service", given: lodged(out), when: to("", "102"), reason: domain.RoomUnavailable, field: "to_room_id"},
		{name: "to one that is not there", given: lodged(), when: to("", "7"), reason: domain.RoomNotFound, field: "to_room_id"},
		{name: "from one that they are not in", given: lodged(), when: to("102", "109"), reason: domain.RoomNotFound, field: "from_room_id"},
		{name: "from no room's id", given: lodged(), when: to("!", "109"), reason: domain.InvalidID, field: "from_room_id"},
		{name: "before they come", given: reserved(), when: to("101", "109"), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "of nobody", given: open(), when: to("101", "109"), reason: domain.ReservationNotFound, field: "reservation_id"},
	})
	t.Run("the old room is free and the new one is not", func(t *testing.T) {
		s := New()
		run(t, s, noon, lodged(to("", "109"), rooms(9), place(2, 1, july(1, 2)), confirm(2))...)
		s = reload(t, s)
		if _, err := Decide(s, arrive(2, "109"), At{Now: noon}); domain.ReasonOf(err) != domain.RoomUnavailable {
			t.Errorf("room 109: %v", err)
		}
		run(t, s, noon, arrive(2, "101"), depart(1), &ArchiveRoom{Hotel: "grand", Room: "109"})
	})
}
