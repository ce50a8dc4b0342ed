package platform

import (
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

// TestAToolChangesNothing opens a folder with a hold that is over and a payment nobody has made as a tool does: it looks, and the next server does what was due.
func TestAToolChangesNothing(t *testing.T) {
	dir, now := t.TempDir(), time.Now().Add(-time.Hour)
	const one, two = "0190a1b2-0000-7000-8000-000000000001", "0190a1b2-0000-7000-8000-000000000002"
	p, stop := runIn(t, dir, Options{NoSocket: true, Passive: true, Clock: func() time.Time { return now }})
	rooms, today := int32(5), domain.Today(now, time.UTC)
	stay := domain.Stay{CheckIn: today.AddDays(2), CheckOut: today.AddDays(3)}
	give(t, p,
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "UTC", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)},
		&hotel.PlaceReservation{Hotel: "grand", ReservationID: one, RoomType: "double", Quantity: 1, Stay: stay},
		&hotel.PlaceReservation{Hotel: "grand", ReservationID: two, RoomType: "double", Quantity: 1, Stay: stay},
		&hotel.RequestPayment{Hotel: "grand", ReservationID: two, PaymentID: two, Provider: "simulator", PaymentMethod: "tok_approve"},
	)
	before := bookingsAndPayments(t, p)
	stop()

	p, stop = runIn(t, dir, Options{NoSocket: true, Passive: true})
	due, err := p.Engine.Upkeep(t.Context()) // takes its turn behind whatever the opening has led to
	if err != nil || len(due) != 1 || due[0].NextHold.After(time.Now()) {
		t.Errorf("due are %+v, %v", due, err)
	}
	if after := bookingsAndPayments(t, p); after != before {
		t.Errorf("%d records have become %d", before, after)
	}
	stop()

	p, _ = runIn(t, dir, Options{NoSocket: true})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for bookingsAndPayments(t, p) == before { // the test's time limit bounds it
		<-tick.C
	}
}

// bookingsAndPayments counts the records of both topics.
func bookingsAndPayments(t *testing.T, p *Platform) (n log.Offset) {
	t.Helper()
	for _, topic := range []log.Topic{"bookings", "payments"} {
		for i := range p.Partitions {
			_, end, err := p.Broker.Offsets(t.Context(), log.TopicPartition{Topic: topic, Partition: log.Partition(i)})
			if err != nil {
				t.Fatal(err)
			}
			n += end
		}
	}
	return n
}
