package assignor

import (
	"maps"
	"slices"

	"lodge/log"
)

// planCooperative is the sticky plan without the partitions that another member still owns: that one gives them up first, and the
// rebalance after that hands them over.
func planCooperative(members []Member, partitions Partitions) Plan {
	p := planSticky(members, partitions)
	owners := map[log.TopicPartition]map[log.MemberID]bool{}
	for _, m := range members {
		for _, tp := range m.Subscription.Owned {
			if owners[tp] == nil {
				owners[tp] = map[log.MemberID]bool{}
			}
			owners[tp][m.ID] = true
		}
	}
	for id, tps := range p {
		p[id] = slices.DeleteFunc(tps, func(tp log.TopicPartition) bool {
			return len(owners[tp]) > 1 || len(owners[tp]) == 1 && !owners[tp][id]
		})
	}
	return p
}

// planSticky returns a plan that is as even as the subscriptions allow and that leaves with its owner what need not move for that.
//
// When all subscribe to the same topics that is plain counting: everybody keeps up to its share, and the fewest
// possible partitions move. Otherwise it is a semi-matching (Harvey, Ladner, Lovász, Tamir: "Semi-matchings for bipartite graphs and
// load balancing"): whoever has at least two more than another that can be reached by handing partitions on from member to
// member hands one on, until there is no such pair; then no plan is more even. What is not owned moves first.
func planSticky(members []Member, partitions Partitions) Plan {
	members = inOrder(members)
	s := &sticky{members: members, subscribers: subscribers(members, partitions), lists: make([][]log.TopicPartition, len(members))}
	s.same = true
	for _, subscribed := range s.subscribers {
		s.same = s.same && len(subscribed) == len(members)
	}
	free := s.keepOwned(inOrderOf(s.subscribers, partitions))
	if s.same {
		s.share(free)
	} else {
		s.balance(free)
	}
	return plan(members, s.lists)
}

// sticky is a plan in the making. Members are named by their index.
type sticky struct {
	members     []Member
	subscribers map[log.Topic][]int
	same        bool // all members subscribe to all topics
	lists       [][]log.TopicPartition
	owner       map[log.TopicPartition]int

	// For balance only: what each member has of each topic, and the topics that it subscribes to, in order.
	has        []map[log.Topic]*holding
	subscribed [][]log.Topic
}

// holding counts partitions of one topic that a member has: those that it owned before, and others.
type holding struct{ owned, fresh int }

// keepOwned gives everybody what it owns and returns the rest, in order. Of several that claim a partition the one of the latest
// generation owns it; if that is not one, nobody does.
func (s *sticky) keepOwned(all []log.TopicPartition) (free []log.TopicPartition) {
	const nobody = -1
	s.owner = make(map[log.TopicPartition]int, len(all))
	generation := map[log.TopicPartition]log.Generation{}
	for i, m := range s.members {
		for _, tp := range m.Subscription.Owned {
			had, claimed := generation[tp]
			switch g := m.Subscription.Generation; {
			case !claimed || g > had:
				s.owner[tp], generation[tp] = i, g
			case g == had && s.owner[tp] != i:
				s.owner[tp] = nobody
			}
		}
	}
	kept := make(map[log.TopicPartition]int, len(all))
	for _, tp := range all {
		i, ok := s.owner[tp]
		if _, subscribed := slices.BinarySearch(s.subscribers[tp.Topic], i); !ok || !subscribed {
			free = append(free, tp)
			continue
		}
		kept[tp] = i
		s.lists[i] = append(s.lists[i], tp)
	}
	s.owner = kept
	return free
}

// share gives everybody an equal share, the first ones that have more already one more when it does not come out even.
func (s *sticky) share(free []log.TopicPartition) {
	if len(s.members) == 0 {
		return
	}
	total := len(free)
	for _, list := range s.lists {
		total += len(list)
	}
	least, extra := total/len(s.members), total%len(s.members)
	for i, list := range s.lists {
		keep := least
		if len(list) > least && extra > 0 {
			keep, extra = least+1, extra-1
		}
		if len(list) > keep {
			free = append(free, list[keep:]...)
			s.lists[i] = list[:keep:keep]
		}
	}
	for i, list := range s.lists {
		n := max(0, least-len(list))
		s.lists[i], free = append(list, free[:n]...), free[n:]
	}
	for i := 0; len(free) > 0; i++ {
		if len(s.lists[i]) == least {
			s.lists[i], free = append(s.lists[i], free[0]), free[1:]
		}
	}
}

// balance gives each free partition to whoever has least, and then hands partitions on as long as that makes the plan more even.
func (s *sticky) balance(free []log.TopicPartition) {
	slices.SortStableFunc(free, func(a, b log.TopicPartition) int { // those with little choice first
		return len(s.subscribers[a.Topic]) - len(s.subscribers[b.Topic])
	})
	for _, tp := range free {
		to := slices.MinFunc(s.subscribers[tp.Topic], func(a, b int) int { return len(s.lists[a]) - len(s.lists[b]) })
		s.lists[to] = append(s.lists[to], tp)
	}
	s.count()
	rich := make([]int, len(s.members))
	for i := range rich {
		rich[i] = i
	}
	for again := true; again; {
		again = false
		slices.SortStableFunc(rich, func(a, b int) int { return len(s.lists[b]) - len(s.lists[a]) })
		least := len(s.lists[rich[len(rich)-1]])
		for _, from := range rich {
			for len(s.lists[from]) > least+1 && s.handOn(from) {
				again = true
			}
		}
	}
}

// count fills in has and subscribed.
func (s *sticky) count() {
	s.has = make([]map[log.Topic]*holding, len(s.members))
	s.subscribed = make([][]log.Topic, len(s.members))
	for _, t := range slices.Sorted(maps.Keys(s.subscribers)) {
		for _, i := range s.subscribers[t] {
			s.subscribed[i] = append(s.subscribed[i], t)
		}
	}
	for i, list := range s.lists {
		s.has[i] = map[log.Topic]*holding{}
		for _, tp := range list {
			s.add(tp, i, 1)
		}
	}
}

// add counts a partition that a member gets (1) or loses (-1).
func (s *sticky) add(tp log.TopicPartition, i, n int) {
	h := s.has[i][tp.Topic]
	if h == nil {
		h = &holding{}
		s.has[i][tp.Topic] = h
	}
	if s.isOwned(tp, i) {
		h.owned += n
	} else {
		h.fresh += n
	}
}

// handOn moves one partition away from a member, along a shortest way to one that has at least two less, and reports whether there was one.
func (s *sticky) handOn(from int) bool {
	type step struct {
		from  int
		topic log.Topic
	}
	came := map[int]step{from: {from: -1}}
	asked := map[log.Topic]bool{} // a topic's subscribers are all found through whoever has it first
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if len(s.lists[at]) <= len(s.lists[from])-2 {
			for at != from {
				s.move(came[at].topic, came[at].from, at)
				at = came[at].from
			}
			return true
		}
		for _, t := range s.topics(at) {
			if asked[t] {
				continue
			}
			asked[t] = true
			for _, to := range s.subscribers[t] {
				if _, seen := came[to]; !seen {
					came[to] = step{at, t}
					queue = append(queue, to)
				}
			}
		}
	}
	return false
}

// topics returns the topics that a member has partitions of, in order; those of which it has some that it does not own come first.
func (s *sticky) topics(i int) []log.Topic {
	var fresh, owned []log.Topic
	for _, t := range s.subscribed[i] {
		switch h := s.has[i][t]; {
		case h != nil && h.fresh > 0:
			fresh = append(fresh, t)
		case h != nil && h.owned > 0:
			owned = append(owned, t)
		}
	}
	return append(fresh, owned...)
}

func (s *sticky) isOwned(tp log.TopicPartition, i int) bool {
	owner, ok := s.owner[tp]
	return ok && owner == i
}

// move hands one partition of a topic on: one that its new member owns, else one that its old member does not own, else any.
func (s *sticky) move(t log.Topic, from, to int) {
	best, rank := -1, 3
	for k, tp := range s.lists[from] {
		r := 2
		if s.isOwned(tp, to) {
			r = 0
		} else if !s.isOwned(tp, from) {
			r = 1
		}
		if tp.Topic == t && r < rank {
			best, rank = k, r
		}
	}
	tp := s.lists[from][best]
	s.lists[from] = slices.Delete(s.lists[from], best, best+1)
	s.lists[to] = append(s.lists[to], tp)
	s.add(tp, from, -1)
	s.add(tp, to, 1)
}
