package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/durationpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/log/broker"
)

// TestHoldsEndThroughKills kills the server again and again while guests place reservations with short holds and delayed records end them. In the end every hold has
// ended, once, not before its time.
func TestHoldsEndThroughKills(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 1))
	dir := t.TempDir()
	l := newLoad(dir)
	server, _ := serve(t, dir)
	enough, last := make(chan struct{}), make([]string, 3)
	var guests sync.WaitGroup
	for i, hold := range []time.Duration{time.Second, time.Second, 2 * time.Second} {
		hotel := l.buildShort(t, fmt.Sprintf("short-%d", i), hold)
		guest := &loadClient{load: l, rng: rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))}
		guests.Go(func() { last[i] = guest.hold(t.Context(), hotel, enough) })
	}
	for range 3 {
		l.waitFor(t, l.acknowledged.Load()+10+rng.Int64N(40))
		<-time.After(time.Duration(rng.Int64N(int64(1200 * time.Millisecond)))) // so that holds are placed, armed, over and being ended
		server.end(t, syscall.SIGKILL)
		server, _ = serve(t, dir)
		l.restarted()
	}
	l.waitFor(t, l.acknowledged.Load()+10)
	close(enough)
	guests.Wait()
	l.awaitEnds(t, last)
	l.check(t)
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d\n%s", code, server.stderr)
	}
	checkHolds(t, dir, int(l.acknowledged.Load()))
}

// buildShort makes a hotel with short holds and rooms enough, and returns its name.
func (l *load) buildShort(t *testing.T, id string, hold time.Duration) string {
	t.Helper()
	rooms := int32(10_000)
	must(t)(l.hotels.CreateHotel(t.Context(), connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: id, Hotel: &lodgev1.Hotel{
		DisplayName: id, TimeZone: "UTC", CurrencyCode: "EUR", HoldDuration: durationpb.New(hold),
	}})))
	must(t)(l.hotels.CreateRoomType(t.Context(), connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
		Parent: "hotels/" + id, RoomTypeId: "room", RoomType: &lodgev1.RoomType{DisplayName: "Room", BaseRate: &money.Money{CurrencyCode: "EUR", Units: 100}},
	})))
	must(t)(l.inventory.SetInventory(t.Context(), connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: "hotels/" + id + "/roomTypes/room", StartDate: apiDate(l.today), EndDate: apiDate(l.today.AddDays(30)), PhysicalCount: &rooms,
	})))
	return "hotels/" + id
}

// hold places reservations of a hotel, one after the other, and leaves them. It returns the name of the last one, whose hold is the last to end.
func (c *loadClient) hold(ctx context.Context, hotel string, enough <-chan struct{}) (last string) {
	for {
		select {
		case <-enough:
			return last
		case <-time.After(time.Duration(c.rng.Int64N(int64(20 * time.Millisecond)))):
		}
		id := c.uuid()
		req := &lodgev1.CreateReservationRequest{Parent: hotel, RequestId: id.String(), Reservation: &lodgev1.Reservation{
			RoomType: hotel + "/roomTypes/room", Quantity: 1, CheckInDate: apiDate(c.load.today.AddDays(5)), CheckOutDate: apiDate(c.load.today.AddDays(6)),
		}}
		got, err := c.until(ctx, func(ctx context.Context) (answer, error) {
			return answerOf(c.load.reservations.CreateReservation(ctx, connect.NewRequest(req)))
		})
		position, malformed := log.ParsePosition(got.position)
		if err := errors.Join(err, malformed); err != nil {
			c.load.fail("place %s: %v", id, err)
			return last
		}
		last = got.name
		c.load.acknowledge(ack{request: id, position: position})
	}
}

// awaitEnds waits until the holds of these reservations have ended.
func (l *load) awaitEnds(t *testing.T, names []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, name := range names {
		for status := lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING; status == lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING; <-time.After(10 * time.Millisecond) {
			res, err := l.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{Name: name}))
			if connect.CodeOf(err) == connect.CodeNotFound { // the read model is behind
				continue
			}
			if err != nil {
				t.Fatalf("the hold of %s has not ended, or nobody knows: %v", name, err)
			}
			status = res.Msg.GetStatus()
		}
	}
}

// checkHolds reads from a folder that nobody serves that each hold has ended as it should, by a timer or the sweep.
func checkHolds(t *testing.T, dir string, acknowledged int) {
	t.Helper()
	lg, err := broker.Open(platform.LogFolder(dir), broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lg.Close()
	deadlines, ended, byTimer := map[string]time.Time{}, map[string]bool{}, 0
	for n := range log.Partition(commands.PartitionsDefault()) {
		for _, e := range eventsOf(t, lg, log.TopicPartition{Topic: event.BookingsTopic, Partition: n}) {
			switch m := e.Message.(type) {
			case *eventpb.ReservationPlaced:
				deadlines[m.GetReservationId()] = m.GetHoldExpireTime().AsTime()
			case *eventpb.ReservationCanceled:
				if ended[m.GetReservationId()] {
					t.Errorf("%s ended twice", m.GetReservationId())
				}
				if at := deadlines[m.GetReservationId()]; m.GetReason() != eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED || e.Time.Before(at) {
					t.Errorf("%s, whose hold was until %v, ended at %v with %v", m.GetReservationId(), at, e.Time, m.GetReason())
				}
				ended[m.GetReservationId()] = true
				if strings.HasPrefix(e.CausationID, "hold-expiry.") {
					byTimer++
				} else if e.CausationID != "sweep" {
					t.Errorf("%s ended because of %q", m.GetReservationId(), e.CausationID)
				}
			}
		}
	}
	if len(deadlines) < acknowledged || len(ended) != len(deadlines) || byTimer == 0 {
		t.Errorf("%d acknowledged, %d placed, %d ended, %d of them by timers", acknowledged, len(deadlines), len(ended), byTimer)
	}
	t.Logf("%d holds have ended, %d of them by timers", len(ended), byTimer)
}

// eventsOf reads all events of a partition.
func eventsOf(t *testing.T, lg *broker.Broker, tp log.TopicPartition) (found []*event.Envelope) {
	t.Helper()
	_, end, err := lg.Offsets(t.Context(), tp)
	for at := log.Offset(0); err == nil && at < end; {
		var got log.FetchResult
		if got, err = lg.Fetch(t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at}); err != nil {
			break
		}
		for i := range got.Records {
			r := &got.Records[i]
			e, err := event.Decode(r.Value, r.HeaderValue)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, e)
		}
		at = got.Next
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}
