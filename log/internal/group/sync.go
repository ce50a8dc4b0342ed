package group

import "lodge/log"

// Sync asks for a member's assignment, and brings the leader's plan. The reply to call comes now or with the effects of a later input. The
// group keeps the request's slices.
func (g *Group) Sync(now Moment, call Call, req log.SyncRequest) Effects {
	var e Effects
	if err := g.sync(&e, now, call, req); err != nil {
		e.Replies = append(e.Replies, Reply{Call: call, Err: err})
	}
	return e
}

func (g *Group) sync(e *Effects, now Moment, call Call, req log.SyncRequest) error {
	m, err := g.checkGeneration("sync", req.Member, req.Instance, req.Generation)
	if err != nil {
		return err
	}
	switch g.state {
	case log.GroupCompletingRebalance:
		if m.id == g.leader {
			if err := g.checkPlan(req.Assignments); err != nil {
				return err
			}
		}
		e.refuse(m, g.err(log.RebalanceInProgress, "sync", "another call of the member took this one's place"))
		m.sync, m.synced = call, true
		if m.id == g.leader {
			g.stabilize(e, now, req.Assignments)
		}
		return nil
	case log.GroupStable:
		m.synced = true
		m.alive(now)
		e.Replies = append(e.Replies, Reply{Call: call, Sync: m.assignment})
		return nil
	default:
		return g.err(log.RebalanceInProgress, "sync", "it forms anew")
	}
}

// checkPlan checks the size of the leader's plan.
func (g *Group) checkPlan(plan map[log.MemberID][]byte) error {
	total := 0
	for _, a := range plan {
		total += len(a)
	}
	if total > g.config.StateBytesMax {
		return g.err(log.InvalidArgument, "sync", "assignments of %d bytes are more than %d", total, g.config.StateBytesMax)
	}
	return nil
}

// stabilize puts the leader's plan into force. Members that it leaves out get an empty assignment, those it invents none.
func (g *Group) stabilize(e *Effects, now Moment, plan map[log.MemberID][]byte) {
	g.become(now, log.GroupStable)
	e.Store = true
	for _, m := range g.members {
		m.assignment = plan[m.id]
		if m.sync != 0 {
			e.Replies = append(e.Replies, Reply{Call: m.sync, Sync: m.assignment})
			m.sync = 0
			m.alive(now)
		}
	}
}

// Heartbeat says that a member is alive. Codes: RebalanceInProgress (it counts all the same), UnknownMember, IllegalGeneration,
// FencedInstance.
func (g *Group) Heartbeat(now Moment, req log.HeartbeatRequest) error {
	m, err := g.checkGeneration("heartbeat in", req.Member, req.Instance, req.Generation)
	if err != nil {
		return err
	}
	m.alive(now)
	if g.state == log.GroupPreparingRebalance {
		return g.err(log.RebalanceInProgress, "heartbeat in", "it forms anew: join again")
	}
	return nil
}
