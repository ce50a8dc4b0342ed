package api_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/api/trail"
	"lodge/commands"
	"lodge/commands/persons"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest/leaktest"
	"lodge/log/vfs"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/eventindex"
	"lodge/projections/hotels"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// clock is a time that only moves when a test says so.
type clock struct{ nanos atomic.Int64 }

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// stack is the whole platform behind a server on loopback.
type stack struct {
	testing.TB
	clock  *clock
	broker *broker.Broker
	engine *commands.Engine
	store  *projections.Store
	keys   *persons.Keys
	api    *api.API
	server *httptest.Server
	client *http.Client
	trail  *trail.Trail
	tokens *access.Store // nil: callers are not asked who they are; else client shows an admin's

	accounts *access.Accounts
	deps     api.Deps // of api
	ends     []func() // of what works on the log beside the stack: called before its own end

	hotels       lodgev1connect.HotelServiceClient
	inventory    lodgev1connect.InventoryServiceClient
	availability lodgev1connect.AvailabilityServiceClient
	reservations lodgev1connect.ReservationServiceClient
	events       lodgev1connect.EventServiceClient
	admin        lodgev1connect.AdminServiceClient
	messages     lodgev1connect.MessageServiceClient
	groups       lodgev1connect.GroupServiceClient
	queues       lodgev1connect.QueueServiceClient
	schedules    lodgev1connect.ScheduleServiceClient
}

const partitions = 4

// stallMax is for how long a test waits for what must happen.
const stallMax = 5 * time.Minute

func newStack(t testing.TB, opts api.Options) *stack {
	t.Helper()
	return newStackOn(t, "data", vfs.NewMem(), opts)
}

func newStackOn(t testing.TB, dir string, fs vfs.FS, opts api.Options) *stack {
	t.Helper()
	return newStackWith(t, dir, fs, opts, nil)
}

// patient gives calls time on a machine that stands still for a while.
func patient(opts api.Options) api.Options {
	opts.FreshTimeout, opts.CallTimeout = cmp.Or(opts.FreshTimeout, time.Minute), cmp.Or(opts.CallTimeout, stallMax)
	return opts
}

// newStackWith makes a stack with a scheduler over its log, or without one.
func newStackWith(t testing.TB, dir string, fs vfs.FS, opts api.Options, scheduler func(*stack) log.Scheduler) *stack {
	t.Helper()
	s := &stack{TB: t, clock: newClock()}
	opts.Clock = s.clock.now
	opts = patient(opts)
	ctx, stop := context.WithCancel(context.Background())
	var err error
	if s.broker, err = broker.Open(dir, broker.Options{FS: fs, Clock: s.clock.now}); err != nil {
		t.Fatal(err)
	}
	if _, err := commands.CreateTopics(ctx, s.broker, partitions, log.Sync); err != nil {
		t.Fatal(err)
	}
	if s.keys, err = persons.Open(fs, dir+"-keys"); err != nil {
		t.Fatal(err)
	}
	if s.engine, err = commands.Open(ctx, s.broker, commands.Options{Partitions: partitions, Clock: s.clock.now, Persons: s.keys, Tracer: opts.Tracer}); err != nil {
		t.Fatal(err)
	}
	s.store, err = projections.Open(t.TempDir(), s.broker, projectors, projections.Options{
		Partitions: partitions, Logger: slog.New(slog.DiscardHandler), WaitMax: stallMax,
	})
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.Go(func() error { return s.broker.Run(ctx) })
	group.Go(func() error { return s.engine.Run(ctx) })
	group.Go(func() error { return s.store.Run(ctx) })
	if s.trail, err = trail.Open(ctx, s.broker, trail.Options{Clock: s.clock.now}); err != nil {
		t.Fatal(err)
	}
	trailing, stopTrail := context.WithCancel(ctx)
	trailed := make(chan error, 1)
	go func() { trailed <- s.trail.Run(trailing) }()
	if err := s.store.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	deps := api.Deps{Engine: s.engine, Log: s.broker, Store: s.store, Trail: s.trail, Persons: s.keys}
	if scheduler != nil {
		deps.Scheduler = scheduler(s)
	}
	if opts.AuthRequired {
		s.openAccess(ctx, &deps)
	}
	s.deps = deps
	if s.api, err = api.New(deps, opts); err != nil {
		t.Fatal(err)
	}
	end := s.serve()
	t.Cleanup(func() {
		end()
		for _, f := range s.ends {
			f()
		}
		stopTrail()
		if err := <-trailed; err != nil {
			t.Error(err)
		}
		stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(s.keys.Close(), s.broker.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve listens as a process does, and returns what ends that.
func (s *stack) serve() (end func()) {
	s.server = httptest.NewUnstartedServer(s.api)
	s.server.Config = api.NewServer(s.api)
	listener := api.Listen(s.api, s.server.Listener)
	s.server.Listener = listener
	s.server.Start()
	s.connect()
	return func() {
		s.api.EndStreams()
		s.client.CloseIdleConnections()
		s.server.Close()
		if err := listener.Wait(context.Background()); err != nil {
			s.Error(err)
		}
	}
}

// openAccess opens what knows who calls.
func (s *stack) openAccess(ctx context.Context, deps *api.Deps) {
	s.Helper()
	var err error
	if s.tokens, err = access.Open(ctx, s.broker, s.clock.now); err != nil {
		s.Fatal(err)
	}
	if s.accounts, err = access.OpenAccounts(ctx, s.broker, access.AccountsOptions{Clock: s.clock.now, Cost: access.HashCost{MemoryKiB: 64, Passes: 1, Lanes: 1}}); err != nil {
		s.Fatal(err)
	}
	deps.Access, deps.Accounts = s.tokens, s.accounts
}

var projectors = []projections.Projector{hotels.Projector{}, availability.Projector{}, reservations.Projector{}, payments.Projector{}, eventindex.Projector{}}

func (s *stack) connect() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 512
	s.client = &http.Client{Transport: transport}
	if s.tokens != nil {
		s.client.Transport = &bearer{transport, s.token(access.Token{Role: access.Admin})}
	}
	url := s.server.URL
	s.hotels = lodgev1connect.NewHotelServiceClient(s.client, url)
	s.inventory = lodgev1connect.NewInventoryServiceClient(s.client, url)
	s.availability = lodgev1connect.NewAvailabilityServiceClient(s.client, url)
	s.reservations = lodgev1connect.NewReservationServiceClient(s.client, url)
	s.events = lodgev1connect.NewEventServiceClient(s.client, url)
	s.admin = lodgev1connect.NewAdminServiceClient(s.client, url)
	s.messages = lodgev1connect.NewMessageServiceClient(s.client, url)
	s.groups = lodgev1connect.NewGroupServiceClient(s.client, url)
	s.queues = lodgev1connect.NewQueueServiceClient(s.client, url)
	s.schedules = lodgev1connect.NewScheduleServiceClient(s.client, url)
}

// must returns the message of an answer and its position, and ends the test on an error.
func must[M any](t testing.TB) func(res *connect.Response[M], err error) (*M, string) {
	return func(res *connect.Response[M], err error) (*M, string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v %v", err, reasonOf(err))
		}
		return res.Msg, res.Header().Get(api.HeaderPosition)
	}
}

func day(d int) *date.Date {
	at := noon.AddDate(0, 0, d)
	return &date.Date{Year: int32(at.Year()), Month: int32(at.Month()), Day: int32(at.Day())}
}

func euros(units int64) *money.Money { return &money.Money{CurrencyCode: "EUR", Units: units} }

// seed makes hotel "ritz" in Lisbon with the room type "double" at 100 EUR and n rooms for 60 nights from today.
func (s *stack) seed(n int32) (position string) {
	s.Helper()
	return s.seedHotel("ritz", "Lisbon", n)
}

func (s *stack) seedHotel(id, city string, n int32) (position string) {
	s.Helper()
	ctx := context.Background()
	must[lodgev1.Hotel](s)(s.hotels.CreateHotel(ctx, connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: id, Hotel: &lodgev1.Hotel{
		DisplayName: strings.ToUpper(id), TimeZone: "Europe/Lisbon", CurrencyCode: "EUR", Address: &lodgev1.Address{City: city, CountryCode: "PT"},
	}})))
	must[lodgev1.RoomType](s)(s.hotels.CreateRoomType(ctx, connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
		Parent: "hotels/" + id, RoomTypeId: "double", RoomType: &lodgev1.RoomType{DisplayName: "Double", MaxGuests: 2, BaseRate: euros(100)},
	})))
	_, position = must[lodgev1.SetInventoryResponse](s)(s.inventory.SetInventory(ctx, connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: "hotels/" + id + "/roomTypes/double", StartDate: day(0), EndDate: day(60), PhysicalCount: &n,
	})))
	s.settle()
	return position
}

// settle waits until every read model has seen every event: a position says so of its own topic only.
func (s *stack) settle() {
	s.Helper()
	topics, err := s.broker.ListTopics(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			for _, projector := range projectors {
				if topic.Name.Internal() {
					continue
				}
				at := log.Position{Topic: topic.Name, Partition: p.Partition, Offset: p.HighWatermark - 1}
				if p.HighWatermark == 0 {
					continue
				}
				if err := s.store.WaitFor(context.Background(), projector.Name(), at); err != nil {
					s.Fatal(err)
				}
			}
		}
	}
}

// stay asks for one room of "double" at "ritz".
func stay(in, out int) *lodgev1.CreateReservationRequest {
	return &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", RequestId: uuid.NewString(), Reservation: &lodgev1.Reservation{
		RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(in), CheckOutDate: day(out),
		Guest: &lodgev1.Guest{GuestId: "ada", DisplayName: "Ada", Adults: 2},
	}}
}

func (s *stack) reserve(req *lodgev1.CreateReservationRequest) (*lodgev1.Reservation, string) {
	s.Helper()
	return must[lodgev1.Reservation](s)(s.reservations.CreateReservation(context.Background(), connect.NewRequest(req)))
}

// eventCount returns how many events there are in all topics.
func (s *stack) eventCount() (n int64) {
	s.Helper()
	topics, err := s.broker.ListTopics(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	for _, topic := range topics {
		if topic.Name == trail.Topic { // what changed nothing is there too
			continue
		}
		for _, p := range topic.Partitions {
			n += int64(p.HighWatermark)
		}
	}
	return n
}

// detail returns the first detail of a type, or nil.
func detail[D any](err error) D {
	var none D
	var e *connect.Error
	if !errors.As(err, &e) {
		return none
	}
	for _, d := range e.Details() {
		if m, err := d.Value(); err == nil {
			if found, ok := m.(D); ok {
				return found
			}
		}
	}
	return none
}

func reasonOf(err error) string {
	info := detail[*errdetails.ErrorInfo](err)
	if info.GetReason() != "" && info.GetDomain() != api.ErrorDomain {
		return "of domain " + info.GetDomain()
	}
	return info.GetReason()
}
