package api

import (
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

const plainRequest = `{"parent": "hotels/ritz", "requestId":"01a20478-7849-7385-8b60-9198b7fd71f3","reservation":{"roomType":"hotels/ritz/roomTypes/double",
	"quantity":1,"checkInDate":{"year":2026,"month":7,"day":2},"checkOutDate":{"year":2026,"month":7,"day":3},
	"guest":{"guestId":"ada","displayName":"Ada Löve","adults":2},"channel":"web","externalReference":"x-1"}}`

// plainSnakeRequest is the same with the names as the proto has them, which JSON may use as well.
const plainSnakeRequest = `{"parent":"hotels/ritz","request_id":"01a20478-7849-7385-8b60-9198b7fd71f3","reservation_id":"","reservation":{"room_type":"hotels/ritz/roomTypes/double",
	"quantity":1,"check_in_date":{"year":2026,"month":7,"day":2},"check_out_date":{"year":2026,"month":7,"day":3},
	"guest":{"guest_id":"ada","display_name":"Ada Löve","adults":2},"channel":"web","external_reference":"x-1"}}`

// FuzzReadCreateReservation: what is read by hand is what protojson reads.
func FuzzReadCreateReservation(f *testing.F) {
	for _, seed := range []string{
		plainRequest, plainSnakeRequest, `{"requestId":"a","request_id":"b"}`, `{}`, ` { } `, `{"parent":"a\n"}`, `{"parent":null}`, `{"parent":"a","parent":"b"}`, `{"reservation":{"quantity":01}}`,
		`{"reservation":{"quantity":-0}}`, `{"reservation":{"quantity":"7"}}`, `{"reservation":{"quantity":1e2}}`, `{"reservation":{"quantity":2147483648}}`,
		`{"reservation":{"quantity":-7}}`, `{"reservation":{"quantity":7 , "channel":""}}`, `{"parent":"a",}`, `{"parent":"a"}x`, `{"parent":"a`, "{\"parent\":\"\xff\"}", ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var byHand, byProtojson lodgev1.CreateReservationRequest
		if !readCreateReservation(data, &byHand) {
			return
		}
		if err := protojson.Unmarshal(data, &byProtojson); err != nil {
			t.Fatalf("%q was read as %v, protojson says %v", data, &byHand, err)
		}
		if !proto.Equal(&byHand, &byProtojson) {
			t.Errorf("%q was read as %v, by protojson as %v", data, &byHand, &byProtojson)
		}
	})
}

func TestPlainRequestIsReadByHand(t *testing.T) {
	for _, plain := range []string{plainRequest, plainSnakeRequest} {
		if !readCreateReservation([]byte(plain), new(lodgev1.CreateReservationRequest)) {
			t.Errorf("it was not: %s", plain)
		}
	}
}

// FuzzAppendReservation: what is written by hand means what protojson means.
func FuzzAppendReservation(f *testing.F) {
	f.Add("hotels/ritz/reservations/1", "Löwe \"x\"", "web\x7f", int32(2), int64(-3), int32(500_000_000), int64(1_800_000_000), int32(5_000_000))
	f.Add("", "", "", int32(0), int64(0), int32(0), int64(0), int32(0))
	f.Fuzz(func(t *testing.T, name, guest, channel string, number int32, units int64, nanos int32, seconds int64, fraction int32) {
		m := &lodgev1.Reservation{
			Name: name, Quantity: number, CheckInDate: &date.Date{Year: number, Day: 3}, Guest: &lodgev1.Guest{DisplayName: guest, Adults: number},
			Status:         lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING,
			NightlyAmounts: []*money.Money{{CurrencyCode: "EUR", Units: units, Nanos: nanos}, {}}, Total: &money.Money{},
			HoldExpireTime: &timestamppb.Timestamp{Seconds: seconds, Nanos: fraction}, Channel: channel,
		}
		data, ok := appendReservation([]byte("x"), m)
		if !ok {
			return
		}
		var back lodgev1.Reservation
		if err := protojson.Unmarshal(data[1:], &back); err != nil || !proto.Equal(&back, m) {
			t.Errorf("%s reads as %v: %v", data, &back, err)
		}
	})
}

// placedExample is an answer as CreateReservation gives it.
func placedExample() *lodgev1.Reservation {
	at := timestamppb.New(time.Date(2026, 7, 1, 12, 0, 0, 123_000_000, time.UTC))
	amount := &money.Money{CurrencyCode: "EUR", Units: 100, Nanos: 500_000_000}
	return &lodgev1.Reservation{
		Name: "hotels/ritz/reservations/01a20478-7849-7385-8b60-9198b7fd71f3", RoomType: "hotels/ritz/roomTypes/double", Quantity: 1,
		CheckInDate: &date.Date{Year: 2026, Month: 7, Day: 2}, CheckOutDate: &date.Date{Year: 2026, Month: 7, Day: 3},
		Status: lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING, NightlyAmounts: []*money.Money{amount}, Total: amount,
		HoldExpireTime: at, CreateTime: at, UpdateTime: at,
	}
}

func TestPlacedReservationIsWrittenByHand(t *testing.T) {
	if _, ok := appendReservation(nil, placedExample()); !ok {
		t.Error("it was not")
	}
}

// FuzzPlainShape: what passes for plain follows the rules in the proto.
func FuzzPlainShape(f *testing.F) {
	plain := new(lodgev1.CreateReservationRequest)
	if err := protojson.Unmarshal([]byte(plainRequest), plain); err != nil || !plainShape(plain) {
		f.Fatalf("%v is not plain: %v", plain, err)
	}
	seed, _ := proto.Marshal(plain)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		m := new(lodgev1.CreateReservationRequest)
		if proto.Unmarshal(data, m) != nil || !plainShape(m) {
			return
		}
		if err := protovalidate.Validate(m); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	codec, placed := jsonCodec{"json"}, placedExample()
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if err := codec.Unmarshal([]byte(plainRequest), new(lodgev1.CreateReservationRequest)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf, _ = codec.MarshalAppend(buf[:0], placed)
		}
	})
	b.Run("read with protojson", func(b *testing.B) {
		for b.Loop() {
			if err := protojson.Unmarshal([]byte(plainRequest), new(lodgev1.CreateReservationRequest)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write with protojson", func(b *testing.B) {
		for b.Loop() {
			if _, err := protojson.Marshal(placed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
