package api

import (
	"context"
	"fmt"
	"strings"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/reservations"
)

// earlier looks for the reservation whose id a caller chose. The engine knows the ids of reservations that are open or ended
// lately; the read model knows all, and without it an id of long ago could be given to a second reservation. When this very
// request made it, result is its answer again; another request is refused with RESERVATION_EXISTS. A result without events
// says that there is none.
//
// What the read model has not seen yet the engine still knows, so nothing waits here. While the read model cannot be asked the
// engine decides alone: changes go on.
func (s *reservationService) earlier(ctx context.Context, c call, body *hotel.PlaceReservation) (result commands.Result, err error) {
	known, err := s.API.reservations.Get(ctx, body.Hotel, body.ReservationID)
	switch {
	case err == nil:
		return s.madeBy(ctx, c, body, &known)
	case domain.ReasonOf(err) == domain.ReservationNotFound, log.CodeOf(err) == log.Unavailable:
	case ctx.Err() != nil:
		return result, err
	default:
		s.opts.Logger.WarnContext(ctx, "place a reservation without the read model", "hotel", body.Hotel, "error", err)
	}
	return result, nil
}

// earlierGroup is earlier for a group whose ids the caller chose.
func (s *reservationService) earlierGroup(ctx context.Context, c call, body *hotel.PlaceGroup) (result commands.Result, err error) {
	if !body.ClientAssigned {
		return result, nil
	}
	for i := range body.Reservations {
		known, err := s.API.reservations.Get(ctx, body.Hotel, body.Reservations[i].ReservationID)
		if err != nil {
			if ctx.Err() != nil {
				return result, err
			}
			continue // as in earlier: the engine decides
		}
		one, err := s.madeBy(ctx, c, body, &known)
		if err != nil {
			return result, err
		}
		result = commands.Result{Events: append(result.Events, one.Events...), Position: one.Position, Replayed: true}
	}
	if len(result.Events) < len(body.Reservations) {
		return commands.Result{}, nil // the read model has not seen all of it: then the engine remembers the request
	}
	return result, nil
}

// madeBy returns the answer that a reservation was made with, if it was by this request.
func (s *reservationService) madeBy(ctx context.Context, c call, body hotel.Command, known *reservations.Reservation) (commands.Result, error) {
	return s.beganBy(ctx, c, body, known.HotelID, known.Created, domain.Errorf(domain.ReservationExists, "reservation_id",
		"reservation %s exists already and is %s", known.ReservationID, strings.TrimPrefix(known.Status.String(), "RESERVATION_STATUS_")))
}

// beganBy returns the event of topic bookings that something of a hotel began with, if it is this request's; otherwise the error.
func (a *API) beganBy(ctx context.Context, c call, body hotel.Command, hotelID string, began log.Offset, otherwise error) (result commands.Result, err error) {
	at := log.Position{Topic: event.BookingsTopic, Partition: a.deps.Store.PartitionFor(hotelID), Offset: began}
	e, err := a.envelopeAt(ctx, at)
	switch {
	case log.CodeOf(err) == log.OffsetOutOfRange: // retention has taken it: whose it was cannot be known any more
	case err != nil:
		return result, fmt.Errorf("read what was made at %s: %w", at, err)
	case e.RequestID != c.requestID:
	case !a.deps.Engine.Asked(body, e.RequestFingerprint):
		return result, commands.ErrRequestReused
	default:
		return commands.Result{Events: []*event.Envelope{e}, Position: at, Replayed: true}, nil
	}
	return result, otherwise
}

// earlierEntry is earlier for an entry of the waiting list whose id the caller chose: the engine knows only those that wait.
func (s *waitingListService) earlierEntry(ctx context.Context, c call, body *hotel.JoinWaitingList) (result commands.Result, err error) {
	if !body.ClientAssigned {
		return result, nil
	}
	known, err := s.API.reservations.GetWaiter(ctx, body.Hotel, body.EntryID)
	if err != nil {
		return result, ctx.Err() // as in earlier: the engine decides
	}
	return s.beganBy(ctx, c, body, known.HotelID, known.Created,
		domain.Errorf(domain.WaiterExists, "entry_id", "entry %s exists already", body.EntryID))
}

func (a *API) envelopeAt(ctx context.Context, at log.Position) (*event.Envelope, error) {
	record, err := a.recordAt(ctx, at)
	if err != nil {
		return nil, err
	}
	return decodeRecord(record)
}
