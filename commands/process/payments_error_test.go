package process_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"lodge/commands"
	"lodge/commands/payment"
	"lodge/commands/process"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
)

// blind is a provider that refuses to look anything up, for good.
type blind struct{ payment.Provider }

func refusal(op string) error {
	return &payment.Error{Provider: payment.SimulatorName, Op: op, Code: "search_not_available", Permanent: true}
}

func (blind) LookupCharge(context.Context, payment.Charge) (payment.Outcome, error) {
	return payment.Outcome{}, refusal("look up charge")
}

func (blind) LookupRefund(context.Context, payment.Refund) (payment.Outcome, error) {
	return payment.Outcome{}, refusal("look up refund")
}

// A provider that does not let anybody look has not said that no money was moved.
func TestARefusedLookUpProvesNothing(t *testing.T) {
	w := newWorld(t)
	w.build()
	saga, err := process.NewPayments(mortalEngine{w}, mortalTimers{w}, process.PaymentsOptions{Clock: w.clock.Now}, blind{mortalProvider{w}})
	if err != nil {
		t.Fatal(err)
	}
	w.saga = saga
	w.do(place(1, ""), pay(1, 1, "tok_timeout")) // it is charged, and the answer is lost
	w.pass(minutes(1))
	if l := w.lives()[reservationID(1)]; l.status != "PENDING" || l.open != 1 {
		t.Fatalf("the reservation is %s with %d payments open; want PENDING with one", l.status, l.open)
	}
	entry, err := w.sim.Entry(t.Context(), payment.ChargeEntry, paymentID(1))
	if err != nil {
		t.Fatal(err)
	}
	if entry.Status != payment.Succeeded {
		t.Fatalf("the simulator says %s; the test wants a charge that was made", entry.Status)
	}

	// What the provider says by itself counts all the same.
	notice := &payment.Notice{ID: "n1", HotelID: "grand", ReservationID: reservationID(1), PaymentID: paymentID(1), Outcome: payment.Outcome{Status: payment.Succeeded, Amount: euros(300_00)}}
	if err := w.saga.Take(t.Context(), payment.SimulatorName, notice); err != nil {
		t.Fatal(err)
	}
	w.pass(minutes(60))
	if l := w.lives()[reservationID(1)]; l.status != "PAID" || l.captured != 300_00 {
		t.Errorf("the reservation is %s with %d captured; want PAID with 30000", l.status, l.captured)
	}
}

// Money that was to be given back is given to people when the reservation, and what is known of its money, has left the book meanwhile.
func TestARefundOutlivesTheBook(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), pay(1, 1, "tok_approve_refund_late_2h"))
	w.drain()
	w.until(13)
	grant := &hotel.GrantRefund{Hotel: "grand", ReservationID: reservationID(1), Amount: euros(50_00), Note: "no hot water"}
	w.do(grant)
	w.drain()
	if len(w.schedules) != 1 || len(w.letters) != 0 {
		t.Fatalf("%d timers and %d letters; want one timer, of the refund", len(w.schedules), len(w.letters))
	}

	// The process sleeps through the rest of the summer, and the first guest after it closes the books of July.
	w.clock.set(noon.AddDate(0, 3, 0))
	rooms := int32(roomCount)
	october := domain.DateOf(2026, 10, 10)
	w.do(
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: october, End: october + 5},
		&hotel.PlaceReservation{
			Hotel: "grand", ReservationID: reservationID(2), RoomType: "double", Quantity: 1, Stay: domain.Stay{CheckIn: october, CheckOut: october + 1},
		},
	)
	w.fire()
	for _, h := range w.saga.Handlers() {
		for i := range w.fired {
			if h.Topic == process.TimersTopic {
				w.handle(&h, &w.fired[i], false)
			}
		}
	}
	if len(w.letters) != 1 || !errors.Is(w.letters[0].err, domain.ReservationNotFound) {
		t.Errorf("letters %v; want one that says that the reservation is not known any more", w.letters)
	}
}

// slow is an engine that answers nobody in time.
type slow struct{}

func (slow) Execute(ctx context.Context, _ commands.Command) (commands.Result, error) {
	<-ctx.Done()
	return commands.Result{}, context.Cause(ctx)
}

func (slow) Upkeep(ctx context.Context) ([]commands.Upkeep, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// An engine that is slow is no reason to poison what waits for it.
func TestNoAnswerInTimeIsTransient(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), pay(1, 1, "tok_approve_refund_late_2h"))
	w.drain()
	w.do(quantity(1, 2))
	w.drain()
	w.do(cancel(1))
	w.drain()
	w.do(place(2, ""), pay(2, 2, "tok_decline_insufficient_funds"))
	w.drain()
	w.pass(3 * time.Hour)
	saga, err := process.NewPayments(slow{}, mortalTimers{w}, process.PaymentsOptions{Clock: w.clock.Now}, mortalProvider{w})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	tried := map[string]bool{}
	for _, h := range saga.Handlers() {
		records := w.records(h.Topic, 0)
		for i := range records {
			if !slices.Contains(h.Types, string(records[i].HeaderValue(event.HeaderType))) {
				continue
			}
			err := w.attempt(ctx, &h, &records[i])
			if tried[h.Name] = true; !process.IsTransient(err) {
				t.Errorf("%s: %v is not transient", h.Name, err)
			}
		}
	}
	for _, name := range []string{"payment-charge", "payment-confirm", "payment-decline", "payment-settle", "payment-refund", "payment-complete", "payment-recheck"} {
		if !tried[name] {
			t.Errorf("%s was not tried", name)
		}
	}
}

// attempt has a handler answer a record.
func (w *world) attempt(ctx context.Context, h *process.Handler, r *log.Record) error {
	w.t.Helper()
	if h.HandleRecord != nil {
		return h.HandleRecord(ctx, r)
	}
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		w.t.Fatal(err)
	}
	return h.Handle(ctx, e)
}

// Nor is it for what hotels want as time goes by.
func TestUpkeepWaitsForTheEngine(t *testing.T) {
	w := newWorld(t)
	w.build()
	upkeep, err := process.NewUpkeep(slow{}, nil, nil, process.UpkeepOptions{Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	handlers := upkeep.Handlers()
	if len(handlers) != 3 {
		t.Fatalf("%d handlers; want 3", len(handlers))
	}
	for _, h := range handlers {
		r := &w.records(event.HotelsTopic, 0)[0]
		if h.Topic == process.TimersTopic {
			r = &log.Record{Topic: process.TimersTopic, Key: []byte("grand")}
		}
		if err := w.attempt(ctx, &h, r); !process.IsTransient(err) {
			t.Errorf("%s: %v is not transient", h.Name, err)
		}
	}
}
