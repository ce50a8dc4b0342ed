package watermill

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/client"
)

// PublisherConfig configures a Publisher. The zero value of a field means its default.
type PublisherConfig struct {
	Producer     client.ProducerOptions
	KeyMetadata  string           // the metadata entry that is the record's key: default KeyMetadata
	CreateTopics *log.TopicConfig // when not nil, topics that are missing are made like this
	CloseTimeout time.Duration    // how long Close waits for what is being published: default 30 s
}

// PublisherLog is what a Publisher needs of a log.
type PublisherLog interface {
	client.ProducerLog
	log.Admin
}

// Publisher publishes messages to a log. Safe for concurrent use.
type Publisher struct {
	config   PublisherConfig
	producer *client.Producer
	topics   topics
	closed   atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher. Close it when done.
func NewPublisher(lg PublisherLog, config PublisherConfig) (*Publisher, error) {
	producer, err := client.NewProducer(lg, config.Producer)
	if err != nil {
		return nil, err
	}
	config.KeyMetadata = cmp.Or(config.KeyMetadata, KeyMetadata)
	config.CloseTimeout = cmp.Or(config.CloseTimeout, 30*time.Second)
	return &Publisher{config: config, producer: producer, topics: topics{admin: lg, config: config.CreateTopics}}, nil
}

// Publish appends the messages, those of one key in their order, and returns when all are acknowledged. With an error some may be in the
// log and some not; each context that ends stops the waiting. Errors: InvalidArgument, UnknownTopic, RecordTooLarge, Unavailable, Closed.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if p.closed.Load() {
		return errClosed("publish to " + topic)
	}
	if err := p.topics.ensure(context.Background(), log.Topic(topic)); err != nil {
		return err
	}
	futures := make([]client.Future, 0, len(messages))
	var failed error
	for _, msg := range messages {
		r, err := recordOf(log.Topic(topic), msg, p.config.KeyMetadata)
		if err == nil {
			var f client.Future
			if f, err = p.producer.Produce(msg.Context(), r); err == nil {
				futures = append(futures, f)
			}
		}
		if err != nil {
			failed = err
			break
		}
	}
	for i, f := range futures {
		if _, err := f.Wait(messages[i].Context()); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// Close waits for what is being published and ends the publisher.
func (p *Publisher) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.config.CloseTimeout)
	defer cancel()
	return errors.Join(p.producer.Close(ctx))
}

func errClosed(op string) error { return log.NewError(log.Closed, op, "it is closed") }
