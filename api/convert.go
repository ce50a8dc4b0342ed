package api

import (
	"time"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/domain"
)

// nanosPerUnit is google.type.Money's fraction.
const nanosPerUnit = 1_000_000_000

// toMoney returns the API's form of an amount. No currency: nil.
func toMoney(currency string, minorUnits int64) *money.Money {
	if currency == "" {
		return nil
	}
	per := domain.MinorPerUnit(currency)
	return &money.Money{
		CurrencyCode: currency,
		Units:        minorUnits / per,
		Nanos:        int32(minorUnits % per * (nanosPerUnit / per)),
	}
}

// fromMoney reads the API's form of an amount, which must be a whole number of minor units from 0 to domain.AmountMax.
func fromMoney(m *money.Money, field string) (domain.Money, error) {
	if err := domain.ValidateCurrencyCode(m.GetCurrencyCode(), field+".currency_code"); err != nil {
		return domain.Money{}, err
	}
	per := domain.MinorPerUnit(m.GetCurrencyCode())
	nanosPerMinor := nanosPerUnit / per
	switch {
	case m.GetUnits() < 0 || m.GetNanos() < 0 || m.GetNanos() >= nanosPerUnit:
		return domain.Money{}, domain.Errorf(domain.InvalidArgument, field, "an amount is not negative and has nanos below %d", nanosPerUnit)
	case int64(m.GetNanos())%nanosPerMinor != 0:
		return domain.Money{}, domain.Errorf(domain.InvalidArgument, field+".nanos", "%d nanos is not a whole number of minor units of %s", m.GetNanos(), m.GetCurrencyCode())
	case m.GetUnits() > domain.AmountMax/per:
		return domain.Money{}, domain.Errorf(domain.InvalidArgument, field, "the amount is beyond %d minor units", int64(domain.AmountMax))
	}
	amount := domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetUnits()*per + int64(m.GetNanos())/nanosPerMinor}
	return amount, amount.Validate(field)
}

// toDate returns the API's form of a day.
func toDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}

// fromDate reads the API's form of a day, which must be one of the calendar: no zeros, no February 30.
func fromDate(d *date.Date, field string) (domain.Date, error) {
	if d == nil {
		return 0, domain.Errorf(domain.InvalidDates, field, "a date is missing")
	}
	day := domain.DateOf(int(d.GetYear()), time.Month(d.GetMonth()), int(d.GetDay()))
	year, month, monthDay := day.Time(time.UTC).Date()
	if d.GetYear() < 1 || d.GetYear() > 9999 || int32(year) != d.GetYear() || int32(month) != d.GetMonth() || int32(monthDay) != d.GetDay() {
		return 0, domain.Errorf(domain.InvalidDates, field, "year %d, month %d, day %d is not a day of the calendar", d.GetYear(), d.GetMonth(), d.GetDay())
	}
	return day, nil
}

// dateText makes the API's form of a stored day, nil when it is not one.
func dateText(s string) *date.Date {
	d, err := domain.ParseDate(s)
	if err != nil {
		return nil
	}
	return toDate(d)
}
