package platform

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/commands/audit"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
)

var (
	hotClients = flag.Int("hot-clients", 24, "clients of the hot night")
	hotFor     = flag.Duration("hot", time.Second, "how long they go on; at least every one does each thing a few times")
)

// hotNight is a house with few rooms on one night that everybody wants.
type hotNight struct {
	t     *testing.T
	p     *Platform
	today domain.Date

	mu       sync.Mutex
	ids      []string                 // of reservations that got rooms
	outcomes map[string]chan struct{} // by payment: closed when the provider has said
	done     [5]atomic.Int64
}

const hotRooms = 40

// TestHotNight has clients create, pay, cancel, modify and let expire against one hot night, all at once. Then the audit passes, the tables equal a replay of the log, the
// simulator's ledger equals topic payments, and the house has the price of what is paid and of nothing else.
func TestHotNight(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p, _ := runIn(t, t.TempDir(), Options{Partitions: 2, NoSocket: true})
	h := &hotNight{t: t, p: p, today: domain.Today(time.Now(), time.UTC), outcomes: map[string]chan struct{}{}}
	rooms := int32(hotRooms)
	give(t, p,
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "grand", TimeZone: "UTC", CurrencyCode: "EUR", HoldDuration: time.Second},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: h.today, End: h.today.AddDays(9)})
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	for n := range p.Partitions {
		listening.Go(func() { h.listen(ctx, log.Partition(n)) })
	}
	h.crowd(seed)
	cancel()
	listening.Wait()
	awaitRest(t, p)
	h.awaitNoHolds()
	awaitRest(t, p)
	h.check()
	for i, what := range []string{"placed", "asked to pay", "canceled", "modified", "settled by hand"} {
		t.Logf("%d %s", h.done[i].Load(), what)
		if h.done[i].Load() == 0 && i < 4 { // the saga may have been faster
			t.Errorf("nothing was %s", what)
		}
	}
}

// crowd runs the clients until the time is up.
func (h *hotNight) crowd(seed uint64) {
	var group sync.WaitGroup
	deadline := time.Now().Add(*hotFor)
	for c := range *hotClients {
		dice := rand.New(rand.NewPCG(seed, uint64(c)))
		group.Go(func() {
			for i := 0; i < 12 || time.Now().Before(deadline); i++ {
				h.act(dice)
			}
		})
	}
	group.Wait()
}

// try gives a command, which a rule may refuse, and reports whether it led to what it asks for.
func (h *hotNight) try(what int, body hotel.Command) bool {
	result, err := h.p.Engine.Execute(h.t.Context(), commands.Command{RequestID: uuid.New(), Body: body})
	if err != nil && domain.ReasonOf(err) == "" && log.CodeOf(err) != log.LimitReached {
		h.t.Errorf("%T: %v", body, err)
	}
	if err != nil || len(result.Events) == 0 || event.TypeOf(result.Events[0].Message) == rejection {
		return false
	}
	h.done[what].Add(1)
	return true
}

var rejection = event.TypeOf(&eventpb.ReservationRejected{})

// act does one thing: mostly it places, and pays at once or never.
func (h *hotNight) act(dice *rand.Rand) {
	id := h.some(dice)
	switch k := dice.IntN(10); {
	case k < 4 || id == "":
		h.place(dice)
	case k < 8:
		h.try(2, &hotel.CancelReservation{Hotel: "grand", ReservationID: id})
	case k < 9:
		h.try(3, &hotel.ModifyReservation{Hotel: "grand", ReservationID: id, CheckOut: new(h.today.AddDays(6 + dice.IntN(3)))})
	default:
		h.try(4, &hotel.SettleRefunds{Hotel: "grand", ReservationID: id, RefundID: uuid.NewString()}) // beside the saga
	}
}

func (h *hotNight) place(dice *rand.Rand) {
	id := uuid.NewString()
	if !h.try(0, &hotel.PlaceReservation{
		Hotel: "grand", ReservationID: id, RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: h.today.AddDays(5), CheckOut: h.today.AddDays(6 + dice.IntN(2))},
	}) {
		return
	}
	h.mu.Lock()
	h.ids = append(h.ids, id)
	h.mu.Unlock()
	if dice.IntN(3) > 0 { // the others' holds end
		h.pay(id, crowdMethods[dice.IntN(len(crowdMethods)-1)])
	}
}

// pay asks for the money and waits for the outcome as a guest does: not for ever.
func (h *hotNight) pay(id, method string) {
	paymentID, said := uuid.NewString(), make(chan struct{})
	h.mu.Lock()
	h.outcomes[paymentID] = said
	h.mu.Unlock()
	if !h.try(1, &hotel.RequestPayment{Hotel: "grand", ReservationID: id, PaymentID: paymentID, Provider: "simulator", PaymentMethod: method}) {
		return
	}
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	select {
	case <-said:
	case <-patience.C:
	}
}

// listen tells those who wait what the provider has said, until ctx ends.
func (h *hotNight) listen(ctx context.Context, n log.Partition) {
	req := log.FetchRequest{TopicPartition: log.TopicPartition{Topic: event.PaymentsTopic, Partition: n}, MaxWait: time.Second}
	for ctx.Err() == nil {
		found, err := h.p.Broker.Fetch(ctx, req)
		if err != nil {
			if ctx.Err() == nil {
				h.t.Error(err)
			}
			return
		}
		for i := range found.Records {
			h.heard(&found.Records[i])
		}
		req.Offset = found.Next
	}
}

func (h *hotNight) heard(r *log.Record) {
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		h.t.Error(err)
		return
	}
	switch m := e.Message.(type) {
	case *eventpb.PaymentCaptured, *eventpb.PaymentDeclined:
		h.mu.Lock()
		defer h.mu.Unlock()
		id := m.(interface{ GetPaymentId() string }).GetPaymentId()
		if said := h.outcomes[id]; said != nil {
			close(said)
			delete(h.outcomes, id)
		}
	}
}

// some returns one of the latest reservations, or "".
func (h *hotNight) some(dice *rand.Rand) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) == 0 {
		return ""
	}
	return h.ids[len(h.ids)-1-dice.IntN(min(len(h.ids), 2*hotRooms))]
}

// awaitNoHolds waits until no hold is left.
func (h *hotNight) awaitNoHolds() {
	h.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute)
	for {
		left, err := h.p.Engine.Upkeep(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("holds are left: %+v", left)
		}
	}
}

// check proves that nothing was oversold, charged twice or kept, and that the tables are what a replay makes.
func (h *hotNight) check() {
	t, p := h.t, h.p
	report, err := audit.Run(t.Context(), p.Broker, audit.Options{Partitions: p.Partitions})
	if err != nil || !report.OK() {
		t.Errorf("the audit: %+v, %v", report, err)
	}
	if r, err := p.simulator.Reconcile(t.Context(), p.Broker, p.Partitions); err != nil || !r.OK() || r.Captured == 0 || r.Returned == 0 {
		t.Errorf("the ledger: %+v, %v", r, err)
	}
	for _, projector := range Projectors() {
		result, err := p.Store.RebuildWith(t.Context(), projector.Name(), projections.RebuildOptions{Compare: true})
		if err != nil || result.Comparison == nil || result.Comparison.Differences > 0 {
			t.Errorf("%s against a replay: %+v, %v", projector.Name(), result, err)
		}
	}
}
