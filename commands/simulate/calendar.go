package simulate

import (
	"fmt"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// calendar is the nights of one room type, densely from base on.
type calendar struct {
	base   domain.Date
	nights []night
}

type night struct {
	physical, outOfOrder int32
	overbooking          int32 // rooms, or per cent of physical as a negative number
	sold                 int32
	occupied             int32 // by guests who have arrived
}

// calendarDaysMax bounds what one room type's events may span.
const calendarDaysMax = 200 * 366

func (n *night) rooms() int32 { return max(0, n.physical-n.outOfOrder) }

// sellable is what can be sold under a policy for the night's room type.
func (n *night) sellable(p *Policy) int32 {
	overbooking := n.overbooking
	switch {
	case p == nil || p.Limit == nil && p.Percent == nil:
	case n.physical == 0:
		overbooking = 0 // a night that is not open stays closed
	case p.Limit != nil:
		overbooking = *p.Limit
	default:
		overbooking = -*p.Percent
	}
	if overbooking < 0 {
		overbooking = int32(int64(n.physical) * int64(-overbooking) / 100)
	}
	return n.physical - n.outOfOrder + overbooking
}

// span makes room for the nights [from, to).
func (c *calendar) span(from, to domain.Date) error {
	if len(c.nights) == 0 {
		c.base = from
	}
	first, end := min(from, c.base), max(to, c.base+domain.Date(len(c.nights)))
	if int64(end)-int64(first) > calendarDaysMax {
		return fmt.Errorf("nights from %s to %s are more than %d", first, end, calendarDaysMax)
	}
	if before := int(c.base - first); before > 0 {
		c.nights = append(make([]night, before, int(end-first)), c.nights...)
		c.base = first
	}
	if after := int(end-first) - len(c.nights); after > 0 {
		c.nights = append(c.nights, make([]night, after)...)
	}
	return nil
}

// at returns a night that span has made.
func (c *calendar) at(d domain.Date) *night { return &c.nights[d-c.base] }

// peek returns a night as it is, which need not be there.
func (c *calendar) peek(d domain.Date) night {
	if i := int(d) - int(c.base); i >= 0 && i < len(c.nights) {
		return c.nights[i]
	}
	return night{}
}

func (c *calendar) set(ch *change) error {
	if err := c.span(ch.from, ch.to); err != nil {
		return err
	}
	for d := ch.from; d < ch.to; d++ {
		n := c.at(d)
		replace(&n.physical, ch.set.PhysicalCount)
		replace(&n.outOfOrder, ch.set.OutOfOrderCount)
		replace(&n.overbooking, ch.set.OverbookingLimit)
		if ch.set.OverbookingPercent != nil {
			n.overbooking = -*ch.set.OverbookingPercent
		}
	}
	return nil
}

func replace(field, value *int32) {
	if value != nil {
		*field = *value
	}
}

// stay is a reservation that was granted.
type stay struct {
	domain.Stay
	roomType string
	quantity int32
	nightly  []int64 // of all rooms
	total    int64
	terms    *eventpb.CancellationTerms
	fate     fate
	order    int  // in which it was granted
	gone     bool // released
	replaced bool // by what it was changed to
	borrowed bool // its fate is another's
	lodged   []lodging
}

// lodging is rooms that the guest of a stay got on a day.
type lodging struct {
	roomType string
	rooms    int32
	from     domain.Date
}

// readStay reads what an event says is reserved.
func readStay(m *eventpb.Stay) (*stay, error) {
	in, err := domain.ParseDate(m.GetCheckInDate())
	if err != nil {
		return nil, err
	}
	out, err := domain.ParseDate(m.GetCheckOutDate())
	if err != nil {
		return nil, err
	}
	if out <= in || out-in > calendarDaysMax || m.GetQuantity() < 1 {
		return nil, fmt.Errorf("%d rooms over [%s, %s) are no stay", m.GetQuantity(), in, out)
	}
	return &stay{Stay: domain.Stay{CheckIn: in, CheckOut: out}, roomType: m.GetRoomTypeId(), quantity: m.GetQuantity()}, nil
}
