package assignor

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
)

// together checks that no number of topics with the same subscribers is with two members, and that no member has a part of one.
func (c *cluster) together(t *rapid.T, p Plan) {
	for _, topics := range bundlesOf(c.members, c.partitions) {
		owners := map[log.Partition]map[log.MemberID]int{}
		for id, tps := range p {
			for _, tp := range tps {
				if slices.Contains(topics, tp.Topic) {
					if owners[tp.Partition] == nil {
						owners[tp.Partition] = map[log.MemberID]int{}
					}
					owners[tp.Partition][id]++
				}
			}
		}
		for number, of := range owners {
			want := 0
			for _, topic := range topics {
				if slices.Contains(c.partitions[topic], number) {
					want++
				}
			}
			for id, n := range of {
				if len(of) != 1 || n != want {
					t.Fatalf("%d of the %d partitions %d of %v are with %s: %v", n, want, number, topics, id, p)
				}
			}
		}
	}
}

// Whatever the members own, also what no plan of this kind gives, the group comes to rest as any cooperative one does, and no plan on the way takes a number apart. (It is two rebalances but for one in some ten
// thousand, where subscriptions differ and the units that nobody could have at first make another balance.)
func TestCoPartitionedKeepsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusterGen(t, 6, 4, 8)
		c.ownAtRandom(t)
		c.comesToRest(t, CoPartitioned, func(p Plan) { c.together(t, p) })
	})
}

// With the same topics for all, numbers are as even as can be, and a member that comes takes no more than its share.
func TestCoPartitionedMovesLittle(t *testing.T) {
	topics := []log.Topic{"a", "b", "c"}
	c := cluster{same: true, partitions: Partitions{}}
	for _, topic := range topics {
		c.partitions[topic] = []log.Partition{0, 1, 2, 3, 4, 5, 6, 7}
	}
	rapid.Check(t, func(t *rapid.T) {
		c.members = nil
		c.join(t, topics)
		c.own(CoPartitioned.Plan(c.members, c.partitions), 1)
		c.join(t, topics)
		first := CoPartitioned.Plan(c.members, c.partitions)
		if got := fmt.Sprint(len(first["m0"]), len(first["m1"])); got != "12 0" {
			t.Fatalf("%s partitions while one gives up: %v", got, first)
		}
		c.own(first, 2)
		second := CoPartitioned.Plan(c.members, c.partitions)
		if !reflect.DeepEqual(second["m0"], first["m0"]) || len(second["m1"]) != 12 {
			t.Fatalf("%v became %v", first, second)
		}
	})
}
