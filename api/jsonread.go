package api

import (
	"math"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/type/date"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// reader reads plain JSON: objects, strings without escapes, whole numbers, true and false. At anything else it
// fails and stays failed; the caller then asks protojson. Fields go by either name, as there. Strings share one copy of the input.
type reader struct {
	s      string
	at     int
	failed bool
}

// readCreateReservation reads the message, or returns false (having written some of it) when it is not plain.
func readCreateReservation(data []byte, m *lodgev1.CreateReservationRequest) bool {
	if !utf8.Valid(data) {
		return false
	}
	r := &reader{s: string(data)}
	seen := 0
	r.object(func(name string) {
		switch name {
		case "parent":
			r.once(&seen, 0)
			m.Parent = r.text()
		case "reservation":
			r.once(&seen, 1)
			m.Reservation = r.reservation()
		case "reservationId", "reservation_id":
			r.once(&seen, 2)
			m.ReservationId = r.text()
		case "requestId", "request_id":
			r.once(&seen, 3)
			m.RequestId = r.text()
		default:
			r.failed = true
		}
	})
	r.space()
	return !r.failed && r.at == len(r.s)
}

func (r *reader) reservation() *lodgev1.Reservation {
	m, seen := &lodgev1.Reservation{}, 0
	r.object(func(name string) {
		switch name {
		case "roomType", "room_type":
			r.once(&seen, 0)
			m.RoomType = r.text()
		case "quantity":
			r.once(&seen, 1)
			m.Quantity = r.number()
		case "checkInDate", "check_in_date":
			r.once(&seen, 2)
			m.CheckInDate = r.date()
		case "checkOutDate", "check_out_date":
			r.once(&seen, 3)
			m.CheckOutDate = r.date()
		case "guest":
			r.once(&seen, 4)
			m.Guest = r.guest()
		case "channel":
			r.once(&seen, 5)
			m.Channel = r.text()
		case "externalReference", "external_reference":
			r.once(&seen, 6)
			m.ExternalReference = r.text()
		default:
			r.failed = true
		}
	})
	return m
}

func (r *reader) date() *date.Date {
	m, seen := &date.Date{}, 0
	r.object(func(name string) {
		switch name {
		case "year":
			r.once(&seen, 0)
			m.Year = r.number()
		case "month":
			r.once(&seen, 1)
			m.Month = r.number()
		case "day":
			r.once(&seen, 2)
			m.Day = r.number()
		default:
			r.failed = true
		}
	})
	return m
}

func (r *reader) guest() *lodgev1.Guest {
	m, seen := &lodgev1.Guest{}, 0
	r.object(func(name string) {
		switch name {
		case "guestId", "guest_id":
			r.once(&seen, 0)
			m.GuestId = r.text()
		case "displayName", "display_name":
			r.once(&seen, 1)
			m.DisplayName = r.text()
		case "email":
			r.once(&seen, 2)
			m.Email = r.text()
		case "adults":
			r.once(&seen, 3)
			m.Adults = r.number()
		case "children":
			r.once(&seen, 4)
			m.Children = r.number()
		case "infants":
			r.once(&seen, 5)
			m.Infants = r.number()
		default:
			r.failed = true
		}
	})
	return m
}

// once fails at a field's second time.
func (r *reader) once(seen *int, field int) {
	r.failed = r.failed || *seen&(1<<field) != 0
	*seen |= 1 << field
}

// object calls field with each name, behind its colon.
func (r *reader) object(field func(name string)) {
	r.expect('{')
	if r.peek() == '}' {
		r.at++
		return
	}
	for !r.failed {
		name := r.text()
		r.expect(':')
		if r.failed {
			return
		}
		field(name)
		if r.peek() == '}' {
			r.at++
			return
		}
		r.expect(',')
	}
}

func (r *reader) space() {
	for r.at < len(r.s) && (r.s[r.at] == ' ' || r.s[r.at] == '\n' || r.s[r.at] == '\r' || r.s[r.at] == '\t') {
		r.at++
	}
}

// peek returns the next byte that is no space, or 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.at == len(r.s) {
		return 0
	}
	return r.s[r.at]
}

func (r *reader) expect(c byte) {
	if r.peek() != c {
		r.failed = true
		return
	}
	r.at++
}

func (r *reader) text() string {
	r.expect('"')
	for i := r.at; i < len(r.s) && !r.failed; i++ {
		switch c := r.s[i]; {
		case c == '"':
			s := r.s[r.at:i]
			r.at = i + 1
			return s
		case c == '\\' || c < ' ' || c == 0x7f:
			r.failed = true
		}
	}
	r.failed = true
	return ""
}

// number reads a whole number of 32 bits without leading zeros, sign of plus, fraction or exponent.
func (r *reader) number() int32 {
	negative := r.peek() == '-'
	if negative {
		r.at++
	}
	begin, n := r.at, int64(0)
	for r.at < len(r.s) && r.s[r.at]-'0' <= 9 && n <= math.MaxInt32 {
		n = n*10 + int64(r.s[r.at]-'0')
		r.at++
	}
	if r.at == begin || n > math.MaxInt32 || r.s[begin] == '0' && (r.at > begin+1 || negative) {
		r.failed = true
	}
	if c := r.peek(); c != ',' && c != '}' {
		r.failed = true
	}
	if negative {
		n = -n
	}
	return int32(n)
}
