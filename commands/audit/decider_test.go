package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// life of a hotel: the deciders, given commands at random, and the log of what they decided.
type hotelLife struct {
	*written
	rng      *rand.Rand
	state    *hotel.State
	now      time.Time
	ids      []string    // reservations
	payments [][2]string // payment by reservation
	refunds  [][3]string // refund by payment and reservation
	waiting  []string
	given    map[string]int // commands that led to events, by type
}

func (l *hotelLife) id() string { return uuid.Must(uuid.NewRandomFromReader(seeded{l.rng})).String() }

// seeded reads random bytes that a seed decides.
type seeded struct{ rng *rand.Rand }

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.rng.Uint32())
	}
	return len(p), nil
}

// give decides a command and writes what it led to. Refusals are a part of life.
func (l *hotelLife) give(c hotel.Command) []proto.Message {
	l.t.Helper()
	events, err := hotel.Decide(l.state, c, hotel.At{Now: l.now, InventoryOffset: int64(len(l.records[event.InventoryTopic]))})
	if err != nil && domain.ReasonOf(err) == "" {
		l.t.Fatalf("%T: %v", c, err)
	}
	if len(events) == 0 {
		return nil
	}
	l.crc++
	l.whole = append(l.whole, len(l.order))
	for i, m := range events {
		if err := l.state.Evolve(m); err != nil {
			l.t.Fatalf("%T: %v", c, err)
		}
		e := &event.Envelope{ID: fmt.Sprintf("%d-%d", l.crc, i), Source: "test", Time: l.now, Message: m}
		l.put(event.TopicOf(m), event.HotelOf(m), e)
		switch m := m.(type) {
		case *eventpb.ReservationPlaced:
			l.ids = append(l.ids, m.GetReservationId())
		case *eventpb.PaymentRequested:
			l.payments = append(l.payments, [2]string{m.GetPaymentId(), m.GetReservationId()})
		case *eventpb.RefundRequested:
			l.refunds = append(l.refunds, [3]string{m.GetRefundId(), m.GetPaymentId(), m.GetReservationId()})
		case *eventpb.WaitingListJoined:
			l.waiting = append(l.waiting, m.GetEntryId())
		}
	}
	l.given[fmt.Sprintf("%T", c)]++
	return events
}

func pick[T any](l *hotelLife, of []T) (one T) {
	if len(of) == 0 {
		return one
	}
	if l.rng.IntN(2) == 0 { // mostly what is new
		return of[len(of)-1-l.rng.IntN(min(len(of), 8))]
	}
	return of[l.rng.IntN(len(of))]
}

// begin makes a hotel with three room types, rate plans, taxes and rooms, open for forty nights.
func begin(t *testing.T, seed uint64) *hotelLife {
	l := &hotelLife{
		written: write(t), rng: rand.New(rand.NewPCG(seed, 1)), state: hotel.New(), now: time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC), given: map[string]int{},
	}
	l.give(&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR", Taxes: []hotel.Tax{
		{ID: "city", DisplayName: "City tax", Basis: eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT, Amount: 200},
	}})
	half := &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 50_000}
	for n, plan := range []string{"flexible", "saver"} {
		l.give(&hotel.CreateRatePlan{Hotel: "grand", RatePlan: plan, Terms: hotel.PlanTerms{
			DisplayName: plan, MinStay: int32(n), Cancellation: &eventpb.CancellationTerms{FreeDays: int32(2 - n), FreeUntilHour: 18, NeverFree: n == 1, Fee: half},
		}})
	}
	for n, roomType := range []string{"double", "suite", "twin"} {
		l.give(&hotel.CreateRoomType{Hotel: "grand", RoomType: roomType, DisplayName: roomType, BaseRate: &domain.Money{Currency: "EUR", MinorUnits: int64(5000 + 1000*n)}})
		for i := range 4 {
			l.give(&hotel.CreateRoom{Hotel: "grand", Room: fmt.Sprintf("%s-%d", roomType, i), RoomType: roomType, DisplayName: fmt.Sprint(i)})
		}
		l.give(l.inventory(roomType, 0, 60))
		for _, plan := range []string{"flexible", "saver"} {
			l.give(&hotel.SetRates{
				Hotel: "grand", RatePlan: plan, RoomType: roomType, Start: l.day(0), End: l.day(60), NightlyRate: &domain.Money{Currency: "EUR", MinorUnits: int64(6000 + 500*n)},
			})
		}
	}
	return l
}

func (l *hotelLife) day(ahead int) domain.Date { return domain.Today(l.now, time.UTC).AddDays(ahead) }

func (l *hotelLife) inventory(roomType string, from, to int) *hotel.SetInventory {
	physical, outOfOrder := int32(1+l.rng.IntN(4)), int32(l.rng.IntN(2))
	c := &hotel.SetInventory{Hotel: "grand", RoomType: roomType, Start: l.day(from), End: l.day(to), PhysicalCount: &physical, OutOfOrderCount: &outOfOrder}
	if percent := int32(50 * l.rng.IntN(3)); percent > 0 {
		c.OverbookingPercent = &percent
	}
	return c
}

func (l *hotelLife) roomType() string { return pick(l, []string{"double", "suite", "twin"}) }

func (l *hotelLife) stay() domain.Stay {
	in := l.rng.IntN(6)
	return domain.Stay{CheckIn: l.day(in), CheckOut: l.day(in + 1 + l.rng.IntN(4))}
}

func (l *hotelLife) place() hotel.PlaceReservation {
	c := hotel.PlaceReservation{
		Hotel: "grand", ReservationID: l.id(), RoomType: l.roomType(), Quantity: int32(1 + l.rng.IntN(5)/4), Stay: l.stay(),
		Guest: hotel.Guest{DisplayName: "Ada", Adults: int32(1 + l.rng.IntN(2))}, RatePlan: pick(l, []string{"", "flexible", "saver"}),
	}
	if c.RatePlan == "" && l.rng.IntN(3) == 0 {
		c.NightlyRate = &domain.Money{Currency: "EUR", MinorUnits: 7000}
	}
	return c
}

// step gives one command at random.
func (l *hotelLife) step() {
	reservation, payment, refund := pick(l, l.ids), pick(l, l.payments), pick(l, l.refunds)
	amount := domain.Money{Currency: "EUR", MinorUnits: int64(1 + l.rng.IntN(9000))}
	switch l.rng.IntN(29) {
	case 0, 1, 2:
		c := l.place()
		l.give(&c)
	case 3:
		c := &hotel.PlaceGroup{Hotel: "grand", GroupID: l.id()}
		for range 1 + l.rng.IntN(3) {
			c.Reservations = append(c.Reservations, l.place())
		}
		l.give(c)
	case 4, 5, 6:
		l.give(&hotel.RequestPayment{Hotel: "grand", ReservationID: reservation, PaymentID: l.id(), Provider: "simulator", PaymentMethod: "card"})
	case 7, 8, 9:
		l.conclude(payment)
	case 10:
		l.give(&hotel.RecordPayment{Hotel: "grand", ReservationID: payment[1], PaymentID: payment[0], Outcome: hotel.PaymentDeclined})
		l.give(&hotel.DeclineReservation{Hotel: "grand", ReservationID: payment[1], PaymentID: payment[0]})
	case 11:
		l.give(&hotel.ConfirmReservation{Hotel: "grand", ReservationID: reservation})
	case 12, 13:
		c := &hotel.ModifyReservation{Hotel: "grand", ReservationID: reservation}
		if stay, roomType := l.stay(), l.roomType(); l.rng.IntN(3) > 0 {
			c.CheckIn, c.CheckOut, c.RoomType = &stay.CheckIn, &stay.CheckOut, &roomType
		} else {
			c.Guest = &hotel.Guest{DisplayName: "Eve", Adults: int32(1 + l.rng.IntN(2))}
		}
		l.give(c)
	case 14:
		l.give(&hotel.CancelReservation{Hotel: "grand", ReservationID: reservation, Waive: l.rng.IntN(4) == 0})
	case 15:
		l.give(&hotel.MarkNoShow{Hotel: "grand", ReservationID: reservation, Waive: l.rng.IntN(4) == 0})
	case 16:
		l.give(&hotel.GrantRefund{Hotel: "grand", ReservationID: reservation, Amount: amount})
	case 17, 18:
		l.give(&hotel.SettleRefunds{Hotel: "grand", ReservationID: reservation, RefundID: l.id()})
	case 19:
		l.give(&hotel.RecordRefund{Hotel: "grand", ReservationID: refund[2], PaymentID: refund[1], RefundID: refund[0], Succeeded: l.rng.IntN(3) > 0})
		l.give(&hotel.SettleRefund{Hotel: "grand", ReservationID: refund[2], PaymentID: refund[1], RefundID: refund[0], Method: eventpb.RefundMethod_REFUND_METHOD_CASH})
		l.give(&hotel.CompleteRefund{Hotel: "grand", ReservationID: refund[2]})
	case 20:
		l.give(&hotel.CheckIn{Hotel: "grand", ReservationID: reservation, SettledAtHotel: true})
	case 21:
		l.give(&hotel.CheckOut{Hotel: "grand", ReservationID: reservation, SettledAtHotel: l.rng.IntN(2) == 0, LeftUnpaid: l.rng.IntN(3) == 0})
	case 28:
		some := []string{pick(l, l.ids), reservation}
		if l.rng.IntN(3) == 0 {
			l.give(&hotel.CancelGroup{Hotel: "grand", GroupID: l.id(), Reservations: some})
		} else {
			l.give(&hotel.PayGroup{
				Hotel: "grand", GroupID: l.id(), Provider: "simulator", PaymentMethod: "card", Payments: []hotel.GroupPayment{{ReservationID: some[0], PaymentID: l.id()}, {ReservationID: some[1], PaymentID: l.id()}},
			})
		}
	case 26: // also of guests who are there
		out := l.day(l.rng.IntN(6))
		l.give(&hotel.ModifyReservation{Hotel: "grand", ReservationID: reservation, CheckOut: &out})
	case 27:
		l.give(&hotel.MoveGuest{Hotel: "grand", ReservationID: reservation, To: fmt.Sprintf("%s-%d", l.roomType(), l.rng.IntN(4))})
	case 22:
		l.give(&hotel.Walk{Hotel: "grand", ReservationID: reservation, RelocatedTo: "Ritz"})
	case 23:
		l.change()
	case 24:
		l.give(&hotel.JoinWaitingList{Hotel: "grand", EntryID: l.id(), RoomType: l.roomType(), Quantity: 1, Stay: l.stay(), Guest: hotel.Guest{DisplayName: "Bob", Adults: 1}})
		l.give(&hotel.OfferRooms{Hotel: "grand"})
	case 25:
		l.now = l.now.Add(time.Duration(l.rng.IntN(600)) * time.Minute)
		l.give(&hotel.ExpireHolds{Hotel: "grand", Now: l.now})
		l.give(&hotel.OfferRooms{Hotel: "grand"})
	}
}

// conclude has a payment's provider answer, and the platform act upon it.
func (l *hotelLife) conclude(payment [2]string) {
	var asked int64
	for _, r := range l.records[event.PaymentsTopic] {
		m := new(eventpb.PaymentRequested)
		if name, _ := r.Header(event.HeaderType); string(name) == event.TypeOf(m) && proto.Unmarshal(r.Value, m) == nil && m.GetPaymentId() == payment[0] {
			asked = m.GetAmount().GetMinorUnits()
		}
	}
	amount := domain.Money{Currency: "EUR", MinorUnits: asked}
	c := &hotel.RecordPayment{Hotel: "grand", ReservationID: payment[1], PaymentID: payment[0], Outcome: hotel.PaymentCaptured, Amount: amount}
	if n := l.rng.IntN(6); n < 2 {
		c.Outcome, c.Amount = []hotel.PaymentOutcome{hotel.PaymentDeclined, hotel.PaymentUnknown}[n], domain.Money{}
	}
	if l.give(c); l.rng.IntN(4) > 0 && c.Outcome == hotel.PaymentCaptured {
		l.give(&hotel.ConfirmReservation{Hotel: "grand", ReservationID: payment[1], PaymentID: payment[0], Amount: amount})
	}
}

// change changes inventory, restrictions or a rate plan.
func (l *hotelLife) change() {
	from := l.rng.IntN(8)
	switch l.rng.IntN(3) {
	case 0:
		l.give(l.inventory(l.roomType(), from, from+1+l.rng.IntN(4)))
	case 1:
		stop, least := l.rng.IntN(4) == 0, int32(l.rng.IntN(3))
		l.give(&hotel.SetRestrictions{Hotel: "grand", RoomType: l.roomType(), Start: l.day(from), End: l.day(from + 2), StopSell: &stop, MinStay: &least, ClosedToArrival: &stop})
	case 2:
		l.give(&hotel.UpdateRatePlan{Hotel: "grand", RatePlan: "saver", Terms: hotel.PlanTerms{MinStay: int32(l.rng.IntN(3)), MaxStay: int32(2 + l.rng.IntN(3))}, Fields: hotel.PlanMinStay | hotel.PlanMaxStay})
	}
}

// Whatever commands the deciders are given: what they decide passes, read at once or by and by.
func TestWhatDecidersDecidePasses(t *testing.T) {
	given := map[string]int{}
	for seed := range uint64(12) {
		l := begin(t, seed)
		dir := t.TempDir()
		for n := range 1500 {
			if l.step(); n%500 == 250 {
				prove(t, l.written, Options{Dir: dir})
			}
		}
		r := l.audit(Options{})
		if !r.OK() {
			t.Fatalf("seed %d: %d violations: %+v", seed, r.ViolationCount, r.Violations)
		}
		if after := prove(t, l.written, Options{Dir: dir, IDsMax: 500}); after.Certificate.Digest != r.Certificate.Digest {
			t.Errorf("seed %d: the certificate depends on where runs ended", seed)
		}
		for name, n := range l.given {
			given[name] += n
		}
	}
	for _, c := range []hotel.Command{
		&hotel.PlaceReservation{}, &hotel.PlaceGroup{}, &hotel.RequestPayment{}, &hotel.RecordPayment{}, &hotel.DeclineReservation{}, &hotel.ConfirmReservation{},
		&hotel.ModifyReservation{}, &hotel.CancelReservation{}, &hotel.MarkNoShow{}, &hotel.GrantRefund{}, &hotel.SettleRefunds{}, &hotel.RecordRefund{}, &hotel.SettleRefund{}, &hotel.CompleteRefund{},
		&hotel.CheckIn{}, &hotel.CheckOut{}, &hotel.MoveGuest{}, &hotel.PayGroup{}, &hotel.CancelGroup{}, &hotel.Walk{}, &hotel.SetRestrictions{}, &hotel.UpdateRatePlan{}, &hotel.JoinWaitingList{}, &hotel.OfferRooms{}, &hotel.ExpireHolds{},
	} {
		if name := fmt.Sprintf("%T", c); given[name] == 0 {
			t.Errorf("%s never led to anything", name)
		}
	}
}

// A rule that the deciders did not keep would show: of each history, one reservation is placed again where its night is full.
func TestWhatDecidersDoNotDecideShows(t *testing.T) {
	for seed := range uint64(5) {
		l := begin(t, seed)
		for range 600 {
			l.step()
		}
		mark := int64(len(l.records[log.Topic(event.InventoryTopic)]))
		s := &eventpb.Stay{RoomTypeId: "double", Quantity: 100, CheckInDate: l.day(1).String(), CheckOutDate: l.day(2).String()}
		l.add(0, 0, &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: l.id(), Stay: s, NightlyMinorUnits: []int64{1}, TotalMinorUnits: 1, InventoryOffset: mark})
		oversold := func(v Violation) bool { return v.Kind == Oversold } // and forbidden, where the night is closed
		if r := l.audit(Options{}); !slices.ContainsFunc(r.Violations, oversold) {
			t.Errorf("seed %d: %+v", seed, r.Violations)
		}
	}
}
