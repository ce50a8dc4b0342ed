package log

import "testing"

func TestLayoutForKey(t *testing.T) {
	whole := Layout{Active: []Partition{0, 1, 2, 3}}
	holes := Layout{Active: []Partition{2, 5, 9, 700}}
	for _, key := range []string{"", "a", "hotel-1", "hotel-2", "hotel-3", "a longer key than the others"} {
		place := PartitionForKey([]byte(key), 4)
		if got := whole.ForKey([]byte(key)); got != place {
			t.Errorf("%q goes to %d, want %d", key, got, place)
		}
		if got, want := holes.ForKey([]byte(key)), holes.Active[place]; got != want {
			t.Errorf("%q goes to %d with holes, want %d", key, got, want)
		}
	}
}

func TestLayoutOf(t *testing.T) {
	began := func(offsets ...Offset) map[Partition]Offset {
		m := map[Partition]Offset{}
		for p, o := range offsets {
			m[Partition(p)] = o
		}
		return m
	}
	changed := TopicInfo{ // of layouts before 4 nothing is left; partition 1 drains since 6, 2 is new in 5
		Layout:  Layout{Number: 6, Active: []Partition{0, 2}, Began: began(20, 15, 7)},
		Earlier: []Layout{{Number: 4, Active: []Partition{0, 1}, Began: began(5, 5)}, {Number: 5, Active: []Partition{0, 1, 2}, Began: began(10, 10, 0)}},
	}
	never := TopicInfo{Layout: Layout{Active: []Partition{0}, Began: began(0)}}
	for _, test := range []struct {
		info TopicInfo
		p    Partition
		o    Offset
		want int32
	}{
		{never, 0, 0, 0}, {never, 0, 99, 0},
		{changed, 0, 0, 4}, {changed, 0, 5, 4}, {changed, 0, 9, 4}, {changed, 0, 10, 5}, {changed, 0, 19, 5}, {changed, 0, 20, 6},
		{changed, 1, 9, 4}, {changed, 1, 14, 5}, {changed, 2, 0, 5}, {changed, 2, 6, 5}, {changed, 2, 7, 6},
	} {
		if got := test.info.LayoutOf(test.p, test.o); got != test.want {
			t.Errorf("partition %d, offset %d of %+v: layout %d, want %d", test.p, test.o, test.info.Layout, got, test.want)
		}
	}
}
