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
	const n, changes, each = 3000, 20, 3000 / 20
	var due time.Time // never goes back: what is scheduled behind the fired ones of its key comes behind them, whenever it was due
	for i := range changes {
		begin := due
		if soon := time.Now().Add(10 * time.Millisecond); soon.After(begin) {
			begin = soon
		}
		for j := i * each; j < (i+1)*each; j++ {
			key := ""
			if j%3 > 0 {
				key = fmt.Sprint("k", j%20)
			}
			due = begin.Add(time.Duration(j%each/10) * 4 * time.Millisecond)
			mustSchedule(t, b, log.Schedule{ID: fmt.Sprint(j), At: due, Record: plain("t", key, fmt.Sprint(j))})
		}
		awaitStats(t, b, func(s Stats) bool { return s.Fired > int64(i*each) }) // into one of the two partitions that there are now
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
		if err := collect(context.Background(), lg, log.TopicPartition{Topic: "t", Partition: p.Partition}, fired, true); err != nil {
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
