package platform

import (
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// placeWithHold makes a hotel whose holds last a second, and reserves a room there.
func placeWithHold(t *testing.T, p *Platform) {
	t.Helper()
	rooms, today := int32(1), domain.Today(time.Now(), time.UTC)
	for _, body := range []hotel.Command{
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "UTC", CurrencyCode: "EUR", HoldDuration: time.Second},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 1}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)},
		&hotel.PlaceReservation{
			Hotel: "grand", ReservationID: uuid.NewString(), RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: today.AddDays(2), CheckOut: today.AddDays(3)},
		},
	} {
		if _, err := p.Engine.Execute(t.Context(), commands.Command{RequestID: uuid.New(), Body: body}); err != nil {
			t.Fatalf("%T: %v", body, err)
		}
	}
}

// nextBooking waits for a record of bookings and returns its event. The test's time limit bounds it.
func nextBooking(t *testing.T, p *Platform, at log.Offset) *event.Envelope {
	t.Helper()
	tp := log.TopicPartition{Topic: event.BookingsTopic}
	got, err := p.Broker.Fetch(t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at, MaxWait: 5 * time.Minute})
	if err != nil || len(got.Records) == 0 {
		t.Fatalf("no event at %d: %v", at, err)
	}
	r := &got.Records[0]
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHoldsEndWithAndWithoutSchedules: by a delayed record, or by the processors' tick.
func TestHoldsEndWithAndWithoutSchedules(t *testing.T) {
	for name, opts := range map[string]Options{
		"schedules":    {Partitions: 1, HoldTick: time.Hour}, // the tick is off
		"no schedules": {Partitions: 1, HoldTick: 5 * time.Millisecond, NoSchedules: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := runIn(t, t.TempDir(), opts)
			placeWithHold(t, p)
			placed, ok := nextBooking(t, p, 0).Message.(*eventpb.ReservationPlaced)
			if !ok {
				t.Fatal("nothing was placed")
			}
			e := nextBooking(t, p, 1)
			m, ok := e.Message.(*eventpb.ReservationCanceled)
			if !ok || m.GetReason() != eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED || e.Time.Before(placed.GetHoldExpireTime().AsTime()) {
				t.Errorf("after %v: %v", placed.GetHoldExpireTime().AsTime(), e)
			}
			if byTimer := strings.HasPrefix(e.CausationID, "hold-expiry.grand#"); byTimer == opts.NoSchedules {
				t.Errorf("the cause is %q", e.CausationID)
			}
		})
	}
}

// TestProcessesAreAPartOfTheHealth, and run.
func TestProcessesAreAPartOfTheHealth(t *testing.T) {
	dir := t.TempDir()
	p, _ := runIn(t, dir, Options{})
	client := Client(dir)
	defer client.CloseIdleConnections()
	res, err := lodgev1connect.NewAdminServiceClient(client, SocketURL).GetHealth(t.Context(), connect.NewRequest(&lodgev1.GetHealthRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(res.Msg.GetParts(), func(part *lodgev1.Health_Part) bool {
		return part.GetName() == "processes" && part.GetHealthy() && strings.Contains(part.GetMessage(), "handlers")
	}) {
		t.Errorf("health %v", res.Msg)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for joined := false; !joined; <-tick.C { // the test's time limit bounds it
		groups, err := p.Broker.ListGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		joined = slices.ContainsFunc(groups, func(g log.GroupInfo) bool { return g.Group == "process.hold-expiry" })
	}
}
