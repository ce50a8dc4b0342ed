package process

import (
	"context"
	"errors"
	"fmt"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// settle has the money follow what became of a reservation: what is owed goes back, what a modification made dearer is asked for. What is captured later has an event of
// its own, which is settled then.
func (p *Payments) settle(ctx context.Context, e *event.Envelope) error {
	m, ok := e.Message.(ofReservation)
	if !ok {
		return Permanent(fmt.Errorf("%T is of no reservation", e.Message))
	}
	if ended, ok := e.Message.(interface{ GetSettlement() *eventpb.Settlement }); ok && ended.GetSettlement() == nil {
		return nil // nothing was captured: most holds end so
	}
	if err := p.settleReservation(ctx, e, settleHandler, m.GetHotelId(), m.GetReservationId()); err != nil {
		return err
	}
	modified, ok := e.Message.(*eventpb.ReservationModified)
	if !ok || modified.GetBalanceMinorUnits() <= 0 {
		return nil
	}
	return p.requestBalance(ctx, e, settleHandler, m.GetHotelId(), m.GetReservationId())
}

// settleReservation has what is owed to the guest requested back. Usually that is nothing.
func (p *Payments) settleReservation(ctx context.Context, e *event.Envelope, handler, hotelID, reservationID string) error {
	_, err := p.giveOnce(ctx, e, handler, "settle", &hotel.SettleRefunds{
		Hotel: hotelID, ReservationID: reservationID, RefundID: derivedID(e, handler, "refund"),
	})
	if errors.Is(err, domain.ReservationNotFound) && event.TopicOf(e.Message) == event.BookingsTopic {
		return nil // it has left the book, and its money with it
	}
	return forPeople(err, "settle reservation "+reservationID)
}

// requestBalance asks for what is still to be paid of a paid reservation, with the payment method that it was paid with. What happened long ago is not charged for by
// itself: then it stays due, until it is paid or settled at the hotel.
func (p *Payments) requestBalance(ctx context.Context, e *event.Envelope, handler, hotelID, reservationID string) error {
	if p.old(e.Time) {
		return nil
	}
	_, err := p.giveOnce(ctx, e, handler, "balance", &hotel.RequestPayment{
		Hotel: hotelID, ReservationID: reservationID, PaymentID: derivedID(e, handler, "payment"), Provider: p.first, OnlyIfUnsettled: true,
	})
	return p.unlessRule(err, "a balance", causeOf(e))
}
