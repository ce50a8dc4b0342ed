package watermill

import (
	"context"
	"sync"

	"lodge/log"
)

// A lane holds this many records before its partition is paused, and so many when it goes on.
const (
	laneMax = 1000
	laneLow = 100
)

// lane sends the messages of one partition, one after the other.
type lane struct {
	sub   *subscription
	ctx   context.Context
	stop  context.CancelFunc
	ended chan struct{}
	wake  chan struct{} // capacity 1

	finishing chan struct{} // closed: end after the message under way
	finished  sync.Once

	mu        sync.Mutex
	records   []log.Record
	resume    func()     // when the lane has caught up; nil: the partition is not paused
	underWay  bool       // a message is sent and not acknowledged
	seen      log.Offset // all before it was taken, or left out by the filter
	done      log.Offset // behind the last message that was acknowledged
	committed log.Offset
}

func newLane(sub *subscription) *lane {
	l := &lane{sub: sub, ended: make(chan struct{}), wake: make(chan struct{}, 1), finishing: make(chan struct{}), seen: log.NoOffset, done: log.NoOffset, committed: log.NoOffset}
	l.ctx, l.stop = context.WithCancel(sub.ctx)
	return l
}

// take adds records and reports whether there are so many that the partition should be paused.
func (l *lane) take(records []log.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, records...)
	l.signal()
	return len(l.records) > laneMax
}

// paused says how to go on with the partition, once the lane has caught up.
func (l *lane) paused(resume func()) {
	l.mu.Lock()
	if len(l.records) > laneLow {
		l.resume, resume = resume, nil
	}
	l.mu.Unlock()
	if resume != nil {
		resume()
	}
}

// finish ends the lane after the message under way, if there is one.
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
	if len(l.records) == 0 && !l.underWay && l.seen > l.done {
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
	defer close(l.ended)
	defer l.stop()
	for {
		if r := l.next(); r != nil {
			if !l.deliver(r) {
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

// next takes the next record, if there is one.
func (l *lane) next() *log.Record {
	l.mu.Lock()
	if len(l.records) == 0 {
		l.mu.Unlock()
		return nil
	}
	r := &l.records[0]
	l.records, l.underWay = l.records[1:], true
	resume := l.resume
	if len(l.records) > laneLow {
		resume = nil
	}
	if resume != nil {
		l.resume = nil
	}
	l.mu.Unlock()
	if resume != nil {
		resume()
	}
	return r
}

// deliver sends a message until it is acknowledged, and reports whether it was.
func (l *lane) deliver(r *log.Record) bool {
	for {
		acked, answered := l.send(r)
		if acked {
			l.mu.Lock()
			l.done, l.underWay = r.Offset+1, false
			l.mu.Unlock()
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
		return false, false
	}
}
