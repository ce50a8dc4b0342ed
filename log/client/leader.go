package client

import (
	"context"
	"slices"

	"lodge/log"
	"lodge/log/internal/group"
	"lodge/log/internal/group/assignor"
)

// leader is what the member knows that made the plan: it watches the topics and has the group form anew when they change.
type leader struct {
	plan   map[log.MemberID][]byte
	topics map[log.Topic]topicShape
}

// topicShape is what a plan depends on of a topic. The zero value is a topic that is not there.
type topicShape struct {
	layout     int32
	partitions []log.Partition // not retired, ascending
}

// lead makes the plan, if this member is the leader.
func (m *membership) lead(ctx context.Context, joined log.JoinResponse) (*leader, error) {
	if joined.Leader != joined.Member {
		return nil, nil
	}
	members, err := assignor.Decode(joined.Members)
	if err != nil {
		return nil, err
	}
	l := &leader{topics: map[log.Topic]topicShape{}}
	partitions := assignor.Partitions{}
	for _, member := range members {
		for _, topic := range member.Subscription.Topics {
			if _, known := l.topics[topic]; known {
				continue
			}
			if l.topics[topic], err = describe(ctx, m.coord, topic); err != nil {
				return nil, err
			}
			partitions[topic] = l.topics[topic].partitions
		}
	}
	with := m.assignor(joined.Protocol).plan
	plan := with.Plan(members, partitions)
	if !with.Cooperative {
		withhold(plan, members)
	}
	l.plan = make(map[log.MemberID][]byte, len(plan))
	for id, tps := range plan {
		assignment := group.Assignment{Partitions: tps}
		if l.plan[id], err = assignment.Encode(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// withhold takes out of a plan what another member has still got. An eager assignor does not look at that, as members give up everything before
// they join; but those whose last generation was cooperative did not. They give it up after this one and join again.
func withhold(plan assignor.Plan, members []assignor.Member) {
	owners := map[log.TopicPartition]map[log.MemberID]bool{}
	for _, member := range members {
		for _, tp := range member.Subscription.Owned {
			if owners[tp] == nil {
				owners[tp] = map[log.MemberID]bool{}
			}
			owners[tp][member.ID] = true
		}
	}
	for id, tps := range plan {
		plan[id] = slices.DeleteFunc(tps, func(tp log.TopicPartition) bool {
			return len(owners[tp]) > 1 || len(owners[tp]) == 1 && !owners[tp][id]
		})
	}
}

// topicsChanged reports whether the plan was made for other topics than there are now. What cannot be found out has not changed.
func (l *leader) topicsChanged(ctx context.Context, coord coordinator) bool {
	for topic, planned := range l.topics {
		now, err := describe(ctx, coord, topic)
		if err == nil && (now.layout != planned.layout || !slices.Equal(now.partitions, planned.partitions)) {
			return true
		}
	}
	return false
}

// describe returns what a plan depends on.
func describe(ctx context.Context, coord coordinator, topic log.Topic) (topicShape, error) {
	info, err := coord.DescribeTopic(ctx, topic)
	if log.CodeOf(err) == log.UnknownTopic {
		return topicShape{}, nil
	}
	s := topicShape{layout: info.Layout.Number}
	for _, p := range info.Partitions {
		if p.State != log.StateRetired {
			s.partitions = append(s.partitions, p.Partition)
		}
	}
	return s, err
}
