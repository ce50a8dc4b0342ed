package main

import (
	"context"
	"errors"

	"lodge/log"
	"lodge/log/broker"
)

var lodgePartition = log.TopicPartition{Topic: "bench"}

// lodgeStore is one partition of Lodge's log.
type lodgeStore struct {
	lg   *broker.Broker
	stop context.CancelFunc
	done chan error
}

func openLodge(dir string, durable bool) (store, error) {
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return nil, err
	}
	config := log.TopicConfig{Durability: log.None}
	if durable {
		config.Durability = log.Sync
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := lg.CreateTopic(ctx, lodgePartition.Topic, config); err != nil && log.CodeOf(err) != log.TopicExists {
		cancel()
		return nil, errors.Join(err, lg.Close())
	}
	s := &lodgeStore{lg: lg, stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- lg.Run(ctx) }()
	return s, nil
}

func (s *lodgeStore) append(ctx context.Context, records [][]byte) error {
	batch := log.Batch{Records: make([]log.Record, len(records))}
	for i, r := range records {
		batch.Records[i].Value = r
	}
	_, err := s.lg.Append(ctx, lodgePartition, &batch)
	return err
}

func (s *lodgeStore) readAll(ctx context.Context) (n int, err error) {
	next, end, err := s.lg.Offsets(ctx, lodgePartition)
	for err == nil && next < end {
		var found log.FetchResult
		found, err = s.lg.Fetch(ctx, log.FetchRequest{TopicPartition: lodgePartition, Offset: next})
		n, next = n+len(found.Records), found.Next
	}
	return n, err
}

func (s *lodgeStore) close() error {
	s.stop()
	return errors.Join(<-s.done, s.lg.Close())
}
