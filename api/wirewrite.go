package api

import (
	"slices"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// wireWriter writes the protobuf form of a message by hand, in order of the fields' numbers as package proto does.
type wireWriter struct {
	b      []byte
	failed bool
}

// appendWireReservation appends a reservation that was just placed, or returns false when it has a field that those have not.
func appendWireReservation(dst []byte, r *lodgev1.Reservation) ([]byte, bool) {
	if !placedOnly(r) {
		return dst, false
	}
	w := &wireWriter{b: dst}
	w.text(1, r.GetName())
	w.text(2, r.GetRoomType())
	w.number(3, int64(r.GetQuantity()))
	w.date(4, r.GetCheckInDate())
	w.date(5, r.GetCheckOutDate())
	w.guest(6, r.GetGuest())
	w.number(7, int64(r.GetStatus()))
	for _, m := range r.GetNightlyAmounts() {
		w.money(9, m)
	}
	if r.GetTotal() != nil {
		w.money(10, r.GetTotal())
	}
	w.time(11, r.GetHoldExpireTime())
	w.text(12, r.GetChannel())
	w.text(13, r.GetExternalReference())
	w.time(14, r.GetCreateTime())
	w.time(15, r.GetUpdateTime())
	w.text(30, r.GetEtag())
	if w.failed {
		return dst, false
	}
	return w.b, true
}

// placedOnly reports whether a reservation has no field but those that one has when it was just placed.
func placedOnly(r *lodgev1.Reservation) bool {
	return r != nil && r.GetReason() == 0 && len(r.GetFullNights()) == 0 && len(r.GetBrokenRestrictions()) == 0 &&
		r.GetRatePlan() == "" && len(r.GetCharges()) == 0 && r.GetExtraGuestAmount() == nil && r.GetCancellation() == nil && r.GetNote() == "" &&
		r.GetStayStatus() == 0 && len(r.GetRooms()) == 0 && r.GetGroupId() == "" && r.GetWaitingListEntry() == "" && r.GetAmounts() == nil &&
		r.GetRelocatedTo() == "" && r.GetDeclineCode() == "" && len(r.ProtoReflect().GetUnknown()) == 0
}

func (w *wireWriter) text(field protowire.Number, value string) {
	if value == "" {
		return
	}
	w.failed = w.failed || !utf8.ValidString(value)
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = protowire.AppendString(w.b, value)
}

func (w *wireWriter) number(field protowire.Number, value int64) {
	if value != 0 {
		w.b = protowire.AppendTag(w.b, field, protowire.VarintType)
		w.b = protowire.AppendVarint(w.b, uint64(value))
	}
}

// begin begins a message within the message, and leaves one byte for its length.
func (w *wireWriter) begin(field protowire.Number) (start int) {
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = append(w.b, 0)
	return len(w.b)
}

// end writes the length of the message that began at start. Only a guest's may need more than one byte.
func (w *wireWriter) end(start int) {
	n := len(w.b) - start
	if more := protowire.SizeVarint(uint64(n)) - 1; more > 0 {
		w.b = slices.Insert(w.b, start, make([]byte, more)...)
	}
	protowire.AppendVarint(w.b[:start-1], uint64(n)) // in place: there is room for it
}

func (w *wireWriter) date(field protowire.Number, d *date.Date) {
	if d == nil {
		return
	}
	start := w.begin(field)
	w.number(1, int64(d.GetYear()))
	w.number(2, int64(d.GetMonth()))
	w.number(3, int64(d.GetDay()))
	w.end(start)
	w.failed = w.failed || len(d.ProtoReflect().GetUnknown()) > 0
}

func (w *wireWriter) guest(field protowire.Number, g *lodgev1.Guest) {
	if g == nil {
		return
	}
	start := w.begin(field)
	w.text(1, g.GetGuestId())
	w.text(2, g.GetDisplayName())
	w.text(3, g.GetEmail())
	w.number(4, int64(g.GetAdults()))
	w.number(5, int64(g.GetChildren()))
	w.number(6, int64(g.GetInfants()))
	w.end(start)
	w.failed = w.failed || g.GetForgotten() || len(g.ProtoReflect().GetUnknown()) > 0
}

func (w *wireWriter) money(field protowire.Number, m *money.Money) {
	start := w.begin(field)
	w.text(1, m.GetCurrencyCode())
	w.number(2, m.GetUnits())
	w.number(3, int64(m.GetNanos()))
	w.end(start)
	w.failed = w.failed || len(m.ProtoReflect().GetUnknown()) > 0
}

func (w *wireWriter) time(field protowire.Number, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	start := w.begin(field)
	w.number(1, t.GetSeconds())
	w.number(2, int64(t.GetNanos()))
	w.end(start)
	w.failed = w.failed || len(t.ProtoReflect().GetUnknown()) > 0
}
