package client_test

import (
	"context"
	"sync"
	"time"

	"lodge/log"
	"lodge/log/logtest"
)

// mortal is a log as a program sees it that is killed at a certain step: from then on it gets nothing done. A step is a call of the log, or whatever the program
// itself counts as one by calling step.
type mortal struct {
	lg *logtest.Log

	mu    sync.Mutex
	steps int           // until death; negative: it lives
	after bool          // the fatal step is done, and only its answer lost
	dead  chan struct{} // closed at death
	over  bool
}

func newMortal(lg *logtest.Log, steps int, after bool) *mortal {
	return &mortal{lg: lg, steps: steps, after: after, dead: make(chan struct{})}
}

func errDead() error { return log.NewError(log.Closed, "step", "killed") }

// step counts one step. now says whether to do it, err whether to say that it was done.
func (m *mortal) step() (now bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return false, errDead()
	}
	m.steps--
	if m.steps != -1 {
		return true, nil
	}
	m.over = true
	close(m.dead)
	return m.after, errDead()
}

func (m *mortal) isDead() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.over }

// attempt does a step that answers with a value.
func attempt[T any](m *mortal, do func() (T, error)) (T, error) {
	var none T
	now, err := m.step()
	if !now {
		return none, err
	}
	v, doErr := do()
	if err != nil {
		return none, err
	}
	return v, doErr
}

func (m *mortal) act(do func() error) error {
	_, err := attempt(m, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// Fetch is no step when it finds nothing: how often that happens depends on the scheduler.
func (m *mortal) Fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	if m.isDead() {
		return log.FetchResult{}, errDead()
	}
	return m.lg.Fetch(ctx, req)
}

func (m *mortal) OffsetForTime(ctx context.Context, tp log.TopicPartition, at time.Time) (log.Offset, error) {
	return m.lg.OffsetForTime(ctx, tp, at)
}

func (m *mortal) Offsets(ctx context.Context, tp log.TopicPartition) (log.Offset, log.Offset, error) {
	return m.lg.Offsets(ctx, tp)
}

func (m *mortal) DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error) {
	return m.lg.DescribeTopic(ctx, name)
}

func (m *mortal) AllocateProducerID(ctx context.Context) (int64, error) {
	return attempt(m, func() (int64, error) { return m.lg.AllocateProducerID(ctx) })
}

func (m *mortal) Enqueue(tp log.TopicPartition, b *log.Batch) (log.Ticket, error) {
	t, err := attempt(m, func() (log.Ticket, error) { return m.lg.Enqueue(tp, b) })
	if t.Waiter != nil {
		t.Waiter = mortalWaiter{m, t.Waiter}
	}
	return t, err
}

type mortalWaiter struct {
	m *mortal
	w log.Waiter
}

func (w mortalWaiter) Wait(ctx context.Context) error {
	return w.m.act(func() error { return w.w.Wait(ctx) })
}

func (m *mortal) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	return attempt(m, func() (log.Offset, error) { return m.lg.Append(ctx, tp, b) })
}

func (m *mortal) JoinGroup(ctx context.Context, req log.JoinRequest) (log.JoinResponse, error) {
	return attempt(m, func() (log.JoinResponse, error) { return m.lg.JoinGroup(ctx, req) })
}

func (m *mortal) SyncGroup(ctx context.Context, req log.SyncRequest) ([]byte, error) {
	return attempt(m, func() ([]byte, error) { return m.lg.SyncGroup(ctx, req) })
}

func (m *mortal) Heartbeat(ctx context.Context, req log.HeartbeatRequest) error {
	return m.act(func() error { return m.lg.Heartbeat(ctx, req) })
}

func (m *mortal) LeaveGroup(ctx context.Context, req log.LeaveRequest) error {
	return m.act(func() error { return m.lg.LeaveGroup(ctx, req) })
}

func (m *mortal) CommitOffsets(ctx context.Context, req log.CommitRequest) error {
	return m.act(func() error { return m.lg.CommitOffsets(ctx, req) })
}

func (m *mortal) FetchOffsets(ctx context.Context, g log.Group, tps []log.TopicPartition) (map[log.TopicPartition]log.CommittedOffset, error) {
	return attempt(m, func() (map[log.TopicPartition]log.CommittedOffset, error) { return m.lg.FetchOffsets(ctx, g, tps) })
}
