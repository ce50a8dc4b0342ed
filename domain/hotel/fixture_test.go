package hotel

import (
	"encoding/binary"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
)

// noon is the moment at which most tests decide: 2026-07-01 in Lisbon.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func day(year int, month time.Month, d int) domain.Date { return domain.DateOf(year, month, d) }

// july returns the stay from the first to the second day of July 2026.
func july(from, to int) domain.Stay {
	return domain.Stay{CheckIn: day(2026, 7, from), CheckOut: day(2026, 7, to)}
}

func ptr[T any](v T) *T { return &v }

// uuid returns a reservation id that differs by n.
func uuid(n int) string {
	var id domain.ReservationID
	id[0], id[6], id[8] = 1, 0x70, 0x80
	// Spread as random ids are, so that maps and order see no pattern.
	binary.BigEndian.PutUint64(id[8:], uint64(n)*0x9e3779b97f4a7c15|1)
	binary.BigEndian.PutUint32(id[1:], uint32(n))
	return id.String()
}

// run decides and evolves, and fails the test on an error.
func run(t testing.TB, s *State, now time.Time, commands ...Command) []proto.Message {
	t.Helper()
	var all []proto.Message
	for _, c := range commands {
		events, err := Decide(s, c, At{Now: now, InventoryOffset: 7})
		if err != nil {
			t.Fatalf("decide %T %+v: %v", c, c, err)
		}
		evolve(t, s, events...)
		all = append(all, events...)
	}
	return all
}

func evolve(t testing.TB, s *State, events ...proto.Message) {
	t.Helper()
	for _, e := range events {
		if err := s.Evolve(e); err != nil {
			t.Fatal(err)
		}
	}
}

func createHotel() *CreateHotel {
	return &CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR"}
}

func createDouble() *CreateRoomType {
	return &CreateRoomType{
		Hotel: "grand", RoomType: "double", DisplayName: "Double", MaxGuests: 4,
		BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 10_000},
	}
}

// rooms sets n rooms for all of July 2026.
func rooms(n int32) *SetInventory {
	return &SetInventory{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 1), End: day(2026, 8, 1), PhysicalCount: ptr(n),
	}
}

func place(n int, quantity int32, stay domain.Stay) *PlaceReservation {
	return &PlaceReservation{
		Hotel: "grand", ReservationID: uuid(n), RoomType: "double", Quantity: quantity, Stay: stay,
	}
}
