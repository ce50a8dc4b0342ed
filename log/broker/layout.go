package broker

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"lodge/log"
)

// definition is what a topic's file says of it. Pure and immutable: what changes it returns another one.
type definition struct {
	config log.TopicConfig // Partitions counts the active ones
	made   int             // partition numbers that were given out: 0 to made-1. Those neither active nor draining are retired

	// layouts holds the current layout last, and before it those that records may be left of, ascending. Never empty.
	layouts []log.Layout

	// draining holds when a draining partition is retired at the latest; zero: not before retention has left nothing in it.
	draining map[log.Partition]time.Time
}

// topicState is what a topic is at one moment. Immutable; replaced as a whole.
type topicState struct {
	definition
	partitions []*partition // by number, definition.made of them; nil: retired
	live       []*partition // those that are not retired
}

func newTopicState(def definition, partitions []*partition) *topicState {
	s := &topicState{definition: def, partitions: partitions}
	for _, p := range partitions {
		if p != nil {
			s.live = append(s.live, p)
		}
	}
	return s
}

// newDefinition returns a new topic's.
func newDefinition(config log.TopicConfig) definition {
	first := log.Layout{Began: map[log.Partition]log.Offset{}}
	for n := range log.Partition(config.Partitions) {
		first.Active = append(first.Active, n)
		first.Began[n] = 0
	}
	return definition{config: config, made: config.Partitions, layouts: []log.Layout{first}}
}

// layout returns the current layout.
func (d *definition) layout() log.Layout { return d.layouts[len(d.layouts)-1] }

// stateOf says where a partition stands whose number was given out.
func (d *definition) stateOf(n log.Partition) log.PartitionState {
	if _, ok := slices.BinarySearch(d.layout().Active, n); ok {
		return log.StateActive
	}
	if _, ok := d.draining[n]; ok {
		return log.StateDraining
	}
	return log.StateRetired
}

// withLayout returns d with one more layout that has these partitions active. ends holds the log ends of those that were active so
// far. Those no longer active are draining until the time given.
func (d definition) withLayout(active []log.Partition, ends map[log.Partition]log.Offset, until time.Time) definition {
	old := d.layout()
	next := log.Layout{Number: old.Number + 1, Active: active, Began: maps.Clone(old.Began)}
	d.draining = cloneMap(d.draining)
	for _, n := range old.Active {
		next.Began[n] = ends[n]
		if _, ok := slices.BinarySearch(active, n); !ok {
			d.draining[n] = until
		}
	}
	for _, n := range active {
		if _, ok := next.Began[n]; !ok { // it is new
			next.Began[n] = 0
			d.made = max(d.made, int(n)+1)
		}
	}
	d.layouts = append(slices.Clone(d.layouts), next)
	d.config.Partitions = len(active)
	return d
}

// without returns d with draining partitions retired.
func (d definition) without(retired ...log.Partition) definition {
	d.draining = cloneMap(d.draining)
	for _, n := range retired {
		delete(d.draining, n)
	}
	d.layouts = slices.Clone(d.layouts)
	for i := range d.layouts {
		l := &d.layouts[i]
		l.Began = maps.Clone(l.Began)
		for _, n := range retired {
			delete(l.Began, n)
		}
	}
	return d
}

// pruned returns d without the oldest layouts of which no record is left in a log that begins at starts.
func (d definition) pruned(starts map[log.Partition]log.Offset) definition {
	for len(d.layouts) > 1 {
		for n, began := range d.layouts[1].Began {
			if starts[n] < began {
				return d
			}
		}
		d.layouts = d.layouts[1:]
	}
	return d
}

// clamped returns d with no layout begun above where a log ends, and whether that changed anything. It never does as long as the disk keeps
// what it acknowledged; a folder emptied by hand must not have new records count as an old layout's.
func (d definition) clamped(ends map[log.Partition]log.Offset) (definition, bool) {
	changed := false
	layouts := slices.Clone(d.layouts)
	for i := range layouts {
		l := &layouts[i]
		l.Began = maps.Clone(l.Began)
		for n, end := range ends {
			if began, ok := l.Began[n]; ok && began > end {
				l.Began[n], changed = end, true
			}
		}
	}
	d.layouts = layouts
	return d, changed
}

// validate checks that the layouts, the draining partitions and the settings fit together.
func (d *definition) validate() error {
	if d.made < 1 || d.made > log.PartitionNumbersMax || len(d.layouts) < 1 || len(d.layouts) > log.LayoutsMax {
		return fmt.Errorf("%d partition numbers and %d layouts are not within 1..%d and 1..%d", d.made, len(d.layouts),
			log.PartitionNumbersMax, log.LayoutsMax)
	}
	for i := range d.layouts {
		if err := d.validateLayout(i); err != nil {
			return fmt.Errorf("layout %d: %w", d.layouts[i].Number, err)
		}
	}
	for n := range d.draining {
		if !d.isMade(n) {
			return fmt.Errorf("partition %d is draining and was never made", n)
		}
		if _, ok := slices.BinarySearch(d.layout().Active, n); ok {
			return fmt.Errorf("partition %d is both active and draining", n)
		}
	}
	if len(d.layout().Active) != d.config.Partitions {
		return fmt.Errorf("%d partitions are active, %d should be", len(d.layout().Active), d.config.Partitions)
	}
	return nil
}

func (d *definition) isMade(n log.Partition) bool { return n >= 0 && int(n) < d.made }

func (d *definition) validateLayout(i int) error {
	l := &d.layouts[i]
	if l.Number < 0 || i > 0 && l.Number != d.layouts[i-1].Number+1 {
		return fmt.Errorf("it does not follow the one before")
	}
	if len(l.Active) == 0 || len(l.Active) > log.PartitionsMax {
		return fmt.Errorf("%d active partitions are not within 1..%d", len(l.Active), log.PartitionsMax)
	}
	for k, n := range l.Active {
		if !d.isMade(n) || k > 0 && n <= l.Active[k-1] {
			return fmt.Errorf("active partition %d was never made or is not in order", n)
		}
	}
	for n, began := range l.Began {
		if !d.isMade(n) || began < 0 || d.stateOf(n) == log.StateRetired {
			return fmt.Errorf("partition %d, begun at %d, was never made or is retired", n, began)
		}
		if i > 0 && began < d.layouts[i-1].Began[n] {
			return fmt.Errorf("it began below the one before in partition %d", n)
		}
	}
	return d.validateBegan(l)
}

// validateBegan checks that the layout says of every partition that is left where it began in it.
func (d *definition) validateBegan(l *log.Layout) error {
	for _, n := range l.Active {
		if _, ok := l.Began[n]; !ok && d.stateOf(n) != log.StateRetired {
			return fmt.Errorf("it does not say where it began in partition %d", n)
		}
	}
	return nil
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}
