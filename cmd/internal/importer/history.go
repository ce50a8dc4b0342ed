package importer

import (
	"cmp"
	"slices"

	"lodge/domain"
	"lodge/domain/hotel"
)

// change is one thing that happened to one row's booking.
type change struct {
	row   int
	kind  Kind
	day   domain.Date
	count int  // of changes, from 0
	late  bool // behind everything else of the day: a guest who leaves on the day of arrival
}

// bookable returns why a row cannot be a reservation.
func bookable(r *Row) error {
	if n := r.Nights(); n > domain.StayNightsMax {
		return problemf(StayTooLong, "a stay of %d nights is longer than %d", n, domain.StayNightsMax)
	}
	if ahead := r.LeadTime + r.Nights(); ahead > hotel.PlaceDaysAheadMax {
		return problemf(TooFarAhead, "lead_time %d: a stay that ends %d days ahead is beyond %d", r.LeadTime, ahead, hotel.PlaceDaysAheadMax)
	}
	return nil
}

// history returns what happened, day by day. On one day bookings come first, in the order of the file: whether a room
// was given back in the morning or in the evening is not in the data.
func (p *Plan) history() []change {
	changes := make([]change, 0, 3*len(p.Rows))
	for i := range p.Rows {
		changes = append(changes, p.story(i, &p.Rows[i])...)
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(bit(a.late), bit(b.late)), cmp.Compare(a.kind.rank(), b.kind.rank()), cmp.Compare(a.row, b.row))
	})
	return changes
}

// story returns what happened to one row. Deposits were paid with the booking, everything else on arrival.
func (p *Plan) story(row int, r *Row) []change {
	kind := ending(r.Status)
	end := p.endDay(r, kind)
	story := []change{{row: row, kind: Place, day: r.Booked()}}
	known := min(r.Arrival, end)
	for i := range min(r.BookingChanges, changesMax) {
		// How often a booking was changed is in the data, but neither when nor what: they are spread over the time until arrival.
		day := r.Booked() + (known-r.Booked())*domain.Date(i+1)/domain.Date(r.BookingChanges+1)
		story = append(story, change{row: row, kind: Change, day: day, count: i})
	}
	switch {
	case r.deposited():
		story = append(story, change{row: row, kind: Pay, day: r.Booked()})
	case kind == Leave:
		story = append(story, change{row: row, kind: Pay, day: r.Arrival})
	}
	if kind == Leave {
		story = append(story, change{row: row, kind: Arrive, day: r.Arrival})
	}
	return append(story, change{row: row, kind: kind, day: end, late: kind == Leave && end == r.Arrival})
}

// changesMax bounds the changes of one booking that are told. In the data the most are 21.
const changesMax = 100

func ending(s Status) Kind {
	switch s {
	case Canceled:
		return Cancel
	case NoShow:
		return Miss
	}
	return Leave
}

// endDay returns the day of a row's last change: its status date, unless that is before it could happen or so late that the
// hotel's books are closed.
func (p *Plan) endDay(r *Row, kind Kind) domain.Date {
	earliest, latest := r.Booked(), r.Stay().CheckOut.AddDays(hotel.BooksOpenDays-1)
	if kind != Cancel {
		earliest = r.Arrival
	}
	day := min(max(r.StatusDate, earliest), latest)
	switch {
	case r.StatusDate < earliest:
		p.adjust(r.Line, problemf(StatusTooSoon, "%s on %s, before it could be: taken for %s", r.Status, r.StatusDate, day))
	case r.StatusDate > latest:
		p.adjust(r.Line, problemf(StatusTooLate, "%s on %s, long after the stay: taken for %s", r.Status, r.StatusDate, day))
	}
	return day
}

// roomTypeKey names a room type of a hotel by its ids.
type roomTypeKey struct{ hotel, roomType string }

func keyOf(r *Row) roomTypeKey { return roomTypeKey{slug(r.Hotel), slug(r.ReservedRoomType)} }

// hotels returns what the rows name, with the capacity that the history needs.
func (p *Plan) hotels(changes []change) []PlannedHotel {
	found := map[roomTypeKey]*found{}
	for _, c := range changes {
		r := &p.Rows[c.row]
		f := found[keyOf(r)]
		if f == nil {
			f = newFound(r)
			found[keyOf(r)] = f
		}
		f.see(r, c)
	}
	p.rooms = make([]string, len(p.Rows))
	for _, c := range changes {
		r := &p.Rows[c.row]
		f := found[r.given()]
		if f == nil { // nobody ever booked it
			f = newFound(r)
			f.name, f.nights = r.assigned(), domain.Stay{}
			found[r.given()] = f
		}
		switch c.kind {
		case Arrive:
			p.rooms[c.row] = f.rooms.enter(r.given(), c.row)
		case Leave:
			f.rooms.leave(c.row)
		}
	}
	return p.planned(found)
}

// found collects what the history says about one room type.
type found struct {
	hotelName, name string
	demand          demand
	nights          domain.Stay // from the first to behind the last that was reserved
	rates           []int64     // plausible ones
	rooms           rooms
}

func newFound(r *Row) *found {
	return &found{hotelName: r.Hotel, name: r.ReservedRoomType, demand: demand{nights: map[domain.Date]int{}}, nights: r.Stay()}
}

func (f *found) see(r *Row, c change) {
	switch c.kind {
	case Place:
		f.demand.take(r.Stay())
		f.nights.CheckIn = min(f.nights.CheckIn, r.Stay().CheckIn)
		f.nights.CheckOut = max(f.nights.CheckOut, r.Stay().CheckOut)
		if 0 < r.RateMinor && r.RateMinor <= rateMinorMax {
			f.rates = append(f.rates, r.RateMinor)
		}
	case Cancel, Miss:
		f.demand.release(r.Stay())
	case Leave:
		f.demand.release(domain.Stay{CheckIn: max(r.Arrival, min(c.day, r.Stay().CheckOut)), CheckOut: r.Stay().CheckOut})
	}
}

// median returns the middle plausible rate, 0 when there is none.
func (f *found) median() int64 {
	if len(f.rates) == 0 {
		return 0
	}
	slices.Sort(f.rates)
	return f.rates[len(f.rates)/2]
}

func (p *Plan) planned(all map[roomTypeKey]*found) []PlannedHotel {
	var hotels []PlannedHotel
	keys := make([]roomTypeKey, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b roomTypeKey) int {
		return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.roomType, b.roomType))
	})
	for _, key := range keys {
		f := all[key]
		if len(hotels) == 0 || hotels[len(hotels)-1].ID != key.hotel {
			hotels = append(hotels, PlannedHotel{ID: key.hotel, Name: f.hotelName})
		}
		h := &hotels[len(hotels)-1]
		t := PlannedRoomType{ID: key.roomType, Name: f.name, Rooms: len(f.rooms.guests), baseRate: f.median(), nights: f.nights}
		if f.demand.peak > 0 {
			t.Capacity = p.opts.Capacity.of(key.hotel, f.name, f.demand.peak)
		}
		h.RoomTypes = append(h.RoomTypes, t)
	}
	return hotels
}
