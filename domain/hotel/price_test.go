package hotel

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func tax(basis eventpb.TaxBasis, amount int64, included bool) *eventpb.Tax {
	return &eventpb.Tax{TaxId: "t", DisplayName: "T", Basis: basis, Amount: amount, Included: included}
}

const (
	percent    = eventpb.TaxBasis_TAX_BASIS_PERCENT
	roomNight  = eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT
	roomStay   = eventpb.TaxBasis_TAX_BASIS_ROOM_STAY
	guestNight = eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT
)

func TestPriceStay(t *testing.T) {
	plan := &eventpb.RatePlan{IncludedGuests: 2, ExtraGuestCharge: &eventpb.Money{MinorUnits: 1_500}}
	for name, c := range map[string]struct {
		in      Priced
		nightly []int64
		charges []int64
		total   int64
	}{
		"bare":                        {Priced{Rates: []int64{100, 250}, Quantity: 2}, []int64{200, 500}, nil, 700},
		"extra guests":                {Priced{Rates: []int64{100, 250}, Quantity: 2, Guests: 5, Plan: plan}, []int64{1_700, 2_000}, nil, 3_700},
		"guests included":             {Priced{Rates: []int64{100}, Quantity: 2, Guests: 4, Plan: plan}, []int64{200}, nil, 200},
		"per cent on top":             {Priced{Rates: []int64{1_000, 1_000}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 8_875, false)}}, []int64{1_000, 1_000}, []int64{178}, 2_178}, // 177.5
		"a half is rounded up":        {Priced{Rates: []int64{5}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 10_000, false)}}, []int64{5}, []int64{1}, 6},
		"less is rounded down":        {Priced{Rates: []int64{4}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 10_000, false)}}, []int64{4}, []int64{0}, 4},
		"once over the whole stay":    {Priced{Rates: []int64{4, 4, 4}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 10_000, false)}}, []int64{4, 4, 4}, []int64{1}, 13},
		"included per cent":           {Priced{Rates: []int64{11_000}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 10_000, true)}}, []int64{11_000}, []int64{1_000}, 11_000},
		"two included ones":           {Priced{Rates: []int64{11_000}, Quantity: 1, Taxes: []*eventpb.Tax{tax(percent, 5_000, true), tax(percent, 5_000, true)}}, []int64{11_000}, []int64{500, 500}, 11_000},
		"taxes are not taxed":         {Priced{Rates: []int64{1_000}, Quantity: 1, Taxes: []*eventpb.Tax{tax(roomStay, 500, false), tax(percent, 10_000, false)}}, []int64{1_000}, []int64{500, 100}, 1_600},
		"extra guests are":            {Priced{Rates: []int64{1_000}, Quantity: 1, Guests: 3, Plan: plan, Taxes: []*eventpb.Tax{tax(percent, 10_000, false)}}, []int64{2_500}, []int64{250}, 2_750},
		"by rooms, nights and guests": {Priced{Rates: []int64{0, 0, 0}, Quantity: 2, Guests: 5, Taxes: []*eventpb.Tax{tax(roomNight, 7, false), tax(roomStay, 11, false), tax(guestNight, 13, false)}}, []int64{0, 0, 0}, []int64{42, 22, 195}, 259},
		"each room has a guest":       {Priced{Rates: []int64{0}, Quantity: 3, Taxes: []*eventpb.Tax{tax(guestNight, 13, false)}}, []int64{0}, []int64{39}, 39},
	} {
		price, err := PriceStay(&c.in)
		var charges []int64
		for _, charge := range price.Charges {
			charges = append(charges, charge.MinorUnits)
		}
		if err != nil || price.Total != c.total || !slices.Equal(price.Nightly, c.nightly) || !slices.Equal(charges, c.charges) {
			t.Errorf("%s: %+v, %v", name, price, err)
		}
	}
}

func drawPriced(t *rapid.T) *Priced {
	amount := rapid.OneOf(rapid.Int64Range(0, 50_000), rapid.Int64Range(0, domain.AmountMax))
	in := &Priced{
		Rates:    rapid.SliceOfN(amount, 1, domain.StayNightsMax).Draw(t, "rates"),
		Quantity: rapid.Int32Range(1, QuantityMax).Draw(t, "quantity"), Guests: rapid.Int32Range(0, 2*PersonsMax).Draw(t, "guests"),
	}
	if rapid.Bool().Draw(t, "with a plan") {
		in.Plan = &eventpb.RatePlan{
			IncludedGuests:   rapid.Int32Range(0, 4).Draw(t, "included guests"),
			ExtraGuestCharge: &eventpb.Money{MinorUnits: amount.Draw(t, "extra")},
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "taxes") {
		basis := rapid.SampledFrom([]eventpb.TaxBasis{percent, roomNight, roomStay, guestNight}).Draw(t, "basis")
		limit := int64(domain.AmountMax)
		if basis == percent {
			limit = percentWhole
		}
		in.Taxes = append(in.Taxes, tax(basis, rapid.Int64Range(0, limit).Draw(t, "amount"), rapid.Bool().Draw(t, "included")))
	}
	return in
}

// TestLinesSumToTheTotal: for any rates, guests, quantities and taxes; and every per cent is within half a minor unit of what it is without rounding.
func TestLinesSumToTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawPriced(t)
		rates := slices.Clone(in.Rates)
		price, err := PriceStay(in)
		if err != nil {
			if domain.ReasonOf(err) != domain.LimitReached {
				t.Fatal(err)
			}
			return
		}
		room, gross := new(big.Int), int64(percentWhole)
		for i, line := range price.Nightly {
			if want := rates[i]*int64(in.Quantity) + price.ExtraGuests; line != want || line < 0 {
				t.Fatalf("night %d costs %d, want %d", i, line, want)
			}
			room.Add(room, big.NewInt(line))
		}
		sum := new(big.Int).Set(room)
		for _, tax := range in.Taxes {
			if tax.Included && tax.Basis == percent {
				gross += tax.Amount
			}
		}
		for i, charge := range price.Charges {
			if !charge.Included {
				sum.Add(sum, big.NewInt(charge.MinorUnits))
			}
			if in.Taxes[i].Basis == percent {
				whole := int64(percentWhole)
				if charge.Included {
					whole = gross
				}
				exact := new(big.Int).Mul(room, big.NewInt(in.Taxes[i].Amount))
				off := exact.Sub(new(big.Int).Mul(big.NewInt(charge.MinorUnits), big.NewInt(whole)), exact) // charge × whole − room × part
				if off.Mul(off, big.NewInt(2)); off.CmpAbs(big.NewInt(whole)) > 0 {
					t.Fatalf("%v of %s is more than half a unit off", charge, room)
				}
			}
		}
		if !sum.IsInt64() || sum.Int64() != price.Total || len(price.Charges) != len(in.Taxes) {
			t.Fatalf("%d lines sum to %s, the total is %d", len(price.Nightly)+len(price.Charges), sum, price.Total)
		}
	})
}
