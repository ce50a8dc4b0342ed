package hotel

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Short names of the statuses.
const (
	pending    = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	paid       = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	canceled   = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
	turnedAway = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED
)

func statusName(status eventpb.ReservationStatus) string {
	return strings.TrimPrefix(status.String(), "RESERVATION_STATUS_")
}

func (s *State) confirmReservation(c *ConfirmReservation, at At) ([]proto.Message, error) {
	r, err := s.reservation(c.Hotel, c.ReservationID)
	if err != nil {
		return nil, err
	}
	if r.state() != pending {
		return nil, statusConflict(c.ReservationID, r, "only a PENDING one can be confirmed")
	}
	if r.deadline != 0 && r.deadline <= at.Now.UnixMilli() {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id", "the hold of reservation %s ended at %s",
			c.ReservationID, time.UnixMilli(r.deadline).UTC().Format(time.RFC3339))
	}
	return one(&eventpb.ReservationPaid{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Stay: s.stayMessage(r),
	}), nil
}

func (s *State) cancelReservation(c *CancelReservation) ([]proto.Message, error) {
	r, err := s.taking(c.Hotel, c.ReservationID, "canceled")
	if err != nil {
		return nil, err
	}
	reason := c.Reason
	switch reason {
	case eventpb.ReservationReason_RESERVATION_REASON_UNSPECIFIED:
		reason = eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
	case eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST,
		eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST,
		eventpb.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED:
	default:
		return nil, domain.Errorf(domain.InvalidArgument, "reason",
			"%s is not GUEST_REQUEST, HOTEL_REQUEST or PAYMENT_DECLINED", strings.TrimPrefix(reason.String(), "RESERVATION_REASON_"))
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	return one(s.cancellation(r, reason, c.Note)), nil
}

func (s *State) markNoShow(c *MarkNoShow, at At) ([]proto.Message, error) {
	r, err := s.taking(c.Hotel, c.ReservationID, "missed")
	if err != nil {
		return nil, err
	}
	if today := s.today(at.Now); today < r.checkIn {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id",
			"the guest of reservation %s is expected on %s and it is %s at the hotel", c.ReservationID, r.checkIn, today)
	}
	return one(&eventpb.ReservationNoShow{
		HotelId: c.Hotel, ReservationId: c.ReservationID, Stay: s.stayMessage(r), PreviousStatus: r.state(),
	}), nil
}

func (s *State) expireHolds(c *ExpireHolds, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	now := c.Now
	if now.IsZero() {
		now = at.Now
	}
	var events []proto.Message
	for _, slot := range s.book.holds.expired(s.book.slots, now.UnixMilli(), ExpireMax) {
		events = append(events, s.cancellation(&s.book.slots[slot],
			eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED, ""))
	}
	return events, nil
}

// reservation returns a reservation of this hotel.
func (s *State) reservation(hotelID, reservationID string) (*reservation, error) {
	if err := s.exists(hotelID); err != nil {
		return nil, err
	}
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return nil, err
	}
	if r := s.book.find(id); r != nil {
		return r, nil
	}
	return nil, domain.Errorf(domain.ReservationNotFound, "reservation_id",
		"hotel %s has no reservation %s that is open or ended in the last %d days", hotelID, reservationID, BooksOpenDays)
}

// taking returns a reservation of this hotel that takes rooms.
func (s *State) taking(hotelID, reservationID, verb string) (*reservation, error) {
	r, err := s.reservation(hotelID, reservationID)
	if err != nil {
		return nil, err
	}
	if !r.takes() {
		return nil, statusConflict(reservationID, r, "only a PENDING or PAID one can be "+verb)
	}
	return r, r.checkAwaited(verb)
}

func statusConflict(reservationID string, r *reservation, rule string) error {
	return domain.Errorf(domain.StatusConflict, "reservation_id",
		"reservation %s is %s: %s", reservationID, statusName(r.state()), rule)
}

func (s *State) cancellation(r *reservation, reason eventpb.ReservationReason, note string) proto.Message {
	return &eventpb.ReservationCanceled{
		HotelId: s.id, ReservationId: r.id.String(), Stay: s.stayMessage(r),
		PreviousStatus: r.state(), Reason: reason, Note: note,
	}
}

func (s *State) stayMessage(r *reservation) *eventpb.Stay {
	stay := r.stay()
	return &eventpb.Stay{
		RoomTypeId: s.roomTypes[r.roomType].details.RoomTypeId, Quantity: int32(r.quantity),
		CheckInDate: stay.CheckIn.String(), CheckOutDate: stay.CheckOut.String(),
	}
}
