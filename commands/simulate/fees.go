package simulate

import (
	"math/bits"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// percentWhole is 100 % in the thousandths that fees are written in.
const percentWhole = 100_000

// cancellationFee is what a cancellation costs at a moment.
func cancellationFee(t *eventpb.CancellationTerms, s *stay, at time.Time, place *time.Location) int64 {
	if t == nil {
		return 0
	}
	day := s.CheckIn.AddDays(-int(t.GetFreeDays())).Time(place)
	free := time.Date(day.Year(), day.Month(), day.Day(), int(t.GetFreeUntilHour()), 0, 0, 0, place)
	if !t.GetNeverFree() && at.Before(free) {
		return 0
	}
	return fee(t.GetFee(), s)
}

// noShowFee is what a guest who never came pays: as for a late cancellation, unless the terms say otherwise.
func noShowFee(t *eventpb.CancellationTerms, s *stay) int64 {
	if t.GetNoShowFee() != nil {
		return fee(t.GetNoShowFee(), s)
	}
	return fee(t.GetFee(), s)
}

// fee is what is kept of a price, never more than it.
func fee(f *eventpb.CancellationFee, s *stay) int64 {
	var amount int64
	switch f.GetKind() {
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
		for i := range min(f.GetAmount(), int64(len(s.nightly))) {
			amount += s.nightly[i]
		}
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
		high, low := bits.Mul64(uint64(max(0, s.total)), uint64(min(max(0, f.GetAmount()), percentWhole)))
		low, carry := bits.Add64(low, percentWhole/2, 0)
		quotient, _ := bits.Div64(high+carry, low, percentWhole) // high is below the divisor: no part is more than the whole
		amount = int64(quotient)
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT:
		amount = f.GetAmount()
	}
	return min(max(0, amount), s.total)
}

// perRoomNight is the mean price of one room for one night.
func perRoomNight(m *eventpb.ReservationPlaced) int64 {
	var sum int64
	for _, line := range m.GetNightlyMinorUnits() {
		sum += line
	}
	n := int64(len(m.GetNightlyMinorUnits())) * int64(max(1, m.GetStay().GetQuantity()))
	if n == 0 {
		return 0
	}
	return sum / n
}

// share returns part of whole of an amount, rounded down.
func share(amount int64, part, whole int32) int64 {
	if part == whole || whole == 0 {
		return amount
	}
	return amount * int64(part) / int64(whole)
}

// startOf returns the first day of the period that a day lies in, and of the next one.
func (p Period) startOf(d domain.Date) (start, next domain.Date) {
	year, month, _ := d.Time(time.UTC).Date()
	switch p {
	case Daily:
		return d, d + 1
	case Weekly:
		start = d.AddDays(-((int(d.Weekday()) + 6) % 7))
		return start, start + 7
	case Yearly:
		return domain.DateOf(year, time.January, 1), domain.DateOf(year+1, time.January, 1)
	}
	return domain.DateOf(year, month, 1), domain.Today(time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC), time.UTC)
}
