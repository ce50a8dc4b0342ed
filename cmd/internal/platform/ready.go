package platform

import (
	"context"
	"fmt"

	"lodge/log"
)

// WaitReady returns when every query can be answered: all read models have tables in service. Run must be running.
func (p *Platform) WaitReady(ctx context.Context) error { return p.Store.WaitReady(ctx) }

// WaitCaughtUp returns when the read models hold everything that was committed when it was called. Run must be running.
func (p *Platform) WaitCaughtUp(ctx context.Context) error {
	if err := p.WaitReady(ctx); err != nil {
		return err
	}
	for _, projector := range Projectors() {
		for _, topic := range projector.Topics() {
			for n := range p.Partitions {
				if err := p.waitFor(ctx, projector.Name(), log.TopicPartition{Topic: topic, Partition: log.Partition(n)}); err != nil {
					return fmt.Errorf("wait for %s: %w", projector.Name(), err)
				}
			}
		}
	}
	return nil
}

// waitFor waits as long as it takes: a long replay outlasts what a single query may wait.
func (p *Platform) waitFor(ctx context.Context, name string, tp log.TopicPartition) error {
	_, end, err := p.Broker.Offsets(ctx, tp)
	if err != nil || end == 0 {
		return err
	}
	for {
		err := p.Store.WaitFor(ctx, name, log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: end - 1})
		if ctx.Err() != nil || log.CodeOf(err) != log.Unavailable {
			return err
		}
	}
}
