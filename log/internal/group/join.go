package group

import (
	"bytes"
	"slices"
	"time"

	"lodge/log"
)

// Join takes a member in, or into the next generation. fresh is the id that it gets if it needs one. The reply to call comes now or
// with the effects of a later input. The group keeps the request's slices.
func (g *Group) Join(now Moment, call Call, fresh log.MemberID, req log.JoinRequest) Effects {
	var e Effects
	if err := g.join(&e, now, call, fresh, req); err != nil {
		e.Replies = append(e.Replies, Reply{Call: call, Err: err})
	}
	return e
}

func (g *Group) join(e *Effects, now Moment, call Call, fresh log.MemberID, req log.JoinRequest) error {
	if err := g.checkRequest(&req); err != nil {
		return err
	}
	predecessor, err := g.predecessor(req)
	if err != nil {
		return err
	}
	if err := g.checkFit(req, predecessor); err != nil {
		return err
	}
	g.protocolType = req.ProtocolType
	next := &member{
		id: fresh, instance: req.Instance, clientID: req.ClientID,
		sessionTimeout: req.SessionTimeout, rebalanceTimeout: req.RebalanceTimeout, protocols: req.Protocols,
	}
	switch {
	case predecessor == nil:
		g.admit(e, now, call, next)
	case req.Member == "":
		g.replace(e, now, call, predecessor, next)
	default:
		g.rejoin(e, now, call, predecessor, next)
	}
	return nil
}

// checkRequest checks a join by itself and fills in its defaults.
func (g *Group) checkRequest(req *log.JoinRequest) error {
	if req.RebalanceTimeout == 0 {
		req.RebalanceTimeout = req.SessionTimeout
	}
	switch {
	case g.state == log.GroupDead:
		return g.err(log.Unavailable, "join", "it is being deleted")
	case req.SessionTimeout < g.config.SessionTimeoutMin || req.SessionTimeout > g.config.SessionTimeoutMax:
		return g.err(log.InvalidSessionTimeout, "join", "a session timeout of %v is not within %v..%v",
			req.SessionTimeout, g.config.SessionTimeoutMin, g.config.SessionTimeoutMax)
	case req.RebalanceTimeout < 0 || req.RebalanceTimeout > RebalanceTimeoutMax:
		return g.err(log.InvalidArgument, "join", "a rebalance timeout of %v is not within 0..%v", req.RebalanceTimeout, RebalanceTimeoutMax)
	case len(req.Instance) > NameBytesMax || len(req.ClientID) > NameBytesMax || len(req.ProtocolType) > NameBytesMax:
		return g.err(log.InvalidArgument, "join", "instance, client id or protocol type is longer than %d bytes", NameBytesMax)
	case len(req.Protocols) > ProtocolsMax:
		return g.err(log.InvalidArgument, "join", "%d protocols are more than %d", len(req.Protocols), ProtocolsMax)
	case req.ProtocolType == "" || len(req.Protocols) == 0:
		return g.err(log.InconsistentProtocol, "join", "no protocol is offered")
	}
	return g.checkProtocols(req.Protocols)
}

// checkProtocols checks the protocols that a member offers.
func (g *Group) checkProtocols(protocols []log.GroupProtocol) error {
	for i, p := range protocols {
		twice := slices.ContainsFunc(protocols[:i], func(q log.GroupProtocol) bool { return q.Name == p.Name })
		switch {
		case p.Name == "" || len(p.Name) > NameBytesMax || twice:
			return g.err(log.InvalidArgument, "join", "protocol name %q is empty, given twice or longer than %d bytes", p.Name, NameBytesMax)
		case len(p.Metadata) > MetadataBytesMax:
			return g.err(log.InvalidArgument, "join", "a subscription of %d bytes is longer than %d", len(p.Metadata), MetadataBytesMax)
		}
	}
	return nil
}

// predecessor returns the member that the request is from, or whose place it takes; nil for a new one.
func (g *Group) predecessor(req log.JoinRequest) (*member, error) {
	if req.Member == "" {
		return g.findInstance(req.Instance), nil
	}
	return g.check("join", req.Member, req.Instance)
}

// checkFit checks a join against the other members.
func (g *Group) checkFit(req log.JoinRequest, predecessor *member) error {
	total, others := 0, 0
	common := slices.Clone(req.Protocols)
	for _, m := range g.members {
		if m == predecessor {
			continue
		}
		others++
		total += m.bytes()
		common = slices.DeleteFunc(common, func(p log.GroupProtocol) bool { return !m.supports(p.Name) })
	}
	total += (&member{protocols: req.Protocols}).bytes()
	switch {
	case others > 0 && req.ProtocolType != g.protocolType:
		return g.err(log.InconsistentProtocol, "join", "protocol type %q, the group's is %q", req.ProtocolType, g.protocolType)
	case len(common) == 0:
		return g.err(log.InconsistentProtocol, "join", "none of the protocols offered can be done by all members")
	case predecessor == nil && others >= g.config.MembersMax:
		return g.err(log.GroupFull, "join", "it has %d members", others)
	case total > g.config.StateBytesMax:
		return g.err(log.LimitReached, "join", "subscriptions of %d bytes are more than %d", total, g.config.StateBytesMax)
	}
	return nil
}

// bytes returns the size of the member's largest subscription: one of them is stored.
func (m *member) bytes() (n int) {
	for _, p := range m.protocols {
		n = max(n, len(p.Metadata))
	}
	return n
}

// admit takes a new member in.
func (g *Group) admit(e *Effects, now Moment, call Call, m *member) {
	g.members = append(g.members, m)
	if g.leader == "" {
		g.leader = m.id
	}
	m.join = call
	g.initial.joined = true
	g.rebalance(e, now)
}

// rejoin is a join of a member that knows its id.
func (g *Group) rejoin(e *Effects, now Moment, call Call, m, next *member) {
	same := m.samePlan(next)
	e.refuse(m, g.err(log.RebalanceInProgress, "join", "another call of the member took this one's place"))
	m.clientID, m.protocols = next.clientID, next.protocols
	m.sessionTimeout, m.rebalanceTimeout = next.sessionTimeout, next.rebalanceTimeout
	m.known = true
	switch {
	case g.state == log.GroupCompletingRebalance && same,
		g.state == log.GroupStable && same && m.id != g.leader: // it missed the answer; a leader asks for a new plan
		m.alive(now)
		e.Replies = append(e.Replies, Reply{Call: call, Join: g.joined(m)})
	default:
		m.join = call
		g.rebalance(e, now)
	}
}

// replace gives a static member's place to its successor of the same instance.
func (g *Group) replace(e *Effects, now Moment, call Call, old, next *member) {
	e.refuse(old, g.err(log.FencedInstance, "join", "the instance %q is now member %s", old.instance, next.id))
	next.assignment, next.synced = old.assignment, old.synced
	g.members[slices.Index(g.members, old)] = next
	if g.leader == old.id {
		g.leader = next.id
	}
	if g.state == log.GroupStable && g.chooseProtocol() == g.protocol && sameSubscription(old.metadata(g.protocol), next.metadata(g.protocol)) {
		next.known = true
		next.alive(now)
		e.Store = true
		response := g.joined(next)
		response.SkipAssignment = next.id == g.leader
		e.Replies = append(e.Replies, Reply{Call: call, Join: response})
		return
	}
	next.join = call
	g.rebalance(e, now)
}

// samePlan reports whether a plan made for m is one for next: they offer the same.
func (m *member) samePlan(next *member) bool {
	return slices.EqualFunc(m.protocols, next.protocols, func(a, b log.GroupProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// rebalance begins to prepare the next generation, or goes on with it.
func (g *Group) rebalance(e *Effects, now Moment) {
	switch g.state {
	case log.GroupPreparingRebalance:
	case log.GroupEmpty:
		g.prepare(now)
		if delay := min(g.config.InitialRebalanceDelay, g.rebalanceTimeout()); delay > 0 {
			g.initial = initialDelay{on: true, remaining: g.rebalanceTimeout() - delay}
			g.joinDeadline = now.Elapsed + delay
		}
	default:
		g.interrupt(e, now)
		g.prepare(now)
	}
	waiting := g.initial.on && len(g.members) > 0
	if !waiting && !slices.ContainsFunc(g.members, func(m *member) bool { return m.join == 0 }) {
		g.complete(e, now)
	}
}

func (g *Group) prepare(now Moment) {
	g.become(now, log.GroupPreparingRebalance)
	g.joinDeadline = now.Elapsed + g.rebalanceTimeout()
}

// interrupt tells those that wait for a plan that there will be none.
func (g *Group) interrupt(e *Effects, now Moment) {
	for _, m := range g.members {
		if m.sync != 0 {
			m.alive(now)
			e.Replies = append(e.Replies, Reply{Call: m.sync, Err: g.err(log.RebalanceInProgress, "sync", "it forms anew")})
			m.sync = 0
		}
	}
}

// rebalanceTimeout returns the longest time that a member wants to have for joining again.
func (g *Group) rebalanceTimeout() (longest time.Duration) {
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// complete begins the next generation with those that have joined and the static members that have not.
func (g *Group) complete(e *Effects, now Moment) {
	if !g.elect() && len(g.members) > 0 { // static members only, and none has joined: their sessions decide
		g.joinDeadline = now.Elapsed + max(time.Second, g.rebalanceTimeout())
		return
	}
	g.initial = initialDelay{}
	g.nextGeneration()
	e.Store = true
	if len(g.members) == 0 {
		g.protocol, g.leader = "", ""
		g.become(now, log.GroupEmpty)
		return
	}
	g.protocol = g.chooseProtocol()
	g.become(now, log.GroupCompletingRebalance)
	g.syncDeadline = now.Elapsed + g.rebalanceTimeout()
	for _, m := range g.members {
		m.assignment = nil
		m.synced = m.join == 0
		if m.join != 0 {
			e.Replies = append(e.Replies, Reply{Call: m.join, Join: g.joined(m)})
			m.join, m.known = 0, true
			m.alive(now)
		}
	}
}

// elect makes sure that the leader is a member that has joined. It reports whether there is one.
func (g *Group) elect() bool {
	if leader := g.find(g.leader); leader != nil && leader.join != 0 {
		return true
	}
	for _, m := range g.members {
		if m.join != 0 {
			g.leader = m.id
			return true
		}
	}
	return false
}

// nextGeneration counts on. After 2^31-1 it begins with 1 again, as generations are only ever compared for equality.
func (g *Group) nextGeneration() {
	g.generation++
	if g.generation <= 0 {
		g.generation = 1
	}
}

// chooseProtocol returns the protocol with the most votes: each member votes for the first of its own that all can do. Among equals the
// first member's order decides.
func (g *Group) chooseProtocol() string {
	votes := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.protocols {
			if !slices.ContainsFunc(g.members, func(other *member) bool { return !other.supports(p.Name) }) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, p := range g.members[0].protocols {
		if votes[p.Name] > votes[best] {
			best = p.Name
		}
	}
	return best
}

// joined returns what a member is told of the generation.
func (g *Group) joined(m *member) log.JoinResponse {
	r := log.JoinResponse{Generation: g.generation, Protocol: g.protocol, Leader: g.leader, Member: m.id}
	if m.id != g.leader {
		return r
	}
	for _, m := range g.members {
		r.Members = append(r.Members, log.JoinedMember{Member: m.id, Instance: m.instance, Metadata: m.metadata(g.protocol)})
	}
	return r
}
