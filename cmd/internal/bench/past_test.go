package bench

import "testing"

// TestPast: a node with a past is made, opens, has archived what is over, and opens again.
func TestPast(t *testing.T) {
	opts := PastOptions{Dir: t.TempDir(), Reservations: 3000, Hotels: 12, Years: 2, Report: func(name, what string) { t.Log(name, what) }}
	for range 2 {
		result, err := Past(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if result.Engine <= 0 || result.Node <= 0 || result.Rows < int64(opts.Reservations) || result.Cold == 0 || result.Hot == 0 {
			t.Errorf("%+v", result)
		}
	}
}
