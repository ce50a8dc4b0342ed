package hotel

import (
	"testing"
	"time"

	"lodge/domain"
)

// Whatever Decide answers, Evolve can follow: also when commands bring times that lie lifetimes apart, whose nights no dense slice could
// hold, and also when a replay applies all inventory before any reservation closes books.
func TestCommandsBeyondTheCalendarOfTheState(t *testing.T) {
	s := New()
	run(t, s, noon, open()...)
	before := s.AppendSnapshot(nil)
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(1900, 7, 1, 0, 0, 0, 0, time.UTC), TimeMin.Add(-1),
		TimeEnd, time.Date(2300, 7, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC),
	} {
		today := domain.Today(at, s.place)
		for _, c := range []Command{
			with(rooms(1), func(c *SetInventory) { c.Start, c.End = today, today+10 }), place(1, 1, domain.Stay{CheckIn: today, CheckOut: today + 1}),
			with(createHotel(), func(c *CreateHotel) { c.Hotel = "ritz" }), &ExpireHolds{Hotel: "grand"},
		} {
			if events, err := Decide(s, c, At{Now: at}); domain.ReasonOf(err) != domain.InvalidArgument {
				t.Errorf("%T at %s: %v, %v", c, at, events, err)
				evolve(t, s, events...)
			}
		}
	}
	if string(s.AppendSnapshot(nil)) != string(before) {
		t.Error("the state has changed")
	}
}

// The widest range of nights that Decide can lead to fits into the state, in every time zone and whatever closes in between.
func TestTheWidestCalendar(t *testing.T) {
	for _, zone := range []string{"Etc/GMT-14", "Etc/GMT+12"} {
		s, replayed := New(), New()
		setUp := run(t, s, TimeMin, with(createHotel(), func(c *CreateHotel) { c.TimeZone = zone }), createDouble())
		evolve(t, replayed, setUp...)
		last := TimeEnd.Add(-time.Nanosecond)
		for _, at := range []time.Time{TimeMin, time.Date(2020, 2, 29, 23, 59, 0, 0, time.UTC), last} {
			today := domain.Today(at, s.place)
			evolve(t, replayed, run(t, s, at, with(rooms(2), func(c *SetInventory) { c.Start, c.End = today, today+SetDaysAheadMax }))...)
		}
		for i, at := range []time.Time{TimeMin, last} {
			today := domain.Today(at, s.place)
			evolve(t, replayed, run(t, s, at, place(i, 1, domain.Stay{CheckIn: today, CheckOut: today + 1}))...)
		}
		reload(t, s)
		if string(s.AppendSnapshot(nil)) != string(replayed.AppendSnapshot(nil)) {
			t.Errorf("%s: the replay gives another state", zone)
		}
	}
}
