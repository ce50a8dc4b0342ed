package domain_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lodge/domain"
)

func TestStay(t *testing.T) {
	july := domain.DateOf(2026, 7, 1)
	for _, tc := range []struct {
		name string
		stay domain.Stay
		want domain.Reason
	}{
		{"one night", domain.Stay{CheckIn: july, CheckOut: july + 1}, ""},
		{"the longest", domain.Stay{CheckIn: july, CheckOut: july + domain.StayNightsMax}, ""},
		{"a night too long", domain.Stay{CheckIn: july, CheckOut: july + domain.StayNightsMax + 1}, domain.StayTooLong},
		{"no night", domain.Stay{CheckIn: july, CheckOut: july}, domain.InvalidDates},
		{"backwards", domain.Stay{CheckIn: july, CheckOut: july - 1}, domain.InvalidDates},
		{"after the calendar", domain.Stay{CheckIn: domain.DateMax, CheckOut: domain.DateMax + 1}, domain.InvalidDates},
		{"extremes", domain.Stay{CheckIn: math.MinInt32, CheckOut: math.MaxInt32}, domain.InvalidDates},
	} {
		if got := domain.ReasonOf(tc.stay.Validate()); got != tc.want {
			t.Errorf("%s: reason %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestStayIsHalfOpen(t *testing.T) {
	stay, err := domain.ParseStay("2026-07-01", "2026-07-04")
	if err != nil {
		t.Fatal(err)
	}
	var nights []string
	for d := range stay.All() {
		nights = append(nights, d.String())
	}
	if want := []string{"2026-07-01", "2026-07-02", "2026-07-03"}; !slices.Equal(nights, want) || stay.Nights() != 3 {
		t.Errorf("%s has the nights %v, want %v", stay, nights, want)
	}
	if !stay.Contains(stay.CheckIn) || stay.Contains(stay.CheckOut) || stay.Contains(stay.CheckIn-1) {
		t.Error("it does not contain its first night, or contains one outside")
	}
	for range stay.All() {
		break // stopping early is allowed
	}
}

func TestParseStayNamesTheField(t *testing.T) {
	for _, tc := range [][3]string{
		{"x", "2026-07-04", "check_in_date"}, {"2026-07-01", "x", "check_out_date"}, {"2026-07-01", "2026-07-01", "check_out_date"},
	} {
		_, err := domain.ParseStay(tc[0], tc[1])
		var e *domain.Error
		if !errors.As(err, &e) || e.Field != tc[2] {
			t.Errorf("%v: %v, want the field %s", tc[:2], err, tc[2])
		}
	}
}

// TestUnitsAreExactOrRefused compares with arithmetic that has no limit.
func TestUnitsAreExactOrRefused(t *testing.T) {
	edge := rapid.SampledFrom([]int64{0, 1, -1, 2, math.MaxInt64, math.MinInt64, math.MaxInt64 / 2, 1 << 32, -(1 << 31)})
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.OneOf(edge, rapid.Int64()).Draw(t, "a")
		b := rapid.OneOf(edge, rapid.Int64()).Draw(t, "b")
		sum, err := domain.AddUnits(a, b)
		checkUnits(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), sum, err)
		product, err := domain.MultiplyUnits(a, b)
		checkUnits(t, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), product, err)
	})
}

func checkUnits(t *rapid.T, exact *big.Int, got int64, err error) {
	if !exact.IsInt64() {
		if !errors.Is(err, domain.LimitReached) {
			t.Fatalf("%s came out as %d (%v)", exact, got, err)
		}
	} else if err != nil || got != exact.Int64() {
		t.Fatalf("%s came out as %d (%v)", exact, got, err)
	}
}

func TestMoney(t *testing.T) {
	euro := domain.Money{Currency: "EUR", MinorUnits: 1050}
	if sum, err := euro.Add(domain.Money{Currency: "EUR", MinorUnits: 50}); err != nil || sum.MinorUnits != 1100 {
		t.Errorf("sum %s (%v)", sum, err)
	}
	if three, err := euro.Times(3); err != nil || three.MinorUnits != 3150 || three.Currency != "EUR" {
		t.Errorf("three times %s (%v)", three, err)
	}
	if _, err := euro.Add(domain.Money{Currency: "USD"}); !errors.Is(err, domain.CurrencyMismatch) {
		t.Errorf("euros and dollars: %v", err)
	}
	for _, bad := range []domain.Money{
		{}, {Currency: "eur"}, {Currency: "EURO"}, {Currency: "E1R"}, {Currency: "EUR", MinorUnits: -1}, {Currency: "EUR", MinorUnits: domain.AmountMax + 1},
	} {
		if err := bad.Validate("price"); !errors.Is(err, domain.InvalidArgument) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := euro.Validate("price"); err != nil {
		t.Error(err)
	}
}

func TestMoneyText(t *testing.T) {
	for want, m := range map[string]domain.Money{
		"120.50 EUR": {Currency: "EUR", MinorUnits: 12_050}, "0.05 EUR": {Currency: "EUR", MinorUnits: 5}, "-0.05 EUR": {Currency: "EUR", MinorUnits: -5},
		"5000 JPY": {Currency: "JPY", MinorUnits: 5_000}, "1.999 KWD": {Currency: "KWD", MinorUnits: 1_999}, "0.0001 CLF": {Currency: "CLF", MinorUnits: 1},
		"1.00 XQQ": {Currency: "XQQ", MinorUnits: 100},
	} {
		if got := m.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestCurrencies goes through all codes that there can be.
func TestCurrencies(t *testing.T) {
	count := map[int]int{}
	code := []byte("AAA")
	for i := range 26 * 26 * 26 {
		code[0], code[1], code[2] = 'A'+byte(i/676), 'A'+byte(i/26%26), 'A'+byte(i%26)
		if domain.ValidateCurrency(string(code), "currency_code") == nil {
			count[domain.MinorDigits(string(code))]++
		}
		if err := domain.ValidateCurrencyCode(string(code), "currency_code"); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[int]int{0: 16, 2: 132, 3: 7}; !maps.Equal(count, want) {
		t.Errorf("currencies by digits: %v, want %v", count, want)
	}
	for code, digits := range map[string]int{"EUR": 2, "USD": 2, "MGA": 2, "JPY": 0, "ISK": 0, "UGX": 0, "VND": 0, "BHD": 3, "TND": 3, "XCG": 2, "XOF": 0} {
		if err := domain.ValidateCurrency(code, "currency_code"); err != nil || domain.MinorDigits(code) != digits {
			t.Errorf("%s: %d digits, error %v", code, domain.MinorDigits(code), err)
		}
	}
	for code, digits := range map[string]int{"XQQ": 2, "XTS": 2, "XAU": 2, "BGN": 2, "CLF": 4, "UYW": 4, "UYI": 0} {
		if err := domain.ValidateCurrency(code, "currency_code"); !errors.Is(err, domain.InvalidArgument) || domain.MinorDigits(code) != digits {
			t.Errorf("%s: %d digits, error %v", code, domain.MinorDigits(code), err)
		}
	}
	for _, code := range []string{"", "EURO", "eur", "E1R", "EU"} {
		if err := domain.ValidateCurrencyCode(code, "currency_code"); !errors.Is(err, domain.InvalidArgument) {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestValidateID(t *testing.T) {
	for id, valid := range map[string]bool{
		"a": true, "grand-hotel": true, "1": true, "01980000-0000-7000-8000-000000000003": true, strings.Repeat("a", domain.IDMax): true,
		"": false, "-a": false, "a-": false, "A": false, "a/b": false, "ü": false, "a b": false, "a\x00": false, strings.Repeat("a", domain.IDMax+1): false,
	} {
		if err := domain.ValidateID(id, "hotel_id"); (err == nil) != valid || err != nil && !errors.Is(err, domain.InvalidID) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestReservationID(t *testing.T) {
	const canonical = "01980000-89ab-7cde-8f01-234567890abc"
	id, err := domain.ParseReservationID(canonical)
	if err != nil || id.String() != canonical || id[0] != 1 || id[1] != 0x98 || id[15] != 0xbc {
		t.Errorf("%q reads as %x (%v)", canonical, id, err)
	}
	for _, s := range []string{
		"", "x", strings.ToUpper(canonical), strings.ReplaceAll(canonical, "-", ""), "{" + canonical + "}", "urn:uuid:" + canonical,
		"00000000-0000-0000-0000-000000000000", canonical[:35], canonical + "0", strings.Replace(canonical, "8", "g", 1),
		strings.Replace(canonical, "-", "0", 1), "0198000\x00-89ab-7cde-8f01-234567890abc",
	} {
		if _, err := domain.ParseReservationID(s); !errors.Is(err, domain.InvalidID) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzReservationID(f *testing.F) {
	f.Add("01980000-89ab-7cde-8f01-234567890abc")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := domain.ParseReservationID(s); err == nil && id.String() != s {
			t.Fatalf("%q comes back as %s", s, id)
		}
	})
}

func TestErrorsSayWhichRule(t *testing.T) {
	err := fmt.Errorf("place: %w", domain.Errorf(domain.SoldOut, "stay", "%d nights are full", 2))
	if !errors.Is(err, domain.SoldOut) || errors.Is(err, domain.PastDate) || domain.ReasonOf(err) != domain.SoldOut {
		t.Errorf("%v is not SOLD_OUT", err)
	}
	if got, want := err.Error(), "place: stay: 2 nights are full (SOLD_OUT)"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if domain.Errorf(domain.NotPriced, "", "no rate").Error() != "no rate (NOT_PRICED)" || domain.ReasonOf(errors.New("x")) != "" {
		t.Error("an error without a field, or one that is none of ours, is told wrongly")
	}
}
