package projections_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// house is a hotel that is given commands at random: the write side, and the events that it decided.
type house struct {
	t      *testing.T
	rng    *rand.Rand
	state  *hotel.State
	now    time.Time
	zone   *time.Location // of the hotel
	events []*event.Envelope

	ids      []string // of reservations
	rejected []string // of those that were
	payments map[string][]string
	refunds  map[string][][2]string // payment and refund
	amounts  map[string]int64       // of payments
}

const houseID = "grand"

// TestReadModelsAgreeWithTheDeciders: whatever the deciders decide, the read models say what the decider's state does: rooms sold and held, statuses, what is still
// to be paid and what is owed back.
func TestReadModelsAgreeWithTheDeciders(t *testing.T) {
	seed := projectiontest.Seed(t)
	h := newHouse(t, rand.NewPCG(seed, 9))
	for range 9000 {
		h.command()
	}
	l := projectiontest.NewLog(1)
	l.Append(h.events...)
	s, err := projections.Open(t.TempDir(), l, all(), projections.Options{Partitions: 1, Logger: projectiontest.Quiet(), BulkEvents: 100, WaitMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, s)()
	catchUp(t, s, l)
	h.agreeOnNights(availability.NewQueries(s))
	h.agreeOnReservations(reservations.NewQueries(s), payments.NewQueries(s))
}

// newHouse returns one that is open.
func newHouse(t *testing.T, source rand.Source) *house {
	zone, err := domain.LoadTimeZone("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, rng: rand.New(source), state: hotel.New(), now: time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC), zone: zone,
		payments: map[string][]string{}, refunds: map[string][][2]string{}, amounts: map[string]int64{}}
	h.open()
	return h
}

// do gives a command that cannot be refused.
func (h *house) do(c hotel.Command) {
	h.t.Helper()
	if !h.give(c) {
		_, err := hotel.Decide(h.state, c, hotel.At{Now: h.now})
		h.t.Fatalf("%T %+v at %s did nothing, error %v", c, c, h.now, err)
	}
}

// give has a command decided, and reports whether it led to events.
func (h *house) give(c hotel.Command) bool {
	h.t.Helper()
	messages, err := hotel.Decide(h.state, c, hotel.At{Now: h.now})
	if err != nil && domain.ReasonOf(err) == "" {
		h.t.Fatal(err)
	}
	for _, m := range messages {
		if err := h.state.Evolve(m); err != nil {
			h.t.Fatal(err)
		}
		h.events = append(h.events, &event.Envelope{ID: h.uuid(), Type: event.TypeOf(m), Source: "test", Time: h.now, HotelID: houseID, Message: m})
		switch m := m.(type) {
		case *eventpb.ReservationPlaced:
			h.ids = append(h.ids, m.GetReservationId())
		case *eventpb.ReservationRejected:
			h.rejected = append(h.rejected, m.GetReservationId())
		case *eventpb.PaymentRequested:
			h.payments[m.GetReservationId()] = append(h.payments[m.GetReservationId()], m.GetPaymentId())
			h.amounts[m.GetPaymentId()] = m.GetAmount().GetMinorUnits()
		case *eventpb.RefundRequested:
			h.refunds[m.GetReservationId()] = append(h.refunds[m.GetReservationId()], [2]string{m.GetPaymentId(), m.GetRefundId()})
		}
	}
	return len(messages) > 0
}

func (h *house) uuid() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], h.rng.Uint64())
	binary.BigEndian.PutUint64(id[8:], h.rng.Uint64())
	return id.String()
}

// open makes a hotel with two room types, rooms and prices.
func (h *house) open() {
	h.give(&hotel.CreateHotel{Hotel: houseID, DisplayName: "Grand", TimeZone: h.zone.String(), CurrencyCode: "EUR"})
	count := int32(8)
	for i, roomType := range []string{"double", "suite"} {
		h.give(&hotel.CreateRoomType{Hotel: houseID, RoomType: roomType, DisplayName: roomType, BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 10_000}})
		h.give(&hotel.SetInventory{Hotel: houseID, RoomType: roomType, Start: h.today(), End: h.today().AddDays(60), PhysicalCount: &count})
		for n := range 8 {
			h.give(&hotel.CreateRoom{Hotel: houseID, Room: string(rune('a'+i)) + string(rune('0'+n)), RoomType: roomType, DisplayName: "Room"})
		}
	}
	h.give(&hotel.CreateRatePlan{Hotel: houseID, RatePlan: "flexible", Terms: hotel.PlanTerms{DisplayName: "Flexible",
		Cancellation: &eventpb.CancellationTerms{FreeDays: 2, FreeUntilHour: 18,
			Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
			NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 80_000}}}})
	for _, roomType := range []string{"double", "suite"} {
		h.give(&hotel.SetRates{Hotel: houseID, RatePlan: "flexible", RoomType: roomType, Start: h.today(), End: h.today().AddDays(60),
			NightlyRate: &domain.Money{Currency: "EUR", MinorUnits: 9_000}})
	}
}

// today is a date at the house, where it is tomorrow already in the last hour of UTC.
func (h *house) today() domain.Date {
	there := h.now.In(h.zone)
	return domain.DateOf(there.Year(), there.Month(), there.Day())
}

func (h *house) stay() domain.Stay {
	in := h.today().AddDays(h.rng.IntN(6))
	return domain.Stay{CheckIn: in, CheckOut: in.AddDays(1 + h.rng.IntN(4))}
}

// command gives one command at random; many are refused.
func (h *house) command() {
	h.now = h.now.Add(time.Duration(h.rng.IntN(8)) * time.Minute)
	if len(h.ids) == 0 || h.rng.IntN(5) == 0 {
		plan := []string{"", "flexible"}[h.rng.IntN(2)]
		h.give(&hotel.PlaceReservation{Hotel: houseID, ReservationID: h.uuid(), RoomType: []string{"double", "suite"}[h.rng.IntN(2)],
			Quantity: int32(1 + h.rng.IntN(2)), Stay: h.stay(), RatePlan: plan, NoHoldExpiry: h.rng.IntN(3) > 0})
		return
	}
	id := h.ids[max(0, len(h.ids)-1-h.rng.IntN(25))]
	switch h.rng.IntN(24) {
	case 0:
		h.give(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id})
	case 1:
		if h.state.Status(id) == eventpb.ReservationStatus_RESERVATION_STATUS_PAID || h.rng.IntN(3) == 0 {
			h.give(&hotel.CancelReservation{Hotel: houseID, ReservationID: id, Waive: h.rng.IntN(4) == 0})
		}
	case 2:
		h.give(&hotel.MarkNoShow{Hotel: houseID, ReservationID: id})
	case 3:
		h.give(&hotel.ExpireHolds{Hotel: houseID})
	case 4, 5:
		stay := h.stay()
		h.give(&hotel.ModifyReservation{Hotel: houseID, ReservationID: id, CheckIn: &stay.CheckIn, CheckOut: &stay.CheckOut})
	case 6:
		h.give(&hotel.GrantRefund{Hotel: houseID, ReservationID: id, Amount: domain.Money{Currency: "EUR", MinorUnits: 1 + h.rng.Int64N(5_000)}})
	case 7:
		if h.give(&hotel.CheckIn{Hotel: houseID, ReservationID: id, SettledAtHotel: h.rng.IntN(2) == 0}) {
			h.give(&hotel.MoveGuest{Hotel: houseID, ReservationID: id})
		}
	case 8:
		h.give(&hotel.CheckOut{Hotel: houseID, ReservationID: id})
	case 9:
		h.give(&hotel.Walk{Hotel: houseID, ReservationID: id})
	case 10:
		if n := len(h.rejected); n > 0 {
			h.give(&hotel.ForgetGuest{Hotel: houseID, ReservationID: h.rejected[n-1]})
		}
	case 11:
		h.give(&hotel.ForgetGuest{Hotel: houseID, ReservationID: id, Force: h.rng.IntN(4) == 0})
	case 12:
		h.give(&hotel.ModifyReservation{Hotel: houseID, ReservationID: id, Guest: &hotel.Guest{DisplayName: "Ada"}})
	case 13:
		h.give(&hotel.JoinWaitingList{Hotel: houseID, EntryID: h.uuid(), RoomType: "suite", Quantity: 1, Stay: h.stay()})
		h.give(&hotel.OfferRooms{Hotel: houseID})
	default:
		h.pay(id)
	}
}

// pay gives a command about money.
func (h *house) pay(id string) {
	switch h.rng.IntN(7) {
	case 0, 1:
		h.give(&hotel.RequestPayment{Hotel: houseID, ReservationID: id, PaymentID: h.uuid(), Provider: "simulator", PaymentMethod: "card-ok"})
	case 2, 3:
		for _, payment := range h.payments[id] {
			outcome := []hotel.PaymentOutcome{hotel.PaymentCaptured, hotel.PaymentCaptured, hotel.PaymentDeclined, hotel.PaymentUnknown}[h.rng.IntN(4)]
			amount := domain.Money{Currency: "EUR", MinorUnits: h.amounts[payment]}
			h.give(&hotel.RecordPayment{Hotel: houseID, ReservationID: id, PaymentID: payment, Outcome: outcome, Amount: amount, Cause: "why"})
			if h.rng.IntN(3) > 0 {
				h.give(&hotel.ConfirmReservation{Hotel: houseID, ReservationID: id, PaymentID: payment, Amount: amount})
			}
			h.give(&hotel.DeclineReservation{Hotel: houseID, ReservationID: id, PaymentID: payment})
		}
	case 4, 5:
		if h.give(&hotel.SettleRefunds{Hotel: houseID, ReservationID: id, RefundID: h.uuid()}) && h.rng.IntN(2) == 0 {
			return
		}
		for _, refund := range h.refunds[id] {
			h.give(&hotel.RecordRefund{Hotel: houseID, ReservationID: id, PaymentID: refund[0], RefundID: refund[1], Succeeded: h.rng.IntN(4) > 0})
		}
		h.give(&hotel.CompleteRefund{Hotel: houseID, ReservationID: id})
	default:
		h.give(&hotel.CompleteRefund{Hotel: houseID, ReservationID: id})
	}
}

func (h *house) agreeOnNights(q *availability.Queries) {
	h.t.Helper()
	first, taken := h.today(), 0
	all, err := q.Range(h.t.Context(), houseID, "", first, first.AddDays(40))
	if err != nil || len(all) != 2 {
		h.t.Fatalf("%d room types, error %v", len(all), err)
	}
	for _, nights := range all {
		for _, got := range nights.Nights {
			want := h.state.Night(nights.RoomTypeID, got.Date)
			if got.Sold != int(want.SoldCount) || got.Held != int(want.HeldCount) {
				h.t.Errorf("%s on %s: sold %d, held %d; want %d and %d", nights.RoomTypeID, got.Date, got.Sold, got.Held, want.SoldCount, want.HeldCount)
			}
			taken += got.Sold + got.Held
		}
	}
	if taken == 0 {
		h.t.Error("no night is taken: the test tests nothing")
	}
}

func (h *house) agreeOnReservations(q *reservations.Queries, pay *payments.Queries) {
	h.t.Helper()
	statuses, owing := map[eventpb.ReservationStatus]int{}, 0
	for _, id := range h.ids {
		r, err := q.Get(h.t.Context(), houseID, id)
		if err != nil {
			h.t.Fatal(err)
		}
		if want := h.state.Status(id); r.Status != want {
			h.t.Errorf("%s is %s, want %s", id, r.Status, want)
		}
		statuses[r.Status]++
		folio, err := pay.OfReservation(h.t.Context(), houseID, id)
		if err != nil {
			h.t.Fatal(err)
		}
		want := h.owed(id)
		if got := owed(&r, folio); got != want {
			h.t.Errorf("%s, which is %s: %d is owed, want %d; %+v, %+v", id, r.Status, got, want, r.Money, payments.SumsOf(folio))
		}
		if want > 0 {
			owing++
		}
	}
	if len(statuses) < 5 || owing == 0 {
		h.t.Errorf("statuses %v, %d to whom something is owed: the test tests nothing", statuses, owing)
	}
}

// owed returns what the deciders would ask to be given back now.
func (h *house) owed(id string) (units int64) {
	h.t.Helper()
	messages, err := hotel.Decide(h.state, &hotel.SettleRefunds{Hotel: houseID, ReservationID: id, RefundID: h.uuid()}, hotel.At{Now: h.now})
	if err != nil && domain.ReasonOf(err) == "" {
		h.t.Fatal(err)
	}
	for _, m := range messages {
		units += m.(*eventpb.RefundRequested).GetAmount().GetMinorUnits()
	}
	return units
}

// owed returns what the read models say is owed.
func owed(r *reservations.Reservation, folio []payments.Payment) int64 {
	sums, loose := payments.SumsOf(folio), int64(0)
	for i := range folio {
		if !slices.Contains(r.Money.PaymentIDs, folio[i].PaymentID) {
			one := payments.SumsOf(folio[i : i+1])
			loose += one.Captured - one.RefundRequested
		}
	}
	left := sums.Captured - sums.RefundRequested
	switch r.Status {
	case eventpb.ReservationStatus_RESERVATION_STATUS_PENDING:
		return 0
	case eventpb.ReservationStatus_RESERVATION_STATUS_PAID:
		return max(0, left-r.Money.Keeps()-min(r.Money.Balance, loose))
	}
	return max(0, left-max(0, r.Money.Settlement.GetFeeMinorUnits()-r.Money.GrantedAfter))
}
