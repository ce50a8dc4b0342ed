package commands

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lodge/commands/persons"
	"lodge/log"
)

// pipe is what lies between deciding and answering: commands that are decided, in order, and not committed yet. The processor pushes;
// the committer waits for the newest ticket, which leads the log's group commit, and answers everyone whom it covers. Answers without events
// (refusals, replays) take their turn in the same line, since they rest on events before them.
//
// When a commit fails, it and everything pushed after it is refused, until the processor has drained the
// pipe, rebuilt its state and calls mend.
type pipe struct {
	op   string
	max  int
	keys *persons.Keys // whose keys are erased before a command that forgets somebody is answered; nil: nobody is forgotten
	bust atomic.Bool   // cause is set

	mu       sync.Mutex
	work     sync.Cond // something was pushed, or closed
	room     sync.Cond // inFlight went down
	pushed   []*Pending
	ticket   log.Ticket // the newest of pushed; without a Waiter: none has events
	inFlight int        // pushed or being committed
	company  int        // how many may be expected in the next group: those of the last one, who were just answered, and those who came since
	closed   bool
	cause    error // why everything is refused
}

func newPipe(op string, most int, keys *persons.Keys) *pipe {
	p := &pipe{op: op, max: most, keys: keys}
	p.work.L, p.room.L = &p.mu, &p.mu
	return p
}

// push hands over decided commands whose newest ticket is t. It blocks while too many are in flight.
func (p *pipe) push(decided []*Pending, t log.Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight >= p.max {
		p.room.Wait()
	}
	p.pushed = append(p.pushed, decided...)
	p.inFlight += len(decided)
	if t.Waiter != nil {
		p.ticket = t
	}
	p.work.Signal()
}

// pushAlone commits and answers one command on the spot when nothing is in flight, which spares a lone client two changes of goroutine.
func (p *pipe) pushAlone(c *Pending, t log.Ticket) bool {
	p.mu.Lock()
	idle := p.inFlight == 0 && p.company <= 1
	p.mu.Unlock()
	if idle {
		p.settle([]*Pending{c}, t)
	}
	return idle
}

// drain blocks until nothing is in flight.
func (p *pipe) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight > 0 {
		p.room.Wait()
	}
}

// mend ends the refusals. Nothing is in flight.
func (p *pipe) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cause, p.ticket = nil, log.Ticket{}
	p.bust.Store(false)
}

// close ends run when everything pushed is answered.
func (p *pipe) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Signal()
}

// run is the committer.
func (p *pipe) run() {
	var group []*Pending
	for {
		var t log.Ticket
		p.awaitCompany()
		group, t = p.take(group)
		if len(group) == 0 {
			return
		}
		p.settle(group, t)
		p.mu.Lock()
		p.inFlight -= len(group)
		p.company = len(group) + len(p.pushed)
		p.room.Signal()
		p.mu.Unlock()
		clear(group)
	}
}

// awaitCompany waits for work, and then a moment for those who are expected with it, since a sync costs the same for one as for
// many. It yields instead of sleeping: that is what lets them come. A large group waits for nobody: it is
// better committed while the next one is decided.
func (p *pipe) awaitCompany() {
	p.mu.Lock()
	for len(p.pushed) == 0 && !p.closed {
		p.work.Wait()
	}
	want := min(p.company, companyMax)
	short := len(p.pushed) < want && !p.closed
	p.mu.Unlock()
	start := time.Now()
	for yields := range companyYieldsMax {
		runtime.Gosched()
		if !short || yields >= companyYieldsMin && time.Since(start) > companyWait {
			return
		}
		p.mu.Lock()
		short = len(p.pushed) < want && !p.closed
		p.mu.Unlock()
	}
}

const (
	companyMax       = 16
	companyWait      = 40 * time.Microsecond
	companyYieldsMin = 4    // on a busy machine one yield takes longer than the wait, and is not lost time
	companyYieldsMax = 1000 // however the clock goes
)

// take swaps what was pushed with spare. It returns nothing when the pipe is closed and empty.
func (p *pipe) take(spare []*Pending) ([]*Pending, log.Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	group, t := p.pushed, p.ticket
	p.pushed, p.ticket = spare[:0], log.Ticket{}
	return group, t
}

// settle waits for the ticket and answers the group. The wait has no deadline: what was accepted is finished.
func (p *pipe) settle(group []*Pending, t log.Ticket) {
	if err := t.Wait(context.Background()); err != nil {
		p.mu.Lock()
		if p.cause == nil {
			p.cause = unavailable(p.op, err)
		}
		p.bust.Store(true)
		p.mu.Unlock()
	}
	if p.bust.Load() {
		for _, c := range group {
			c.refuse(p.cause)
		}
	} else if p.keys != nil {
		p.forget(group)
	}
	for _, c := range group {
		c.answer()
	}
}
