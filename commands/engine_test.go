package commands

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

func TestExecuteAnswersWithCommittedEvents(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 2, Source: "test"})
	h.build("grand", 2)
	r, err := h.Execute(t.Context(), Command{
		RequestID: requestID(1), CorrelationID: "trip-7", CausationID: "click-9", Actor: "staff:eve", Body: place("grand", 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	n := h.partitionOf("grand")
	if want := (log.Position{Topic: "bookings", Partition: n}); r.Position != want || r.Replayed {
		t.Errorf("position %v replayed %v, want %v", r.Position, r.Replayed, want)
	}
	e := r.Events[0]
	if e.CorrelationID != "trip-7" || e.CausationID != "click-9" || e.Actor != "staff:eve" || e.Source != "test" || !e.Time.Equal(noon) ||
		e.HotelID != "grand" || e.Type != "lodge.reservation.placed.v1" || e.RequestID != requestID(1) {
		t.Errorf("envelope %+v", e)
	}
	if m := e.Message.(*eventpb.ReservationPlaced); m.InventoryOffset != 1 || m.TotalMinorUnits != 300_00 {
		t.Errorf("message %v", m)
	}
	stored := messages(t, lg, bookingsTopic, 2)
	if len(stored) != 1 || !proto.Equal(stored[0].(proto.Message), e.Message) {
		t.Errorf("stored %v", stored)
	}
}

func TestRetryGetsTheFirstAnswer(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 2})
	h.build("grand", 1)
	first := h.do(1, place("grand", 1))
	rejected := h.do(2, place("grand", 2))
	for name, h := range map[string]*house{"same engine": h, "restarted": nil} {
		if h == nil {
			h = open(t, lg.restart(), Options{Partitions: 2})
		}
		again := h.do(1, place("grand", 1))
		if !again.Replayed || again.Position != first.Position || again.Events[0].ID != first.Events[0].ID ||
			!proto.Equal(again.Events[0].Message, first.Events[0].Message) {
			t.Errorf("%s: %+v, want %+v", name, again, first)
		}
		if again := h.do(2, place("grand", 2)); !again.Replayed || again.Events[0].ID != rejected.Events[0].ID {
			t.Errorf("%s: rejection was decided again", name)
		}
		_, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: confirm("grand", 1)})
		if !errors.Is(err, ErrRequestReused) || domain.ReasonOf(err) != ReasonRequestReused {
			t.Errorf("%s: another body: %v", name, err)
		}
	}
	if ids := placedIDs(t, lg, 2); len(ids) != 1 {
		t.Errorf("%d reservations were placed", len(ids))
	}
}

// The first 4 bytes of a fingerprint are kept in memory; the rest is compared when the answer is read.
func TestReuseIsFoundByTheWholeFingerprint(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 1})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	p, err := h.pending(Command{RequestID: requestID(1), Body: place("grand", 1)})
	if err != nil {
		t.Fatal(err)
	}
	p.finger[15]++
	p.plain = p.finger
	if err := h.processors[0].queue.put(p, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, ErrRequestReused) {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 2})
	c := Command{RequestID: requestID(1), Body: place("grand", 1)}
	if _, err := h.Execute(t.Context(), c); !errors.Is(err, domain.HotelNotFound) {
		t.Fatalf("got %v", err)
	}
	h.build("grand", 1)
	if r := h.do(1, place("grand", 1)); r.Replayed {
		t.Error("the refusal was remembered")
	}
}

func TestBadCommandsAreRefused(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 2})
	for name, c := range map[string]Command{
		"no request id": {Body: place("grand", 1)},
		"no body":       {RequestID: requestID(1)},
		"year 12345":    {RequestID: requestID(3), Body: place("grand", 1), Time: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)},
		"long text":     {RequestID: requestID(2), Body: opening("grand", 1)[0], CorrelationID: strings.Repeat("x", 300)},
		"long actor":    {RequestID: requestID(2), Body: opening("grand", 1)[0], Actor: strings.Repeat("x", 300)},
	} {
		if _, err := h.Execute(t.Context(), c); domain.ReasonOf(err) != domain.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("gone")
	cancel(cause)
	if _, err := h.Submit(ended, Command{RequestID: requestID(1), Body: place("grand", 1)}); !errors.Is(err, cause) {
		t.Errorf("ended context: %v", err)
	}
}

func TestInternalCommandNeedsNoRequestID(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 2})
	h.build("grand", 1)
	for range 2 {
		r, err := h.Execute(t.Context(), Command{Internal: true, Body: &hotel.ExpireHolds{Hotel: "grand"}})
		if err != nil || len(r.Events) != 0 || r.Position != (log.Position{}) {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func TestOneOfManyGetsTheLastRoom(t *testing.T) {
	const clients = 100
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 2})
	h.build("grand", 1)
	results := make([]Result, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() { results[i] = h.do(i, place("grand", i)) })
	}
	group.Wait()
	winner := slices.IndexFunc(results, isPlaced)
	if winner < 0 || slices.ContainsFunc(results[winner+1:], isPlaced) {
		t.Fatal("not exactly one won")
	}
	again := h.do(winner, place("grand", winner))
	if !again.Replayed || again.Events[0].ID != results[winner].Events[0].ID {
		t.Errorf("the winner's retry got %+v", again)
	}
	if n := len(placedIDs(t, lg, 2)); n != 1 {
		t.Errorf("%d were placed", n)
	}
}

func isPlaced(r Result) bool {
	_, ok := r.Events[0].Message.(*eventpb.ReservationPlaced)
	return ok
}

func TestSubmitKeepsOrder(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 2})
	h.build("grand", 1000)
	var waiting []*Pending
	var want []string
	for n := range 500 {
		p, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)})
		if err != nil {
			t.Fatal(err)
		}
		waiting, want = append(waiting, p), append(want, reservationID(n))
	}
	for i, p := range waiting {
		if r, err := p.Wait(t.Context()); err != nil || r.Position.Offset != log.Offset(i) {
			t.Fatalf("%d: %v %v", i, r.Position, err)
		}
	}
	if got := placedIDs(t, lg, 2); !slices.Equal(got, want) {
		t.Errorf("placed in order %v", got)
	}
}

func TestStopFinishesWhatWasAccepted(t *testing.T) {
	lg := newMemLog()
	release := make(chan struct{})
	h := open(t, lg, Options{Partitions: 1})
	h.build("grand", 1000)
	lg.beforeWait = func(log.TopicPartition) error { <-release; return nil }
	var waiting []*Pending
	for n := range 300 {
		p, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)})
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, p)
	}
	close(release)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	for _, p := range waiting {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(placedIDs(t, lg, 1)); n != 300 {
		t.Errorf("%d placed", n)
	}
	_, err := h.Execute(t.Context(), Command{RequestID: uuid.New(), Body: place("grand", 1000)})
	if log.CodeOf(err) != log.Closed {
		t.Errorf("after the end: %v", err)
	}
}

func TestHotelsAreBounded(t *testing.T) {
	lg := newMemLog()
	opts := Options{Partitions: 1, HotelsMax: 2, HoldTick: -1}
	h := open(t, lg, opts)
	h.build("grand", 5)
	h.build("ritz", 5)
	third := Command{RequestID: requestID(1), Body: opening("plaza", 5)[0]}
	if _, err := h.Execute(t.Context(), third); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("a third hotel: %v", err)
	}
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(2), Body: opening("ritz", 5)[0]}); domain.ReasonOf(err) != domain.HotelExists {
		t.Errorf("a hotel again: %v", err)
	}
	if r := h.do(3, place("ritz", 3)); !isPlaced(r) {
		t.Error("a full house of hotels takes no reservation")
	}
	h.dump()
	opts.HotelsMax = 3
	if _, err := open(t, lg, opts).Execute(t.Context(), third); err != nil {
		t.Errorf("with more room: %v", err)
	}
}
