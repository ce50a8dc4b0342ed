package assignor

import (
	"fmt"
	"maps"
	"slices"

	"lodge/log"
	"lodge/log/internal/group"
)

// CoPartitioned is CooperativeSticky for topics that belong together, as Kafka Streams needs it: of topics with the same
// subscribers, the partitions of one number are always with one member. Range does that too, but has everybody give up everything in
// each rebalance.
//
// A number whose partitions are not all free to go to its new member is in nobody's plan until a later rebalance: so not even one of
// those that come from a plan of another kind hands out a part of a number.
var CoPartitioned = Assignor{Name: "copartitioned-sticky", Cooperative: true, Plan: planCoPartitioned}

// bundles are topics with the same subscribers, under the name of the first.
type bundles map[log.Topic][]log.Topic

// planCoPartitioned plans for bundles as if each was one topic, which has a number when one of its topics has it.
func planCoPartitioned(members []Member, partitions Partitions) Plan {
	of := bundlesOf(members, partitions)
	joint, owners := of.join(members)
	p := planSticky(joint, of.numbers(partitions))
	for id, units := range p {
		units = slices.DeleteFunc(units, func(unit log.TopicPartition) bool {
			return len(owners[unit]) > 1 || len(owners[unit]) == 1 && !owners[unit][id]
		})
		p[id] = of.split(units, partitions)
	}
	return p
}

func bundlesOf(members []Member, partitions Partitions) bundles {
	all := subscribers(inOrder(members), partitions)
	of, names := bundles{}, map[string]log.Topic{}
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		key := fmt.Sprint(all[topic])
		if _, known := names[key]; !known {
			names[key] = topic
		}
		of[names[key]] = append(of[names[key]], topic)
	}
	return of
}

// numbers returns the numbers of each bundle, ascending.
func (of bundles) numbers(partitions Partitions) Partitions {
	numbers := Partitions{}
	for name, topics := range of {
		for _, topic := range topics {
			numbers[name] = append(numbers[name], partitions[topic]...)
		}
		slices.Sort(numbers[name])
		numbers[name] = slices.Compact(numbers[name])
	}
	return numbers
}

// join returns the members as subscribers of bundles. A member owns a number of which it owns anything. owners are those of each.
func (of bundles) join(members []Member) (joint []Member, owners map[log.TopicPartition]map[log.MemberID]bool) {
	name := map[log.Topic]log.Topic{}
	for bundle, topics := range of {
		for _, topic := range topics {
			name[topic] = bundle
		}
	}
	owners = map[log.TopicPartition]map[log.MemberID]bool{}
	joint = slices.Clone(members)
	for i, m := range members {
		s := group.Subscription{Generation: m.Subscription.Generation}
		for _, topic := range m.Subscription.Topics {
			if name[topic] == topic {
				s.Topics = append(s.Topics, topic)
			}
		}
		for _, tp := range m.Subscription.Owned {
			bundle, known := name[tp.Topic]
			if !known {
				continue
			}
			unit := log.TopicPartition{Topic: bundle, Partition: tp.Partition}
			if owners[unit] == nil {
				owners[unit] = map[log.MemberID]bool{}
			}
			if !owners[unit][m.ID] {
				owners[unit][m.ID] = true
				s.Owned = append(s.Owned, unit)
			}
		}
		joint[i].Subscription = s
	}
	return joint, owners
}

// split returns the partitions of bundles' numbers, in order.
func (of bundles) split(units []log.TopicPartition, partitions Partitions) []log.TopicPartition {
	tps := make([]log.TopicPartition, 0, 2*len(units))
	for _, unit := range units {
		for _, topic := range of[unit.Topic] {
			if _, has := slices.BinarySearch(partitions[topic], unit.Partition); has {
				tps = append(tps, log.TopicPartition{Topic: topic, Partition: unit.Partition})
			}
		}
	}
	slices.SortFunc(tps, log.TopicPartition.Compare)
	return tps
}
