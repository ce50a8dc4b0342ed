package payment

import (
	"testing"

	"lodge/domain"
)

func TestStripeAmounts(t *testing.T) {
	for _, test := range []struct {
		currency      string
		minor, stripe int64 // stripe < 0: it cannot take it
	}{
		{"EUR", 12_050, 12_050}, {"JPY", 5_000, 5_000}, {"ISK", 700, 70_000}, {"UGX", 3_000, 300_000}, {"MGA", 400, 4}, {"MGA", 450, -1},
		{"KWD", 1_990, 1_990}, {"KWD", 1_999, -1}, {"TND", 10, 10},
	} {
		m := domain.Money{Currency: test.currency, MinorUnits: test.minor}
		got, err := toStripe(m)
		if test.stripe < 0 {
			if err == nil {
				t.Errorf("%s becomes %d", m, got)
			}
			continue
		}
		back, backErr := fromStripe(test.currency, got)
		if err != nil || got != test.stripe || backErr != nil || back != m {
			t.Errorf("%s: %d (%v) and back %s (%v)", m, got, err, back, backErr)
		}
	}
	if m, err := fromStripe("isk", 150); err == nil {
		t.Errorf("150 hundredths of a crown are %s", m)
	}
}

func TestStripeOptions(t *testing.T) {
	for name, opts := range map[string]StripeOptions{
		"no key": {}, "a publishable key": {Key: "pk_live_1"}, "a strange secret": {Key: "sk_1", WebhookSecret: "secret"},
		"no URL": {Key: "sk_1", URL: "stripe"}, "a negative timeout": {Key: "rk_1", Timeout: -1},
	} {
		if _, err := NewStripe(opts); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
