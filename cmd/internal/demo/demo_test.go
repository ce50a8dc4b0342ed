package demo

import (
	"context"
	"errors"
	"testing"
	"time"

	"lodge/cmd/internal/platform"
	"lodge/commands/audit"
	"lodge/domain"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// run opens and runs a platform until the test ends.
func run(t *testing.T, opts platform.Options) *platform.Platform {
	t.Helper()
	p, err := platform.Open(t.Context(), t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestSeedTwiceAddsNothingAndIsSound(t *testing.T) {
	p, ctx := run(t, platform.Options{Addr: "127.0.0.1:0", NoSocket: true, HoldTick: -1}), t.Context()
	now := time.Now()
	first, err := Seed(ctx, p.Engine, NewWorld(1, now))
	if err != nil {
		t.Fatal(err)
	}
	if first.Placed < bookings/2 || first.Placed+first.Rejected != bookings || first.Rejected == 0 || first.Paid == 0 ||
		first.Canceled == 0 || first.NoShows == 0 || first.Pending <= 0 {
		t.Errorf("%+v", first)
	}
	report := auditOf(t, p)
	if _, err := Seed(ctx, p.Engine, NewWorld(1, now)); err != nil {
		t.Fatal(err)
	}
	if again := auditOf(t, p); again.EventCount() != report.EventCount() {
		t.Errorf("%d events, after seeding again %d", report.EventCount(), again.EventCount())
	}
	race(t, p, domain.Today(now, time.UTC).AddDays(1))
}

// TestSeedAgainLaterCounts: some hours later half of the bookings are for other nights, and are refused; their payments are not. How many the hotels refuse by
// themselves is a matter of the day, so it is always the same one.
func TestSeedAgainLaterCounts(t *testing.T) {
	morning := time.Date(2026, 7, 1, 6, 0, 0, 0, time.UTC)
	p := run(t, platform.Options{NoSocket: true, HoldTick: -1, Clock: func() time.Time { return morning }})
	refused := 0
	for _, at := range []time.Time{morning, morning.Add(11 * time.Hour)} {
		r, err := Seed(t.Context(), p.Engine, NewWorld(1, at))
		if err != nil {
			t.Fatal(err)
		}
		if r.Placed == 0 || r.Pending < 0 || r.Placed != r.Paid+r.Canceled+r.NoShows+r.Pending {
			t.Errorf("at %s: %+v", at, *r)
		}
		if r.Refused < refused+bookings/10 {
			t.Errorf("at %s: %d refused", at, r.Refused)
		}
		refused = r.Refused
	}
}

func auditOf(t *testing.T, p *platform.Platform) *audit.Report {
	t.Helper()
	report, err := audit.Run(t.Context(), p.Broker, audit.Options{Partitions: p.Partitions})
	if err != nil || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	return report
}

// race lets clients race and expects one winner on each night.
func race(t *testing.T, p *platform.Platform, night domain.Date) {
	t.Helper()
	track, err := NewRacetrack(t.Context(), "http://"+p.Addr().String(), 20, night)
	if err != nil {
		t.Fatal(err)
	}
	defer track.Close()
	for round := range 3 {
		if v := track.Race(t.Context(), round); !v.OK() {
			t.Errorf("round %d: %+v", round, v)
		}
	}
}

func TestVerdict(t *testing.T) {
	good := Verdict{Clients: 3, Winners: 1, SoldOut: 2, Replayed: true}
	if !good.OK() {
		t.Error("one winner of three is not OK")
	}
	for _, bad := range []Verdict{
		{Clients: 3, Winners: 2, SoldOut: 1, Replayed: true}, {Clients: 3, SoldOut: 3},
		{Clients: 3, Winners: 1, SoldOut: 2}, {Clients: 3, Winners: 1, SoldOut: 1, Other: []error{errors.New("x")}, Replayed: true},
	} {
		if bad.OK() {
			t.Errorf("%+v is OK", bad)
		}
	}
}
