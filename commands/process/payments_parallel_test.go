package process_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"lodge/commands/payment"
	"lodge/commands/process"
	"lodge/log"
)

// crowd is a provider that answers nobody before so many ask at the same time.
type crowd struct {
	payment.Provider
	size int

	mu       sync.Mutex
	asking   map[string]int // charges under way, by reservation
	total    int
	most     int
	crossed  bool // two of one reservation at a time
	complete chan struct{}
}

func (c *crowd) Charge(ctx context.Context, charge payment.Charge) (payment.Outcome, error) {
	c.mu.Lock()
	c.asking[charge.ReservationID]++
	c.crossed = c.crossed || c.asking[charge.ReservationID] > 1
	c.total++
	c.most = max(c.most, c.total)
	if c.most == c.size {
		select {
		case <-c.complete:
		default:
			close(c.complete)
		}
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.asking[charge.ReservationID]--
		c.total--
		c.mu.Unlock()
	}()
	select {
	case <-c.complete:
	case <-ctx.Done():
		return payment.Outcome{}, ctx.Err()
	}
	return c.Provider.Charge(ctx, charge)
}

// TestASlowProviderIsAskedForManyAtATime has 24 payments of one partition that are answered when eight of them are asked for.
func TestASlowProviderIsAskedForManyAtATime(t *testing.T) {
	const reservations, size = 24, 8
	w := newWorld(t)
	w.build()
	for n := range reservations {
		w.do(place(n, ""), pay(n, n, "tok_approve"))
	}
	provider := &crowd{Provider: w.sim, size: size, asking: map[string]int{}, complete: make(chan struct{})}
	saga, err := process.NewPayments(w.engine, nil, process.PaymentsOptions{CallsMax: size, CallTimeout: patience, Clock: w.clock.Now}, provider)
	if err != nil {
		t.Fatal(err)
	}
	opts := impatient
	opts.AttemptTimeout = patience
	start(t, w.lg.Broker, opts, saga.Handlers()...)
	await(t, "paying for all", func() bool {
		paid := 0
		for _, l := range w.lives() {
			if l.status == "PAID" {
				paid++
			}
		}
		return paid == reservations
	})
	provider.mu.Lock()
	defer provider.mu.Unlock()
	if provider.most != size || provider.crossed {
		t.Errorf("%d charges at a time at most, want %d; two of one reservation at a time: %v", provider.most, size, provider.crossed)
	}
}

// TestProviderCallsAreInOrderByReservation checks what the saga's handlers are in order by.
func TestProviderCallsAreInOrderByReservation(t *testing.T) {
	w := newWorld(t)
	w.build()
	w.do(place(1, ""), place(2, ""), pay(1, 1, "tok_timeout"), pay(2, 2, "tok_timeout"))
	w.drain()
	w.pass(time.Minute)
	checked := map[string]bool{}
	for _, h := range w.saga.Handlers() {
		if h.Parallel < 2 {
			continue
		}
		checked[h.Name] = true
		keys := map[string]bool{}
		for _, r := range w.records(h.Topic, 0) {
			if key := h.OrderKey(&r); key != "" {
				keys[key] = true
			}
		}
		if h.Name != "payment-refund" && (len(keys) != 2 || !keys["grand/"+reservationID(1)]) {
			t.Errorf("%s is in order by %v", h.Name, keys)
		}
		if key := h.OrderKey(&log.Record{Value: []byte("nonsense")}); key != "" {
			t.Errorf("%s: nonsense is in order by %q", h.Name, key)
		}
	}
	if len(checked) != 3 {
		t.Errorf("in parallel are %v; want charges, refunds and timers", checked)
	}
}
