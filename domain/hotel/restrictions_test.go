package hotel

import (
	"testing"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// restrict sets restrictions from a day to another of July 2026.
func restrict(from, to int, change func(*SetRestrictions)) *SetRestrictions {
	c := &SetRestrictions{Hotel: "grand", RoomType: "double", Start: day(2026, 7, from), End: day(2026, 7, to)}
	change(c)
	return c
}

func stopSell(from, to int) *SetRestrictions {
	return restrict(from, to, func(c *SetRestrictions) { c.StopSell = ptr(true) })
}

func broke(r eventpb.Restriction, limit int32, nights ...string) *eventpb.BrokenRestriction {
	return &eventpb.BrokenRestriction{Restriction: r, Limit: limit, Nights: nights}
}

// restricted is a rejection by restrictions alone.
func restricted(stay *eventpb.Stay, broken ...*eventpb.BrokenRestriction) []proto.Message {
	return []proto.Message{&eventpb.ReservationRejected{
		HotelId: "grand", ReservationId: uuid(3), Stay: stay, Reason: eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED,
		InventoryOffset: 7, BrokenRestrictions: broken,
	}}
}

func TestSetRestrictions(t *testing.T) {
	created := []Command{createHotel(), createDouble()}
	all := restrict(1, 8, func(c *SetRestrictions) {
		c.Weekdays = domain.WeekdaysOf(time.Sunday, time.Friday)
		c.MinStay, c.MaxStay, c.ClosedToArrival, c.ClosedToDeparture, c.StopSell = ptr(int32(2)), ptr(int32(0)), ptr(true), ptr(false), ptr(true)
	})
	spoiled := func(change func(*SetRestrictions)) Command { return restrict(1, 8, change) }
	runAll(t, []scenario{
		{
			name: "are set", given: created, when: all, then: []proto.Message{&eventpb.RestrictionsSet{
				HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-08",
				Weekdays: []eventpb.Weekday{eventpb.Weekday_WEEKDAY_FRIDAY, eventpb.Weekday_WEEKDAY_SUNDAY},
				MinStay:  ptr(int32(2)), MaxStay: ptr(int32(0)), ClosedToArrival: ptr(true), ClosedToDeparture: ptr(false), StopSell: ptr(true),
			}},
		},
		{name: "are something", given: created, when: spoiled(func(*SetRestrictions) {}), reason: domain.InvalidArgument},
		{name: "need a room type", given: created[:1], when: all, reason: domain.RoomTypeNotFound, field: "room_type_id"},
		{
			name: "need a night on those days", given: created, reason: domain.InvalidArgument, field: "weekdays",
			when: restrict(1, 3, func(c *SetRestrictions) { c.Weekdays, c.StopSell = domain.WeekdaysOf(time.Sunday), ptr(true) }),
		},
		{name: "are not negative", given: created, when: spoiled(func(c *SetRestrictions) { c.MinStay = ptr(int32(-1)) }), reason: domain.InvalidArgument, field: "min_stay"},
		{name: "are not endless", given: created, when: spoiled(func(c *SetRestrictions) { c.MaxStay = ptr(int32(91)) }), reason: domain.InvalidArgument, field: "max_stay"},
		{
			name: "leave room between", given: created, reason: domain.InvalidArgument, field: "max_stay",
			when: spoiled(func(c *SetRestrictions) { c.MinStay, c.MaxStay = ptr(int32(3)), ptr(int32(2)) }),
		},
		{
			name: "are not about the past", given: created, reason: domain.PastDate, field: "start_date",
			when: spoiled(func(c *SetRestrictions) { c.Start, c.StopSell = c.Start-1, ptr(true) }),
		},
	})
}

func TestRestrictedStays(t *testing.T) {
	const (
		fewest    = eventpb.Restriction_RESTRICTION_MIN_STAY
		most      = eventpb.Restriction_RESTRICTION_MAX_STAY
		arrival   = eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL
		departure = eventpb.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE
		stop      = eventpb.Restriction_RESTRICTION_STOP_SELL
	)
	placedAt := func(in, out int) []proto.Message {
		return []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
			stay := july(in, out)
			e.ReservationId, e.Stay = uuid(3), stayOf(1, stay.CheckIn.String(), stay.CheckOut.String())
			e.NightlyMinorUnits, e.TotalMinorUnits = nil, 0
			for range stay.Nights() {
				e.NightlyMinorUnits = append(e.NightlyMinorUnits, 10_000)
				e.TotalMinorUnits += 10_000
			}
		})}
	}
	limits := restrict(4, 6, func(c *SetRestrictions) { c.MinStay, c.MaxStay = ptr(int32(2)), ptr(int32(3)) })
	closed := restrict(4, 5, func(c *SetRestrictions) { c.ClosedToArrival, c.ClosedToDeparture = ptr(true), ptr(true) })
	fridays := restrict(1, 31, func(c *SetRestrictions) { c.Weekdays, c.StopSell = domain.WeekdaysOf(time.Friday), ptr(true) })
	percent := with(rooms(2), func(c *SetInventory) { c.PhysicalCount, c.OverbookingPercent = nil, ptr(int32(50)) })
	runAll(t, []scenario{
		{name: "too short", given: open(limits), when: place(3, 1, july(5, 6)), then: restricted(stayOf(1, "2026-07-05", "2026-07-06"), broke(fewest, 2, "2026-07-05"))},
		{name: "too long", given: open(limits), when: place(3, 1, july(4, 8)), then: restricted(stayOf(1, "2026-07-04", "2026-07-08"), broke(most, 3, "2026-07-04"))},
		{name: "long enough", given: open(limits), when: place(3, 1, july(5, 7)), then: placedAt(5, 7)},
		{name: "limits bind arrivals only", given: open(limits), when: place(3, 1, july(3, 8)), then: placedAt(3, 8)},
		{name: "arrives where it is closed", given: open(closed), when: place(3, 1, july(4, 6)), then: restricted(stayOf(1, "2026-07-04", "2026-07-06"), broke(arrival, 0, "2026-07-04"))},
		{name: "leaves where it is closed", given: open(closed), when: place(3, 1, july(2, 4)), then: restricted(stayOf(1, "2026-07-02", "2026-07-04"), broke(departure, 0, "2026-07-04"))},
		{name: "stays through", given: open(closed), when: place(3, 1, july(3, 5)), then: placedAt(3, 5)},
		{
			name: "touches what is not for sale", given: open(fridays), when: place(3, 1, july(2, 12)),
			then: restricted(stayOf(1, "2026-07-02", "2026-07-12"), broke(stop, 0, "2026-07-03", "2026-07-10")),
		},
		{name: "is let in again", given: open(fridays, restrict(3, 4, func(c *SetRestrictions) { c.StopSell = ptr(false) })), when: place(3, 1, july(2, 4)), then: placedAt(2, 4)},
		{
			name: "says all that stands in the way", given: open(place(7, 2, july(3, 4)), limits, closed, stopSell(4, 5)), when: place(3, 1, july(3, 6)),
			then: []proto.Message{&eventpb.ReservationRejected{
				HotelId: "grand", ReservationId: uuid(3), Stay: stayOf(1, "2026-07-03", "2026-07-06"), InventoryOffset: 7,
				Reason: eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT, FullNights: []string{"2026-07-03"},
				BrokenRestrictions: []*eventpb.BrokenRestriction{broke(stop, 0, "2026-07-04")},
			}},
		},
		{name: "overbooks by per cent", given: open(percent, place(7, 2, july(1, 2))), when: place(3, 1, july(1, 2)), then: placedAt(1, 2)},
		{
			name: "overbooks by no more than that", given: open(percent, place(7, 2, july(1, 2))), when: place(3, 2, july(1, 2)),
			then: rejection(3, stayOf(2, "2026-07-01", "2026-07-02"), "2026-07-01"),
		},
		{
			name: "rounds per cent down", given: open(percent, rooms(1), place(7, 1, july(1, 2))), when: place(3, 1, july(1, 2)),
			then: rejection(3, stayOf(1, "2026-07-01", "2026-07-02"), "2026-07-01"),
		},
		{
			name: "a limit is one thing", given: open(), reason: domain.InvalidArgument, field: "overbooking_percent",
			when: with(percent, func(c *SetInventory) { c.OverbookingLimit = ptr(int32(1)) }),
		},
		{
			name: "per cent have a limit", given: open(), reason: domain.InvalidArgument, field: "overbooking_percent",
			when: with(percent, func(c *SetInventory) { c.OverbookingPercent = ptr(int32(101)) }),
		},
	})
}

// TestFingerprintsOfWhatWasAdded holds commands apart that differ only in fields of later versions, and old forms as they were.
func TestFingerprintsOfWhatWasAdded(t *testing.T) {
	percent := func(n int32) Command { return with(rooms(2), func(c *SetInventory) { c.OverbookingPercent = &n }) }
	seen := map[[16]byte]bool{}
	for _, c := range []Command{rooms(2), percent(0), percent(1), stopSell(1, 2), stopSell(1, 3), restrict(1, 2, func(c *SetRestrictions) { c.StopSell = ptr(false) }), restrict(1, 2, func(c *SetRestrictions) { c.StopSell, c.Weekdays = ptr(true), 1 })} {
		if f := c.Fingerprint(); seen[f] {
			t.Errorf("%+v has the fingerprint of another command", c)
		} else {
			seen[f] = true
		}
	}
}

// TestMemoryOfNights holds a night to what DESIGN.md says: rates and restrictions cost only the room types that have them.
func TestMemoryOfNights(t *testing.T) {
	if counts, limits := unsafe.Sizeof(night{}), unsafe.Sizeof(Restrictions{}); counts != 20 || limits != 3 {
		t.Errorf("a night takes %d bytes and %d for its restrictions", counts, limits)
	}
	s := New()
	run(t, s, noon, open(&CreateRoomType{Hotel: "grand", RoomType: "suite", DisplayName: "Suite"}, createFlexible(), rates(1, 20, 5_000), stopSell(4, 5))...)
	run(t, s, noon, with(rooms(1), func(c *SetInventory) { c.RoomType = "suite" }), restrict(1, 9, func(c *SetRestrictions) { c.RoomType, c.StopSell = "suite", ptr(false) }))
	for i, want := range []int{31, 0} { // the suite's nights were told that they are not restricted
		if n := &s.roomTypes[i].nights; len(n.restricted) != want || n.rates != nil {
			t.Errorf("room type %d keeps %d restrictions and %d rates of %d nights", i, len(n.restricted), len(n.rates), len(n.counts))
		}
	}
	if len(s.roomTypes[1].planRates) != 0 || len(s.roomTypes[0].planRates[0].rates) != 19 {
		t.Errorf("rates are kept of nights without any: %v", s.roomTypes[1].planRates)
	}
}
