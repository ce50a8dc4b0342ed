package projectiontest

import (
	"context"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/projections"
)

// Group has the consumer groups of a Log: those of a broker, whose topics are empty. Some of their members it may not hear.
type Group struct {
	broker *logtest.Log

	mu   sync.Mutex
	deaf map[log.MemberID]bool
}

// NewGroup returns the groups of a log that has the domain's topics with so many partitions. It ends with the test.
func NewGroup(t testing.TB, partitions int) *Group {
	t.Helper()
	g := &Group{deaf: map[log.MemberID]bool{}}
	g.broker = logtest.Open(t, broker.Options{Groups: broker.GroupOptions{SessionTimeoutMin: time.Millisecond}})
	for _, topic := range topics {
		g.broker.Topic(topic, partitions)
	}
	return g
}

// Join makes the store that the bench opens next one of the group, with members that are quick to notice changes.
func (b *Bench) Join(g *Group, members int) {
	b.group = g
	b.Opts.Group, b.Opts.Members = projections.GroupName, members
	b.Opts.SessionTimeout, b.Opts.HeartbeatInterval, b.Opts.CommitInterval = 600*time.Millisecond, 3*time.Millisecond, 20*time.Millisecond
}

// Reader returns the log as the bench's store has it.
func (b *Bench) Reader() log.Reader {
	if b.group == nil {
		return b.Log
	}
	return Grouped{Log: b.Log, Group: b.group}
}

// Grouped is a log with groups.
type Grouped struct {
	*Log
	*Group
}

// CutOff makes the coordinator deaf for a member, or lets it hear the member again. One that is removed while it is cut off dies without leaving.
func (g *Group) CutOff(id log.MemberID, off bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf[id] = off
}

func (g *Group) hears(id log.MemberID) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deaf[id] {
		return log.NewError(log.Unavailable, "ask the coordinator", "no answer")
	}
	return nil
}

// Admin returns what an operator sees of the groups.
func (g *Group) Admin() log.GroupAdmin { return g.broker.Broker }

// AddPartitions makes a topic larger than the projections expect.
func (g *Group) AddPartitions(ctx context.Context, topic log.Topic, count int) error {
	_, err := g.broker.AddPartitions(ctx, topic, count)
	return err
}

// DescribeTopic describes the broker's topic: what members plan for.
func (g *Group) DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error) {
	return g.broker.DescribeTopic(ctx, name)
}

// JoinGroup implements log.Coordinator.
func (g *Group) JoinGroup(ctx context.Context, req log.JoinRequest) (log.JoinResponse, error) {
	if err := g.hears(req.Member); err != nil {
		return log.JoinResponse{}, err
	}
	return g.broker.JoinGroup(ctx, req)
}

// SyncGroup implements log.Coordinator.
func (g *Group) SyncGroup(ctx context.Context, req log.SyncRequest) ([]byte, error) {
	if err := g.hears(req.Member); err != nil {
		return nil, err
	}
	return g.broker.SyncGroup(ctx, req)
}

// Heartbeat implements log.Coordinator.
func (g *Group) Heartbeat(ctx context.Context, req log.HeartbeatRequest) error {
	if err := g.hears(req.Member); err != nil {
		return err
	}
	return g.broker.Heartbeat(ctx, req)
}

// LeaveGroup implements log.Coordinator.
func (g *Group) LeaveGroup(ctx context.Context, req log.LeaveRequest) error {
	for _, m := range req.Members {
		if err := g.hears(m.Member); err != nil {
			return err
		}
	}
	return g.broker.LeaveGroup(ctx, req)
}

// CommitOffsets implements log.Coordinator.
func (g *Group) CommitOffsets(ctx context.Context, req log.CommitRequest) error {
	if err := g.hears(req.Member); err != nil {
		return err
	}
	return g.broker.CommitOffsets(ctx, req)
}

// FetchOffsets implements log.Coordinator.
func (g *Group) FetchOffsets(ctx context.Context, group log.Group, tps []log.TopicPartition) (map[log.TopicPartition]log.CommittedOffset, error) {
	return g.broker.FetchOffsets(ctx, group, tps)
}
