package hotel

import (
	"lodge/domain"
	"lodge/domain/event"
)

// CheckRefund leads to no event: its answer is an error unless the refund was requested and has no outcome yet. Whoever has a provider give money back asks it before.
type CheckRefund struct {
	Hotel         string
	ReservationID string
	PaymentID     string
	RefundID      string
}

// HotelID implements Command.
func (c *CheckRefund) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CheckRefund) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *CheckRefund) Fingerprint() [16]byte { return fingerprint(c) }

func (c *CheckRefund) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID, c.RefundID)
}

func (s *State) checkRefund(c *CheckRefund) error {
	_, part, err := s.refundOf(c.Hotel, c.ReservationID, c.PaymentID, c.RefundID)
	if err == nil && part.outcome != refundOpen {
		err = domain.Errorf(domain.StatusConflict, "refund_id", "the outcome of refund %s is known", c.RefundID)
	}
	return err
}
