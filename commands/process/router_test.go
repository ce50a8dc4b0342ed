package process_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/commands/process"
	"lodge/domain/event"
	"lodge/log"
)

// TestHandlersGetTheirTypesInOrder: each handler gets the types that it names, those of one hotel in their order, and all of them.
func TestHandlersGetTheirTypesInOrder(t *testing.T) {
	lg := openLog(t)
	var mu sync.Mutex
	got := map[string][]string{}
	note := func(name string) func(context.Context, *event.Envelope) error {
		return func(_ context.Context, e *event.Envelope) error {
			mu.Lock()
			defer mu.Unlock()
			got[name+" "+e.HotelID] = append(got[name+" "+e.HotelID], seenOf(e))
			return nil
		}
	}
	const each = 20
	want := map[string][]string{}
	for v := range int64(each) {
		for _, hotel := range []string{"a", "b", "c"} {
			eventType := archived
			if v%2 == 0 {
				eventType = updated
				want["updates "+hotel] = append(want["updates "+hotel], seen(hotel, v))
			}
			want["all "+hotel] = append(want["all "+hotel], seen(hotel, v))
			give(t, lg, hotel, eventType, v)
		}
	}
	r, _ := start(t, lg, impatient,
		process.Handler{Name: "updates", Topic: event.HotelsTopic, Types: []string{updated}, Handle: note("updates")},
		process.Handler{Name: "all", Topic: event.HotelsTopic, Handle: note("all")})
	<-r.Running()
	await(t, "handling everything", func() bool {
		all, err := r.Handlers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all[0].Lag == 0 && all[1].Lag == 0
	})
	mu.Lock()
	defer mu.Unlock()
	for name, events := range want {
		if !slices.Equal(got[name], events) {
			t.Errorf("%s got %v, not %v", name, got[name], events)
		}
	}
	if s := r.Stats(); s[0].Handled != 3*each/2 || s[1].Handled != 3*each || s[0].Retried+s[0].Poisoned+s[0].Panics != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestPoisonedRecordDoesNotHoldUpOthers: a record that always fails is poisoned with all that is to be known, and what is behind it is handled.
func TestPoisonedRecordDoesNotHoldUpOthers(t *testing.T) {
	lg := openLog(t)
	handled := make(chan string, 10)
	var attempts []process.Delivery
	r, _ := start(t, lg, impatient, process.Handler{Name: "refunds", Topic: event.HotelsTopic, Types: []string{archived}, Handle: func(ctx context.Context, e *event.Envelope) error {
		if versionOf(e) == 1 {
			d, _ := process.DeliveryOf(ctx)
			attempts = append(attempts, d)
			return errors.New("no such account")
		}
		handled <- seenOf(e)
		return nil
	}})
	at := give(t, lg, "a", archived, 1)
	give(t, lg, "a", archived, 2)
	if got := next(t, handled); got != seen("a", 2) {
		t.Fatalf("handled %s", got)
	}
	found := letters(t, r)
	if len(found) != 1 {
		t.Fatalf("letters %+v", found)
	}
	l := found[0]
	if l.State != process.LetterWaiting || l.Handler != "refunds" || l.Position != at || string(l.Key) != "a" || l.Error != "no such account" || l.Attempts != 6 ||
		l.Header(event.HeaderType) != archived || l.Header(event.HeaderCorrelationID) != "correlated" || l.FailureTime.IsZero() {
		t.Errorf("letter %+v", l)
	}
	if len(attempts) != 6 || attempts[5] != (process.Delivery{Handler: "refunds", Position: at, Attempt: 6}) {
		t.Errorf("attempts %+v", attempts)
	}
	e, err := event.Decode(l.Value, func(key string) []byte { return []byte(l.Header(key)) })
	if err != nil || versionOf(e) != 1 {
		t.Errorf("the letter's event is %v, %v", e, err)
	}
	await(t, "the end of its handling", func() bool { return r.Stats()[0].Handled > 0 })
	if s := r.Stats()[0]; s.Handled != 1 || s.Retried != 5 || s.Poisoned != 1 || s.LastError != "no such account" || !s.FailingSince.IsZero() {
		t.Errorf("stats %+v", s)
	}
	if healthy, message := r.Health(); !healthy || !strings.Contains(message, "1 letters wait") {
		t.Errorf("health %v, %s", healthy, message)
	}
}

// TestTransientFailuresAreNeverPoisoned: what passes by itself is tried for as long as it takes, in order.
func TestTransientFailuresAreNeverPoisoned(t *testing.T) {
	lg := openLog(t)
	var calls atomic.Int64
	handled := make(chan string, 10)
	r, _ := start(t, lg, impatient, process.Handler{Name: "pay", Topic: event.HotelsTopic, Handle: func(_ context.Context, e *event.Envelope) error {
		switch n := calls.Add(1); {
		case n < 20:
			return log.NewError(log.Unavailable, "commands/3", "not now")
		case n < 40:
			return process.Transient(errors.New("the provider does not answer"))
		}
		handled <- seenOf(e)
		return nil
	}})
	give(t, lg, "a", archived, 1)
	give(t, lg, "a", archived, 2)
	for v := range int64(2) {
		if got := next(t, handled); got != seen("a", v+1) {
			t.Fatalf("handled %s", got)
		}
	}
	if found := letters(t, r); len(found) > 0 {
		t.Errorf("letters %+v", found)
	}
}

// TestPanicsAndPermanentFailures: a panic is a failure like others, and what cannot succeed is not tried again.
func TestPanicsAndPermanentFailures(t *testing.T) {
	lg := openLog(t)
	handled := make(chan string, 10)
	r, _ := start(t, lg, impatient, process.Handler{Name: "pay", Topic: event.HotelsTopic, Handle: func(_ context.Context, e *event.Envelope) error {
		switch versionOf(e) {
		case 1:
			panic("at the disco")
		case 2:
			return process.Permanent(log.NewError(log.Unavailable, "a call", "for ever"))
		}
		handled <- seenOf(e)
		return nil
	}})
	for v := range int64(3) {
		give(t, lg, "a", archived, v+1)
	}
	next(t, handled)
	found := letters(t, r)
	if len(found) != 2 || !strings.HasPrefix(found[0].Error, "panic: at the disco\n") || found[0].Attempts != 6 || found[1].Attempts != 1 {
		t.Fatalf("letters %+v", found)
	}
	if s := r.Stats()[0]; s.Panics != 6 || s.Poisoned != 2 || s.Retried != 5 {
		t.Errorf("stats %+v", s)
	}
}

// TestRestartGoesOn: what was handled is not handled again by the next process, what was not is.
func TestRestartGoesOn(t *testing.T) {
	lg := openLog(t)
	handled := make(chan string, 10)
	var broken atomic.Bool
	h := process.Handler{Name: "pay", Topic: event.HotelsTopic, Handle: func(_ context.Context, e *event.Envelope) error {
		if broken.Load() {
			return log.NewError(log.Unavailable, "commands/3", "not now")
		}
		handled <- seenOf(e)
		return nil
	}}
	r, stop := start(t, lg, impatient, h)
	give(t, lg, "a", archived, 1)
	next(t, handled)
	broken.Store(true)
	give(t, lg, "a", archived, 2)
	await(t, "a failure", func() bool { return !r.Stats()[0].FailingSince.IsZero() })
	stop()
	broken.Store(false)
	start(t, lg, impatient, h)
	if got := next(t, handled); got != seen("a", 2) {
		t.Errorf("handled %s after the restart", got)
	}
}

func TestRegistrationIsChecked(t *testing.T) {
	lg := openLog(t)
	r, err := process.Open(t.Context(), lg, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handle := func(context.Context, *event.Envelope) error { return nil }
	good := process.Handler{Name: "pay", Topic: event.HotelsTopic, Handle: handle}
	if err := r.Register(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]process.Handler{
		"twice":      good,
		"no name":    {Topic: event.HotelsTopic, Handle: handle},
		"bad name":   {Name: "Pay.now", Topic: event.HotelsTopic, Handle: handle},
		"no topic":   {Name: "a", Handle: handle},
		"no handler": {Name: "a", Topic: event.HotelsTopic},
		"types":      {Name: "a", Topic: event.HotelsTopic, Handle: handle, Types: make([]string, 300)},
	} {
		if err := r.Register(bad); log.CodeOf(err) != log.InvalidArgument && log.CodeOf(err) != log.InvalidTopic {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := process.Open(t.Context(), lg, process.Options{Retries: -2}); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("options: %v", err)
	}
	if !process.IsGroup(process.GroupOf("pay")) || process.IsGroup("pay") {
		t.Error("groups are not told apart")
	}
}
