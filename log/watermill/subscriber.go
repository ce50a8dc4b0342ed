package watermill

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/client"
)

// SubscriberConfig configures a Subscriber. The zero value of a field means its default.
type SubscriberConfig struct {
	// Group shares each topic's messages among the subscriptions of this name, also in other processes of the log. "": each
	// subscription gets all messages from Start on, and nothing is remembered.
	Group log.Group

	// Start is where a subscription begins that finds no committed offset: default the beginning.
	Start client.Start

	// Filter, when not nil, has only the records sent that it chooses, by tag or key; a record's tag is the value of its topic's TagHeader, such
	// as an event's type. The log leaves the others out without decoding them. They count as acknowledged: a group commits how far it has
	// looked, so that a long stretch without a match is not read again by the next subscription.
	Filter *log.Filter

	// Consumer's other options: Filter, Group, Start, Delivery, CommitInterval, OnAssigned, OnRevoked and OnLost are set here. Nobody can seek, so
	// an OutOfRange of Fail, the default, is ToBeginning.
	Consumer client.ConsumerOptions

	// Parallel is how many messages of a partition may be under way at the same time: default 1, the next one when the one before is acknowledged. With more,
	// those of one OrderKey come in their order, one after the other. What is committed is how far all are acknowledged: at most some 1,500 behind that come again
	// after a crash though they were.
	Parallel int
	OrderKey func(*log.Record) string // default: the record's key. It is called once for each record and must not change it

	FollowInterval time.Duration    // without a group: how often to look for added and retired partitions: default 5 s
	CommitInterval time.Duration    // how often acknowledged offsets are committed: default 1 s
	NackDelay      time.Duration    // before a message is sent again: default 100 ms; negative: at once
	HandoverWait   time.Duration    // how long a message under way may keep its partition from going to another subscription: default 10 s
	KeyMetadata    string           // the metadata entry that gets the record's key: default KeyMetadata
	CreateTopics   *log.TopicConfig // when not nil, topics that are missing are made like this
	Logger         *slog.Logger     // default: discard
}

// ParallelMax bounds SubscriberConfig.Parallel.
const ParallelMax = 256

// SubscriberLog is what a Subscriber needs of a log.
type SubscriberLog interface {
	log.Reader
	log.Admin
	log.Coordinator
}

// Subscriber receives messages from a log. Safe for concurrent use.
type Subscriber struct {
	lg     SubscriberLog
	config SubscriberConfig
	topics topics

	mu      sync.Mutex
	closed  bool
	closing chan struct{}
	running sync.WaitGroup // subscriptions
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber. It starts no goroutine; each Subscribe starts some, and Close ends them.
func NewSubscriber(lg SubscriberLog, config SubscriberConfig) (*Subscriber, error) {
	if err := config.Consumer.Validate(); err != nil {
		return nil, err
	}
	if config.Group != "" {
		if err := config.Group.Validate(); err != nil {
			return nil, err
		}
	}
	if config.Parallel < 0 || config.Parallel > ParallelMax {
		return nil, log.NewError(log.InvalidArgument, "subscribe", "Parallel is %d, not in [0, %d]", config.Parallel, ParallelMax)
	}
	config.Parallel = cmp.Or(config.Parallel, 1)
	if config.OrderKey == nil {
		config.OrderKey = func(r *log.Record) string { return string(r.Key) }
	}
	config.FollowInterval = cmp.Or(config.FollowInterval, 5*time.Second)
	config.CommitInterval = cmp.Or(config.CommitInterval, time.Second)
	config.NackDelay = cmp.Or(config.NackDelay, 100*time.Millisecond)
	config.HandoverWait = cmp.Or(config.HandoverWait, 10*time.Second)
	config.KeyMetadata = cmp.Or(config.KeyMetadata, KeyMetadata)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return &Subscriber{lg: lg, config: config, topics: topics{admin: lg, config: config.CreateTopics}, closing: make(chan struct{})}, nil
}

// SubscribeInitialize makes the topic if it is missing and the configuration says how.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	return s.topics.ensure(context.Background(), log.Topic(topic))
}

// Subscribe returns the messages of a topic, until ctx ends or the subscriber is closed; then the channel is closed. The next message of a
// partition comes when the one before is acknowledged, unless SubscriberConfig.Parallel allows more. Errors: InvalidTopic, UnknownTopic, Closed.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	name := log.Topic(topic)
	if err := name.Validate(); err != nil {
		return nil, err
	}
	if err := s.topics.ensure(ctx, name); err != nil {
		return nil, err
	}
	if _, err := s.lg.DescribeTopic(ctx, name); err != nil {
		return nil, err
	}
	sub, err := newSubscription(ctx, s, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		sub.stop()
		sub.consumer.Close()
		return nil, errClosed("subscribe to " + topic)
	}
	s.running.Go(sub.run)
	return sub.out, nil
}

// Close ends all subscriptions: what was acknowledged is committed, messages under way are given up, all channels are closed.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}
