package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"lodge/log"
)

// Transform makes output records from input records, which are all of one partition and in order. Each output record names its Topic,
// one of TransformerOptions.Targets; Key, Value, Headers and Timestamp are as for a Producer.
//
// It must be deterministic: called again with the same records, by another process too, it returns the same records. It is called again after a
// crash, and the log recognizes by their number what it has already. So no clock, no random numbers, no map order, nothing
// remembered from earlier calls. It must not change the input records. An error ends Run; the input is not skipped.
type Transform func(ctx context.Context, records []log.Record) ([]log.Record, error)

// TransformerLog is what a Transformer needs of a log. See ProducerLog for AllocateProducerID.
type TransformerLog interface {
	log.Reader
	log.Writer
	log.Coordinator
	DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error)
}

// TransformerOptions configures a Transformer. The zero value of a field means its default.
type TransformerOptions struct {
	Group   log.Group   // required: the members of this group share the input
	Topics  []log.Topic // required: the input, up to SubscribedMax topics; none of them compacted
	Targets []log.Topic // required: where output may go, up to TargetsMax topics

	// As in ConsumerOptions.
	Instance, ClientID                                  string
	SessionTimeout, RebalanceTimeout, HeartbeatInterval time.Duration
	Start                                               Start
	Filter                                              *log.Filter // all members must have the same
	KeyOrder                                            bool

	// Partitioner picks a partition for each output record: default ByKey. It must be deterministic, as ByKey and Manual are and InTurn is not. Sticky records
	// of one call go to one partition together.
	Partitioner Partitioner

	RangeRecordsMax int             // input records of one call: default 1,000, at most 10,000
	BatchBytesMax   int             // output is appended in batches of so many bytes: default 256 KiB, at most 64 MiB. A larger record goes alone
	Compression     log.Compression // of these batches: default log.Uncompressed
}

// TargetsMax bounds the topics that a Transformer writes.
const TargetsMax = 16

const rangeRecordsMax = 10_000

// Validate returns an error with code InvalidArgument, InvalidGroup or InvalidTopic for the first setting that makes no sense.
func (o *TransformerOptions) Validate() error {
	if err := o.Group.Validate(); err != nil {
		return err
	}
	for _, t := range slices.Concat(o.Topics, o.Targets) {
		if err := t.Validate(); err != nil {
			return err
		}
	}
	switch {
	case len(o.Topics) == 0 || len(o.Topics) > SubscribedMax:
		return invalid("transformer options", "%d topics are not within 1 to %d", len(o.Topics), SubscribedMax)
	case len(o.Targets) == 0 || len(o.Targets) > TargetsMax:
		return invalid("transformer options", "%d targets are not within 1 to %d", len(o.Targets), TargetsMax)
	case o.RangeRecordsMax < 0 || o.RangeRecordsMax > rangeRecordsMax:
		return invalid("transformer options", "%d records of a range are not within 1 to %d", o.RangeRecordsMax, rangeRecordsMax)
	case o.BatchBytesMax < 0 || o.BatchBytesMax > batchBytesMax:
		return invalid("transformer options", "batch bytes %d are not within 1 to %d", o.BatchBytesMax, batchBytesMax)
	case o.Compression != log.Uncompressed && o.Compression != log.LZ4 && o.Compression != log.Zstd:
		return invalid("transformer options", "compression %d is not one that is written", o.Compression)
	}
	return nil
}

// Transformer reads topics as a member of a group, makes output records from what it reads, and appends them to other
// topics, each exactly once, whatever crashes. Where two members read different partitions they work side by side.
//
// # How
//
// Each input partition has an idempotent producer of its own, and every range of input its own epoch of that producer. Before
// a range is worked on, the group commits where it begins, with an intent as metadata: producer, epoch, where the range ends and by which layouts
// the output is routed. Then it is read, transformed and appended, and the next commit, which carries the next intent, says that it is done. Who takes the
// partition over finds the intent, reads exactly that range, gets the same output from the deterministic function and appends it with
// the same sequences: the log recognizes what it has. A member that was deposed without noticing can only repeat its range, which
// the log recognizes too, or has fenced by the next epoch; it gets no further, because its commit is refused.
//
// # What it relies on
//
// The function and the partitioner are deterministic and the same in all members while a range is under way. The input range is still there (no
// retention or deletion overtakes it: else Run returns OffsetOutOfRange). Between a crash and the takeover fewer than 4,096 other producers (the log's
// ProducersMax) append to a partition of the output, and none is retired for good that the range wrote to. The group is the Transformer's
// own: nobody else commits to it, but an administrator may reset it.
type Transformer struct {
	lg        TransformerLog
	opts      TransformerOptions
	transform Transform

	// Owned by Run.
	consumer *Consumer
	sources  map[log.TopicPartition]*source
}

// NewTransformer returns a transformer. It starts nothing: call Run.
func NewTransformer(lg TransformerLog, opts TransformerOptions, transform Transform) (*Transformer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if transform == nil {
		return nil, invalid("transformer", "there is no function")
	}
	if opts.Partitioner == nil {
		opts.Partitioner = ByKey
	}
	opts.RangeRecordsMax = cmp.Or(opts.RangeRecordsMax, 1000)
	opts.BatchBytesMax = cmp.Or(opts.BatchBytesMax, 256<<10)
	t := &Transformer{lg: lg, opts: opts, transform: transform}
	consumer, err := t.newConsumer() // for its checks
	if err != nil {
		return nil, err
	}
	consumer.Close()
	return t, nil
}

func (t *Transformer) newConsumer() (*Consumer, error) {
	o := &t.opts
	return NewConsumer(t.lg, ConsumerOptions{
		Group: o.Group, Instance: o.Instance, ClientID: o.ClientID, SessionTimeout: o.SessionTimeout, RebalanceTimeout: o.RebalanceTimeout,
		HeartbeatInterval: o.HeartbeatInterval, Start: o.Start, Filter: o.Filter, KeyOrder: o.KeyOrder, PollRecordsMax: o.RangeRecordsMax,
		Delivery: ExactlyOnce, CommitInterval: -1, OnAssigned: t.assigned, OnRevoked: t.revoked, OnLost: t.lost,
	})
}

// Run transforms until ctx ends, then gives up its partitions, leaves the group and returns nil. An error says what cannot be done: the function's,
// InvalidArgument (a compacted topic, output to no target, a function that is not deterministic), OffsetOutOfRange, FencedInstance, or the log's. One Run at a time.
func (t *Transformer) Run(ctx context.Context) error {
	if err := t.checkTopics(ctx); err != nil {
		return err
	}
	consumer, err := t.newConsumer()
	if err != nil {
		return err
	}
	t.consumer, t.sources = consumer, map[log.TopicPartition]*source{}
	defer consumer.Close()
	if err := consumer.Subscribe(t.opts.Topics...); err != nil {
		return err
	}
	for {
		err := t.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case isDeposed(err) && log.CodeOf(err) != log.FencedInstance:
			sleep(ctx, consumer.opts.RetryBackoff) // until the next Poll tells what is lost
		case err != nil:
			return fmt.Errorf("transform for group %s: %w", t.opts.Group, err)
		}
	}
}

// checkTopics refuses compacted input: a range that is read again may have lost records.
func (t *Transformer) checkTopics(ctx context.Context) error {
	for _, topic := range t.opts.Topics {
		info, err := t.lg.DescribeTopic(ctx, topic)
		if log.CodeOf(err) == log.UnknownTopic {
			continue // it is waited for
		}
		if err != nil {
			return err
		}
		if c := info.Config.Cleanup; c == log.CleanupCompact || c == log.CleanupCompactAndDelete {
			return invalid("transform "+string(topic), "it is compacted: a range that is read again may have lost records")
		}
	}
	return nil
}

// source is one input partition. Owned by Run.
type source struct {
	tp       log.TopicPartition
	position log.Offset // all below is in the output
	dirty    bool       // the position is not committed, or nothing is
	last     intent     // for the range that begins at position, or the one before
	pending  bool       // last is for the range that begins at position, and committed

	records []log.Record // read and not transformed
	read    log.Offset   // records holds all from position to here
}

// assigned begins partitions where the group stopped, with the intent that is found there.
func (t *Transformer) assigned(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
	committed, err := t.consumer.fetchOffsets(ctx, t.lg, tps)
	if err != nil {
		return nil, err
	}
	offsets := make(map[log.TopicPartition]log.Offset, len(tps))
	for _, tp := range tps {
		s := &source{tp: tp, dirty: true, last: intent{Producer: -1}}
		if c, ok := committed[tp]; ok {
			s.position, s.dirty = c.Offset, false
			if s.last, err = parseIntent(c.Metadata); err != nil {
				return nil, fmt.Errorf("%s: %w", tp, err)
			}
			s.pending = s.last.End > s.position
		} else if s.position, err = t.opts.Start.resolve(ctx, t.lg, tp); err != nil && log.CodeOf(err) != log.UnknownTopic {
			return nil, err
		}
		s.read = s.position
		t.sources[tp], offsets[tp] = s, s.position
	}
	return offsets, nil
}

// revoked commits what is done. An intent whose range was not worked on stays for whoever is next.
func (t *Transformer) revoked(ctx context.Context, tps []log.TopicPartition) error {
	offsets := map[log.TopicPartition]log.CommittedOffset{}
	for _, tp := range tps {
		if s := t.sources[tp]; s != nil && s.dirty {
			offsets[tp] = log.CommittedOffset{Offset: s.position, Metadata: s.last.done(s.position)}
		}
		delete(t.sources, tp)
	}
	err := t.consumer.commitThere(ctx, offsets)
	if isDeposed(err) {
		return nil // the next one finds the intent of what is done, and the log what is in the output
	}
	return err
}

func (t *Transformer) lost(tps []log.TopicPartition) {
	for _, tp := range tps {
		delete(t.sources, tp)
	}
}
