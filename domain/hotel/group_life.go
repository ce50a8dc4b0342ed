package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// CancelGroup cancels those reservations of a group that are pending or paid, all in one batch or none: when one of them cannot be canceled, since its guest has come, nothing
// happens. What has ended before stays as it is.
type CancelGroup struct {
	Hotel        string
	GroupID      string
	Reservations []string // the group's, all of them: the state does not know groups. No part of the fingerprint
	Reason       eventpb.ReservationReason
	Note         string
	Waive        bool
}

// PayGroup asks for the money of those reservations of a group that something is due for, a payment for each, all in one batch or none. What becomes of the payments
// is then each reservation's own.
type PayGroup struct {
	Hotel         string
	GroupID       string
	Payments      []GroupPayment // of all reservations of the group, the ids new. No part of the fingerprint
	Provider      string
	PaymentMethod string // empty: that of each reservation's last payment
}

// GroupPayment is the id of a payment to be made for a reservation.
type GroupPayment struct{ ReservationID, PaymentID string }

// HotelID implements Command.
func (c *CancelGroup) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CancelGroup) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *CancelGroup) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *PayGroup) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *PayGroup) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *PayGroup) Fingerprint() [16]byte { return fingerprint(c) }

func (c *CancelGroup) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.GroupID, c.Note)
	b.number(int64(c.Reason))
	b.flag(c.Waive)
}

func (c *PayGroup) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.GroupID, c.Provider, c.PaymentMethod)
}

func (s *State) cancelGroup(c *CancelGroup, at At) ([]proto.Message, error) {
	var events []proto.Message
	err := s.eachLiving(c.Hotel, c.Reservations, func(i int) error {
		one, err := s.cancelReservation(&CancelReservation{
			Hotel: c.Hotel, ReservationID: c.Reservations[i], Reason: c.Reason, Note: c.Note, Waive: c.Waive,
		}, at)
		events = append(events, one...)
		return err
	})
	if err == nil && len(events) == 0 {
		err = domain.Errorf(domain.StatusConflict, "group_id", "no reservation of group %s is PENDING or PAID", c.GroupID)
	}
	return events, err
}

func (s *State) payGroup(c *PayGroup, at At) ([]proto.Message, error) {
	ids := make([]string, len(c.Payments))
	for i := range c.Payments {
		ids[i] = c.Payments[i].ReservationID
	}
	var events []proto.Message
	err := s.eachLiving(c.Hotel, ids, func(i int) error {
		one, err := s.requestPayment(&RequestPayment{
			Hotel: c.Hotel, ReservationID: ids[i], PaymentID: c.Payments[i].PaymentID, Provider: c.Provider, PaymentMethod: c.PaymentMethod,
		}, at)
		if domain.ReasonOf(err) == domain.NothingDue {
			return nil
		}
		events = append(events, one...)
		return err
	})
	if err == nil && len(events) == 0 {
		err = domain.Errorf(domain.NothingDue, "group_id", "there is nothing to pay of group %s", c.GroupID)
	}
	return events, err
}

// eachLiving calls f for those reservations that take rooms, by their index, until it returns an error; that names the reservation.
func (s *State) eachLiving(hotelID string, ids []string, f func(i int) error) error {
	if err := s.exists(hotelID); err != nil {
		return err
	}
	switch n := len(ids); {
	case n == 0:
		return domain.Errorf(domain.ReservationNotFound, "group_id", "the group has no reservations")
	case n > GroupMax:
		return domain.Errorf(domain.LimitReached, "group_id", "%d reservations are more than %d", n, GroupMax)
	}
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		parsed, err := domain.ParseReservationID(id)
		if err != nil {
			return err
		}
		if seen[id] {
			return domain.Errorf(domain.InvalidArgument, "group_id", "reservation %s is in the group twice", id)
		}
		seen[id] = true
		if r := s.book.find(parsed); r == nil || !r.takes() {
			continue // it has ended, or left the book
		}
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}
