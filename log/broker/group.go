package broker

import (
	"context"

	"lodge/log"
)

// group is what one commit writes: batches in the order in which they were enqueued. Guarded by the
// partition's mu until it is being written; then its bytes belong to whoever has the turn.
type group struct {
	p       *partition
	buffer  *[]byte // the batches; nil: none yet, or done
	batches int
	first   log.Offset // of the first batch
	end     log.Offset // behind the last one
	joined  int        // calls of Wait so far
	waiters []*waiter  // those that block in Wait

	done bool
	err  error // set with done
}

// finish makes g's outcome known to those who ask from now on. mu must be held.
func (g *group) finish(err error) { g.done, g.err, g.buffer, g.waiters = true, err, nil, nil }

// waiter is one goroutine that waits for its group or for its turn. It is told at most once.
type waiter struct {
	told chan bool // capacity 1: true when the turn is handed over, false when the group is done
}

// turn tells w, if there is one, that the turn is handed over.
func (w *waiter) turn() {
	if w != nil {
		w.told <- true
	}
}

// newWaiter returns one from the broker's pool; putWaiter takes it back once it was told.
func (b *Broker) newWaiter() *waiter {
	if w, ok := b.waiters.Get().(*waiter); ok {
		return w
	}
	return &waiter{told: make(chan bool, 1)}
}

func (b *Broker) putWaiter(w *waiter) { b.waiters.Put(w) }

// wake tells waiters that their group is done.
func wake(ws []*waiter) {
	for _, w := range ws {
		w.told <- false
	}
}

// Wait waits for the group's commit and does it when nobody else is at it.
func (g *group) Wait(ctx context.Context) error {
	p := g.p
	p.mu.Lock()
	if g.done {
		defer p.mu.Unlock()
		return g.err
	}
	if err := ctx.Err(); err != nil {
		p.mu.Unlock()
		return err
	}
	p.join(g)
	if !p.leading {
		p.leading = true
		p.mu.Unlock()
		return p.lead(g)
	}
	w := p.b.newWaiter()
	g.waiters = append(g.waiters, w)
	p.mu.Unlock()
	select {
	case turn := <-w.told:
		p.b.putWaiter(w)
		if turn {
			return p.lead(g)
		}
		return g.err
	case <-ctx.Done():
		return p.leave(g, w, ctx.Err())
	}
}

// join counts a call of Wait. mu must be held.
func (p *partition) join(g *group) {
	g.joined++
	if g == p.pending {
		p.joined.Add(1)
	}
}

// leave ends a wait early. What the waiter was told in the meantime is honored: a turn goes to the next
// one, an outcome is returned.
func (p *partition) leave(g *group, w *waiter, err error) error {
	p.mu.Lock()
	for i := range g.waiters {
		if g.waiters[i] == w {
			g.waiters = append(g.waiters[:i], g.waiters[i+1:]...)
			g.joined--
			if g == p.pending {
				p.joined.Add(-1)
			}
			p.mu.Unlock()
			p.b.putWaiter(w)
			return err
		}
	}
	p.mu.Unlock()
	if turn := <-w.told; turn { // it is on its way: whoever took w off the list tells it
		p.release()
	} else {
		err = g.err
	}
	p.b.putWaiter(w)
	return err
}
