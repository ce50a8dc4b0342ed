package hotel

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// SetRestrictions sets restrictions of those of the nights [Start, End) that fall on Weekdays; what is nil stays as it was on
// each night.
type SetRestrictions struct {
	Hotel             string
	RoomType          string
	Start             domain.Date
	End               domain.Date // exclusive
	Weekdays          domain.Weekdays
	MinStay           *int32 // nights of a stay that arrives on the day; 0: any
	MaxStay           *int32 // likewise
	ClosedToArrival   *bool
	ClosedToDeparture *bool
	StopSell          *bool
}

// HotelID implements Command.
func (c *SetRestrictions) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *SetRestrictions) Topic() string { return event.InventoryTopic }

// Fingerprint implements Command.
func (c *SetRestrictions) Fingerprint() [16]byte { return fingerprint(c) }

func (c *SetRestrictions) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RoomType)
	b.number(int64(c.Start), int64(c.End), int64(c.Weekdays))
	b.optionalNumber(c.MinStay)
	b.optionalNumber(c.MaxStay)
	b.optionalFlag(c.ClosedToArrival)
	b.optionalFlag(c.ClosedToDeparture)
	b.optionalFlag(c.StopSell)
}

// Restrictions are what may forbid a stay on one night although there is room. The zero value forbids nothing.
type Restrictions struct {
	MinStay, MaxStay uint8 // nights of a stay that arrives on the day; 0: any
	Closed           Closed
}

// Closed says to what a day is closed.
type Closed uint8

// What a day may be closed to.
const (
	ClosedToArrival Closed = 1 << iota
	ClosedToDeparture
	StopSell

	closedAll = ClosedToArrival | ClosedToDeparture | StopSell
)

// Broken is a restriction that a stay breaks.
type Broken struct {
	Restriction eventpb.Restriction
	Nights      []domain.Date // that have it, in order; the day of leaving for CLOSED_TO_DEPARTURE
	Limit       int32         // the fewest or most nights, for MIN_STAY and MAX_STAY
}

// BrokenBy returns the restrictions that a stay breaks, in the order of their numbers. at returns those of a day.
func BrokenBy(stay domain.Stay, at func(domain.Date) Restrictions) (broken []Broken) {
	arrival, nights := at(stay.CheckIn), stay.Nights()
	on := func(r eventpb.Restriction, limit uint8, days ...domain.Date) {
		broken = append(broken, Broken{r, days, int32(limit)})
	}
	if nights < int(arrival.MinStay) {
		on(eventpb.Restriction_RESTRICTION_MIN_STAY, arrival.MinStay, stay.CheckIn)
	}
	if arrival.MaxStay > 0 && nights > int(arrival.MaxStay) {
		on(eventpb.Restriction_RESTRICTION_MAX_STAY, arrival.MaxStay, stay.CheckIn)
	}
	if arrival.Closed&ClosedToArrival != 0 {
		on(eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL, 0, stay.CheckIn)
	}
	if at(stay.CheckOut).Closed&ClosedToDeparture != 0 {
		on(eventpb.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE, 0, stay.CheckOut)
	}
	var stopped []domain.Date
	for d := range stay.All() {
		if at(d).Closed&StopSell != 0 {
			stopped = append(stopped, d)
		}
	}
	if stopped != nil {
		on(eventpb.Restriction_RESTRICTION_STOP_SELL, 0, stopped...)
	}
	return broken
}

// BrokenInHouse returns those of the restrictions that bind a guest who is there when a stay becomes another of the same arrival: the fewest nights when it becomes
// shorter, the most when it becomes longer, the day of leaving, and the nights that it did not have.
func BrokenInHouse(broken []Broken, was, is domain.Stay) (binding []Broken) {
	for _, b := range broken {
		switch b.Restriction {
		case eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL:
			continue
		case eventpb.Restriction_RESTRICTION_MIN_STAY, eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY:
			if is.CheckOut >= was.CheckOut {
				continue
			}
		case eventpb.Restriction_RESTRICTION_MAX_STAY, eventpb.Restriction_RESTRICTION_RATE_PLAN_MAX_STAY:
			if is.CheckOut <= was.CheckOut {
				continue
			}
		case eventpb.Restriction_RESTRICTION_STOP_SELL:
			b.Nights = slices.DeleteFunc(slices.Clone(b.Nights), was.Contains)
			if len(b.Nights) == 0 {
				continue
			}
		}
		binding = append(binding, b)
	}
	return binding
}

// broken returns the restrictions of a room type that a stay breaks.
func (s *State) broken(roomType uint16, stay domain.Stay) []Broken {
	nights := &s.roomTypes[roomType].nights
	if nights.restricted == nil {
		return nil
	}
	return BrokenBy(stay, nights.restrictions)
}

// Restrictions returns the restrictions of a night; none when there is no such night or room type.
func (s *State) Restrictions(roomTypeID string, date domain.Date) Restrictions {
	index, ok := s.roomTypeIndex[roomTypeID]
	if !ok {
		return Restrictions{}
	}
	return s.roomTypes[index].nights.restrictions(date)
}

func (s *State) setRestrictions(c *SetRestrictions, at At) ([]proto.Message, error) {
	if _, err := s.openRoomType(c.Hotel, c.RoomType); err != nil {
		return nil, err
	}
	if err := s.checkRange(c.Start, c.End, s.today(at.Now)); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return one(&eventpb.RestrictionsSet{
		HotelId: c.Hotel, RoomTypeId: c.RoomType, StartDate: c.Start.String(), EndDate: c.End.String(),
		Weekdays: event.WeekdayList(c.Weekdays), MinStay: copyOf(c.MinStay), MaxStay: copyOf(c.MaxStay),
		ClosedToArrival: copyOf(c.ClosedToArrival), ClosedToDeparture: copyOf(c.ClosedToDeparture), StopSell: copyOf(c.StopSell),
	}), nil
}

func (c *SetRestrictions) check() error {
	if c.MinStay == nil && c.MaxStay == nil && c.ClosedToArrival == nil && c.ClosedToDeparture == nil && c.StopSell == nil {
		return domain.Errorf(domain.InvalidArgument, "", "no restriction is given")
	}
	if err := checkStayLimits(c.MinStay, c.MaxStay); err != nil {
		return err
	}
	return checkWeekdays(c.Weekdays, c.Start, c.End)
}

// checkStayLimits returns an error unless each limit is from 0 to domain.StayNightsMax, and the most, if any, not below the fewest.
func checkStayLimits(fewest, most *int32) error {
	for _, n := range [...]struct {
		field string
		value *int32
	}{{"min_stay", fewest}, {"max_stay", most}} {
		if n.value != nil && (*n.value < 0 || *n.value > domain.StayNightsMax) {
			return domain.Errorf(domain.InvalidArgument, n.field, "%d nights is not from 0 to %d", *n.value, domain.StayNightsMax)
		}
	}
	if fewest != nil && most != nil && *most > 0 && *most < *fewest {
		return domain.Errorf(domain.InvalidArgument, "max_stay", "at most %d nights are fewer than at least %d", *most, *fewest)
	}
	return nil
}

// checkWeekdays returns an error when none of the nights [from, to) falls on one of the days.
func checkWeekdays(days domain.Weekdays, from, to domain.Date) error {
	if days.Count(from, min(to, from+7)) == 0 {
		return domain.Errorf(domain.InvalidArgument, "weekdays", "no night from %s to %s falls on one of these days", from, to-1)
	}
	return nil
}

func (s *State) restrictionsSet(m *eventpb.RestrictionsSet) error {
	index, from, to, err := s.rangeOf(m.GetHotelId(), m.GetRoomTypeId(), m)
	if err != nil {
		return err
	}
	for _, n := range [...]int32{m.GetMinStay(), m.GetMaxStay()} {
		if n < 0 || n > math.MaxUint8 {
			return fmt.Errorf("a stay of %d nights is not from 0 to %d", n, math.MaxUint8)
		}
	}
	days, err := event.WeekdaysOf(m.GetWeekdays())
	if err != nil {
		return err
	}
	nights := &s.roomTypes[index].nights
	if from >= to {
		return nil
	}
	if err := nights.ensure(from, to); err != nil {
		return err
	}
	for d := from; d < to; d++ {
		if days.Has(d) {
			nights.restrict(d, m)
		}
	}
	return nil
}

// restrict applies an event to the night of d, which exists.
func (n *nights) restrict(d domain.Date, m *eventpb.RestrictionsSet) {
	r := n.restrictions(d)
	if m.MinStay != nil {
		r.MinStay = uint8(*m.MinStay)
	}
	if m.MaxStay != nil {
		r.MaxStay = uint8(*m.MaxStay)
	}
	r.Closed.set(ClosedToArrival, m.ClosedToArrival)
	r.Closed.set(ClosedToDeparture, m.ClosedToDeparture)
	r.Closed.set(StopSell, m.StopSell)
	n.setRestrictions(d, r)
}

func (c *Closed) set(what Closed, value *bool) {
	if value == nil {
		return
	}
	*c &^= what
	if *value {
		*c |= what
	}
}
