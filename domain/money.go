package domain

import (
	"math"
	"strconv"
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

// String returns the currency and the minor units, as in "EUR 12050 minor units".
func (m Money) String() string {
	return m.Currency + " " + strconv.FormatInt(m.MinorUnits, 10) + " minor units"
}

// Validate returns an *Error unless m has a currency and an amount from 0 to AmountMax.
func (m Money) Validate(field string) error {
	if err := ValidateCurrency(m.Currency, field); err != nil {
		return err
	}
	if m.MinorUnits < 0 || m.MinorUnits > AmountMax {
		return Errorf(InvalidArgument, field, "%d minor units is not from 0 to %d", m.MinorUnits, int64(AmountMax))
	}
	return nil
}

// ValidateCurrency returns an *Error with reason InvalidArgument unless code is three capital letters.
func ValidateCurrency(code, field string) error {
	if len(code) == 3 && isUpper(code[0]) && isUpper(code[1]) && isUpper(code[2]) {
		return nil
	}
	return Errorf(InvalidArgument, field, "%.16q is not an ISO 4217 currency code such as EUR", code)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

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
