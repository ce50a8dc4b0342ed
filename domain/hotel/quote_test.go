package hotel

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// quoted returns c with the quote of what its event says in state s, and the event.
func quoted(t *testing.T, c *PlaceReservation, given []Command) (*PlaceReservation, *eventpb.ReservationPlaced) {
	t.Helper()
	s := New()
	run(t, s, noon, given...)
	events, err := Decide(s, c, At{Now: noon, InventoryOffset: 7})
	if err != nil {
		t.Fatal(err)
	}
	e := events[0].(*eventpb.ReservationPlaced)
	price := StayPrice{Nightly: e.NightlyMinorUnits, ExtraGuests: e.GetTerms().GetExtraGuestMinorUnits(), Charges: e.GetTerms().GetCharges(), Total: e.TotalMinorUnits}
	return with(c, func(c *PlaceReservation) {
		c.Quote = &Quote{ID: uuid(77), ExpireTime: noon.Add(time.Minute), Total: e.TotalMinorUnits, Digest: PriceDigest(&price, "EUR", e.GetTerms().GetCancellation())}
	}), e
}

func TestPlaceFromAQuote(t *testing.T) {
	priced := open(createFlexible(), rates(1, 20, 5_000), cityTaxes())
	then := func(more ...Command) []Command { return append(slices.Clone(priced), more...) }
	c, e := quoted(t, flexibleAt(1, 3, Guest{Adults: 3}), priced)
	bare, _ := quoted(t, place(1, 1, july(1, 3)), priced)
	e.Terms.QuoteId = uuid(77)
	e.HoldExpireTime = nil
	hold := with(c, func(c *PlaceReservation) { c.NoHoldExpiry = true })
	free := &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Fields: PlanCancellation}
	fewer := &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Terms: PlanTerms{IncludedGuests: 1}, Fields: PlanIncludedGuests}
	noTax := &UpdateHotel{Hotel: "grand", Taxes: &[]Tax{{ID: "city", DisplayName: "City tax", Basis: guestNight, Amount: 200}}}
	renamed := &UpdateHotel{Hotel: "grand", DisplayName: ptr("Grander")}
	changed := func(name string, when Command, given ...Command) scenario {
		return scenario{name: name, given: then(given...), when: when, reason: domain.RateChanged, field: "quote"}
	}
	runAll(t, []scenario{
		{name: "has its price", given: priced, when: hold, then: []proto.Message{e}},
		{name: "whatever else has changed", given: then(renamed, rates(4, 9, 1)), when: hold, then: []proto.Message{e}},
		changed("not when a night's rate has changed", c, rates(2, 3, 5_001)),
		changed("not when it is cheaper either", c, rates(2, 3, 4_000)),
		changed("not when nights have changed and the sum has not", c, rates(1, 2, 5_001), rates(2, 3, 4_999)),
		changed("not when guests cost more", c, fewer),
		changed("not when taxes have changed", c, noTax),
		changed("not when the terms have changed", c, free),
		changed("not without a plan either", bare, &SetInventory{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 2), End: day(2026, 7, 3), NightlyRate: &domain.Money{MinorUnits: 1}}),
		{name: "not when its time is over", given: priced, now: noon.Add(time.Minute), when: c, reason: domain.QuoteExpired, field: "quote"},
		{
			name: "not beside a promised rate", given: priced, reason: domain.InvalidArgument, field: "quote",
			when: with(bare, func(c *PlaceReservation) { c.NightlyRate = &domain.Money{} }),
		},
		{
			name: "not without rooms", given: then(rooms(0)), when: with(bare, func(c *PlaceReservation) { c.ReservationID = uuid(3) }),
			then: rejection(3, stayOf(1, "2026-07-01", "2026-07-03"), "2026-07-01", "2026-07-02"),
		},
	})
	if with(c, func(c *PlaceReservation) { c.Quote = nil }).Fingerprint() == c.Fingerprint() ||
		with(c, func(c *PlaceReservation) { c.RatePlan = "" }).Fingerprint() == c.Fingerprint() {
		t.Error("a quote or a rate plan is no part of the fingerprint")
	}
}

// TestPriceDigest: the digest of a price changes with every part of it.
func TestPriceDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price, err := PriceStay(drawPriced(t))
		if err != nil {
			t.Skip("beyond 64 bits")
		}
		digest := PriceDigest(&price, "EUR", nil)
		if PriceDigest(&price, "EUR", nil) != digest || PriceDigest(&price, "USD", nil) == digest ||
			PriceDigest(&price, "EUR", &eventpb.CancellationTerms{}) == digest {
			t.Fatal("currency or terms do not count, or the digest is not the price's")
		}
		i := rapid.IntRange(0, len(price.Nightly)+len(price.Charges)+1).Draw(t, "part")
		switch j := i - len(price.Nightly); {
		case j < 0:
			price.Nightly[i]++
		case j < len(price.Charges):
			price.Charges[j].MinorUnits++
		case j == len(price.Charges):
			price.Total++
		default:
			price.ExtraGuests++
		}
		if PriceDigest(&price, "EUR", nil) == digest {
			t.Fatalf("part %d does not count", i)
		}
	})
}
