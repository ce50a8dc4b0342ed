package fold_test

import (
	"testing"

	"pgregory.net/rapid"

	"lodge/projections/fold"
)

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		" São Paulo ": "sao paulo", "ÉVORA": "evora", "Münster": "munster", "Straße": "strasse", "Łódź": "lodz", "Tromsø": "tromso", "İstanbul": "istanbul",
		"Ærø": "aero", "Ὀδυσσεύς": "οδυσσευσ", "東京": "東京", "Ｔｏｋｙｏ": "tokyo", "\u0301": "",
	} {
		if got := fold.Name(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		once := fold.Name(name)
		if twice := fold.Name(once); twice != once {
			t.Fatalf("%q, then %q", once, twice)
		}
	})
}
