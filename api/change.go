package api

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// ConfirmReservation makes a pending reservation paid, or settles the balance of one.
func (s *reservationService) ConfirmReservation(ctx context.Context, req *connect.Request[lodgev1.ConfirmReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string) hotel.Command {
		return &hotel.ConfirmReservation{Hotel: hotelID, ReservationID: id}
	})
}

// CancelReservation releases a reservation's rooms.
func (s *reservationService) CancelReservation(ctx context.Context, req *connect.Request[lodgev1.CancelReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string) hotel.Command {
		return &hotel.CancelReservation{
			Hotel: hotelID, ReservationID: id,
			Reason: eventpb.ReservationReason(req.Msg.GetReason()), Note: req.Msg.GetNote(), Waive: req.Msg.GetWaive(),
		}
	})
}

// MarkNoShow releases the rooms of a guest who never came.
func (s *reservationService) MarkNoShow(ctx context.Context, req *connect.Request[lodgev1.MarkNoShowRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string) hotel.Command {
		return &hotel.MarkNoShow{Hotel: hotelID, ReservationID: id, Waive: req.Msg.GetWaive()}
	})
}

// settling is a request that changes a reservation by its name.
type settling[M any] interface {
	*M
	GetName() string
	GetRequestId() string
}

// settle carries out a change of one reservation and answers with the reservation as it is then.
func settle[M any, P settling[M]](ctx context.Context, a *API, req *connect.Request[M], command func(hotelID, id string) hotel.Command) (*connect.Response[lodgev1.Reservation], error) {
	msg := P(req.Msg)
	hotelID, id, err := parseReservation(msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	return a.change(ctx, req.Header(), msg.GetRequestId(), hotelID, id.String(), command(hotelID, id.String()))
}

// change carries out a change of one reservation, given the headers of the request, and answers with the reservation as it is then.
func (a *API) change(ctx context.Context, header http.Header, requestID, hotelID, id string, body hotel.Command) (*connect.Response[lodgev1.Reservation], error) {
	c, err := newCall(ctx, header, requestID)
	if err != nil {
		return nil, err
	}
	result, err := a.do(ctx, c, body)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.Reservation](nil)
	if len(result.Events) == 0 { // it was so already
		res.Msg, err = a.reservation(ctx, hotelID, id, "")
		return res, err
	}
	say(res.Header(), result)
	if !minimal(header) {
		if res.Msg, err = a.reservation(ctx, hotelID, id, result.Position.String()); err == nil {
			return res, nil
		}
		a.opts.Logger.WarnContext(ctx, "answer a change without the read model", "reservation", reservationName(hotelID, id), "error", err)
	}
	res.Msg, err = a.changedByEvent(result, hotelID, id)
	return res, err
}

// changedByEvent makes what the events of a change say of a reservation.
func (a *API) changedByEvent(result commands.Result, hotelID, id string) (*lodgev1.Reservation, error) {
	for _, e := range result.Events {
		of, ok := e.Message.(interface{ GetReservationId() string })
		if !ok || of.GetReservationId() != id {
			continue // of the waiting list
		}
		r := &lodgev1.Reservation{Name: reservationName(hotelID, id)}
		if m, ok := e.Message.(interface{ GetStay() *eventpb.Stay }); ok {
			r = ofStay(hotelID, id, m.GetStay())
		}
		if !addEvent(r, e) {
			break
		}
		r.UpdateTime = timestamppb.New(e.Time)
		if m, ok := e.Message.(*eventpb.ReservationModified); ok {
			var err error
			if r.Guest, err = a.toGuest(m.GetGuest()); err != nil {
				return nil, err
			}
		}
		return r, nil
	}
	return nil, fmt.Errorf("a change of a reservation gave no event that says so at %s", result.Position)
}

// addEvent adds to a reservation what an event says beyond its stay. false: the event is none that a change leads to.
func addEvent(r *lodgev1.Reservation, e *event.Envelope) bool {
	switch m := e.Message.(type) {
	case *eventpb.ReservationPaid:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
	case *eventpb.ReservationBalancePaid, *eventpb.RefundGranted: // a paid or ended one: the event does not say which
	case *eventpb.ReservationModified:
		r.Status = lodgev1.ReservationStatus(m.GetStatus())
		r.NightlyAmounts = toAmounts(m.GetCurrencyCode(), m.GetNightlyMinorUnits())
		r.Total = toMoney(m.GetCurrencyCode(), m.GetTotalMinorUnits())
		addTerms(r, m.GetTerms(), m.GetCurrencyCode())
	case *eventpb.ReservationCanceled:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED
		r.Reason = lodgev1.ReservationReason(m.GetReason())
	case *eventpb.ReservationNoShow:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED
		r.Reason = lodgev1.ReservationReason_RESERVATION_REASON_NO_SHOW
	case *eventpb.GuestWalked:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED
		r.Reason = lodgev1.ReservationReason_RESERVATION_REASON_WALKED
		r.RelocatedTo = m.GetRelocatedTo()
	case *eventpb.GuestCheckedIn:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
		r.StayStatus = lodgev1.StayStatus_STAY_STATUS_CHECKED_IN
		r.Rooms = roomNames(m.GetHotelId(), m.GetRoomIds())
	case *eventpb.GuestMoved: // the event does not say which other rooms they have
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
		r.StayStatus = lodgev1.StayStatus_STAY_STATUS_CHECKED_IN
	case *eventpb.GuestCheckedOut:
		r.Status = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
		r.StayStatus = lodgev1.StayStatus_STAY_STATUS_CHECKED_OUT
	default:
		return false
	}
	return true
}

func roomNames(hotelID string, ids []string) (names []string) {
	for _, id := range ids {
		names = append(names, roomName(hotelID, id))
	}
	return names
}
