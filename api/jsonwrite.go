package api

import (
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// writer writes protojson's form of a message by hand. It fails at what it does not do: texts that need escapes, fractions of an
// amount that protojson checks, negative amounts.
type writer struct {
	b      []byte
	failed bool
}

// appendReservation appends a reservation that was just placed, or returns false when it has a field that those have not.
func appendReservation(dst []byte, r *lodgev1.Reservation) ([]byte, bool) {
	if !placedOnly(r) {
		return dst, false
	}
	w := &writer{b: append(dst, '{')}
	w.text(`"name":`, r.GetName())
	w.text(`"roomType":`, r.GetRoomType())
	w.number(`"quantity":`, r.GetQuantity())
	w.date(`"checkInDate":`, r.GetCheckInDate())
	w.date(`"checkOutDate":`, r.GetCheckOutDate())
	w.guest(r.GetGuest())
	if s := r.GetStatus(); s != 0 {
		w.text(`"status":`, s.String())
	}
	w.amounts(r.GetNightlyAmounts())
	if r.GetTotal() != nil {
		w.name(`"total":`)
		w.money(r.GetTotal())
	}
	w.time(`"holdExpireTime":`, r.GetHoldExpireTime())
	w.text(`"channel":`, r.GetChannel())
	w.text(`"externalReference":`, r.GetExternalReference())
	w.time(`"createTime":`, r.GetCreateTime())
	w.time(`"updateTime":`, r.GetUpdateTime())
	w.text(`"etag":`, r.GetEtag())
	if w.failed {
		return dst, false
	}
	return append(w.b, '}'), true
}

// name writes a field's name and colon, behind a comma unless it is the object's first.
func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, name...)
}

func (w *writer) text(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			w.failed = w.failed || c < utf8.RuneSelf || !utf8.ValidString(value)
		}
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, value...)
	w.b = append(w.b, '"')
}

func (w *writer) number(name string, value int32) {
	if value != 0 {
		w.name(name)
		w.b = strconv.AppendInt(w.b, int64(value), 10)
	}
}

func (w *writer) date(name string, d *date.Date) {
	if d == nil {
		return
	}
	w.name(name)
	w.b = append(w.b, '{')
	w.number(`"year":`, d.GetYear())
	w.number(`"month":`, d.GetMonth())
	w.number(`"day":`, d.GetDay())
	w.b = append(w.b, '}')
}

func (w *writer) guest(g *lodgev1.Guest) {
	if g == nil {
		return
	}
	w.name(`"guest":{`)
	w.text(`"guestId":`, g.GetGuestId())
	w.text(`"displayName":`, g.GetDisplayName())
	w.text(`"email":`, g.GetEmail())
	w.number(`"adults":`, g.GetAdults())
	w.number(`"children":`, g.GetChildren())
	w.number(`"infants":`, g.GetInfants())
	w.failed = w.failed || g.GetForgotten()
	w.b = append(w.b, '}')
}

func (w *writer) amounts(amounts []*money.Money) {
	if len(amounts) == 0 {
		return
	}
	w.name(`"nightlyAmounts":[`)
	for i, m := range amounts {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.money(m)
	}
	w.b = append(w.b, ']')
}

// money writes an amount; 64-bit numbers are strings in JSON.
func (w *writer) money(m *money.Money) {
	w.b = append(w.b, '{')
	w.text(`"currencyCode":`, m.GetCurrencyCode())
	if m.GetUnits() != 0 {
		w.name(`"units":"`)
		w.b = strconv.AppendInt(w.b, m.GetUnits(), 10)
		w.b = append(w.b, '"')
	}
	w.number(`"nanos":`, m.GetNanos())
	w.b = append(w.b, '}')
}

// time writes RFC 3339 with whole milliseconds or seconds; other fractions are protojson's.
func (w *writer) time(name string, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	layout := "2006-01-02T15:04:05Z"
	if n := t.GetNanos(); n != 0 {
		layout = "2006-01-02T15:04:05.000Z"
		w.failed = w.failed || n%int32(time.Millisecond) != 0
	}
	w.failed = w.failed || t.CheckValid() != nil
	w.name(name)
	w.b = append(w.b, '"')
	w.b = t.AsTime().AppendFormat(w.b, layout)
	w.b = append(w.b, '"')
}
