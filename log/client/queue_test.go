package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

// workers opens a log with a queue group over topic jobs that holds n records.
func workers(t *testing.T, n int, config log.QueueConfig) *logtest.Log {
	t.Helper()
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("jobs", 2)
	if err := lg.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, config); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := lg.Append(t.Context(), tps[i%2], &log.Batch{Records: []log.Record{{Value: fmt.Append(nil, i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	return lg
}

// workOff runs a queue consumer until handle has returned true.
func workOff(t *testing.T, lg *logtest.Log, opts client.QueueConsumerOptions, handle func(context.Context, *log.Delivery) (last bool, err error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts.Group = "workers"
	c, err := client.NewQueueConsumer(lg, opts, func(ctx context.Context, d *log.Delivery) error {
		last, err := handle(ctx, d)
		if last {
			cancel()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestQueueConsumersShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		lg := workers(t, n, log.QueueConfig{})
		var mu sync.Mutex
		got := map[string]int{}
		workOff(t, lg, client.QueueConsumerOptions{Concurrency: 8}, func(_ context.Context, d *log.Delivery) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			got[string(d.Record.Value)]++
			return len(got) == n, nil
		})
		for v, times := range got {
			if times != 1 {
				t.Errorf("record %s was handled %d times", v, times)
			}
		}
	})
}

func TestQueueConsumerTriesAgainAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := workers(t, 1, log.QueueConfig{DeliveriesMax: 3})
		began, tries := time.Now(), []time.Duration{}
		workOff(t, lg, client.QueueConsumerOptions{}, func(_ context.Context, d *log.Delivery) (bool, error) {
			tries = append(tries, time.Since(began).Round(time.Second))
			return len(tries) == 3, errors.New("the printer burns")
		})
		if fmt.Sprint(tries) != "[0s 1s 3s]" {
			t.Errorf("tried at %v", tries)
		}
		letters, err := lg.Fetch(t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "dlq.workers"}, MaxWait: time.Minute})
		if err != nil || len(letters.Records) != 1 {
			t.Fatalf("letters %+v, %v", letters, err)
		}
		// The last try was ended by the consumer's stop.
		if cause, _ := letters.Records[0].Header(log.DeadLetterCauseHeader); string(cause) != "the consumer was stopped" {
			t.Errorf("cause %q", cause)
		}
	})
}

func TestQueueConsumerKeepsWhatItWorksOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := workers(t, 1, log.QueueConfig{})
		handled := 0
		workOff(t, lg, client.QueueConsumerOptions{Concurrency: 3}, func(context.Context, *log.Delivery) (bool, error) {
			handled++
			time.Sleep(10 * time.Minute) // of the bubble's time: twenty times the visibility
			return true, nil
		})
		infos, err := lg.DescribeQueues(t.Context())
		if err != nil || handled != 1 || infos[0].InFlight != 0 || infos[0].Floor != 1 {
			t.Errorf("handled %d times; %+v, %v", handled, infos, err)
		}
	})
}

func TestQueueConsumerEndsWithItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := workers(t, 0, log.QueueConfig{})
		c, err := client.NewQueueConsumer(lg, client.QueueConsumerOptions{Group: "workers"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- c.Run(t.Context()) }()
		synctest.Wait()
		if err := lg.DeleteQueue(t.Context(), "workers"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; log.CodeOf(err) != log.UnknownGroup {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestQueueConsumerKeepsWhatHasAShortDeadline works on a group whose visibility is not the consumer's.
func TestQueueConsumerKeepsWhatHasAShortDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := workers(t, 1, log.QueueConfig{Visibility: time.Second})
		handled := 0
		workOff(t, lg, client.QueueConsumerOptions{Concurrency: 3}, func(context.Context, *log.Delivery) (bool, error) {
			handled++
			time.Sleep(5 * time.Second) // of the bubble's time
			return true, nil
		})
		if handled != 1 {
			t.Errorf("handled %d times", handled)
		}
	})
}

func TestQueueConsumerVisibilityIsChecked(t *testing.T) {
	for d, ok := range map[time.Duration]bool{0: true, time.Millisecond: false, -1: false, time.Second: true, 13 * time.Hour: false} {
		opts := client.QueueConsumerOptions{Group: "g", Visibility: d}
		if err := opts.Validate(); (err == nil) != ok || !ok && log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("visibility %v: %v", d, err)
		}
	}
}
