package projections

import (
	"context"
	"fmt"
	"slices"
)

// Comparison tells how the tables of a rebuild differ from those that were in service, at the same position in the log.
type Comparison struct {
	Rows        int64    // in the new tables
	Differences int64    // rows that are in one only, or that differ (then they count twice)
	Examples    []string // of differing rows, "-" old and "+" new; at most examplesMax
}

const (
	examplesMax    = 10
	differencesMax = 100_000 // of one table and shard: beyond it the comparison stops there
)

// compare compares two attached versions shard by shard. The feeds stand still only while the snapshots are taken.
func (s *Store) compare(ctx context.Context, old, made *version) (*Comparison, error) {
	if err := s.joinAll(ctx, old, func(int) {}); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	c := &Comparison{}
	for i, f := range s.feeds {
		if err := s.compareShard(ctx, f, old.shards[i], made.shards[i], c); err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
	}
	return c, nil
}

func (s *Store) compareShard(ctx context.Context, f *feed, old, made *shard, c *Comparison) error {
	a, err := old.readers.get(ctx)
	if err != nil {
		return err
	}
	defer old.readers.put(a, true)
	b, err := made.readers.get(ctx)
	if err != nil {
		return err
	}
	defer made.readers.put(b, true)
	if err := s.snapshots(ctx, f, old, made, a, b); err != nil {
		return err
	}
	tables, err := tablesOf(ctx, b)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := compareTable(ctx, a, b, t, c); err != nil {
			return err
		}
	}
	return nil
}

// snapshots begins read transactions on both at the same position in the log. A shard that was just replayed can be ahead
// of its feed, which rests between batches: so both are first brought to where the further one is.
func (s *Store) snapshots(ctx context.Context, f *feed, old, made *shard, conns ...*Conn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := old.marks.all()
	for topic, next := range made.marks.all() {
		ends[topic] = max(ends[topic], next)
	}
	for _, sh := range []*shard{old, made} {
		if err := s.replay(ctx, sh, ends, func(int) {}); err != nil {
			return err
		}
	}
	for _, c := range conns {
		if err := c.run("BEGIN", "SELECT count(*) FROM projection_meta"); err != nil {
			return err
		}
	}
	return nil
}

// compareTable walks through the rows of both in order of the primary key. A table's rows meet only when all
// columns agree; those that are in a key's place on one side only are told apart by their text.
func compareTable(ctx context.Context, old, made *Conn, t table, c *Comparison) error {
	seen := map[string]int{}
	left, stop := rowsOf(ctx, old, t)
	defer stop()
	right, stop := rowsOf(ctx, made, t)
	defer stop()
	for {
		a, aok, err := left()
		if err != nil {
			return err
		}
		b, bok, err := right()
		if err != nil {
			return err
		}
		if !aok && !bok {
			break
		}
		if bok {
			c.Rows++
		}
		if aok && bok && a == b {
			continue
		}
		tally(seen, a, aok, -1)
		tally(seen, b, bok, 1)
		if len(seen) > differencesMax {
			break
		}
	}
	c.note(t.name, seen)
	return nil
}

func tally(seen map[string]int, row string, ok bool, n int) {
	if !ok {
		return
	}
	if seen[row] += n; seen[row] == 0 {
		delete(seen, row)
	}
}

func (c *Comparison) note(table string, seen map[string]int) {
	rows := make([]string, 0, len(seen))
	for row := range seen {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	c.Differences += int64(len(rows))
	for _, row := range rows {
		if len(c.Examples) < examplesMax {
			c.Examples = append(c.Examples, fmt.Sprintf("%s %s %s", map[bool]string{true: "+", false: "-"}[seen[row] > 0], table, row))
		}
	}
}
