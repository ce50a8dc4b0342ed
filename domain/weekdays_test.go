package domain

import (
	"slices"
	"testing"
	"time"
)

func TestWeekdays(t *testing.T) {
	monday := DateOf(2026, 7, 6)
	weekend := WeekdaysOf(time.Sunday, time.Saturday)
	if got := weekend.Days(); !slices.Equal(got, []time.Weekday{time.Saturday, time.Sunday}) {
		t.Errorf("days %v", got)
	}
	if got := WeekdaysOf(time.Monday, time.Monday).Days(); !slices.Equal(got, []time.Weekday{time.Monday}) {
		t.Errorf("days %v", got)
	}
	for i := range 7 {
		if d := monday.AddDays(i); weekend.Has(d) != (i >= 5) || !Weekdays(0).Has(d) {
			t.Errorf("%s: %v", d, weekend.Has(d))
		}
	}
	if n, all := weekend.Count(monday, monday+31), Weekdays(0).Count(monday, monday+31); n != 8 || all != 31 {
		t.Errorf("%d weekend days and %d days in 31 from a Monday", n, all)
	}
}
