package api

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// plainWire returns plainRequest in protobuf.
func plainWire(t testing.TB) []byte {
	t.Helper()
	m := new(lodgev1.CreateReservationRequest)
	if err := protojson.Unmarshal([]byte(plainRequest), m); err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzReadWireCreateReservation: what is read by hand is what package proto reads.
func FuzzReadWireCreateReservation(f *testing.F) {
	plain := plainWire(f)
	guest := protowire.AppendString(protowire.AppendTag(nil, 6, protowire.BytesType), "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	for _, seed := range [][]byte{
		nil, plain, plain[:len(plain)-1], append(bytes.Clone(plain), plain...), []byte("\x0a\x01\xff"), []byte("\x12\x00"), []byte("\x0a\x81\x00a"),
		[]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), []byte("\x30\x01"), []byte("\x08\x01"), []byte("\x8a\x80\x00\x01a"),
		protowire.AppendString([]byte("\x12"), string(guest)), []byte("\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		[]byte("\x12\x02\x2a\x00"), []byte("\x12\x04\x22\x02\x10\x0d"), []byte("\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		byHand, ok := readWireCreateReservation(data)
		if !ok {
			return
		}
		var byProto lodgev1.CreateReservationRequest
		if err := proto.Unmarshal(data, &byProto); err != nil {
			t.Fatalf("%x was read as %v, package proto says %v", data, byHand, err)
		}
		if !proto.Equal(byHand, &byProto) {
			t.Errorf("%x was read as %v, by package proto as %v", data, byHand, &byProto)
		}
	})
}

// TestPlainWireIsReadByHand: and keeps nothing of the memory that it was read from.
func TestPlainWireIsReadByHand(t *testing.T) {
	data := plainWire(t)
	m, ok := readWireCreateReservation(data)
	if !ok {
		t.Fatalf("it was not: %x", data)
	}
	clear(data)
	want := new(lodgev1.CreateReservationRequest)
	if err := protojson.Unmarshal([]byte(plainRequest), want); err != nil || !proto.Equal(m, want) {
		t.Errorf("read %v, want %v (%v)", m, want, err)
	}
}

// FuzzAppendWireReservation: what is written by hand is what package proto writes, byte for byte.
func FuzzAppendWireReservation(f *testing.F) {
	f.Add("hotels/ritz/reservations/1", "Löwe", "web", int32(2), int64(-3), int32(500_000_000), int64(1_800_000_000), int32(5_000_000))
	f.Add("", "", "", int32(0), int64(0), int32(0), int64(0), int32(0))
	f.Add("a", strings.Repeat("x", 127), strings.Repeat("y", 20_000), int32(-1), int64(1)<<62, int32(-1), int64(-1), int32(1))
	f.Fuzz(func(t *testing.T, name, guest, channel string, number int32, units int64, nanos int32, seconds int64, fraction int32) {
		m := &lodgev1.Reservation{
			Name: name, RoomType: channel, Quantity: number, CheckInDate: &date.Date{Year: number, Month: -number, Day: 3}, CheckOutDate: &date.Date{},
			Guest:          &lodgev1.Guest{GuestId: channel, DisplayName: guest, Email: name, Adults: number, Children: nanos, Infants: 1},
			Status:         lodgev1.ReservationStatus(number),
			NightlyAmounts: []*money.Money{{CurrencyCode: guest, Units: units, Nanos: nanos}, {}}, Total: &money.Money{CurrencyCode: "EUR", Units: -units},
			HoldExpireTime: &timestamppb.Timestamp{Seconds: seconds, Nanos: fraction}, Channel: channel, ExternalReference: guest,
			CreateTime: &timestamppb.Timestamp{}, UpdateTime: &timestamppb.Timestamp{Seconds: -seconds},
		}
		data, ok := appendWireReservation([]byte("x"), m)
		want, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte("x"), m)
		if ok != (err == nil) || ok && !bytes.Equal(data, want) {
			t.Errorf("%v is written as %x, %v; by package proto as %x, %v", m, data, ok, want, err)
		}
	})
}

// TestPlacedReservationIsWrittenToTheWireByHand: and one with more fields than a placed one has is not.
func TestPlacedReservationIsWrittenToTheWireByHand(t *testing.T) {
	placed := placedExample()
	data, ok := appendWireReservation(nil, placed)
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(placed)
	if !ok || err != nil || !bytes.Equal(data, want) {
		t.Errorf("written as %x, %v; want %x, %v", data, ok, want, err)
	}
	for name, change := range map[string]func(*lodgev1.Reservation){
		"note":          func(r *lodgev1.Reservation) { r.Note = "n" },
		"reason":        func(r *lodgev1.Reservation) { r.Reason = 1 },
		"full nights":   func(r *lodgev1.Reservation) { r.FullNights = []*date.Date{{}} },
		"unknown":       func(r *lodgev1.Reservation) { r.ProtoReflect().SetUnknown([]byte("\xa0\x06\x01")) },
		"unknown below": func(r *lodgev1.Reservation) { r.Total.ProtoReflect().SetUnknown([]byte("\xa0\x06\x01")) },
	} {
		more := proto.Clone(placed).(*lodgev1.Reservation)
		change(more)
		if _, ok := appendWireReservation(nil, more); ok {
			t.Errorf("%s: written by hand", name)
		}
		data, err := writeWire([]byte("x"), more)
		back := new(lodgev1.Reservation)
		if err != nil || proto.Unmarshal(data[1:], back) != nil || !proto.Equal(back, more) {
			t.Errorf("%s: reads as %v: %v", name, back, err)
		}
	}
}

func BenchmarkWire(b *testing.B) {
	request, placed := plainWire(b), placedExample()
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := readWireCreateReservation(request); !ok {
				b.Fatal("not plain")
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = appendWireReservation(buf[:0], placed)
		}
	})
	b.Run("read with proto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(request, new(lodgev1.CreateReservationRequest)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write with proto", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = proto.MarshalOptions{}.MarshalAppend(buf[:0], placed)
		}
	})
}
