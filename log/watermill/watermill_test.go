package watermill_test

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest/leaktest"
	"lodge/log/watermill"
)

var (
	stress = flag.Bool("stress", false, "run Watermill's stress suite too: minutes")
	seed   = flag.Uint64("seed", 0, "of the random tests; 0: another one each time")
)

func TestMain(m *testing.M) {
	flag.Parse()
	leaktest.VerifyTestMain(m)
}

// openLog opens a broker on the disk, with the tests' impatient settings.
func openLog(t *testing.T) *broker.Broker {
	t.Helper()
	lg, err := broker.Open(t.TempDir(), broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lg.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := lg.Close(); err != nil {
			t.Error(err)
		}
	})
	return lg
}

// constructors make publishers and subscribers of one log, for topics of some partitions.
func constructors(t *testing.T, partitions, parallel int) (tests.PubSubConstructor, tests.ConsumerGroupPubSubConstructor) {
	lg := openLog(t)
	config := &log.TopicConfig{Partitions: partitions, Durability: log.Interval}
	grouped := func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		pub, err := watermill.NewPublisher(lg, watermill.PublisherConfig{CreateTopics: config})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{
			Group: log.Group(group), CreateTopics: config, CommitInterval: 100 * time.Millisecond, NackDelay: time.Millisecond,
			Parallel: parallel, OrderKey: func(r *log.Record) string { return r.Position().String() },
			Consumer: client.ConsumerOptions{HeartbeatInterval: 100 * time.Millisecond}, HandoverWait: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		return pub, sub
	}
	own := func(t *testing.T) (message.Publisher, message.Subscriber) { // a group for each test, so that none waits for the rebalances of the others
		return grouped(t, notInNames.ReplaceAllString(t.Name(), "-"))
	}
	return own, grouped
}

var notInNames = regexp.MustCompile("[^a-zA-Z0-9._-]+")

// features are what is promised: with one partition the order of all messages, too.
func features(partitions int) tests.Features {
	return tests.Features{
		ConsumerGroups: true, ExactlyOnceDelivery: false, GuaranteedOrder: partitions == 1, Persistent: true,
		NewSubscriberReceivesOldMessages: false, // a new one of the same group goes on where the group is; see TestWithoutGroup
	}
}

func TestWithoutGroup(t *testing.T) {
	_, grouped := constructors(t, 8, 1)
	f := features(8)
	f.NewSubscriberReceivesOldMessages = true
	tests.TestNewSubscriberReceivesOldMessages(t, tests.TestContext{TestID: tests.NewTestID(), Features: f},
		func(t *testing.T) (message.Publisher, message.Subscriber) { return grouped(t, "") })
}

func TestUniversalSuite(t *testing.T) {
	for _, c := range []struct{ partitions, parallel int }{{1, 1}, {8, 1}, {8, 8}} {
		t.Run(fmt.Sprintf("partitions=%d,parallel=%d", c.partitions, c.parallel), func(t *testing.T) {
			pubSub, grouped := constructors(t, c.partitions, c.parallel)
			tests.TestPubSub(t, features(c.partitions), pubSub, grouped)
		})
	}
}

func TestUniversalStressSuite(t *testing.T) {
	if !*stress {
		t.Skip("long: run it with -stress")
	}
	pubSub, grouped := constructors(t, 8, 1)
	tests.TestPubSubStressTest(t, features(8), pubSub, grouped)
}
