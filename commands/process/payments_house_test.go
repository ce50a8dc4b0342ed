package process_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lodge/commands/audit"
	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

const roomCount = 40

func euros(units int64) domain.Money { return domain.Money{Currency: "EUR", MinorUnits: units} }

func july(day int) domain.Date { return domain.DateOf(2026, 7, day) }

// build makes hotel grand: doubles for July at 100 euros a night, and a rate plan under which canceling costs a night from two days before arrival on, and not coming half.
func (w *world) build() {
	w.t.Helper()
	rooms, rate := int32(roomCount), euros(100_00)
	w.do(
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &rate},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: july(1), End: july(31)},
		&hotel.CreateRatePlan{Hotel: "grand", RatePlan: "strict", Terms: hotel.PlanTerms{DisplayName: "Strict", Cancellation: &eventpb.CancellationTerms{
			FreeDays: 2, FreeUntilHour: 12,
			Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
			NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 50_000},
		}}},
		&hotel.SetRates{Hotel: "grand", RatePlan: "strict", RoomType: "double", Start: july(1), End: july(31), NightlyRate: &rate},
	)
}

// place reserves a double for the nights of July 10 to 12: 300 euros.
func place(n int, plan string) *hotel.PlaceReservation {
	return &hotel.PlaceReservation{
		Hotel: "grand", ReservationID: reservationID(n), RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: july(10), CheckOut: july(13)}, RatePlan: plan,
	}
}

func pay(n, p int, method string) *hotel.RequestPayment {
	return &hotel.RequestPayment{Hotel: "grand", ReservationID: reservationID(n), PaymentID: paymentID(p), Provider: payment.SimulatorName, PaymentMethod: method}
}

func cancel(n int) *hotel.CancelReservation {
	return &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(n)}
}

func quantity(n int, rooms int32) *hotel.ModifyReservation {
	return &hotel.ModifyReservation{Hotel: "grand", ReservationID: reservationID(n), Quantity: &rooms}
}

func nights(n, until int) *hotel.ModifyReservation {
	return &hotel.ModifyReservation{Hotel: "grand", ReservationID: reservationID(n), CheckOut: new(july(until))}
}

// life is what the log says of one reservation, folded without the deciders.
type life struct {
	status   string
	rooms    int32 // that it holds
	total    int64
	due      int64 // still to be paid
	granted  int64
	outside  int64 // settled outside the platform
	kept     int64 // of one that ended
	captured int64
	returned int64
	open     int // payments and refunds without an outcome
}

// net is the money of the guest's that the house has.
func (l *life) net() int64 { return l.captured - l.returned }

// lives folds topics bookings and payments.
func (w *world) lives() map[string]*life {
	w.t.Helper()
	all := map[string]*life{}
	for _, topic := range []log.Topic{event.BookingsTopic, event.PaymentsTopic} {
		for _, e := range w.events(topic) {
			m, ok := e.Message.(interface{ GetReservationId() string })
			if !ok {
				continue
			}
			l := all[m.GetReservationId()]
			if l == nil {
				l = &life{}
				all[m.GetReservationId()] = l
			}
			l.book(e)
			l.account(e)
		}
	}
	return all
}

func (w *world) events(topic log.Topic) (all []*event.Envelope) {
	w.t.Helper()
	for _, r := range w.records(topic, 0) {
		e, err := event.Decode(r.Value, r.HeaderValue)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (l *life) end(status string, s *eventpb.Settlement) {
	l.status, l.rooms, l.due, l.granted = status, 0, 0, 0
	l.kept = s.GetFeeMinorUnits()
}

// book applies what the hotel did.
func (l *life) book(e *event.Envelope) {
	switch m := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		l.status, l.rooms, l.total = "PENDING", m.GetStay().GetQuantity(), m.GetTotalMinorUnits()
	case *eventpb.ReservationPaid:
		l.status = "PAID"
		if m.GetPaymentId() == "" {
			l.outside = l.total
			return
		}
		l.due = max(0, l.total-m.GetAmount().GetMinorUnits())
	case *eventpb.ReservationBalancePaid:
		l.due -= m.GetAmount().GetMinorUnits()
		if m.GetPaymentId() == "" {
			l.outside += m.GetAmount().GetMinorUnits()
		}
	case *eventpb.ReservationModified:
		l.rooms, l.total = m.GetStay().GetQuantity(), m.GetTotalMinorUnits()
		if l.status == "PAID" {
			l.due = m.GetBalanceMinorUnits()
		}
	case *eventpb.RefundGranted:
		l.granted += m.GetAmount().GetMinorUnits()
		l.kept -= min(l.kept, m.GetAmount().GetMinorUnits())
	case *eventpb.ReservationCanceled:
		l.end("CANCELED", m.GetSettlement())
	case *eventpb.ReservationNoShow:
		l.end("CANCELED", m.GetSettlement())
	case *eventpb.GuestWalked:
		l.end("CANCELED", m.GetSettlement())
	case *eventpb.ReservationDeclined:
		l.end("REJECTED", nil)
	case *eventpb.ReservationRefunded:
		l.status = "REFUNDED"
	}
}

// account applies what was done with money.
func (l *life) account(e *event.Envelope) {
	switch m := e.Message.(type) {
	case *eventpb.PaymentRequested, *eventpb.RefundRequested:
		l.open++
	case *eventpb.PaymentCaptured:
		l.captured += m.GetAmount().GetMinorUnits()
		l.open--
	case *eventpb.PaymentDeclined, *eventpb.RefundFailed:
		l.open--
	case *eventpb.RefundSucceeded:
		l.returned += m.GetAmount().GetMinorUnits()
		if m.GetMethod() == 0 { // otherwise it had failed
			l.open--
		}
	}
}

// check demands what must be true whatever happened: the log is sound, the simulator's ledger is what topic payments says, nobody paid twice, no money is kept for rooms that
// were not given, and no room is lost.
func (w *world) check() {
	w.t.Helper()
	report, err := audit.Run(w.t.Context(), w.lg, audit.Options{Partitions: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	if !report.OK() {
		w.t.Errorf("the audit finds %+v", report.Violations)
	}
	w.checkLedger()
	var held int32
	for id, l := range w.lives() {
		held += l.rooms
		if got, want := l.net(), l.wants(); got != want && !w.refused(id) {
			w.t.Errorf("reservation %s is %s and the house has %d of it, not %d: %+v\n%s", id, l.status, got, want, l, w.story(id))
		}
		if l.open != 0 {
			w.t.Errorf("reservation %s has %d payments and refunds without an outcome\n%s", id, l.open, w.story(id))
		}
	}
	w.checkRooms(held)
}

// story is what happened to a reservation, for people.
func (w *world) story(id string) string {
	w.t.Helper()
	var b strings.Builder
	for _, topic := range []log.Topic{event.BookingsTopic, event.PaymentsTopic} {
		for _, e := range w.events(topic) {
			if m, ok := e.Message.(interface{ GetReservationId() string }); ok && m.GetReservationId() == id {
				fmt.Fprintf(&b, "%s %s %v\n", e.Time.Format(time.DateTime), e.Type, e.Message)
			}
		}
	}
	return b.String()
}

// wants is the money that the house should have.
func (l *life) wants() int64 {
	if l.status == "PAID" {
		return max(0, l.total-l.due-l.granted-l.outside)
	}
	return l.kept
}

// refused reports whether the provider refused a refund of a reservation, which is for people.
func (w *world) refused(id string) bool {
	return slices.ContainsFunc(w.letters, func(l letter) bool {
		m, ok := l.event.Message.(*eventpb.RefundFailed)
		return ok && m.GetReservationId() == id
	})
}

// checkLedger compares the simulator's ledger with topic payments, both ways.
func (w *world) checkLedger() {
	w.t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, e := range w.events(event.PaymentsTopic) {
		switch m := e.Message.(type) {
		case *eventpb.PaymentCaptured:
			want[fmt.Sprintf("%s captured %d as %s", m.GetPaymentId(), m.GetAmount().GetMinorUnits(), m.GetProviderReference())]++
		case *eventpb.RefundSucceeded:
			if m.GetMethod() != 0 {
				continue // the hotel's money, not the provider's
			}
			want[fmt.Sprintf("%s refunded %d of %s as %s", m.GetRefundId(), m.GetAmount().GetMinorUnits(), m.GetPaymentId(), m.GetProviderReference())]++
		}
	}
	err := w.sim.Entries(w.t.Context(), func(e *payment.Entry) error {
		switch {
		case e.Status != payment.Succeeded:
		case e.Kind == payment.ChargeEntry:
			got[fmt.Sprintf("%s captured %d as sim_ch_%s", e.Key, e.Amount.MinorUnits, e.Key)]++
		default:
			got[fmt.Sprintf("%s refunded %d of %s as sim_re_%s", e.Key, e.Amount.MinorUnits, e.PaymentID, e.Key)]++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.sim.Reconcile(w.t.Context(), w.lg, 1)
	if err != nil || r.OK() != maps.Equal(want, got) || r.OK() && r.Captured+r.Returned != int64(len(got)) {
		w.t.Errorf("Reconcile: %+v, %v", r, err)
	}
	if !maps.Equal(want, got) {
		w.t.Errorf("topic payments says\n%s\nthe ledger says\n%s", list(want), list(got))
	}
}

func list(counts map[string]int) string {
	var lines []string
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%d × %s", n, line))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// checkRooms sells what must be left of a night that all stays have, and not one more.
func (w *world) checkRooms(held int32) {
	w.t.Helper()
	if left := roomCount - held; left > 0 {
		rest := place(9_000, "")
		rest.Quantity, rest.Stay = left, domain.Stay{CheckIn: july(11), CheckOut: july(12)}
		w.do(rest)
		if got := w.lives()[rest.ReservationID]; got.status != "PENDING" {
			w.t.Errorf("%d rooms are held and the other %d cannot be had", held, left)
		}
	}
	more := place(9_001, "")
	more.Stay = domain.Stay{CheckIn: july(11), CheckOut: july(12)}
	w.do(more)
	if got := w.lives()[more.ReservationID]; got.status != "" {
		w.t.Errorf("%d rooms are held, and one too many was sold", held)
	}
}

// moved is how many events and ledger entries there are.
func (w *world) moved() string {
	w.t.Helper()
	entries := 0
	if err := w.sim.Entries(w.t.Context(), func(*payment.Entry) error { entries++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%d bookings, %d payments, %d entries", len(w.records(event.BookingsTopic, 0)), len(w.records(event.PaymentsTopic, 0)), entries)
}
