package api

import (
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/type/date"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// wireReader reads the plain form of a protobuf message: known fields, each at most once. At anything else it fails and stays
// failed; the caller then asks package proto. Texts share the memory of s.
type wireReader struct {
	s      string
	at     int
	seen   uint32 // fields that were there, as bits
	failed bool
}

// Wire types, as a tag has them beside the field's number (https://protobuf.dev/programming-guides/encoding/).
const (
	wireVarint = 0
	wireBytes  = 2
	wireBits   = 3
)

// placing is CreateReservationRequest with all that it points to, in one piece of memory.
type placing struct {
	request           lodgev1.CreateReservationRequest
	reservation       lodgev1.Reservation
	checkIn, checkOut date.Date
	guest             lodgev1.Guest
}

// readWireCreateReservation reads the message, or returns false when it is not plain.
func readWireCreateReservation(data []byte) (*lodgev1.CreateReservationRequest, bool) {
	r, p := wireReader{s: string(data)}, new(placing)
	m := &p.request
	for r.more() {
		switch r.tag() {
		case 1<<wireBits | wireBytes:
			m.Parent = r.text()
		case 2<<wireBits | wireBytes:
			m.Reservation = &p.reservation
			r.failed = !p.readReservation(r.bytes()) || r.failed
		case 3<<wireBits | wireBytes:
			m.ReservationId = r.text()
		case 4<<wireBits | wireBytes:
			m.RequestId = r.text()
		default:
			r.failed = true
		}
	}
	return m, !r.failed
}

func (p *placing) readReservation(s string) bool {
	r, m := wireReader{s: s}, &p.reservation
	for r.more() {
		switch r.tag() {
		case 2<<wireBits | wireBytes:
			m.RoomType = r.text()
		case 3<<wireBits | wireVarint:
			m.Quantity = int32(r.varint())
		case 4<<wireBits | wireBytes:
			m.CheckInDate = &p.checkIn
			r.failed = !readWireDate(r.bytes(), m.CheckInDate) || r.failed
		case 5<<wireBits | wireBytes:
			m.CheckOutDate = &p.checkOut
			r.failed = !readWireDate(r.bytes(), m.CheckOutDate) || r.failed
		case 6<<wireBits | wireBytes:
			m.Guest = &p.guest
			r.failed = !readWireGuest(r.bytes(), m.Guest) || r.failed
		case 12<<wireBits | wireBytes:
			m.Channel = r.text()
		case 13<<wireBits | wireBytes:
			m.ExternalReference = r.text()
		default:
			r.failed = true
		}
	}
	return !r.failed
}

func readWireDate(s string, m *date.Date) bool {
	r := wireReader{s: s}
	for r.more() {
		switch r.tag() {
		case 1<<wireBits | wireVarint:
			m.Year = int32(r.varint())
		case 2<<wireBits | wireVarint:
			m.Month = int32(r.varint())
		case 3<<wireBits | wireVarint:
			m.Day = int32(r.varint())
		default:
			r.failed = true
		}
	}
	return !r.failed
}

func readWireGuest(s string, m *lodgev1.Guest) bool {
	r := wireReader{s: s}
	for r.more() {
		switch r.tag() {
		case 1<<wireBits | wireBytes:
			m.GuestId = r.text()
		case 2<<wireBits | wireBytes:
			m.DisplayName = r.text()
		case 3<<wireBits | wireBytes:
			m.Email = r.text()
		case 4<<wireBits | wireVarint:
			m.Adults = int32(r.varint())
		case 5<<wireBits | wireVarint:
			m.Children = int32(r.varint())
		case 6<<wireBits | wireVarint:
			m.Infants = int32(r.varint())
		default:
			r.failed = true
		}
	}
	return !r.failed
}

func (r *wireReader) more() bool { return !r.failed && r.at < len(r.s) }

// tag reads a field's number and wire type. It fails at a field's second time, and at numbers that no plain field has.
func (r *wireReader) tag() uint64 {
	tag := r.varint()
	field := tag >> wireBits
	if field >= 32 || r.seen&(1<<field) != 0 {
		r.failed = true
		return 0
	}
	r.seen |= 1 << field
	return tag
}

// varint reads a number of at most 64 bits.
func (r *wireReader) varint() uint64 {
	var n uint64
	for shift := 0; shift < 64 && r.at < len(r.s); shift += 7 {
		c := r.s[r.at]
		r.at++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			r.failed = r.failed || shift == 63 && c > 1
			return n
		}
	}
	r.failed = true
	return 0
}

// bytes reads what is as long as the varint before it says.
func (r *wireReader) bytes() string {
	n := r.varint()
	if r.failed || n > uint64(len(r.s)-r.at) {
		r.failed = true
		return ""
	}
	s := r.s[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

func (r *wireReader) text() string {
	s := r.bytes()
	r.failed = r.failed || !utf8.ValidString(s)
	return s
}
