package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/client"
	"lodge/log/logtest"
)

// The output's layout changes in the middle of a range, and the transformer dies at any step after that; before the next one begins the
// layout changes again. What went by which layout is still known: everything is in the output once, the keys in order.
func TestTransformerDiesAfterLayoutChange(t *testing.T) {
	through := 0
	for shift := range 6 {
		for steps := 4; steps < 40; steps++ {
			died := false
			synctest.Test(t, func(t *testing.T) { died = testLayoutThenDeath(t, shift, steps) })
			if t.Failed() {
				t.Fatalf("layout changes before append %d, death at step %d", shift, steps)
			}
			if !died {
				through++
				break
			}
		}
	}
	if through != 6 {
		t.Errorf("only %d of 6 first lives were ever long enough", through)
	}
}

func testLayoutThenDeath(t *testing.T, shift, steps int) (died bool) {
	lg := newLogWith(t, 1)
	lg.Topic("out", 2)
	for i := range 6 {
		b := log.Batch{Records: []log.Record{{Key: fmt.Append(nil, "k", i%3), Value: fmt.Append(nil, i/3+1)}}}
		if _, err := lg.Append(t.Context(), tpOf(0), &b); err != nil {
			t.Fatal(err)
		}
	}
	opts := transformerOptions()
	opts.BatchBytesMax = 1
	m := newMortal(lg, steps, steps%2 == 0)
	first := &shifting{mortal: m, t: t, at: shift}
	if err := runTransformer(t, first, 8*time.Second, opts, copyTo("out")); err != nil && !m.isDead() {
		t.Errorf("first life: %v", err)
	}
	addPartition(t, lg)
	if err := runTransformer(t, newMortal(lg, -2, false), 10*time.Second, opts, copyTo("out")); err != nil {
		t.Errorf("second life: %v", err)
	}
	l := newLedger(t, client.AtLeastOnce)
	for _, r := range outputInOrder(t, lg) {
		l.do([]log.Record{r})
	}
	if l.seen != 6 || l.done != 6 {
		t.Errorf("%d records in the output, %d different ones", l.seen, l.done)
	}
	return m.isDead()
}

func addPartition(t *testing.T, lg *logtest.Log) {
	t.Helper()
	if _, err := lg.AddPartitions(context.Background(), "out", 1); err != nil {
		t.Error(err)
	}
}

// shifting is a log whose topic "out" gets a partition just before one of the appends.
type shifting struct {
	*mortal
	t  *testing.T
	mu sync.Mutex
	at int
}

func (s *shifting) Enqueue(tp log.TopicPartition, b *log.Batch) (log.Ticket, error) {
	s.mu.Lock()
	if s.at--; s.at == -1 {
		addPartition(s.t, s.lg)
	}
	s.mu.Unlock()
	return s.mortal.Enqueue(tp, b)
}
