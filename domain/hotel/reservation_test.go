package hotel

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func stayOf(quantity int32, from, to string) *eventpb.Stay {
	return &eventpb.Stay{RoomTypeId: "double", Quantity: quantity, CheckInDate: from, CheckOutDate: to}
}

// placedEvent is the answer to place(1, 2, july(1, 3)).
func placedEvent(change func(*eventpb.ReservationPlaced)) proto.Message {
	e := &eventpb.ReservationPlaced{
		HotelId: "grand", ReservationId: uuid(1), Stay: stayOf(2, "2026-07-01", "2026-07-03"), CurrencyCode: "EUR",
		NightlyMinorUnits: []int64{20_000, 20_000}, TotalMinorUnits: 40_000,
		HoldExpireTime: timestamppb.New(noon.Add(15 * time.Minute)), InventoryOffset: 7, PlaceDate: "2026-07-01",
	}
	change(e)
	return e
}

func rejection(n int, stay *eventpb.Stay, nights ...string) []proto.Message {
	return []proto.Message{&eventpb.ReservationRejected{
		HotelId: "grand", ReservationId: uuid(n), Stay: stay, InventoryOffset: 7,
		Reason: eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT, FullNights: nights,
	}}
}

// A request that can never be granted is an error also on nights that are full: it is no turnaway, and nothing is recorded.
func TestAWrongRateIsNoTurnaway(t *testing.T) {
	s := New()
	run(t, s, noon, open()...)
	for _, rate := range []domain.Money{{Currency: "USD", MinorUnits: 1}, {MinorUnits: -1}, {MinorUnits: domain.AmountMax + 1}} {
		c := with(place(1, QuantityMax, july(1, 3)), func(c *PlaceReservation) { c.NightlyRate = &rate })
		if events, err := Decide(s, c, At{Now: noon}); err == nil {
			t.Errorf("%s: %v", rate, events)
		}
	}
}

func TestPlace(t *testing.T) {
	rate := func(from, to int, units int64) Command {
		return &SetInventory{
			Hotel: "grand", RoomType: "double", Start: day(2026, 7, from), End: day(2026, 7, to), NightlyRate: &domain.Money{MinorUnits: units},
		}
	}
	guest := Guest{ID: "g", DisplayName: "Maria", Email: "m@example.com", Adults: 2, Children: 1, Infants: 1}
	runAll(t, []scenario{
		{
			name: "holds rooms at the base rate", given: open(), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(*eventpb.ReservationPlaced) {})},
		},
		{
			name: "takes the night's own rate", given: open(rate(2, 3, 1_001)), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.NightlyMinorUnits, e.TotalMinorUnits = []int64{20_000, 2_002}, 22_002
			})},
		},
		{
			name: "takes the rate that the guest was promised", given: open(rate(2, 3, 1_001)),
			when: with(place(1, 2, july(1, 3)), func(c *PlaceReservation) { c.NightlyRate = &domain.Money{MinorUnits: 0} }),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) { e.NightlyMinorUnits, e.TotalMinorUnits = []int64{0, 0}, 0 })},
		},
		{
			name: "says who, through whom, and holds for ever", given: open(),
			when: with(place(1, 2, july(1, 3)), func(c *PlaceReservation) {
				c.Guest, c.Channel, c.ExternalReference, c.NoHoldExpiry = guest, "import", "row-1", true
			}),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.Guest = &eventpb.Guest{GuestId: "g", DisplayName: "Maria", Email: "m@example.com", Adults: 2, Children: 1, Infants: 1}
				e.Channel, e.ExternalReference, e.HoldExpireTime = "import", "row-1", nil
			})},
		},
		{
			name: "keeps whole milliseconds of the hold", given: open(), now: noon.Add(1_500_999 * time.Nanosecond), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.HoldExpireTime = timestamppb.New(noon.Add(15*time.Minute + time.Millisecond))
			})},
		},
		{
			name: "is rejected with every full night", given: open(place(1, 1, july(2, 3)), place(2, 1, july(4, 5)), confirm(2)), when: place(3, 2, july(1, 6)),
			then: rejection(3, stayOf(2, "2026-07-01", "2026-07-06"), "2026-07-02", "2026-07-04"),
		},
		{
			name: "is rejected on nights that were never set", given: open(), when: place(3, 1, domain.Stay{CheckIn: day(2026, 7, 31), CheckOut: day(2026, 8, 3)}),
			then: rejection(3, stayOf(1, "2026-07-31", "2026-08-03"), "2026-08-01", "2026-08-02"),
		},
		{
			name: "is rejected where rooms are out of order", when: place(3, 2, july(1, 3)),
			given: open(with(rooms(2), func(c *SetInventory) { c.OutOfOrderCount = ptr(int32(1)); c.Start = day(2026, 7, 2) })),
			then:  rejection(3, stayOf(2, "2026-07-01", "2026-07-03"), "2026-07-02"),
		},
		{
			name: "is rejected when inventory fell below what is sold", given: open(place(1, 2, july(1, 3)), confirm(1), rooms(1)), when: place(3, 1, july(2, 3)),
			then: rejection(3, stayOf(1, "2026-07-02", "2026-07-03"), "2026-07-02"),
		},
		{
			name: "may overbook as far as allowed", when: place(1, 2, july(1, 3)),
			given: open(place(7, 1, july(1, 3)), with(rooms(2), func(c *SetInventory) { c.OverbookingLimit = ptr(int32(1)) })),
			then:  []proto.Message{placedEvent(func(*eventpb.ReservationPlaced) {})},
		},
		{
			name: "shares the day of change", given: open(place(7, 2, july(3, 5))), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(*eventpb.ReservationPlaced) {})},
		},
		{
			name: "uses rooms that a cancellation set free", given: open(place(7, 2, july(1, 3)), confirm(7), cancel(7)), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(*eventpb.ReservationPlaced) {})},
		},
		{
			name: "knows the hotel's day", given: open(), now: time.Date(2026, 6, 30, 23, 30, 0, 0, time.UTC), when: place(1, 2, july(1, 3)),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.HoldExpireTime = timestamppb.New(time.Date(2026, 6, 30, 23, 45, 0, 0, time.UTC))
			})},
		},
		{
			name: "refuses the hotel's yesterday", given: open(), now: time.Date(2026, 7, 2, 23, 30, 0, 0, time.UTC), when: place(1, 1, july(1, 5)),
			reason: domain.PastDate, field: "check_in_date", nights: []domain.Date{day(2026, 7, 1), day(2026, 7, 2)},
		},
		{name: "needs a hotel", when: place(1, 1, july(1, 2)), reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "needs an open hotel", given: open(&ArchiveHotel{Hotel: "grand"}), when: place(1, 1, july(1, 2)), reason: domain.HotelArchived, field: "hotel_id"},
		{
			name: "needs an open room type", given: open(&ArchiveRoomType{Hotel: "grand", RoomType: "double"}), when: place(1, 1, july(1, 2)),
			reason: domain.RoomTypeArchived, field: "room_type_id",
		},
		{name: "needs a new id", given: open(place(1, 1, july(1, 2))), when: place(1, 1, july(3, 4)), reason: domain.ReservationExists, field: "reservation_id"},
		{name: "needs an id that was not rejected", given: open(place(1, 3, july(1, 2))), when: place(1, 1, july(3, 4)), reason: domain.ReservationExists, field: "reservation_id"},
	})
}

func TestPlaceFields(t *testing.T) {
	for _, tc := range []struct {
		field  string
		reason domain.Reason
		spoil  func(*PlaceReservation)
	}{
		{"hotel_id", domain.InvalidID, func(c *PlaceReservation) { c.Hotel = "a/b" }},
		{"hotel_id", domain.HotelNotFound, func(c *PlaceReservation) { c.Hotel = "other" }},
		{"room_type_id", domain.InvalidID, func(c *PlaceReservation) { c.RoomType = "" }},
		{"room_type_id", domain.RoomTypeNotFound, func(c *PlaceReservation) { c.RoomType = "suite" }},
		{"reservation_id", domain.InvalidID, func(c *PlaceReservation) { c.ReservationID = "1" }},
		{"quantity", domain.InvalidQuantity, func(c *PlaceReservation) { c.Quantity = 0 }},
		{"quantity", domain.InvalidQuantity, func(c *PlaceReservation) { c.Quantity = -1 }},
		{"quantity", domain.InvalidQuantity, func(c *PlaceReservation) { c.Quantity = QuantityMax + 1 }},
		{"check_out_date", domain.InvalidDates, func(c *PlaceReservation) { c.Stay = july(3, 3) }},
		{"check_out_date", domain.InvalidDates, func(c *PlaceReservation) { c.Stay = july(3, 2) }},
		{"check_out_date", domain.StayTooLong, func(c *PlaceReservation) { c.Stay.CheckOut = c.Stay.CheckIn + domain.StayNightsMax + 1 }},
		{"check_in_date", domain.PastDate, func(c *PlaceReservation) { c.Stay.CheckIn-- }},
		{"check_out_date", domain.TooFarAhead, func(c *PlaceReservation) {
			c.Stay = domain.Stay{CheckIn: day(2026, 7, 1) + PlaceDaysAheadMax, CheckOut: day(2026, 7, 1) + PlaceDaysAheadMax + 1}
		}},
		{"nightly_rate.currency_code", domain.CurrencyMismatch, func(c *PlaceReservation) { c.NightlyRate = &domain.Money{Currency: "USD"} }},
		{"nightly_rate.currency_code", domain.InvalidArgument, func(c *PlaceReservation) { c.NightlyRate = &domain.Money{Currency: "dollar"} }},
		{"nightly_rate", domain.InvalidArgument, func(c *PlaceReservation) { c.NightlyRate = &domain.Money{MinorUnits: -1} }},
		{"nightly_rate", domain.InvalidArgument, func(c *PlaceReservation) { c.NightlyRate = &domain.Money{MinorUnits: domain.AmountMax + 1} }},
		{"guest.display_name", domain.InvalidArgument, func(c *PlaceReservation) { c.Guest.DisplayName = strings.Repeat("x", NameMax+1) }},
		{"guest.email", domain.InvalidArgument, func(c *PlaceReservation) { c.Guest.Email = "a\nb\x01" }},
		{"guest.guest_id", domain.InvalidArgument, func(c *PlaceReservation) { c.Guest.ID = "\xc3" }},
		{"guest.adults", domain.InvalidArgument, func(c *PlaceReservation) { c.Guest.Adults = -1 }},
		{"guest.infants", domain.InvalidArgument, func(c *PlaceReservation) { c.Guest.Infants = PersonsMax + 1 }},
		{"channel", domain.InvalidArgument, func(c *PlaceReservation) { c.Channel = strings.Repeat("x", ChannelMax+1) }},
		{"external_reference", domain.InvalidArgument, func(c *PlaceReservation) { c.ExternalReference = strings.Repeat("x", ReferenceMax+1) }},
	} {
		scenario{given: open(), when: with(place(1, 1, july(1, 3)), tc.spoil), reason: tc.reason, field: tc.field}.run(t)
	}
}

func TestPlaceNeedsAPrice(t *testing.T) {
	scenario{
		given: []Command{
			createHotel(), with(createDouble(), func(c *CreateRoomType) { c.BaseRate = nil }), rooms(2),
			&SetInventory{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 2), End: day(2026, 7, 3), NightlyRate: &domain.Money{MinorUnits: 5}},
		},
		when: place(1, 1, july(1, 4)), reason: domain.NotPriced, field: "stay", nights: []domain.Date{day(2026, 7, 1), day(2026, 7, 3)},
	}.run(t)
}

func TestThePriciestStayAddsUp(t *testing.T) {
	s := New()
	run(t, s, noon, createHotel(), createDouble(), with(rooms(QuantityMax), func(c *SetInventory) { c.End = day(2026, 12, 1) }))
	c := place(1, QuantityMax, domain.Stay{CheckIn: day(2026, 7, 1), CheckOut: day(2026, 7, 1) + domain.StayNightsMax})
	c.NightlyRate = &domain.Money{MinorUnits: domain.AmountMax}
	e := run(t, s, noon, c)[0].(*eventpb.ReservationPlaced)
	var sum int64
	for _, line := range e.NightlyMinorUnits {
		sum += line
	}
	if want := int64(domain.AmountMax) * QuantityMax * domain.StayNightsMax; sum != want || e.TotalMinorUnits != want {
		t.Errorf("lines sum to %d, total is %d, want %d", sum, e.TotalMinorUnits, want)
	}
}

func TestSettle(t *testing.T) {
	held := open(place(1, 2, july(2, 4)))
	sold := append(held[:len(held):len(held)], confirm(1))
	ended := append(held[:len(held):len(held)], cancel(1))
	stay := stayOf(2, "2026-07-02", "2026-07-04")
	canceledEvent := func(from eventpb.ReservationStatus, reason eventpb.ReservationReason, note string) []proto.Message {
		return []proto.Message{&eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: uuid(1), Stay: stay, PreviousStatus: from, Reason: reason, Note: note,
		}}
	}
	missed := func(from eventpb.ReservationStatus) []proto.Message {
		return []proto.Message{&eventpb.ReservationNoShow{HotelId: "grand", ReservationId: uuid(1), Stay: stay, PreviousStatus: from}}
	}
	because := func(reason eventpb.ReservationReason, note string) Command {
		return &CancelReservation{Hotel: "grand", ReservationID: uuid(1), Reason: reason, Note: note}
	}
	const (
		guestRequest = eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
		hotelRequest = eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST
		declined     = eventpb.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED
		expired      = eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED
	)
	arrival := time.Date(2026, 7, 1, 23, 0, 0, 0, time.UTC) // midnight in Lisbon
	paidEvent := []proto.Message{&eventpb.ReservationPaid{HotelId: "grand", ReservationId: uuid(1), Stay: stay}}
	runAll(t, []scenario{
		{name: "a hold is confirmed", given: held, now: noon.Add(15*time.Minute - time.Millisecond), when: confirm(1), then: paidEvent},
		{
			name: "a hold without a deadline is confirmed after check-out", when: confirm(1), now: noon.AddDate(0, 0, 20), then: paidEvent,
			given: open(with(place(1, 2, july(2, 4)), func(c *PlaceReservation) { c.NoHoldExpiry = true })),
		},
		{name: "a hold that is over is not confirmed", given: held, now: noon.Add(15 * time.Minute), when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "a sale is not confirmed again", given: sold, when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "an end is not confirmed", given: ended, when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "a rejection is not confirmed", given: open(place(1, 3, july(2, 4))), when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "nothing is not confirmed", given: held, when: confirm(2), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "confirming needs an id", given: held, when: &ConfirmReservation{Hotel: "grand", ReservationID: "x"}, reason: domain.InvalidID, field: "reservation_id"},
		{name: "confirming needs the hotel", given: held, when: &ConfirmReservation{Hotel: "other", ReservationID: uuid(1)}, reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "a hold is canceled by the guest", given: held, when: cancel(1), then: canceledEvent(pending, guestRequest, "")},
		{name: "a sale is canceled by the hotel", given: sold, when: because(hotelRequest, "Flood."), then: canceledEvent(paid, hotelRequest, "Flood.")},
		{name: "a declined payment cancels", given: held, when: because(declined, ""), then: canceledEvent(pending, declined, "")},
		{name: "the archive does not keep guests from canceling", given: append(sold[:len(sold):len(sold)], &ArchiveHotel{Hotel: "grand"}), when: cancel(1), then: canceledEvent(paid, guestRequest, "")},
		{name: "the archive does not keep guests from paying", given: append(held[:len(held):len(held)], &ArchiveHotel{Hotel: "grand"}), when: confirm(1), then: paidEvent},
		{name: "only time expires a hold", given: held, when: because(expired, ""), reason: domain.InvalidArgument, field: "reason"},
		{name: "an unknown reason is none", given: held, when: because(99, ""), reason: domain.InvalidArgument, field: "reason"},
		{name: "a note is short", given: held, when: because(0, strings.Repeat("x", NoteMax+1)), reason: domain.InvalidArgument, field: "note"},
		{name: "an end is not canceled", given: ended, when: cancel(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "nothing is not canceled", given: held, when: cancel(9), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "a guest is missed on the day", given: sold, now: arrival, when: noShow(1), then: missed(paid)},
		{name: "a guest who has not paid is missed", given: held, now: arrival, when: noShow(1), then: missed(pending)},
		{name: "a guest is not missed before", given: sold, now: arrival.Add(-time.Second), when: noShow(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "an end is not missed", given: ended, now: arrival, when: noShow(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "a hold expires on time", given: held, now: noon.Add(15 * time.Minute), when: &ExpireHolds{Hotel: "grand"}, then: canceledEvent(pending, expired, "")},
		{name: "a hold does not expire before", given: held, when: &ExpireHolds{Hotel: "grand", Now: noon.Add(15*time.Minute - time.Millisecond)}},
		{name: "a sale does not expire", given: sold, when: &ExpireHolds{Hotel: "grand", Now: noon.AddDate(1, 0, 0)}},
		{name: "an end does not expire", given: ended, when: &ExpireHolds{Hotel: "grand", Now: noon.AddDate(1, 0, 0)}},
		{name: "no hotel has no holds", when: &ExpireHolds{Hotel: "grand"}, reason: domain.HotelNotFound, field: "hotel_id"},
	})
}
