package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/platform"
	"lodge/domain"
	"lodge/log"
)

// Sizes of the load while the server is killed: so few rooms that clients fight for them.
const (
	killClients = 16
	killHotels  = 4
	killRooms   = 3
	killNights  = 60
)

// TestKill kills the server with SIGKILL at random moments under load, as often as -kills says; once with -short.
func TestKill(t *testing.T) {
	times := *kills
	if testing.Short() {
		times = 1
	}
	underLoad(t, times, syscall.SIGKILL, -1)
}

// TestStopUnderLoad asks the server to stop, which it must do well.
func TestStopUnderLoad(t *testing.T) { underLoad(t, 2, syscall.SIGTERM, 0) }

// underLoad ends the server again and again with a signal, while clients keep every request until it is acknowledged, over as
// many servers as it takes. Afterwards the log must hold every acknowledged request at the position that was
// acknowledged, no request twice, no oversold night, and the projections must equal a replay.
func underLoad(t *testing.T, times int, signal os.Signal, code int) {
	rng := rand.New(rand.NewPCG(testSeed(t), 0))
	dir := t.TempDir()
	l := newLoad(dir)
	server, _ := serve(t, dir)
	l.build(t)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range killClients {
		client := &loadClient{load: l, rng: rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))}
		clients.Go(func() { client.run(ctx) })
	}
	for n := range times {
		target := l.acknowledged.Load() + rng.Int64N(400)
		l.waitFor(t, target)
		<-time.After(time.Duration(rng.Int64N(int64(3 * time.Millisecond)))) // a moment that no acknowledgement chose
		if got := server.end(t, signal); got != code {
			t.Fatalf("signal %d (%s): the server ended with code %d\n%s", n, signal, got, server.stderr)
		}
		server, _ = serve(t, dir)
		l.restarted()
	}
	l.waitFor(t, l.acknowledged.Load()+200)
	stop()
	clients.Wait()
	l.check(t)
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d\n%s", code, server.stderr)
	}
	t.Logf("%d times %s, %d requests acknowledged, of which %d were sent more than once; %d sold out", times, signal, len(l.acks), l.retried.Load(), l.soldOut.Load())
	checkFolder(t, dir, l.acks)
}

// ack is what a client was told.
type ack struct {
	request  uuid.UUID
	position log.Position
}

// load is what the clients share.
type load struct {
	client       *http.Client
	hotels       lodgev1connect.HotelServiceClient
	inventory    lodgev1connect.InventoryServiceClient
	reservations lodgev1connect.ReservationServiceClient
	today        domain.Date

	acknowledged atomic.Int64
	retried      atomic.Int64
	soldOut      atomic.Int64

	mu       sync.Mutex
	acks     []ack
	wrong    []string
	progress chan struct{} // closed and replaced at every acknowledgement that somebody waits for
	restart  chan struct{} // closed and replaced when there is a new server
}

func newLoad(dir string) *load {
	client := platform.Client(dir)
	return &load{
		client: client, hotels: lodgev1connect.NewHotelServiceClient(client, platform.SocketURL),
		inventory:    lodgev1connect.NewInventoryServiceClient(client, platform.SocketURL),
		reservations: lodgev1connect.NewReservationServiceClient(client, platform.SocketURL),
		today:        domain.Today(time.Now(), time.UTC), progress: make(chan struct{}), restart: make(chan struct{}),
	}
}

// build makes the hotels and their rooms.
func (l *load) build(t *testing.T) {
	t.Helper()
	rooms := int32(killRooms)
	for i := range killHotels {
		id := fmt.Sprintf("hotel-%d", i)
		must(t)(l.hotels.CreateHotel(t.Context(), connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: id, Hotel: &lodgev1.Hotel{
			DisplayName: id, TimeZone: "UTC", CurrencyCode: "EUR",
		}})))
		must(t)(l.hotels.CreateRoomType(t.Context(), connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
			Parent: "hotels/" + id, RoomTypeId: "room", RoomType: &lodgev1.RoomType{DisplayName: "Room", BaseRate: &money.Money{CurrencyCode: "EUR", Units: 100}},
		})))
		must(t)(l.inventory.SetInventory(t.Context(), connect.NewRequest(&lodgev1.SetInventoryRequest{
			RoomType: "hotels/" + id + "/roomTypes/room", StartDate: apiDate(l.today), EndDate: apiDate(l.today.AddDays(killNights + 8)), PhysicalCount: &rooms,
		})))
	}
}

func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func apiDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}

// waitFor blocks until so many requests were acknowledged.
func (l *load) waitFor(t *testing.T, acknowledged int64) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		progress := l.progress
		l.mu.Unlock()
		if l.acknowledged.Load() >= acknowledged {
			return
		}
		select {
		case <-progress:
		case <-deadline.C:
			t.Fatalf("%d requests were acknowledged, waiting for %d", l.acknowledged.Load(), acknowledged)
		}
	}
}

func (l *load) acknowledge(a ack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks = append(l.acks, a)
	l.acknowledged.Add(1)
	close(l.progress)
	l.progress = make(chan struct{})
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// restarted lets the clients try again.
func (l *load) restarted() {
	l.client.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.restart)
	l.restart = make(chan struct{})
}

func (l *load) check(t *testing.T) {
	t.Helper()
	l.client.CloseIdleConnections()
	for _, w := range l.wrong {
		t.Error(w)
	}
}

// loadClient places, confirms and cancels reservations, one request after the other.
type loadClient struct {
	load *load
	rng  *rand.Rand
	mine []booking // reservations that were placed and not canceled
	last *sent     // an acknowledged request
}

// booking is a reservation as its client knows it.
type booking struct {
	name string
	paid bool
}

// sent is a request with its answer.
type sent struct {
	call     func(context.Context) (answer, error)
	position string
}

// answer is what the headers and the body say.
type answer struct {
	name, position string
	replayed       bool
}

func (c *loadClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.request(ctx)
		if c.last != nil && c.rng.IntN(8) == 0 {
			c.again(ctx)
		}
	}
}

// request sends one new request until it is acknowledged.
func (c *loadClient) request(ctx context.Context) {
	id := c.uuid()
	call, then := c.choose(id)
	got, err := c.until(ctx, call)
	if err != nil {
		if ctx.Err() == nil {
			c.load.fail("request %s: %v", id, err)
		}
		return
	}
	position, err := log.ParsePosition(got.position)
	if err != nil {
		c.load.fail("request %s was acknowledged without a position: %v", id, err)
		return
	}
	c.load.acknowledge(ack{request: id, position: position})
	then(got)
	c.last = &sent{call: call, position: got.position}
}

// choose picks what to ask for, and what the client knows once it has it: half of the time a new reservation, else
// the payment or the end of one.
func (c *loadClient) choose(id uuid.UUID) (call func(context.Context) (answer, error), then func(answer)) {
	if len(c.mine) < 5 || c.rng.IntN(2) == 0 {
		return c.place(id), func(got answer) {
			if got.name != "" {
				c.mine = append(c.mine, booking{name: got.name})
			}
		}
	}
	n := c.rng.IntN(len(c.mine))
	name := c.mine[n].name
	if !c.mine[n].paid && c.rng.IntN(3) == 0 {
		return c.confirm(id, name), func(answer) { c.mine[n].paid = true }
	}
	return c.cancel(id, name), func(answer) { c.mine = slices.Delete(c.mine, n, n+1) }
}

// again sends an acknowledged request once more: the answer must be the first one.
func (c *loadClient) again(ctx context.Context) {
	got, err := c.until(ctx, c.last.call)
	if ctx.Err() != nil {
		return
	}
	if err != nil || got.position != c.last.position || got.name != "" && !got.replayed {
		c.load.fail("a retry gave %+v, %v; the first answer was at %s", got, err, c.last.position)
	}
}

// until calls until there is an answer. A server that is gone is waited for.
func (c *loadClient) until(ctx context.Context, call func(context.Context) (answer, error)) (answer, error) {
	for attempt := 0; ; attempt++ {
		c.load.mu.Lock()
		restart := c.load.restart
		c.load.mu.Unlock()
		got, err := call(ctx)
		if err == nil || ctx.Err() != nil || !lost(err) {
			return got, err
		}
		if attempt == 0 {
			c.load.retried.Add(1)
		}
		select {
		case <-restart:
		case <-ctx.Done():
		}
	}
}

// lost reports whether err leaves open what became of the request.
func lost(err error) bool {
	code := connect.CodeOf(err)
	return code == connect.CodeUnavailable || code == connect.CodeUnknown || code == connect.CodeInternal || code == connect.CodeCanceled
}

func (c *loadClient) uuid() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(c.rng.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func (c *loadClient) place(id uuid.UUID) func(context.Context) (answer, error) {
	hotel := fmt.Sprintf("hotels/hotel-%d", c.rng.IntN(killHotels))
	checkIn := c.load.today.AddDays(1 + c.rng.IntN(killNights))
	req := &lodgev1.CreateReservationRequest{Parent: hotel, RequestId: id.String(), NoHoldExpiry: true, Reservation: &lodgev1.Reservation{
		RoomType: hotel + "/roomTypes/room", Quantity: 1 + c.rng.Int32N(2),
		CheckInDate: apiDate(checkIn), CheckOutDate: apiDate(checkIn.AddDays(1 + c.rng.IntN(4))),
	}}
	return func(ctx context.Context) (answer, error) {
		res, err := c.load.reservations.CreateReservation(ctx, connect.NewRequest(req))
		if position := turnedAway(err); position != "" {
			c.load.soldOut.Add(1)
			return answer{position: position}, nil
		}
		return answerOf(res, err)
	}
}

func (c *loadClient) confirm(id uuid.UUID, name string) func(context.Context) (answer, error) {
	return func(ctx context.Context) (answer, error) {
		return answerOf(c.load.reservations.ConfirmReservation(ctx, minimalRequest(&lodgev1.ConfirmReservationRequest{Name: name, RequestId: id.String()})))
	}
}

func (c *loadClient) cancel(id uuid.UUID, name string) func(context.Context) (answer, error) {
	return func(ctx context.Context) (answer, error) {
		return answerOf(c.load.reservations.CancelReservation(ctx, minimalRequest(&lodgev1.CancelReservationRequest{Name: name, RequestId: id.String()})))
	}
}

func minimalRequest[M any](msg *M) *connect.Request[M] {
	req := connect.NewRequest(msg)
	req.Header().Set(api.HeaderPrefer, "return=minimal")
	return req
}

func answerOf(res *connect.Response[lodgev1.Reservation], err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{name: res.Msg.GetName(), position: res.Header().Get(api.HeaderPosition), replayed: res.Header().Get(api.HeaderReplayed) == "true"}, nil
}

// turnedAway returns where the log says that the nights were full, or "".
func turnedAway(err error) string {
	var e *connect.Error
	if !errors.As(err, &e) {
		return ""
	}
	for _, d := range e.Details() {
		if m, derr := d.Value(); derr == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok && info.GetReason() == string(domain.SoldOut) {
				return info.GetMetadata()["position"]
			}
		}
	}
	return ""
}
