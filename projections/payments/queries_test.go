package payments_test

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
)

// model is what the read model should say, made the obvious way: event by event, in memory.
type model struct {
	payments     map[string]*payments.Payment
	reservations map[string][]string // ids of the payments, in order
	history      map[string][]payments.Entry
	sums         map[string]*payments.Sums
	seen         map[string]bool // types
}

func modelOf(l *projectiontest.Log, events []*event.Envelope) *model {
	m := &model{map[string]*payments.Payment{}, map[string][]string{}, map[string][]payments.Entry{}, map[string]*payments.Sums{}, map[string]bool{}}
	for _, e := range events {
		pos := l.Append(e)
		x, ok := e.Message.(interface {
			GetHotelId() string
			GetReservationId() string
			GetPaymentId() string
		})
		if !ok || pos.Topic != event.PaymentsTopic {
			continue
		}
		m.seen[e.Type] = true
		id, reservation := x.GetPaymentId(), x.GetReservationId()
		if m.payments[id] == nil {
			m.payments[id] = &payments.Payment{HotelID: x.GetHotelId(), ReservationID: reservation, PaymentID: id, CreateTime: e.Time, Created: pos.Offset}
			m.reservations[reservation] = append(m.reservations[reservation], id)
		}
		if m.sums[reservation] == nil {
			m.sums[reservation] = &payments.Sums{Currency: "EUR"}
		}
		m.apply(m.payments[id], m.sums[reservation], e)
		m.payments[id].UpdateTime, m.payments[id].Updated = e.Time, pos.Offset
		m.history[reservation] = append(m.history[reservation], payments.Entry{Position: pos, Type: e.Type, Time: e.Time, PaymentID: id})
	}
	return m
}

func (m *model) apply(p *payments.Payment, sums *payments.Sums, e *event.Envelope) {
	switch x := e.Message.(type) {
	case *eventpb.PaymentRequested:
		p.Amount, p.Provider, p.PaymentMethod = money(x.GetAmount()), x.GetProvider(), x.GetPaymentMethod()
	case *eventpb.PaymentCaptured:
		p.Outcome, p.Captured, p.ProviderReference = hotel.PaymentCaptured, x.GetAmount().GetMinorUnits(), x.GetProviderReference()
		sums.Captured += x.GetAmount().GetMinorUnits()
	case *eventpb.PaymentDeclined:
		p.Outcome, p.DeclineCode, p.ProviderReference = hotel.PaymentDeclined, x.GetDeclineCode(), x.GetProviderReference()
	case *eventpb.PaymentFailed:
		p.Outcome, p.Cause = hotel.PaymentUnknown, x.GetCause()
	case *eventpb.RefundRequested:
		p.Refunds = append(p.Refunds, payments.Refund{RefundID: x.GetRefundId(), Amount: money(x.GetAmount()), State: payments.RefundRequested,
			CreateTime: e.Time, UpdateTime: e.Time})
		sums.RefundRequested += x.GetAmount().GetMinorUnits()
	case *eventpb.RefundSucceeded:
		r := refund(p, x.GetRefundId())
		if r.State == payments.RefundFailed { // the hotel gives it back itself
			sums.RefundRequested += x.GetAmount().GetMinorUnits()
		}
		r.State, r.ProviderReference, r.UpdateTime = payments.RefundSucceeded, x.GetProviderReference(), e.Time
		r.Method, r.Reference, r.Note = x.GetMethod(), x.GetReference(), x.GetNote()
		r.Words = projections.Words{Key: x.GetWords().GetKey(), Sealed: string(x.GetWords().GetSealed())}
		sums.Refunded += x.GetAmount().GetMinorUnits()
	case *eventpb.RefundFailed:
		r := refund(p, x.GetRefundId())
		r.State, r.Cause, r.UpdateTime = payments.RefundFailed, x.GetCause(), e.Time
		sums.RefundRequested -= x.GetAmount().GetMinorUnits()
	}
}

func refund(p *payments.Payment, id string) *payments.Refund {
	return &p.Refunds[slices.IndexFunc(p.Refunds, func(r payments.Refund) bool { return r.RefundID == id })]
}

func money(m *eventpb.Money) domain.Money {
	return domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetMinorUnits()}
}

func TestQueries(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 6)
	var types []string
	for _, kind := range event.Kinds() {
		if kind.Topic == event.PaymentsTopic {
			types = append(types, kind.Type)
		}
	}
	m := modelOf(l, append(h.Hotels(5), h.NextWith(3000, types)...))
	b := projectiontest.NewBench(t, l, func() projections.Projector { return payments.New() })
	b.Start()
	defer b.Close()
	q := payments.NewQueries(b.Store)
	for id, want := range m.payments {
		got, err := q.Get(t.Context(), want.HotelID, want.ReservationID, id)
		if err != nil || !reflect.DeepEqual(&got, want) {
			t.Fatalf("got  %+v, error %v\nwant %+v", got, err, *want)
		}
		if found, err := q.Find(t.Context(), id); err != nil || !reflect.DeepEqual(found, got) {
			t.Fatalf("found by id %+v, error %v\nwant %+v", found, err, got)
		}
	}
	for reservation, ids := range m.reservations {
		m.checkReservation(t, q, reservation, ids)
	}
	for _, name := range types {
		if !m.seen[name] {
			t.Errorf("no payment's history has %s", name)
		}
	}
}

// checkReservation compares a folio, its sums and its history, by pages of several sizes.
func (m *model) checkReservation(t *testing.T, q *payments.Queries, reservation string, ids []string) {
	t.Helper()
	hotelID := m.payments[ids[0]].HotelID
	folio, err := q.OfReservation(t.Context(), hotelID, reservation)
	if err != nil || len(folio) != len(ids) {
		t.Fatalf("%s: %d payments, want %d, error %v", reservation, len(folio), len(ids), err)
	}
	for i := range folio {
		if !reflect.DeepEqual(&folio[i], m.payments[ids[i]]) {
			t.Errorf("payment %d: %+v, want %+v", i, folio[i], m.payments[ids[i]])
		}
	}
	sums := payments.SumsOf(folio)
	if sums != *m.sums[reservation] || sums.Held() != sums.Captured-sums.Refunded {
		t.Errorf("%s: %+v, want %+v", reservation, sums, *m.sums[reservation])
	}
	for _, limit := range []int{0, 1, 3} {
		var got []payments.Entry
		for from, more := log.Offset(0), true; more; from = got[len(got)-1].Position.Offset + 1 {
			var found []payments.Entry
			if found, more, err = q.History(t.Context(), hotelID, reservation, from, limit); err != nil || len(found) == 0 || limit > 0 && len(found) > limit {
				t.Fatalf("%s by %d: %d entries, error %v", reservation, limit, len(found), err)
			}
			got = append(got, found...)
		}
		want := slices.SortedFunc(slices.Values(m.history[reservation]), func(a, b payments.Entry) int { return cmp.Compare(a.Position.Offset, b.Position.Offset) })
		if !slices.Equal(got, want) {
			t.Errorf("%s by %d: %v\nwant %v", reservation, limit, got, want)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(1, 3)
	l.Append(h.Hotels(5)...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return payments.New() })
	b.Start()
	defer b.Close()
	if err := b.Store.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := payments.NewQueries(b.Store)
	if _, err := q.Get(t.Context(), projectiontest.HotelID(0), "nobody", "nothing"); !errors.Is(err, domain.PaymentNotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := q.Find(t.Context(), "nothing"); !errors.Is(err, domain.PaymentNotFound) {
		t.Errorf("find: %v", err)
	}
	folio, err := q.OfReservation(t.Context(), projectiontest.HotelID(0), "nobody")
	if len(folio) > 0 || err != nil || payments.SumsOf(folio) != (payments.Sums{}) {
		t.Errorf("folio %v, error %v", folio, err)
	}
	if found, more, err := q.History(t.Context(), projectiontest.HotelID(0), "nobody", 0, 10); len(found) > 0 || more || err != nil {
		t.Errorf("history %v, error %v", found, err)
	}
}

// TestARequestBeginsAnew: an id that the engine had forgotten is that of another payment.
func TestARequestBeginsAnew(t *testing.T) {
	l, h := projectiontest.NewLog(1), projectiontest.NewHistory(1, 1)
	l.Append(h.Hotels(5)...)
	ids := struct{ hotel, reservation, payment string }{projectiontest.HotelID(0), "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"}
	request := func(amount int64) *eventpb.PaymentRequested {
		return &eventpb.PaymentRequested{HotelId: ids.hotel, ReservationId: ids.reservation, PaymentId: ids.payment,
			Amount: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: amount}}
	}
	l.Append(h.Envelope(request(100)), h.Envelope(&eventpb.PaymentCaptured{HotelId: ids.hotel, ReservationId: ids.reservation, PaymentId: ids.payment,
		Amount: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 100}, ProviderReference: "first"}), h.Envelope(request(250)))
	b := projectiontest.NewBench(t, l, func() projections.Projector { return payments.New() })
	b.Start()
	defer b.Close()
	got, err := payments.NewQueries(b.Store).Find(t.Context(), ids.payment)
	if err != nil || got.Amount.MinorUnits != 250 || got.Outcome != hotel.PaymentOpen || got.Captured != 0 || got.ProviderReference != "" || got.Created != 2 {
		t.Errorf("%+v, error %v", got, err)
	}
}
