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

func createFlexible() *CreateRatePlan {
	return &CreateRatePlan{Hotel: "grand", RatePlan: "flexible", Terms: PlanTerms{
		DisplayName: "Flexible", IncludedGuests: 2, ExtraGuestCharge: &domain.Money{MinorUnits: 1_000}, MaxAdults: ptr(int32(3)),
		MinStay: 2, MaxStay: 5, Cancellation: &eventpb.CancellationTerms{
			FreeDays: 1, FreeUntilHour: 18, Fee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
		},
	}}
}

func flexible(version int64) *eventpb.RatePlan {
	return &eventpb.RatePlan{
		HotelId: "grand", RatePlanId: "flexible", DisplayName: "Flexible", IncludedGuests: 2, MaxAdults: ptr(int32(3)), MinStay: 2, MaxStay: 5,
		ExtraGuestCharge: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 1_000}, Version: version, CurrencyCode: "EUR",
		Cancellation: createFlexible().Terms.Cancellation,
	}
}

// rates sets the nightly rate of doubles under plan flexible.
func rates(from, to int, units int64) *SetRates {
	return &SetRates{
		Hotel: "grand", RatePlan: "flexible", RoomType: "double", Start: day(2026, 7, from), End: day(2026, 7, to), NightlyRate: &domain.Money{MinorUnits: units},
	}
}

func flexibleAt(in, out int, guest Guest) *PlaceReservation {
	return with(place(1, 1, july(in, out)), func(c *PlaceReservation) { c.RatePlan, c.Guest = "flexible", guest })
}

func cityTaxes() *UpdateHotel {
	return &UpdateHotel{Hotel: "grand", Taxes: &[]Tax{
		{ID: "vat", DisplayName: "VAT", Basis: percent, Amount: 10_000, Included: true},
		{ID: "city", DisplayName: "City tax", Basis: guestNight, Amount: 200},
	}}
}

func TestRatePlan(t *testing.T) {
	created := open(createFlexible())
	changed := flexible(2)
	changed.DisplayName, changed.MaxAdults, changed.Cancellation, changed.ExtraGuestCharge = "Free", nil, nil, nil
	gone := flexible(2)
	gone.Archived = true
	spoiled := func(change func(*PlanTerms)) Command {
		c := *createFlexible()
		change(&c.Terms)
		return &c
	}
	runAll(t, []scenario{
		{name: "is created", given: open(), when: createFlexible(), then: []proto.Message{&eventpb.RatePlanCreated{RatePlan: flexible(1)}}},
		{name: "is created once", given: created, when: createFlexible(), reason: domain.RatePlanExists, field: "rate_plan_id"},
		{name: "needs a hotel", when: createFlexible(), reason: domain.HotelNotFound, field: "hotel_id"},
		{
			name: "changes what is named, also to nothing", given: created, when: &UpdateRatePlan{
				Hotel: "grand", RatePlan: "flexible", ExpectedVersion: 1, Terms: PlanTerms{DisplayName: "Free", MinStay: 4},
				Fields: PlanDisplayName | PlanMaxAdults | PlanCancellation | PlanExtraGuestCharge,
			}, then: []proto.Message{&eventpb.RatePlanUpdated{RatePlan: changed}},
		},
		{name: "refuses a stale etag", given: created, when: &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", ExpectedVersion: 2}, reason: domain.EtagMismatch, field: "etag"},
		{
			name: "keeps its limits apart", given: created, when: &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Terms: PlanTerms{MaxStay: 1}, Fields: PlanMaxStay},
			reason: domain.InvalidArgument, field: "max_stay",
		},
		{name: "is archived", given: created, when: &ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}, then: []proto.Message{&eventpb.RatePlanArchived{RatePlan: gone}}},
		{name: "must exist to be archived", given: open(), when: &ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}, reason: domain.RatePlanNotFound, field: "rate_plan_id"},
		{name: "has an id", given: open(), when: with(createFlexible(), func(c *CreateRatePlan) { c.RatePlan = "Flexible" }), reason: domain.InvalidID, field: "rate_plan_id"},
		{name: "has a name", given: open(), when: spoiled(func(p *PlanTerms) { p.DisplayName = "" }), reason: domain.InvalidArgument, field: "display_name"},
		{name: "has a short description", given: open(), when: spoiled(func(p *PlanTerms) { p.Description = strings.Repeat("x", DescriptionMax+1) }), reason: domain.InvalidArgument, field: "description"},
		{name: "includes some guests", given: open(), when: spoiled(func(p *PlanTerms) { p.IncludedGuests = -1 }), reason: domain.InvalidArgument, field: "included_guests"},
		{name: "is in the hotel's currency", given: open(), when: spoiled(func(p *PlanTerms) { p.ExtraGuestCharge = &domain.Money{Currency: "USD"} }), reason: domain.CurrencyMismatch, field: "extra_guest_charge.currency_code"},
		{name: "has fees in the hotel's currency", given: open(), when: spoiled(func(p *PlanTerms) { p.FeeCurrency = "USD" }), reason: domain.CurrencyMismatch, field: "cancellation"},
		{name: "has an hour", given: open(), when: spoiled(func(p *PlanTerms) { p.Cancellation = &eventpb.CancellationTerms{FreeUntilHour: 25} }), reason: domain.InvalidArgument, field: "cancellation.free_until_hour"},
		{name: "has a deadline", given: open(), when: spoiled(func(p *PlanTerms) { p.Cancellation = &eventpb.CancellationTerms{FreeDays: 366} }), reason: domain.InvalidArgument, field: "cancellation.free_days"},
		{
			name: "costs no more than all", given: open(), reason: domain.InvalidArgument, field: "cancellation.fee", when: spoiled(func(p *PlanTerms) {
				p.Cancellation = &eventpb.CancellationTerms{Fee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: percentWhole + 1}}
			}),
		},
		{name: "has rates of rooms that are there", given: created, when: with(rates(1, 9, 5), func(c *SetRates) { c.RoomType = "suite" }), reason: domain.RoomTypeNotFound, field: "room_type_id"},
		{name: "must exist to have rates", given: open(), when: rates(1, 9, 5), reason: domain.RatePlanNotFound, field: "rate_plan_id"},
		{name: "has no negative rates", given: created, when: rates(1, 9, -5), reason: domain.InvalidArgument, field: "nightly_rate"},
		{
			name: "has rates by weekday", given: created, when: with(rates(1, 9, 5), func(c *SetRates) { c.Weekdays = domain.WeekdaysOf(time.Monday) }),
			then: []proto.Message{&eventpb.RatesSet{
				HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-09",
				Weekdays: []eventpb.Weekday{eventpb.Weekday_WEEKDAY_MONDAY}, NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 5},
			}},
		},
		{
			name: "taxes once", given: open(), reason: domain.InvalidArgument, field: "taxes.tax_id",
			when: &UpdateHotel{Hotel: "grand", Taxes: &[]Tax{{ID: "vat", DisplayName: "a", Basis: percent}, {ID: "vat", DisplayName: "b", Basis: percent}}},
		},
		{
			name: "taxes in the hotel's currency", given: open(), reason: domain.CurrencyMismatch, field: "taxes.amount",
			when: &UpdateHotel{Hotel: "grand", Taxes: &[]Tax{{ID: "city", DisplayName: "a", Basis: roomStay, Currency: "USD"}}},
		},
		{
			name: "taxes no more than all", given: open(), reason: domain.InvalidArgument, field: "taxes.amount",
			when: &UpdateHotel{Hotel: "grand", Taxes: &[]Tax{{ID: "vat", DisplayName: "a", Basis: percent, Amount: percentWhole + 1}}},
		},
	})
}

func TestPlaceUnderARatePlan(t *testing.T) {
	priced := open(createFlexible(), rates(1, 20, 5_000), cityTaxes())
	standing := func(change func(*eventpb.ReservationPlaced)) []proto.Message {
		return []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
			e.Stay = stayOf(1, "2026-07-01", "2026-07-03")
			e.Terms = &eventpb.Terms{RatePlanId: "flexible", Cancellation: flexible(1).Cancellation}
			change(e)
		})}
	}
	three := Guest{Adults: 2, Children: 1, Infants: 2}
	runAll(t, []scenario{
		{
			name: "costs the plan's rates, extra guests and taxes", given: priced, when: flexibleAt(1, 3, three), then: standing(func(e *eventpb.ReservationPlaced) {
				e.Guest = &eventpb.Guest{Adults: 2, Children: 1, Infants: 2}
				e.NightlyMinorUnits, e.Terms.ExtraGuestMinorUnits, e.TotalMinorUnits = []int64{6_000, 6_000}, 1_000, 13_200
				e.Terms.Charges = []*eventpb.Charge{
					{TaxId: "vat", DisplayName: "VAT", MinorUnits: 1_091, Included: true}, {TaxId: "city", DisplayName: "City tax", MinorUnits: 1_200},
				}
			}),
		},
		{
			name: "is taxed without a plan", given: priced, when: place(1, 1, july(1, 2)), then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.Stay, e.NightlyMinorUnits, e.TotalMinorUnits = stayOf(1, "2026-07-01", "2026-07-02"), []int64{10_000}, 10_200
				e.Terms = &eventpb.Terms{Charges: []*eventpb.Charge{
					{TaxId: "vat", DisplayName: "VAT", MinorUnits: 909, Included: true}, {TaxId: "city", DisplayName: "City tax", MinorUnits: 200},
				}}
			})},
		},
		{
			name: "a promised rate has its taxes", given: priced, when: with(place(1, 1, july(1, 2)), func(c *PlaceReservation) { c.NightlyRate = &domain.Money{MinorUnits: 7} }),
			then: []proto.Message{placedEvent(func(e *eventpb.ReservationPlaced) {
				e.Stay, e.NightlyMinorUnits, e.TotalMinorUnits = stayOf(1, "2026-07-01", "2026-07-02"), []int64{7}, 7
			})},
		},
		{
			name: "is not the plan's where it has no rate", given: open(createFlexible(), rates(1, 3, 5_000), with(rates(2, 3, 0), func(c *SetRates) { c.NightlyRate = nil })),
			when: flexibleAt(1, 4, Guest{}), reason: domain.NotPriced, field: "stay", nights: []domain.Date{day(2026, 7, 2), day(2026, 7, 3)},
		},
		{
			name: "is as long as the plan demands", given: priced, when: with(flexibleAt(1, 2, Guest{}), func(c *PlaceReservation) { c.ReservationID = uuid(3) }),
			then: func() []proto.Message {
				m := restricted(stayOf(1, "2026-07-01", "2026-07-02"), broke(eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY, 2, "2026-07-01"))
				m[0].(*eventpb.ReservationRejected).RatePlanId = "flexible"
				return m
			}(),
		},
		{name: "takes no more adults", given: priced, when: flexibleAt(1, 3, Guest{Adults: 4}), reason: domain.OccupancyExceeded, field: "guest.adults"},
		{name: "needs a plan that is there", given: open(), when: flexibleAt(1, 3, Guest{}), reason: domain.RatePlanNotFound, field: "rate_plan_id"},
		{
			name: "needs a plan on sale", given: append(slices.Clone(priced), &ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}), when: flexibleAt(1, 3, Guest{}),
			reason: domain.RatePlanArchived, field: "rate_plan_id",
		},
		{
			name: "is at a promised rate under the plan's terms", given: priced,
			when: with(flexibleAt(1, 3, three), func(c *PlaceReservation) { c.NightlyRate = &domain.Money{MinorUnits: 7} }),
			then: standing(func(e *eventpb.ReservationPlaced) {
				e.Guest = &eventpb.Guest{Adults: 2, Children: 1, Infants: 2}
				e.NightlyMinorUnits, e.TotalMinorUnits = []int64{7, 7}, 14
			}),
		},
	})
}
