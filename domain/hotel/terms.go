package hotel

import (
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// terms are what a reservation was made under and still needs. They can be compared.
type terms struct {
	plan          string // empty: the hotel's own rates
	limited       bool   // there are cancellation terms
	neverFree     bool
	freeDays      int32
	freeUntilHour int32
	fee           fee
	noShow        fee
}

// fee is an eventpb.CancellationFee; the zero value is none.
type fee struct {
	kind   eventpb.CancellationFeeKind
	amount int64
}

func termsOf(plan string, m *eventpb.CancellationTerms) terms {
	if m == nil {
		return terms{plan: plan}
	}
	return terms{
		plan: plan, limited: true, neverFree: m.NeverFree, freeDays: m.FreeDays, freeUntilHour: m.FreeUntilHour,
		fee: fee{m.GetFee().GetKind(), m.GetFee().GetAmount()}, noShow: fee{m.GetNoShowFee().GetKind(), m.GetNoShowFee().GetAmount()},
	}
}

// cancellation returns the cancellation terms as an event holds them, or nil.
func (t *terms) cancellation() *eventpb.CancellationTerms {
	if !t.limited {
		return nil
	}
	return &eventpb.CancellationTerms{
		FreeDays: t.freeDays, FreeUntilHour: t.freeUntilHour, NeverFree: t.neverFree, Fee: t.fee.message(), NoShowFee: t.noShow.message(),
	}
}

func (f fee) message() *eventpb.CancellationFee {
	if f == (fee{}) {
		return nil
	}
	return &eventpb.CancellationFee{Kind: f.kind, Amount: f.amount}
}

// of returns what the fee keeps of a price: at most the total, and nothing when there is no fee. nightly are the lines of the nights, which NIGHTS counts from the first
// on; PERCENT is of the total, rounded half up.
func (f fee) of(nightly []int64, total int64) int64 {
	var kept int64
	var err error
	switch f.kind {
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
		for i := 0; i < len(nightly) && int64(i) < f.amount && err == nil; i++ {
			kept, err = domain.AddUnits(kept, nightly[i])
		}
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
		kept, err = share(total, max(0, f.amount), percentWhole)
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT:
		kept = f.amount
	}
	if err != nil {
		return total
	}
	return max(0, min(kept, total))
}

// free reports whether canceling is free at now: before free_until_hour o'clock of the day that is free_days before check-in. Without terms it always is. It goes by what
// the clocks at the hotel show: an hour that is skipped is over when it would have come, and one that comes twice counts when it comes first.
func (t *terms) free(checkIn domain.Date, now time.Time, place *time.Location) bool {
	if !t.limited {
		return true
	}
	if t.neverFree {
		return false
	}
	today, last := domain.Today(now, place), checkIn.AddDays(-int(t.freeDays))
	return today < last || today == last && now.In(place).Hour() < int(t.freeUntilHour)
}

// freeUntil returns when canceling ceases to be free: zero when it never was, or always is.
func (t *terms) freeUntil(checkIn domain.Date, place *time.Location) time.Time {
	if !t.limited || t.neverFree {
		return time.Time{}
	}
	day := checkIn.AddDays(-int(t.freeDays)).Time(place)
	return time.Date(day.Year(), day.Month(), day.Day(), int(t.freeUntilHour), 0, 0, 0, place)
}

// termsTable keeps each terms once, as long as a reservation is under them. Place 0 is none.
type termsTable struct {
	uses   slab[termsUse]
	places map[terms]ref
}

type termsUse struct {
	terms terms
	count int
}

// use counts a reservation under t, and returns the place of t.
func (l *termsTable) use(t terms) ref {
	if t == (terms{}) {
		return 0
	}
	at, ok := l.places[t]
	if !ok {
		if l.places == nil {
			l.places = make(map[terms]ref)
		}
		at = l.uses.add(termsUse{terms: t})
		l.places[t] = at
	}
	l.uses.at(at).count++
	return at
}

// release takes a reservation from under the terms at a place.
func (l *termsTable) release(at ref) {
	if at == 0 {
		return
	}
	use := l.uses.at(at)
	if use.count--; use.count == 0 {
		delete(l.places, use.terms)
		l.uses.remove(at)
	}
}

func (l *termsTable) at(at ref) terms {
	if at == 0 {
		return terms{}
	}
	return l.uses.at(at).terms
}
