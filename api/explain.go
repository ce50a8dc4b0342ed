package api

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/hotels"
	"lodge/projections/reservations"
)

const takersMax = 100 // of one night that are named

// ExplainRejection says why a reservation was rejected: the hotel's past is folded up to what the decision rested on.
func (s *reservationService) ExplainRejection(ctx context.Context, req *connect.Request[lodgev1.ExplainRejectionRequest]) (*connect.Response[lodgev1.RejectionExplanation], error) {
	hotelID, id, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, reservations.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	r, err := s.API.reservations.Get(ctx, hotelID, id.String())
	if err != nil {
		return nil, err
	}
	decision, err := s.rejection(ctx, &r)
	if err != nil {
		return nil, err
	}
	switch m := decision.Envelope.Message.(type) {
	case *eventpb.ReservationDeclined:
		out := explanationOf(decision, m.GetReservationId(), m.GetStay())
		out.Reason, out.DeclineCode = lodgev1.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED, m.GetDeclineCode()
		return connect.NewResponse(out), nil
	case *eventpb.ReservationRejected:
		return respond(s.explain(ctx, decision, m))
	}
	return nil, fmt.Errorf("the event at %s does not reject a reservation", decision.Position)
}

// rejection returns the event that rejected a reservation.
func (s *reservationService) rejection(ctx context.Context, r *reservations.Reservation) (*projections.Event, error) {
	entries, _, err := s.API.reservations.History(ctx, r.HotelID, r.ReservationID, r.Created, reservations.PageMax)
	if err != nil {
		return nil, err
	}
	for i := len(entries) - 1; i >= 0; i-- {
		switch entries[i].Type {
		case event.TypeOf(&eventpb.ReservationRejected{}), event.TypeOf(&eventpb.ReservationDeclined{}):
			e, err := s.envelopeAt(ctx, entries[i].Position)
			if err == nil {
				err = s.openReason(e)
			}
			return &projections.Event{Position: entries[i].Position, Envelope: e}, err
		}
	}
	return nil, domain.Errorf(domain.StatusConflict, "name", "reservation %s is %s and was never rejected",
		r.ReservationID, strings.TrimPrefix(r.Status.String(), "RESERVATION_STATUS_"))
}

func explanationOf(decision *projections.Event, id string, stay *eventpb.Stay) *lodgev1.RejectionExplanation {
	hotelID := decision.Envelope.HotelID
	return &lodgev1.RejectionExplanation{
		Reservation: reservationName(hotelID, id), Decision: referTo(decision),
		RoomType: roomTypeName(hotelID, stay.GetRoomTypeId()), Quantity: stay.GetQuantity(),
	}
}

// explanation is one that is being made.
type explanation struct {
	out      *lodgev1.RejectionExplanation
	open     func(*event.Envelope) error // API.openReason
	rejected *eventpb.ReservationRejected
	stay     domain.Stay
	house    *hotels.Past
	calendar *availability.Past
	takers   *availability.Takers
	fellows  []*eventpb.Stay // of reservations before it in its group that could have been had
}

// explain makes the explanation of a rejection.
func (s *reservationService) explain(ctx context.Context, decision *projections.Event, m *eventpb.ReservationRejected) (*lodgev1.RejectionExplanation, error) {
	x := &explanation{out: explanationOf(decision, m.GetReservationId(), m.GetStay()), open: s.openReason, rejected: m}
	x.out.Reason = lodgev1.ReservationReason(m.GetReason())
	var err error
	if x.stay.CheckIn, err = domain.ParseDate(m.GetStay().GetCheckInDate()); err != nil {
		return nil, err
	}
	if x.stay.CheckOut, err = domain.ParseDate(m.GetStay().GetCheckOutDate()); err != nil {
		return nil, err
	}
	at := &moment{
		hotelID: m.GetHotelId(), partition: decision.Position.Partition, time: decision.Envelope.Time,
		next: map[log.Topic]log.Offset{event.BookingsTopic: decision.Position.Offset, event.InventoryTopic: log.Offset(m.GetInventoryOffset())},
	}
	x.out.InventoryPosition = log.Position{Topic: event.InventoryTopic, Partition: at.partition, Offset: log.Offset(m.GetInventoryOffset())}.String()
	if err := s.readPast(ctx, at, x.read); err != nil {
		return nil, err
	}
	if err := x.nights(); err != nil {
		return nil, err
	}
	if err := x.restrictions(); err != nil {
		return nil, err
	}
	if m.GetReason() == eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE {
		return x.out, s.addObstacles(ctx, x)
	}
	return x.out, nil
}

// read folds the past up to the decision. The day of leaving counts too: a stay may be forbidden to end on it.
func (x *explanation) read(p *past) (err error) {
	if x.house, err = p.house(); err != nil {
		return err
	}
	from, to := x.stay.CheckIn, x.stay.CheckOut+1
	roomType := x.rejected.GetStay().GetRoomTypeId()
	x.calendar = availability.NewPast(p.hotelID, roomType, from, to)
	x.takers = availability.NewTakers(p.hotelID, roomType, from, to)
	if err := p.each(event.InventoryTopic, x.calendar.Take); err != nil {
		return err
	}
	return p.each(event.BookingsTopic, func(e projections.Event) error {
		if m, ok := e.Envelope.Message.(*eventpb.ReservationRejected); ok && x.before(m) {
			x.fellows = append(x.fellows, m.GetStay())
		}
		if err := x.calendar.Take(e); err != nil {
			return err
		}
		return x.takers.Take(e)
	})
}

// before reports whether a rejected reservation is one of the same group that could have been had, of the same room type.
func (x *explanation) before(m *eventpb.ReservationRejected) bool {
	return m.GetGroupId() != "" && m.GetGroupId() == x.rejected.GetGroupId() &&
		m.GetReason() == eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE &&
		m.GetStay().GetRoomTypeId() == x.rejected.GetStay().GetRoomTypeId()
}

// nights says what the full nights were like.
func (x *explanation) nights() error {
	for _, text := range x.rejected.GetFullNights() {
		d, err := domain.ParseDate(text)
		if err != nil {
			return err
		}
		n, by := x.calendar.Night(x.rejected.GetStay().GetRoomTypeId(), d)
		out := &lodgev1.FullNight{
			Date: toDate(d), PhysicalCount: int32(n.Physical), OutOfOrderCount: int32(n.OutOfOrder),
			OverbookingLimit: int32(n.Overbooking), OverbookingPercent: int32(n.OverbookingPercent), SellableCount: int32(n.Sellable()),
			SoldCount: int32(n.Sold), HeldCount: int32(n.Held),
			PhysicalEvent: referTo(by.Physical), OutOfOrderEvent: referTo(by.OutOfOrder), OverbookingEvent: referTo(by.Overbooking),
		}
		for _, stay := range x.fellows {
			if stay.GetCheckInDate() <= text && text < stay.GetCheckOutDate() {
				out.GroupCount += stay.GetQuantity()
			}
		}
		out.AvailableCount = max(0, out.SellableCount-out.SoldCount-out.HeldCount-out.GroupCount)
		for i, t := range x.takers.On(d) {
			if i == takersMax {
				break
			}
			if err := x.open(t.Event.Envelope); err != nil {
				return err
			}
			out.Takers = append(out.Takers, &lodgev1.NightTaker{
				Reservation: reservationName(x.rejected.GetHotelId(), t.ReservationID), Quantity: int32(t.Quantity),
				Status: lodgev1.ReservationStatus(t.Status), Event: referTo(&t.Event),
			})
		}
		x.out.FullNights = append(x.out.FullNights, out)
	}
	return nil
}

// restrictions says what had set those that the stay breaks.
func (x *explanation) restrictions() error {
	for _, b := range x.rejected.GetBrokenRestrictions() {
		out := &lodgev1.RestrictionCause{Restriction: lodgev1.Restriction(b.GetRestriction()), Limit: b.GetLimit()}
		for _, text := range b.GetNights() {
			d, err := domain.ParseDate(text)
			if err != nil {
				return err
			}
			out.Nights = append(out.Nights, &lodgev1.RestrictedNight{Date: toDate(d), Event: referTo(x.setter(b.GetRestriction(), d))})
		}
		x.out.Restrictions = append(x.out.Restrictions, out)
	}
	return nil
}

// setter returns the event that had set a restriction on a day, or nil.
func (x *explanation) setter(r eventpb.Restriction, d domain.Date) *projections.Event {
	_, by := x.calendar.Night(x.rejected.GetStay().GetRoomTypeId(), d)
	switch r {
	case eventpb.Restriction_RESTRICTION_MIN_STAY:
		return by.MinStay
	case eventpb.Restriction_RESTRICTION_MAX_STAY:
		return by.MaxStay
	case eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL:
		return by.ClosedToArrival
	case eventpb.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE:
		return by.ClosedToDeparture
	case eventpb.Restriction_RESTRICTION_STOP_SELL:
		return by.StopSell
	case eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY, eventpb.Restriction_RESTRICTION_RATE_PLAN_MAX_STAY:
		if e, ok := x.house.RatePlanEvent(x.rejected.GetHotelId(), x.rejected.GetRatePlanId()); ok {
			return &e
		}
	}
	return nil
}

// addObstacles names the reservations of the group that could not be had.
func (s *reservationService) addObstacles(ctx context.Context, x *explanation) error {
	found, _, err := s.API.reservations.ListByGroup(ctx, x.rejected.GetHotelId(), x.rejected.GetGroupId(), reservations.Cursor{}, reservations.PageMax)
	for i := range found {
		if found[i].Reason != eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE {
			x.out.GroupObstacles = append(x.out.GroupObstacles, reservationName(found[i].HotelID, found[i].ReservationID))
		}
	}
	return err
}
