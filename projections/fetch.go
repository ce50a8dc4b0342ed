package projections

import (
	"context"
	"time"

	"lodge/log"
)

const (
	bulkFetchBytes = 4 << 20         // of one fetch in a replay
	feedEventsMax  = 8192            // of one batch that follows the log, before it is handed over
	longPoll       = 5 * time.Second // how long a fetch waits at the log's end
	backoffMin     = 50 * time.Millisecond
	backoffMax     = 10 * time.Second
)

// fetch reads and decodes once from an offset on. A batch with an error beside it ends before a record that cannot be decoded.
func (s *Store) fetch(ctx context.Context, tp log.TopicPartition, from log.Offset, bytes int, wait time.Duration) (*batch, error) {
	if err := s.step(StepFetch); err != nil {
		return nil, err
	}
	req := log.FetchRequest{TopicPartition: tp, Offset: from, MaxBytes: bytes, MaxWait: wait}
	found, err := s.reader.Fetch(ctx, req)
	if err != nil {
		return nil, err
	}
	return decode(&req, &found)
}

// collect fetches until it has Options.BulkEvents events or reaches end. It may go past it.
func (s *Store) collect(ctx context.Context, tp log.TopicPartition, from, end log.Offset) (*batch, error) {
	all, err := s.fetch(ctx, tp, from, bulkFetchBytes, 0)
	for err == nil && all.next < end && len(all.events) < s.opts.BulkEvents {
		var more *batch
		if more, err = s.fetch(ctx, tp, all.next, bulkFetchBytes, 0); more == nil {
			break
		}
		if more.next == all.next && err == nil {
			err = log.NewError(log.Unavailable, "read "+tp.String(), "nothing at %d, below the high watermark %d", all.next, end)
		}
		all.join(more)
	}
	return all, err
}

// replay applies to the shard what lies between its checkpoint and ends, and no more, topic by topic: a shard that
// is attached must be where its feed is.
func (s *Store) replay(ctx context.Context, sh *shard, ends map[log.Topic]log.Offset, count func(events int)) error {
	for _, topic := range sh.projector.Topics() {
		for {
			next, _, _ := sh.marks.get(topic)
			if next >= ends[topic] {
				break
			}
			if err := ctx.Err(); err != nil {
				return err // whoever reads the partition now waits for this
			}
			b, err := s.collect(ctx, log.TopicPartition{Topic: topic, Partition: sh.partition}, next, ends[topic])
			if b != nil {
				b.truncate(ends[topic])
			}
			if b != nil && b.next > next && !injected(err) {
				if aerr := sh.apply(b, s.step); aerr != nil {
					return aerr
				}
				count(len(b.events))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ends returns the high watermarks of a projection's topics in a partition.
func (s *Store) ends(ctx context.Context, topics []log.Topic, partition log.Partition) (map[log.Topic]log.Offset, error) {
	ends := map[log.Topic]log.Offset{}
	for _, topic := range topics {
		_, end, err := s.reader.Offsets(ctx, log.TopicPartition{Topic: topic, Partition: partition})
		if err != nil {
			return nil, err
		}
		ends[topic] = end
	}
	return ends, nil
}
