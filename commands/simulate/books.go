package simulate

import (
	"slices"

	"lodge/domain"
)

// books keep the figures of each period.
type books struct {
	period     Period
	start, end domain.Date
	stretches  map[domain.Date]*Stretch // by first day
	beyond     Figures                  // of days that are not reported
}

func newBooks(p Period, start, end domain.Date) *books {
	return &books{period: p, start: start, end: end, stretches: make(map[domain.Date]*Stretch)}
}

// on returns the figures that a day counts for.
func (b *books) on(d domain.Date) *Figures {
	if d < b.start || d >= b.end {
		return &b.beyond
	}
	first, next := b.period.startOf(d)
	s := b.stretches[first]
	if s == nil {
		s = &Stretch{Start: max(first, b.start), End: min(next, b.end)}
		b.stretches[first] = s
	}
	return &s.Figures
}

func (b *books) turnedAway(s *stay) {
	f := b.on(s.CheckIn)
	f.Requests++
	f.Turnaways++
	f.TurnawayRoomNights += int64(s.Nights()) * int64(s.quantity)
}

func (b *books) outcome() Outcome {
	o := Outcome{}
	for _, s := range b.stretches {
		o.Periods = append(o.Periods, *s)
		o.Total.add(&s.Figures)
	}
	slices.SortFunc(o.Periods, func(a, b Stretch) int { return int(a.Start - b.Start) })
	return o
}

func (f *Figures) add(o *Figures) {
	f.Requests += o.Requests
	f.Granted += o.Granted
	f.Turnaways += o.Turnaways
	f.Restricted += o.Restricted
	f.Canceled += o.Canceled
	f.NoShows += o.NoShows
	f.LostChanges += o.LostChanges
	f.ArrivedRooms += o.ArrivedRooms
	f.WalkedRooms += o.WalkedRooms
	f.UpgradedRooms += o.UpgradedRooms
	f.TurnawayRoomNights += o.TurnawayRoomNights
	f.OccupiedRoomNights += o.OccupiedRoomNights
	f.AvailableNights += o.AvailableNights
	f.RoomRevenue += o.RoomRevenue
	f.FeeRevenue += o.FeeRevenue
	f.WalkCosts += o.WalkCosts
}
