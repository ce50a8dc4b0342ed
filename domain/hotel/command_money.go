package hotel

import (
	"lodge/domain"
	"lodge/domain/event"
)

// RequestPayment asks for the money of a pending reservation, or for the balance of a paid one that became dearer. The answer is PaymentRequested:
// who works off the topic payments asks the provider. One payment of a reservation is open at a time; one of which nobody knows what became is.
type RequestPayment struct {
	Hotel           string
	ReservationID   string
	PaymentID       string // a new UUID, in lower case
	ClientAssigned  bool   // PaymentID is the client's and part of the fingerprint
	Provider        string // such as simulator
	PaymentMethod   string // the provider's token; empty: that of the reservation's last payment, at its provider
	OnlyIfUnsettled bool   // no error and no event when there is nothing to pay, nothing to pay with, or a payment is open already: for the platform itself
	ExpectedVersion int64  // of the reservation; 0: any
}

// RecordPayment records what the provider said of a payment. An outcome that is known already leads to no event; a capture counts however late.
type RecordPayment struct {
	Hotel             string
	ReservationID     string
	PaymentID         string
	Outcome           PaymentOutcome
	Amount            domain.Money // captured; it must be the payment's
	ProviderReference string
	Cause             string // decline code, or why nobody knows
}

// PaymentOutcome is what became of a payment.
type PaymentOutcome uint8

// The outcomes.
const (
	PaymentOpen PaymentOutcome = iota // asked for
	PaymentCaptured
	PaymentDeclined
	PaymentUnknown // the provider did not say in time
)

// CheckPayment leads to no event: its answer is an error unless the payment may still be charged. Whoever calls a provider asks it before.
type CheckPayment struct {
	Hotel         string
	ReservationID string
	PaymentID     string
}

// DeclineReservation rejects a pending reservation whose payment was declined; no event when it is not pending, the payment was not declined, or another may
// still bring the money.
type DeclineReservation struct {
	Hotel         string
	ReservationID string
	PaymentID     string
	DeclineCode   string
}

// ModifyReservation changes what is not nil of a pending or paid reservation: at once or not at all. Of a guest who is there only the day of leaving, which may be today, and
// the guests can change, and after they have left nothing. Nights, rooms and
// charges are priced anew, at today's rates of the same rate plan; the cancellation terms stay as they were frozen. When only names change, so that there
// are as many adults and children as before, the price stays. The rooms that the reservation has count as free for it; SOLD_OUT and RESTRICTED are errors here.
type ModifyReservation struct {
	Hotel           string
	ReservationID   string
	RoomType        *string
	Quantity        *int32
	CheckIn         *domain.Date
	CheckOut        *domain.Date
	Guest           *Guest
	Quote           *Quote // the new price must be this
	ExpectedVersion int64  // of the reservation; 0: any
}

// GrantRefund promises a part of what was captured back although the terms do not. It never exceeds what is left.
type GrantRefund struct {
	Hotel           string
	ReservationID   string
	Amount          domain.Money
	Note            string
	ExpectedVersion int64 // of the reservation; 0: any
}

// SettleRefunds asks for the refund of what is owed to the guest: captured, less what may be kept, less what was asked for before. No event when
// nothing is owed or RefundID is known. Giving it twice changes nothing.
type SettleRefunds struct {
	Hotel         string
	ReservationID string
	RefundID      string // a new UUID for the first event's refund; further ones count up from it
}

// RecordRefund records what the provider said of a refund. What is known already leads to no event. One that failed may succeed after all, unless its money was
// asked for by another refund since: then REFUND_TOO_LARGE, since no more goes back than was captured.
type RecordRefund struct {
	Hotel             string
	ReservationID     string
	PaymentID         string
	RefundID          string
	Succeeded         bool
	ProviderReference string
	Cause             string
}

// CompleteRefund makes a canceled or rejected reservation REFUNDED when everything owed has been given back; otherwise no event.
type CompleteRefund struct {
	Hotel         string
	ReservationID string
}

// HotelID implements Command.
func (c *RequestPayment) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *RequestPayment) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *RequestPayment) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *RecordPayment) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *RecordPayment) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *RecordPayment) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *CheckPayment) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CheckPayment) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *CheckPayment) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *DeclineReservation) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *DeclineReservation) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *DeclineReservation) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *ModifyReservation) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *ModifyReservation) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *ModifyReservation) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *GrantRefund) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *GrantRefund) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *GrantRefund) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *SettleRefunds) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *SettleRefunds) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *SettleRefunds) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *RecordRefund) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *RecordRefund) Topic() string { return event.PaymentsTopic }

// Fingerprint implements Command.
func (c *RecordRefund) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *CompleteRefund) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CompleteRefund) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *CompleteRefund) Fingerprint() [16]byte { return fingerprint(c) }

func (c *RequestPayment) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	if b.flag(c.ClientAssigned); c.ClientAssigned {
		b.text(c.PaymentID)
	}
	b.text(c.Provider, c.PaymentMethod)
	b.flag(c.OnlyIfUnsettled)
	b.expected(c.ExpectedVersion)
}

func (c *RecordPayment) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID)
	b.number(int64(c.Outcome))
	b.money(&c.Amount)
	b.text(c.ProviderReference, c.Cause)
}

func (c *CheckPayment) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID)
}

func (c *DeclineReservation) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID, c.DeclineCode)
}

func (c *ModifyReservation) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	b.optionalText(c.RoomType)
	b.optionalNumber(c.Quantity)
	b.optionalDate(c.CheckIn)
	b.optionalDate(c.CheckOut)
	if b.flag(c.Guest != nil); c.Guest != nil {
		b.guest(c.Guest)
	}
	if q := c.Quote; q != nil {
		b.quote(q)
	}
	b.expected(c.ExpectedVersion)
}

func (c *GrantRefund) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.Note)
	b.money(&c.Amount)
	b.expected(c.ExpectedVersion)
}

func (c *SettleRefunds) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
}

func (c *RecordRefund) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.PaymentID, c.RefundID)
	b.flag(c.Succeeded)
	b.text(c.ProviderReference, c.Cause)
}

func (c *CompleteRefund) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
}
