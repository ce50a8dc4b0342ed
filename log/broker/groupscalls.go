package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"lodge/log"
	groups "lodge/log/internal/group"
)

func groupReply(call groups.Call, err error) groups.Reply { return groups.Reply{Call: call, Err: err} }

// JoinGroup implements log.Coordinator. The generation is durable when it returns. A new member whose caller stops waiting is taken out
// again, since nobody knows its id. The group keeps req's slices.
func (b *Broker) JoinGroup(ctx context.Context, req log.JoinRequest) (log.JoinResponse, error) {
	c := b.consumers
	if err := c.ready(ctx, "join", req.Group, true); err != nil {
		return log.JoinResponse{}, err
	}
	g, err := c.enter(ctx, "join", req.Group, true)
	if err != nil {
		return log.JoinResponse{}, err
	}
	call, answer := g.call()
	fresh := log.MemberID(cmp.Or(req.Instance, req.ClientID, "member") + "-" + uuid.NewString())
	g.carryOut(g.state.Join(c.now(), call, fresh, req))
	g.exit()
	reply := g.await(ctx, call, answer)
	if reply.Err == nil {
		reply.Err = g.settle(ctx)
	}
	if reply.Err != nil && reply.Join.Member != "" && req.Member == "" && req.Instance == "" {
		g.leave(reply.Join.Member)
	}
	if reply.Err != nil {
		return log.JoinResponse{}, reply.Err
	}
	for i := range reply.Join.Members {
		reply.Join.Members[i].Metadata = slices.Clone(reply.Join.Members[i].Metadata)
	}
	return reply.Join, nil
}

// leave takes out a member whose caller was not told of it.
func (g *consumerGroup) leave(member log.MemberID) {
	g.mu.Lock()
	defer g.exit()
	e, _ := g.state.Leave(g.c.now(), []log.HeartbeatRequest{{Member: member}})
	g.carryOut(e)
}

// call returns a new call of the group and where its answer comes. mu must be held.
func (g *consumerGroup) call() (groups.Call, <-chan groups.Reply) {
	call, answer := groups.Call(g.c.calls.Add(1)), make(chan groups.Reply, 1)
	g.answers[call] = answer
	return call, answer
}

// await returns the answer to a call, or takes the call back when ctx or the log ends first.
func (g *consumerGroup) await(ctx context.Context, call groups.Call, answer <-chan groups.Reply) groups.Reply {
	select {
	case reply := <-answer:
		return reply
	case <-ctx.Done():
		return g.abandon(call, answer, ctx.Err())
	case <-g.c.b.closing:
		return g.abandon(call, answer, errClosed("wait for group "+string(g.name)))
	}
}

// abandon takes a call back, unless it has been answered already.
func (g *consumerGroup) abandon(call groups.Call, answer <-chan groups.Reply, err error) groups.Reply {
	g.mu.Lock()
	if g.answers[call] == nil {
		g.mu.Unlock()
		return <-answer
	}
	delete(g.answers, call)
	if g.broken == nil && !g.c.b.closed.Load() {
		g.carryOut(g.state.Abandon(g.c.now(), call))
	}
	g.exit()
	return groupReply(call, err)
}

// member enters a group for a request of one of its members.
func (c *coordinator) member(ctx context.Context, op string, name log.Group, id log.MemberID) (*consumerGroup, error) {
	if err := c.ready(ctx, op, name, false); err != nil {
		return nil, err
	}
	g, err := c.enter(ctx, op, name, false)
	if g == nil && err == nil {
		err = log.NewError(log.UnknownMember, op+" group "+string(name), "there is no such group, so %q is no member", id)
	}
	return g, err
}

// SyncGroup implements log.Coordinator. The plan is durable when it returns. The group keeps the plan's slices.
func (b *Broker) SyncGroup(ctx context.Context, req log.SyncRequest) ([]byte, error) {
	g, err := b.consumers.member(ctx, "sync", req.Group, req.Member)
	if err != nil {
		return nil, err
	}
	call, answer := g.call()
	g.carryOut(g.state.Sync(b.consumers.now(), call, req))
	g.exit()
	reply := g.await(ctx, call, answer)
	if reply.Err == nil {
		reply.Err = g.settle(ctx)
	}
	return slices.Clone(reply.Sync), reply.Err
}

// Heartbeat implements log.Coordinator.
func (b *Broker) Heartbeat(ctx context.Context, req log.HeartbeatRequest) error {
	g, err := b.consumers.member(ctx, "heartbeat in", req.Group, req.Member)
	if err != nil {
		return err
	}
	defer g.mu.Unlock() // a session that goes on needs no earlier deadline
	return g.state.Heartbeat(b.consumers.now(), req)
}

// LeaveGroup implements log.Coordinator. The members that could be taken out are out whatever the error.
func (b *Broker) LeaveGroup(ctx context.Context, req log.LeaveRequest) error {
	var first log.MemberID
	if len(req.Members) > 0 {
		first = req.Members[0].Member
	}
	g, err := b.consumers.member(ctx, "leave", req.Group, first)
	if err != nil {
		return err
	}
	defer g.exit()
	e, err := g.state.Leave(b.consumers.now(), req.Members)
	g.carryOut(e)
	return err
}
