package domain

import "time"

// Weekdays is a set of days of the week. The zero value means every day: a range of nights without a choice.
type Weekdays uint8

// WeekdaysOf returns the set of some days.
func WeekdaysOf(days ...time.Weekday) (set Weekdays) {
	for _, day := range days {
		set |= 1 << day
	}
	return set
}

// Has reports whether d falls on one of the days.
func (w Weekdays) Has(d Date) bool { return w == 0 || w&(1<<d.Weekday()) != 0 }

// Days returns the chosen days from Monday on; none when every day is meant.
func (w Weekdays) Days() (days []time.Weekday) {
	for i := range time.Weekday(7) {
		if day := (i + 1) % 7; w&(1<<day) != 0 {
			days = append(days, day)
		}
	}
	return days
}

// Count returns how many days of [from, to) are in the set.
func (w Weekdays) Count(from, to Date) (n int) {
	for d := from; d < to; d++ {
		if w.Has(d) {
			n++
		}
	}
	return n
}
