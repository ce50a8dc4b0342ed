package hotel

import (
	"lodge/domain"
	"lodge/domain/event"
)

// CreateRoom makes a physical room.
type CreateRoom struct {
	Hotel       string
	Room        string
	RoomType    string
	DisplayName string // required: what is on the door
	Floor       string
}

// UpdateRoom changes what is not nil. It is recorded even when everything is as it was.
type UpdateRoom struct {
	Hotel           string
	Room            string
	ExpectedVersion int64 // 0: any
	RoomType        *string
	DisplayName     *string
	Floor           *string
	OutOfService    *bool
}

// ArchiveRoom takes a room away. Not while a guest is in it.
type ArchiveRoom struct {
	Hotel           string
	Room            string
	ExpectedVersion int64 // 0: any
}

// CheckIn records that the guest of a paid reservation is there, from the day of arrival to the last night, and which rooms they got: one for each that was
// reserved, none out of service or occupied, each of any room type. A balance must be settled before, or SettledAtHotel.
type CheckIn struct {
	Hotel           string
	ReservationID   string
	Rooms           []string // ids; empty: free rooms of the reserved type are chosen, the lowest ids first
	SettledAtHotel  bool
	ExpectedVersion int64 // of the reservation; 0: any
}

// CheckOut records that the guest has left; the nights from today on are released. What was paid for them is kept unless GrantRefund gives it back. A balance must be
// settled before, or SettledAtHotel, or LeftUnpaid: then it stays due.
type CheckOut struct {
	Hotel           string
	ReservationID   string
	SettledAtHotel  bool
	LeftUnpaid      bool
	ExpectedVersion int64 // of the reservation; 0: any
}

// MoveGuest gives a guest who is there another room, which is free and in service, of whatever room type.
type MoveGuest struct {
	Hotel           string
	ReservationID   string
	From            string // one of theirs; empty: the only one
	To              string // empty: a free one of the reserved type, the lowest id
	Note            string
	ExpectedVersion int64 // of the reservation; 0: any
}

// Walk sends the guest of a paid reservation elsewhere, from the day of arrival on: its rooms are released and everything captured is owed back.
type Walk struct {
	Hotel           string
	ReservationID   string
	RelocatedTo     string // for people
	Note            string
	ExpectedVersion int64 // of the reservation; 0: any
}

// PlaceGroup asks for several reservations of one hotel, all or none. The answer is a ReservationPlaced for each, or a ReservationRejected for each:
// SOLD_OUT or RESTRICTED for those that could not be had, GROUP_INCOMPLETE for the others. All have GroupID.
type PlaceGroup struct {
	Hotel          string
	GroupID        string // a new UUID, in lower case
	ClientAssigned bool   // GroupID and the reservation ids are the client's and part of the fingerprint
	Reservations   []PlaceReservation
}

// JoinWaitingList waits for rooms that are full. It is refused when they can be had now.
type JoinWaitingList struct {
	Hotel          string
	EntryID        string // a new UUID, in lower case
	ClientAssigned bool   // EntryID is the client's and part of the fingerprint
	RoomType       string
	Quantity       int32
	Stay           domain.Stay
	Guest          Guest
	RatePlan       string
}

// LeaveWaitingList ends the waiting. An offer that is open is not touched: it is a reservation of its own by then.
type LeaveWaitingList struct {
	Hotel   string
	EntryID string
	ByHotel bool
}

// OfferRooms offers what is free to those who wait, in the order in which they came, each offer a hold, and ends the entries that are over. No events when there is
// nothing to offer; who gave it says so to OffersMade. Owners give it while OffersDue says so. At most OffersMax entries at a time.
type OfferRooms struct {
	Hotel string
}

// ExtendInventory opens the nights up to the hotel's horizon that were never set, by the defaults of room types and rate plans, in the hotel's
// calendar. No events when there are none, or the hotel is archived, so that giving it twice changes nothing. At most ExtendMax events at a time: it is given until there are none.
type ExtendInventory struct {
	Hotel string
}

// HotelID implements Command.
func (c *CreateRoom) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CreateRoom) Topic() string { return event.HotelsTopic }

// Fingerprint implements Command.
func (c *CreateRoom) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *UpdateRoom) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *UpdateRoom) Topic() string { return event.HotelsTopic }

// Fingerprint implements Command.
func (c *UpdateRoom) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *ArchiveRoom) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *ArchiveRoom) Topic() string { return event.HotelsTopic }

// Fingerprint implements Command.
func (c *ArchiveRoom) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *CheckIn) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CheckIn) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *CheckIn) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *CheckOut) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CheckOut) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *CheckOut) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *MoveGuest) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *MoveGuest) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *MoveGuest) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *Walk) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *Walk) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *Walk) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *PlaceGroup) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *PlaceGroup) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *PlaceGroup) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *JoinWaitingList) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *JoinWaitingList) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *JoinWaitingList) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *LeaveWaitingList) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *LeaveWaitingList) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *LeaveWaitingList) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *OfferRooms) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *OfferRooms) Topic() string { return event.BookingsTopic }

// Fingerprint implements Command.
func (c *OfferRooms) Fingerprint() [16]byte { return fingerprint(c) }

// HotelID implements Command.
func (c *ExtendInventory) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *ExtendInventory) Topic() string { return event.InventoryTopic }

// Fingerprint implements Command.
func (c *ExtendInventory) Fingerprint() [16]byte { return fingerprint(c) }

func (c *CreateRoom) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.Room, c.RoomType, c.DisplayName, c.Floor)
}

func (c *UpdateRoom) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.Room)
	b.number(c.ExpectedVersion)
	b.optionalText(c.RoomType)
	b.optionalText(c.DisplayName)
	b.optionalText(c.Floor)
	b.optionalFlag(c.OutOfService)
}

func (c *ArchiveRoom) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.Room)
	b.number(c.ExpectedVersion)
}

func (c *CheckIn) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	b.number(int64(len(c.Rooms)))
	b.text(c.Rooms...)
	b.flag(c.SettledAtHotel)
	b.expected(c.ExpectedVersion)
}

func (c *CheckOut) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	if c.SettledAtHotel || c.LeftUnpaid {
		b.flag(c.SettledAtHotel)
		b.flag(c.LeftUnpaid)
	}
	b.expected(c.ExpectedVersion)
}

func (c *MoveGuest) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.From, c.To, c.Note)
	b.expected(c.ExpectedVersion)
}

func (c *Walk) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID, c.RelocatedTo, c.Note)
	b.expected(c.ExpectedVersion)
}

func (c *PlaceGroup) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	if b.flag(c.ClientAssigned); c.ClientAssigned {
		b.text(c.GroupID)
	}
	b.number(int64(len(c.Reservations)))
	for i := range c.Reservations {
		c.Reservations[i].appendTo(b)
	}
}

func (c *JoinWaitingList) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	if b.flag(c.ClientAssigned); c.ClientAssigned {
		b.text(c.EntryID)
	}
	b.text(c.RoomType, c.RatePlan)
	b.number(int64(c.Quantity), int64(c.Stay.CheckIn), int64(c.Stay.CheckOut))
	b.guest(&c.Guest)
}

func (c *LeaveWaitingList) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.EntryID)
	b.flag(c.ByHotel)
}

func (c *OfferRooms) appendTo(b *canonical) { b.text(c.Name(), c.Hotel) }

func (c *ExtendInventory) appendTo(b *canonical) { b.text(c.Name(), c.Hotel) }
