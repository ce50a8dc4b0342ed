package hotel

import (
	"crypto/sha256"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Quote is a price that was promised for a reservation. It is kept nowhere: whoever promised it says again what it was.
type Quote struct {
	ID         string // a UUID
	ExpireTime time.Time
	Digest     [16]byte // of price and terms: PriceDigest
	Total      int64    // minor units, to say what it was
}

// PriceDigest is the same for two prices exactly when every line, the total and the cancellation terms are: half a SHA-256.
func PriceDigest(p *StayPrice, currency string, terms *eventpb.CancellationTerms) [16]byte {
	var c canonical
	c.b = c.scratch[:0]
	c.text("price", currency)
	c.number(int64(len(p.Nightly)))
	c.number(p.Nightly...)
	c.number(p.ExtraGuests, p.Total, int64(len(p.Charges)))
	for _, charge := range p.Charges {
		c.text(charge.GetTaxId())
		c.number(charge.GetMinorUnits())
		c.flag(charge.GetIncluded())
	}
	c.terms(&PlanTerms{Cancellation: terms})
	sum := sha256.Sum256(c.b)
	return [16]byte(sum[:16])
}

// checkTime returns an error when the quote is over.
func (q *Quote) checkTime(now time.Time) error {
	if q == nil || now.Before(q.ExpireTime) {
		return nil
	}
	return domain.Errorf(domain.QuoteExpired, "quote", "quote %s ended at %s", q.ID, q.ExpireTime.UTC().Format(time.RFC3339))
}

// checkPrice returns an error unless the price is the one that was promised.
func (q *Quote) checkPrice(p *StayPrice, currency string, terms *eventpb.CancellationTerms) error {
	if q == nil || PriceDigest(p, currency, terms) == q.Digest {
		return nil
	}
	was, is := domain.Money{Currency: currency, MinorUnits: q.Total}, domain.Money{Currency: currency, MinorUnits: p.Total}
	return domain.Errorf(domain.RateChanged, "quote", "the total of quote %s was %s and is %s now; lines or terms have changed", q.ID, was, is)
}
