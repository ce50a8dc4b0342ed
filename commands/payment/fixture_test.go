package payment

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lodge/domain"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a simulator with a clock, whose ledger can be opened again.
type bench struct {
	*Simulator
	t     testing.TB
	clock *clock
	path  string
	opts  SimulatorOptions
}

func newBench(t testing.TB, opts SimulatorOptions) *bench {
	t.Helper()
	b := &bench{t: t, clock: newClock(), path: filepath.Join(t.TempDir(), "payments.sqlite"), opts: opts}
	b.opts.Clock, b.opts.Secret = b.clock.Now, "a secret"
	b.open()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) open() {
	b.t.Helper()
	s, err := OpenSimulator(b.path, b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Simulator = s
}

// reopen is a new process with the same ledger.
func (b *bench) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

func (b *bench) step() time.Duration {
	b.t.Helper()
	wait, err := b.Step(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return wait
}

func euros(units int64) domain.Money { return domain.Money{Currency: "EUR", MinorUnits: units} }

func charging(key, method string) Charge {
	return Charge{Key: key, HotelID: "grand", ReservationID: "r-" + key, CorrelationID: "c-" + key, Amount: euros(10_000), Method: method}
}

func refunding(key, payment string, units int64) Refund {
	return Refund{Key: key, PaymentID: payment, PaymentReference: "sim_ch_" + payment, HotelID: "grand", ReservationID: "r-" + payment, Amount: euros(units)}
}

// answer is an outcome in short: its status and code, or "lost" and "refused CODE".
func answer(o Outcome, err error) string {
	var e *Error
	switch {
	case err == nil && o.Code != "":
		return o.Status.String() + " " + o.Code
	case err == nil:
		return o.Status.String()
	case !errors.As(err, &e):
		return "not an *Error: " + err.Error()
	case e.Permanent:
		return "refused " + e.Code
	case e.Code != "":
		return "lost " + e.Code
	}
	return "lost"
}
