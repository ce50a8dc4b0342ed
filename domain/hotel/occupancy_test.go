package hotel

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// party asks for rooms for so many guests. A double takes four.
func party(n int, quantity int32, g Guest) *PlaceReservation {
	return with(place(n, quantity, july(1, 3)), func(c *PlaceReservation) { c.Guest = g })
}

func TestOccupancy(t *testing.T) {
	fewer := &UpdateRoomType{Hotel: "grand", RoomType: "double", MaxGuests: ptr(int32(2))}
	unsaid := &UpdateRoomType{Hotel: "grand", RoomType: "double", MaxGuests: ptr(int32(0))}
	stood := open(party(1, 1, Guest{Adults: 3, Children: 1}), fewer)
	runAll(t, []scenario{
		{name: "a room takes its guests", given: open(), when: party(1, 1, Guest{Adults: 3, Children: 1, Infants: 2}), then: places(1, Guest{Adults: 3, Children: 1, Infants: 2})},
		{name: "two rooms take twice as many", given: open(), when: party(1, 2, Guest{Adults: 8}), then: places(2, Guest{Adults: 8})},
		{name: "any number, when the room type does not say", given: open(unsaid), when: party(1, 1, Guest{Adults: 9}), then: places(1, Guest{Adults: 9})},
		{name: "not one more", given: open(), when: party(1, 1, Guest{Adults: 4, Children: 1}), reason: domain.OccupancyExceeded, field: "guest"},
		{name: "nor in two rooms", given: open(), when: party(1, 2, Guest{Adults: 9}), reason: domain.OccupancyExceeded, field: "guest"},
		{name: "nor when there is no room anyway", given: full(), when: party(3, 1, Guest{Adults: 5}), reason: domain.OccupancyExceeded, field: "guest"},
		{name: "nor in a group", given: open(), when: group(party(1, 1, Guest{Adults: 4}), party(2, 1, Guest{Adults: 5})), reason: domain.OccupancyExceeded, field: "reservations[1].guest"},
		{
			name: "nor on the waiting list", given: full(), when: with(join(1, 1, july(1, 3)), func(c *JoinWaitingList) { c.Guest.Adults = 5 }),
			reason: domain.OccupancyExceeded, field: "guest",
		},
		{name: "nor by a change", given: open(party(1, 1, Guest{Adults: 4})), when: change(func(c *ModifyReservation) { c.Guest = &Guest{Adults: 5} }), reason: domain.OccupancyExceeded, field: "guest"},
		{name: "nor in fewer rooms", given: open(party(1, 2, Guest{Adults: 5})), when: change(func(c *ModifyReservation) { c.Quantity = ptr(int32(1)) }), reason: domain.OccupancyExceeded, field: "guest"},
		{name: "a lower limit binds a change of guests", given: stood, when: change(func(c *ModifyReservation) { c.Guest = &Guest{Adults: 3} }), reason: domain.OccupancyExceeded, field: "guest"},
	})
	t.Run("but not one of dates", func(t *testing.T) {
		s := New()
		run(t, s, noon, slices.Concat(stood, []Command{change(func(c *ModifyReservation) { c.CheckOut = ptr(day(2026, 7, 4)) })})...)
	})
	t.Run("who waits gets no room that became too small", func(t *testing.T) {
		s := New()
		run(t, s, noon, full(with(join(1, 1, july(1, 3)), func(c *JoinWaitingList) { c.Guest.Adults = 4 }), fewer, &CancelReservation{Hotel: "grand", ReservationID: uuid(1)})...)
		if events := run(t, s, noon, &OfferRooms{Hotel: "grand"}); len(events) != 0 {
			t.Errorf("offered %v", events)
		}
	})
}

// places is what follows when party gets its rooms.
func places(quantity int32, g Guest) []proto.Message {
	return []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
		e.Stay, e.Guest = stayOf(quantity, "2026-07-01", "2026-07-03"), new(eventpb.Guest)
		fillGuest(e.Guest, &g, Seal{})
		line := 10_000 * int64(quantity)
		e.NightlyMinorUnits, e.TotalMinorUnits = []int64{line, line}, 2*line
	})}
}
