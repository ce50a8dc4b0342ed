package projections

import (
	"context"
	"sync"
	"time"
)

// pace lets a feed under steady load rest between batches, so that they grow and the work for each event
// shrinks: a transaction in four databases costs as much for one event as for dozens. Nobody rests
// while somebody waits for a position, and an event after a quiet moment is applied at once.
type pace struct {
	mu      sync.Mutex
	waiting int           // calls of WaitFor under way
	hurry   chan struct{} // closed when one comes; nil: nobody rests
}

// lingerEvents is how many events of a batch lengthen the rest after it by one Linger.
const lingerEvents = 16

// linger returns how long a feed rests between a batch of so many events and the next. Under load the rest grows: what one event
// costs is mostly the scattered pages that its transaction writes, which many events of one transaction share. A
// batch that is full says that the feed is behind: then it does not rest.
func (o *Options) linger(events int) time.Duration {
	if o.Linger <= 0 || events >= feedEventsMax {
		return 0
	}
	return min(max(o.Linger, o.LingerMax), o.Linger+o.Linger*time.Duration(events)/lingerEvents)
}

// enter ends all rests, and keeps others from beginning until leave.
func (p *pace) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	if p.hurry != nil {
		close(p.hurry)
		p.hurry = nil
	}
}

func (p *pace) leave() {
	p.mu.Lock()
	p.waiting--
	p.mu.Unlock()
}

// hurried returns a channel that is closed when somebody begins to wait, or nil when somebody does already.
func (p *pace) hurried() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 {
		return nil
	}
	if p.hurry == nil {
		p.hurry = make(chan struct{})
	}
	return p.hurry
}

// rest waits for d, until somebody hurries or ctx ends. It reports whether it waited at all.
func (p *pace) rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return false
	}
	hurried := p.hurried()
	if hurried == nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurried:
	case <-ctx.Done():
	}
	return true
}
