package platform

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/commands/audit"
	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// crowdMethods come to an end within moments.
var crowdMethods = []string{
	"tok_approve", "tok_approve", "tok_twice", "tok_decline", "tok_late_5ms", "tok_late_10ms_decline", "tok_approve_refund_late_5ms", "tok_twice_late_5ms_refund_twice", "cash",
}

// Many guests pay and cancel at once, of two hotels on two partitions: in the end the simulator's ledger is what topic payments says, the audit passes, and the house has the
// price of what is paid and nothing of anything else.
func TestCrowdOfPayers(t *testing.T) {
	const clients, each = 12, 10
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p, _ := runIn(t, t.TempDir(), Options{Partitions: 2, NoSocket: true})
	rooms, today := int32(clients*each), domain.Today(time.Now(), time.UTC)
	for _, id := range []string{"grand", "ritz"} {
		give(t, p,
			&hotel.CreateHotel{Hotel: id, DisplayName: id, TimeZone: "UTC", CurrencyCode: "EUR"},
			&hotel.CreateRoomType{Hotel: id, RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
			&hotel.SetInventory{Hotel: id, RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)})
	}
	try := func(body hotel.Command) {
		if _, err := p.Engine.Execute(t.Context(), commands.Command{RequestID: uuid.New(), Body: body}); err != nil && domain.ReasonOf(err) == "" {
			t.Errorf("%T: %v", body, err)
		}
	}
	crowd := func(act func(dice *rand.Rand)) {
		t.Helper()
		var group sync.WaitGroup
		for c := range clients {
			dice := rand.New(rand.NewPCG(seed, uint64(c)))
			group.Go(func() {
				for range each {
					act(dice)
				}
			})
		}
		group.Wait()
	}
	var mu sync.Mutex
	var placed []*hotel.CancelReservation
	crowd(func(dice *rand.Rand) {
		at, id := []string{"grand", "ritz"}[dice.IntN(2)], uuid.NewString()
		try(&hotel.PlaceReservation{Hotel: at, ReservationID: id, RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: today.AddDays(5), CheckOut: today.AddDays(7)}})
		try(&hotel.RequestPayment{Hotel: at, ReservationID: id, PaymentID: uuid.NewString(), Provider: "simulator", PaymentMethod: crowdMethods[dice.IntN(len(crowdMethods))]})
		c := &hotel.CancelReservation{Hotel: at, ReservationID: id}
		if dice.IntN(3) == 0 {
			try(c) // perhaps before it is paid
			return
		}
		mu.Lock()
		defer mu.Unlock()
		placed = append(placed, c)
	})
	awaitRest(t, p)
	crowd(func(dice *rand.Rand) { try(placed[dice.IntN(len(placed))]) })
	awaitRest(t, p)
	report, err := audit.Run(t.Context(), p.Broker, audit.Options{Partitions: p.Partitions})
	if err != nil || !report.OK() {
		t.Errorf("the audit: %+v, %v", report, err)
	}
	if r, err := p.simulator.Reconcile(t.Context(), p.Broker, p.Partitions); err != nil || !r.OK() || r.Captured == 0 || r.Returned == 0 {
		t.Errorf("the ledger: %+v, %v", r, err)
	}
	m := moneyOf(t, p)
	for id, net := range m.net {
		if want := int64(m.paid[id]) * 200_00; net != want {
			t.Errorf("the house has %d of reservation %s, not %d", net, id, want)
		}
	}
}

// awaitRest waits until every payment and refund has its outcome and the saga has handled every event. Charges that nobody wants any more since the guest has canceled before they were
// made stay open for minutes: they are not waited for.
func awaitRest(t *testing.T, p *Platform) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute)
	for {
		handlers, err := p.Processes.Handlers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var behind []string
		for _, h := range handlers {
			if strings.HasPrefix(h.Name, "payment-") && h.Lag != 0 {
				behind = append(behind, fmt.Sprint(h.Name, " by ", h.Lag))
			}
		}
		open := moneyOf(t, p).open
		if len(behind) == 0 && open == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d have no outcome, behind are %v", open, behind)
		}
	}
}

// moneys is what the log says of reservations.
type moneys struct {
	paid map[string]int   // 1: it is PAID
	net  map[string]int64 // captured and not given back
	open int              // charges and refunds that the provider has and that have no outcome
}

func moneyOf(t *testing.T, p *Platform) *moneys {
	t.Helper()
	m := &moneys{paid: map[string]int{}, net: map[string]int64{}}
	open := map[string]bool{}
	for _, topic := range []log.Topic{event.BookingsTopic, event.PaymentsTopic} {
		for n := range p.Partitions {
			for _, e := range eventsOf(t, p, log.TopicPartition{Topic: topic, Partition: log.Partition(n)}) {
				switch e := e.Message.(type) {
				case *eventpb.ReservationPaid:
					m.paid[e.GetReservationId()] = 1
				case *eventpb.ReservationCanceled:
					m.paid[e.GetReservationId()] = 0
				case *eventpb.PaymentRequested:
					charge, err := p.simulator.Entry(t.Context(), payment.ChargeEntry, e.GetPaymentId())
					if err != nil {
						t.Fatal(err)
					}
					open[e.GetPaymentId()] = charge.Status != payment.NotFound
				case *eventpb.PaymentCaptured:
					m.net[e.GetReservationId()] += e.GetAmount().GetMinorUnits()
					delete(open, e.GetPaymentId())
				case *eventpb.PaymentDeclined:
					delete(open, e.GetPaymentId())
				case *eventpb.RefundRequested:
					open[e.GetRefundId()] = true
				case *eventpb.RefundSucceeded:
					m.net[e.GetReservationId()] -= e.GetAmount().GetMinorUnits()
					delete(open, e.GetRefundId())
				}
			}
		}
	}
	for _, waits := range open {
		if waits {
			m.open++
		}
	}
	return m
}

func eventsOf(t *testing.T, p *Platform, tp log.TopicPartition) (all []*event.Envelope) {
	t.Helper()
	at, end, err := p.Broker.Offsets(t.Context(), tp)
	if err != nil {
		t.Fatal(err)
	}
	for at < end {
		got, err := p.Broker.Fetch(t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at})
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Records {
			r := &got.Records[i]
			e, err := event.Decode(r.Value, r.HeaderValue)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		at = got.Next
	}
	return all
}
