package watermill_test

import (
	"context"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/watermill"
)

// appendTyped appends records of one type, one batch each.
func appendTyped(t *testing.T, lg *broker.Broker, eventType string, values ...string) {
	t.Helper()
	for _, value := range values {
		r := log.Record{Value: []byte(value), Headers: []log.Header{{Key: "ce_type", Value: []byte(eventType)}}}
		if _, err := lg.Append(t.Context(), log.TopicPartition{Topic: "t"}, &log.Batch{Records: []log.Record{r}}); err != nil {
			t.Error(err)
		}
	}
}

// awaitCommitted waits until the group has committed this offset.
func awaitCommitted(t *testing.T, lg *broker.Broker, group log.Group, want log.Offset) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tp := log.TopicPartition{Topic: "t"}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		got, err := lg.FetchOffsets(ctx, group, []log.TopicPartition{tp})
		if err != nil {
			t.Fatalf("committed %v of %d: %v", got[tp].Offset, want, err)
		}
		if got[tp].Offset == want {
			return
		}
		if got[tp].Offset > want {
			t.Fatalf("committed %d, which is behind %d", got[tp].Offset, want)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("committed %d, not %d", got[tp].Offset, want)
		}
	}
}

func filteredSubscriber(t *testing.T, lg *broker.Broker, types ...string) *watermill.Subscriber {
	t.Helper()
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{
		Group: "canceled", Filter: &log.Filter{Tags: types}, CommitInterval: 2 * time.Millisecond, NackDelay: time.Millisecond,
		Consumer: client.ConsumerOptions{FetchWait: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sub.Close() })
	return sub
}

// TestFilterCommitsWhatItLeavesOut: only what matches is sent, what does not is committed, and what is not acknowledged is not.
func TestFilterCommitsWhatItLeavesOut(t *testing.T) {
	lg := openLog(t)
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	appendTyped(t, lg, "placed", "a", "b")
	appendTyped(t, lg, "canceled", "c")
	appendTyped(t, lg, "placed", "d", "e", "f")
	sub := filteredSubscriber(t, lg, "canceled")
	messages, err := sub.Subscribe(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	msg := <-messages
	if string(msg.Payload) != "c" {
		t.Fatalf("got %s", msg.Payload)
	}
	msg.Ack()
	awaitCommitted(t, lg, "canceled", 6)
	appendTyped(t, lg, "placed", "g", "h")
	awaitCommitted(t, lg, "canceled", 8)
	appendTyped(t, lg, "canceled", "i")
	appendTyped(t, lg, "placed", "j")
	if msg = <-messages; string(msg.Payload) != "i" {
		t.Fatalf("got %s", msg.Payload)
	}
	if err := sub.Close(); err != nil { // gives the message under way up
		t.Fatal(err)
	}
	awaitCommitted(t, lg, "canceled", 8)
	again := filteredSubscriber(t, lg, "canceled")
	if messages, err = again.Subscribe(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if msg = <-messages; string(msg.Payload) != "i" {
		t.Fatalf("got %s, not the message that was given up", msg.Payload)
	}
	msg.Ack()
	awaitCommitted(t, lg, "canceled", 10)
}

// TestFilterLosesNothing acknowledges slowly while much else passes, restarts in between, and counts.
func TestFilterLosesNothing(t *testing.T) {
	lg := openLog(t)
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{Durability: log.Interval}); err != nil {
		t.Fatal(err)
	}
	const wanted = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range wanted {
			appendTyped(t, lg, "placed", "x", "y", "z")
			appendTyped(t, lg, "canceled", string(rune('A'+i)))
		}
	}()
	next := 0
	for next < wanted {
		sub := filteredSubscriber(t, lg, "canceled")
		messages, err := sub.Subscribe(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		for range 7 {
			if next == wanted {
				break
			}
			msg := <-messages
			got := int([]rune(string(msg.Payload))[0] - 'A')
			if got > next {
				t.Fatalf("got %d before %d", got, next)
			}
			if got == next {
				next++
			}
			msg.Ack()
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}
