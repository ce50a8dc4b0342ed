package api

import (
	"time"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/domain"
)

// nanosPerUnit is google.type.Money's fraction.
const nanosPerUnit = 1_000_000_000

// minorDigits are the currencies of ISO 4217 that do not have two digits after the point.
var minorDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
	"UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// minorPerUnit returns how many minor units make one unit of a currency.
func minorPerUnit(currency string) int64 {
	digits, ok := minorDigits[currency]
	if !ok {
		return 100
	}
	n := int64(1)
	for range digits {
		n *= 10
	}
	return n
}

// toMoney returns the API's form of an amount. No currency: nil.
func toMoney(currency string, minorUnits int64) *money.Money {
	if currency == "" {
		return nil
	}
	per := minorPerUnit(currency)
	return &money.Money{
		CurrencyCode: currency,
		Units:        minorUnits / per,
		Nanos:        int32(minorUnits % per * (nanosPerUnit / per)),
	}
}

// fromMoney reads the API's form of an amount, which must be a whole number of minor units from 0 to domain.AmountMax.
func fromMoney(m *money.Money, field string) (domain.Money, error) {
	if err := domain.ValidateCurrency(m.GetCurrencyCode(), field+".currency_code"); err != nil {
		return domain.Money{}, err
	}
	per := minorPerUnit(m.GetCurrencyCode())
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
