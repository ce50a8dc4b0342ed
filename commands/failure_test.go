package commands

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

var errDisk = errors.New("disk on fire")

// gate holds commits back until it is opened.
type gate chan struct{}

func (g gate) wait(log.TopicPartition) error { <-g; return nil }

func TestQueueFullIsRetriable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		h := open(t, lg, Options{Partitions: 1, QueueMax: 8, InFlightMax: 4, HoldTick: -1})
		h.build("grand", 1000)
		held := gate(make(chan struct{}))
		lg.beforeWait = held.wait
		var waiting []*Pending
		var refused error
		for n := 0; refused == nil; n++ {
			p, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)})
			if refused = err; err == nil {
				waiting = append(waiting, p)
			}
			synctest.Wait()
		}
		var e *log.Error
		if !errors.As(refused, &e) || e.Code != log.LimitReached || !e.Retriable() {
			t.Errorf("got %v", refused)
		}
		if len(waiting) > 4*(8+4) {
			t.Errorf("%d commands were let in", len(waiting))
		}
		close(held)
		for _, p := range waiting {
			if _, err := p.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}

// A retry that comes while the first attempt is in flight is answered with it, from the log, and after the commit.
func TestRetryInFlightWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
		h.build("grand", 1)
		held := gate(make(chan struct{}))
		lg.beforeWait = held.wait
		results := make(chan Result, 3)
		for range cap(results) {
			go func() { results <- h.do(1, place("grand", 1)) }()
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Fatal("answered before the commit")
		}
		close(held)
		replayed := 0
		var id string
		for range cap(results) {
			r := <-results
			if r.Replayed {
				replayed++
			}
			if id == "" {
				id = r.Events[0].ID
			} else if r.Events[0].ID != id {
				t.Error("different answers")
			}
		}
		if replayed != cap(results)-1 || len(placedIDs(t, lg, 1)) != 1 {
			t.Errorf("%d replayed, placed %v", replayed, placedIDs(t, lg, 1))
		}
	})
}

// Refusals and replays rest on what is in flight before them, so they too wait for it.
func TestRefusalWaitsForWhatItRestsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
		h.build("grand", 5)
		held := gate(make(chan struct{}))
		lg.beforeWait = held.wait
		var answered atomic.Int32
		first, _ := h.Submit(t.Context(), Command{RequestID: requestID(1), Body: place("grand", 1)})
		again, _ := h.Submit(t.Context(), Command{RequestID: requestID(2), Body: place("grand", 1)})
		for _, p := range []*Pending{first, again} {
			go func() {
				p.Wait(context.Background())
				answered.Add(1)
			}()
		}
		synctest.Wait()
		if answered.Load() != 0 {
			t.Error("answered before the commit")
		}
		close(held)
		synctest.Wait()
		if answered.Load() != 2 {
			t.Error("not answered after the commit")
		}
	})
}

func TestSwitchingTopicWaitsForTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
		h.build("grand", 5)
		held := gate(make(chan struct{}))
		lg.beforeWait = func(tp log.TopicPartition) error {
			if tp.Topic == "bookings" {
				<-held
			}
			return nil
		}
		enqueued := func(topic log.Topic) int {
			lg.mu.Lock()
			defer lg.mu.Unlock()
			return len(lg.at(log.TopicPartition{Topic: topic}).records)
		}
		booking, _ := h.Submit(t.Context(), Command{RequestID: requestID(1), Body: place("grand", 1)})
		inventory, _ := h.Submit(t.Context(), Command{RequestID: requestID(2), Body: setRooms("grand", 9)})
		after, _ := h.Submit(t.Context(), Command{RequestID: requestID(3), Body: place("grand", 3)})
		synctest.Wait()
		if enqueued("bookings") != 1 || enqueued("inventory") != 1 {
			t.Fatalf("%d bookings, %d inventory while the first is in flight", enqueued("bookings"), enqueued("inventory"))
		}
		close(held)
		for _, p := range []*Pending{booking, inventory, after} {
			if _, err := p.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		marks := []int64{}
		for _, m := range messages(t, lg, bookingsTopic, 1) {
			marks = append(marks, m.(*eventpb.ReservationPlaced).InventoryOffset)
		}
		if marks[0] != 1 || marks[1] != 2 {
			t.Errorf("decided at inventory offsets %v", marks)
		}
	})
}

// A failed commit takes with it everything decided after it, also what has no events; the state forgets all of it.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
		h.build("grand", 5)
		h.do(1, place("grand", 1))
		held := gate(make(chan struct{}))
		lg.beforeWait = func(tp log.TopicPartition) error {
			<-held
			if tp.Topic == "bookings" {
				return errDisk
			}
			return nil
		}
		var waiting []*Pending
		for n := 2; n < 50; n++ {
			p, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)})
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, p)
			if n%10 == 0 {
				synctest.Wait()
			}
		}
		close(held)
		for i, p := range waiting {
			_, err := p.Wait(context.Background())
			var e *log.Error
			if !errors.As(err, &e) || !e.Retriable() || !errors.Is(err, errDisk) && log.CodeOf(errors.Unwrap(err)) != log.Poisoned {
				t.Errorf("%d: %v", i, err)
			}
		}
		if r := h.do(1, place("grand", 1)); !r.Replayed {
			t.Error("what was committed is forgotten")
		}
		if _, err := h.Execute(t.Context(), Command{RequestID: requestID(2), Body: place("grand", 2)}); log.CodeOf(err) != log.Unavailable {
			t.Errorf("retry at a poisoned partition: %v", err)
		}
		if r := h.do(99, setRooms("grand", 6)); len(r.Events) != 1 {
			t.Error("another topic cannot be written")
		}

		next := open(t, lg.restart(), Options{Partitions: 1, HoldTick: -1})
		for n := 2; n < 6; n++ {
			if r := next.do(n, place("grand", n)); r.Replayed || !isPlaced(r) {
				t.Errorf("%d: %+v", n, r)
			}
		}
	})
}

func TestSecondWriterIsDetected(t *testing.T) {
	lg := newMemLog()
	a := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	a.build("grand", 10)
	b := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	for n := range 10 {
		engine := []*house{a, b}[n%2]
		if r := engine.do(n, place("grand", n)); !isPlaced(r) {
			t.Fatalf("%d: %v", n, r.Events[0].Message)
		}
	}
	for _, h := range []*house{a, b} {
		if r := h.do(10, place("grand", 10)); isPlaced(r) {
			t.Error("oversold")
		}
	}
	if n := len(placedIDs(t, lg, 1)); n != 10 {
		t.Errorf("%d placed", n)
	}
}

func TestLogFullIsWaitedFor(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	h.build("grand", 1000)
	full := log.NewError(log.LimitReached, "append", "full")
	var count atomic.Int64
	lg.enqueueErr = func(log.TopicPartition) error {
		if count.Add(1)%3 == 0 {
			return full
		}
		return nil
	}
	var waiting []*Pending
	for n := range 100 {
		p, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)})
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, p)
	}
	failed := 0
	for _, p := range waiting {
		if _, err := p.Wait(t.Context()); err != nil {
			failed++
			if !errors.Is(err, full) {
				t.Error(err)
			}
		}
	}
	if n := len(placedIDs(t, lg, 1)); n+failed != 100 {
		t.Errorf("%d placed, %d failed", n, failed)
	}
}

// A state that cannot be rebuilt now is rebuilt later.
func TestStateIsRebuiltWhenTheLogIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		flaky := &flakyReads{memLog: lg}
		h := open(t, flaky, Options{Partitions: 1, HoldTick: -1})
		h.build("grand", 5)
		lg.beforeWait = func(log.TopicPartition) error { return errDisk }
		flaky.broken.Store(true)
		_, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: place("grand", 1)})
		if log.CodeOf(err) != log.Unavailable {
			t.Fatalf("got %v", err)
		}
		if _, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: place("grand", 1)}); log.CodeOf(err) != log.Unavailable {
			t.Fatalf("got %v", err)
		}
		flaky.broken.Store(false)
		lg.beforeWait = nil
		lg.at(log.TopicPartition{Topic: "bookings"}).poisoned = nil
		lg.at(log.TopicPartition{Topic: "bookings"}).records = nil
		time.Sleep(retryAfter) // under testing/synctest
		if r := h.do(1, place("grand", 1)); r.Replayed || !isPlaced(r) {
			t.Errorf("got %+v", r)
		}
	})
}

// A state that cannot follow its own events is a broken invariant: everything stops, and nobody is told that it went well.
func TestBrokenInvariantStopsTheEngine(t *testing.T) {
	lg := newMemLog()
	e, err := Open(t.Context(), lg, Options{Partitions: 2, Clock: atNoon, HoldTick: -1})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	h := &house{Engine: e, t: t}
	h.build("grand", 5)
	p := e.processors[e.partitionOf("grand")]
	lg.enqueueErr = func(log.TopicPartition) error { // runs on the processor's goroutine
		p.state.hotels["grand"] = hotel.New()
		return nil
	}
	_, err = e.Execute(t.Context(), Command{RequestID: requestID(1), Body: place("grand", 1)})
	if log.CodeOf(err) != log.Unavailable {
		t.Errorf("the command got %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the engine went on")
	}
	for _, id := range []string{"grand", "ritz", "plaza"} {
		if _, err := e.Execute(t.Context(), Command{RequestID: requestID(2), Body: place(id, 2)}); log.CodeOf(err) != log.Closed {
			t.Errorf("afterwards: %v", err)
		}
	}
}

type flakyReads struct {
	*memLog
	broken atomic.Bool
}

func (f *flakyReads) Offsets(ctx context.Context, tp log.TopicPartition) (start, high log.Offset, err error) {
	if f.broken.Load() {
		return 0, 0, errDisk
	}
	return f.memLog.Offsets(ctx, tp)
}
