package hotel

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

var extend = &ExtendInventory{Hotel: "grand"}

// horizon is a hotel without inventory that opens ten nights of doubles by defaults: 4 rooms, 1 of overbooking, and 5000 under plan flexible.
func horizon(more ...Command) []Command {
	return append([]Command{
		with(createHotel(), func(c *CreateHotel) { c.HorizonDays = 10 }),
		with(createDouble(), func(c *CreateRoomType) {
			c.Defaults = &RoomTypeDefaults{PhysicalCount: ptr(int32(4)), OverbookingLimit: 1}
		}),
		with(createFlexible(), func(c *CreateRatePlan) {
			c.Terms.DefaultRates = []DefaultRate{{RoomType: "double", NightlyRate: domain.Money{MinorUnits: 5_000}}}
		}),
	}, more...)
}

func opened(from, to string, change func(*eventpb.InventorySet)) proto.Message {
	e := &eventpb.InventorySet{
		HotelId: "grand", RoomTypeId: "double", StartDate: from, EndDate: to, PhysicalCount: ptr(int32(4)), OverbookingLimit: ptr(int32(1)),
	}
	change(e)
	return e
}

func asIs(*eventpb.InventorySet) {}

func priced(from, to string) proto.Message {
	return &eventpb.RatesSet{
		HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "double", StartDate: from, EndDate: to,
		NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 5_000},
	}
}

func TestExtendInventory(t *testing.T) {
	only := func(from, to int, change func(*SetInventory)) Command {
		return with(&SetInventory{Hotel: "grand", RoomType: "double", Start: day(2026, 7, from), End: day(2026, 7, to)}, change)
	}
	runAll(t, []scenario{
		{
			name: "opens the nights up to the horizon", given: horizon(), when: extend,
			then: []proto.Message{opened("2026-07-01", "2026-07-11", asIs), priced("2026-07-01", "2026-07-11")},
		},
		{name: "twice changes nothing", given: horizon(extend), when: extend},
		{
			name: "a day later opens one night", given: horizon(extend), now: noon.AddDate(0, 0, 1), when: extend,
			then: []proto.Message{opened("2026-07-11", "2026-07-12", asIs), priced("2026-07-11", "2026-07-12")},
		},
		{
			name: "counts days in the hotel's calendar", given: horizon(extend), now: time.Date(2026, 7, 1, 23, 0, 0, 0, time.UTC), when: extend,
			then: []proto.Message{opened("2026-07-11", "2026-07-12", asIs), priced("2026-07-11", "2026-07-12")},
		},
		{
			name: "leaves what was set, be it to nothing", when: extend,
			given: horizon(
				only(3, 5, func(c *SetInventory) { c.PhysicalCount = ptr(int32(0)) }), rates(2, 3, 9_000),
				with(rates(4, 5, 0), func(c *SetRates) { c.NightlyRate = nil }),
			),
			then: []proto.Message{
				opened("2026-07-01", "2026-07-03", asIs), opened("2026-07-05", "2026-07-11", asIs),
				priced("2026-07-01", "2026-07-02"), priced("2026-07-03", "2026-07-04"), priced("2026-07-05", "2026-07-11"),
			},
		},
		{
			name: "leaves an overbooking that was set before the rooms", when: extend,
			given: horizon(
				only(1, 3, func(c *SetInventory) { c.OverbookingLimit = ptr(int32(0)) }),
				only(3, 5, func(c *SetInventory) { c.OverbookingPercent = ptr(int32(50)) }),
				only(5, 9, func(c *SetInventory) { c.NightlyRate = &domain.Money{MinorUnits: 1} }), rates(1, 11, 1),
			),
			then: []proto.Message{
				opened("2026-07-01", "2026-07-05", func(e *eventpb.InventorySet) { e.OverbookingLimit = nil }), opened("2026-07-05", "2026-07-11", asIs),
			},
		},
		{
			name: "overbooks by per cent", when: extend,
			given: horizon(rates(1, 11, 1), &UpdateRoomType{Hotel: "grand", RoomType: "double", Defaults: &RoomTypeDefaults{
				PhysicalCount: ptr(int32(0)), OverbookingPercent: 5,
			}}),
			then: []proto.Message{opened("2026-07-01", "2026-07-11", func(e *eventpb.InventorySet) {
				e.PhysicalCount, e.OverbookingLimit, e.OverbookingPercent = ptr(int32(0)), nil, ptr(int32(5))
			})},
		},
		{
			name: "opens no rooms without defaults", given: horizon(&UpdateRoomType{Hotel: "grand", RoomType: "double", Defaults: &RoomTypeDefaults{}}),
			when: extend, then: []proto.Message{priced("2026-07-01", "2026-07-11")},
		},
		{name: "opens nothing without a horizon", given: horizon(&UpdateHotel{Hotel: "grand", HorizonDays: ptr(int32(0))}), when: extend},
		{name: "opens nothing of an archived type", given: horizon(&ArchiveRoomType{Hotel: "grand", RoomType: "double"}), when: extend},
		{
			name: "prices nothing of an archived plan", given: horizon(&ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}), when: extend,
			then: []proto.Message{opened("2026-07-01", "2026-07-11", asIs)},
		},
		{name: "opens nothing of an archived hotel", given: horizon(&ArchiveHotel{Hotel: "grand"}), when: extend},
		{name: "of no hotel", when: extend, reason: domain.HotelNotFound, field: "hotel_id"},
	})
}

// What the horizon remembers outlives a snapshot.
func TestTheHorizonAfterASnapshot(t *testing.T) {
	s := New()
	run(t, s, noon, horizon(
		&SetInventory{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 3), End: day(2026, 7, 5), PhysicalCount: ptr(int32(0))},
		with(rates(4, 5, 0), func(c *SetRates) { c.NightlyRate = nil }), extend,
	)...)
	if events := run(t, reload(t, s), noon, extend); len(events) != 0 {
		t.Errorf("opened again: %v", events)
	}
	for d, physical := range map[int]int32{1: 4, 3: 0, 5: 4, 11: 0} {
		if got := s.Night("double", day(2026, 7, d)); got.PhysicalCount != physical || got.OverbookingLimit != min(physical, 1) {
			t.Errorf("%+v, want %d rooms", got, physical)
		}
	}
}

// One command never leads to more events than ExtendMax; the next goes on where it ended.
func TestExtendInventoryStepByStep(t *testing.T) {
	s := New()
	run(t, s, noon, with(createHotel(), func(c *CreateHotel) { c.HorizonDays = HorizonDaysMax }), createDouble())
	for d := day(2026, 7, 1); d < day(2026, 7, 1)+HorizonDaysMax; d += 2 { // every other night is set
		run(t, s, noon, &SetInventory{Hotel: "grand", RoomType: "double", Start: d, End: d + 1, PhysicalCount: ptr(int32(1))})
	}
	run(t, s, noon, &UpdateRoomType{Hotel: "grand", RoomType: "double", Defaults: &RoomTypeDefaults{PhysicalCount: ptr(int32(4))}})
	for _, want := range []int{ExtendMax, HorizonDaysMax/2 - ExtendMax, 0} {
		if n := len(run(t, s, noon, extend)); n != want {
			t.Errorf("%d events, want %d", n, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	hotelWith := func(days int32) Command { return with(createHotel(), func(c *CreateHotel) { c.HorizonDays = days }) }
	typeWith := func(d RoomTypeDefaults) Command {
		return with(createDouble(), func(c *CreateRoomType) { c.Defaults = &d })
	}
	planWith := func(rates ...DefaultRate) Command {
		return &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Terms: PlanTerms{DefaultRates: rates}, Fields: PlanDefaultRates}
	}
	double := DefaultRate{RoomType: "double", NightlyRate: domain.Money{Currency: "EUR", MinorUnits: 1}}
	many := make([]DefaultRate, RoomTypesMax+1)
	for i := range many {
		many[i].RoomType = "type-" + strconv.Itoa(i)
	}
	changed := flexible(2)
	changed.DefaultRates = []*eventpb.DefaultRate{{RoomTypeId: "double", NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 1}}}
	hotels, plans := []Command{createHotel()}, slices.Clip(open(createFlexible()))
	runAll(t, []scenario{
		{name: "a horizon behind us", when: hotelWith(-1), reason: domain.InvalidArgument, field: "horizon_days"},
		{name: "a horizon too far", when: hotelWith(HorizonDaysMax + 1), reason: domain.InvalidArgument, field: "horizon_days"},
		{
			name: "fewer rooms than none", given: hotels, when: typeWith(RoomTypeDefaults{PhysicalCount: ptr(int32(-1))}),
			reason: domain.InvalidArgument, field: "default_physical_count",
		},
		{
			name: "too many rooms", given: hotels, when: typeWith(RoomTypeDefaults{PhysicalCount: ptr(int32(CountMax + 1))}),
			reason: domain.InvalidArgument, field: "default_physical_count",
		},
		{
			name: "overbooking below none", given: hotels, when: typeWith(RoomTypeDefaults{OverbookingLimit: -1}),
			reason: domain.InvalidArgument, field: "default_overbooking_limit",
		},
		{
			name: "too many per cent", given: hotels, when: typeWith(RoomTypeDefaults{OverbookingPercent: OverbookPercentMax + 1}),
			reason: domain.InvalidArgument, field: "default_overbooking_percent",
		},
		{
			name: "both kinds of overbooking", given: hotels, when: typeWith(RoomTypeDefaults{OverbookingPercent: 1, OverbookingLimit: 1}),
			reason: domain.InvalidArgument, field: "default_overbooking_percent",
		},
		{
			name: "a rate of nothing", given: plans, when: planWith(DefaultRate{RoomType: "suite"}),
			reason: domain.RoomTypeNotFound, field: "default_rates.room_type_id",
		},
		{name: "a rate of no id", given: plans, when: planWith(DefaultRate{}), reason: domain.InvalidID, field: "default_rates.room_type_id"},
		{name: "two rates of one type", given: plans, when: planWith(double, double), reason: domain.InvalidArgument, field: "default_rates.room_type_id"},
		{
			name: "a rate in other money", given: plans, when: planWith(DefaultRate{RoomType: "double", NightlyRate: domain.Money{Currency: "USD"}}),
			reason: domain.CurrencyMismatch, field: "default_rates.nightly_rate.currency_code",
		},
		{
			name: "a negative rate", given: plans, when: planWith(DefaultRate{RoomType: "double", NightlyRate: domain.Money{MinorUnits: -1}}),
			reason: domain.InvalidArgument, field: "default_rates.nightly_rate",
		},
		{name: "too many rates", given: plans, when: planWith(many...), reason: domain.LimitReached, field: "default_rates"},
		{name: "a rate", given: plans, when: planWith(double), then: []proto.Message{&eventpb.RatePlanUpdated{RatePlan: changed}}},
		{name: "no rate any more", given: append(plans, planWith(double)), when: planWith(), then: []proto.Message{&eventpb.RatePlanUpdated{RatePlan: flexible(3)}}},
	})
}

// Defaults are a part of the request; without any, requests are what they were before there were defaults.
func TestDefaultsInFingerprints(t *testing.T) {
	plain := createFlexible()
	for name, c := range map[string]Command{
		"rate":  with(createFlexible(), func(c *CreateRatePlan) { c.Terms.DefaultRates = []DefaultRate{{RoomType: "double"}} }),
		"other": with(createFlexible(), func(c *CreateRatePlan) { c.Terms.DefaultRates = []DefaultRate{{RoomType: "suite"}} }),
	} {
		if c.Fingerprint() == plain.Fingerprint() {
			t.Errorf("%s: not in the fingerprint", name)
		}
	}
	if with(createHotel(), func(c *CreateHotel) { c.HorizonDays = 1 }).Fingerprint() == createHotel().Fingerprint() {
		t.Error("the horizon is not in the fingerprint")
	}
}
