package domain

import (
	"errors"
	"fmt"
)

// Reason says which rule a request broke. It is an error itself, so that errors.Is(err, domain.PastDate)
// asks whether err is, or wraps, an Error with this reason. The texts are published in the API and never change.
//
//nolint:errname // it is a reason first, named as clients read it, and an error only for errors.Is
type Reason string

// The reasons.
//
//nolint:errname // as Reason
const (
	HotelNotFound       Reason = "HOTEL_NOT_FOUND"
	HotelExists         Reason = "HOTEL_EXISTS"
	HotelArchived       Reason = "HOTEL_ARCHIVED"
	RoomTypeNotFound    Reason = "ROOM_TYPE_NOT_FOUND"
	RoomTypeExists      Reason = "ROOM_TYPE_EXISTS"
	RoomTypeArchived    Reason = "ROOM_TYPE_ARCHIVED"
	ReservationNotFound Reason = "RESERVATION_NOT_FOUND"
	ReservationExists   Reason = "RESERVATION_EXISTS"
	InvalidArgument     Reason = "INVALID_ARGUMENT"
	InvalidID           Reason = "INVALID_ID"
	InvalidDates        Reason = "INVALID_DATES"
	StayTooLong         Reason = "STAY_TOO_LONG"
	PastDate            Reason = "PAST_DATE"
	BooksClosed         Reason = "BOOKS_CLOSED" // the hotel's books of those nights are closed (see domain/hotel)
	InvalidQuantity     Reason = "INVALID_QUANTITY"
	TooFarAhead         Reason = "TOO_FAR_AHEAD"
	EtagMismatch        Reason = "ETAG_MISMATCH"
	StatusConflict      Reason = "STATUS_CONFLICT"
	CurrencyMismatch    Reason = "CURRENCY_MISMATCH"
	SoldOut             Reason = "SOLD_OUT"
	Restricted          Reason = "RESTRICTED" // there is room, but a restriction forbids the stay
	LimitReached        Reason = "LIMIT_REACHED"
	NotPriced           Reason = "NOT_PRICED"
	RateChanged         Reason = "RATE_CHANGED"  // price or terms are not those of the quote any more
	QuoteExpired        Reason = "QUOTE_EXPIRED" // the quote's time is over
	RatePlanNotFound    Reason = "RATE_PLAN_NOT_FOUND"
	RatePlanExists      Reason = "RATE_PLAN_EXISTS"
	RatePlanArchived    Reason = "RATE_PLAN_ARCHIVED"
	OccupancyExceeded   Reason = "OCCUPANCY_EXCEEDED" // the rooms, or the rate plan, do not take so many guests
	PaymentNotFound     Reason = "PAYMENT_NOT_FOUND"
	PaymentExists       Reason = "PAYMENT_EXISTS"
	PaymentInProgress   Reason = "PAYMENT_IN_PROGRESS" // another payment of the reservation is open
	NothingDue          Reason = "NOTHING_DUE"         // there is nothing to pay
	BalanceDue          Reason = "BALANCE_DUE"         // something must be paid before
	RefundTooLarge      Reason = "REFUND_TOO_LARGE"    // more than is left of what was captured
	RoomNotFound        Reason = "ROOM_NOT_FOUND"
	RoomExists          Reason = "ROOM_EXISTS"
	RoomArchived        Reason = "ROOM_ARCHIVED"
	RoomUnavailable     Reason = "ROOM_UNAVAILABLE" // it is occupied or out of service
	WaiterNotFound      Reason = "WAITING_LIST_ENTRY_NOT_FOUND"
	WaiterExists        Reason = "WAITING_LIST_ENTRY_EXISTS"
	RoomsAvailable      Reason = "ROOMS_AVAILABLE"  // nobody needs to wait for them
	GuestNotSealed      Reason = "GUEST_NOT_SEALED" // events from before persons were sealed hold who it is
	GuestExpected       Reason = "GUEST_EXPECTED"   // who is expected, there, or has money to come cannot be forgotten yet
)

// Error returns the reason's text.
func (r Reason) Error() string { return string(r) }

// Error is a broken rule: what a request asked for and cannot have. Nothing has changed.
type Error struct {
	Reason Reason
	Field  string // the request's field at fault in snake_case, as in "check_in_date"; or empty
	Text   string // what is wrong, for a person
	Nights []Date // the nights at fault in order, where there are any
}

// Errorf makes an Error whose text is formatted.
func Errorf(reason Reason, field, format string, args ...any) *Error {
	return &Error{Reason: reason, Field: field, Text: fmt.Sprintf(format, args...)}
}

// Error returns "field: text (REASON)".
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text + " (" + string(e.Reason) + ")"
	}
	return e.Field + ": " + e.Text + " (" + string(e.Reason) + ")"
}

// Is reports whether target is e's Reason.
func (e *Error) Is(target error) bool {
	reason, ok := target.(Reason)
	return ok && reason == e.Reason
}

// ReasonOf returns the reason of the first Error in err's chain, or "".
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
