package hotel

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) placeGroup(c *PlaceGroup, at At) ([]proto.Message, error) {
	asked, err := s.wantedByGroup(c, at)
	if err != nil {
		return nil, err
	}
	taken := make(overlay)
	obstacles := make([]obstacle, len(asked))
	refused := false
	for i := range asked {
		w := &asked[i]
		o := &obstacles[i]
		if o.full, o.broken = s.obstacles(w, taken); o.none() {
			taken.add(w.roomType, w.command.Stay, w.command.Quantity)
		} else {
			refused = true
		}
	}
	if refused {
		return rejectedGroup(c, asked, obstacles, at), nil
	}
	events := make([]proto.Message, 0, len(asked))
	for i := range asked {
		b, err := s.grant(&asked[i], at)
		if err != nil {
			return nil, inGroup(err, i)
		}
		b.event.GroupId = c.GroupID
		events = append(events, &b.event)
	}
	return events, nil
}

// obstacle is what stands in the way of a reservation.
type obstacle struct {
	full   []domain.Date
	broken []Broken
}

func (o *obstacle) none() bool { return o.full == nil && o.broken == nil }

// wantedByGroup checks everything about the requests of a group but whether there is room.
func (s *State) wantedByGroup(c *PlaceGroup, at At) ([]wanted, error) {
	if err := s.open(c.Hotel); err != nil {
		return nil, err
	}
	if _, err := parseUUID(c.GroupID, "group_id"); err != nil {
		return nil, err
	}
	switch n := len(c.Reservations); {
	case n == 0:
		return nil, domain.Errorf(domain.InvalidArgument, "reservations", "there is none")
	case n > GroupMax:
		return nil, domain.Errorf(domain.LimitReached, "reservations", "%d reservations are more than %d", n, GroupMax)
	case len(s.book.byID)+n > ReservationsMax:
		return nil, domain.Errorf(domain.LimitReached, "reservations", "hotel %s has %d reservations, and the most are %d",
			s.id, len(s.book.byID), ReservationsMax)
	}
	asked := make([]wanted, len(c.Reservations))
	seen := make(map[string]bool, len(asked))
	for i := range c.Reservations {
		r := &c.Reservations[i]
		if r.Hotel != c.Hotel {
			return nil, inGroup(domain.Errorf(domain.InvalidArgument, "hotel_id", "%.80q is not the group's hotel %s", r.Hotel, c.Hotel), i)
		}
		if seen[r.ReservationID] {
			return nil, inGroup(domain.Errorf(domain.ReservationExists, "reservation_id", "reservation %s is in the group twice", r.ReservationID), i)
		}
		seen[r.ReservationID] = true
		var err error
		if asked[i], err = s.wantedBy(r, at); err != nil {
			return nil, inGroup(err, i)
		}
		asked[i].seal = at.seal(i)
	}
	return asked, nil
}

// inGroup names the reservation of a group that an error is about.
func inGroup(err error, i int) error {
	var e *domain.Error
	if errors.As(err, &e) {
		named := *e
		named.Field = fmt.Sprintf("reservations[%d]", i)
		if e.Field != "" {
			named.Field += "." + e.Field
		}
		return &named
	}
	return err
}

// rejectedGroup rejects all reservations of a group. Nights are full for a reservation beside those before it in the group that could be had.
func rejectedGroup(c *PlaceGroup, asked []wanted, obstacles []obstacle, at At) []proto.Message {
	events := make([]proto.Message, 0, len(asked))
	for i := range asked {
		e := rejected(asked[i].command, obstacles[i].full, obstacles[i].broken, at)
		if e.GroupId = c.GroupID; obstacles[i].none() {
			e.Reason = eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE
		}
		events = append(events, e)
	}
	return events
}

// parseUUID reads the UUID in a field.
func parseUUID(text, field string) (domain.ReservationID, error) {
	id, err := domain.ParseReservationID(text)
	var e *domain.Error
	if errors.As(err, &e) {
		e.Field = field
	}
	return id, err
}
