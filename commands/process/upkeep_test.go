package process_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/commands"
	"lodge/commands/process"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/natsbridge"
)

// site is an engine with schedules and process managers over one folder, which can be closed and opened again.
type site struct {
	t      *testing.T
	dir    string
	ahead  atomic.Int64 // of the real time
	sweep  process.UpkeepOptions
	lg     *broker.Broker
	engine *commands.Engine
	bridge *natsbridge.Bridge
	router *process.Router
	close  func()
}

// noSweep leaves everything to timers.
var noSweep = process.UpkeepOptions{SweepInterval: time.Hour, OverdueAfter: time.Hour}

func openSite(t *testing.T, dir string, sweep process.UpkeepOptions) *site {
	t.Helper()
	s := &site{t: t, dir: dir, sweep: sweep}
	s.open()
	return s
}

func (s *site) clock() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// open opens everything and runs it.
func (s *site) open() {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	var err error
	s.lg, err = broker.Open(filepath.Join(s.dir, "log"), broker.Options{Clock: s.clock})
	must(err)
	partitions, err := commands.CreateTopics(s.t.Context(), s.lg, 2, log.Sync)
	must(err)
	deadlines := process.NewDeadlines()
	s.engine, err = commands.Open(s.t.Context(), s.lg, commands.Options{Partitions: partitions, HoldTick: -1, OnHold: deadlines.Put, Clock: s.clock})
	must(err)
	s.bridge, err = natsbridge.Open(s.t.Context(), s.lg, natsbridge.Options{StoreDir: filepath.Join(s.dir, "nats"), Clock: s.clock})
	must(err)
	opts := impatient
	opts.Clock = s.clock
	s.router, err = process.Open(s.t.Context(), s.lg, opts)
	must(err)
	s.sweep.Clock = s.clock
	upkeep, err := process.NewUpkeep(s.engine, s.bridge, deadlines, s.sweep)
	must(err)
	must(s.router.Register(upkeep.Handlers()...))
	s.run(s.lg.Run, s.engine.Run, s.bridge.Run, s.router.Run, upkeep.Run)
}

// run runs parts until close, which ends them from the last to the first.
func (s *site) run(parts ...func(context.Context) error) {
	var ends []func()
	for _, part := range parts {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- part(ctx) }()
		ends = append(ends, func() {
			cancel()
			if err := <-done; err != nil {
				s.t.Error(err)
			}
		})
	}
	s.close = sync.OnceFunc(func() {
		s.awaitNATS()
		for i := range ends {
			ends[len(ends)-1-i]()
		}
		if err := s.bridge.Close(); err != nil {
			s.t.Error(err)
		}
		if err := s.lg.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(s.close)
}

// awaitNATS waits until the bridge has its stream: a NATS server that is shut down while it makes one leaves goroutines behind.
func (s *site) awaitNATS() {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !s.bridge.Stats().Connected && time.Now().Before(end); {
		<-tick.C
	}
}

func (s *site) do(body hotel.Command) commands.Result {
	s.t.Helper()
	r, err := s.engine.Execute(s.t.Context(), commands.Command{RequestID: uuid.New(), Body: body})
	if err != nil {
		s.t.Fatalf("%T: %v", body, err)
	}
	return r
}

// build makes a hotel whose holds last for so long, with ten rooms.
func (s *site) build(id string, hold time.Duration) {
	s.t.Helper()
	rooms, today := int32(10), domain.Today(s.clock(), time.UTC)
	s.do(&hotel.CreateHotel{Hotel: id, DisplayName: id, TimeZone: "Europe/Lisbon", CurrencyCode: "EUR", HoldDuration: hold})
	s.do(&hotel.CreateRoomType{Hotel: id, RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}})
	s.do(&hotel.SetInventory{Hotel: id, RoomType: "double", PhysicalCount: &rooms, Start: today.AddDays(2), End: today.AddDays(30)})
}

// place reserves a room for a night, and returns when its hold ends.
func (s *site) place(id string) time.Time {
	s.t.Helper()
	today := domain.Today(s.clock(), time.UTC)
	r := s.do(&hotel.PlaceReservation{
		Hotel: id, ReservationID: uuid.NewString(), RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: today.AddDays(5), CheckOut: today.AddDays(6)},
	})
	placed, ok := r.Events[0].Message.(*eventpb.ReservationPlaced)
	if !ok {
		s.t.Fatalf("%v", r.Events[0])
	}
	return placed.GetHoldExpireTime().AsTime()
}

// events returns all events of one type.
func events[M proto.Message](s *site, topic log.Topic) (found []*event.Envelope) {
	s.t.Helper()
	for n := range log.Partition(2) {
		tp := log.TopicPartition{Topic: topic, Partition: n}
		_, end, err := s.lg.Offsets(s.t.Context(), tp)
		for at := log.Offset(0); err == nil && at < end; {
			var got log.FetchResult
			if got, err = s.lg.Fetch(s.t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at}); err != nil {
				break
			}
			for i := range got.Records {
				e, err := event.Decode(got.Records[i].Value, got.Records[i].HeaderValue)
				if err != nil {
					s.t.Fatal(err)
				}
				if _, ok := e.Message.(M); ok {
					found = append(found, e)
				}
			}
			at = got.Next
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

// awaitEnded waits until so many holds have ended, none of them before its time, and returns their events.
func (s *site) awaitEnded(deadlines ...time.Time) []*event.Envelope {
	s.t.Helper()
	var ended []*event.Envelope
	await(s.t, "the end of holds", func() bool {
		ended = events[*eventpb.ReservationCanceled](s, event.BookingsTopic)
		return len(ended) >= len(deadlines)
	})
	if len(ended) != len(deadlines) {
		s.t.Fatalf("%d of %d holds have ended", len(ended), len(deadlines))
	}
	first := deadlines[0]
	for _, at := range deadlines {
		if at.Before(first) {
			first = at
		}
	}
	for _, e := range ended {
		if m, ok := e.Message.(*eventpb.ReservationCanceled); !ok || m.GetReason() != eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED {
			s.t.Errorf("canceled by %v", e)
		}
		if e.Time.Before(first) {
			s.t.Errorf("a hold has ended at %v, before %v", e.Time, first)
		}
	}
	return ended
}

// TestHoldsEndByTimers: the processors have no tick and nothing is swept, and each hold ends all the same: the first, those that follow, and those of another hotel.
func TestHoldsEndByTimers(t *testing.T) {
	s := openSite(t, t.TempDir(), noSweep)
	s.build("grand", time.Second)
	s.build("plaza", 2*time.Second)
	var ends []time.Time
	for range 3 {
		ends = append(ends, s.place("grand"), s.place("plaza"))
	}
	for _, e := range s.awaitEnded(ends...) {
		if !strings.HasPrefix(e.CausationID, "hold-expiry."+e.HotelID+"#") || e.Command != "expire_holds" {
			t.Errorf("the cause is %q, the command %q", e.CausationID, e.Command)
		}
	}
	ends = append(ends, s.place("grand"))
	s.awaitEnded(ends...)
}

// TestHoldsEndAfterARestart: also when NATS has lost all, and when the deadline has passed meanwhile.
func TestHoldsEndAfterARestart(t *testing.T) {
	for name, between := range map[string]func(s *site){
		"as it was":  func(*site) {},
		"NATS empty": func(s *site) { must(s.t, os.RemoveAll(filepath.Join(s.dir, "nats"))) },
		"later":      func(s *site) { s.ahead.Store(int64(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openSite(t, t.TempDir(), noSweep)
			s.build("grand", 2*time.Second)
			end := s.place("grand")
			s.close()
			between(s)
			s.open()
			s.awaitEnded(end)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostTimers: holds whose timers are gone, or were somebody else's, are ended by the sweep.
func TestLostTimers(t *testing.T) {
	s := openSite(t, t.TempDir(), process.UpkeepOptions{SweepInterval: 10 * time.Millisecond, OverdueAfter: 10 * time.Millisecond})
	s.build("grand", time.Hour)
	end := s.place("grand")
	await(t, "the timer", func() bool {
		_, err := s.bridge.GetSchedule(t.Context(), "hold-expiry.grand")
		return err == nil
	})
	must(t, s.bridge.CancelSchedule(t.Context(), "hold-expiry.grand"))
	s.ahead.Store(int64(2 * time.Hour))
	if e := s.awaitEnded(end)[0]; e.CausationID != "sweep" {
		t.Errorf("the cause is %q", e.CausationID)
	}
}

// TestHorizon: nights are opened when a hotel and its defaults are made, one more when a day has passed, and none twice.
func TestHorizon(t *testing.T) {
	place, err := time.LoadLocation("Asia/Kathmandu")
	must(t, err)
	s := &site{t: t, dir: t.TempDir(), sweep: noSweep}
	noon := domain.Today(time.Now(), place).AddDays(1).Time(place).Add(12 * time.Hour)
	s.ahead.Store(int64(time.Until(noon)))
	s.open()
	rooms := int32(7)
	s.do(&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "Asia/Kathmandu", CurrencyCode: "NPR", HorizonDays: 10})
	s.do(&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", Defaults: &hotel.RoomTypeDefaults{PhysicalCount: &rooms}})
	await(t, "the horizon", func() bool { return s.opened(place) == 10 })
	await(t, "the cron", func() bool {
		c, err := s.bridge.GetSchedule(t.Context(), "inventory-horizon")
		return err == nil && c.Cron == "*/15 * * * *"
	})
	s.ahead.Add(int64(24 * time.Hour))
	s.tick()
	await(t, "another night", func() bool { return s.opened(place) == 11 })
	before := len(events[*eventpb.InventorySet](s, event.InventoryTopic))
	s.tick()
	await(t, "the handlers", func() bool {
		all, err := s.router.Handlers(t.Context())
		must(t, err)
		lag := int64(0)
		for _, h := range all {
			lag += h.Lag
		}
		return lag == 0
	})
	if after := len(events[*eventpb.InventorySet](s, event.InventoryTopic)); after != before {
		t.Errorf("%d events for nothing", after-before)
	}
	if found := letters(t, s.router); len(found) > 0 {
		t.Errorf("letters %+v", found)
	}
}

// tick is the cron of horizons.
func (s *site) tick() {
	s.t.Helper()
	r := log.Record{Value: []byte{}, Headers: []log.Header{{Key: process.HeaderTimerType, Value: []byte("lodge.inventory.horizon.v1")}}}
	_, err := s.lg.Append(s.t.Context(), log.TopicPartition{Topic: process.TimersTopic}, &log.Batch{Records: []log.Record{r}})
	must(s.t, err)
}

// opened returns how many nights of "grand" were opened, each once.
func (s *site) opened(place *time.Location) int {
	s.t.Helper()
	nights := map[domain.Date]bool{}
	for _, e := range events[*eventpb.InventorySet](s, event.InventoryTopic) {
		m, ok := e.Message.(*eventpb.InventorySet)
		if !ok || m.GetPhysicalCount() != 7 {
			s.t.Fatalf("%v", e)
		}
		from, err := domain.ParseDate(m.GetStartDate())
		must(s.t, err)
		to, err := domain.ParseDate(m.GetEndDate())
		must(s.t, err)
		for d := from; d < to; d = d.AddDays(1) {
			if nights[d] {
				s.t.Errorf("%s is opened twice", d)
			}
			nights[d] = true
		}
	}
	if first := domain.Today(time.Now(), place).AddDays(1); len(nights) > 0 && !nights[first] {
		s.t.Errorf("%s is not among %v", first, nights)
	}
	return len(nights)
}
