package payments

import (
	"encoding/binary"
	"fmt"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// kind is an event's type as the history stores it. The numbers never change.
type kind int64

const (
	kindRequested       kind = 1
	kindCaptured        kind = 2
	kindDeclined        kind = 3
	kindFailed          kind = 4
	kindRefundRequested kind = 5
	kindRefundSucceeded kind = 6
	kindRefundFailed    kind = 7

	// Given back by the hotel itself, in one of the ways; elsewhere plus an eventpb.RefundMethod.
	elsewhere        kind = 7
	kindRefundCash   kind = 8
	kindRefundBank   kind = 9
	kindRefundAnyhow kind = 10
)

// types are the current types of the kinds.
var types = map[kind]string{
	kindRequested:       event.TypeOf(&eventpb.PaymentRequested{}),
	kindCaptured:        event.TypeOf(&eventpb.PaymentCaptured{}),
	kindDeclined:        event.TypeOf(&eventpb.PaymentDeclined{}),
	kindFailed:          event.TypeOf(&eventpb.PaymentFailed{}),
	kindRefundRequested: event.TypeOf(&eventpb.RefundRequested{}),
	kindRefundSucceeded: event.TypeOf(&eventpb.RefundSucceeded{}),
	kindRefundFailed:    event.TypeOf(&eventpb.RefundFailed{}),
	kindRefundCash:      event.TypeOf(&eventpb.RefundSucceeded{}),
	kindRefundBank:      event.TypeOf(&eventpb.RefundSucceeded{}),
	kindRefundAnyhow:    event.TypeOf(&eventpb.RefundSucceeded{}),
}

// entry is one event as the history keeps it. What the texts and the amount are depends on the kind.
type entry struct {
	kind   kind
	offset log.Offset
	time   time.Time
	refund string
	amount domain.Money
	texts  [2]string
}

// entryOf returns what the history keeps of an event, but for place and time.
func entryOf(m any) (entry, bool) {
	switch m := m.(type) {
	case *eventpb.PaymentRequested:
		return entry{kind: kindRequested, amount: moneyOf(m.GetAmount()), texts: [2]string{m.GetProvider(), m.GetPaymentMethod()}}, true
	case *eventpb.PaymentCaptured:
		return entry{kind: kindCaptured, amount: moneyOf(m.GetAmount()), texts: [2]string{m.GetProviderReference()}}, true
	case *eventpb.PaymentDeclined:
		return entry{kind: kindDeclined, texts: [2]string{m.GetProviderReference(), m.GetDeclineCode()}}, true
	case *eventpb.PaymentFailed:
		return entry{kind: kindFailed, texts: [2]string{m.GetCause()}}, true
	case *eventpb.RefundRequested:
		return entry{kind: kindRefundRequested, refund: m.GetRefundId(), amount: moneyOf(m.GetAmount())}, true
	case *eventpb.RefundSucceeded:
		if method := m.GetMethod(); method != 0 {
			return entry{kind: elsewhere + kind(method), refund: m.GetRefundId(), amount: moneyOf(m.GetAmount()), texts: [2]string{m.GetReference(), projections.TextOf(m.GetNote(), m.GetWords())}}, true
		}
		return entry{kind: kindRefundSucceeded, refund: m.GetRefundId(), amount: moneyOf(m.GetAmount()), texts: [2]string{m.GetProviderReference()}}, true
	case *eventpb.RefundFailed:
		return entry{kind: kindRefundFailed, refund: m.GetRefundId(), amount: moneyOf(m.GetAmount()), texts: [2]string{m.GetCause()}}, true
	}
	return entry{}, false
}

func moneyOf(m *eventpb.Money) domain.Money {
	return domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetMinorUnits()}
}

// timeBytes is the length of an entry's time: nanoseconds since 1970 are too large to be short as a varint.
const timeBytes = 8

func appendEntry(b []byte, e *projections.Event) ([]byte, error) {
	x, ok := entryOf(e.Envelope.Message)
	if !ok {
		return b, fmt.Errorf("%s is not known here", e.Envelope.Type)
	}
	b = packed.AppendInt(b, int64(x.kind))
	b = packed.AppendInt(b, int64(e.Position.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Envelope.Time.UnixNano()))
	b = packed.AppendID(b, x.refund)
	b = packed.AppendText(b, x.amount.Currency)
	b = packed.AppendInt(b, x.amount.MinorUnits)
	return packed.AppendText(packed.AppendText(b, x.texts[0]), x.texts[1]), nil
}

// readHistory calls each for every entry, oldest first.
func readHistory(b []byte, each func(*entry)) error {
	p := packed.NewReader(b)
	for p.More() {
		e := entry{kind: kind(p.Int()), offset: log.Offset(p.Int())}
		at := p.Bytes(timeBytes)
		e.refund, e.amount = p.ID(), domain.Money{Currency: p.Text(), MinorUnits: p.Int()}
		e.texts = [2]string{p.Text(), p.Text()}
		if p.Err() != nil {
			break
		}
		e.time = time.Unix(0, int64(binary.BigEndian.Uint64(at))).UTC()
		each(&e)
	}
	return p.Err()
}

// take makes the payment what it is after an entry. A request begins it anew when there was one with its id that the engine had forgotten.
func (p *Payment) take(e *entry) {
	if e.kind == kindRequested {
		*p = Payment{HotelID: p.HotelID, ReservationID: p.ReservationID, PaymentID: p.PaymentID,
			Amount: e.amount, Provider: e.texts[0], PaymentMethod: e.texts[1], CreateTime: e.time, Created: e.offset}
	}
	p.UpdateTime, p.Updated = e.time, e.offset
	switch e.kind {
	case kindRequested:
		p.Outcome = hotel.PaymentOpen
	case kindCaptured:
		p.Outcome, p.Captured, p.ProviderReference = hotel.PaymentCaptured, e.amount.MinorUnits, e.texts[0]
	case kindDeclined:
		p.Outcome, p.ProviderReference, p.DeclineCode = hotel.PaymentDeclined, e.texts[0], e.texts[1]
	case kindFailed:
		p.Outcome, p.Cause = hotel.PaymentUnknown, e.texts[0]
	default:
		p.takeRefund(e)
	}
}

func (p *Payment) takeRefund(e *entry) {
	r := p.refund(e.refund)
	r.UpdateTime = e.time
	switch e.kind {
	case kindRefundRequested:
		r.State, r.Amount, r.CreateTime = RefundRequested, e.amount, e.time
	case kindRefundSucceeded:
		r.State, r.ProviderReference = RefundSucceeded, e.texts[0]
	case kindRefundFailed:
		r.State, r.Cause = RefundFailed, e.texts[0]
	case kindRefundCash, kindRefundBank, kindRefundAnyhow:
		r.State, r.Method, r.Reference = RefundSucceeded, eventpb.RefundMethod(e.kind-elsewhere), e.texts[0]
		r.Note, r.Words = projections.ReadText(e.texts[1])
	}
}
