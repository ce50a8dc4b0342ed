package audit

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// restrict applies an event of restrictions.
func (o *occupancy) restrict(m *eventpb.RestrictionsSet) error {
	from, to, err := nightsOf(m)
	if err != nil {
		return err
	}
	if to <= from || int64(to)-int64(from) > calendarDaysMax {
		return fmt.Errorf("the range of restricted nights ends on %s and begins on %s", to, from)
	}
	c := o.hotel(m.GetHotelId()).calendar(m.GetRoomTypeId())
	if c.restricted == nil {
		c.restricted = make(map[domain.Date]*eventpb.RestrictionsSet)
	}
	said := &eventpb.RestrictionsSet{
		MinStay: m.MinStay, MaxStay: m.MaxStay, StopSell: m.StopSell,
		ClosedToArrival: m.ClosedToArrival, ClosedToDeparture: m.ClosedToDeparture,
	}
	for d := from; d < to; d++ {
		weekday := eventpb.Weekday((int(d.Weekday())+6)%7 + 1)
		if len(m.GetWeekdays()) > 0 && !slices.Contains(m.GetWeekdays(), weekday) {
			continue
		}
		if c.restricted[d] == nil {
			c.restricted[d] = new(eventpb.RestrictionsSet)
		}
		proto.Merge(c.restricted[d], said) // what is absent stays as it was
	}
	return nil
}

// broken writes down the restrictions that a stay breaks, in order of their numbers: each with the nights that have it.
func (c *calendar) broken(stay domain.Stay) (broken []string) { return c.brokenBy(stay, nil) }

// brokenBy is broken for a guest who is there and had another stay from the same day on: their arrival is over, the nights that they had are theirs, and limits of nights
// bind the one who comes nearer to them.
func (c *calendar) brokenBy(stay domain.Stay, there *domain.Stay) (broken []string) {
	if c.restricted == nil {
		return nil
	}
	on := func(r eventpb.Restriction, limit int32, days ...string) {
		broken = append(broken, describe(r, limit, days))
	}
	in, nights := c.restricted[stay.CheckIn], int32(stay.Nights())
	if n := in.GetMinStay(); n > nights && (there == nil || stay.CheckOut < there.CheckOut) {
		on(eventpb.Restriction_RESTRICTION_MIN_STAY, n, stay.CheckIn.String())
	}
	if n := in.GetMaxStay(); n != 0 && n < nights && (there == nil || stay.CheckOut > there.CheckOut) {
		on(eventpb.Restriction_RESTRICTION_MAX_STAY, n, stay.CheckIn.String())
	}
	if in.GetClosedToArrival() && there == nil {
		on(eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL, 0, stay.CheckIn.String())
	}
	if c.restricted[stay.CheckOut].GetClosedToDeparture() {
		on(eventpb.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE, 0, stay.CheckOut.String())
	}
	var stopped []string
	for d := range stay.All() {
		if c.restricted[d].GetStopSell() && (there == nil || !there.Contains(d)) {
			stopped = append(stopped, d.String())
		}
	}
	if stopped != nil {
		on(eventpb.Restriction_RESTRICTION_STOP_SELL, 0, stopped...)
	}
	return broken
}

// named writes down the restrictions of nights that a rejection names, as broken does. Those of a rate plan are not looked at: between it and bookings
// nothing says which version counted.
func named(m *eventpb.ReservationRejected) (broken []string) {
	for _, b := range m.GetBrokenRestrictions() {
		if b.GetRestriction() >= eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY {
			continue
		}
		broken = append(broken, describe(b.GetRestriction(), b.GetLimit(), b.GetNights()))
	}
	return broken
}

func describe(r eventpb.Restriction, limit int32, days []string) string {
	return fmt.Sprintf("%s of %d on %s", strings.TrimPrefix(r.String(), "RESTRICTION_"), limit, strings.Join(days, " "))
}
