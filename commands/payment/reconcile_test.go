package payment

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
)

func TestReconcile(t *testing.T) {
	amount := &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 10_000}
	captured := func(key, reference string, amount *eventpb.Money) proto.Message {
		return &eventpb.PaymentCaptured{HotelId: "grand", ReservationId: "r", PaymentId: key, Amount: amount, ProviderReference: reference}
	}
	returned := &eventpb.RefundSucceeded{HotelId: "grand", ReservationId: "r", PaymentId: "a", RefundId: "f", Amount: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 4_000}, ProviderReference: "sim_re_f"}
	sound := []proto.Message{
		&eventpb.PaymentRequested{HotelId: "grand", PaymentId: "a"}, captured("a", "sim_ch_a", amount), captured("b", "sim_ch_b", amount),
		&eventpb.PaymentDeclined{HotelId: "grand", PaymentId: "c"}, returned,
	}
	for name, test := range map[string]struct {
		events []proto.Message
		want   []string // in the differences, in order
	}{
		"the same":          {events: sound},
		"one is missing":    {sound[:4], []string{"1 refunds, 0 of them"}},
		"one comes twice":   {append(sound[:5:5], sound[1]), []string{"2 charges, 3 of them"}},
		"another amount":    {append(sound[:2:2], captured("b", "sim_ch_b", &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 9_999}), returned), []string{"b of payment b moved 99.99 EUR", "2 charges, 1 of them"}},
		"another reference": {append(sound[:2:2], captured("b", "pi_1", amount), returned), []string{"b of payment b moved 100.00 EUR as pi_1", "2 charges"}},
		"never charged":     {append(sound[:5:5], captured("x", "sim_ch_x", amount)), []string{"x of payment x moved 100.00 EUR as sim_ch_x; the ledger says not_found"}},
		"declined":          {append(sound[:5:5], captured("c", "sim_ch_c", amount)), []string{"the ledger says declined"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, SimulatorOptions{})
			_, _ = b.Charge(t.Context(), charging("a", "tok_approve"))
			_, _ = b.Charge(t.Context(), charging("b", "tok_approve"))
			_, _ = b.Charge(t.Context(), charging("c", "tok_decline"))
			_, _ = b.Refund(t.Context(), refunding("f", "a", 4_000))
			lg := logtest.Open(t, broker.Options{})
			tp := lg.Topic(event.PaymentsTopic, 1)[0]
			for _, m := range test.events {
				r := log.Record{Key: []byte("grand")}
				var err error
				r.Value, err = event.Encode(&event.Envelope{ID: "1", Source: "test", Time: b.clock.Now(), Message: m}, func(key string, value []byte) {
					r.Headers = append(r.Headers, log.Header{Key: key, Value: value})
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := lg.Append(t.Context(), tp, &log.Batch{Records: []log.Record{r}}); err != nil {
					t.Fatal(err)
				}
			}
			r, err := b.Reconcile(t.Context(), lg, 1)
			if err != nil || r.OK() != (len(test.want) == 0) || len(r.Differences) != len(test.want) {
				t.Fatalf("%+v, %v", r, err)
			}
			for i, want := range test.want {
				if !strings.Contains(r.Differences[i], want) {
					t.Errorf("%q does not say %q", r.Differences[i], want)
				}
			}
		})
	}
}
