package main

import (
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// The statuses and reasons of the chapters.
const (
	pending  = lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING
	paid     = lodgev1.ReservationStatus_RESERVATION_STATUS_PAID
	canceled = lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED
	rejected = lodgev1.ReservationStatus_RESERVATION_STATUS_REJECTED
	refunded = lodgev1.ReservationStatus_RESERVATION_STATUS_REFUNDED

	byGuest = lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST

	captured   = lodgev1.PaymentStatus_PAYMENT_STATUS_CAPTURED
	checkedIn  = lodgev1.StayStatus_STAY_STATUS_CHECKED_IN
	checkedOut = lodgev1.StayStatus_STAY_STATUS_CHECKED_OUT
)

// reasonIn returns the reason of an error, or "".
func reasonIn(err error) string {
	var e *connect.Error
	if !errors.As(err, &e) {
		return ""
	}
	for _, d := range e.Details() {
		if m, err := d.Value(); err == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				return info.GetReason()
			}
		}
	}
	return ""
}

func (l *life) hotelOpens() {
	ask(l, l.hotels.CreateHotel, &lodgev1.CreateHotelRequest{HotelId: "ritz", Hotel: &lodgev1.Hotel{
		DisplayName: "The Ritz", TimeZone: "Atlantic/Reykjavik", CurrencyCode: "EUR", Address: &lodgev1.Address{City: "Reykjavik", CountryCode: "IS"},
		Taxes: []*lodgev1.Tax{{TaxId: "city", DisplayName: "City tax", Amount: &lodgev1.Tax_GuestNight{GuestNight: euro(2)}}},
	}})
	refuse(l, "HOTEL_EXISTS", l.hotels.CreateHotel, &lodgev1.CreateHotelRequest{HotelId: "ritz", Hotel: &lodgev1.Hotel{
		DisplayName: "Another", TimeZone: "UTC", CurrencyCode: "EUR",
	}})
	for _, id := range []string{"double", "suite"} {
		ask(l, l.hotels.CreateRoomType, &lodgev1.CreateRoomTypeRequest{Parent: "hotels/ritz", RoomTypeId: id, RoomType: &lodgev1.RoomType{
			DisplayName: id, MaxGuests: 2, BaseRate: euro(100),
		}})
	}
	l.roomsAreNumbered()
	_, plans := ask(l, l.rates.CreateRatePlan, &lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: "flexible", RatePlan: &lodgev1.RatePlan{
		DisplayName: "Flexible", Cancellation: &lodgev1.CancellationTerms{
			FreeDays: 1, FreeUntilHour: 18, Fee: &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Nights{Nights: 1}},
			NoShowFee: &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_PercentThousandths{PercentThousandths: 100_000}},
		},
	}})
	var opened string
	for id, rate := range map[string]struct {
		price int64
		rooms int32
	}{"double": {120, 2}, "suite": {200, 1}} {
		roomType := "hotels/ritz/roomTypes/" + id
		ask(l, l.rates.SetRates, &lodgev1.SetRatesRequest{
			RatePlan: "hotels/ritz/ratePlans/flexible", RoomType: roomType, StartDate: l.day(0), EndDate: l.day(60), NightlyRate: euro(rate.price),
		})
		_, opened = ask(l, l.inventory.SetInventory, &lodgev1.SetInventoryRequest{
			RoomType: roomType, StartDate: l.day(0), EndDate: l.day(60), PhysicalCount: &rate.rooms,
		})
	}
	ask(l, l.rates.GetRatePlan, &lodgev1.GetRatePlanRequest{Name: "hotels/ritz/ratePlans/flexible", MinPosition: plans})
	ask(l, l.inventory.ListInventory, &lodgev1.ListInventoryRequest{
		Parent: "hotels/ritz/roomTypes/double", StartDate: l.day(0), EndDate: l.day(2), MinPosition: opened,
	})
}

func (l *life) roomsAreNumbered() {
	var last *lodgev1.Room
	for id, roomType := range map[string]string{"101": "double", "102": "double", "103": "double", "201": "suite"} {
		last, _ = ask(l, l.rooms.CreateRoom, &lodgev1.CreateRoomRequest{Parent: "hotels/ritz", RoomId: id, Room: &lodgev1.Room{
			DisplayName: id, RoomType: "hotels/ritz/roomTypes/" + roomType,
		}})
	}
	floor := &lodgev1.UpdateRoomRequest{
		Room: &lodgev1.Room{Name: last.GetName(), Floor: "2", Etag: last.GetEtag()}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"floor"}},
	}
	if r, _ := ask(l, l.rooms.UpdateRoom, floor); r.GetFloor() != "2" || r.GetRoomType() != last.GetRoomType() || r.GetEtag() == last.GetEtag() {
		l.Fatalf("updated %v, was %v", r, last)
	}
	refuse(l, "ETAG_MISMATCH", l.rooms.UpdateRoom, floor)
	gone, position := ask(l, l.rooms.ArchiveRoom, &lodgev1.ArchiveRoomRequest{Name: "hotels/ritz/rooms/103"})
	list, _ := ask(l, l.rooms.ListRooms, &lodgev1.ListRoomsRequest{Parent: "hotels/ritz", MinPosition: position})
	if !gone.GetArchived() || len(list.GetRooms()) != 3 {
		l.Fatalf("archived %v; the rooms are %v", gone, list)
	}
}

// move changes the dates of a reservation.
func (l *life) move(name string, from, to int) *lodgev1.Reservation {
	l.Helper()
	r, _ := ask(l, l.reservations.UpdateReservation, &lodgev1.UpdateReservationRequest{
		Reservation: &lodgev1.Reservation{Name: name, CheckInDate: l.day(from), CheckOutDate: l.day(to)},
		UpdateMask:  &fieldmaskpb.FieldMask{Paths: []string{"check_in_date", "check_out_date"}},
	})
	return r
}

func (l *life) adaBooksAndChanges() {
	quote, _ := ask(l, l.rates.QuoteStay, &lodgev1.QuoteStayRequest{
		RoomType: "hotels/ritz/roomTypes/double", RatePlan: "hotels/ritz/ratePlans/flexible", Adults: 2, CheckInDate: l.day(10), CheckOutDate: l.day(13),
	})
	l.costs("three nights of 120, and 2 for each guest and night", quote.GetTotal(), 372)
	placed, _ := ask(l, l.reservations.CreateReservation, &lodgev1.CreateReservationRequest{
		Parent: "hotels/ritz", Reservation: l.stay("ada", "double", 10, 13), Quote: quote.GetToken(),
	})
	l.state(placed, pending, 0)
	l.ada = placed.GetName()
	l.pay(l.ada, "tok_approve", captured, 372)
	r := l.settled(l.ada)
	l.state(r, paid, 0)
	l.amounts(r, 372, 0)
	refuse(l, "NOTHING_DUE", l.payments.PayReservation, &lodgev1.PayReservationRequest{Name: l.ada, PaymentMethod: "tok_approve"})
	l.costs("a night more", l.move(l.ada, 10, 14).GetTotal(), 496)
	r = l.settled(l.ada)
	l.amounts(r, 496, 0)
	l.costs("balance", r.GetAmounts().GetBalance(), 0)
	l.costs("two nights less", l.move(l.ada, 10, 12).GetTotal(), 248)
	r = l.settled(l.ada)
	l.state(r, paid, 0)
	l.amounts(r, 496, 248)
}

func (l *life) bobHasNoMoney() {
	bob, _ := l.reserve("bob", "double", 10, 12, 248)
	if p := l.pay(bob, "tok_decline_insufficient_funds", lodgev1.PaymentStatus_PAYMENT_STATUS_DECLINED, 248); p.GetDeclineCode() != "insufficient_funds" {
		l.Fatalf("declined %v", p)
	}
	l.state(l.settled(bob), rejected, lodgev1.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED)
}

// wish is what Eve waits for.
func (l *life) wish(from, to int) *lodgev1.JoinWaitingListRequest {
	s := l.stay("eve", "double", from, to)
	return &lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", Entry: &lodgev1.WaitingListEntry{
		RoomType: s.GetRoomType(), Quantity: 1, RatePlan: s.GetRatePlan(), Guest: s.GetGuest(), CheckInDate: s.GetCheckInDate(), CheckOutDate: s.GetCheckOutDate(),
	}}
}

func (l *life) eveWaitsForCy() {
	l.cy, _ = l.book("cy", "double", 10, 12, 248)
	refuse(l, "SOLD_OUT", l.reservations.CreateReservation, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: l.stay("eve", "double", 10, 12)})
	refuse(l, "ROOMS_AVAILABLE", l.waiting.JoinWaitingList, l.wish(20, 22))
	entry, _ := ask(l, l.waiting.JoinWaitingList, l.wish(10, 12))
	if l.entry = entry.GetName(); entry.GetStatus() != lodgev1.WaitingListStatus_WAITING_LIST_STATUS_WAITING {
		l.Fatalf("joined %v", entry)
	}
	l.quoted(l.cy, time.Time{}, 0, 248)
	r, _ := ask(l, l.reservations.CancelReservation, &lodgev1.CancelReservationRequest{Name: l.cy})
	l.ended(r, byGuest)
	r = l.settled(l.cy)
	l.state(r, refunded, byGuest)
	l.amounts(r, 248, 248)
	l.costs("fee", r.GetAmounts().GetFee(), 0)
}

// quoted asks what a cancellation would keep and give back at a time; zero: now.
func (l *life) quoted(name string, at time.Time, kept, refund int64) {
	l.Helper()
	req := &lodgev1.QuoteCancellationRequest{Name: name}
	if !at.IsZero() {
		req.CancelTime = timestamppb.New(at)
	}
	quote, _ := ask(l, l.payments.QuoteCancellation, req)
	l.costs("kept", quote.GetKept(), kept)
	l.costs("refund", quote.GetRefund(), refund)
}

func (l *life) eveIsOffered() {
	var booked string
	l.dan, booked = l.book("dan", "suite", 10, 11, 204)
	l.flo, _ = l.book("flo", "suite", 12, 14, 408)
	entry, _ := ask(l, l.waiting.GetWaitingListEntry, &lodgev1.GetWaitingListEntryRequest{Name: l.entry, MinPosition: booked})
	if l.eve = entry.GetReservation(); entry.GetStatus() != lodgev1.WaitingListStatus_WAITING_LIST_STATUS_OFFERED {
		l.Fatalf("it should be offered: %v", entry)
	}
	r, _ := ask(l, l.reservations.GetReservation, &lodgev1.GetReservationRequest{Name: l.eve, MinPosition: booked})
	l.state(r, pending, 0)
	l.costs("the offer", r.GetTotal(), 248)
	if r.GetWaitingListEntry() != l.entry {
		l.Fatalf("offered to nobody: %v", r)
	}
	l.pay(l.eve, "tok_approve", captured, 248)
	l.state(l.settled(l.eve), paid, 0)
	entry, _ = ask(l, l.waiting.GetWaitingListEntry, &lodgev1.GetWaitingListEntryRequest{Name: l.entry})
	if entry.GetStatus() != lodgev1.WaitingListStatus_WAITING_LIST_STATUS_ENDED || entry.GetEndReason() != lodgev1.WaitingListEndReason_WAITING_LIST_END_REASON_ACCEPTED {
		l.Fatalf("it should be accepted: %v", entry)
	}
}

func (l *life) groupHasAllOrNone() {
	two := func(roomType string) *lodgev1.BatchCreateReservationsRequest {
		req := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz"}
		for range 2 {
			r := l.stay("gil", roomType, 20, 22)
			r.RatePlan = ""
			req.Requests = append(req.Requests, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: r})
		}
		return req
	}
	refuse(l, "SOLD_OUT", l.reservations.BatchCreateReservations, two("suite"))
	group, position := ask(l, l.reservations.BatchCreateReservations, two("double"))
	list, _ := ask(l, l.reservations.ListReservations, &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GroupId: group.GetGroupId(), MinPosition: position})
	if len(group.GetReservations()) != 2 || len(list.GetReservations()) != 2 {
		l.Fatalf("the group is %v, listed as %v", group, list)
	}
	r, _ := ask(l, l.reservations.ConfirmReservation, &lodgev1.ConfirmReservationRequest{Name: group.GetReservations()[0].GetName()})
	l.state(r, paid, 0)
	l.costs("settled outside", r.GetAmounts().GetSettledOutside(), 208)
	hotelAsks := lodgev1.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST
	r, _ = ask(l, l.reservations.CancelReservation, &lodgev1.CancelReservationRequest{Name: r.GetName(), Reason: hotelAsks, Note: "burst pipe"})
	l.state(r, canceled, hotelAsks)
	if r.GetNote() != "burst pipe" {
		l.Fatalf("the note is %q", r.GetNote())
	}
}

// listed counts a list of a day.
func (l *life) listed(list lodgev1.StayList, day, want int) {
	l.Helper()
	found, _ := ask(l, l.reservations.ListReservations, &lodgev1.ListReservationsRequest{Parent: "hotels/ritz", StayList: list, StayDate: l.day(day)})
	if len(found.GetReservations()) != want {
		l.Fatalf("%s of day %d has %d, want %d: %v", list, day, len(found.GetReservations()), want, found)
	}
}

// arrives checks a guest in.
func (l *life) arrives(name string, rooms ...string) {
	l.Helper()
	r, _ := ask(l, l.stays.CheckInReservation, &lodgev1.CheckInReservationRequest{Name: name, Rooms: rooms})
	if r.GetStayStatus() != checkedIn || len(r.GetRooms()) != 1 || len(rooms) == 1 && r.GetRooms()[0] != rooms[0] {
		l.Fatalf("arrived %v, wanted %v", r, rooms)
	}
}

func (l *life) arrivals() {
	l.timeIs(10, 14, 0)
	l.listed(lodgev1.StayList_STAY_LIST_ARRIVALS, 10, 3)
	const room = "hotels/ritz/rooms/102"
	l.arrives(l.ada, room)
	refuse(l, "ROOM_UNAVAILABLE", l.stays.CheckInReservation, &lodgev1.CheckInReservationRequest{Name: l.eve, Rooms: []string{room}})
	l.arrives(l.eve)
	refuse(l, "STATUS_CONFLICT", l.reservations.CancelReservation, &lodgev1.CancelReservationRequest{Name: l.ada})
	l.timeIs(10, 23, 30)
	r, _ := ask(l, l.reservations.MarkNoShow, &lodgev1.MarkNoShowRequest{Name: l.dan})
	l.state(r, canceled, lodgev1.ReservationReason_RESERVATION_REASON_NO_SHOW)
	l.amounts(r, 204, 0)
	l.costs("fee", r.GetAmounts().GetFee(), 204)
}

func (l *life) floCancelsTooLate() {
	l.quoted(l.flo, l.hour(11, 17, 59), 0, 408)
	l.quoted(l.flo, l.hour(11, 18, 0), 200, 208)
	l.timeIs(11, 18, 0)
	r, _ := ask(l, l.reservations.CancelReservation, &lodgev1.CancelReservationRequest{Name: l.flo})
	l.ended(r, byGuest)
	r = l.settled(l.flo)
	l.state(r, refunded, byGuest)
	l.amounts(r, 408, 208)
	l.costs("fee", r.GetAmounts().GetFee(), 200)
}

func (l *life) departures() {
	l.timeIs(11, 20, 0)
	l.listed(lodgev1.StayList_STAY_LIST_IN_HOUSE, 11, 2)
	refuse(l, "REFUND_TOO_LARGE", l.payments.RefundReservation, &lodgev1.RefundReservationRequest{Name: l.ada, Amount: euro(249)})
	ask(l, l.payments.RefundReservation, &lodgev1.RefundReservationRequest{Name: l.ada, Amount: euro(20), Note: "no hot water"})
	r := l.settled(l.ada)
	l.state(r, paid, 0)
	l.amounts(r, 496, 268)
	l.timeIs(12, 9, 0)
	l.listed(lodgev1.StayList_STAY_LIST_DEPARTURES, 12, 2)
	for _, name := range []string{l.ada, l.eve} {
		r, _ := ask(l, l.stays.CheckOutReservation, &lodgev1.CheckOutReservationRequest{Name: name})
		if l.state(r, paid, 0); r.GetStayStatus() != checkedOut {
			l.Fatalf("left %v", r)
		}
	}
	folio, _ := ask(l, l.payments.ListPayments, &lodgev1.ListPaymentsRequest{Parent: l.ada})
	refunds := 0
	for _, p := range folio.GetPayments() {
		refunds += len(p.GetRefunds())
	}
	if len(folio.GetPayments()) != 2 || refunds != 3 {
		l.Fatalf("the folio is %v", folio)
	}
	l.costs("the stay", folio.GetTotal(), 248)
	l.costs("captured", folio.GetAmounts().GetCaptured(), 496)
	l.costs("refunded", folio.GetAmounts().GetRefunded(), 268)
}

func (l *life) oneTooMany() {
	l.at = ""
	one := int32(1)
	ask(l, l.inventory.SetInventory, &lodgev1.SetInventoryRequest{
		RoomType: "hotels/ritz/roomTypes/double", StartDate: l.day(16), EndDate: l.day(17), OverbookingLimit: &one,
	})
	hal, _ := l.book("hal", "double", 16, 17, 124)
	ivy, _ := l.book("ivy", "double", 16, 17, 124)
	jon, _ := l.book("jon", "double", 16, 17, 124)
	refuse(l, "SOLD_OUT", l.reservations.CreateReservation, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: l.stay("kim", "double", 16, 17)})
	kim, _ := l.reserve("kim", "suite", 16, 17, 204)
	ask(l, l.reservations.ConfirmReservation, &lodgev1.ConfirmReservationRequest{Name: kim})
	r := l.move(kim, 16, 18)
	l.costs("a night more", r.GetTotal(), 408)
	l.costs("balance", r.GetAmounts().GetBalance(), 204)
	l.timeIs(16, 15, 0)
	l.arrives(hal)
	l.arrives(ivy)
	refuse(l, "ROOM_UNAVAILABLE", l.stays.CheckInReservation, &lodgev1.CheckInReservationRequest{Name: jon})
	walked := lodgev1.ReservationReason_RESERVATION_REASON_WALKED
	r, _ = ask(l, l.stays.WalkReservation, &lodgev1.WalkReservationRequest{Name: jon, RelocatedTo: "Hotel Borg", Note: "overbooked"})
	if l.ended(r, walked); r.GetRelocatedTo() != "Hotel Borg" {
		l.Fatalf("walked %v", r)
	}
	r = l.settled(jon)
	l.state(r, refunded, walked)
	l.amounts(r, 124, 124)
	refuse(l, "BALANCE_DUE", l.stays.CheckInReservation, &lodgev1.CheckInReservationRequest{Name: kim})
	r, _ = ask(l, l.stays.CheckInReservation, &lodgev1.CheckInReservationRequest{Name: kim, SettledAtHotel: true})
	if r.GetStayStatus() != checkedIn {
		l.Fatalf("arrived %v", r)
	}
	l.costs("settled outside", r.GetAmounts().GetSettledOutside(), 408)
	l.costs("balance", r.GetAmounts().GetBalance(), 0)
	l.hal, l.kim = hal, kim
}
