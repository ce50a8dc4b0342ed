package api

import (
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/projections"
	"lodge/projections/availability"
)

// watchers are the open streams of hotels' nights. They are told that something has happened to their hotel, not what: each reads for itself, so
// that whoever is slow holds nobody up and piles up nothing.
type watchers struct {
	count atomic.Int64 // of watchers; nobody looks further while it is 0

	mu      sync.Mutex
	byHotel map[string]map[*watcher]struct{}
}

// watcher is one stream's.
type watcher struct {
	hotel string
	wake  chan struct{} // holds a token when there may be something new; capacity 1

	position log.Position // of the last event told of, until it is taken; owned by watchers.mu
}

func (w *watchers) add(hotelID string) *watcher {
	x := &watcher{hotel: hotelID, wake: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byHotel == nil {
		w.byHotel = make(map[string]map[*watcher]struct{})
	}
	if w.byHotel[hotelID] == nil {
		w.byHotel[hotelID] = make(map[*watcher]struct{})
	}
	w.byHotel[hotelID][x] = struct{}{}
	w.count.Add(1)
	return x
}

func (w *watchers) remove(x *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byHotel[x.hotel], x)
	if len(w.byHotel[x.hotel]) == 0 {
		delete(w.byHotel, x.hotel)
	}
	w.count.Add(-1)
}

// take returns the position of the last event that x was told of since it was asked before, or none.
func (w *watchers) take(x *watcher) (position log.Position, told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	position, x.position = x.position, log.Position{}
	return position, position.Topic != ""
}

// tell wakes those whose hotels events have happened to. It is called by the goroutine that applies events, and waits for nobody.
func (w *watchers) tell(a projections.Applied) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.All {
		for _, hotel := range w.byHotel {
			wakeAll(hotel, log.Position{})
		}
	}
	for i := range a.Events {
		e := &a.Events[i]
		if hotel := w.byHotel[e.Envelope.HotelID]; hotel != nil && availability.Changes(e.Envelope.Message) {
			wakeAll(hotel, e.Position)
		}
	}
}

func wakeAll(hotel map[*watcher]struct{}, position log.Position) {
	for x := range hotel {
		if position.Topic != "" {
			x.position = position
		}
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}
