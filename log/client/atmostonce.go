package client

import (
	"context"

	"lodge/log"
)

// held is what Poll has taken and not returned, because its offsets are to be committed first. When that fails the next Poll tries again.
type held struct {
	records []log.Record
	seeks   map[*assigned]int // the partitions they are of, as they were
}

// hold keeps records back until they are committed. polling must be held.
func (c *Consumer) hold(records []log.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = &held{records: records, seeks: map[*assigned]int{}}
	for i := range records {
		if a := c.parts[partitionOf(&records[i])]; a != nil {
			c.held.seeks[a] = a.seeks
		}
	}
}

// release commits what is held and returns it, without what this member lost meanwhile: who has that partition now may have returned it
// already. polling must be held.
func (c *Consumer) release(ctx context.Context) ([]log.Record, error) {
	for {
		offsets := c.heldOffsets()
		if len(offsets) == 0 {
			c.held = nil
			return nil, nil
		}
		err := c.commitThere(ctx, offsets)
		if isDeposed(err) && len(c.heldOffsets()) < len(offsets) {
			continue // some are lost; the others may still be this member's
		}
		if isDeposed(err) && log.CodeOf(err) != log.FencedInstance {
			c.held = nil // the heartbeat will tell of the rest
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		records := c.heldRecords(offsets)
		c.held = nil
		return records, nil
	}
}

// heldOffsets says where what is held ends, in partitions that are still read from there.
func (c *Consumer) heldOffsets() map[log.TopicPartition]log.CommittedOffset {
	c.mu.Lock()
	defer c.mu.Unlock()
	offsets := map[log.TopicPartition]log.CommittedOffset{}
	for a, seeks := range c.held.seeks {
		if c.parts[a.tp] == a && a.seeks == seeks {
			offsets[a.tp] = log.CommittedOffset{Offset: a.position}
		}
	}
	return offsets
}

// heldRecords returns the records of partitions that were committed.
func (c *Consumer) heldRecords(committed map[log.TopicPartition]log.CommittedOffset) []log.Record {
	records := c.held.records[:0:0]
	for i := range c.held.records {
		if _, ok := committed[partitionOf(&c.held.records[i])]; ok {
			records = append(records, c.held.records[i])
		}
	}
	return records
}

func partitionOf(r *log.Record) log.TopicPartition {
	return log.TopicPartition{Topic: r.Topic, Partition: r.Partition}
}
