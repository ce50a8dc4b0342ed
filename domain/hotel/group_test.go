package hotel

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/eventpb"
)

const groupID = "01980000-0000-7000-8000-0000000000aa"

func group(members ...*PlaceReservation) *PlaceGroup {
	c := &PlaceGroup{Hotel: "grand", GroupID: groupID}
	for _, m := range members {
		c.Reservations = append(c.Reservations, *m)
	}
	return c
}

func placedInGroup(n int, quantity int32, from, to string, total int64, nightly ...int64) proto.Message {
	return &eventpb.ReservationPlaced{
		HotelId: "grand", ReservationId: uuid(n), Stay: stayOf(quantity, from, to), CurrencyCode: "EUR",
		NightlyMinorUnits: nightly, TotalMinorUnits: total, HoldExpireTime: timestamppb.New(noon.Add(15 * time.Minute)),
		InventoryOffset: 7, PlaceDate: "2026-07-01", GroupId: groupID,
	}
}

func rejectedInGroup(n int, quantity int32, from, to string, reason eventpb.ReservationReason, full ...string) *eventpb.ReservationRejected {
	return &eventpb.ReservationRejected{
		HotelId: "grand", ReservationId: uuid(n), Stay: stayOf(quantity, from, to), Reason: reason, FullNights: full,
		InventoryOffset: 7, GroupId: groupID,
	}
}

func TestPlaceGroup(t *testing.T) {
	const (
		soldOut    = eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT
		incomplete = eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE
	)
	suites := []Command{createSuite(), with(rooms(1), func(c *SetInventory) { c.RoomType = "suite" })}
	suite := func(n int) *PlaceReservation {
		return with(place(n, 1, july(1, 2)), func(c *PlaceReservation) { c.RoomType = "suite" })
	}
	stopped := &SetRestrictions{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 8), End: day(2026, 7, 9), StopSell: ptr(true),
	}
	runAll(t, []scenario{
		{
			name: "holds all", given: open(), when: group(place(1, 1, july(1, 3)), place(2, 1, july(1, 2))),
			then: []proto.Message{
				placedInGroup(1, 1, "2026-07-01", "2026-07-03", 20_000, 10_000, 10_000), placedInGroup(2, 1, "2026-07-01", "2026-07-02", 10_000, 10_000),
			},
		},
		{
			name: "counts its own rooms, night by night", given: open(), when: group(place(1, 1, july(1, 3)), place(2, 2, july(2, 4)), place(3, 1, july(1, 2))),
			then: []proto.Message{
				rejectedInGroup(1, 1, "2026-07-01", "2026-07-03", incomplete), rejectedInGroup(2, 2, "2026-07-02", "2026-07-04", soldOut, "2026-07-02"),
				rejectedInGroup(3, 1, "2026-07-01", "2026-07-02", incomplete),
			},
		},
		{
			name: "counts no rooms of those that cannot be had", given: open(), when: group(place(1, 3, july(1, 3)), place(2, 2, july(1, 3))),
			then: []proto.Message{
				rejectedInGroup(1, 3, "2026-07-01", "2026-07-03", soldOut, "2026-07-01", "2026-07-02"),
				rejectedInGroup(2, 2, "2026-07-01", "2026-07-03", incomplete),
			},
		},
		{
			name: "counts every type by itself", given: open(suites...), when: group(place(1, 2, july(1, 2)), suite(2), suite(3)),
			then: []proto.Message{
				rejectedInGroup(1, 2, "2026-07-01", "2026-07-02", incomplete),
				suiteOf(rejectedInGroup(2, 1, "2026-07-01", "2026-07-02", incomplete)),
				suiteOf(rejectedInGroup(3, 1, "2026-07-01", "2026-07-02", soldOut, "2026-07-01")),
			},
		},
		{
			name: "minds restrictions", given: open(stopped), when: group(place(1, 1, july(8, 9)), place(2, 1, july(1, 2))),
			then: []proto.Message{
				func() proto.Message {
					e := rejectedInGroup(1, 1, "2026-07-08", "2026-07-09", eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED)
					e.BrokenRestrictions = []*eventpb.BrokenRestriction{{Restriction: eventpb.Restriction_RESTRICTION_STOP_SELL, Nights: []string{"2026-07-08"}}}
					return e
				}(),
				rejectedInGroup(2, 1, "2026-07-01", "2026-07-02", incomplete),
			},
		},
	})
}

// A group in which something is wrong is no turnaway: nothing is recorded, and the member is named.
func TestPlaceAWrongGroup(t *testing.T) {
	runAll(t, []scenario{
		{name: "of nobody", given: open(), when: group(), reason: domain.InvalidArgument, field: "reservations"},
		{
			name: "without an id", given: open(), when: with(group(place(1, 1, july(1, 2))), func(c *PlaceGroup) { c.GroupID = "g" }),
			reason: domain.InvalidID, field: "group_id",
		},
		{name: "in no hotel", when: group(place(1, 1, july(1, 2))), reason: domain.HotelNotFound, field: "hotel_id"},
		{
			name: "in two hotels", given: open(), reason: domain.InvalidArgument, field: "reservations[1].hotel_id",
			when: group(place(1, 1, july(1, 2)), with(place(2, 1, july(1, 2)), func(c *PlaceReservation) { c.Hotel = "other" })),
		},
		{
			name: "with one id twice", given: open(), when: group(place(1, 1, july(1, 2)), place(1, 1, july(1, 2))),
			reason: domain.ReservationExists, field: "reservations[1].reservation_id",
		},
		{
			name: "with an id that is taken", given: open(place(2, 1, july(5, 6))), when: group(place(1, 1, july(1, 2)), place(2, 1, july(1, 2))),
			reason: domain.ReservationExists, field: "reservations[1].reservation_id",
		},
		{
			name: "with no rooms", given: open(), when: group(place(1, 1, july(1, 2)), place(2, 0, july(1, 2))),
			reason: domain.InvalidQuantity, field: "reservations[1].quantity",
		},
		{
			name: "with a wrong member, though full", given: open(), when: group(place(1, 9, july(1, 2)), place(2, 1, july(2, 2))),
			reason: domain.InvalidDates, field: "reservations[1].check_out_date",
		},
		{
			name: "with a member without a price", given: open(createFlexible()), reason: domain.NotPriced, field: "reservations[1].stay",
			when: group(place(1, 1, july(1, 2)), with(place(2, 1, july(1, 3)), func(c *PlaceReservation) {
				c.RatePlan, c.Guest.Adults = "flexible", 1
			})),
		},
	})
}

func suiteOf(e *eventpb.ReservationRejected) proto.Message {
	e.Stay.RoomTypeId = "suite"
	return e
}

func TestGroupsHaveALimit(t *testing.T) {
	s := New()
	run(t, s, noon, open(rooms(GroupMax+1))...)
	var members []*PlaceReservation
	for n := range GroupMax + 1 {
		members = append(members, place(n, 1, july(1, 2)))
	}
	if _, err := Decide(s, group(members...), At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("a group of %d: %v", len(members), err)
	}
	if events := run(t, s, noon, group(members[1:]...)); len(events) != GroupMax {
		t.Errorf("%d events", len(events))
	}
	if got := s.Night("double", day(2026, 7, 1)); got.HeldCount != GroupMax {
		t.Errorf("%+v", got)
	}
}

// A retry of a group may come with new ids of the server, and not with others of the client.
func TestGroupFingerprint(t *testing.T) {
	a, b := group(place(1, 1, july(1, 2)), place(2, 1, july(1, 2))), group(place(3, 1, july(1, 2)), place(4, 1, july(1, 2)))
	b.GroupID = uuid(9)
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the server's ids are part of the request")
	}
	if c := group(place(1, 1, july(1, 2))); a.Fingerprint() == c.Fingerprint() {
		t.Error("a smaller group is the same request")
	}
	a.ClientAssigned, b.ClientAssigned = true, true
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("the client's id is no part of the request")
	}
}
