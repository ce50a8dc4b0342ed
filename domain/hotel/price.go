package hotel

import (
	"math/bits"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// StayPrice is what a stay costs. Nights and the charges that are not included always sum to Total.
type StayPrice struct {
	Nightly     []int64           // of each night for all rooms, extra guests included
	ExtraGuests int64             // of each night's price, what guests beyond those included cost
	Charges     []*eventpb.Charge // taxes and fees, one for each tax of the hotel, in their order
	Total       int64
}

// Priced is what a price is made of.
type Priced struct {
	Rates    []int64 // of one room for each night, none negative. PriceStay makes the lines of them, in place
	Quantity int32
	Guests   int32 // adults and children; each room counts for one at least
	Plan     *eventpb.RatePlan
	Taxes    []*eventpb.Tax
}

// PriceStay prices a stay. Every tax is one line over the whole stay, rounded once, half up, to a minor unit. Per cent are of the nights'
// prices, extra guests included, and never of another tax. Included taxes are the parts that they are of those prices,
// all included per cent together: of 110.00 with two of 5 %, each is 5.00. The error has reason LimitReached.
func PriceStay(p *Priced) (StayPrice, error) {
	price := StayPrice{Nightly: p.Rates}
	guests := max(int64(p.Guests), int64(p.Quantity))
	if plan := p.Plan; plan.GetIncludedGuests() > 0 && plan.GetExtraGuestCharge() != nil {
		extra := max(0, guests-int64(plan.GetIncludedGuests())*int64(p.Quantity))
		var err error
		if price.ExtraGuests, err = domain.MultiplyUnits(plan.GetExtraGuestCharge().GetMinorUnits(), extra); err != nil {
			return price, err
		}
	}
	for i, rate := range p.Rates {
		line, err := domain.MultiplyUnits(rate, int64(p.Quantity))
		if err == nil {
			line, err = domain.AddUnits(line, price.ExtraGuests)
		}
		if err == nil {
			price.Total, err = domain.AddUnits(price.Total, line)
		}
		if err != nil {
			return price, err
		}
		p.Rates[i] = line
	}
	if len(p.Taxes) == 0 {
		return price, nil
	}
	return price, price.tax(p, guests)
}

// percentWhole is 100 % in the thousandths that rates of taxes and fees are written in.
const percentWhole = 100_000

// tax adds a charge for each tax.
func (price *StayPrice) tax(p *Priced, guests int64) error {
	room := price.Total
	gross := int64(percentWhole)
	for _, tax := range p.Taxes {
		if tax.GetIncluded() && tax.GetBasis() == eventpb.TaxBasis_TAX_BASIS_PERCENT {
			gross += tax.GetAmount()
		}
	}
	rooms, nights := int64(p.Quantity), int64(len(p.Rates))
	for _, tax := range p.Taxes {
		var amount int64
		var err error
		switch tax.GetBasis() {
		case eventpb.TaxBasis_TAX_BASIS_PERCENT:
			whole := int64(percentWhole)
			if tax.GetIncluded() {
				whole = gross
			}
			amount, err = share(room, tax.GetAmount(), whole)
		case eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT:
			amount, err = domain.MultiplyUnits(tax.GetAmount(), rooms*nights)
		case eventpb.TaxBasis_TAX_BASIS_ROOM_STAY:
			amount, err = domain.MultiplyUnits(tax.GetAmount(), rooms)
		case eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT:
			amount, err = domain.MultiplyUnits(tax.GetAmount(), guests*nights)
		}
		if err == nil && !tax.GetIncluded() {
			price.Total, err = domain.AddUnits(price.Total, amount)
		}
		if err != nil {
			return err
		}
		price.Charges = append(price.Charges, &eventpb.Charge{
			TaxId: tax.GetTaxId(), DisplayName: tax.GetDisplayName(), MinorUnits: amount, Included: tax.GetIncluded(),
		})
	}
	return nil
}

// share returns amount × part ÷ whole, rounded half up. None is negative and whole is positive.
func share(amount, part, whole int64) (int64, error) {
	high, low := bits.Mul64(uint64(amount), uint64(part))
	low, carry := bits.Add64(low, uint64(whole)/2, 0)
	high += carry
	if high >= uint64(whole) {
		return 0, domain.Errorf(domain.LimitReached, "", "the amount is beyond 64 bits of minor units")
	}
	quotient, _ := bits.Div64(high, low, uint64(whole))
	if quotient > 1<<63-1 {
		return 0, domain.Errorf(domain.LimitReached, "", "the amount is beyond 64 bits of minor units")
	}
	return int64(quotient), nil
}
