package projections_test

import (
	"context"
	"sync"
	"testing"

	"lodge/log"
	"lodge/projections"
	"lodge/projections/hotels"
)

// ear notes what a listener is told.
type ear struct {
	mu     sync.Mutex
	next   map[log.TopicPartition]log.Offset // behind the last event told of
	whole  int
	gaps   []string
	events int
}

func (e *ear) hear(a projections.Applied) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a.All {
		e.whole++
	}
	for i := range a.Events {
		pos := a.Events[i].Position
		if tp := pos.TopicPartition(); e.next[tp] != 0 && e.next[tp] < pos.Offset {
			e.gaps = append(e.gaps, pos.String())
		}
		e.next[pos.TopicPartition()] = pos.Offset + 1
		e.events++
	}
}

func (e *ear) heard(pos log.Position) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next[pos.TopicPartition()] > pos.Offset
}

// TestListenersKnowBeforeWaitersDo: whoever has waited for a position may throw away what listeners were told to.
func TestListenersKnowBeforeWaitersDo(t *testing.T) {
	b, h := started(t, hotels.New())
	defer b.Close()
	e := &ear{next: map[log.TopicPartition]log.Offset{}}
	stop, err := b.Store.Listen(hotels.Name, e.hear)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		last := b.Log.Append(h.Next(3)...)
		if err := b.Store.WaitFor(context.Background(), hotels.Name, last); err != nil {
			t.Fatal(err)
		}
		if last.Topic == "hotels" && !e.heard(last) {
			t.Fatalf("nobody told of %s", last)
		}
	}
	if err := b.Store.Rebuild(context.Background(), hotels.Name, nil); err != nil {
		t.Fatal(err)
	}
	b.CatchUp()
	e.mu.Lock()
	whole, events, gaps := e.whole, e.events, e.gaps
	e.mu.Unlock()
	if whole == 0 || events == 0 || gaps != nil {
		t.Errorf("%d times everything, %d events, gaps before %v", whole, events, gaps)
	}
	stop()
	if err := b.Store.Rebuild(context.Background(), hotels.Name, nil); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.whole != whole {
		t.Error("told of a rebuild after stop")
	}
	if _, err := b.Store.Listen("tarot", e.hear); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("a projection that is not there: %v", err)
	}
}
