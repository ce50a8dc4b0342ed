package availability

import (
	"cmp"
	"context"
	"slices"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/projections"
)

var putRate = projections.Insert{
	Into: "INSERT INTO rate VALUES", Columns: 6,
	Then: "ON CONFLICT DO UPDATE SET currency = excluded.currency, minor_units = excluded.minor_units",
}

// applyRates writes the rates of rate plans in the order of the events: of a night that is set twice, the last one counts.
func applyRates(tx *projections.Tx, events []projections.Event) error {
	put := tx.Inserter(putRate)
	for i := range events {
		m, ok := events[i].Envelope.Message.(*eventpb.RatesSet)
		if !ok {
			continue
		}
		first, last, days, err := ratedNights(m)
		if err != nil {
			return err
		}
		var currency, units any
		if rate := m.GetNightlyRate(); rate != nil {
			currency, units = rate.GetCurrencyCode(), rate.GetMinorUnits()
		}
		for d := first; d < last; d++ {
			if !days.Has(d) {
				continue
			}
			if err := thawRate(tx, m, d); err != nil {
				return err
			}
			if err := put.Add(m.GetHotelId(), m.GetRatePlanId(), m.GetRoomTypeId(), int64(d), currency, units); err != nil {
				return err
			}
		}
	}
	return put.Flush()
}

// ratedNights returns the nights that an event sets the rates of: those of [first, last) that fall on the days.
func ratedNights(m *eventpb.RatesSet) (first, last domain.Date, days domain.Weekdays, err error) {
	if first, last, err = nights(m.GetStartDate(), m.GetEndDate()); err == nil {
		days, err = event.WeekdaysOf(m.GetWeekdays())
	}
	return first, last, days, err
}

// thawRate brings a rate back from the archive when it is there.
func thawRate(tx *projections.Tx, m *eventpb.RatesSet, d domain.Date) error {
	archived, err := tx.Archived(rateTable, m.GetHotelId(), int64(d))
	if archived {
		_, err = tx.Thaw(rateTable, int64(d), m.GetHotelId(), m.GetRatePlanId(), m.GetRoomTypeId(), int64(d))
	}
	return err
}

const (
	rateColumns = "date, currency, minor_units"
	whereRates  = "hotel_id = ? AND rate_plan_id = ? AND room_type_id = ? AND minor_units IS NOT NULL AND date >= ? AND date < ? ORDER BY date"
)

// Rate is what one room costs on a night under a rate plan.
type Rate struct {
	Date   domain.Date
	Amount domain.Money
}

// Rates returns the rates of a room type in a rate plan on the nights [from, to), those that have one, in order. Errors:
// domain.InvalidDates, domain.LimitReached.
func (q *Queries) Rates(ctx context.Context, hotelID, ratePlanID, roomTypeID string, from, to domain.Date) (rates []Rate, err error) {
	if to <= from {
		return nil, domain.Errorf(domain.InvalidDates, "", "%s is not after %s", to, from)
	}
	if int(to)-int(from) > RangeMax {
		return nil, domain.Errorf(domain.LimitReached, "", "%d nights are more than %d", int(to)-int(from), RangeMax)
	}
	args := []any{hotelID, ratePlanID, roomTypeID, int64(from), int64(to)}
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return eachDay(ctx, c, rateTable, rateColumns, whereRates, args, func(r *projections.Row) error {
			rates = append(rates, Rate{domain.Date(r.Int(0)), domain.Money{Currency: r.Text(1), MinorUnits: r.Int(2)}})
			return nil
		})
	})
	slices.SortFunc(rates, func(a, b Rate) int { return cmp.Compare(a.Date, b.Date) })
	return rates, err
}
