package simulate

import (
	"cmp"
	"slices"

	"lodge/domain"
)

// endNight lets those who are expected on a day arrive, and sums up its night.
func (r *replay) endNight(d domain.Date) {
	var expected []*stay
	for _, s := range r.arrivals[d] {
		switch {
		case s.replaced:
		case s.fate.noShow:
			r.missed(s)
		case s.fate.arrives():
			expected = append(expected, s)
		}
	}
	delete(r.arrivals, d)
	slices.SortFunc(expected, func(a, b *stay) int { return cmp.Compare(a.order, b.order) })
	waiting := make([]int32, len(expected))
	for i, s := range expected {
		waiting[i] = s.quantity - r.lodge(s, s.roomType, s.quantity, d)
	}
	for i, s := range expected {
		for _, other := range r.types {
			if r.opts.Upgrades && waiting[i] > 0 && other != s.roomType {
				got := r.lodge(s, other, waiting[i], d)
				waiting[i] -= got
				r.books.on(d).UpgradedRooms += int64(got)
			}
		}
		f := r.books.on(d)
		f.WalkedRooms += int64(waiting[i])
		f.WalkCosts += int64(waiting[i]) * r.opts.WalkCost
	}
	f := r.books.on(d)
	for _, id := range r.types {
		n := r.calendars[id].peek(d)
		f.AvailableNights += int64(n.rooms())
		f.OccupiedRoomNights += int64(n.occupied)
	}
}

// left reports whether the guest of a stay that is over came and went.
func (s *stay) left() bool { return s.fate.left != 0 }

// lodge gives a guest up to rooms of a type, as many as are free tonight, and returns how many.
func (r *replay) lodge(s *stay, roomType string, rooms int32, d domain.Date) int32 {
	c := r.calendars[roomType]
	if c == nil {
		return 0
	}
	tonight := c.peek(d)
	got := min(rooms, tonight.rooms()-tonight.occupied)
	if got <= 0 || c.span(s.CheckIn, s.CheckOut) != nil {
		return 0
	}
	for night := d; night < s.leaves(d); night++ {
		c.at(night).occupied += got
	}
	r.earn(s, got, +1)
	r.books.on(d).ArrivedRooms += int64(got)
	s.lodged = append(s.lodged, lodging{roomType, got, d})
	return got
}

// leaves returns the day on which the guest, who came on a day, leaves.
func (s *stay) leaves(from domain.Date) domain.Date {
	if s.left() {
		return max(from, min(s.CheckOut, s.fate.left))
	}
	return s.CheckOut
}

// earn books what some rooms of a stay bring, or by a negative sign what they do not bring after all.
func (r *replay) earn(s *stay, rooms int32, sign int64) {
	for i, line := range s.nightly {
		r.books.on(s.CheckIn.AddDays(i)).RoomRevenue += sign * share(line, rooms, s.quantity)
	}
}

// staysOn has a guest who is there stay as the change says: the rooms that they got are theirs for longer, or for less.
func (r *replay) staysOn(was, is *stay) {
	is.lodged = was.lodged
	for _, l := range is.lodged {
		r.earn(was, l.rooms, -1)
		r.earn(is, l.rooms, +1)
		c := r.calendars[l.roomType]
		if c.span(is.CheckIn, is.CheckOut) != nil {
			continue
		}
		for night := was.leaves(l.from); night < is.leaves(l.from); night++ {
			c.at(night).occupied += l.rooms
		}
		for night := is.leaves(l.from); night < was.leaves(l.from); night++ {
			c.at(night).occupied -= l.rooms
		}
	}
}

// missed books a guest who never came.
func (r *replay) missed(s *stay) {
	f := r.books.on(s.CheckIn)
	f.NoShows++
	if s.borrowed {
		r.release(s, s.CheckIn+1)
	}
	if !s.fate.free {
		f.FeeRevenue += noShowFee(r.termsOf(s), s)
	}
}
