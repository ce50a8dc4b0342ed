package hotel

import "time"

// The limits of a hotel. A stay's is domain.StayNightsMax. They bind Decide and may change; BooksOpenDays and RejectedMax
// also say what Evolve forgets, so a change of theirs makes old snapshots differ from a replay: then raise snapshotVersion.
const (
	RoomTypesMax        = 500    // of one hotel, archived ones included
	RatePlansMax        = 200    // of one hotel, archived ones included
	TaxesMax            = 20     // of one hotel
	FreeDaysMax         = 365    // before check-in, until which a cancellation may be free
	QuantityMax         = 100    // rooms in one reservation
	RoomsMax            = 10_000 // physical rooms of one hotel, archived ones included
	GroupMax            = 50     // reservations placed as one group
	WaitersMax          = 1_000  // entries of one hotel's waiting list
	OffersMax           = 100    // entries served or ended by one OfferRooms
	HorizonDaysMax      = PlaceDaysAheadMax
	ExtendMax           = 500        // events of one ExtendInventory
	CountMax            = 100_000    // physical, out-of-order and overbooking count of a night
	OverbookPercentMax  = 100        // of the physical count
	PlaceDaysAheadMax   = 3 * 366    // a reservation's check-out, from the hotel's today
	SetDaysAheadMax     = 5 * 366    // the end of a range of inventory, from the hotel's today
	ReservationsMax     = 10_000_000 // remembered by one hotel
	RejectedMax         = 256        // rejected ids remembered by one hotel
	BooksOpenDays       = 30         // how long past nights stay in the state
	ExpireMax           = 500        // holds ended by one ExpireHolds
	ChangesMax          = 1_000      // of one reservation, before ModifyReservation and MoveGuest are refused; what ends it never is
	PaymentsMax         = 100        // of one reservation, declined ones included
	RefundsMax          = 100        // of one reservation, before GrantRefund is refused
	ForgetMax           = 4_000      // keys of one reservation: a change of it, or of its money, has two at most
	PersonsMax          = 1_000      // adults, children and infants of one reservation, each
	MaxGuestsMax        = 1_000      // of one room of a type
	HoldDurationDefault = 15 * time.Minute
	HoldDurationMin     = time.Second
	HoldDurationMax     = 7 * 24 * time.Hour

	// Longest texts in bytes.
	NameMax        = 200
	DescriptionMax = 4_000
	AddressLineMax = 200
	EmailMax       = 254
	GuestIDMax     = 128
	ChannelMax     = 64
	FloorMax       = 32
	ReferenceMax   = 128
	NoteMax        = 1_000
	ProviderMax    = 32
	MethodMax      = 255 // a provider's token of a card or wallet
	ProviderRefMax = 255 // a provider's own id
	CauseMax       = 255
)

// Commands are given from TimeMin to before TimeEnd. All nights that they can set or take then lie within what a room type's dense calendar
// holds (spanMax), however far apart their times are and in whatever order a replay applies them: an event that Evolve cannot follow would stop
// the platform for good.
var (
	TimeMin = time.Date(1970, 1, 3, 0, 0, 0, 0, time.UTC) // positive in every time zone, as deadlines are
	TimeEnd = time.Date(2065, 1, 1, 0, 0, 0, 0, time.UTC)
)
