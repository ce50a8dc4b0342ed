package commands

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/domain/hotel"
)

// TestEventsNameTheirCommand: the same event comes from several commands, of a client or of the platform, and says from which.
func TestEventsNameTheirCommand(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	h.do(4, cancel("grand", 1)) // 2 is offered the room
	h.do(5, group("grand", 10, 11))
	if _, err := h.Execute(context.Background(), Command{Internal: true, Time: noon.Add(time.Hour), Body: &hotel.ExpireHolds{Hotel: "grand"}}); err != nil {
		t.Fatal(err)
	}
	h.do(6, setRooms("grand", 4)) // behind the offer to 3, and with no one left to wait
	for n := range 2 {
		h.do(20+n, place("grand", 20+n))
	}
	both := group("grand", 20, 21).Reservations
	h.do(7, &hotel.CancelGroup{Hotel: "grand", GroupID: numbered(4, 20).String(), Reservations: []string{both[0].ReservationID, both[1].ReservationID}})
	var got []string
	for _, e := range envelopes(t, lg, bookingsTopic, 1) {
		got = append(got, strings.TrimSuffix(strings.TrimPrefix(e.Type, "lodge."), ".v1")+" by "+e.Command)
	}
	want := []string{
		"reservation.placed by place_reservation", "waiting_list.joined by join_waiting_list", "waiting_list.joined by join_waiting_list",
		"reservation.canceled by cancel_reservation", "waiting_list.offered by offer_rooms", "reservation.placed by offer_rooms",
		"reservation.rejected by place_group", "reservation.rejected by place_group",
		"reservation.canceled by expire_holds", "waiting_list.left by expire_holds", "waiting_list.offered by offer_rooms", "reservation.placed by offer_rooms",
		"reservation.placed by place_reservation", "reservation.placed by place_reservation", "reservation.canceled by cancel_group", "reservation.canceled by cancel_group",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := open(t, lg.restart(), Options{Partitions: 1, HoldTick: -1}).do(4, cancel("grand", 1)); !r.Replayed || r.Events[0].Command != "cancel_reservation" {
		t.Errorf("a retry is answered with an event by %q", r.Events[0].Command)
	}
}
