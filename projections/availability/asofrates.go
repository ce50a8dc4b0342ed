package availability

import (
	"fmt"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// PastRates are the rates of a room type in a rate plan at a moment of the past, as Past is of the nights: they are set by other events, and by plan. Not safe for
// concurrent use.
type PastRates struct {
	hotelID, ratePlanID, roomTypeID string
	from                            domain.Date
	amounts                         []*domain.Money // of each night, the first is from; nil: none
}

// NewPastRates returns the rates of the nights [from, to) before anything has happened.
func NewPastRates(hotelID, ratePlanID, roomTypeID string, from, to domain.Date) *PastRates {
	return &PastRates{hotelID, ratePlanID, roomTypeID, from, make([]*domain.Money, to-from)}
}

// Take applies the next event of topic inventory.
func (p *PastRates) Take(e projections.Event) error {
	m, ok := e.Envelope.Message.(*eventpb.RatesSet)
	if !ok || m.GetHotelId() != p.hotelID || m.GetRatePlanId() != p.ratePlanID || m.GetRoomTypeId() != p.roomTypeID {
		return nil
	}
	first, last, days, err := ratedNights(m)
	if err != nil {
		return fmt.Errorf("fold %s: %w", e.Position, err)
	}
	var amount *domain.Money
	if rate := m.GetNightlyRate(); rate != nil {
		amount = &domain.Money{Currency: rate.GetCurrencyCode(), MinorUnits: rate.GetMinorUnits()}
	}
	for d := max(first, p.from); d < min(last, p.from.AddDays(len(p.amounts))); d++ {
		if days.Has(d) {
			p.amounts[d-p.from] = amount
		}
	}
	return nil
}

// Rates returns the nights that had a rate, as Queries.Rates does.
func (p *PastRates) Rates() (rates []Rate) {
	for i, amount := range p.amounts {
		if amount != nil {
			rates = append(rates, Rate{p.from.AddDays(i), *amount})
		}
	}
	return rates
}
