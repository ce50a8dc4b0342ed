package event_test

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

const (
	goldenReservation = "01980000-0000-7000-8000-000000000003"
	goldenEntry       = "01980000-0000-7000-8000-000000000005"
	goldenGroup       = "01980000-0000-7000-8000-000000000006"
)

func goldenStay() *eventpb.Stay {
	return &eventpb.Stay{RoomTypeId: "double", Quantity: 2, CheckInDate: "2026-07-01", CheckOutDate: "2026-07-03"}
}

func goldenGuest() *eventpb.Guest {
	return &eventpb.Guest{
		GuestId: "guest-1", DisplayName: "Maria da Conceição", Email: "maria@example.com", Adults: 2, Children: 1, Infants: 1,
	}
}

func sealedGuest() *eventpb.Guest {
	return &eventpb.Guest{GuestId: "guest-1", Adults: 2, Children: 1, Infants: 1, Key: 812, Sealed: []byte("\x01\x8f\x00 sealed")}
}

func sealedWords() *eventpb.SealedWords {
	return &eventpb.SealedWords{Key: 813, Sealed: []byte("\x01\x8f\x00 sealed")}
}

func euros(minorUnits int64) *eventpb.Money {
	return &eventpb.Money{CurrencyCode: "EUR", MinorUnits: minorUnits}
}

// stayOriginals are the events of rooms, of the stay and of the waiting list.
func stayOriginals() []proto.Message {
	room := &eventpb.Room{
		HotelId: "grand", RoomId: "204", RoomTypeId: "double", DisplayName: "204", Floor: "2", OutOfService: true, Version: 3,
	}
	removed := proto.CloneOf(room)
	removed.Archived = true
	return []proto.Message{
		&eventpb.RoomCreated{Room: room}, &eventpb.RoomUpdated{Room: room}, &eventpb.RoomArchived{Room: removed},
		&eventpb.GuestCheckedIn{
			HotelId: "grand", ReservationId: goldenReservation, RoomIds: []string{"204", "205"}, Date: "2026-07-01", SettledAtHotel: euros(1_200),
		},
		&eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), Date: "2026-07-02"},
		&eventpb.GuestMoved{
			HotelId: "grand", ReservationId: goldenReservation, FromRoomId: "204", ToRoomId: "301", Date: "2026-07-02", Note: "The shower leaks.",
		},
		&eventpb.GuestWalked{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), RelocatedTo: "Hotel Mondego, Rua do Carmo 3", Note: "Overbooked.",
			Settlement: &eventpb.Settlement{
				CurrencyCode: "EUR", FeeMinorUnits: 1, RefundMinorUnits: 53_100, RefundedMinorUnits: 1_000, Waived: true,
			},
		},
		&eventpb.WaitingListJoined{
			HotelId: "grand", EntryId: goldenEntry, Stay: goldenStay(), Guest: goldenGuest(), RatePlanId: "flexible", JoinDate: "2026-06-20",
		},
		&eventpb.GuestForgotten{HotelId: "grand", ReservationId: goldenReservation, Keys: []uint64{812, 1_048_577}},
		&eventpb.WaiterForgotten{HotelId: "grand", EntryId: goldenEntry, Keys: []uint64{813}},
		&eventpb.WaitingListOffered{HotelId: "grand", EntryId: goldenEntry, ReservationId: goldenReservation},
		&eventpb.WaitingListLeft{HotelId: "grand", EntryId: goldenEntry, Reason: eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED},
	}
}

// stayVariants are older events with what groups, the waiting list and the horizon added.
func stayVariants() []variant {
	placed := func(change func(*eventpb.ReservationPlaced)) proto.Message {
		e := &eventpb.ReservationPlaced{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), CurrencyCode: "EUR",
			NightlyMinorUnits: []int64{30_100, 24_000}, TotalMinorUnits: 54_100, PlaceDate: "2026-06-20",
		}
		change(e)
		return e
	}
	return []variant{
		{"settled", &eventpb.GuestCheckedOut{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), Date: "2026-07-02", SettledAtHotel: euros(12_000),
		}},
		{"horizon", &eventpb.HotelUpdated{Hotel: &eventpb.Hotel{HotelId: "grand", HorizonDays: 365}}},
		{"defaults", &eventpb.RoomTypeUpdated{RoomType: &eventpb.RoomType{
			HotelId: "grand", RoomTypeId: "double", DefaultPhysicalCount: proto.Int32(0), DefaultOverbookingLimit: 2,
		}}},
		{"percent_default", &eventpb.RoomTypeUpdated{RoomType: &eventpb.RoomType{
			HotelId: "grand", RoomTypeId: "double", DefaultPhysicalCount: proto.Int32(40), DefaultOverbookingPercent: 5,
		}}},
		{"default_rates", &eventpb.RatePlanUpdated{RatePlan: &eventpb.RatePlan{
			HotelId: "grand", RatePlanId: "flexible", DefaultRates: []*eventpb.DefaultRate{{RoomTypeId: "double", NightlyRate: euros(18_000)}},
		}}},
		{"group", placed(func(e *eventpb.ReservationPlaced) { e.GroupId = goldenGroup })},
		{"offer", placed(func(e *eventpb.ReservationPlaced) { e.Channel, e.WaitingListEntryId = "waiting_list", goldenEntry })},
		{"sealed", placed(func(e *eventpb.ReservationPlaced) { e.Guest = sealedGuest() })},
		{"sealed", &eventpb.ReservationModified{HotelId: "grand", ReservationId: goldenReservation, PreviousStay: goldenStay(), Stay: goldenStay(), Guest: sealedGuest()}},
		{"sealed", &eventpb.WaitingListJoined{HotelId: "grand", EntryId: goldenEntry, Stay: goldenStay(), Guest: sealedGuest()}},
		{"sealed", &eventpb.GuestMoved{
			HotelId: "grand", ReservationId: goldenReservation, FromRoomId: "204", ToRoomId: "301", Date: "2026-07-02", Words: sealedWords(),
		}},
		{"sealed", &eventpb.GuestWalked{HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), Words: sealedWords()}},
		{"group", &eventpb.ReservationRejected{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), InventoryOffset: 42, GroupId: goldenGroup,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE,
		}},
	}
}
