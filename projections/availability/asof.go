package availability

import (
	"fmt"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// Past is the calendar of a hotel at a moment of the past: the same as the rows, made of events rather than read. It keeps a range of nights only. Not safe for
// concurrent use.
type Past struct {
	hotelID    string
	roomTypeID string // empty: all
	from, to   domain.Date
	nights     map[string][]pastNight // by room type
}

// pastNight is a row of room_type_inventory, and what made it so.
type pastNight struct {
	physical, outOfOrder, overbooking int64
	rate                              *domain.Money
	restrictions                      int64
	sold, held                        int64
	setters                           Setters
}

// Setters are the events that made a night's settings what they are; nil: none has said anything.
type Setters struct {
	Physical, OutOfOrder, Overbooking, MinStay, MaxStay, ClosedToArrival, ClosedToDeparture, StopSell *projections.Event
}

// NewPast returns the nights [from, to) of a room type, or of all of a hotel's when roomTypeID is empty, before anything has happened.
func NewPast(hotelID, roomTypeID string, from, to domain.Date) *Past {
	return &Past{hotelID, roomTypeID, from, to, make(map[string][]pastNight)}
}

// Take applies the next event of its topic. Events of topics inventory and bookings count; their order between topics does not matter.
func (p *Past) Take(e projections.Event) error {
	if e.Envelope.HotelID != p.hotelID {
		return nil
	}
	m := e.Envelope.Message
	first, last, err := nightsOf(m)
	if err != nil {
		return fmt.Errorf("fold %s: %w", e.Position, err)
	}
	if earlier := earlierOf(m); earlier != nil {
		before, after, err := nights(earlier.GetCheckInDate(), earlier.GetCheckOutDate())
		if err != nil {
			return fmt.Errorf("fold %s: %w", e.Position, err)
		}
		sold, held := claim(m, true)
		p.each(earlier.GetRoomTypeId(), before, after, 0, func(n *pastNight) { n.sold, n.held = n.sold+sold, n.held+held })
	}
	days, err := weekdaysOf(m)
	if err != nil {
		return fmt.Errorf("fold %s: %w", e.Position, err)
	}
	switch m := m.(type) {
	case *eventpb.InventorySet:
		p.each(m.GetRoomTypeId(), first, last, days, func(n *pastNight) { n.set(m, &e) })
	case *eventpb.RestrictionsSet:
		p.each(m.GetRoomTypeId(), first, last, days, func(n *pastNight) { n.restrict(m, &e) })
	default:
		if sold, held := claim(m, false); sold != 0 || held != 0 {
			p.each(roomTypeOf(m).roomType, first, last, days, func(n *pastNight) { n.sold, n.held = n.sold+sold, n.held+held })
		}
	}
	return nil
}

// each calls f for the kept ones of the nights [first, last) that fall on the days.
func (p *Past) each(roomTypeID string, first, last domain.Date, days domain.Weekdays, f func(*pastNight)) {
	first, last = max(first, p.from), min(last, p.to)
	if first >= last || p.roomTypeID != "" && p.roomTypeID != roomTypeID {
		return
	}
	kept := p.nights[roomTypeID]
	if kept == nil {
		kept = make([]pastNight, p.to-p.from)
		p.nights[roomTypeID] = kept
	}
	for d := first; d < last; d++ {
		if days.Has(d) {
			f(&kept[d-p.from])
		}
	}
}

func (n *pastNight) set(m *eventpb.InventorySet, e *projections.Event) {
	if m.PhysicalCount != nil {
		n.physical, n.setters.Physical = int64(m.GetPhysicalCount()), e
	}
	if m.OutOfOrderCount != nil {
		n.outOfOrder, n.setters.OutOfOrder = int64(m.GetOutOfOrderCount()), e
	}
	if m.OverbookingLimit != nil {
		n.overbooking, n.setters.Overbooking = int64(m.GetOverbookingLimit()), e
	}
	if m.OverbookingPercent != nil {
		n.overbooking, n.setters.Overbooking = -int64(m.GetOverbookingPercent()), e
	}
	if rate := m.GetNightlyRate(); rate != nil {
		n.rate = &domain.Money{Currency: rate.GetCurrencyCode(), MinorUnits: rate.GetMinorUnits()}
	}
}

func (n *pastNight) restrict(m *eventpb.RestrictionsSet, e *projections.Event) {
	var c change
	c.add(m)
	n.restrictions = n.restrictions&^c.mask | c.value
	s := &n.setters
	for _, said := range []struct {
		said   bool
		setter **projections.Event
	}{
		{m.MinStay != nil, &s.MinStay},
		{m.MaxStay != nil, &s.MaxStay},
		{m.ClosedToArrival != nil, &s.ClosedToArrival},
		{m.ClosedToDeparture != nil, &s.ClosedToDeparture},
		{m.StopSell != nil, &s.StopSell},
	} {
		if said.said {
			*said.setter = e
		}
	}
}

// Night returns a night as it was, with the rate that it had of its own, and what made it so. Of nights outside the range and of other room types nothing is known.
func (p *Past) Night(roomTypeID string, d domain.Date) (Night, Setters) {
	out := Night{Date: d}
	kept := p.nights[roomTypeID]
	if kept == nil || d < p.from || d >= p.to {
		return out, Setters{}
	}
	n := &kept[d-p.from]
	out.Physical, out.OutOfOrder, out.Overbooking = int(n.physical), int(n.outOfOrder), int(n.overbooking)
	if out.Overbooking < 0 {
		out.OverbookingPercent = -out.Overbooking
		out.Overbooking = out.Physical * out.OverbookingPercent / 100
	}
	out.Sold, out.Held, out.Rate = int(n.sold), int(n.held), n.rate
	out.Restrictions = restrictionsOf(n.restrictions)
	return out, n.setters
}

// Nights returns a room type's nights as Queries.Range does, given its base rate.
func (p *Past) Nights(roomTypeID string, maxGuests int, archived bool, base *domain.Money) Nights {
	out := Nights{RoomTypeID: roomTypeID, MaxGuests: maxGuests, Archived: archived}
	for d := p.from; d < p.to; d++ {
		n, _ := p.Night(roomTypeID, d)
		if n.Rate == nil {
			n.Rate = base
		}
		out.Nights = append(out.Nights, n)
	}
	return out
}
