package hotel

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func grand(version int64) *eventpb.Hotel {
	return &eventpb.Hotel{
		HotelId: "grand", DisplayName: "Grand", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR", HoldSeconds: 900, Version: version,
	}
}

func TestHotel(t *testing.T) {
	created := []Command{createHotel()}
	archived := []Command{createHotel(), &ArchiveHotel{Hotel: "grand"}}
	renamed := grand(2)
	renamed.DisplayName, renamed.HoldSeconds = "Grander", 60
	renamed.Address = &eventpb.Address{City: "Porto", CountryCode: "PT"}
	gone := grand(2)
	gone.Archived = true
	runAll(t, []scenario{
		{
			name: "is created", when: createHotel(),
			then: []proto.Message{&eventpb.HotelCreated{Hotel: grand(1)}},
		},
		{name: "is created once", given: created, when: createHotel(), reason: domain.HotelExists, field: "hotel_id"},
		{
			name: "changes what is given", given: created,
			when: &UpdateHotel{
				Hotel: "grand", ExpectedVersion: 1, DisplayName: ptr("Grander"), HoldDuration: ptr(time.Minute),
				Address: &Address{City: "Porto", CountryCode: "PT"},
			},
			then: []proto.Message{&eventpb.HotelUpdated{Hotel: renamed}},
		},
		{
			name: "counts a change of nothing", given: created, when: &UpdateHotel{Hotel: "grand"},
			then: []proto.Message{&eventpb.HotelUpdated{Hotel: grand(2)}},
		},
		{
			name: "refuses a stale etag", given: created, when: &UpdateHotel{Hotel: "grand", ExpectedVersion: 2},
			reason: domain.EtagMismatch, field: "etag",
		},
		{
			name: "is archived", given: created, when: &ArchiveHotel{Hotel: "grand", ExpectedVersion: 1},
			then: []proto.Message{&eventpb.HotelArchived{Hotel: gone}},
		},
		{
			name: "is not archived by a stale etag", given: created, when: &ArchiveHotel{Hotel: "grand", ExpectedVersion: 9},
			reason: domain.EtagMismatch, field: "etag",
		},
		{name: "is archived once", given: archived, when: &ArchiveHotel{Hotel: "grand"}, reason: domain.HotelArchived, field: "hotel_id"},
		{name: "does not change in the archive", given: archived, when: &UpdateHotel{Hotel: "grand"}, reason: domain.HotelArchived, field: "hotel_id"},
		{name: "gets no rooms in the archive", given: archived, when: createDouble(), reason: domain.HotelArchived, field: "hotel_id"},
		{name: "must exist to change", when: &UpdateHotel{Hotel: "grand"}, reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "must exist to be archived", when: &ArchiveHotel{Hotel: "grand"}, reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "is not another", given: created, when: &UpdateHotel{Hotel: "other"}, reason: domain.HotelNotFound, field: "hotel_id"},
	})
}

func TestHotelFields(t *testing.T) {
	for _, tc := range []struct {
		field  string
		spoil  func(*CreateHotel)
		reason domain.Reason
	}{
		{"hotel_id", func(c *CreateHotel) { c.Hotel = "Grand Hotel" }, domain.InvalidID},
		{"hotel_id", func(c *CreateHotel) { c.Hotel = "" }, domain.InvalidID},
		{"display_name", func(c *CreateHotel) { c.DisplayName = "" }, domain.InvalidArgument},
		{"display_name", func(c *CreateHotel) { c.DisplayName = strings.Repeat("x", NameMax+1) }, domain.InvalidArgument},
		{"display_name", func(c *CreateHotel) { c.DisplayName = "\xff" }, domain.InvalidArgument},
		{"display_name", func(c *CreateHotel) { c.DisplayName = "a\x00b" }, domain.InvalidArgument},
		{"description", func(c *CreateHotel) { c.Description = strings.Repeat("x", DescriptionMax+1) }, domain.InvalidArgument},
		{"address.street", func(c *CreateHotel) { c.Address.Street = strings.Repeat("x", AddressLineMax+1) }, domain.InvalidArgument},
		{"address.country_code", func(c *CreateHotel) { c.Address.CountryCode = "Portugal" }, domain.InvalidArgument},
		{"address.latitude", func(c *CreateHotel) { c.Address.Latitude = 90.1 }, domain.InvalidArgument},
		{"address.latitude", func(c *CreateHotel) { c.Address.Latitude = math.NaN() }, domain.InvalidArgument},
		{"address.longitude", func(c *CreateHotel) { c.Address.Longitude = math.Inf(-1) }, domain.InvalidArgument},
		{"time_zone", func(c *CreateHotel) { c.TimeZone = "" }, domain.InvalidArgument},
		{"time_zone", func(c *CreateHotel) { c.TimeZone = "Lisbon" }, domain.InvalidArgument},
		{"currency_code", func(c *CreateHotel) { c.CurrencyCode = "euro" }, domain.InvalidArgument},
		{"currency_code", func(c *CreateHotel) { c.CurrencyCode = "EURO" }, domain.InvalidArgument},
		{"currency_code", func(c *CreateHotel) { c.CurrencyCode = "XQQ" }, domain.InvalidArgument},
		{"hold_duration", func(c *CreateHotel) { c.HoldDuration = -time.Second }, domain.InvalidArgument},
		{"hold_duration", func(c *CreateHotel) { c.HoldDuration = 1500 * time.Millisecond }, domain.InvalidArgument},
		{"hold_duration", func(c *CreateHotel) { c.HoldDuration = HoldDurationMax + time.Second }, domain.InvalidArgument},
	} {
		scenario{when: with(createHotel(), tc.spoil), reason: tc.reason, field: tc.field}.run(t)
	}
}

// TestAnOldHotelKeepsItsCurrency: from when any three letters were taken, or one whose country has another by now.
func TestAnOldHotelKeepsItsCurrency(t *testing.T) {
	for _, code := range []string{"XQQ", "HRK"} {
		s := New()
		evolve(t, s, &eventpb.HotelCreated{Hotel: &eventpb.Hotel{
			HotelId: "grand", DisplayName: "Grand", TimeZone: "Europe/Lisbon", CurrencyCode: code, HoldSeconds: 900, Version: 1,
		}})
		double := with(createDouble(), func(c *CreateRoomType) { c.BaseRate.Currency = code })
		placed := run(t, s, noon, double, rooms(10), place(1, 1, july(3, 5)), &UpdateHotel{Hotel: "grand", DisplayName: ptr("Great")})
		if m, ok := placed[2].(*eventpb.ReservationPlaced); !ok || m.GetCurrencyCode() != code {
			t.Errorf("%s: %v", code, placed[2])
		}
		_, err := Decide(s, with(createDouble(), func(c *CreateRoomType) { c.RoomType, c.BaseRate.Currency = "twin", "XQX" }), At{Now: noon})
		if domain.ReasonOf(err) != domain.InvalidArgument {
			t.Errorf("a rate of no currency: %v", err)
		}
	}
}

func TestRoomType(t *testing.T) {
	created := []Command{createHotel(), createDouble()}
	archived := []Command{createHotel(), createDouble(), &ArchiveRoomType{Hotel: "grand", RoomType: "double"}}
	double := func(version int64) *eventpb.RoomType {
		return &eventpb.RoomType{
			HotelId: "grand", RoomTypeId: "double", DisplayName: "Double", MaxGuests: 4, Version: version,
			BaseRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 10_000},
		}
	}
	changed := double(2)
	changed.MaxGuests, changed.BaseRate.MinorUnits = 3, 9_900
	gone := double(2)
	gone.Archived = true
	spoiled := func(change func(*CreateRoomType)) Command { return with(createDouble(), change) }
	runAll(t, []scenario{
		{name: "is created", given: created[:1], when: createDouble(), then: []proto.Message{&eventpb.RoomTypeCreated{RoomType: double(1)}}},
		{name: "needs a hotel", when: createDouble(), reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "is created once", given: created, when: createDouble(), reason: domain.RoomTypeExists, field: "room_type_id"},
		{name: "is not made again from the archive", given: archived, when: createDouble(), reason: domain.RoomTypeExists, field: "room_type_id"},
		{
			name: "changes what is given", given: created,
			when: &UpdateRoomType{
				Hotel: "grand", RoomType: "double", ExpectedVersion: 1, MaxGuests: ptr(int32(3)), BaseRate: &domain.Money{MinorUnits: 9_900},
			},
			then: []proto.Message{&eventpb.RoomTypeUpdated{RoomType: changed}},
		},
		{
			name: "refuses a stale etag", given: created, when: &UpdateRoomType{Hotel: "grand", RoomType: "double", ExpectedVersion: 3},
			reason: domain.EtagMismatch, field: "etag",
		},
		{
			name: "is archived", given: created, when: &ArchiveRoomType{Hotel: "grand", RoomType: "double"},
			then: []proto.Message{&eventpb.RoomTypeArchived{RoomType: gone}},
		},
		{name: "is archived once", given: archived, when: &ArchiveRoomType{Hotel: "grand", RoomType: "double"}, reason: domain.RoomTypeArchived, field: "room_type_id"},
		{name: "does not change in the archive", given: archived, when: &UpdateRoomType{Hotel: "grand", RoomType: "double"}, reason: domain.RoomTypeArchived, field: "room_type_id"},
		{name: "gets no inventory in the archive", given: archived, when: rooms(1), reason: domain.RoomTypeArchived, field: "room_type_id"},
		{name: "must exist to change", given: created, when: &UpdateRoomType{Hotel: "grand", RoomType: "suite"}, reason: domain.RoomTypeNotFound, field: "room_type_id"},
		{name: "has an id", given: created, when: spoiled(func(c *CreateRoomType) { c.RoomType = "Double" }), reason: domain.InvalidID, field: "room_type_id"},
		{name: "has a name", given: created[:1], when: spoiled(func(c *CreateRoomType) { c.DisplayName = "" }), reason: domain.InvalidArgument, field: "display_name"},
		{name: "has few guests", given: created[:1], when: spoiled(func(c *CreateRoomType) { c.MaxGuests = MaxGuestsMax + 1 }), reason: domain.InvalidArgument, field: "max_guests"},
		{
			name: "is priced in the hotel's currency", given: created[:1],
			when:   spoiled(func(c *CreateRoomType) { c.BaseRate = &domain.Money{Currency: "USD", MinorUnits: 1} }),
			reason: domain.CurrencyMismatch, field: "base_rate.currency_code",
		},
		{
			name: "has no negative price", given: created[:1],
			when:   spoiled(func(c *CreateRoomType) { c.BaseRate = &domain.Money{MinorUnits: -1} }),
			reason: domain.InvalidArgument, field: "base_rate",
		},
		{
			name: "has no price beyond all sums", given: created[:1],
			when:   spoiled(func(c *CreateRoomType) { c.BaseRate = &domain.Money{MinorUnits: domain.AmountMax + 1} }),
			reason: domain.InvalidArgument, field: "base_rate",
		},
	})
}

func TestRoomTypesAreLimited(t *testing.T) {
	s := New()
	run(t, s, noon, createHotel())
	for n := range RoomTypesMax {
		run(t, s, noon, &CreateRoomType{Hotel: "grand", RoomType: uuid(n), DisplayName: "Room"})
	}
	_, err := Decide(s, createDouble(), At{Now: noon})
	if domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("one room type too many: %v", err)
	}
}

func TestInventory(t *testing.T) {
	set := func(change func(*SetInventory)) Command { return with(rooms(2), change) }
	inventory := &eventpb.InventorySet{
		HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01", PhysicalCount: ptr(int32(2)),
	}
	none := proto.CloneOf(inventory)
	none.PhysicalCount = ptr(int32(0))
	rated := &eventpb.InventorySet{
		HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-04", EndDate: "2026-07-06",
		NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 7_000},
	}
	created := []Command{createHotel(), createDouble()}
	broken := set(func(c *SetInventory) { c.PhysicalCount = nil; c.OutOfOrderCount = ptr(int32(1)) })
	runAll(t, []scenario{
		{name: "is set", given: created, when: rooms(2), then: []proto.Message{inventory}},
		{
			name: "has rates", given: created, when: &SetInventory{
				Hotel: "grand", RoomType: "double", Start: day(2026, 7, 4), End: day(2026, 7, 6), NightlyRate: &domain.Money{Currency: "EUR", MinorUnits: 7_000},
			}, then: []proto.Message{rated},
		},
		{
			name: "may fall below what is taken", given: open(place(1, 2, july(1, 3))), when: rooms(0),
			then: []proto.Message{none},
		},
		{name: "needs a room type", given: created[:1], when: rooms(2), reason: domain.RoomTypeNotFound, field: "room_type_id"},
		{name: "needs something to set", given: created, when: set(func(c *SetInventory) { c.PhysicalCount = nil }), reason: domain.InvalidArgument},
		{name: "is not negative", given: created, when: rooms(-1), reason: domain.InvalidArgument, field: "physical_count"},
		{name: "is not huge", given: created, when: rooms(CountMax + 1), reason: domain.InvalidArgument, field: "physical_count"},
		{
			name: "has a limited overbooking", given: created, when: set(func(c *SetInventory) { c.OverbookingLimit = ptr(int32(CountMax + 1)) }),
			reason: domain.InvalidArgument, field: "overbooking_limit",
		},
		{
			name: "has no more out of order than exist", given: append(created, with(rooms(1), func(c *SetInventory) { c.End = day(2026, 7, 30) })), when: broken,
			reason: domain.InvalidArgument, field: "out_of_order_count", nights: []domain.Date{day(2026, 7, 30), day(2026, 7, 31)},
		},
		{
			name: "does not fall below out of order", given: open(set(func(c *SetInventory) { c.OutOfOrderCount = ptr(int32(2)); c.End = day(2026, 7, 2) })),
			when: rooms(1), reason: domain.InvalidArgument, field: "out_of_order_count", nights: []domain.Date{day(2026, 7, 1)},
		},
		{name: "needs a night", given: created, when: set(func(c *SetInventory) { c.End = c.Start }), reason: domain.InvalidDates, field: "end_date"},
		{
			name: "is not about the past", given: created, when: set(func(c *SetInventory) { c.Start -= 2 }),
			reason: domain.PastDate, field: "start_date", nights: []domain.Date{day(2026, 6, 29), day(2026, 6, 30)},
		},
		{
			name: "is not about the far future", given: created, when: set(func(c *SetInventory) { c.End = c.Start + SetDaysAheadMax + 1 }),
			reason: domain.TooFarAhead, field: "end_date",
		},
		{
			name: "is in the hotel's currency", given: created, when: set(func(c *SetInventory) { c.NightlyRate = &domain.Money{Currency: "USD", MinorUnits: 1} }),
			reason: domain.CurrencyMismatch, field: "nightly_rate.currency_code",
		},
	})
}
