package projections

import (
	"path/filepath"
	"strings"
	"testing"

	"lodge/domain/event"
	"lodge/log"
)

// counter counts events.
type counter struct{}

func (counter) Name() string { return "counter" }
func (counter) Schema() string {
	return "CREATE TABLE seen (offset INTEGER PRIMARY KEY, n INTEGER NOT NULL)"
}
func (counter) Topics() []log.Topic { return []log.Topic{"a", "b"} }

func (counter) Apply(tx *Tx, events []Event) error {
	put, err := tx.Stmt("INSERT INTO seen VALUES (?1, 1) ON CONFLICT DO UPDATE SET n = n + 1")
	for i := 0; i < len(events) && err == nil; i++ {
		err = put.Exec(int64(events[i].Position.Offset))
	}
	return err
}

func batchOf(topic log.Topic, from, next log.Offset) *batch {
	b := &batch{topic: topic, from: from, next: next}
	for o := from; o < next; o++ {
		b.events = append(b.events, Event{log.Position{Topic: topic, Offset: o}, &event.Envelope{ID: "x"}})
	}
	return b
}

func newCounterShard(t *testing.T) *shard {
	t.Helper()
	opts := Options{}.withDefaults()
	path := filepath.Join(t.TempDir(), "shard.db")
	sh := newShard(&projection{projector: counter{}, name: "counter"}, 0, path, &opts)
	if err := sh.create(); err != nil {
		t.Fatal(err)
	}
	if err := sh.seal(func(Step) error { return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sh.close(); err != nil {
			t.Error(err)
		}
	})
	return sh
}

func TestEachEventIsAppliedOnce(t *testing.T) {
	sh, fine := newCounterShard(t), func(Step) error { return nil }
	for _, c := range []struct {
		b       *batch
		want    string // in the error
		reached log.Offset
	}{
		{batchOf("a", 0, 3), "", 3},
		{batchOf("a", 0, 3), "", 3}, // all of it again
		{batchOf("a", 1, 5), "", 5}, // some of it again
		{batchOf("a", 6, 7), "goes on at 5, the batch begins at 6", 5},
		{batchOf("other", 0, 9), "", 5},
		{&batch{topic: "a", from: 5, next: 8}, "", 8}, // offsets without events
		{batchOf("a", 8, 9), "", 9},
	} {
		err := sh.apply(c.b, fine)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("apply %s [%d, %d): %v", c.b.topic, c.b.from, c.b.next, err)
		}
		if next, _, _ := sh.marks.get("a"); next != c.reached {
			t.Errorf("after %s [%d, %d): next %d, want %d", c.b.topic, c.b.from, c.b.next, next, c.reached)
		}
	}
	var seen []int64
	err := sh.conn.Query(t.Context(), "SELECT offset, n FROM seen", nil, func(r *Row) error {
		seen = append(seen, r.Int(0)*10+r.Int(1))
		return nil
	})
	if want := []int64{1, 11, 21, 31, 41, 81}; err != nil || !equal(seen, want) {
		t.Errorf("seen %v, want %v, error %v", seen, want, err)
	}
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestASecondWriterIsNoticed(t *testing.T) {
	sh, fine := newCounterShard(t), func(Step) error { return nil }
	other, err := openConn(sh.path, liveParams)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.run("UPDATE projection_checkpoint SET next_offset = 7 WHERE topic = 'a'"); err != nil {
		t.Fatal(err)
	}
	if err := other.close(); err != nil {
		t.Fatal(err)
	}
	if err := sh.apply(batchOf("a", 0, 3), fine); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("apply: %v", err)
	}
	if err := sh.apply(batchOf("b", 0, 3), fine); err != nil {
		t.Errorf("the transaction was not rolled back: %v", err)
	}
}

func TestMergeStopsWhereAShardStopped(t *testing.T) {
	key := func(n *int) int { return *n }
	q := Query[int, int]{Key: key, Compare: func(a, b int) int { return a - b }}
	five := 5
	for _, c := range []struct {
		name  string
		parts []Part[int, int]
		limit int
		items []int
		next  int // 0: none
	}{
		{"all", []Part[int, int]{{Items: []int{1, 4}}, {Items: []int{2}}}, 9, []int{1, 2, 4}, 0},
		{"limit", []Part[int, int]{{Items: []int{1, 4}}, {Items: []int{2}}}, 2, []int{1, 2}, 2},
		{"a shard stopped", []Part[int, int]{{Items: []int{1, 9}}, {Items: []int{5}, Upto: &five}}, 9, []int{1, 5}, 5},
		{"nothing found yet", []Part[int, int]{{Upto: &five}, {Items: []int{7}}}, 9, []int{}, 5},
	} {
		page := merge(c.parts, c.limit, q)
		next := 0
		if page.Next != nil {
			next = *page.Next
		}
		if len(page.Items) != len(c.items) || next != c.next {
			t.Errorf("%s: %v next %d", c.name, page.Items, next)
			continue
		}
		for i := range c.items {
			if page.Items[i] != c.items[i] {
				t.Errorf("%s: %v", c.name, page.Items)
			}
		}
	}
}
