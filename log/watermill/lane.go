package watermill

import (
	"context"
	"sync"

	"lodge/log"
)

// A lane holds this many records before its partition is paused, and so many when it goes on. Records that were acknowledged before an older one count.
const (
	laneMax = 1000
	laneLow = 100
)

// lane sends the messages of one partition: one after the other, or several at a time where the subscriber allows it.
type lane struct {
	sub   *subscription
	ctx   context.Context
	stop  context.CancelFunc
	ended chan struct{}
	wake  chan struct{} // capacity 1

	finishing chan struct{} // closed: end after the messages under way
	finished  sync.Once

	mu        sync.Mutex
	entries   []*entry            // in the partition's order; the first one is not acknowledged
	underWay  int                 // of entries: sent and not acknowledged
	busy      map[string]struct{} // their order keys; nil: one message at a time
	resume    func()              // when the lane has caught up; nil: the partition is not paused
	seen      log.Offset          // all before it was taken, or left out by the filter
	done      log.Offset          // all before it were acknowledged
	committed log.Offset
}

// entry is a record in a lane.
type entry struct {
	record log.Record
	key    string // of what must keep its order; not used where one message is sent at a time
	sent   bool
	acked  bool
}

func newLane(sub *subscription) *lane {
	l := &lane{sub: sub, ended: make(chan struct{}), wake: make(chan struct{}, 1), finishing: make(chan struct{}), seen: log.NoOffset, done: log.NoOffset, committed: log.NoOffset}
	l.ctx, l.stop = context.WithCancel(sub.ctx)
	if sub.s.config.Parallel > 1 {
		l.busy = map[string]struct{}{}
	}
	return l
}

// take adds records and reports whether there are so many that the partition should be paused.
func (l *lane) take(records []log.Record) bool {
	added := make([]entry, len(records))
	for i := range records {
		added[i].record = records[i]
		if l.busy != nil {
			added[i].key = l.sub.s.config.OrderKey(&records[i])
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range added {
		l.entries = append(l.entries, &added[i])
	}
	l.signal()
	return len(l.entries) > laneMax
}

// paused says how to go on with the partition, once the lane has caught up.
func (l *lane) paused(resume func()) {
	l.mu.Lock()
	if len(l.entries) > laneLow {
		l.resume, resume = resume, nil
	}
	l.mu.Unlock()
	if resume != nil {
		resume()
	}
}

// finish ends the lane after the messages under way.
func (l *lane) finish() { l.finished.Do(func() { close(l.finishing) }) }

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// looked notes that every record before o was taken, or left out by the filter.
func (l *lane) looked(o log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = o
}

// uncommitted returns the offset to commit, and whether it is not committed yet. With all acknowledged that is where the filter has got to.
func (l *lane) uncommitted() (log.Offset, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == 0 && l.seen > l.done {
		l.done = l.seen
	}
	return l.done, l.done != log.NoOffset && l.done != l.committed
}

func (l *lane) setCommitted(o log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = o
}

// run sends messages until the lane is stopped or finished.
func (l *lane) run() {
	var senders sync.WaitGroup
	defer close(l.ended)
	defer l.stop()
	defer senders.Wait()
	for {
		if e := l.next(); e != nil {
			if l.busy != nil {
				senders.Go(func() { l.deliver(e) })
			} else if !l.deliver(e) {
				return
			}
			continue
		}
		select {
		case <-l.wake:
		case <-l.finishing:
			return
		case <-l.ctx.Done():
			return
		}
	}
}

// next takes the next record that may be sent now, if there is one: the oldest whose order key is not under way.
func (l *lane) next() *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.underWay >= l.sub.s.config.Parallel {
		return nil
	}
	for _, e := range l.entries {
		if _, busy := l.busy[e.key]; e.sent || busy {
			continue
		}
		e.sent = true
		l.underWay++
		if l.busy != nil {
			l.busy[e.key] = struct{}{}
		}
		return e
	}
	return nil
}

// acknowledged notes that e is done with, and with it those behind it that were acknowledged earlier.
func (l *lane) acknowledged(e *entry) {
	l.mu.Lock()
	e.acked = true
	l.underWay--
	delete(l.busy, e.key)
	for len(l.entries) > 0 && l.entries[0].acked {
		l.done = l.entries[0].record.Offset + 1
		l.entries = l.entries[1:]
	}
	var resume func()
	if len(l.entries) <= laneLow {
		resume, l.resume = l.resume, nil
	}
	l.mu.Unlock()
	if resume != nil {
		resume()
	}
	if l.busy != nil {
		l.signal()
	}
}

// deliver sends a message until it is acknowledged, and reports whether it was.
func (l *lane) deliver(e *entry) bool {
	for {
		acked, answered := l.send(&e.record)
		if acked {
			l.acknowledged(e)
			return true
		}
		if !answered {
			return false
		}
		pause(l.ctx, l.sub.s.config.NackDelay)
		if l.ctx.Err() != nil {
			return false
		}
	}
}

// send sends a message once and waits for the answer. The message's context ends with it.
func (l *lane) send(r *log.Record) (acked, answered bool) {
	ctx, cancel := context.WithCancel(context.WithValue(l.ctx, positionKey{}, r.Position()))
	defer cancel()
	msg := messageOf(r, l.sub.s.config.KeyMetadata)
	msg.SetContext(ctx)
	select {
	case <-l.finishing:
		return false, false
	case <-l.ctx.Done(): // the partition may be another's already
		return false, false
	default:
	}
	select {
	case l.sub.out <- msg:
	case <-l.finishing:
		return false, false
	case <-l.ctx.Done():
		return false, false
	}
	select {
	case <-msg.Acked():
		return true, true
	case <-msg.Nacked():
		return false, true
	case <-l.ctx.Done():
	}
	select {
	case <-msg.Acked(): // before the end
		return true, true
	default:
		return false, false
	}
}
