package client_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/logtest"
)

// What a filter leaves out at the end of a layout is done with: the records of the next layout are not waited for without end.
func TestTransformerInKeyOrderWithFilter(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		lg.Topic("out", 1)
		opts := transformerOptions()
		opts.KeyOrder = true
		opts.Filter = &log.Filter{Keys: [][]byte{[]byte("k")}}
		add := func(key, value string) {
			if _, err := lg.Append(t.Context(), tpOf(0), &log.Batch{Records: []log.Record{{Key: []byte(key), Value: []byte(value)}}}); err != nil {
				t.Fatal(err)
			}
		}
		var work sync.WaitGroup
		work.Go(func() {
			if err := runTransformer(t, lg, time.Minute, opts, copyTo("out")); err != nil {
				t.Error(err)
			}
		})
		add("k", "a")
		time.Sleep(5 * time.Second) // of the bubble's time
		synctest.Wait()
		add("other", "left out")
		if _, err := lg.AddPartitions(t.Context(), "t", 1); err != nil {
			t.Fatal(err)
		}
		add("k", "b")
		work.Wait()
		if got := values(lg.Records(log.TopicPartition{Topic: "out"})); len(got) != 2 {
			t.Errorf("output %v", got)
		}
	})
}
