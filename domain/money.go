package domain

import (
	"fmt"
	"math"
)

// Money is an amount in minor units (cents) of a currency. It is never a float.
type Money struct {
	Currency   string // ISO 4217: three capital letters
	MinorUnits int64
}

// AmountMax bounds every single amount, so that sums over the longest stay and the largest quantity cannot overflow.
const AmountMax = 1_000_000_000_000

// Add returns the sum. The error has reason CurrencyMismatch, or LimitReached when the sum overflows.
func (m Money) Add(other Money) (Money, error) {
	if m.Currency != other.Currency {
		return Money{}, Errorf(CurrencyMismatch, "", "%s and %s do not add", m.Currency, other.Currency)
	}
	sum, err := AddUnits(m.MinorUnits, other.MinorUnits)
	return Money{Currency: m.Currency, MinorUnits: sum}, err
}

// Times returns m n times over. The error has reason LimitReached when it overflows.
func (m Money) Times(n int64) (Money, error) {
	product, err := MultiplyUnits(m.MinorUnits, n)
	return Money{Currency: m.Currency, MinorUnits: product}, err
}

// String returns the amount in units and the currency, as in "120.50 EUR" or "5000 JPY".
func (m Money) String() string {
	digits, per := MinorDigits(m.Currency), MinorPerUnit(m.Currency)
	if digits == 0 {
		return fmt.Sprintf("%d %s", m.MinorUnits, m.Currency)
	}
	sign, units, minor := "", m.MinorUnits/per, m.MinorUnits%per
	if m.MinorUnits < 0 {
		sign, units, minor = "-", -units, -minor
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, units, digits, minor, m.Currency)
}

// Validate returns an *Error unless m has a currency code and an amount from 0 to AmountMax.
func (m Money) Validate(field string) error {
	if err := ValidateCurrencyCode(m.Currency, field); err != nil {
		return err
	}
	if m.MinorUnits < 0 || m.MinorUnits > AmountMax {
		return Errorf(InvalidArgument, field, "%d minor units is not from 0 to %d", m.MinorUnits, int64(AmountMax))
	}
	return nil
}

// AddUnits adds two amounts of minor units. The error has reason LimitReached when the sum overflows.
func AddUnits(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return 0, overflow()
	}
	return sum, nil
}

// MultiplyUnits multiplies an amount of minor units. The error has reason LimitReached when the product overflows.
func MultiplyUnits(amount, n int64) (int64, error) {
	if amount == 0 || n == 0 {
		return 0, nil
	}
	product := amount * n
	if product/n != amount || amount == math.MinInt64 && n == -1 {
		return 0, overflow()
	}
	return product, nil
}

func overflow() error { return Errorf(LimitReached, "", "the amount is beyond 64 bits of minor units") }
