package client

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lodge/log"
	"lodge/log/internal/group/assignor"
)

// Delivery says how often a consumer that may die at any moment is given a record.
type Delivery uint8

// The deliveries.
const (
	// AtLeastOnce commits what earlier Polls returned: what was being worked on when the consumer died is returned again.
	AtLeastOnce Delivery = iota

	// AtMostOnce commits before Poll returns: what was being worked on when the consumer died is not returned again.
	AtMostOnce

	// ExactlyOnce leaves the offsets to the caller, who stores them in the same transaction as the results and says in OnAssigned where
	// to go on. The transaction has to check that the offset stored so far is the one it goes on from. When it is further on, a member that was deposed
	// without noticing has stored something after OnAssigned looked: skip the records below it, and store the rest. When it is behind, store nothing: the caller is
	// the deposed one. What is committed to the group as well, as with AtLeastOnce, is only for watching its lag and for
	// KeyOrder: nobody begins there.
	ExactlyOnce
)

// Assignor is a way for the leader of a group to share partitions among the members.
type Assignor struct{ plan assignor.Assignor }

// Name returns the assignor's name in the group protocol: "range", "roundrobin", "cooperative-sticky" or "copartitioned-sticky".
func (a Assignor) Name() string { return a.plan.Name }

// The assignors. The first three are named and behave as Kafka's. With Range and RoundRobin all members give up everything before each rebalance; with
// CooperativeSticky they go on reading what they keep, and a partition that moves is given up in one rebalance and handed over in the next.
// CoPartitioned is CooperativeSticky that keeps the partitions of one number, of topics with the same subscribers, with one member.
var (
	Range             = Assignor{plan: assignor.Range}
	RoundRobin        = Assignor{plan: assignor.RoundRobin}
	CooperativeSticky = Assignor{plan: assignor.CooperativeSticky}
	CoPartitioned     = Assignor{plan: assignor.CoPartitioned}
)

// Limits and defaults of a membership.
const (
	// SubscribedMax bounds the topics that one consumer subscribes to.
	SubscribedMax = 1024

	sessionTimeoutDefault    = 45 * time.Second
	rebalanceTimeoutDefault  = 60 * time.Second
	heartbeatIntervalDefault = 3 * time.Second
	commitIntervalDefault    = 5 * time.Second
	commitIntervalKeyOrder   = 200 * time.Millisecond
)

// validateGroup checks what concerns the group. The coordinator checks the session timeout against its own limits.
func (o *ConsumerOptions) validateGroup() error {
	if err := o.Filter.Validate(); err != nil {
		return err
	}
	if o.Group == "" {
		return o.validateAlone()
	}
	if err := o.Group.Validate(); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, a := range o.Assignors {
		if a.plan.Plan == nil || names[a.Name()] {
			return invalid("consumer options", "assignor %q is none, or named twice", a.Name())
		}
		names[a.Name()] = true
	}
	session := cmp.Or(o.SessionTimeout, sessionTimeoutDefault)
	switch {
	case o.SessionTimeout < 0 || o.RebalanceTimeout < 0 || o.HeartbeatInterval < 0:
		return invalid("consumer options", "a timeout is negative")
	case o.HeartbeatInterval > session/3:
		return invalid("consumer options", "a heartbeat every %v is more than a third of the session timeout %v", o.HeartbeatInterval, session)
	case o.Delivery > ExactlyOnce:
		return invalid("consumer options", "delivery %d is not known", o.Delivery)
	case o.Delivery == ExactlyOnce && o.OnAssigned == nil:
		return invalid("consumer options", "exactly once needs OnAssigned: the caller keeps the offsets")
	case o.Delivery == AtMostOnce && o.KeyOrder:
		return invalid("consumer options", "key order needs that what is committed is finished, which at most once does not promise")
	}
	return nil
}

// validateAlone refuses what only a member of a group can have.
func (o *ConsumerOptions) validateAlone() error {
	if o.Instance != "" || len(o.Assignors) > 0 || o.Delivery != AtLeastOnce || o.KeyOrder || o.Paused ||
		o.OnAssigned != nil || o.OnRevoked != nil || o.OnLost != nil {
		return invalid("consumer options", "instance, assignors, delivery, key order, paused and what is told of assignments need a group")
	}
	return nil
}

func (o *ConsumerOptions) setGroupDefaults() {
	if len(o.Assignors) == 0 {
		o.Assignors = []Assignor{CooperativeSticky, Range}
	}
	o.Assignors = slices.Clone(o.Assignors)
	o.SessionTimeout = cmp.Or(o.SessionTimeout, sessionTimeoutDefault)
	o.RebalanceTimeout = cmp.Or(o.RebalanceTimeout, rebalanceTimeoutDefault)
	o.HeartbeatInterval = cmp.Or(o.HeartbeatInterval, min(heartbeatIntervalDefault, o.SessionTimeout/3))
	if o.CommitInterval == 0 && o.KeyOrder {
		o.CommitInterval = commitIntervalKeyOrder
	}
	o.CommitInterval = cmp.Or(o.CommitInterval, commitIntervalDefault)
}

// autoCommits reports whether what earlier Polls returned is committed without being asked.
func (o *ConsumerOptions) autoCommits() bool {
	return o.Group != "" && o.Delivery != AtMostOnce && o.CommitInterval > 0
}

// coordinator is what a Consumer in a group needs of a log beside reading.
type coordinator interface {
	log.Coordinator
	DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error)
}
