package api

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/reservations"
)

const (
	historyPageMax = 200
	causesMax      = 10
)

// GetReservationHistory lists the events of a reservation with what led to them.
func (s *reservationService) GetReservationHistory(ctx context.Context, req *connect.Request[lodgev1.GetReservationHistoryRequest]) (*connect.Response[lodgev1.GetReservationHistoryResponse], error) {
	hotelID, id, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	from, err := historyCursor(req.Msg)
	if err != nil {
		return nil, err
	}
	if _, err := s.freshAccount(ctx, hotelID, id.String(), req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	found, next, err := s.API.reservations.Life(ctx, s.payments, hotelID, id.String(), from, min(historyPageMax, pageSize(req.Msg.GetPageSize())))
	if err != nil {
		return nil, err
	}
	res := &lodgev1.GetReservationHistoryResponse{}
	known := &causes{API: s.API, hotelID: hotelID, known: map[string]*projections.Event{}}
	for _, at := range found {
		entry, err := known.entry(ctx, at)
		if err != nil {
			return nil, err
		}
		res.Entries = append(res.Entries, entry)
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, strconv.FormatInt(int64(next.Bookings), 10), strconv.FormatInt(int64(next.Payments), 10))
	}
	return connect.NewResponse(res), nil
}

func historyCursor(req *lodgev1.GetReservationHistoryRequest) (from reservations.Places, err error) {
	token, err := parsePageToken(req, req.GetPageToken(), 2)
	if err != nil || token == nil {
		return from, err
	}
	return placesOf(token)
}

// placesOf reads where a page of a reservation's events begins.
func placesOf(token []string) (from reservations.Places, err error) {
	bookings, err := strconv.ParseInt(token[0], 10, 64)
	payments, err2 := strconv.ParseInt(token[1], 10, 64)
	if err != nil || err2 != nil || bookings < 0 || payments < 0 {
		return from, badToken("is not one of ours")
	}
	return reservations.Places{Bookings: log.Offset(bookings), Payments: log.Offset(payments)}, nil
}

// causes finds what led to events of one hotel, each once.
type causes struct {
	*API
	hotelID string
	known   map[string]*projections.Event // by id; nil: there is none
}

func (c *causes) entry(ctx context.Context, at log.Position) (*lodgev1.ReservationHistoryEntry, error) {
	e, err := c.envelopeAt(ctx, at)
	if err != nil {
		return nil, err
	}
	c.known[e.ID] = &projections.Event{Position: at, Envelope: e}
	out := &lodgev1.ReservationHistoryEntry{Origin: originOf(e)}
	if out.Event, err = c.eventOf(e, at); err != nil {
		return nil, err
	}
	for id := e.CausationID; id != "" && len(out.Causes) < causesMax; {
		cause, err := c.find(ctx, id)
		if err != nil {
			return nil, err
		}
		if cause == nil {
			out.Causes = append(out.Causes, &lodgev1.EventReference{EventId: id})
			break
		}
		out.Causes = append(out.Causes, referTo(cause))
		id = cause.Envelope.CausationID
	}
	return out, nil
}

// find returns the hotel's event with an id, or nil.
func (c *causes) find(ctx context.Context, id string) (*projections.Event, error) {
	if e, ok := c.known[id]; ok {
		return e, nil
	}
	entry, found, err := c.index.FindOfHotel(ctx, c.hotelID, id)
	if err != nil {
		return nil, err
	}
	var cause *projections.Event
	if found {
		e, err := c.envelopeAt(ctx, entry.Position)
		if err != nil && log.CodeOf(err) != log.OffsetOutOfRange { // retention has taken it
			return nil, err
		}
		if err == nil {
			if err := c.openReason(e); err != nil {
				return nil, err
			}
			cause = &projections.Event{Position: entry.Position, Envelope: e}
		}
	}
	c.known[id] = cause
	return cause, nil
}

// originOf says what an event came from. Every change over the API has a request id, if only one that the edge made up.
func originOf(e *event.Envelope) lodgev1.EventOrigin {
	switch {
	case e.CausationID != "":
		return lodgev1.EventOrigin_EVENT_ORIGIN_PROCESS_MANAGER
	case e.RequestID != uuid.Nil:
		return lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT
	}
	return lodgev1.EventOrigin_EVENT_ORIGIN_PLATFORM
}

// referTo returns the API's reference to an event, or nil.
func referTo(e *projections.Event) *lodgev1.EventReference {
	if e == nil {
		return nil
	}
	out := &lodgev1.EventReference{
		EventId: e.Envelope.ID, Type: e.Envelope.Type, Position: e.Position.String(), Time: timestamppb.New(e.Envelope.Time),
		CorrelationId: e.Envelope.CorrelationID, Origin: originOf(e.Envelope), Command: e.Envelope.Command, Actor: e.Envelope.Actor, Reason: e.Envelope.Reason,
	}
	if e.Envelope.RequestID != uuid.Nil {
		out.RequestId = uuid.UUID(e.Envelope.RequestID).String()
	}
	return out
}
