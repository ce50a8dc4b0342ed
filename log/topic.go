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
	Partitions     int           // active ones: default 1, at most PartitionsMax
	Durability     Durability    // default Sync
	SyncInterval   time.Duration // for Interval: default 100 ms
	SegmentBytes   int64         // roll a segment at this size: default 64 MiB, 4 KiB to 1 GiB
	SegmentAge     time.Duration // roll a segment whose first record is this old: default 7 days
	RetentionBytes int64         // for each partition; default -1: no limit
	RetentionAge   time.Duration // default -1: for ever
	OffloadAge     time.Duration // move full segments whose youngest record is this old to the cold folder, where there is one: default -1: never
	RecordBytesMax int           // one record, encoded and uncompressed: default 1 MiB, at most 64 MiB
	Cleanup        Cleanup       // default CleanupDelete
	TombstoneAge   time.Duration // for compaction: a tombstone is kept this long after it was compacted up to: default 24 h
	DirtyRatio     float64       // for compaction: compact when this part of the bytes is not yet compacted: default 0.5, above 0 to 1
	TagHeader      string        // the header whose value is a record's tag: default "ce_type"
	PointToPoint   bool          // records are deleted once the topic's one queue group has acknowledged them
}

// Cleanup says what becomes of old records.
type Cleanup string

// The cleanups, by Kafka's names.
const (
	CleanupDelete           Cleanup = "delete"         // by retention
	CleanupCompact          Cleanup = "compact"        // of each key at least the last record is kept; a tombstone deletes the key
	CleanupCompactAndDelete Cleanup = "compact,delete" // both
)

// WithDefaults returns c with its zero fields set to their defaults.
func (c TopicConfig) WithDefaults() TopicConfig {
	c.Partitions = cmp.Or(c.Partitions, 1)
	c.Durability = cmp.Or(c.Durability, Sync)
	c.SyncInterval = cmp.Or(c.SyncInterval, 100*time.Millisecond)
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 64<<20)
	c.SegmentAge = cmp.Or(c.SegmentAge, 7*24*time.Hour)
	c.RetentionBytes = cmp.Or(c.RetentionBytes, -1)
	c.RetentionAge = cmp.Or(c.RetentionAge, -1)
	c.OffloadAge = cmp.Or(c.OffloadAge, -1)
	c.RecordBytesMax = cmp.Or(c.RecordBytesMax, 1<<20)
	c.Cleanup = cmp.Or(c.Cleanup, CleanupDelete)
	c.TombstoneAge = cmp.Or(c.TombstoneAge, 24*time.Hour)
	c.DirtyRatio = cmp.Or(c.DirtyRatio, 0.5)
	c.TagHeader = cmp.Or(c.TagHeader, "ce_type")
	return c
}

// Limits on topics.
const (
	PartitionsMax       = 1024    // of one topic that are not retired
	PartitionNumbersMax = 1 << 16 // of one topic, retired ones counted
	LayoutsMax          = 128     // of one topic that records are left of
	TopicsMax           = 1024
)

// TopicInfo describes a topic as it is.
type TopicInfo struct {
	Name       Topic
	Config     TopicConfig // complete: defaults filled in
	CreateTime time.Time
	Partitions []PartitionInfo // by number. Retired ones are left out, so numbers may be missing
	Layout     Layout          // the current one
	Earlier    []Layout        // those before it that records may be left of, ascending
}

// LayoutOf returns the number of the layout that a record of partition p at offset o belongs to: the last one that began at or below it. Of layouts that
// no record was left of when the topic last changed nothing is known: what lies before all known ones counts as the first of these.
func (t *TopicInfo) LayoutOf(p Partition, o Offset) int32 {
	for i := len(t.Earlier); i > 0; i-- {
		l := &t.Layout
		if i < len(t.Earlier) {
			l = &t.Earlier[i]
		}
		if began, ok := l.Began[p]; ok && o >= began {
			return l.Number
		}
	}
	if len(t.Earlier) > 0 {
		return t.Earlier[0].Number
	}
	return t.Layout.Number
}

// Layout is which partitions of a topic take records, and since when. Producers route by it. It changes when partitions
// are added or retired; a record appended by an older layout than the current one is refused (StaleLayout), so that in every partition
// the records of each layout lie together.
type Layout struct {
	Number int32       // from 0
	Active []Partition // ascending; a key belongs to Active[hash(key) % len(Active)]

	// Began holds, for each partition that was active in this layout or an earlier one, its log end when this layout began. All
	// records of earlier layouts lie below, all of this one at or above.
	// Retired partitions are left out. Not to be changed.
	Began map[Partition]Offset
}

// ForKey returns the partition that records with this key go to: Active[murmur2(key) % len(Active)], as Kafka's default
// partitioner has it. There must be an active partition, as there is in every topic.
func (l *Layout) ForKey(key []byte) Partition {
	return l.Active[PartitionForKey(key, len(l.Active))]
}

// PartitionState is where a partition stands in its life: active → draining → retired. A retired one is gone.
type PartitionState string

// The states of a partition.
const (
	StateActive   PartitionState = "active"
	StateDraining PartitionState = "draining" // takes no more records; readable until its retention ends
	StateRetired  PartitionState = "retired"  // its records are deleted; its number is not used again
)

// PartitionInfo describes a partition at one moment.
type PartitionInfo struct {
	Partition     Partition
	LeaderEpoch   LeaderEpoch
	LogStart      Offset // first kept
	HighWatermark Offset // below it all is committed and readable
	LogEnd        Offset // next to be written
	Bytes         int64  // of record batches, without preallocated space
	Offloaded     int64  // of these bytes: what is known to lie in the cold folder
	Segments      int
	State         PartitionState
	Err           string // why the partition takes no appends or reads, or ""
}
