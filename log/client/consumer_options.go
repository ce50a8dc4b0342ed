package client

import (
	"cmp"
	"context"
	"time"

	"lodge/log"
)

// ConsumerOptions configures a Consumer. The zero value of a field means its default.
type ConsumerOptions struct {
	// FetchBytesMax bounds one fetch of one partition, in encoded bytes: default 1 MiB. A larger batch is
	// fetched alone. One fetch of each partition is held ahead of Poll.
	FetchBytesMax int

	// BufferBytesMax bounds what all partitions hold together: default 64 MiB. With many partitions each
	// fetch is made smaller, down to 4 KiB.
	BufferBytesMax int

	PollRecordsMax  int           // records that one Poll returns: default 1,000
	FetchWait       time.Duration // a long poll of the log: default 5 s
	RetryBackoff    time.Duration // after an error that allows a retry, doubling up to RetryBackoffMax: default 10 ms
	RetryBackoffMax time.Duration // default 1 s

	// OutOfRange says what to do when a position is no longer, or not yet, in the log: default Fail.
	OutOfRange OutOfRange

	// Filter, when not nil, has only the records returned that it chooses. The others are not even decoded.
	Filter *log.Filter

	// Group makes the consumer a member of a group, which shares the partitions of the topics that Subscribe names. "": it reads the
	// partitions that Assign names. What follows is for members only.
	Group log.Group

	// Instance makes the member a static one: when it is back within SessionTimeout it has its partitions again
	// without a rebalance, and Close does not give them up. A second member of the same instance fences the first: its Poll
	// returns FencedInstance from then on.
	Instance string
	ClientID string // for people

	Assignors         []Assignor    // the preferred one first: default CooperativeSticky, Range. The group uses one that all members have
	SessionTimeout    time.Duration // out after so long without heartbeat: default 45 s; the coordinator permits 6 s to 30 min
	HeartbeatInterval time.Duration // default 3 s, at most a third of SessionTimeout

	// RebalanceTimeout is how long Poll may stay away while partitions wait to be given up or taken over: default 60 s. Then the member
	// leaves the group, and joins again with the next Poll. At other times Poll may stay away as long as it likes.
	RebalanceTimeout time.Duration

	Delivery Delivery // default AtLeastOnce

	// CommitInterval is how often AtLeastOnce and ExactlyOnce commit what earlier Polls returned: default 5 s, with KeyOrder 200 ms.
	// They do so too before partitions are given up. Negative: only Commit does.
	CommitInterval time.Duration

	// Start is where a partition without committed offset begins: default AtBeginning.
	Start Start

	// Paused has partitions assigned as if Pause had been called for them: Poll returns none of their records until Resume. For whoever
	// wants to know what to read and reads it in another way: Poll then only calls the functions below.
	Paused bool

	// OnAssigned tells of partitions that the member has from now on. It may say where to begin in some of them; the others begin at
	// what the group has committed (ExactlyOnce: at Start). After an error, which Poll returns, the next Poll calls it again.
	OnAssigned func(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error)

	// OnRevoked tells of partitions that go to another member when it returns: finish, store, commit what is under way. Without
	// CommitInterval's commit after it when it returns an error, which Poll returns too; the partitions go all the same.
	OnRevoked func(ctx context.Context, tps []log.TopicPartition) error

	// OnLost tells of partitions that are another member's already: what is not stored and committed comes to that one.
	//
	// All three are called by Poll, and OnRevoked by Close and Leave, one at a time. They may call the consumer's methods except Poll,
	// Leave and Close.
	OnLost func(tps []log.TopicPartition)

	// KeyOrder has the records of an older layout of a topic finished by the whole group before newer ones are read, so
	// that those of one key come in the order in which they were produced, also when its partition changed. It takes the group's
	// commits for what is finished. See DESIGN.md, "Key order when a topic changes".
	KeyOrder bool
}

// OutOfRange is a policy for positions outside the log.
type OutOfRange uint8

// The policies.
const (
	Fail        OutOfRange = iota // Poll returns the error; the partition waits for a Seek
	ToBeginning                   // go on at the first record that is kept
	ToEnd                         // go on behind the last one
)

// AssignedMax bounds the partitions of one consumer.
const AssignedMax = 4096

const fetchBytesMin = 4 << 10

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *ConsumerOptions) Validate() error {
	switch {
	case o.FetchBytesMax < 0 || o.BufferBytesMax < 0 || o.PollRecordsMax < 0:
		return invalid("consumer options", "a limit is negative")
	case o.FetchWait < 0 || o.RetryBackoff < 0 || o.RetryBackoffMax < 0:
		return invalid("consumer options", "a duration is negative")
	case o.OutOfRange > ToEnd:
		return invalid("consumer options", "out of range policy %d is not known", o.OutOfRange)
	}
	return o.validateGroup()
}

func (o *ConsumerOptions) setDefaults() {
	o.FetchBytesMax = cmp.Or(o.FetchBytesMax, 1<<20)
	o.BufferBytesMax = cmp.Or(o.BufferBytesMax, 64<<20)
	o.PollRecordsMax = cmp.Or(o.PollRecordsMax, 1000)
	o.FetchWait = cmp.Or(o.FetchWait, 5*time.Second)
	o.RetryBackoff = cmp.Or(o.RetryBackoff, 10*time.Millisecond)
	o.RetryBackoffMax = cmp.Or(o.RetryBackoffMax, time.Second)
	o.setGroupDefaults()
}
