package main

import (
	"slices"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// leaveOn changes a guest's day of leaving.
func (l *life) leaveOn(name string, day int) *lodgev1.Reservation {
	l.Helper()
	r, _ := ask(l, l.reservations.UpdateReservation, &lodgev1.UpdateReservationRequest{
		Reservation: &lodgev1.Reservation{Name: name, CheckOutDate: l.day(day)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"check_out_date"}},
	})
	return r
}

func (l *life) kimStaysLonger() {
	l.timeIs(17, 11, 0)
	refuse(l, "STATUS_CONFLICT", l.reservations.UpdateReservation, &lodgev1.UpdateReservationRequest{
		Reservation: &lodgev1.Reservation{Name: l.kim, Quantity: 2}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"quantity"}},
	})
	r := l.leaveOn(l.kim, 20)
	l.costs("total", r.GetTotal(), 816)
	l.costs("balance", r.GetAmounts().GetBalance(), 408)
	const room = "hotels/ritz/rooms/101"
	refuse(l, "ROOM_UNAVAILABLE", l.stays.MoveGuest, &lodgev1.MoveGuestRequest{Name: l.kim, ToRoom: room})
	ask(l, l.stays.CheckOutReservation, &lodgev1.CheckOutReservationRequest{Name: l.hal})
	r, _ = ask(l, l.stays.MoveGuest, &lodgev1.MoveGuestRequest{Name: l.kim, ToRoom: room, Note: "the suite has a leak"})
	if !slices.Equal(r.GetRooms(), []string{room}) {
		l.Fatalf("moved %v", r)
	}
	refuse(l, "BALANCE_DUE", l.stays.CheckOutReservation, &lodgev1.CheckOutReservationRequest{Name: l.kim})
	l.timeIs(19, 9, 0)
	r = l.leaveOn(l.kim, 19)
	l.costs("total", r.GetTotal(), 612)
	l.costs("balance", r.GetAmounts().GetBalance(), 204)
	r, _ = ask(l, l.stays.CheckOutReservation, &lodgev1.CheckOutReservationRequest{Name: l.kim, SettledAtHotel: true})
	if r.GetStayStatus() != checkedOut {
		l.Fatalf("left %v", r)
	}
	l.costs("settled outside", r.GetAmounts().GetSettledOutside(), 612)
	l.costs("balance", r.GetAmounts().GetBalance(), 0)
}
