package commands

import (
	"testing"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// A log that was made before there were payments gets their topic, with as many partitions as the others.
func TestCreateTopicsAddsPayments(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	for _, name := range []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic} {
		if err := lg.CreateTopic(t.Context(), name, log.TopicConfig{Partitions: 3}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if n, err := CreateTopics(t.Context(), lg, 0, log.None); n != 3 || err != nil {
			t.Fatalf("%d partitions, %v", n, err)
		}
	}
	have, err := existing(t.Context(), lg)
	if err != nil {
		t.Fatal(err)
	}
	if got := have[event.PaymentsTopic]; len(got.Partitions) != 3 || got.Config.Durability != log.Sync {
		t.Errorf("%+v", got)
	}
	h := open(t, lg, Options{Partitions: 3, HoldTick: -1})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	h.do(2, pay("grand", 1))
	if got := messages(t, lg, paymentsTopic, 3); len(got) != 1 {
		t.Errorf("payments %v", got)
	}
}

// What payments and bookings rest on of each other is committed before: a crash at any moment between the steps of a payment leaves a state that its next step fits.
func TestPaymentFromStepToStep(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	if _, err := CreateTopics(t.Context(), lg, 1, log.Sync); err != nil {
		t.Fatal(err)
	}
	steps := append([]hotel.Command{place("grand", 1)}, withMoney("grand", 1, 0)...)
	steps = append(steps,
		&hotel.GrantRefund{Hotel: "grand", ReservationID: reservationID(1), Amount: domain.Money{MinorUnits: 50_00}},
		&hotel.SettleRefunds{Hotel: "grand", ReservationID: reservationID(1), RefundID: refundID(1)},
		&hotel.RecordRefund{Hotel: "grand", ReservationID: reservationID(1), PaymentID: paymentID(1), RefundID: refundID(1), Succeeded: true},
		&hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1)},
		&hotel.SettleRefunds{Hotel: "grand", ReservationID: reservationID(1), RefundID: refundID(2)},
		&hotel.RecordRefund{Hotel: "grand", ReservationID: reservationID(1), PaymentID: paymentID(1), RefundID: refundID(2), Succeeded: true},
		&hotel.CompleteRefund{Hotel: "grand", ReservationID: reservationID(1)},
	)
	first := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	first.build("grand", 1)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	for i, body := range steps {
		opts := Options{Partitions: 1, HoldTick: -1}
		if i%2 == 0 {
			opts.FS, opts.SnapshotDir, opts.SnapshotEvery = lg.FS, "snapshots", 1
		}
		h := open(t, lg, opts)
		if r := h.do(i, body); len(r.Events) != 1 || r.Replayed {
			t.Fatalf("step %d, %T: %+v", i, body, r)
		}
		if r := h.do(i, body); len(r.Events) != 1 || !r.Replayed {
			t.Fatalf("step %d, %T again: %+v", i, body, r)
		}
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		lg.Crash(vfs.LoseAll)
	}
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	if got := h.processors[0].state.hotel("grand").Status(reservationID(1)); got != eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED {
		t.Errorf("it is %s", got)
	}
}

// The platform's own commands change nothing when they are given again, without a request id: no event, no error, nothing in the log.
func TestPaymentsOfThePlatformItself(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	internal := func(body hotel.Command, events int) {
		t.Helper()
		r, err := h.Execute(t.Context(), Command{Internal: true, Body: body})
		if err != nil || len(r.Events) != events {
			t.Fatalf("%T: %d events, %v", body, len(r.Events), err)
		}
		if events > 0 && r.Events[0].RequestID != uuid.Nil {
			t.Errorf("%T has a request id", body)
		}
	}
	settle := &hotel.SettleRefunds{Hotel: "grand", ReservationID: reservationID(1), RefundID: refundID(1)}
	check := &hotel.CheckPayment{Hotel: "grand", ReservationID: reservationID(1), PaymentID: paymentID(1)}
	internal(pay("grand", 1), 1)
	internal(check, 0)
	internal(settle, 0)
	internal(captured("grand", 1), 1)
	internal(captured("grand", 1), 0)
	confirm := withMoney("grand", 1, 0)[2]
	internal(confirm, 1)
	internal(confirm, 0)
	internal(&hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1)}, 1)
	internal(settle, 1)
	internal(settle, 0)
	if _, err := h.Execute(t.Context(), Command{Internal: true, Body: check}); domain.ReasonOf(err) != domain.StatusConflict {
		t.Errorf("a payment that was captured may be charged: %v", err)
	}
	if got := messages(t, lg, paymentsTopic, 1); len(got) != 3 {
		t.Errorf("payments %v", got)
	}
}

// With bookings that a power loss may take, payments stay and the log can be opened: what they rest on may be gone, and then they change nothing.
func TestPaymentsOutliveBookings(t *testing.T) {
	r := random(t)
	lost := 0
	for round := range 30 {
		lg := logtest.Open(t, broker.Options{})
		if _, err := CreateTopics(t.Context(), lg, 1, log.None); err != nil {
			t.Fatal(err)
		}
		opts := Options{Partitions: 1, HoldTick: -1}
		h := open(t, lg, opts)
		h.build("grand", 5)
		for n := range 3 {
			h.do(10*n, place("grand", n))
			h.do(10*n+1, pay("grand", n))
			h.do(10*n+2, captured("grand", n))
		}
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		lg.Crash(vfs.Randomly(r))
		h = open(t, lg, opts)
		st := h.processors[0].state
		if st.next[paymentsTopic] != 6 {
			t.Fatalf("round %d: %d events of payments are left of 6", round, st.next[paymentsTopic])
		}
		if st.next[bookingsTopic] < 3 {
			lost++
		}
		want := h.dump()
		if got := open(t, lg, opts).dump(); got != want {
			t.Fatalf("round %d: another state", round)
		}
	}
	if lost == 0 {
		t.Error("no power loss took a booking")
	}
}
