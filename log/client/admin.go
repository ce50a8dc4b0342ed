package client

import (
	"context"

	"lodge/log"
)

// Admin keeps topics: it is the log's own Admin with what programs usually build on it.
type Admin struct{ log.Admin }

// NewAdmin returns an Admin for lg.
func NewAdmin(lg log.Admin) Admin { return Admin{Admin: lg} }

// EnsureTopic makes the topic unless it is there. One that is there is left as it is; with another number
// of partitions than config wants the error is TopicExists, because keys would go elsewhere than the caller expects.
func (a Admin) EnsureTopic(ctx context.Context, name log.Topic, config log.TopicConfig) error {
	err := a.CreateTopic(ctx, name, config)
	if log.CodeOf(err) != log.TopicExists {
		return err
	}
	info, err := a.DescribeTopic(ctx, name)
	if err != nil {
		return err
	}
	if want := max(1, config.Partitions); len(info.Partitions) != want {
		return log.NewError(log.TopicExists, "ensure topic "+string(name), "it has %d partitions, not %d", len(info.Partitions), want)
	}
	return nil
}

// Partitions returns the partitions of topics, for Consumer.Assign.
func (a Admin) Partitions(ctx context.Context, topics ...log.Topic) ([]log.TopicPartition, error) {
	var tps []log.TopicPartition
	for _, topic := range topics {
		info, err := a.DescribeTopic(ctx, topic)
		if err != nil {
			return nil, err
		}
		for _, p := range info.Partitions {
			tps = append(tps, log.TopicPartition{Topic: topic, Partition: p.Partition})
		}
	}
	return tps, nil
}
