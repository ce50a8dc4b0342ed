package assignor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
	"lodge/log/internal/group"
)

// cluster is members and partitions.
type cluster struct {
	members    []Member
	partitions Partitions
	same       bool // all subscribe to the same topics
}

// clusterGen draws a cluster of members that own nothing.
func clusterGen(t *rapid.T, membersMax, topicsMax, partitionsMax int) cluster {
	c := cluster{partitions: Partitions{}, same: rapid.Bool().Draw(t, "same")}
	var topics []log.Topic
	for i := range rapid.IntRange(1, topicsMax).Draw(t, "topics") {
		topic := log.Topic(fmt.Sprint("t", i))
		topics = append(topics, topic)
		for p := range rapid.IntRange(0, partitionsMax).Draw(t, "partitions") {
			c.partitions[topic] = append(c.partitions[topic], log.Partition(p*2)) // numbers may have gaps
		}
	}
	for range rapid.IntRange(1, membersMax).Draw(t, "members") {
		c.join(t, topics)
	}
	return c
}

// join adds a member that subscribes to all topics, or to some.
func (c *cluster) join(t *rapid.T, topics []log.Topic) {
	id := 0
	for slices.ContainsFunc(c.members, func(m Member) bool { return m.ID == memberID(id) }) {
		id++
	}
	m := Member{ID: memberID(id), Subscription: group.Subscription{Topics: topics, Generation: log.NoGeneration}}
	if !c.same {
		m.Subscription.Topics = rapid.SliceOfDistinct(rapid.SampledFrom(append(topics, "missing")), rapid.ID[log.Topic]).Draw(t, "subscribed")
	}
	if rapid.Bool().Draw(t, "static") {
		m.Instance = fmt.Sprint("i", 100-id)
	}
	c.members = append(c.members, m)
}

func memberID(i int) log.MemberID { return log.MemberID(fmt.Sprint("m", i)) }

// own makes the members own what a plan gives them.
func (c *cluster) own(p Plan, generation log.Generation) {
	for i := range c.members {
		s := &c.members[i].Subscription
		s.Owned, s.Generation = slices.Clone(p[c.members[i].ID]), generation
	}
}

func (c *cluster) subscribes(m Member, t log.Topic) bool {
	return slices.Contains(m.Subscription.Topics, t)
}

// checkComplete checks that each partition of a subscribed topic has one owner, who subscribes, and that nothing else is given out.
func (c *cluster) checkComplete(t *rapid.T, p Plan) {
	if len(p) != len(c.members) {
		t.Fatalf("a plan for %d members, there are %d", len(p), len(c.members))
	}
	owners := map[log.TopicPartition]log.MemberID{}
	for _, m := range c.members {
		if !slices.IsSortedFunc(p[m.ID], log.TopicPartition.Compare) {
			t.Fatalf("%s gets %v, which is not in order", m.ID, p[m.ID])
		}
		for _, tp := range p[m.ID] {
			if other, twice := owners[tp]; twice || !c.subscribes(m, tp.Topic) {
				t.Fatalf("%v goes to %s, who subscribes to %v, and to %q", tp, m.ID, m.Subscription.Topics, other)
			}
			owners[tp] = m.ID
		}
	}
	want := 0
	for topic, numbers := range c.partitions {
		if slices.ContainsFunc(c.members, func(m Member) bool { return c.subscribes(m, topic) }) {
			want += len(numbers)
		}
	}
	if len(owners) != want {
		t.Fatalf("%d partitions are given out of %d", len(owners), want)
	}
}

// spread returns the largest share less the smallest.
func spread(p Plan) int {
	least, most := 1<<30, 0
	for _, tps := range p {
		least, most = min(least, len(tps)), max(most, len(tps))
	}
	return most - least
}

func TestPlansAreCompleteAndDependOnNoOrder(t *testing.T) {
	for _, a := range []Assignor{Range, RoundRobin, {Name: "sticky", Plan: planSticky}} {
		t.Run(a.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := clusterGen(t, 6, 4, 8)
				p := a.Plan(c.members, c.partitions)
				c.checkComplete(t, p)
				if c.same && a.Name != "range" && spread(p) > 1 {
					t.Fatalf("not even: %v", p)
				}
				shuffled := slices.Clone(c.members)
				rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(shuffled), func(i, j int) {
					shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
				})
				if again := a.Plan(shuffled, c.partitions); !reflect.DeepEqual(p, again) {
					t.Fatalf("%v, in another order %v", p, again)
				}
			})
		})
	}
}

func TestRangeGivesNeighbors(t *testing.T) {
	member := func(id log.MemberID, instance string, topics ...log.Topic) Member {
		return Member{ID: id, Instance: instance, Subscription: group.Subscription{Topics: topics}}
	}
	partitions := Partitions{"a": {0, 1, 2, 3, 4}, "b": {0, 1, 2, 3, 4}, "c": {7}}
	p := Range.Plan([]Member{member("z", "", "a", "b", "c"), member("y", "", "a", "b"), member("x", "s", "c")}, partitions)
	want := "map[x:[c/7] y:[a/0 a/1 a/2 b/0 b/1 b/2] z:[a/3 a/4 b/3 b/4]]"
	if got := fmt.Sprint(p); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRoundRobinDeals(t *testing.T) {
	all := group.Subscription{Topics: []log.Topic{"a", "b"}}
	p := RoundRobin.Plan([]Member{{ID: "x", Subscription: all}, {ID: "y", Subscription: group.Subscription{Topics: []log.Topic{"b"}}}, {ID: "z", Subscription: all}},
		Partitions{"a": {0, 1}, "b": {0, 1, 2}})
	want := "map[x:[a/0 b/0] y:[b/1] z:[a/1 b/2]]"
	if got := fmt.Sprint(p); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssignSpeaksTheProtocol(t *testing.T) {
	s := group.Subscription{Topics: []log.Topic{"a"}, Generation: log.NoGeneration}
	metadata, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []Assignor{Range, RoundRobin, CooperativeSticky, CoPartitioned} {
		encoded, err := a.Assign([]log.JoinedMember{{Member: "x", Metadata: metadata}, {Member: "y", Metadata: metadata}}, Partitions{"a": {0}})
		if err != nil {
			t.Fatal(err)
		}
		x, errX := group.DecodeAssignment(encoded["x"])
		y, errY := group.DecodeAssignment(encoded["y"])
		if errX != nil || errY != nil || len(x.Partitions) != 1 || len(y.Partitions) != 0 || encoded["y"] == nil {
			t.Errorf("%s: x gets %v (%v), y %v (%v)", a.Name, x, errX, y, errY)
		}
		if _, err := a.Assign([]log.JoinedMember{{Member: "x", Metadata: metadata[:3]}}, nil); log.CodeOf(err) != log.Corrupt {
			t.Errorf("%s: error %v for half a subscription", a.Name, err)
		}
	}
}

func TestNobodyAndNothing(t *testing.T) {
	for _, a := range []Assignor{Range, RoundRobin, CooperativeSticky, CoPartitioned} {
		if p := a.Plan(nil, Partitions{"a": {0}}); len(p) != 0 {
			t.Errorf("%s: %v for nobody", a.Name, p)
		}
		p := a.Plan([]Member{{ID: "x", Subscription: group.Subscription{Topics: []log.Topic{"a"}}}}, nil)
		if len(p) != 1 || len(p["x"]) != 0 {
			t.Errorf("%s: %v of nothing", a.Name, p)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	partitions := Partitions{}
	var topics []log.Topic
	for i := range 100 {
		topic := log.Topic(fmt.Sprint("t", i))
		topics = append(topics, topic)
		for p := range 1000 {
			partitions[topic] = append(partitions[topic], log.Partition(p))
		}
	}
	for _, kind := range []string{"same", "mixed"} {
		c := cluster{partitions: partitions}
		for i := range 1000 {
			subscribed := topics
			if kind == "mixed" {
				subscribed = topics[i%50 : i%50+50]
			}
			c.members = append(c.members, Member{ID: memberID(i), Subscription: group.Subscription{Topics: subscribed}})
		}
		c.own(planSticky(c.members, partitions), 1)
		c.members = c.members[:990] // some leave
		for _, a := range []Assignor{Range, RoundRobin, CooperativeSticky, CoPartitioned} {
			b.Run(kind+"/"+a.Name, func(b *testing.B) {
				for b.Loop() {
					a.Plan(c.members, partitions)
				}
			})
		}
	}
}

// topicsOf returns the topics of a cluster, in order.
func (c *cluster) topicsOf() []log.Topic { return slices.Sorted(maps.Keys(c.partitions)) }
