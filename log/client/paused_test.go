package client_test

import (
	"context"
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

// A member that wants to know only what to read is told, fetches nothing, and may commit.
func TestAssignedPaused(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		put(t, lg, 0, "a")
		assigned := make(chan struct{})
		c, err := client.NewConsumer(lg, client.ConsumerOptions{
			Group: "g", Paused: true, Delivery: client.ExactlyOnce, CommitInterval: -1, Assignors: []client.Assignor{client.CoPartitioned},
			OnAssigned: func(context.Context, []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
				close(assigned)
				return map[log.TopicPartition]log.Offset{tpOf(0): 0}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Subscribe(tpOf(0).Topic); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		polled := make(chan error)
		go func() {
			records, err := c.Poll(ctx)
			if len(records) > 0 {
				t.Errorf("Poll returned %v", records)
			}
			polled <- err
		}()
		<-assigned
		stop()
		if err := <-polled; err == nil {
			t.Error("Poll returned")
		}
		if err := c.Commit(t.Context(), map[log.TopicPartition]log.Offset{tpOf(0): 1}); err != nil {
			t.Error(err)
		}
		c.Resume(tpOf(0))
		if records, err := c.Poll(t.Context()); err != nil || len(records) != 1 {
			t.Errorf("after Resume: %v, %v", records, err)
		}
	})
}

func TestPausedNeedsAGroup(t *testing.T) {
	_, err := client.NewConsumer(logtest.Open(t, broker.Options{}), client.ConsumerOptions{Paused: true})
	if log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("error %v", err)
	}
}
