package group

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/log"
)

// machine drives a group with anything, sensible or not, and checks what must hold after every step.
type machine struct {
	g       *Group
	now     Moment
	calls   Call
	waiting map[Call]bool
	ids     []log.MemberID // given out or tried
}

func (m *machine) call() Call {
	m.calls++
	m.waiting[m.calls] = true
	return m.calls
}

// take notes the answers, and checks that a generation is not begun without being stored.
func (m *machine) take(t *rapid.T, before log.Generation, e Effects) {
	for _, r := range e.Replies {
		if !m.waiting[r.Call] {
			t.Fatalf("call %d is answered twice, or never was", r.Call)
		}
		delete(m.waiting, r.Call)
		if r.Err == nil && r.Join.Member != "" && r.Join.Generation != m.g.generation {
			t.Fatalf("told generation %d, the group has %d", r.Join.Generation, m.g.generation)
		}
	}
	if m.g.generation != before && (!e.Store || m.g.generation < before) {
		t.Fatalf("generation %d after %d, stored: %v", m.g.generation, before, e.Store)
	}
}

func (m *machine) id(t *rapid.T) log.MemberID { return rapid.SampledFrom(m.ids).Draw(t, "member") }

// gen draws the group's generation or another one.
func (m *machine) generation(t *rapid.T) log.Generation {
	return m.g.generation - log.Generation(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "behind"))
}

func (m *machine) actions() map[string]func(*rapid.T) {
	instance := rapid.SampledFrom([]string{"", "", "i", "j"})
	protocols := func(t *rapid.T) (offered []log.GroupProtocol) {
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"range", "sticky", "x"}), 1, 3, rapid.ID[string]).Draw(t, "protocols") {
			offered = append(offered, log.GroupProtocol{Name: name, Metadata: []byte(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "metadata"))})
		}
		return offered
	}
	do := func(f func(*rapid.T) Effects) func(*rapid.T) {
		return func(t *rapid.T) {
			before := m.g.generation
			m.take(t, before, f(t))
		}
	}
	join := func(t *rapid.T, member log.MemberID) Effects {
		fresh := log.MemberID(fmt.Sprint("m", m.calls))
		m.ids = append(m.ids, fresh)
		return m.g.Join(m.now, m.call(), fresh, log.JoinRequest{
			Member: member, Instance: instance.Draw(t, "instance"), ProtocolType: "consumer", Protocols: protocols(t),
			SessionTimeout:   time.Duration(rapid.IntRange(6, 30).Draw(t, "session")) * time.Second,
			RebalanceTimeout: time.Duration(rapid.IntRange(0, 60).Draw(t, "rebalance")) * time.Second,
		})
	}
	return map[string]func(*rapid.T){
		"come":   do(func(t *rapid.T) Effects { return join(t, "") }),
		"rejoin": do(func(t *rapid.T) Effects { return join(t, m.id(t)) }),
		"sync": do(func(t *rapid.T) Effects {
			plan := map[log.MemberID][]byte{m.id(t): []byte("p")}
			return m.g.Sync(m.now, m.call(), log.SyncRequest{Generation: m.generation(t), Member: m.id(t), Assignments: plan})
		}),
		"heartbeat": func(t *rapid.T) {
			_ = m.g.Heartbeat(m.now, log.HeartbeatRequest{Generation: m.generation(t), Member: m.id(t)})
		},
		"commit": func(t *rapid.T) {
			req := log.CommitRequest{Generation: m.generation(t), Member: m.id(t)}
			err := m.g.CheckCommit(m.now, req)
			if err == nil && (m.g.find(req.Member) == nil || req.Generation != m.g.generation || m.g.state == log.GroupCompletingRebalance) {
				t.Fatalf("%s may commit in generation %d of %s", req.Member, req.Generation, m.g.state)
			}
		},
		"leave": do(func(t *rapid.T) Effects {
			e, _ := m.g.Leave(m.now, []log.HeartbeatRequest{{Member: m.id(t)}})
			return e
		}),
		"abandon": do(func(t *rapid.T) Effects {
			call := Call(rapid.Uint64Range(1, uint64(m.calls)+1).Draw(t, "call"))
			delete(m.waiting, call)
			return m.g.Abandon(m.now, call)
		}),
		"wait": do(func(t *rapid.T) Effects {
			m.pass(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			return m.g.Tick(m.now)
		}),
		"": m.check,
	}
}

func (m *machine) pass(d time.Duration) {
	m.now.Elapsed += d
	m.now.Wall = m.now.Wall.Add(d)
}

// check checks what holds between any two steps.
func (m *machine) check(t *rapid.T) {
	g := m.g
	waits := 0
	instances := map[string]bool{}
	for _, mm := range g.members {
		for _, call := range []Call{mm.join, mm.sync} {
			if call != 0 {
				waits++
				if !m.waiting[call] {
					t.Fatalf("%s waits with call %d, which is over", mm.id, call)
				}
			}
		}
		if mm.instance != "" && instances[mm.instance] {
			t.Fatalf("two members have the instance %s", mm.instance)
		}
		instances[mm.instance] = true
		if (g.state == log.GroupStable || g.state == log.GroupCompletingRebalance) && (mm.join != 0 || !mm.supports(g.protocol)) {
			t.Fatalf("%s in a group that is %s with %s", mm.id, g.state, g.protocol)
		}
	}
	if waits != len(m.waiting) {
		t.Fatalf("%d calls wait, members know of %d", len(m.waiting), waits)
	}
	idle := slices.ContainsFunc(g.members, func(mm *member) bool { return mm.join == 0 })
	switch {
	case (g.state == log.GroupEmpty) != (len(g.members) == 0):
		t.Fatalf("%s with %d members", g.state, len(g.members))
	case len(g.members) > 0 && g.find(g.leader) == nil:
		t.Fatalf("the leader %q is no member", g.leader)
	case g.state == log.GroupPreparingRebalance && !idle && !g.initial.on:
		t.Fatal("all have joined, and the group waits")
	case g.state == log.GroupStable && waits > 0:
		t.Fatal("a call waits in a stable group")
	}
	if at, ok := g.NextDeadline(); ok != (len(g.members) > 0) || ok && at < m.now.Elapsed-30*time.Hour {
		t.Fatalf("%d members, next deadline %v (%v)", len(g.members), at, ok)
	}
}

// Anything may happen to a group: what must hold holds, and when nothing happens any more it comes to an end by itself, with
// every call answered.
func TestGroupHoldsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			g:       New("g", Config{InitialRebalanceDelay: rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "delay")}),
			waiting: map[Call]bool{}, ids: []log.MemberID{"nobody"}, now: Moment{Wall: epoch},
		}
		t.Repeat(m.actions())
		for range 1000 {
			at, ok := m.g.NextDeadline()
			if !ok {
				break
			}
			m.pass(max(0, at-m.now.Elapsed))
			before := m.g.generation
			m.take(t, before, m.g.Tick(m.now))
			m.check(t)
		}
		if m.g.state != log.GroupEmpty || len(m.waiting) > 0 {
			t.Fatalf("left alone it is %s, %d calls wait", m.g.state, len(m.waiting))
		}
	})
}
