package commands

import (
	"sync"

	"lodge/log"
)

// queue is the bounded line before one partition processor. Many put, one takes everything at once.
type queue struct {
	mu      sync.Mutex
	waiting []*Pending // at most max
	max     int
	closed  bool
	wake    chan struct{} // holds a token when there may be something to take; capacity 1
}

func newQueue(most int) *queue {
	return &queue{max: most, wake: make(chan struct{}, 1)}
}

// put adds p at the end. Errors: LimitReached, Closed.
func (q *queue) put(p *Pending, op string) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return closedError(op)
	}
	if len(q.waiting) >= q.max {
		q.mu.Unlock()
		return log.NewError(log.LimitReached, op, "%d commands are waiting at this partition", q.max)
	}
	q.waiting = append(q.waiting, p)
	first := len(q.waiting) == 1
	q.mu.Unlock()
	if first {
		q.signal()
	}
	return nil
}

// take empties the queue into spare, whose memory it swaps with the queue's own.
func (q *queue) take(spare []*Pending) (taken []*Pending, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken, q.waiting = q.waiting, spare[:0]
	return taken, q.closed
}

// close lets nothing more in. What is waiting can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
