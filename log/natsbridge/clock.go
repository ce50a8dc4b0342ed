package natsbridge

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"lodge/log"
)

// How NATS is the clock
//
// Each schedule that is far is one message in a stream that belongs to this log, on a subject of its own, with the schedule's id and generation in
// it. When the time has come NATS publishes it on another subject of the stream: it rings. The bridge then has the schedule wait on its own timer, and
// acknowledges the ring when the firing is concluded. Nothing but this is in NATS, and nothing is believed because NATS says it: a ring
// for a generation that is not pending is acknowledged and forgotten, and a schedule that is not rung for fires without.
//
//	<stream>.at.<id>.<generation>     the schedule: Nats-Schedule: @at <due - lead>, Nats-Schedule-Target: the ring
//	<stream>.ring.<id>.<generation>   the ring
//
// A connection, from its beginning to its first interruption, is a session: it makes what is missing, compares both sides,
// and then sends changes as they come.

// clock is what NATS is to be told, and what it told. Guarded by Bridge.mu.
type clock struct {
	listening bool                         // a session takes changes
	ready     bool                         // both sides are the same, but for changes
	err       string                       // why there is no session
	changes   []op                         // oldest first; at most opsMax
	sending   int                          // changes that were taken to be sent
	overflow  bool                         // there were more: compare again
	rings     map[log.Offset]jetstream.Msg // to be acknowledged when their schedules are concluded
	news      chan struct{}                // something changed; capacity 1; nil before the first session
	compared  time.Time                    // when both sides were last compared
}

// op is a change: a schedule that is far, or with drop set one that is not any more.
type op struct {
	id   string
	gen  log.Offset
	due  int64
	drop bool
}

// tell has NATS told of a change, if there is a session; if not the next one will find out.
func (c *clock) tell(change op) {
	switch {
	case !c.listening:
		return
	case len(c.changes) == opsMax:
		c.changes, c.overflow = nil, true
	case !c.overflow:
		c.changes = append(c.changes, change)
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// suspect has both sides compared again, as NATS has not rung; not more often than suspectMin, for it may only be slow.
func (c *clock) suspect() {
	if !c.ready || time.Since(c.compared) < suspectMin {
		return
	}
	c.changes, c.overflow, c.ready = nil, true, false
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// suspectMin bounds how often both sides are compared because of rings that did not come.
const suspectMin = 10 * time.Second

// acknowledge has NATS forget the rings of these generations.
func (c *clock) acknowledge(gens []log.Offset) {
	for _, g := range gens {
		if msg := c.rings[g]; msg != nil {
			_ = msg.Ack() // if it gets lost the ring comes again, and is acknowledged then
			delete(c.rings, g)
		}
	}
}

// Bounds of how long NATS is left alone after a session failed.
const (
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// keepClock holds sessions, one after the other.
func (b *Bridge) keepClock(ctx context.Context) {
	delay := retryMin
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		begun := time.Now()
		err := b.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > 10*time.Second {
			delay = retryMin
		}
		b.opts.Logger.Warn("no connection to NATS: schedules go by the bridge's own timer", "again_in", delay, "error", err)
		b.setClock(func(c *clock) { c.err = err.Error() })
		timer.Reset(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		delay = min(2*delay, retryMax)
	}
}

// setClock changes the clock under the lock.
func (b *Bridge) setClock(change func(*clock)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.clock)
}

// subjects names the stream and what is in it.
type subjects struct {
	stream, at, ring string
}

func (b *Bridge) subjects() subjects {
	stream := "lodge_schedules_" + strings.ReplaceAll(b.identity.instance.String(), "-", "")
	return subjects{stream: stream, at: stream + ".at.", ring: stream + ".ring."}
}

// token is what a generation of a schedule is called in subjects, where a dot separates.
func token(id string, gen log.Offset) string {
	e := entry{gen: gen}
	return strings.ReplaceAll(id, ".", "=") + "." + e.generation()
}

// untoken is the reverse of token.
func untoken(s string) (id string, gen log.Offset, ok bool) {
	id, number, _ := strings.Cut(s, ".")
	position, err := log.ParsePosition("x/0@" + number)
	return strings.ReplaceAll(id, "=", "."), position.Offset, err == nil
}

// message is how NATS is asked to ring.
func (s *subjects) message(o op) *nats.Msg {
	t := token(o.id, o.gen)
	msg := nats.NewMsg(s.at + t)
	msg.Header.Set("Nats-Schedule", "@at "+time.Unix(0, o.due).Add(-lead).UTC().Format(time.RFC3339Nano))
	msg.Header.Set("Nats-Schedule-Target", s.ring+t)
	return msg
}

// rung takes in a ring. If its schedule is pending msg is acknowledged when that is concluded, otherwise at once.
func (b *Bridge) rung(msg jetstream.Msg, id string, gen log.Offset) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.pending.ids.get(id)
	if e == nil || e.gen != gen {
		_ = msg.Ack() // see acknowledge
		return
	}
	if b.clock.rings[gen] == nil {
		b.stats.Rung++
	}
	b.clock.rings[gen] = msg
	if e.place == far {
		b.pending.move(e, near)
		if b.pending.near.first() == e {
			b.stir()
		}
	}
}
