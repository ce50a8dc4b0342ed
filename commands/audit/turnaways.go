package audit

import (
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// group is a run of rejections of one group: all of its reservations, or none, were to be had. Those that come earlier in it count for those behind.
type group struct {
	id    string
	next  log.Offset      // where its next rejection lies
	takes []*eventpb.Stay // of those before it that could have been had
	why   bool            // a reservation that could not be had was met
	at    log.Position    // of its latest
	hotel string
}

// taken returns how many rooms of a type the group's earlier reservations would have taken on a night.
func (g *group) taken(hotelID, roomTypeID string, d domain.Date) (rooms int32) {
	if g.id == "" || g.hotel != hotelID {
		return 0
	}
	for _, stay := range g.takes {
		rooms += had(stay, roomTypeID, d)
	}
	return rooms
}

// follow begins a new group, unless m is the next rejection of the one that is being read.
func (g *group) follow(p *pass, at log.Position, m *eventpb.ReservationRejected) {
	if m.GetGroupId() == "" || m.GetGroupId() != g.id || at.Offset != g.next {
		g.end(p)
		*g = group{id: m.GetGroupId(), hotel: m.GetHotelId()}
	}
	g.next, g.at = at.Offset+1, at
}

// end demands that a group which was turned away has a reservation that could not be had.
func (g *group) end(p *pass) {
	if g.id != "" && !g.why {
		p.found(FalseTurnaway, g.at, g.hotel, "group %s was turned away, and each of its reservations could be had", g.id)
	}
	*g = group{}
}

// rejected demands that exactly the nights without room and the restrictions that the stay breaks are named, at least one of them, unless
// it is another of its group that could not be had.
func (o *occupancy) rejected(p *pass, at log.Position, m *eventpb.ReservationRejected) {
	h := o.hotel(m.GetHotelId())
	h.report.Rejected++
	o.turned.follow(p, at, m)
	stay, quantity, ok := p.stay(at, m.GetHotelId(), m.GetStay())
	if !ok {
		return
	}
	roomType := m.GetStay().GetRoomTypeId()
	c := h.calendar(roomType)
	var full []string
	for d := range stay.All() {
		if n := c.at(d); n.taken+o.turned.taken(m.GetHotelId(), roomType, d)+quantity > n.sellable() {
			full = append(full, d.String())
		}
	}
	h.refused(p, at, m, stay)
	broken := c.broken(stay)
	reason := eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT
	switch {
	case len(full) > 0:
		o.turned.why = true
	case len(broken)+len(m.GetBrokenRestrictions()) > 0:
		o.turned.why = true
		reason = eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED
	case m.GetGroupId() != "":
		reason = eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE
		o.turned.takes = append(o.turned.takes, m.GetStay())
	}
	if len(full)+len(m.GetBrokenRestrictions()) == 0 && m.GetGroupId() == "" || reason != m.GetReason() || !slices.Equal(full, m.GetFullNights()) || !slices.Equal(broken, named(m)) {
		p.found(FalseTurnaway, at, m.GetHotelId(), "reservation %s: %s with %d nights named as full and restrictions %v, it was %s with %d and %v",
			m.GetReservationId(), m.GetReason(), len(m.GetFullNights()), named(m), reason, len(full), broken)
	}
}
