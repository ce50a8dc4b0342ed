package process

import (
	"context"
	"sync"
	"time"
)

// Deadlines are times at which hotels want to be looked at, on their way from the engine, which must not wait, to who sets the timers. For each hotel the
// earliest one counts: so there are never more than there are hotels with holds. Safe for concurrent use.
type Deadlines struct {
	mu      sync.Mutex
	byHotel map[string]time.Time
	wake    chan struct{} // capacity 1: there may be some
}

// NewDeadlines returns none.
func NewDeadlines() *Deadlines {
	return &Deadlines{byHotel: map[string]time.Time{}, wake: make(chan struct{}, 1)}
}

// Put adds a deadline. It is for commands.Options.OnHold.
func (d *Deadlines) Put(hotelID string, at time.Time) {
	d.mu.Lock()
	if known, ok := d.byHotel[hotelID]; !ok || at.Before(known) {
		d.byHotel[hotelID] = at
	}
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take waits for deadlines and takes up to most of them out. It returns none when ctx ends first.
func (d *Deadlines) take(ctx context.Context, most int) map[string]time.Time {
	for {
		if taken := d.takeSome(most); len(taken) > 0 {
			return taken
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Deadlines) takeSome(most int) map[string]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.byHotel) <= most {
		taken := d.byHotel
		d.byHotel = map[string]time.Time{}
		return taken
	}
	taken := make(map[string]time.Time, most)
	for hotelID, at := range d.byHotel {
		if len(taken) == most {
			break
		}
		taken[hotelID] = at
		delete(d.byHotel, hotelID)
	}
	return taken
}
