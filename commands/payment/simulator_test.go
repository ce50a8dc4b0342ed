package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// What each payment method makes of three requests for the same charge, and what a look-up says before the first and behind each.
func TestMethods(t *testing.T) {
	for _, test := range []struct {
		method  string
		answers [3]string
		lookups [4]string
	}{
		{"tok_approve", [3]string{"succeeded", "succeeded", "succeeded"}, [4]string{"not_found", "succeeded", "succeeded", "succeeded"}},
		{"tok_twice", [3]string{"succeeded", "succeeded", "succeeded"}, [4]string{"not_found", "succeeded", "succeeded", "succeeded"}},
		{"tok_decline", [3]string{"declined card_declined", "declined card_declined", "declined card_declined"}, [4]string{"not_found", "declined card_declined", "declined card_declined", "declined card_declined"}},
		{
			"tok_decline_insufficient_funds", [3]string{"declined insufficient_funds", "declined insufficient_funds", "declined insufficient_funds"},
			[4]string{"not_found", "declined insufficient_funds", "declined insufficient_funds", "declined insufficient_funds"},
		},
		{"tok_timeout", [3]string{"lost", "succeeded", "succeeded"}, [4]string{"not_found", "succeeded", "succeeded", "succeeded"}},
		{"tok_unreachable", [3]string{"lost", "lost", "succeeded"}, [4]string{"not_found", "not_found", "not_found", "succeeded"}},
		{"tok_late", [3]string{"pending processing", "pending processing", "pending processing"}, [4]string{"not_found", "pending processing", "pending processing", "pending processing"}},
		{"tok_timeout_late_20m_decline_x", [3]string{"lost", "pending processing", "pending processing"}, [4]string{"not_found", "pending processing", "pending processing", "pending processing"}},
		{"tok_unreachable_timeout_decline", [3]string{"lost", "lost", "lost"}, [4]string{"not_found", "not_found", "not_found", "declined card_declined"}},
		{"pm_visa", [3]string{"declined invalid_payment_method", "declined invalid_payment_method", "declined invalid_payment_method"}, [4]string{"not_found", "declined invalid_payment_method", "declined invalid_payment_method", "declined invalid_payment_method"}},
	} {
		t.Run(test.method, func(t *testing.T) {
			b := newBench(t, SimulatorOptions{})
			c := charging("k", test.method)
			look := func(i int) {
				t.Helper()
				if got := answer(b.LookupCharge(t.Context(), c)); got != test.lookups[i] {
					t.Errorf("look-up %d says %q, not %q", i, got, test.lookups[i])
				}
			}
			look(0)
			for i, want := range test.answers {
				if got := answer(b.Charge(t.Context(), c)); got != want {
					t.Errorf("request %d is answered %q, not %q", i, got, want)
				}
				look(i + 1)
				b.reopen()
			}
		})
	}
}

func TestParseMethod(t *testing.T) {
	hour, minute := time.Hour, time.Minute
	for method, want := range map[string][2]script{
		"tok_approve":                            {},
		"tok_late_1m":                            {{late: true, after: minute, notify: 1}},
		"tok_late":                               {{late: true, notify: 1}},
		"tok_once":                               {{once: true}},
		"tok_twice_late":                         {{late: true, notify: 2}},
		"tok_late_decline_expired_card":          {{late: true, notify: 1, code: "expired_card"}},
		"tok_approve_refund_decline_no_account":  {{}, {code: "no_account"}},
		"tok_timeout_refund_unreachable_late_1h": {{loseAnswer: true}, {loseRequests: 2, late: true, after: hour, notify: 1}},
	} {
		charge, refund, ok := parseMethod(method)
		if !ok || charge != want[0] || refund != want[1] {
			t.Errorf("%q: %+v, %+v, %t", method, charge, refund, ok)
		}
	}
	for _, method := range []string{"", "tok_", "approve", "tok_approve_twice", "tok_late_25h", "tok_late_-1s", "tok_late_0s", "tok_decline_X", "tok_approve_refund_", "tok_approve_", "Tok_approve"} {
		if charge, refund, ok := parseMethod(method); ok {
			t.Errorf("%q is taken as %+v, %+v", method, charge, refund)
		}
	}
}

func TestKeyOfAnotherRequest(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	c := charging("k", "tok_approve")
	if got := answer(b.Charge(t.Context(), c)); got != "succeeded" {
		t.Fatal(got)
	}
	for name, change := range map[string]func(*Charge){
		"amount":      func(c *Charge) { c.Amount.MinorUnits++ },
		"currency":    func(c *Charge) { c.Amount.Currency = "USD" },
		"method":      func(c *Charge) { c.Method = "tok_decline" },
		"reservation": func(c *Charge) { c.ReservationID = "other" },
	} {
		other := c
		change(&other)
		if got := answer(b.Charge(t.Context(), other)); got != "refused idempotency_key_reused" {
			t.Errorf("another %s: %s", name, got)
		}
	}
	for name, bad := range map[string]Charge{
		"refused invalid_key":            {Amount: euros(1), Method: "tok_approve"},
		"refused invalid_amount":         {Key: "x", Amount: euros(0), Method: "tok_approve"},
		"refused invalid_payment_method": {Key: "x", Amount: euros(1)},
	} {
		if got := answer(b.Charge(t.Context(), bad)); got != name {
			t.Errorf("%+v: %s", bad, got)
		}
	}
}

// Many ask for the same charges at once, and then for the same refunds: each is entered once.
func TestOncePerKey(t *testing.T) {
	const clients, keys = 8, 20
	b := newBench(t, SimulatorOptions{})
	all := func(f func(key string) string) {
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				for k := range keys {
					if got := f(fmt.Sprint(k)); got != "succeeded" {
						t.Errorf("key %d: %s", k, got)
					}
				}
			})
		}
		group.Wait()
	}
	all(func(key string) string { return answer(b.Charge(t.Context(), charging(key, "tok_approve"))) })
	all(func(key string) string { return answer(b.Refund(t.Context(), refunding("r"+key, key, 4_000))) })
	var taken, given, last int64
	err := b.Entries(t.Context(), func(e *Entry) error {
		if e.Seq <= last {
			return fmt.Errorf("entry %d comes behind %d", e.Seq, last)
		}
		last = e.Seq
		if e.Kind == ChargeEntry {
			taken += e.Amount.MinorUnits
		} else {
			given += e.Amount.MinorUnits
		}
		return nil
	})
	if err != nil || taken != keys*10_000 || given != keys*4_000 {
		t.Errorf("taken %d, given back %d, %v", taken, given, err)
	}
}

func TestRefunds(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	for _, c := range []Charge{charging("ok", "tok_approve"), charging("no", "tok_decline"), charging("stuck", "tok_approve_refund_decline_closed"), charging("far", "tok_approve_refund_unreachable")} {
		_, _ = b.Charge(t.Context(), c)
	}
	wrong := refunding("r9", "ok", 1)
	wrong.PaymentReference = "sim_ch_no"
	dollars := refunding("r8", "ok", 1)
	dollars.Amount.Currency = "USD"
	for i, step := range []struct {
		refund Refund
		want   string
	}{
		{refunding("r1", "ok", 3_000), "succeeded"},
		{refunding("r1", "ok", 3_000), "succeeded"},
		{refunding("r1", "ok", 3_001), "refused idempotency_key_reused"},
		{refunding("r2", "ok", 7_001), "refused charge_already_refunded"},
		{refunding("r2", "ok", 7_000), "succeeded"},
		{refunding("r3", "ok", 1), "refused charge_already_refunded"},
		{refunding("r4", "no", 1), "refused no_such_charge"},
		{refunding("r5", "none", 1), "refused no_such_charge"},
		{wrong, "refused no_such_charge"},
		{dollars, "refused currency_mismatch"},
		{refunding("r6", "stuck", 10_000), "declined closed"},
		{refunding("r6", "stuck", 10_000), "declined closed"},
		{refunding("r7", "far", 10_000), "lost"},
		{refunding("r7", "far", 10_000), "lost"},
		{refunding("r7", "far", 10_000), "succeeded"},
		{refunding("r10", "ok", 0), "refused invalid_amount"},
	} {
		if got := answer(b.Refund(t.Context(), step.refund)); got != step.want {
			t.Errorf("step %d, %s: %s, want %s", i, step.refund.Key, got, step.want)
		}
	}
	if got := answer(b.LookupRefund(t.Context(), refunding("r2", "ok", 7_000))); got != "succeeded" {
		t.Error(got)
	}
	if got := answer(b.LookupRefund(t.Context(), refunding("r3", "ok", 1))); got != "not_found" {
		t.Error(got)
	}
}

// A late charge is decided at its time, also by another process, and the notification comes until it is taken.
func TestLateAnswer(t *testing.T) {
	b := newBench(t, SimulatorOptions{LateAfter: 10 * time.Second})
	var taken []*Notice
	refuse := 2
	listen := func() {
		verifier := b.Verifier()
		b.Notify(NewWebhook(verifier, func(_ context.Context, _ string, n *Notice) error {
			if refuse > 0 {
				refuse--
				return errors.New("not now")
			}
			taken = append(taken, n)
			return nil
		}, nil).Receiver())
	}
	listen()
	if got := answer(b.Charge(t.Context(), charging("k", "tok_late_refund_late_1m"))); got != "pending processing" {
		t.Fatal(got)
	}
	if wait := b.step(); wait != 10*time.Second || len(taken) > 0 {
		t.Fatal(wait, taken)
	}
	b.reopen()
	listen()
	b.clock.add(10 * time.Second)
	if wait := b.step(); wait != time.Second {
		t.Errorf("after a refusal the next attempt is in %s", wait)
	}
	b.clock.add(time.Second)
	b.step() // refused again
	if b.step(); refuse != 0 || len(taken) > 0 {
		t.Fatal("it was given too early", refuse, taken)
	}
	b.clock.add(2 * time.Second)
	b.step()
	want := Notice{
		ID: "sim_evt_1", HotelID: "grand", ReservationID: "r-k", PaymentID: "k", CorrelationID: "c-k",
		Outcome: Outcome{Status: Succeeded, Reference: "sim_ch_k", Amount: euros(10_000)},
	}
	if len(taken) != 1 || *taken[0] != want {
		t.Fatalf("%+v", taken)
	}
	if wait := b.step(); wait != stepMax || len(taken) != 1 {
		t.Error(wait, taken)
	}
	if got := answer(b.Refund(t.Context(), refunding("r", "k", 4_000))); got != "pending processing" {
		t.Fatal(got)
	}
	b.clock.add(time.Minute)
	b.step()
	if len(taken) != 2 || taken[1].RefundID != "r" || taken[1].PaymentID != "k" || taken[1].Outcome.Amount != euros(4_000) {
		t.Fatalf("%+v", taken[1])
	}
}

// The card has enough for the first charge of a reservation.
func TestOnce(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	for key, want := range map[string]string{"first": "succeeded", "second": "declined insufficient_funds"} {
		c := charging(key, "tok_once")
		c.ReservationID = "r"
		if key == "second" {
			_, _ = b.Charge(t.Context(), Charge{Key: "first", HotelID: c.HotelID, ReservationID: "r", CorrelationID: "c-first", Amount: c.Amount, Method: c.Method})
		}
		if got := answer(b.Charge(t.Context(), c)); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
	if got := answer(b.Charge(t.Context(), charging("other", "tok_once"))); got != "succeeded" {
		t.Errorf("another reservation: %s", got)
	}
}

func TestTwice(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	var ids []string
	b.Notify(NewWebhook(b.Verifier(), func(_ context.Context, _ string, n *Notice) error {
		ids = append(ids, n.ID+" "+n.PaymentID+" "+n.Outcome.Status.String())
		return nil
	}, nil).Receiver())
	if got := answer(b.Charge(t.Context(), charging("k", "tok_twice_decline"))); got != "declined card_declined" {
		t.Fatal(got)
	}
	b.step()
	if fmt.Sprint(ids) != "[sim_evt_1 k declined sim_evt_2 k declined]" {
		t.Error(ids)
	}
}

// A notification that nobody ever takes is dropped in the end.
func TestNotificationIsDropped(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	given := 0
	b.Notify(func(context.Context, string, []byte) error { given++; return errors.New("no") })
	_, _ = b.Charge(t.Context(), charging("k", "tok_late_1s"))
	began := b.clock.Now()
	for wait := b.step(); wait < stepMax || given == 0 || given < notificationAttemptsMax && b.clock.Now().Sub(began) < 30*24*time.Hour; wait = b.step() {
		b.clock.add(wait)
	}
	if took := b.clock.Now().Sub(began); given != notificationAttemptsMax || took < 48*time.Hour || took > 96*time.Hour {
		t.Errorf("%d attempts in %s", given, took)
	}
	if got := answer(b.LookupCharge(t.Context(), charging("k", ""))); got != "succeeded" {
		t.Error(got)
	}
}

func TestDown(t *testing.T) {
	b := newBench(t, SimulatorOptions{})
	_, _ = b.Charge(t.Context(), charging("late", "tok_late_1s"))
	b.SetDown(true)
	b.clock.add(time.Hour)
	b.step()
	calls := map[string]func() (Outcome, error){
		"charge":         func() (Outcome, error) { return b.Charge(t.Context(), charging("k", "tok_approve")) },
		"refund":         func() (Outcome, error) { return b.Refund(t.Context(), refunding("r", "late", 1)) },
		"look up charge": func() (Outcome, error) { return b.LookupCharge(t.Context(), charging("late", "tok_late_1s")) },
		"look up refund": func() (Outcome, error) { return b.LookupRefund(t.Context(), refunding("r", "late", 1)) },
	}
	for name, call := range calls {
		if got := answer(call()); got != "lost" {
			t.Errorf("%s: %s", name, got)
		}
	}
	b.SetDown(false)
	b.step()
	for _, name := range []string{"charge", "look up charge", "refund", "look up refund"} {
		if got := answer(calls[name]()); got != "succeeded" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestPendingIsBounded(t *testing.T) {
	b := newBench(t, SimulatorOptions{PendingMax: 3})
	for i := range 3 {
		if got := answer(b.Charge(t.Context(), charging(fmt.Sprint(i), "tok_late"))); got != "pending processing" {
			t.Fatal(got)
		}
	}
	for method, want := range map[string]string{"tok_late": "lost rate_limit", "tok_twice": "lost rate_limit", "tok_approve": "succeeded"} {
		if got := answer(b.Charge(t.Context(), charging("more "+method, method))); got != want {
			t.Errorf("%s: %s", method, got)
		}
	}
	for _, opts := range []SimulatorOptions{{PendingMax: -1}, {LateAfter: 25 * time.Hour}, {LateAfter: -1}} {
		if err := opts.Validate(); err == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}

// Run decides and notifies by itself, and ends.
func TestRun(t *testing.T) {
	s, err := OpenSimulator(t.TempDir()+"/payments.sqlite", SimulatorOptions{LateAfter: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *Notice, 10)
	s.Notify(NewWebhook(s.Verifier(), func(_ context.Context, _ string, n *Notice) error { got <- n; return nil }, nil).Receiver())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for i, method := range []string{"tok_late", "tok_twice", "tok_late_decline"} {
		if _, err := s.Charge(t.Context(), charging(fmt.Sprint(i), method)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for range 4 {
		select {
		case n := <-got:
			seen[n.PaymentID+" "+n.Outcome.Status.String()]++
		case <-time.After(time.Minute):
			t.Fatal("nothing comes")
		}
	}
	if fmt.Sprint(seen) != "map[0 succeeded:1 1 succeeded:2 2 declined:1]" {
		t.Error(seen)
	}
	cancel()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Error(err)
	}
}
