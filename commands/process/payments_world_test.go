package process_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/commands/payment"
	"lodge/commands/process"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// errKilled is what everything answers when the process is dead.
var errKilled = errors.New("killed")

// fuse kills the process before or after one of its steps: a command, a call of the provider, a timer that is set.
type fuse struct {
	steps int  // so far
	at    int  // the step that kills; 0: none
	after bool // when it is done, so that nobody learns its answer
	blown bool
}

func (f *fuse) step(act func() error) error {
	if f.blown {
		return errKilled
	}
	f.steps++
	if f.steps == f.at && !f.after {
		f.blown = true
		return errKilled
	}
	err := act()
	if f.steps == f.at {
		f.blown = true
		return errKilled
	}
	return err
}

// worldClock is the only time there is.
type worldClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *worldClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *worldClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// world is everything that a payment needs: an engine over a log that can lose power, the simulator, timers, and the saga, whose messages it delivers one by one. The provider and
// the timers are other people's: they survive when the process is killed.
type world struct {
	t      *testing.T
	random *rand.Rand
	clock  *worldClock
	lg     *logtest.Log
	engine *commands.Engine
	halt   func()
	sim    *payment.Simulator
	hook   *payment.Webhook
	saga   *process.Payments
	fuse   *fuse

	schedules map[string]log.Schedule
	fired     []log.Record // timers, as their topic has them

	twice     bool                  // every message is delivered twice
	lag       bool                  // what was handled is committed only when nothing is left to do
	read      map[string]log.Offset // by handler: behind what was handled
	committed map[string]log.Offset // of that, what survives
	letters   []letter
	dies      func()        // called when a process begins, to say when it dies
	deadFor   time.Duration // between a death and the next process
	lenient   bool          // do may be refused by rules
	reborn    func()        // called when the next process has begun, before it does anything
	index     time.Duration // for so long a charge that was made cannot be looked up
	charged   map[string]time.Time
	moves     int // calls that ask the provider to move money
	requests  int
	notices   int
}

// letter is a message that went to people.
type letter struct {
	handler string
	event   *event.Envelope
	err     error
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(1, 2)), clock: &worldClock{now: noon}, fuse: &fuse{},
		schedules: map[string]log.Schedule{}, charged: map[string]time.Time{}, read: map[string]log.Offset{}, committed: map[string]log.Offset{},
	}
	w.lg = logtest.Open(t, broker.Options{Clock: w.clock.Now})
	if _, err := commands.CreateTopics(t.Context(), w.lg, 1, log.Sync); err != nil {
		t.Fatal(err)
	}
	var err error
	w.sim, err = payment.OpenSimulator(":memory:", payment.SimulatorOptions{Clock: w.clock.Now, Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Notify(func(ctx context.Context, signature string, body []byte) error {
		w.notices++
		return w.hook.Receiver()(ctx, signature, body)
	})
	w.open()
	t.Cleanup(func() {
		w.halt()
		if err := w.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// open is a process that begins.
func (w *world) open() {
	w.t.Helper()
	e, err := commands.Open(w.t.Context(), w.lg, commands.Options{
		Partitions: 1, HoldTick: -1, Clock: w.clock.Now, FS: w.lg.FS, SnapshotDir: "snapshots", SnapshotEvery: 10,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	w.halt = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.engine = e
	w.saga, err = process.NewPayments(mortalEngine{w}, mortalTimers{w}, process.PaymentsOptions{Clock: w.clock.Now}, mortalProvider{w})
	if err != nil {
		w.t.Fatal(err)
	}
	w.hook = payment.NewWebhook(w.sim.Verifier(), w.saga.Take, nil)
}

// restart is the end of a process, by a power loss, and the next one.
func (w *world) restart() {
	w.t.Helper()
	w.halt()
	w.lg.Crash(vfs.Randomly(w.random))
	w.read = map[string]log.Offset{}
	for name, at := range w.committed {
		w.read[name] = at
	}
	w.fuse = &fuse{}
	if w.deadFor > 0 {
		w.clock.set(w.clock.Now().Add(w.deadFor))
		defer w.expire()
	}
	if w.dies != nil {
		w.lag = false // who dies again and again must commit now and then, or never comes further
		w.dies()
	}
	w.open()
	if w.reborn != nil {
		w.reborn()
	}
}

type mortalEngine struct{ w *world }

func (m mortalEngine) Execute(ctx context.Context, c commands.Command) (r commands.Result, err error) {
	err = m.w.fuse.step(func() error {
		var err error
		r, err = m.w.engine.Execute(ctx, c)
		return err
	})
	return r, err
}

type mortalProvider struct{ w *world }

func (m mortalProvider) Name() string { return payment.SimulatorName }

func (m mortalProvider) call(f func() (payment.Outcome, error)) (o payment.Outcome, err error) {
	err = m.w.fuse.step(func() error {
		var err error
		o, err = f()
		return err
	})
	return o, err
}

func (m mortalProvider) Charge(ctx context.Context, c payment.Charge) (payment.Outcome, error) {
	return m.call(func() (payment.Outcome, error) {
		m.w.moves++
		if m.w.charged[c.Key].IsZero() {
			m.w.charged[c.Key] = m.w.clock.Now()
		}
		return m.w.sim.Charge(ctx, c)
	})
}

func (m mortalProvider) Refund(ctx context.Context, r payment.Refund) (payment.Outcome, error) {
	return m.call(func() (payment.Outcome, error) {
		m.w.moves++
		return m.w.sim.Refund(ctx, r)
	})
}

func (m mortalProvider) LookupCharge(ctx context.Context, c payment.Charge) (payment.Outcome, error) {
	return m.call(func() (payment.Outcome, error) {
		if m.w.clock.Now().Sub(m.w.charged[c.Key]) < m.w.index {
			return payment.Outcome{}, nil
		}
		return m.w.sim.LookupCharge(ctx, c)
	})
}

func (m mortalProvider) LookupRefund(ctx context.Context, r payment.Refund) (payment.Outcome, error) {
	return m.call(func() (payment.Outcome, error) { return m.w.sim.LookupRefund(ctx, r) })
}

type mortalTimers struct{ w *world }

func (m mortalTimers) Schedule(_ context.Context, s log.Schedule) (log.Schedule, error) {
	return s, m.w.fuse.step(func() error { m.w.schedules[s.ID] = s; return nil })
}

func (m mortalTimers) CancelSchedule(_ context.Context, id string) error {
	return m.w.fuse.step(func() error { delete(m.w.schedules, id); return nil })
}

func (m mortalTimers) GetSchedule(_ context.Context, id string) (log.Schedule, error) {
	return m.w.schedules[id], nil
}

func (m mortalTimers) ListSchedules(context.Context, string, int) ([]log.Schedule, error) {
	return nil, nil
}

// drain delivers messages until nobody does anything any more, through any deaths on the way.
func (w *world) drain() {
	w.t.Helper()
	for round := 0; ; round++ {
		if round > 5000 {
			w.t.Fatal("it does not come to rest")
		}
		moved := w.deliver()
		taken := w.notices
		if _, err := w.sim.Step(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		switch {
		case w.fuse.blown:
			w.restart()
		case !moved && taken == w.notices:
			w.commit()
			return
		}
	}
}

func (w *world) commit() {
	for name, at := range w.read {
		w.committed[name] = at
	}
}

// deliver gives each handler what is new to it, and reports whether there was anything.
func (w *world) deliver() (moved bool) {
	w.t.Helper()
	for _, h := range w.saga.Handlers() {
		records := w.records(h.Topic, w.read[h.Name])
		handled := make([]bool, len(records))
		first := 0 // not handled
		for _, i := range w.order(&h, records) {
			moved = true
			if !w.handle(&h, &records[i], false) {
				return true
			}
			for handled[i] = true; first < len(records) && handled[first]; first++ {
				w.read[h.Name] = records[first].Offset + 1
			}
			if !w.lag && w.random.IntN(2) == 0 {
				w.committed[h.Name] = w.read[h.Name]
			}
		}
	}
	return moved
}

// order is in which order a handler gets records: the log's, or any that keeps that of each order key where several are handled at a time.
func (w *world) order(h *process.Handler, records []log.Record) (order []int) {
	byKey := map[string][]int{}
	for i := range records {
		key := ""
		if h.Parallel > 1 {
			key = h.OrderKey(&records[i])
		}
		byKey[key] = append(byKey[key], i)
	}
	keys := slices.Sorted(maps.Keys(byKey))
	for len(keys) > 0 {
		k := w.random.IntN(len(keys))
		lane := byKey[keys[k]]
		order = append(order, lane[0])
		if byKey[keys[k]] = lane[1:]; len(lane) == 1 {
			keys = slices.Delete(keys, k, k+1)
		}
	}
	return order
}

// handle delivers one record, twice when that is asked for, and reports whether the process lives.
func (w *world) handle(h *process.Handler, r *log.Record, requeued bool) bool {
	w.t.Helper()
	if !slices.Contains(h.Types, string(r.HeaderValue(event.HeaderType))) {
		return true
	}
	for range map[bool]int{false: 1, true: 2}[w.twice] {
		e, err := w.call(h, r, requeued)
		switch {
		case w.fuse.blown:
			return false
		case err == nil:
		case process.IsTransient(err):
			w.t.Fatalf("%s: %v", h.Name, err)
		default:
			w.letters = append(w.letters, letter{h.Name, e, err})
		}
	}
	return true
}

func (w *world) call(h *process.Handler, r *log.Record, requeued bool) (*event.Envelope, error) {
	ctx := process.Delivered(w.t.Context(), process.Delivery{Handler: h.Name, Position: r.Position(), Attempt: 1, Requeued: requeued})
	if h.HandleRecord != nil {
		return nil, h.HandleRecord(ctx, r)
	}
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		w.t.Fatal(err)
	}
	return e, h.Handle(ctx, e)
}

// records returns what a topic has from an offset on.
func (w *world) records(topic log.Topic, from log.Offset) []log.Record {
	w.t.Helper()
	if topic == process.TimersTopic {
		return slices.Clone(w.fired[from:])
	}
	var all []log.Record
	for {
		got, err := w.lg.Fetch(w.t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: topic}, Offset: from, MaxBytes: 1 << 20})
		if err != nil {
			w.t.Fatal(err)
		}
		if got.Next == from {
			return all
		}
		all, from = append(all, got.Records...), got.Next
	}
}

// pass lets time go by: what is due on the way happens when it is due, holds end, and everything comes to rest each time.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for w.drain(); ; w.drain() {
		next := w.nextDue(end)
		w.clock.set(next)
		w.fire()
		w.expire()
		if !next.Before(end) {
			w.drain()
			return
		}
	}
}

// nextDue returns when something is due next, or end when nothing is before that.
func (w *world) nextDue(end time.Time) time.Time {
	next := end
	earlier := func(t time.Time) {
		if t = t.Truncate(time.Millisecond).Add(time.Millisecond); t.Before(next) {
			next = t
		}
	}
	for _, s := range w.schedules {
		earlier(s.At)
	}
	wait, err := w.sim.Step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	earlier(w.clock.Now().Add(wait))
	return next
}

// fire publishes the timers that are due, in order.
func (w *world) fire() {
	var due []log.Schedule
	for id, s := range w.schedules {
		if !s.At.After(w.clock.Now()) {
			due = append(due, s)
			delete(w.schedules, id)
		}
	}
	slices.SortFunc(due, func(a, b log.Schedule) int { return a.At.Compare(b.At) })
	for _, s := range due {
		r := s.Record
		r.Offset = log.Offset(len(w.fired))
		w.fired = append(w.fired, r)
	}
}

// expire ends the holds that are over.
func (w *world) expire() {
	w.t.Helper()
	_, err := w.engine.Execute(w.t.Context(), commands.Command{Internal: true, Body: &hotel.ExpireHolds{Hotel: "grand", Now: w.clock.Now()}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask gives a command of a person's.
func (w *world) ask(body hotel.Command) error {
	w.requests++
	_, err := w.engine.Execute(w.t.Context(), commands.Command{RequestID: numbered(1, w.requests), CorrelationID: fmt.Sprint("call ", w.requests), Body: body})
	return err
}

// do gives commands that must succeed.
func (w *world) do(bodies ...hotel.Command) {
	w.t.Helper()
	for _, body := range bodies {
		if err := w.ask(body); err != nil && (!w.lenient || domain.ReasonOf(err) == "") {
			w.t.Fatalf("%T: %v", body, err)
		}
	}
}

// replay delivers every message that there ever was once more, from the beginning, as when groups are reset.
func (w *world) replay() {
	w.t.Helper()
	w.read = map[string]log.Offset{}
	w.drain()
}

func numbered(kind byte, n int) (id uuid.UUID) {
	id[0], id[6], id[8], id[14], id[15] = kind, 0x70, 0x80, byte(n>>8), byte(n)
	return id
}

func reservationID(n int) string { return numbered(2, n).String() }
func paymentID(n int) string     { return numbered(3, n).String() }
