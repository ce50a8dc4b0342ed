package api

import (
	"testing"

	"lodge/domain"
	"lodge/log"
)

func TestPositionText(t *testing.T) {
	for _, p := range []log.Position{{}, {Topic: "bookings", Partition: 3, Offset: 1 << 40}} {
		if got := positionText(p); got != p.String() {
			t.Errorf("%q is not %q", got, p)
		}
	}
}

func TestMoneyRoundTrips(t *testing.T) {
	for _, m := range []domain.Money{{Currency: "EUR", MinorUnits: 12345}, {Currency: "JPY", MinorUnits: 7}, {Currency: "KWD", MinorUnits: 1999}, {Currency: "CLF", MinorUnits: 1}} {
		if got, err := fromMoney(toMoney(m.Currency, m.MinorUnits), "total"); err != nil || got != m {
			t.Errorf("%v became %v: %v", m, got, err)
		}
	}
}

func TestDatesRoundTrip(t *testing.T) {
	for _, d := range []domain.Date{domain.DateMin, 0, 20_000, domain.DateMax} {
		if got, err := fromDate(toDate(d), "date"); err != nil || got != d {
			t.Errorf("%v became %v: %v", d, got, err)
		}
	}
}
