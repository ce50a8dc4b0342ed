package natsbridge

import (
	"context"
	"fmt"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
)

// TestLayoutsChangeWhileFiring adds partitions to a topic and retires others while schedules fire into it.
func TestLayoutsChangeWhileFiring(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 2)
	b, stop := start(t, lg, Options{clockless: true})
	const n, changes = 3000, 20
	begin := time.Now().Add(100 * time.Millisecond)
	for i := range n {
		key := ""
		if i%3 > 0 {
			key = fmt.Sprint("k", i%20)
		}
		mustSchedule(t, b, log.Schedule{ID: fmt.Sprint(i), At: begin.Add(time.Duration(i/10) * 4 * time.Millisecond), Record: plain("t", key, fmt.Sprint(i))})
	}
	for i := range changes {
		awaitStats(t, b, func(s Stats) bool { return s.Fired > int64(i*n/changes) })
		if _, err := lg.AddPartitions(t.Context(), "t", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := lg.RetirePartitions(t.Context(), "t", -1, log.Partition(i)); err != nil {
			t.Fatal(err)
		}
	}
	awaitStats(t, b, func(s Stats) bool { return s.Pending == 0 })
	info, err := lg.DescribeTopic(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	fired, used := map[string]map[int64]bool{}, 0
	for _, p := range info.Partitions {
		before := len(fired)
		if err := collect(context.Background(), lg, log.TopicPartition{Topic: "t", Partition: p.Partition}, fired); err != nil {
			t.Error(err)
		}
		if len(fired) > before {
			used++
		}
	}
	if s := b.Stats(); len(fired) != n || s.Failed != 0 || s.Held != 0 || used < changes/2 {
		t.Errorf("%d of %d fired into %d partitions: %+v", len(fired), n, used, s)
	}
	stop()
}
