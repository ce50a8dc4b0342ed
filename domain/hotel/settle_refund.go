package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// SettleRefund records that the hotel gave back, in another way, what the provider refused to give back for good. The provider is not asked any more. Not while the
// provider may still do it, nor when the money was asked for anew since.
type SettleRefund struct {
	Hotel         string
	ReservationID string
	PaymentID     string
	RefundID      string
	Method        eventpb.RefundMethod // required
	Reference     string               // of the transfer or receipt
	Note          string
}

// HotelID implements Command.
func (c *SettleRefund) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *SettleRefund) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *SettleRefund) Fingerprint() [16]byte { return fingerprint(c) }

func (c *SettleRefund) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID, c.RefundID, c.Reference, c.Note)
	b.number(int64(c.Method))
}

func (s *State) settleRefund(c *SettleRefund) ([]proto.Message, error) {
	p, part, err := s.refundOf(c.Hotel, c.ReservationID, c.PaymentID, c.RefundID)
	if err != nil {
		return nil, err
	}
	if _, known := eventpb.RefundMethod_name[int32(c.Method)]; !known || c.Method == eventpb.RefundMethod_REFUND_METHOD_UNSPECIFIED {
		return nil, domain.Errorf(domain.InvalidArgument, "method", "say how the money was given back")
	}
	if err := checkText("reference", c.Reference, ReferenceMax); err != nil {
		return nil, err
	}
	if err := checkText("note", c.Note, NoteMax); err != nil {
		return nil, err
	}
	if part.outcome != refundFailed {
		return nil, domain.Errorf(domain.StatusConflict, "refund_id", "the provider has not refused refund %s: it was given back, or may still be", c.RefundID)
	}
	if err := s.checkLeft(p, part, c.RefundID); err != nil {
		return nil, err
	}
	return one(&eventpb.RefundSucceeded{
		HotelId: c.Hotel, ReservationId: c.ReservationID, PaymentId: c.PaymentID, RefundId: c.RefundID, Amount: s.money(part.amount),
		Method: c.Method, Reference: c.Reference, Note: c.Note,
	}), nil
}

// refundOf returns a refund and its payment.
func (s *State) refundOf(hotelID, reservationID, paymentID, refundID string) (*payment, *refund, error) {
	r, p, err := s.paymentOf(hotelID, reservationID, paymentID)
	if err != nil {
		return nil, nil, err
	}
	id, err := parseUUID(refundID, "refund_id")
	if err != nil {
		return nil, nil, err
	}
	if part, of := s.book.refund(r, id); part != nil && of == p {
		return p, part, nil
	}
	return nil, nil, domain.Errorf(domain.PaymentNotFound, "refund_id", "payment %s has no refund %s", paymentID, refundID)
}

// checkLeft returns an error when the money of a refund that had failed was asked for otherwise since.
func (s *State) checkLeft(p *payment, part *refund, refundID string) error {
	left := p.amount - s.book.asked(p)
	if part.amount <= left {
		return nil
	}
	return domain.Errorf(domain.RefundTooLarge, "refund_id", "refund %s had failed, and %s of payment %s are left, not %s", refundID,
		domain.Money{Currency: s.currency, MinorUnits: left}, uuidText(p.id), domain.Money{Currency: s.currency, MinorUnits: part.amount})
}
