package api

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// QuoteModification has the decider say what a change would do: its price, and whether there are rooms once the reservation's own are free.
func (s *reservationService) QuoteModification(ctx context.Context, req *connect.Request[lodgev1.QuoteModificationRequest]) (*connect.Response[lodgev1.ModificationQuote], error) {
	name := req.Msg.GetReservation().GetName()
	hotelID, id, err := parseReservation(name, "reservation.name")
	if err != nil {
		return nil, err
	}
	body, err := s.modifyReservation(ctx, hotelID, id.String(), &lodgev1.UpdateReservationRequest{Reservation: req.Msg.GetReservation(), UpdateMask: req.Msg.GetUpdateMask()})
	if err != nil {
		return nil, err
	}
	events, err := s.deps.Engine.Preview(ctx, commands.Command{Body: body})
	var rule *domain.Error
	if errors.As(err, &rule) && (rule.Reason == domain.SoldOut || rule.Reason == domain.Restricted) {
		quote := &lodgev1.ModificationQuote{Reservation: &lodgev1.Reservation{Name: name}, Unavailable: string(rule.Reason)}
		for _, night := range rule.Nights {
			quote.Nights = append(quote.Nights, toDate(night))
		}
		return connect.NewResponse(quote), nil
	}
	if err != nil {
		return nil, err
	}
	return respond(s.modificationQuote(hotelID, id.String(), events))
}

// modificationQuote makes a quote of the events that a change would lead to.
func (s *reservationService) modificationQuote(hotelID, id string, events []proto.Message) (*lodgev1.ModificationQuote, error) {
	for _, e := range events {
		m, ok := e.(*eventpb.ReservationModified)
		if !ok {
			continue
		}
		r, err := s.changedByEvent(commands.Result{Events: []*event.Envelope{{Message: m}}}, hotelID, id)
		if err != nil {
			return nil, err
		}
		r.Status, r.UpdateTime = lodgev1.ReservationStatus(m.GetStatus()), nil
		currency, charge := m.GetCurrencyCode(), m.GetBalanceMinorUnits()
		if m.GetStatus() == eventpb.ReservationStatus_RESERVATION_STATUS_PENDING {
			charge = m.GetTotalMinorUnits()
		}
		return &lodgev1.ModificationQuote{
			Reservation: r, PreviousTotal: toMoney(currency, m.GetPreviousTotalMinorUnits()),
			Difference: toMoney(currency, m.GetTotalMinorUnits()-m.GetPreviousTotalMinorUnits()),
			Charge:     toMoney(currency, charge), Refund: toMoney(currency, m.GetRefundMinorUnits()), Fee: toMoney(currency, m.GetFeeMinorUnits()),
		}, nil
	}
	return nil, errors.New("the preview of a modification gave no modification")
}
