package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"lodge/log"
	"lodge/log/client"
	"lodge/log/watermill"
)

// keyed makes a message with a record key.
func keyed(key, payload string) *message.Message {
	msg := message.NewMessage(wm.NewUUID(), []byte(payload))
	msg.Metadata.Set(watermill.KeyMetadata, key)
	msg.Metadata.Set("color", "blue")
	return msg
}

func TestKeysKeepTheirOrderAndMetadataIsKept(t *testing.T) {
	lg := openLog(t)
	pub, err := watermill.NewPublisher(lg, watermill.PublisherConfig{CreateTopics: &log.TopicConfig{Partitions: 4}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	const keys, each = 5, 40
	for i := range each {
		var batch []*message.Message
		for k := range keys {
			batch = append(batch, keyed(fmt.Sprint("k", k), fmt.Sprint(i)))
		}
		if err := pub.Publish("orders", batch...); err != nil {
			t.Fatal(err)
		}
	}
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	messages, err := sub.Subscribe(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for range keys * each {
		msg := <-messages
		key := msg.Metadata.Get(watermill.KeyMetadata)
		if want := fmt.Sprint(next[key]); string(msg.Payload) != want || msg.Metadata.Get("color") != "blue" {
			t.Fatalf("key %s: got %s, want %s; metadata %v", key, msg.Payload, want, msg.Metadata)
		}
		if at, ok := watermill.PositionOf(msg.Context()); !ok || at.Topic != "orders" {
			t.Fatalf("position %v, %v", at, ok)
		}
		next[key]++
		msg.Ack()
	}
}

func TestForeignRecordsHaveTheirPositionAsUUID(t *testing.T) {
	lg := openLog(t)
	if err := lg.CreateTopic(t.Context(), "raw", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := lg.Append(t.Context(), log.TopicPartition{Topic: "raw"}, &log.Batch{Records: []log.Record{{Value: []byte("v")}}}); err != nil {
		t.Fatal(err)
	}
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	messages, err := sub.Subscribe(t.Context(), "raw")
	if err != nil {
		t.Fatal(err)
	}
	msg := <-messages
	if msg.UUID != "raw/0@0" {
		t.Errorf("UUID %q", msg.UUID)
	}
	msg.Ack()
}

// TestRouterRetriesAndPoisons runs Watermill's router with its Retry and PoisonQueue middlewares over the log.
func TestRouterRetriesAndPoisons(t *testing.T) {
	lg := openLog(t)
	config := &log.TopicConfig{Partitions: 2}
	pub, err := watermill.NewPublisher(lg, watermill.PublisherConfig{CreateTopics: config})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "payments", CreateTopics: config})
	if err != nil {
		t.Fatal(err)
	}
	router, err := message.NewRouter(message.RouterConfig{}, wm.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	poison, err := middleware.PoisonQueue(pub, "poison")
	if err != nil {
		t.Fatal(err)
	}
	router.AddMiddleware(poison, middleware.Retry{MaxRetries: 2, InitialInterval: time.Millisecond}.Middleware)
	tried := make(chan string, 10)
	router.AddConsumerHandler("pay", "bookings", sub, func(msg *message.Message) error {
		tried <- string(msg.Payload)
		if string(msg.Payload) == "bad" {
			return errors.New("declined")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- router.Run(ctx) }()
	<-router.Running()
	if err := pub.Publish("bookings", keyed("h", "bad"), keyed("h", "good")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"bad", "bad", "bad", "good"} {
		if got := <-tried; got != want {
			t.Fatalf("try %d was of %s, not %s", i, got, want)
		}
	}
	consumer, err := client.NewConsumer(lg, client.ConsumerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if err := consumer.Assign(t.Context(), client.AtBeginning(), log.TopicPartition{Topic: "poison"}, log.TopicPartition{Topic: "poison", Partition: 1}); err != nil {
		t.Fatal(err)
	}
	records, err := consumer.Poll(t.Context())
	if err != nil || len(records) != 1 || string(records[0].Value) != "bad" {
		t.Fatalf("poisoned: %v, %v", records, err)
	}
	if reason, _ := records[0].Header(middleware.ReasonForPoisonedKey); string(reason) != "declined" {
		t.Errorf("reason %q", reason)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConfigurationAndTopicsAreChecked(t *testing.T) {
	lg := openLog(t)
	if _, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "a b"}); log.CodeOf(err) != log.InvalidGroup {
		t.Errorf("group: %v", err)
	}
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Subscribe(t.Context(), "nope"); log.CodeOf(err) != log.UnknownTopic {
		t.Errorf("unknown topic: %v", err)
	}
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Subscribe(t.Context(), "a/b"); log.CodeOf(err) != log.InvalidTopic {
		t.Errorf("illegal topic: %v", err)
	}
	pub, err := watermill.NewPublisher(lg, watermill.PublisherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	msg := keyed("k", "v")
	msg.Metadata.Set(watermill.UUIDHeader, "x")
	for topic, code := range map[string]log.Code{"nope": log.UnknownTopic, "__schedules": log.InvalidArgument} {
		if err := pub.Publish(topic, msg); log.CodeOf(err) != log.InvalidArgument && log.CodeOf(err) != code {
			t.Errorf("publish to %s: %v", topic, err)
		}
	}
	if err := pub.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pub.Publish("nope", keyed("k", "v")); log.CodeOf(err) != log.Closed {
		t.Errorf("publish after close: %v", err)
	}
}
