package api

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/commands/persons"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// ConfirmReservation makes a pending reservation paid, or settles the balance of one.
func (s *reservationService) ConfirmReservation(ctx context.Context, req *connect.Request[lodgev1.ConfirmReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.ConfirmReservation{Hotel: hotelID, ReservationID: id, ExpectedVersion: expected}
	})
}

// CancelReservation releases a reservation's rooms.
func (s *reservationService) CancelReservation(ctx context.Context, req *connect.Request[lodgev1.CancelReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.CancelReservation{
			Hotel: hotelID, ReservationID: id,
			Reason: eventpb.ReservationReason(req.Msg.GetReason()), Note: req.Msg.GetNote(), Waive: req.Msg.GetWaive(),
			ExpectedVersion: expected,
		}
	})
}

// MarkNoShow releases the rooms of a guest who never came.
func (s *reservationService) MarkNoShow(ctx context.Context, req *connect.Request[lodgev1.MarkNoShowRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.MarkNoShow{Hotel: hotelID, ReservationID: id, Waive: req.Msg.GetWaive(), ExpectedVersion: expected}
	})
}

// settling is a request that changes a reservation by its name.
type settling[M any] interface {
	*M
	GetName() string
	GetRequestId() string
	GetEtag() string
}

// changing is which reservation a request changes.
type changing struct {
	hotelID, id string
	expected    int64 // the version that the caller has seen; 0: they do not say
}

// settle carries out a change of one reservation and answers with the reservation as it is then.
func settle[M any, P settling[M]](ctx context.Context, a *API, req *connect.Request[M], command func(hotelID, id string, expected int64) hotel.Command) (*connect.Response[lodgev1.Reservation], error) {
	msg := P(req.Msg)
	hotelID, id, err := parseReservation(msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	expected, err := reservationVersion(msg.GetEtag(), hotelID, id.String())
	if err != nil {
		return nil, err
	}
	of := changing{hotelID, id.String(), expected}
	return a.change(ctx, req.Header(), msg.GetRequestId(), of, command(hotelID, id.String(), expected))
}

// change carries out a change of one reservation, given the headers of the request, and answers with the reservation as it is then.
func (a *API) change(ctx context.Context, header http.Header, requestID string, of changing, body hotel.Command) (*connect.Response[lodgev1.Reservation], error) {
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
		res.Msg, err = a.reservation(ctx, of.hotelID, of.id, "")
		return res, err
	}
	say(res.Header(), result)
	if !minimal(header) {
		if res.Msg, err = a.reservation(ctx, of.hotelID, of.id, result.Position.String()); err == nil {
			return res, nil
		}
		a.opts.Logger.WarnContext(ctx, "answer a change without the read model", "reservation", reservationName(of.hotelID, of.id), "error", err)
	}
	if res.Msg, err = a.changedByEvent(result, of.hotelID, of.id); err == nil && of.expected > 0 {
		res.Msg.Etag = reservationEtag(of.hotelID, of.id, of.expected+1) // a change is one event of the reservation
	}
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
		return r, a.addPerson(r, e)
	}
	return nil, fmt.Errorf("a change of a reservation gave no event that says so at %s", result.Position)
}

// addPerson adds to a reservation what is sealed in an event: who the guests are now, or where they were sent instead.
func (a *API) addPerson(r *lodgev1.Reservation, e *event.Envelope) (err error) {
	switch m := e.Message.(type) {
	case *eventpb.ReservationModified:
		r.Guest, err = a.toGuest(m.GetGuest())
	case *eventpb.GuestWalked:
		var words persons.Words
		words, err = a.wordsIn(m)
		r.RelocatedTo = words[1]
	}
	return err
}

// addEvent adds to a reservation what an event says beyond its stay and what is sealed. false: the event is none that a change leads to.
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
