package log

import (
	"cmp"
	"time"
)

// Durability says when an append is acknowledged.
type Durability string

// The durabilities. Sync is the default.
const (
	Sync     Durability = "sync"     // acknowledged means on disk: fdatasync before the answer
	Interval Durability = "interval" // acknowledged means in the page cache; synced every SyncInterval
	None     Durability = "none"     // acknowledged means in the page cache; synced when a segment is rolled or closed
)

// TopicConfig holds a topic's settings. The zero value of a field means its default.
type TopicConfig struct {
	Partitions     int           // default 1, at most PartitionsMax
	Durability     Durability    // default Sync
	SyncInterval   time.Duration // for Interval: default 100 ms
	SegmentBytes   int64         // roll a segment at this size: default 64 MiB, 4 KiB to 1 GiB
	SegmentAge     time.Duration // roll a segment whose first record is this old: default 7 days
	RetentionBytes int64         // for each partition; default -1: no limit
	RetentionAge   time.Duration // default -1: for ever
	RecordBytesMax int           // one record, encoded and uncompressed: default 1 MiB, at most 64 MiB
}

// WithDefaults returns c with its zero fields set to their defaults.
func (c TopicConfig) WithDefaults() TopicConfig {
	c.Partitions = cmp.Or(c.Partitions, 1)
	c.Durability = cmp.Or(c.Durability, Sync)
	c.SyncInterval = cmp.Or(c.SyncInterval, 100*time.Millisecond)
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 64<<20)
	c.SegmentAge = cmp.Or(c.SegmentAge, 7*24*time.Hour)
	c.RetentionBytes = cmp.Or(c.RetentionBytes, -1)
	c.RetentionAge = cmp.Or(c.RetentionAge, -1)
	c.RecordBytesMax = cmp.Or(c.RecordBytesMax, 1<<20)
	return c
}

// Limits on topics.
const (
	PartitionsMax = 1024
	TopicsMax     = 1024
)

// TopicInfo describes a topic as it is.
type TopicInfo struct {
	Name       Topic
	Config     TopicConfig // complete: defaults filled in
	CreateTime time.Time
	Partitions []PartitionInfo
}

// PartitionInfo describes a partition at one moment.
type PartitionInfo struct {
	Partition     Partition
	LeaderEpoch   LeaderEpoch
	LogStart      Offset // first kept
	HighWatermark Offset // below it all is committed and readable
	LogEnd        Offset // next to be written
	Bytes         int64  // of record batches, without preallocated space
	Segments      int
	Err           string // why the partition takes no appends or reads, or ""
}
