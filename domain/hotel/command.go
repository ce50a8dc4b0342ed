package hotel

import (
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// Command is a wish of one hotel's state. The commands of this package are all there are; they are used by pointer,
// and are not changed by anybody once given to Decide.
type Command interface {
	Name() string          // such as cancel_reservation; kept in the events and in fingerprints, so it never changes
	HotelID() string       // the hotel that decides
	Topic() string         // where all events of the command go
	Fingerprint() [16]byte // of everything that is asked for; see fingerprint.go

	appendTo(c *canonical)
}

// Address is where a hotel is. Zero latitude and longitude: not known.
type Address struct {
	Street      string
	City        string
	PostalCode  string
	CountryCode string // ISO 3166-1 alpha-2, or empty
	Latitude    float64
	Longitude   float64
}

// CreateHotel makes a hotel.
type CreateHotel struct {
	Hotel        string
	DisplayName  string // required
	Description  string
	Address      Address
	TimeZone     string        // IANA name, required
	CurrencyCode string        // required; never changes
	HoldDuration time.Duration // whole seconds; 0: HoldDurationDefault
	Taxes        []Tax         // at most TaxesMax
	HorizonDays  int32         // nights from today that are kept open by defaults; 0: none
}

// UpdateHotel changes what is not nil. It is recorded even when everything is as it was.
type UpdateHotel struct {
	Hotel           string
	ExpectedVersion int64 // 0: any
	DisplayName     *string
	Description     *string
	Address         *Address
	TimeZone        *string
	HoldDuration    *time.Duration
	Taxes           *[]Tax
	HorizonDays     *int32
}

// ArchiveHotel ends a hotel's selling. Its reservations can still be confirmed, canceled and missed.
type ArchiveHotel struct {
	Hotel           string
	ExpectedVersion int64 // 0: any
}

// CreateRoomType makes a room type.
type CreateRoomType struct {
	Hotel       string
	RoomType    string
	DisplayName string // required
	Description string
	MaxGuests   int32         // in one room, without infants; 0: any number
	BaseRate    *domain.Money // price of a night without a rate of its own; nil: none
	Defaults    *RoomTypeDefaults
}

// RoomTypeDefaults are what the nights that the hotel's horizon reaches are opened with.
type RoomTypeDefaults struct {
	PhysicalCount      *int32 // nil: they are not opened
	OverbookingLimit   int32
	OverbookingPercent int32 // at most one of the two is not 0
}

// UpdateRoomType changes what is not nil. It is recorded even when everything is as it was.
type UpdateRoomType struct {
	Hotel           string
	RoomType        string
	ExpectedVersion int64 // 0: any
	DisplayName     *string
	Description     *string
	MaxGuests       *int32
	BaseRate        *domain.Money
	Defaults        *RoomTypeDefaults
}

// ArchiveRoomType ends a room type's selling. Its reservations stand.
type ArchiveRoomType struct {
	Hotel           string
	RoomType        string
	ExpectedVersion int64 // 0: any
}

// SetInventory sets counts and rate of the nights [Start, End); what is nil stays as it was on each night.
// A night that was never set has no rooms.
type SetInventory struct {
	Hotel            string
	RoomType         string
	Start            domain.Date
	End              domain.Date // exclusive
	PhysicalCount    *int32
	OutOfOrderCount  *int32
	OverbookingLimit *int32
	NightlyRate      *domain.Money
	// OverbookingPercent replaces OverbookingLimit by per cent of the physical count, whatever that is or becomes, rounded down.
	OverbookingPercent *int32
}

// Guest is who books and who stays.
type Guest struct {
	ID          string // the booker's account, or empty
	DisplayName string
	Email       string
	Adults      int32
	Children    int32
	Infants     int32
}

// PlaceReservation asks for rooms. The answer is ReservationPlaced or ReservationRejected.
type PlaceReservation struct {
	Hotel         string
	ReservationID string // a new UUID, in lower case
	// ClientAssignedID says that the client chose ReservationID, so that another id is another request. Otherwise
	// the id is the server's and no part of the fingerprint: a retry may come with a new one and gets the first answer.
	ClientAssignedID bool

	RoomType string
	Quantity int32
	Stay     domain.Stay
	Guest    Guest
	// NightlyRate is the price of one room for one night, instead of the hotel's own or the rate plan's and with all taxes; nil: the hotel's. An empty
	// currency means the hotel's.
	NightlyRate       *domain.Money
	NoHoldExpiry      bool // hold the rooms until somebody decides
	Channel           string
	ExternalReference string

	RatePlan string // under whose terms and at whose rates; empty: at the room type's own
	Quote    *Quote // the price must be this; nil: whatever it is. Not beside NightlyRate
}

// ConfirmReservation makes a pending reservation paid, or pays the balance of a paid one. A hold whose time is over cannot be confirmed.
//
// With a PaymentID it says that this payment was captured: a pending reservation becomes paid while its rooms are held, even when the hold's time is over; of a paid one the
// balance is paid. No event when the payment has counted before.
type ConfirmReservation struct {
	Hotel           string
	ReservationID   string
	PaymentID       string // empty: everything was settled outside the platform
	Amount          domain.Money
	ExpectedVersion int64 // of the reservation; 0: any
}

// CancelReservation releases the rooms of a pending or paid reservation.
type CancelReservation struct {
	Hotel           string
	ReservationID   string
	Reason          eventpb.ReservationReason // GUEST_REQUEST (also when unspecified), HOTEL_REQUEST or PAYMENT_DECLINED
	Note            string
	Waive           bool  // no fee, whatever the terms say; HOTEL_REQUEST never has one
	ExpectedVersion int64 // of the reservation; 0: any
}

// MarkNoShow releases the rooms of a guest who never came. Not before the day of arrival.
type MarkNoShow struct {
	Hotel           string
	ReservationID   string
	Waive           bool  // no fee
	ExpectedVersion int64 // of the reservation; 0: any
}

// ExpireHolds cancels, with reason HOLD_EXPIRED, the pending reservations whose hold is over at Now: at most ExpireMax of
// them, the oldest deadlines first. One whose payment was captured by then becomes PAID instead. No events when there are none. Owners run it while NextHoldExpiry is not after now.
type ExpireHolds struct {
	Hotel string
	Now   time.Time // zero: At.Now
}

// HotelID implements Command.
func (c *CreateHotel) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *UpdateHotel) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *ArchiveHotel) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *CreateRoomType) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *UpdateRoomType) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *ArchiveRoomType) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *SetInventory) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *PlaceReservation) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *ConfirmReservation) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *CancelReservation) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *MarkNoShow) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *ExpireHolds) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CreateHotel) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *UpdateHotel) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *ArchiveHotel) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *CreateRoomType) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *UpdateRoomType) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *ArchiveRoomType) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *SetInventory) Topic() string { return event.InventoryTopic }

// Topic implements Command.
func (c *PlaceReservation) Topic() string { return event.BookingsTopic }

// Topic implements Command.
func (c *ConfirmReservation) Topic() string { return event.BookingsTopic }

// Topic implements Command.
func (c *CancelReservation) Topic() string { return event.BookingsTopic }

// Topic implements Command.
func (c *MarkNoShow) Topic() string { return event.BookingsTopic }

// Topic implements Command.
func (c *ExpireHolds) Topic() string { return event.BookingsTopic }
