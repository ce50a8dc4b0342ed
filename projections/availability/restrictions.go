package availability

import (
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// The column restrictions: the fewest nights in the lowest byte, the most in the next, then a bit for each thing that a day is closed to.
const (
	maxStayShift = 8
	closedShift  = 16
)

const setRestrictions = `INSERT INTO room_type_inventory (hotel_id, room_type_id, date, restrictions) VALUES (?1, ?2, ?3, ?5)
ON CONFLICT DO UPDATE SET restrictions = coalesce(restrictions, 0) & ~?4 | ?5`

// change is what events change of a night's restrictions: the bits of mask become those of value.
type change struct{ mask, value int64 }

func (c *change) set(shift int, bits, value int64) {
	c.mask |= bits << shift
	c.value = c.value&^(bits<<shift) | value<<shift
}

func (c *change) add(m *eventpb.RestrictionsSet) {
	if m.MinStay != nil {
		c.set(0, 0xff, int64(*m.MinStay))
	}
	if m.MaxStay != nil {
		c.set(maxStayShift, 0xff, int64(*m.MaxStay))
	}
	c.setFlag(hotel.ClosedToArrival, m.ClosedToArrival)
	c.setFlag(hotel.ClosedToDeparture, m.ClosedToDeparture)
	c.setFlag(hotel.StopSell, m.StopSell)
}

func (c *change) setFlag(flag hotel.Closed, value *bool) {
	switch {
	case value == nil:
	case *value:
		c.set(closedShift, int64(flag), int64(flag))
	default:
		c.set(closedShift, int64(flag), 0)
	}
}

func restrictionsOf(column int64) hotel.Restrictions {
	return hotel.Restrictions{
		MinStay: uint8(column), MaxStay: uint8(column >> maxStayShift), Closed: hotel.Closed(column >> closedShift),
	}
}
