package process_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/commands/payment"
	"lodge/commands/process"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// story is a life of one reservation of 300 euros, and how it ends.
type story struct {
	name    string
	method  string // what it is paid with
	plan    string
	life    func(w *world) // after it has been asked to be paid
	status  string
	net     int64 // what the house has in the end, in cents
	due     int64 // what is still to be paid
	letters int   // for people
	lucky   bool  // a message that comes twice may learn in time that the money was taken: then it is paid
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// until passes the time to noon of a day of July.
func (w *world) until(day int) {
	w.t.Helper()
	w.pass(time.Date(2026, 7, day, 12, 0, 0, 0, time.UTC).Sub(w.clock.Now()))
}

// then passes a while, gives a command, and passes another while.
func then(before time.Duration, body hotel.Command, after time.Duration) func(*world) {
	return func(w *world) {
		w.t.Helper()
		w.pass(before)
		w.do(body)
		w.pass(after)
	}
}

func wait(d time.Duration) func(*world) { return func(w *world) { w.t.Helper(); w.pass(d) } }

func stories() []story {
	return append(paying(), changing()...)
}

// paying are the ways in which a payment comes to its end.
func paying() []story {
	return []story{
		{name: "approved", method: "tok_approve", life: wait(0), status: "PAID", net: 300_00},
		{name: "answered three times", method: "tok_twice", life: wait(0), status: "PAID", net: 300_00},
		{name: "declined", method: "tok_decline_insufficient_funds", life: wait(0), status: "REJECTED"},
		{name: "declined twice over", method: "tok_twice_decline", life: wait(0), status: "REJECTED"},
		{name: "no such method", method: "visa", life: wait(0), status: "REJECTED"},
		{name: "the answer is lost", method: "tok_timeout", life: wait(minutes(1)), status: "PAID", net: 300_00},
		{name: "a refusal is lost", method: "tok_timeout_decline", life: wait(minutes(1)), status: "REJECTED"},
		{name: "the request is lost", method: "tok_unreachable", life: wait(minutes(1)), status: "PAID", net: 300_00},
		{name: "late, in time", method: "tok_late_5m", life: wait(minutes(20)), status: "PAID", net: 300_00},
		{name: "late and declined", method: "tok_late_5m_decline", life: wait(minutes(20)), status: "REJECTED"},
		{name: "captured after the hold", method: "tok_late_20m", life: wait(minutes(60)), status: "REFUNDED"},
		{name: "declined after the hold", method: "tok_late_20m_decline", life: wait(minutes(60)), status: "CANCELED"},
		{name: "silence, and captured after the hold", method: "tok_timeout_late_20m", life: wait(minutes(60)), status: "REFUNDED"},
		{name: "captured after the hold, hard to give back", method: "tok_late_20m_refund_unreachable", life: wait(minutes(120)), status: "REFUNDED"},
		{name: "canceled while under way", method: "tok_late_5m", life: then(minutes(1), cancel(1), minutes(60)), status: "REFUNDED"},
		{name: "settled at the desk while under way", method: "tok_late_5m", life: then(minutes(1), &hotel.ConfirmReservation{Hotel: "grand", ReservationID: reservationID(1)}, minutes(60)), status: "PAID"},
		{name: "provider down for ten minutes", method: "tok_approve", life: outage(minutes(10)), status: "PAID", net: 300_00},
		{name: "provider down beyond the hold", method: "tok_approve", life: outage(minutes(120)), status: "CANCELED"},
		{name: "provider down, and the charge went through", method: "tok_timeout", life: func(w *world) {
			w.drain()
			w.sim.SetDown(true)
			w.pass(minutes(300))
			w.sim.SetDown(false)
			w.pass(24 * time.Hour)
		}, status: "REFUNDED", lucky: true},
	}
}

// outage has the provider unreachable from the start for a while, and then gives everything a day.
func outage(d time.Duration) func(*world) {
	return func(w *world) {
		w.t.Helper()
		w.sim.SetDown(true)
		w.pass(d)
		w.sim.SetDown(false)
		w.pass(24 * time.Hour)
	}
}

// changing are the ways in which money moves after a reservation is paid.
func changing() []story {
	day := func(day int, body hotel.Command) func(*world) {
		return func(w *world) {
			w.t.Helper()
			w.until(day)
			w.do(body)
			w.pass(minutes(60))
		}
	}
	walk := &hotel.Walk{Hotel: "grand", ReservationID: reservationID(1), RelocatedTo: "Ritz"}
	missed := &hotel.MarkNoShow{Hotel: "grand", ReservationID: reservationID(1)}
	grant := &hotel.GrantRefund{Hotel: "grand", ReservationID: reservationID(1), Amount: euros(50_00), Note: "no hot water"}
	return []story{
		{name: "canceled", method: "tok_approve", life: then(0, cancel(1), 0), status: "REFUNDED"},
		{name: "canceled, the refund's answer is lost", method: "tok_approve_refund_timeout", life: then(0, cancel(1), minutes(60)), status: "REFUNDED"},
		{name: "canceled, the refund is late", method: "tok_approve_refund_late_2h", life: then(0, cancel(1), minutes(200)), status: "REFUNDED"},
		{name: "canceled, the refund is refused", method: "tok_approve_refund_decline_account_closed", life: then(0, cancel(1), minutes(60)), status: "CANCELED", net: 300_00, letters: 1},
		{name: "canceled late", method: "tok_approve", plan: "strict", life: day(9, cancel(1)), status: "REFUNDED", net: 100_00},
		{name: "no-show", method: "tok_approve", plan: "strict", life: day(10, missed), status: "REFUNDED", net: 150_00},
		{name: "walked", method: "tok_approve", plan: "strict", life: day(10, walk), status: "REFUNDED"},
		{name: "a part granted", method: "tok_approve", life: then(0, grant, 0), status: "PAID", net: 250_00},
		{name: "a part granted, then canceled", method: "tok_approve", life: func(w *world) {
			then(0, grant, 0)(w)
			then(0, cancel(1), 0)(w)
		}, status: "REFUNDED"},
		{name: "dearer", method: "tok_approve", life: then(0, quantity(1, 2), 0), status: "PAID", net: 600_00},
		{name: "dearer, and declined", method: "tok_once", life: then(0, quantity(1, 2), minutes(60)), status: "PAID", net: 300_00, due: 300_00},
		{name: "dearer, and the answer is lost", method: "tok_timeout", life: then(minutes(1), quantity(1, 2), minutes(1)), status: "PAID", net: 600_00},
		{name: "dearer while under way", method: "tok_late_5m", life: then(minutes(1), quantity(1, 2), minutes(60)), status: "PAID", net: 600_00},
		{name: "dearer, then canceled while under way", method: "tok_late_5m", life: func(w *world) {
			then(minutes(6), quantity(1, 2), minutes(1))(w)
			then(0, cancel(1), minutes(60))(w)
		}, status: "REFUNDED"},
		{name: "cheaper", method: "tok_approve", life: then(0, nights(1, 12), 0), status: "PAID", net: 200_00},
		{name: "cheaper while under way", method: "tok_late_5m", life: then(minutes(1), nights(1, 12), minutes(60)), status: "PAID", net: 200_00},
		{name: "cheaper, then dearer", method: "tok_approve", life: func(w *world) {
			then(0, nights(1, 12), 0)(w)
			then(0, nights(1, 14), 0)(w)
		}, status: "PAID", net: 400_00},
	}
}

// tell lives a story in a world with a fuse, and returns how many steps the saga took.
func (s *story) tell(t *testing.T, f fuse, twice, lag bool) (steps int) {
	t.Helper()
	w := newWorld(t)
	w.build()
	w.twice, w.lag = twice, lag
	w.do(place(1, s.plan), pay(1, 1, s.method))
	w.fuse = &f
	s.life(w)
	steps = w.fuse.steps
	w.fuse = &fuse{}
	l := w.lives()[reservationID(1)]
	again := twice || f.at > 0
	switch {
	case s.lucky && again && l.status == "PAID" && l.net() == l.total:
	case l.status != s.status || l.net() != s.net || l.due != s.due:
		t.Errorf("it ends as %s, the house has %d and %d are due; want %s, %d, %d", l.status, l.net(), l.due, s.status, s.net, s.due)
	}
	if (len(w.letters) > 0) != (s.letters > 0) || !again && len(w.letters) != s.letters {
		t.Errorf("%d letters, want %d: %v", len(w.letters), s.letters, w.letters)
	}
	if len(w.schedules) > 0 {
		t.Errorf("timers are left: %v", w.schedules)
	}
	w.check()
	return steps
}

func TestPaymentStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) { s.tell(t, fuse{}, false, false) })
		t.Run(s.name+", every message twice", func(t *testing.T) { s.tell(t, fuse{}, true, false) })
	}
}

// The process is killed before and after each step that the saga takes: each command, each call of the provider, each timer. Everything ends as if it had not been. Of the kills one in
// -kill-stride is tried, and by the next run another.
func TestKillBetweenAnySteps(t *testing.T) {
	kills, every := 0, *stride
	if testing.Short() {
		every *= 5
	}
	next := random(t).IntN(every)
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			steps := s.tell(t, fuse{}, false, false)
			if steps == 0 {
				t.Fatal("the saga did nothing")
			}
			for at := 1; at <= steps; at++ {
				for _, after := range []bool{false, true} {
					if next++; next%every != 0 {
						continue
					}
					s.tell(t, fuse{at: at, after: after}, false, (at+kills)%2 == 0)
					if t.Failed() {
						t.Fatalf("killed at step %d of %d, after it: %t", at, steps, after)
					}
					kills++
				}
			}
		})
	}
	t.Logf("killed %d times", kills)
}

// The process is killed at a step and comes back when the hold is over: whatever had happened at the provider by then is found, and what was taken for the room that is gone is given back.
func TestDeadBeyondTheHold(t *testing.T) {
	every := 2 * *stride
	if testing.Short() {
		every *= 3
	}
	next := random(t).IntN(every)
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			steps := s.tell(t, fuse{}, false, false)
			for at := 1; at <= steps; at++ {
				for _, after := range []bool{false, true} {
					if next++; next%every != 0 {
						continue
					}
					w := newWorld(t)
					w.build()
					w.lag, w.deadFor = true, minutes(20)
					w.do(place(1, s.plan), pay(1, 1, s.method))
					w.fuse = &fuse{at: at, after: after}
					w.lived(s.life)
					w.fuse = &fuse{}
					w.pass(24 * time.Hour)
					if w.check(); t.Failed() {
						t.Fatalf("killed at step %d of %d, after it: %t\n%s", at, steps, after, w.story(reservationID(1)))
					}
				}
			}
		})
	}
}

// lived lives a story in which commands may be refused, since it has come otherwise.
func (w *world) lived(life func(*world)) {
	w.t.Helper()
	w.lenient = true
	life(w)
	w.lenient = false
	w.sim.SetDown(false)
}

// What a provider says is recorded however it is spelled.
func TestStrangeWords(t *testing.T) {
	for _, notice := range []payment.Notice{
		{Outcome: payment.Outcome{Status: payment.Succeeded, Reference: "pi\x00\xff" + strings.Repeat("é", 300), Amount: euros(300_00)}},
		{Outcome: payment.Outcome{Status: payment.Declined, Code: "no\x7f\xc3" + strings.Repeat("€", 300)}},
	} {
		w := newWorld(t)
		w.build()
		w.do(place(1, ""), pay(1, 1, "tok_late"))
		notice.HotelID, notice.ReservationID, notice.PaymentID = "grand", reservationID(1), paymentID(1)
		if err := w.saga.Take(t.Context(), payment.SimulatorName, &notice); err != nil {
			t.Errorf("%+v: %v", notice, err)
		}
	}
}

// A notification about what is not known, or another amount than was asked for, is refused as such.
func TestNoticeOfNothing(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), pay(1, 1, "tok_late"))
	right := payment.Notice{HotelID: "grand", ReservationID: reservationID(1), PaymentID: paymentID(1), Outcome: payment.Outcome{Status: payment.Succeeded, Amount: euros(300_00)}}
	for name, change := range map[string]func(*payment.Notice){
		"another amount":      func(n *payment.Notice) { n.Outcome.Amount.MinorUnits++ },
		"another currency":    func(n *payment.Notice) { n.Outcome.Amount.Currency = "USD" },
		"another payment":     func(n *payment.Notice) { n.PaymentID = paymentID(2) },
		"another reservation": func(n *payment.Notice) { n.ReservationID = reservationID(2) },
		"another hotel":       func(n *payment.Notice) { n.HotelID = "ritz" },
		"a refund":            func(n *payment.Notice) { n.RefundID = paymentID(3) },
		"no ids":              func(n *payment.Notice) { n.HotelID, n.ReservationID, n.PaymentID = "", "", "" },
	} {
		n := right
		change(&n)
		if err := w.saga.Take(t.Context(), payment.SimulatorName, &n); !errors.Is(err, payment.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := w.saga.Take(t.Context(), payment.SimulatorName, &right); err != nil {
			t.Error(err)
		}
	}
	if n := len(w.events(event.PaymentsTopic)); n != 2 {
		t.Errorf("%d events", n)
	}
}

// Of messages that come twice the second does not even reach the provider.
func TestNothingIsAskedForTwice(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.twice = true
	w.do(place(1, ""), pay(1, 1, "tok_approve"))
	w.drain()
	w.do(cancel(1))
	w.drain()
	if w.moves != 2 {
		t.Errorf("the provider was asked %d times to move money, not for one charge and one refund", w.moves)
	}
	w.check()
}

// People have a refused refund handled again: it is requested once more, and refused once more.
func TestRefusedRefundIsHandledAgain(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), pay(1, 1, "tok_approve_refund_decline_account_closed"))
	w.drain()
	w.do(cancel(1))
	w.drain()
	for round := 1; round <= 3; round++ {
		if len(w.letters) != round || w.letters[round-1].handler != process.RefundFailsHandler {
			t.Fatalf("round %d: %+v", round, w.letters)
		}
		failed := w.events(event.PaymentsTopic)[len(w.events(event.PaymentsTopic))-1]
		handlers := w.saga.Handlers()
		h := handlers[slices.IndexFunc(handlers, func(h process.Handler) bool { return h.Name == process.RefundFailsHandler })]
		ctx := process.Delivered(t.Context(), process.Delivery{Handler: h.Name, Requeued: true})
		for range 2 {
			if err := h.Handle(ctx, failed); err != nil {
				t.Fatal(err)
			}
		}
		w.drain()
	}
	if l := w.lives()[reservationID(1)]; l.status != "CANCELED" || l.net() != 300_00 || l.open != 0 {
		t.Errorf("%+v", l)
	}
}

// The process dies when the money is taken, before anybody knows; the guest cancels; and the provider's look-ups are behind by a minute, as Stripe's are. That
// nothing is found then proves nothing.
func TestChargeThatCannotBeFoundYet(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.index = time.Minute
	w.do(place(1, ""), pay(1, 1, "tok_approve"))
	w.fuse = &fuse{at: 2, after: true} // CheckPayment, Charge
	w.reborn = func() { w.do(cancel(1)) }
	w.drain()
	w.reborn = nil
	if l := w.lives()[reservationID(1)]; l.status != "CANCELED" || l.captured != 0 || l.open != 1 {
		t.Fatalf("%+v", l)
	}
	w.pass(minutes(60))
	if l := w.lives()[reservationID(1)]; l.status != "REFUNDED" || l.captured != 300_00 || l.net() != 0 {
		t.Errorf("%+v\n%s", l, w.story(reservationID(1)))
	}
	w.check()
}

// Every message that there ever was is delivered again, half a day later, as when groups are reset: nothing moves.
func TestReplayMovesNothing(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			w.build()
			w.do(place(1, s.plan), pay(1, 1, s.method))
			s.life(w)
			w.pass(13 * time.Hour)
			before := w.moved()
			w.moves = 0
			w.replay()
			w.pass(time.Hour)
			if w.moves > 0 && s.letters == 0 {
				t.Errorf("the provider was asked %d times to move money", w.moves)
			}
			// What the provider refused to give back is asked for once more by an old message, since it is owed; and refused once more.
			if after := w.moved(); after != before && s.letters == 0 {
				t.Errorf("before: %s; after: %s", before, after)
			}
			if l := w.lives()[reservationID(1)]; l.status != s.status || l.net() != s.net {
				t.Errorf("it has become %s, and the house has %d", l.status, l.net())
			}
			w.check()
		})
	}
}

// What the provider refuses the hotel gives back itself: that settles it, also when people have the letter handled again.
func TestRefusedRefundIsGivenBackOtherwise(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), pay(1, 1, "tok_approve_refund_decline_account_closed"))
	w.drain()
	w.do(cancel(1))
	w.drain()
	if len(w.letters) != 1 {
		t.Fatalf("%+v", w.letters)
	}
	letter, asked := w.letters[0].event, w.moves
	failed := letter.Message.(*eventpb.RefundFailed)
	w.do(&hotel.SettleRefund{
		Hotel: "grand", ReservationID: failed.GetReservationId(), PaymentID: failed.GetPaymentId(), RefundID: failed.GetRefundId(),
		Method: eventpb.RefundMethod_REFUND_METHOD_BANK_TRANSFER, Reference: "SEPA 4711",
	})
	w.drain()
	handlers := w.saga.Handlers()
	h := handlers[slices.IndexFunc(handlers, func(h process.Handler) bool { return h.Name == process.RefundFailsHandler })]
	if err := h.Handle(process.Delivered(t.Context(), process.Delivery{Handler: h.Name, Requeued: true}), letter); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if l := w.lives()[reservationID(1)]; l.status != "REFUNDED" || l.open != 0 || len(w.letters) != 1 || w.moves != asked {
		t.Errorf("%+v, %d letters, the provider was asked %d times to move money, before %d", l, len(w.letters), w.moves, asked)
	}
	w.check()
}
