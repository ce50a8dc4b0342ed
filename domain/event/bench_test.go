package event_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain/event"
	"lodge/domain/eventpb"
)

func typicalEnvelope() *event.Envelope {
	now := time.Date(2026, 7, 1, 12, 0, 0, 123456789, time.UTC)
	return &event.Envelope{
		ID: "01980000-0000-7000-8000-000000000001", Source: "lodge/commands", Time: now,
		CorrelationID: "01980000-0000-7000-8000-000000000002", Command: "place_reservation", Actor: "guest:k3v9q2m7c5x4r2ta",
		RequestID: [16]byte{1}, RequestFingerprint: [16]byte{2},
		Message: &eventpb.ReservationPlaced{
			HotelId: "grand", ReservationId: "01980000-0000-7000-8000-000000000003",
			Stay:         &eventpb.Stay{RoomTypeId: "double", Quantity: 1, CheckInDate: "2026-07-01", CheckOutDate: "2026-07-04"},
			Guest:        &eventpb.Guest{GuestId: "guest-1234", DisplayName: "Maria Silva", Email: "maria@example.com", Adults: 2},
			CurrencyCode: "EUR", NightlyMinorUnits: []int64{10_000, 10_000, 12_000}, TotalMinorUnits: 32_000,
			HoldExpireTime: timestamppb.New(now.Add(15 * time.Minute)), InventoryOffset: 7, Channel: "web", PlaceDate: "2026-07-01",
		},
	}
}

func BenchmarkEncode(b *testing.B) {
	e := typicalEnvelope()
	b.ReportAllocs()
	for range b.N {
		if _, err := event.Encode(e, func(string, []byte) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func stored(t testing.TB, e *event.Envelope) ([]byte, func(string) []byte) {
	t.Helper()
	headers := map[string][]byte{}
	value, err := event.Encode(e, func(key string, value []byte) { headers[key] = value })
	if err != nil {
		t.Fatal(err)
	}
	return value, func(key string) []byte { return headers[key] }
}

func BenchmarkDecode(b *testing.B) {
	value, header := stored(b, typicalEnvelope())
	b.ReportAllocs()
	for range b.N {
		if _, err := event.Decode(value, header); err != nil {
			b.Fatal(err)
		}
	}
}
