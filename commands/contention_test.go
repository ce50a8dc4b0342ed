package commands

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
)

// Many clients hold, pay for, change and cancel the same few rooms while holds end and money goes back, each with commands of its own choice: no night is oversold, nothing
// is charged for rooms that are not had, and a replay gives the state that is held.
func TestManyClientsPayForAFewRooms(t *testing.T) {
	const clients, lives, few = 64, 12, 20
	lg := logtest.Open(t, broker.Options{})
	if _, err := CreateTopics(t.Context(), lg, siteOptions.Partitions, log.Sync); err != nil {
		t.Fatal(err)
	}
	opts := Options{Partitions: siteOptions.Partitions, HoldTick: -1}
	h := open(t, lg, opts)
	h.build("grand", few)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(c)))
			for n := range lives {
				live(t, h, r, c*lives+n)
			}
		})
	}
	group.Wait()
	finish(t, h, clients*lives)
	checkMoney(t, lg, opts.Partitions)
	checkAudit(t, "at the end", lg)
	want := h.dump()
	if got := open(t, lg, opts).dump(); got != want {
		t.Error("a replay gives another state")
	}
}

// give executes a command under a new request id. A broken rule is an answer; anything else fails the test.
func give(t *testing.T, h *house, body hotel.Command, later time.Duration) (Result, error) {
	r, err := h.Execute(context.Background(), Command{RequestID: uuid.New(), Time: noon.Add(later), Body: body})
	if err != nil && domain.ReasonOf(err) == "" {
		t.Errorf("%T: %v", body, err)
	}
	return r, err
}

// live is one reservation's life, cut short at a random point of its payment.
func live(t *testing.T, h *house, r *rand.Rand, n int) {
	if placed, err := give(t, h, place("grand", n), 0); err != nil || !isPlaced(placed) {
		return
	}
	steps := withMoney("grand", n, 0)
	if r.IntN(4) == 0 { // a declined payment
		steps[1] = &hotel.RecordPayment{Hotel: "grand", ReservationID: reservationID(n), PaymentID: paymentID(n), Outcome: hotel.PaymentDeclined}
		steps[2] = &hotel.DeclineReservation{Hotel: "grand", ReservationID: reservationID(n), PaymentID: paymentID(n)}
	}
	cut := r.IntN(len(steps) + 1)
	for i, body := range steps {
		if i == cut {
			switch r.IntN(3) {
			case 0:
				_, _ = give(t, h, &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(n)}, 0)
			case 1:
				_, _ = give(t, h, &hotel.ExpireHolds{Hotel: "grand"}, time.Duration(r.IntN(30))*time.Minute)
			}
		}
		_, _ = give(t, h, body, 0)
	}
	for _, body := range []hotel.Command{
		&hotel.ModifyReservation{Hotel: "grand", ReservationID: reservationID(n), CheckIn: new(domain.DateOf(2026, 7, 11)), CheckOut: new(domain.DateOf(2026, 7, 12))},
		&hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(n)},
	} {
		if r.IntN(5) > 0 {
			_, _ = give(t, h, body, 0)
		}
	}
}

// finish does for every reservation what is still to be done, as the platform does: it counts what was captured, and gives back what is owed.
func finish(t *testing.T, h *house, count int) {
	_, _ = give(t, h, &hotel.ExpireHolds{Hotel: "grand"}, time.Hour)
	for n := range count {
		_, err := give(t, h, withMoney("grand", n, 0)[2], time.Hour)
		if errors.Is(err, domain.ReservationNotFound) || errors.Is(err, domain.PaymentNotFound) {
			continue
		}
		owed, err := give(t, h, &hotel.SettleRefunds{Hotel: "grand", ReservationID: reservationID(n), RefundID: refundID(n)}, time.Hour)
		if err != nil {
			t.Errorf("settle %d: %v", n, err)
		}
		if len(owed.Events) == 0 {
			continue
		}
		back := &hotel.RecordRefund{Hotel: "grand", ReservationID: reservationID(n), PaymentID: paymentID(n), RefundID: refundID(n), Succeeded: true}
		for _, body := range []hotel.Command{back, &hotel.CompleteRefund{Hotel: "grand", ReservationID: reservationID(n)}} {
			if _, err := give(t, h, body, time.Hour); err != nil {
				t.Errorf("%T %d: %v", body, n, err)
			}
		}
	}
}

// checkMoney demands that of each reservation is kept what its stay costs, and of others nothing: there are no fees here.
func checkMoney(t *testing.T, lg log.Reader, partitions int) {
	t.Helper()
	balance, price, captures := map[string]int64{}, map[string]int64{}, 0
	for _, m := range messages(t, lg, paymentsTopic, partitions) {
		switch m := m.(type) {
		case *eventpb.PaymentCaptured:
			balance[m.GetReservationId()] += m.GetAmount().GetMinorUnits()
			captures++
		case *eventpb.RefundSucceeded:
			balance[m.GetReservationId()] -= m.GetAmount().GetMinorUnits()
		}
	}
	for _, m := range messages(t, lg, bookingsTopic, partitions) {
		switch m := m.(type) {
		case *eventpb.ReservationPaid:
			price[m.GetReservationId()] = m.GetAmount().GetMinorUnits()
		case *eventpb.ReservationModified:
			if m.GetStatus() == eventpb.ReservationStatus_RESERVATION_STATUS_PAID {
				price[m.GetReservationId()] = m.GetTotalMinorUnits()
			}
		case *eventpb.ReservationCanceled:
			price[m.GetReservationId()] = 0
		}
	}
	for id, left := range balance {
		if left != price[id] {
			t.Errorf("of reservation %s %d are kept, and it costs %d", id, left, price[id])
		}
	}
	t.Logf("%d payments were captured", captures)
	if captures < 5 {
		t.Errorf("only %d payments were captured", captures)
	}
}
