package reservations

import (
	"fmt"
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// PastList is which reservations a hotel had at a moment of the past, for the lists of Queries: the columns and tables that these go by, made of events rather than read. What a
// reservation was then, AsOf tells. Not safe for concurrent use.
type PastList struct {
	rows map[string]*pastRow
	keep Keep // nil: lists have all
	look int  // with keep: rows that one page looks at
}

// pastRow is what lists go by.
type pastRow struct {
	id, guest, group string
	checkIn, nights  int64
	status           eventpb.ReservationStatus
	arrived, until   int64  // as in the table visit; until 0: nobody has come
	who              *Guest // with keep only
}

// NewPastList returns a list before anything has happened.
func NewPastList() *PastList { return &PastList{rows: map[string]*pastRow{}} }

// Only makes lists leave out what keep does, which is told Status and Guest only. A page looks at look rows at most, as that of Queries.Only. It is called before Take.
func (p *PastList) Only(keep Keep, look int) { p.keep, p.look = keep, look }

// Take applies the next event of the hotel in topic bookings.
func (p *PastList) Take(e projections.Event) error {
	m, ok := e.Envelope.Message.(interface{ GetReservationId() string })
	if _, waiting := e.Envelope.Message.(interface{ GetEntryId() string }); waiting || !ok {
		return nil
	}
	if err := p.take(m.GetReservationId(), e.Envelope.Message); err != nil {
		return fmt.Errorf("fold %s: %w", e.Position, err)
	}
	return nil
}

func (p *PastList) take(id string, m any) error {
	s, ok := stateAfter(m)
	if !ok {
		return fmt.Errorf("%T is not known here", m)
	}
	var c change
	var first Reservation
	if err := c.add(m, &first); err != nil {
		return err
	}
	r := p.rows[id]
	if r == nil {
		r = &pastRow{id: id}
		p.rows[id] = r
	}
	switch {
	case c.begun != nil:
		r.guest, r.group = c.guest, first.GroupID
		r.checkIn, r.nights = c.stay()
	case c.moved != nil:
		r.checkIn, r.nights = c.stay()
		if c.named {
			r.guest = c.guest
		}
	case c.left:
		r.nights = c.leaving - r.checkIn
		r.until = c.leaving
	}
	if in, ok := m.(*eventpb.GuestCheckedIn); ok {
		day, err := dayOf(in.GetDate())
		if err != nil {
			return err
		}
		r.arrived, r.until = day, inHouse
	}
	if of, ok := m.(interface{ GetGuest() *eventpb.Guest }); ok && p.keep != nil && (c.begun != nil || of.GetGuest() != nil) {
		who := guestOf(of.GetGuest())
		r.who = &who
	}
	e := entry{kind: s.kind, reason: s.reason}
	r.status, _ = e.after(r.status, 0)
	return nil
}

// stands is Reservation.stands.
func (r *pastRow) stands() bool { return (&Reservation{Status: r.status}).stands() }

// byCheckIn is where a reservation stands in most lists.
func (r *pastRow) byCheckIn() Cursor {
	return Cursor{CheckIn: domain.Date(r.checkIn), ReservationID: r.id}
}

// page returns the ids of the reservations behind a cursor that belong to a list, in its order, and the cursor to go on with, or nil.
func (p *PastList) page(after Cursor, limit int, at func(*pastRow) Cursor, has func(*pastRow) bool) (ids []string, next *Cursor, err error) {
	after.HotelID = ""
	var rows []*pastRow
	for _, r := range p.rows {
		if at(r).compare(after) > 0 && has(r) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *pastRow) int { return at(a).compare(at(b)) })
	limit = pageLimit(limit)
	for i, r := range rows {
		has, err := p.has(r)
		if err != nil {
			return nil, nil, err
		}
		if has {
			ids = append(ids, r.id)
		}
		if i+1 < len(rows) && (len(ids) == limit || p.keep != nil && i+1 == p.look) {
			place := at(r)
			return ids, &place, nil
		}
	}
	return ids, nil, nil
}

// has reports whether the lists do not leave out a reservation.
func (p *PastList) has(r *pastRow) (bool, error) {
	if p.keep == nil {
		return true, nil
	}
	then := &Reservation{Status: r.status}
	if r.who != nil {
		then.Guest = *r.who
	}
	return p.keep(then)
}

// ListByHotel is that of Queries, with ids. So are the others.
func (p *PastList) ListByHotel(after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, (*pastRow).byCheckIn, func(*pastRow) bool { return true })
}

// ListByArrival lists those that check in on [from, to).
func (p *PastList) ListByArrival(from, to domain.Date, after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, (*pastRow).byCheckIn, func(r *pastRow) bool { return int64(from) <= r.checkIn && r.checkIn < int64(to) })
}

// ListByGuestAtHotel lists a guest's.
func (p *PastList) ListByGuestAtHotel(guestID string, after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, (*pastRow).byCheckIn, func(r *pastRow) bool { return r.guest == guestID })
}

// ListByGroup lists those that were placed together.
func (p *PastList) ListByGroup(groupID string, after Cursor, limit int) ([]string, *Cursor, error) {
	after.CheckIn = 0
	return p.page(after, limit, func(r *pastRow) Cursor { return Cursor{ReservationID: r.id} }, func(r *pastRow) bool { return r.group == groupID })
}

// Arrivals lists those whose stay begins on a day.
func (p *PastList) Arrivals(day domain.Date, after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, (*pastRow).byCheckIn, func(r *pastRow) bool { return r.checkIn == int64(day) && r.stands() })
}

// Departures lists those whose guests leave on a day.
func (p *PastList) Departures(day domain.Date, after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, (*pastRow).byCheckIn, func(r *pastRow) bool {
		return int64(day-departsMax) <= r.checkIn && r.checkIn <= int64(day) && r.checkIn+r.nights == int64(day) && r.stands()
	})
}

// InHouse lists those whose guests were there at the end of a day, as far as was known then.
func (p *PastList) InHouse(day domain.Date, after Cursor, limit int) ([]string, *Cursor, error) {
	return p.page(after, limit, func(r *pastRow) Cursor { return Cursor{CheckIn: domain.Date(r.until), ReservationID: r.id} },
		func(r *pastRow) bool { return r.until > int64(day) && r.arrived <= int64(day) })
}
