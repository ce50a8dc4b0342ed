package group

import (
	"errors"
	"slices"
	"time"

	"lodge/log"
)

// Leave takes members out at once, each named by its id, or by its instance with or without the id. The error, with code UnknownMember or
// FencedInstance, tells of those that could not be; the others are out.
func (g *Group) Leave(now Moment, members []log.HeartbeatRequest) (e Effects, err error) {
	var leaving []*member
	for _, req := range members {
		if m := g.findInstance(req.Instance); m != nil && req.Member == "" {
			req.Member = m.id
		}
		m, refused := g.check("leave", req.Member, req.Instance)
		if refused != nil {
			err = errors.Join(err, refused)
			continue
		}
		leaving = append(leaving, m)
	}
	if g.remove(&e, log.UnknownMember, "the member left", func(m *member) bool { return slices.Contains(leaving, m) }) {
		g.rebalance(&e, now)
	}
	return e, err
}

// Abandon says that nobody waits for a call any more. A member that was never told its id is taken out: nobody else could.
func (g *Group) Abandon(now Moment, call Call) (e Effects) {
	i := slices.IndexFunc(g.members, func(m *member) bool { return m.join == call || m.sync == call })
	if i < 0 {
		return e
	}
	m := g.members[i]
	m.join, m.sync = 0, 0
	m.alive(now)
	if !m.known && m.instance == "" {
		g.remove(&e, log.UnknownMember, "nobody waits", func(other *member) bool { return other == m })
		g.rebalance(&e, now)
	}
	return e
}

// Tick does what is due: it ends sessions, and the waiting for members that do not join or sync.
func (g *Group) Tick(now Moment) (e Effects) {
	if g.remove(&e, log.UnknownMember, "the session timed out", func(m *member) bool { return !m.waits() && m.deadline <= now.Elapsed }) {
		g.rebalance(&e, now)
	}
	if g.state == log.GroupPreparingRebalance && g.joinDeadline <= now.Elapsed {
		g.joinTimeout(&e, now)
	}
	if g.awaitsSync() && g.syncDeadline <= now.Elapsed {
		g.remove(&e, log.UnknownMember, "the member did not sync", func(m *member) bool { return !m.synced })
		g.rebalance(&e, now)
	}
	return e
}

// joinTimeout goes on without the dynamic members that have not joined.
func (g *Group) joinTimeout(e *Effects, now Moment) {
	if g.initial.on && g.initial.joined && g.initial.remaining > 0 {
		delay := min(g.config.InitialRebalanceDelay, g.initial.remaining)
		g.initial.remaining -= delay
		g.initial.joined = false
		g.joinDeadline = now.Elapsed + delay
		return
	}
	g.remove(e, log.UnknownMember, "the member did not join again", func(m *member) bool { return m.join == 0 && m.instance == "" })
	g.complete(e, now)
}

// awaitsSync reports whether members were told the generation and have not asked for their assignment.
func (g *Group) awaitsSync() bool {
	return (g.state == log.GroupCompletingRebalance || g.state == log.GroupStable) &&
		slices.ContainsFunc(g.members, func(m *member) bool { return !m.synced })
}

// NextDeadline returns when Tick will have something to do, in Moment.Elapsed, if nothing happens before.
func (g *Group) NextDeadline() (at time.Duration, ok bool) {
	due := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, m := range g.members {
		if !m.waits() {
			due(m.deadline)
		}
	}
	if g.state == log.GroupPreparingRebalance {
		due(g.joinDeadline)
	}
	if g.awaitsSync() {
		due(g.syncDeadline)
	}
	return at, ok
}
