package reservations

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
)

// AsOf returns a reservation as it was. The rows say where its events lie; read fetches one from the log, since what a reservation began with is kept as it is now (a
// modification moves its check-in date). Errors: domain.ReservationNotFound when there was none, domain.LimitReached beyond PageMax events, those of read.
func (q *Queries) AsOf(ctx context.Context, hotelID, reservationID string, until projections.Until,
	read func(context.Context, log.Position) (*event.Envelope, error),
) (r Reservation, err error) {
	entries, more, err := q.History(ctx, hotelID, reservationID, 0, PageMax)
	if err != nil {
		return r, err
	}
	n := 0
	for n < len(entries) && until.Has(entries[n].Position.Offset, entries[n].Time) {
		n++
	}
	switch {
	case n == 0 && len(entries) > 0:
		return r, domain.Errorf(domain.ReservationNotFound, "", "there was no reservation %q in hotel %q then", reservationID, hotelID)
	case n == 0:
		return r, domain.Errorf(domain.ReservationNotFound, "", "there is no reservation %q in hotel %q", reservationID, hotelID)
	case n == PageMax && more:
		return r, domain.Errorf(domain.LimitReached, "", "reservation %s has more than %d events until then", reservationID, PageMax)
	}
	for _, at := range entries[:n] {
		e, err := read(ctx, at.Position)
		if err != nil {
			return r, err
		}
		if err := r.apply(projections.Event{Position: at.Position, Envelope: e}); err != nil {
			return r, fmt.Errorf("fold %s: %w", at.Position, err)
		}
	}
	return r, nil
}

// apply makes the reservation what it is after an event: what take does with the event's entry, and what columns keep as it is now.
func (r *Reservation) apply(e projections.Event) (err error) {
	s, ok := stateAfter(e.Envelope.Message)
	if !ok {
		return fmt.Errorf("%s is not known here", e.Envelope.Type)
	}
	switch m := e.Envelope.Message.(type) {
	case *eventpb.ReservationPlaced:
		if err = placed(m, r); proto.Size(r.Terms) == 0 {
			r.Terms = nil
		}
	case *eventpb.ReservationRejected:
		err = rejected(m, r)
	case *eventpb.ReservationModified:
		if m.GetGuest() != nil {
			r.Guest.GuestID = m.GetGuest().GetGuestId()
		}
		r.Stay, err = stayOf(m.GetStay())
	case *eventpb.GuestForgotten:
		r.Guest.GuestID = ""
	}
	if err != nil {
		return err
	}
	more, err := appendMore(nil, e.Envelope.Message)
	if err != nil {
		return err
	}
	return r.take(&entry{kind: s.kind, reason: s.reason, note: s.note, time: e.Envelope.Time.UTC(), offset: e.Position.Offset, more: more})
}
