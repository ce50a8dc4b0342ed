package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"lodge/log"
	"lodge/log/internal/group"
)

// membership is a consumer's place in its group. Its goroutine, run, joins, syncs, sends heartbeats and joins again; it never calls the
// application. What concerns the application it hands over to Poll, and goes on when Poll has seen to it:
//
//	┌──► give up everything (eager) ─► join ─► sync ─► give up what goes, take over what comes ─► heartbeats ──┐
//	│                                                   └─ something went: join again (cooperative)            │
//	└──────────────────────────────────────── rebalance ◄───────────────────────────────────────────────────────┘
//
// A member that is not one any more (deposed, or Poll stayed away too long) stops reading at once and says so in the next Poll.
type membership struct {
	c     *Consumer
	coord coordinator
	end   context.CancelFunc // of the goroutine
	done  chan struct{}      // closed when it has ended
	wake  chan struct{}      // capacity 1: a heartbeat is due now
	polls chan struct{}      // capacity 1: Poll is at work

	// Owned by the consumer's mu.
	id         log.MemberID
	generation log.Generation
	topics     []log.Topic   // subscribed, in order
	joining    bool          // from asking to join until it is told what is assigned, or is out
	turned     chan struct{} // closed and replaced when id, generation or joining change
	handovers  []*handover   // for Poll, in order
	err        error         // why the goroutine ended, for Poll

	// Owned by the goroutine.
	owned       map[log.TopicPartition]bool // assigned and not given up
	eager       bool                        // the assignor of this generation has all give up everything
	rebalancing bool                        // the group forms anew: join again
	leader      *leader                     // nil: another member is
	joined      []log.Topic                 // topics as they were when it joined
	lastBeat    time.Time                   // of the last answer from the coordinator
}

// errStayedAway says that Poll did not see to a handover in time.
var errStayedAway = errors.New("poll stayed away")

func newMembership(c *Consumer, coord coordinator, topics []log.Topic) *membership {
	return &membership{
		c: c, coord: coord, topics: topics, generation: log.NoGeneration, owned: map[log.TopicPartition]bool{},
		done: make(chan struct{}), wake: make(chan struct{}, 1), polls: make(chan struct{}, 1), turned: make(chan struct{}),
	}
}

// run keeps the member in the group until ctx ends or the group does not want it.
func (m *membership) run(ctx context.Context) {
	defer close(m.done)
	backoff := m.c.opts.RetryBackoff
	for ctx.Err() == nil {
		err := m.round(ctx)
		switch code := log.CodeOf(err); {
		case ctx.Err() != nil:
			return
		case err == nil || code == log.RebalanceInProgress:
			backoff = m.c.opts.RetryBackoff
		case errors.Is(err, errStayedAway):
			id, _ := m.c.Member()
			m.lose(true)
			_ = m.leave(ctx, id) // else its session ends it
			m.awaitPoll(ctx)
		case code == log.UnknownMember || code == log.IllegalGeneration:
			m.lose(code == log.UnknownMember)
		case code.Retriable():
			sleep(ctx, backoff)
			backoff = min(2*backoff, m.c.opts.RetryBackoffMax)
		default:
			m.lose(true)
			m.fail(err)
			return
		}
	}
}

// round is one membership, from joining to the next rebalance. A nil error means: join again.
func (m *membership) round(ctx context.Context) error {
	if m.eager && len(m.owned) > 0 {
		if err := m.handOver(ctx, m.revocation(slices.Collect(maps.Keys(m.owned)))); err != nil {
			return err
		}
	}
	assignment, err := m.joinAndSync(ctx)
	if err != nil {
		return err
	}
	revoked, added := m.compare(assignment)
	var hs []*handover
	if len(revoked) > 0 {
		hs = append(hs, m.revocation(revoked))
	}
	if len(added) > 0 {
		for _, tp := range added {
			m.owned[tp] = true
		}
		hs = append(hs, &handover{kind: assigning, tps: added})
	}
	if err := m.handOver(ctx, hs...); err != nil || len(revoked) > 0 || m.rebalancing {
		return err
	}
	return m.beats(ctx, nil, nil)
}

// joinAndSync enters the next generation and returns what is assigned in it.
func (m *membership) joinAndSync(ctx context.Context) ([]log.TopicPartition, error) {
	req, err := m.joinRequest()
	if err != nil {
		return nil, err
	}
	m.rebalancing = false
	joined, err := m.coord.JoinGroup(ctx, req)
	if err != nil {
		return nil, err
	}
	m.turn(func() { m.id = joined.Member }) // its generation begins with the assignment
	sync := log.SyncRequest{Group: req.Group, Generation: joined.Generation, Member: joined.Member, Instance: req.Instance}
	if m.leader, err = m.lead(ctx, joined); err != nil {
		return nil, err
	}
	if m.leader != nil && !joined.SkipAssignment {
		sync.Assignments = m.leader.plan
	}
	encoded, err := m.coord.SyncGroup(ctx, sync)
	if err != nil {
		return nil, err
	}
	assignment, err := group.DecodeAssignment(encoded)
	if err != nil {
		return nil, err
	}
	m.lastBeat = time.Now()
	m.eager = !m.assignor(joined.Protocol).plan.Cooperative
	m.turn(func() { m.generation, m.joining = joined.Generation, false })
	return assignment.Partitions, nil
}

// joinRequest says who asks and what it has.
func (m *membership) joinRequest() (log.JoinRequest, error) {
	o := &m.c.opts
	var req log.JoinRequest
	var generation log.Generation
	m.turn(func() {
		m.joining = true
		m.joined = m.topics
		generation = m.generation
		req = log.JoinRequest{
			Group: o.Group, Member: m.id, Instance: o.Instance, ClientID: o.ClientID, ProtocolType: "consumer",
			SessionTimeout: o.SessionTimeout, RebalanceTimeout: o.RebalanceTimeout,
		}
	})
	owned := slices.SortedFunc(maps.Keys(m.owned), log.TopicPartition.Compare)
	subscription := group.Subscription{Topics: m.joined, Owned: owned, Generation: generation}
	metadata, err := subscription.Encode()
	for _, a := range o.Assignors {
		req.Protocols = append(req.Protocols, log.GroupProtocol{Name: a.Name(), Metadata: metadata})
	}
	return req, err
}

func (m *membership) assignor(name string) Assignor {
	i := slices.IndexFunc(m.c.opts.Assignors, func(a Assignor) bool { return a.Name() == name })
	return m.c.opts.Assignors[max(0, i)] // the coordinator chooses among those that were offered
}

// compare returns what the member has and shall not keep, and what it shall have and has not.
func (m *membership) compare(assignment []log.TopicPartition) (revoked, added []log.TopicPartition) {
	shall := make(map[log.TopicPartition]bool, len(assignment))
	for _, tp := range assignment {
		shall[tp] = true
		if !m.owned[tp] {
			added = append(added, tp)
		}
	}
	for tp := range m.owned {
		if !shall[tp] {
			revoked = append(revoked, tp)
		}
	}
	return revoked, added
}

// beats sends heartbeats until the group forms anew, or, when until is not nil, until that is closed or deadline has come. While it waits
// for until a rebalance waits too.
func (m *membership) beats(ctx context.Context, until <-chan struct{}, deadline <-chan time.Time) error {
	beat := time.NewTicker(m.c.opts.HeartbeatInterval)
	defer beat.Stop()
	commits := m.commitTicker()
	defer commits.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-until:
			return nil
		case <-deadline:
			return errStayedAway
		case <-commits.C:
			m.c.commitEarlier(ctx)
			continue
		case <-beat.C:
		case <-m.wake:
		}
		err := m.beat(ctx)
		if err != nil && log.CodeOf(err) != log.RebalanceInProgress {
			return err
		}
		m.rebalancing = m.rebalancing || err != nil
		if until == nil && (m.rebalancing || m.wantsRebalance(ctx)) {
			return nil
		}
	}
}

// commitTicker ticks when what earlier Polls returned is to be committed, if ever.
func (m *membership) commitTicker() *time.Ticker {
	if m.c.opts.autoCommits() {
		return time.NewTicker(m.c.opts.CommitInterval)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

// beat sends one heartbeat. As long as the coordinator is away only for the moment the member stays one, but not longer than its session.
func (m *membership) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.c.opts.HeartbeatInterval)
	defer cancel()
	id, generation := m.c.Member()
	err := m.coord.Heartbeat(ctx, log.HeartbeatRequest{
		Group: m.c.opts.Group, Generation: generation, Member: id, Instance: m.c.opts.Instance,
	})
	code := log.CodeOf(err)
	if err == nil || code == log.RebalanceInProgress {
		m.lastBeat = time.Now()
		return err
	}
	if code != log.Unknown && !code.Retriable() {
		return err
	}
	if away := time.Since(m.lastBeat); away > m.c.opts.SessionTimeout {
		return log.NewError(log.UnknownMember, "heartbeat in group "+string(m.c.opts.Group), "no answer for %v: %w", away, err)
	}
	return nil
}

// wantsRebalance reports whether this member has a reason to have the group form anew.
func (m *membership) wantsRebalance(ctx context.Context) bool {
	m.c.mu.Lock()
	resubscribed := !slices.Equal(m.topics, m.joined)
	m.c.mu.Unlock()
	return resubscribed || m.leader != nil && m.leader.topicsChanged(ctx, m.coord)
}

// turn changes id, generation or joining and tells those who wait for that.
func (m *membership) turn(change func()) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.turnLocked(change)
}

// turnLocked is turn for who holds the consumer's mu.
func (m *membership) turnLocked(change func()) {
	id, generation, joining := m.id, m.generation, m.joining
	change()
	if id != m.id || generation != m.generation || joining != m.joining {
		close(m.turned)
		m.turned = make(chan struct{})
	}
}

// nudge has a heartbeat sent now.
func (m *membership) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// awaitPoll waits until Poll is at work again.
func (m *membership) awaitPoll(ctx context.Context) {
	select {
	case <-m.polls: // from before
	default:
	}
	select {
	case <-m.polls:
	case <-ctx.Done():
	}
}

// leave takes a dynamic member out of the group. A static one keeps its place until its session ends.
func (m *membership) leave(ctx context.Context, id log.MemberID) error {
	if id == "" || m.c.opts.Instance != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := m.coord.LeaveGroup(ctx, log.LeaveRequest{Group: m.c.opts.Group, Members: []log.HeartbeatRequest{{Member: id}}})
	if log.CodeOf(err) == log.UnknownMember {
		return nil
	}
	return err
}

// fail ends the membership with an error for Poll.
func (m *membership) fail(err error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.err = err
	m.c.signal()
}
