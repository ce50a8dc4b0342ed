package platform

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/commands"
	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// give executes commands that must succeed.
func give(t *testing.T, p *Platform, bodies ...hotel.Command) {
	t.Helper()
	for _, body := range bodies {
		if _, err := p.Engine.Execute(t.Context(), commands.Command{RequestID: uuid.New(), CorrelationID: "a call", Body: body}); err != nil {
			t.Fatalf("%T: %v", body, err)
		}
	}
}

// awaitBooking waits until a booking event of a reservation is of the same type as one of want, and returns it.
func awaitBooking(t *testing.T, p *Platform, reservation string, want ...proto.Message) *event.Envelope {
	t.Helper()
	for at := log.Offset(0); ; at++ {
		e := nextBooking(t, p, at)
		m, ok := e.Message.(interface{ GetReservationId() string })
		if !ok || m.GetReservationId() != reservation {
			continue
		}
		for _, w := range want {
			if event.TypeOf(w) == event.TypeOf(e.Message) {
				return e
			}
		}
	}
}

// Payments go through the whole platform: asked for, charged by the simulator, told by its answer or its notification, confirmed, and given back; another process goes on where one has stopped.
func TestPayments(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Addr: "127.0.0.1:0", Partitions: 1, NoSocket: true}
	p, stop := runIn(t, dir, opts)
	rooms, today := int32(9), domain.Today(time.Now(), time.UTC)
	give(t, p,
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "UTC", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)})
	reserve := func(method string) string {
		t.Helper()
		id := uuid.NewString()
		give(t, p, &hotel.PlaceReservation{
			Hotel: "grand", ReservationID: id, RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: today.AddDays(5), CheckOut: today.AddDays(7)},
		}, &hotel.RequestPayment{Hotel: "grand", ReservationID: id, PaymentID: uuid.NewString(), Provider: p.Payments.Provider(), PaymentMethod: method})
		return id
	}
	ends := []proto.Message{&eventpb.ReservationPaid{}, &eventpb.ReservationDeclined{}}
	first := reserve("tok_approve")
	for id, want := range map[string]proto.Message{
		first:                          &eventpb.ReservationPaid{},
		reserve("tok_twice"):           &eventpb.ReservationPaid{},
		reserve("tok_late_20ms"):       &eventpb.ReservationPaid{},
		reserve("tok_decline"):         &eventpb.ReservationDeclined{},
		reserve("tok_late_decline_x"):  &eventpb.ReservationDeclined{},
		reserve("no method of theirs"): &eventpb.ReservationDeclined{},
	} {
		e := awaitBooking(t, p, id, ends...)
		if event.TypeOf(e.Message) != event.TypeOf(want) || e.CorrelationID != "a call" || e.CausationID == "" {
			t.Errorf("%+v, want %T", e, want)
		}
	}
	refuseStrangers(t, p)
	give(t, p, &hotel.CancelReservation{Hotel: "grand", ReservationID: first})
	stop()
	p, _ = runIn(t, dir, opts)
	m, ok := awaitBooking(t, p, first, &eventpb.ReservationRefunded{}).Message.(*eventpb.ReservationRefunded)
	if !ok || m.GetRefunded().GetMinorUnits() != 200_00 || m.GetKept().GetMinorUnits() != 0 {
		t.Errorf("%v", m)
	}
}

// refuseStrangers posts to the webhooks what no provider has signed.
func refuseStrangers(t *testing.T, p *Platform) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range map[string]int{"simulator": http.StatusBadRequest, "stripe": http.StatusNotFound} {
		res, err := client.Post("http://"+p.Addr().String()+"/webhooks/"+path, "application/json", strings.NewReader(`{"status":"succeeded"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestPaymentProviders(t *testing.T) {
	stripe := payment.StripeOptions{Key: "sk_test_1", WebhookSecret: "whsec_1"}
	for name, test := range map[string]struct {
		payments PaymentsOptions
		simulate bool // the folder has a ledger of the simulator's
		webhooks int
		err      string
	}{
		"the default":                     {webhooks: 1},
		"stripe":                          {payments: PaymentsOptions{Provider: "stripe", Stripe: stripe}, webhooks: 1},
		"stripe, behind the simulator":    {payments: PaymentsOptions{Provider: "stripe", Stripe: stripe}, simulate: true, webhooks: 2},
		"the simulator again":             {payments: PaymentsOptions{Stripe: stripe}, simulate: true, webhooks: 2},
		"stripe without a key":            {payments: PaymentsOptions{Provider: "stripe"}, err: "key of Stripe"},
		"a provider that nobody has seen": {payments: PaymentsOptions{Provider: "cash"}, err: `no payment provider "cash"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.simulate {
				s, err := payment.OpenSimulator(filepath.Join(dir, simulatorFile), payment.SimulatorOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			p, err := Open(t.Context(), dir, Options{Partitions: 1, NoSocket: true, NoSchedules: true, Payments: test.payments})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), stripe.Key) {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			want := test.payments.Provider
			if want == "" {
				want = payment.SimulatorName
			}
			if p.Payments.Provider() != want || len(p.webhooks) != test.webhooks {
				t.Errorf("payments go to %s, webhooks %v", p.Payments.Provider(), p.webhooks)
			}
			if _, err := os.Stat(filepath.Join(dir, simulatorFile)); (err == nil) != (want == payment.SimulatorName || test.simulate) {
				t.Errorf("the simulator's ledger: %v", err)
			}
		})
	}
}
