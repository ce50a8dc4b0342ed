package payments

import (
	"slices"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
)

// Payment is a payment as it is now.
type Payment struct {
	HotelID, ReservationID, PaymentID string
	Amount                            domain.Money // asked for
	Provider                          string
	PaymentMethod                     string // the provider's token
	Outcome                           hotel.PaymentOutcome
	Captured                          int64  // minor units of Amount's currency; 0 unless Outcome is PaymentCaptured
	ProviderReference                 string // the provider's own id
	DeclineCode                       string // why it was declined
	Cause                             string // why nobody knows
	Refunds                           []Refund
	CreateTime, UpdateTime            time.Time  // of the first and the last event, refunds' included
	Created, Updated                  log.Offset // of those, in topic payments
}

// Refund is a part of a payment that is given back.
type Refund struct {
	RefundID               string
	Amount                 domain.Money
	State                  RefundState
	ProviderReference      string               // the provider's own id, once it has succeeded
	Cause                  string               // why it has failed
	Method                 eventpb.RefundMethod // how the hotel gave it back after that; 0: it did not
	Reference, Note        string               // to Method
	Words                  projections.Words    // the two, sealed; they are empty then
	CreateTime, UpdateTime time.Time
}

// RefundState is how far a refund is.
type RefundState int

// The states.
const (
	RefundRequested RefundState = 1 + iota
	RefundSucceeded
	RefundFailed
)

// refund returns the payment's refund with an id, made when there is none.
func (p *Payment) refund(id string) *Refund {
	i := slices.IndexFunc(p.Refunds, func(r Refund) bool { return r.RefundID == id })
	if i < 0 {
		i = len(p.Refunds)
		p.Refunds = append(p.Refunds, Refund{RefundID: id})
	}
	return &p.Refunds[i]
}

// Sums are what the payments of a reservation come to, in minor units of one currency.
type Sums struct {
	Currency        string // empty: there are no payments
	Captured        int64  // taken from the guest
	RefundRequested int64  // asked to be given back; what has failed does not count
	Refunded        int64  // of that, given back
}

// Held returns what the house has of the guest's money.
func (s *Sums) Held() int64 { return s.Captured - s.Refunded }

// SumsOf adds up payments, which must be of one currency, as those of a hotel are.
func SumsOf(payments []Payment) (s Sums) {
	for i := range payments {
		p := &payments[i]
		s.Currency = p.Amount.Currency
		s.Captured += p.Captured
		for j := range p.Refunds {
			switch r := &p.Refunds[j]; r.State {
			case RefundSucceeded:
				s.Refunded += r.Amount.MinorUnits
				s.RefundRequested += r.Amount.MinorUnits
			case RefundRequested:
				s.RefundRequested += r.Amount.MinorUnits
			}
		}
	}
	return s
}
