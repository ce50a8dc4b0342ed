package process_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/commands"
	"lodge/commands/process"
	"lodge/domain/hotel"
	"lodge/log"
)

// errDead is what everything answers once the process is killed.
var errDead = errors.New("dead")

// ground is what outlives a process: the schedules, the timers that fired and were not handled, and what the engine knows of one hotel's holds. A process makes steps on it, and
// can be killed before or after any of them.
type ground struct {
	mu        sync.Mutex
	schedules map[string]log.Schedule
	fired     []log.Record
	holds     []time.Time // deadlines, ascending
	early     int         // ExpireHolds that ended a hold before its time

	steps, killAt int
	after         bool
	dead          context.CancelFunc
	killed        bool
}

// step does something on the ground, unless the process dies before, and tells unless it dies after.
func (w *ground) step(act func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed {
		return errDead
	}
	w.steps++
	if w.steps != w.killAt {
		return act()
	}
	w.killed = true
	w.dead()
	if w.after {
		_ = act() // nobody learns of it
	}
	return errDead
}

// living is one process on the ground: its scheduler and its engine.
type living struct {
	*ground
	deadlines *process.Deadlines
}

func (l *living) Schedule(_ context.Context, s log.Schedule) (log.Schedule, error) {
	return s, l.step(func() error {
		s.Due = s.At
		if s.Cron != "" {
			s.Due = time.Now().Add(time.Hour)
		}
		l.schedules[s.ID] = s
		return nil
	})
}

func (l *living) GetSchedule(_ context.Context, id string) (s log.Schedule, err error) {
	err = l.step(func() error {
		var ok bool
		if s, ok = l.schedules[id]; !ok {
			return log.NewError(log.UnknownSchedule, "get", "none")
		}
		return nil
	})
	return s, err
}

func (l *living) CancelSchedule(context.Context, string) error { return errors.New("not used") }

func (l *living) ListSchedules(context.Context, string, int) ([]log.Schedule, error) {
	return nil, errors.New("not used")
}

// Execute ends the holds that are over, and names the next deadline as the engine does.
func (l *living) Execute(_ context.Context, c commands.Command) (r commands.Result, err error) {
	body, ok := c.Body.(*hotel.ExpireHolds)
	if !ok {
		return r, nil
	}
	err = l.step(func() error {
		for len(l.holds) > 0 && !l.holds[0].After(body.Now) {
			if l.holds[0].After(time.Now()) {
				l.early++
			}
			l.holds = l.holds[1:]
		}
		return nil
	})
	if err == nil {
		l.derive()
	}
	return r, err
}

// derive names the deadline of the hotel, if there is one.
func (l *living) derive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) > 0 {
		l.deadlines.Put("grand", l.holds[0])
	}
}

func (l *living) Upkeep(context.Context) ([]commands.Upkeep, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) == 0 {
		return nil, nil
	}
	return []commands.Upkeep{{HotelID: "grand", NextHold: l.holds[0]}}, nil
}

// fire moves what is due into the topic of timers, as the bridge does.
func (w *ground) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.schedules {
		if s.Cron == "" && !s.Due.After(time.Now()) {
			delete(w.schedules, id)
			w.fired = append(w.fired, s.Record)
		}
	}
}

// live runs one process until it is killed or every hold has ended, or so long has passed. Sweeps come too late to help.
func (w *ground) live(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.dead, w.killed = cancel, false
	l := &living{ground: w, deadlines: process.NewDeadlines()}
	upkeep, err := process.NewUpkeep(l, l, l.deadlines, process.UpkeepOptions{SweepInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	handle := upkeep.Handlers()[0].HandleRecord
	l.derive() // as the engine does when it is opened
	var running sync.WaitGroup
	running.Go(func() {
		if err := upkeep.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Minute); ctx.Err() == nil && w.left() > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond) // under testing/synctest
		w.fire()
		for len(w.fired) > 0 && handle(ctx, &w.fired[0]) == nil {
			w.fired = w.fired[1:]
		}
	}
	cancel()
	running.Wait()
}

func (w *ground) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.holds)
}

// TestHoldsEndWhateverStepKills kills the process before and after each of its steps: the next one ends what is left, in time, and nothing too soon.
func TestHoldsEndWhateverStepKills(t *testing.T) {
	for _, after := range []bool{false, true} {
		for killAt := 0; ; killAt++ {
			made := 0
			synctest.Test(t, func(t *testing.T) {
				w := &ground{schedules: map[string]log.Schedule{}, killAt: killAt, after: after}
				last := 0 * time.Second
				for _, d := range []time.Duration{time.Minute, time.Minute, 2 * time.Minute, 5 * time.Minute} {
					w.holds, last = append(w.holds, time.Now().Add(d)), d
				}
				began := time.Now()
				for w.left() > 0 {
					w.live(t)
					if took := time.Since(began); took > last+2*time.Second {
						t.Fatalf("killed at step %d, after %v: %d holds are left after %v", killAt, after, w.left(), took)
					}
				}
				if w.early > 0 {
					t.Errorf("killed at step %d: %d holds have ended early", killAt, w.early)
				}
				made = w.steps
			})
			if killAt > made {
				if killAt < 8 {
					t.Errorf("there were %d steps only", made)
				}
				break
			}
		}
	}
}

// TestTimerOfThePastIsSetAgain: a timer whose time has come may have been handled before it was taken out of the schedules, and does not stand for the next one.
func TestTimerOfThePastIsSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past, next := time.Now().Add(-time.Second), time.Now().Add(time.Minute)
		w := &ground{schedules: map[string]log.Schedule{}, holds: []time.Time{next}}
		timer := func(at time.Time) log.Schedule {
			return log.Schedule{ID: "hold-expiry.grand", At: at, Due: at, Record: log.Record{
				Topic: process.TimersTopic, Key: []byte("grand"), Headers: []log.Header{{Key: process.HeaderTimerType, Value: []byte("lodge.hold.expiry.v1")}},
			}}
		}
		foreign := timer(time.Now().Add(time.Second))
		foreign.Record.Topic = "orders"
		early := timer(time.Now().Add(30 * time.Second))
		for name, c := range map[string]struct{ there, want log.Schedule }{
			"past":       {timer(past), timer(next)},
			"later":      {timer(next.Add(time.Hour)), timer(next)},
			"somebody's": {foreign, timer(next)},
			"earlier":    {early, early},
		} {
			w.schedules = map[string]log.Schedule{"hold-expiry.grand": c.there}
			ctx, cancel := context.WithCancel(t.Context())
			w.dead = cancel
			l := &living{ground: w, deadlines: process.NewDeadlines()}
			upkeep, err := process.NewUpkeep(l, l, l.deadlines, process.UpkeepOptions{SweepInterval: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			var running sync.WaitGroup
			running.Go(func() { _ = upkeep.Run(ctx) })
			l.derive()
			synctest.Wait()
			if got := w.schedules["hold-expiry.grand"]; !got.Due.Equal(c.want.Due) || got.Record.Topic != process.TimersTopic {
				t.Errorf("%s: the timer is %+v", name, got)
			}
			cancel()
			running.Wait()
		}
	})
}

// TestDeadlinesKeepTheEarliest, one for each hotel.
func TestDeadlinesKeepTheEarliest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := &ground{schedules: map[string]log.Schedule{}}
		l := &living{ground: w, deadlines: process.NewDeadlines()}
		for i, hotelID := range []string{"a", "b", "a", "b", "a"} {
			l.deadlines.Put(hotelID, now.Add(time.Duration(10-i)*time.Minute))
		}
		l.deadlines.Put("a", now.Add(time.Hour))
		upkeep, err := process.NewUpkeep(l, l, l.deadlines, process.UpkeepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = upkeep.Run(ctx) })
		synctest.Wait()
		var got []string
		for id, s := range w.schedules {
			if s.Cron == "" {
				got = append(got, id+" "+s.Due.Sub(now).String())
			}
		}
		slices.Sort(got)
		if want := []string{"hold-expiry.a 6m0s", "hold-expiry.b 7m0s"}; !slices.Equal(got, want) {
			t.Errorf("timers %v, not %v", got, want)
		}
		cancel()
		running.Wait()
	})
}
