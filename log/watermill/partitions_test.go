package watermill_test

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/watermill"
)

func appendTo(t *testing.T, lg *broker.Broker, partition log.Partition, value string) {
	t.Helper()
	_, err := lg.Append(t.Context(), log.TopicPartition{Topic: "t", Partition: partition}, &log.Batch{Records: []log.Record{{Value: []byte(value)}}})
	if err != nil {
		t.Fatal(err)
	}
}

func wantNext(t *testing.T, messages <-chan *message.Message, want string) {
	t.Helper()
	msg, ok := <-messages
	if !ok || string(msg.Payload) != want {
		t.Fatalf("got %v, %v, not %s", msg, ok, want)
	}
	msg.Ack()
}

func TestSubscriptionWithoutGroupFollowsTheTopic(t *testing.T) {
	lg := openLog(t)
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{FollowInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	messages, err := sub.Subscribe(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"first", "second"} { // more than the new topic has: at offset 1 of that one would be waited for
		appendTo(t, lg, 0, v)
		wantNext(t, messages, v)
	}
	if _, err := lg.AddPartitions(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	appendTo(t, lg, 1, "in a new partition")
	wantNext(t, messages, "in a new partition")
	if err := lg.DeleteTopic(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	appendTo(t, lg, 0, "in a new topic")
	wantNext(t, messages, "in a new topic")
}

// TestSubscriptionGoesOnBehindRetention comes back when the messages that it stopped at are no longer kept.
func TestSubscriptionGoesOnBehindRetention(t *testing.T) {
	lg := openLog(t)
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	for i, v := range []string{"a", "b", "c"} {
		appendTo(t, lg, 0, v)
		if i == 2 {
			if err := lg.DeleteRecords(t.Context(), log.TopicPartition{Topic: "t"}, 2); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			continue
		}
		sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "g"})
		if err != nil {
			t.Fatal(err)
		}
		messages, err := sub.Subscribe(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		wantNext(t, messages, v)
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
