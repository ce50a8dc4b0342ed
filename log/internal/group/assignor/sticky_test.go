package assignor

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
	"lodge/log/internal/group"
)

// kept counts what members keep of what they owned.
func (c *cluster) kept(p Plan) (n int) {
	for _, m := range c.members {
		for _, tp := range m.Subscription.Owned {
			if slices.Contains(p[m.ID], tp) {
				n++
			}
		}
	}
	return n
}

// ownAtRandom lets the members own anything, each partition at most one of them.
func (c *cluster) ownAtRandom(t *rapid.T) {
	p := Plan{}
	for _, topic := range c.topicsOf() {
		for _, n := range c.partitions[topic] {
			if m := rapid.SampledFrom(c.members).Draw(t, "owner"); rapid.IntRange(0, 4).Draw(t, "owned") > 0 && c.subscribes(m, topic) {
				p[m.ID] = append(p[m.ID], log.TopicPartition{Topic: topic, Partition: n})
			}
		}
	}
	c.own(p, 1)
}

// Where all subscribe to the same, as little moves as evenness allows: nobody can keep more than the larger share, and only as many as there is
// a remainder can keep that.
func TestStickyMovesTheLeastPossible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 6, 3, 8)
		if !c.same {
			t.Skip("another test's")
		}
		c.ownAtRandom(t)
		p := planSticky(c.members, c.partitions)
		c.checkComplete(t, p)
		total, most, larger := 0, 0, 0
		for _, tps := range p {
			total += len(tps)
		}
		least, extra := total/len(c.members), total%len(c.members)
		for _, m := range c.members {
			most += min(len(m.Subscription.Owned), least)
			if len(m.Subscription.Owned) > least {
				larger++
			}
		}
		if most += min(larger, extra); c.kept(p) != most || spread(p) > 1 {
			t.Fatalf("%d are kept, %d could be: %v of %v", c.kept(p), most, p, c.members)
		}
	})
}

// With any subscriptions: what it returned is what it returns, so nothing moves without reason.
func TestStickyStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 6, 4, 6)
		c.ownAtRandom(t)
		p := planSticky(c.members, c.partitions)
		c.checkComplete(t, p)
		c.own(p, 2)
		if again := planSticky(c.members, c.partitions); !reflect.DeepEqual(p, again) {
			t.Fatalf("%v became %v", p, again)
		}
	})
}

// What a joining or leaving member, or a new partition, brings about, where all subscribe to the same.
func TestStickyUnderChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 6, 3, 8)
		if !c.same {
			t.Skip("another test's")
		}
		before := planSticky(c.members, c.partitions)
		c.own(before, 1)
		joined := log.MemberID("")
		switch change := rapid.SampledFrom([]string{"join", "leave", "grow"}).Draw(t, "change"); {
		case change == "join":
			c.join(t, c.topicsOf())
			joined = c.members[len(c.members)-1].ID
		case change == "leave" && len(c.members) > 1:
			i := rapid.IntRange(0, len(c.members)-1).Draw(t, "who")
			c.members = slices.Delete(c.members, i, i+1)
		default:
			c.partitions["t0"] = append(c.partitions["t0"], 100, 101, 102)
		}
		after := planSticky(c.members, c.partitions)
		c.checkComplete(t, after)
		for _, m := range c.members {
			for _, tp := range before[m.ID] {
				if !slices.Contains(after[m.ID], tp) && (joined == "" || !slices.Contains(after[joined], tp)) {
					t.Fatalf("%v moved from %s without need: %v became %v", tp, m.ID, before, after)
				}
			}
		}
	})
}

// cost is the sum of the squares of the shares: the least there is, is the most even.
func cost(p Plan) (n int) {
	for _, tps := range p {
		n += len(tps) * len(tps)
	}
	return n
}

// leastCost tries all plans.
func leastCost(c cluster, tps []log.TopicPartition, shares map[log.MemberID]int) int {
	if len(tps) == 0 {
		n := 0
		for _, s := range shares {
			n += s * s
		}
		return n
	}
	best := 1 << 30
	for _, m := range c.members {
		if c.subscribes(m, tps[0].Topic) {
			shares[m.ID]++
			best = min(best, leastCost(c, tps[1:], shares))
			shares[m.ID]--
		}
	}
	return best
}

func TestStickyIsAsEvenAsCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 4, 3, 2)
		c.ownAtRandom(t)
		p := planSticky(c.members, c.partitions)
		c.checkComplete(t, p)
		var all []log.TopicPartition
		for _, tps := range p {
			all = append(all, tps...)
		}
		if best := leastCost(c, all, map[log.MemberID]int{}); cost(p) != best {
			t.Fatalf("cost %d, possible is %d: %v", cost(p), best, p)
		}
	})
}

func TestStickyBelievesTheLatestClaim(t *testing.T) {
	owns := func(id log.MemberID, g log.Generation, partitions ...log.Partition) Member {
		m := Member{ID: id, Subscription: group.Subscription{Topics: []log.Topic{"a"}, Generation: g}}
		for _, p := range partitions {
			m.Subscription.Owned = append(m.Subscription.Owned, log.TopicPartition{Topic: "a", Partition: p})
		}
		return m
	}
	p := planSticky([]Member{owns("x", 4, 0, 1), owns("y", 5, 0, 1), owns("z", 4, 2, 3)}, Partitions{"a": {0, 1, 2, 3, 4, 5}})
	if len(p["y"]) != 2 || p["y"][0].Partition != 0 || p["y"][1].Partition != 1 || p["z"][0].Partition != 2 {
		t.Errorf("got %v", p)
	}
}

// comesToRest rebalances a cooperative group until its plan stays, three times at most and once more to see that it does: then everything is given out. What is given to somebody is nobody else's before.
func (c *cluster) comesToRest(t *rapid.T, a Assignor, check func(Plan)) {
	var last Plan
	for round := range 4 {
		p := a.Plan(c.members, c.partitions)
		check(p)
		owners := map[log.TopicPartition]log.MemberID{}
		for _, m := range c.members { // everybody has what it is given, and what it has not given up yet
			for _, tp := range append(slices.Clone(m.Subscription.Owned), p[m.ID]...) {
				if other, ok := owners[tp]; ok && other != m.ID {
					t.Fatalf("%v is %s's and %s's", tp, other, m.ID)
				}
				owners[tp] = m.ID
			}
		}
		if round > 0 && reflect.DeepEqual(p, last) {
			c.checkComplete(t, p)
			return
		}
		last = p
		c.own(p, log.Generation(round+2))
	}
	t.Fatalf("no rest after 3 rebalances: %v", last)
}

// A cooperative group comes to rest within three rebalances, even and complete, and nothing ever has two owners.
func TestCooperativeComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 6, 4, 6)
		c.ownAtRandom(t)
		var last Plan
		c.comesToRest(t, CooperativeSticky, func(p Plan) { last = p })
		if c.same && spread(last) > 1 {
			t.Fatalf("not even: %v", last)
		}
	})
}
