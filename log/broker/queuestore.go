package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"lodge/log"
	"lodge/log/internal/queue"
)

// How queue groups are stored
//
// The topic __queues, of one partition and compacted, has two kinds of keys; the fields end with a zero byte, numbers are big-endian:
//
//	'c' group 0                                      settings, as JSON
//	's' group 0 topic 0 made(8) partition(4) key(8)  a queue.Entry of one partition
//
// made is when the topic was made, in nanoseconds: one of the same name that is made later begins anew.
const (
	settingsKind = 'c'
	standingKind = 's'
)

var queuesPartition = log.TopicPartition{Topic: queuesTopic}

// storedQueue is a group's settings as JSON.
type storedQueue struct {
	Format int             `json:"format"`
	Topics []log.Topic     `json:"topics"`
	Config log.QueueConfig `json:"config"` // durations in nanoseconds
}

const queueFormat = 1

func settingsKey(group log.Group) []byte {
	return append(append([]byte{settingsKind}, group...), 0)
}

func (q *queuePart) entryKey(key int64) []byte {
	k := append(append([]byte{standingKind}, q.g.name...), 0)
	k = append(append(k, q.tp.Topic...), 0)
	k = binary.BigEndian.AppendUint64(k, uint64(q.made))
	k = binary.BigEndian.AppendUint32(k, uint32(q.tp.Partition))
	return binary.BigEndian.AppendUint64(k, uint64(key))
}

// parseEntryKey reads what entryKey made, behind its kind.
func parseEntryKey(k []byte) (group log.Group, of standing, key int64, ok bool) {
	g, rest, ok1 := bytes.Cut(k, []byte{0})
	t, rest, ok2 := bytes.Cut(rest, []byte{0})
	if !ok1 || !ok2 || len(rest) != 20 {
		return "", of, 0, false
	}
	of.made = int64(binary.BigEndian.Uint64(rest))
	of.tp = log.TopicPartition{Topic: log.Topic(t), Partition: log.Partition(binary.BigEndian.Uint32(rest[8:]))}
	return log.Group(g), of, int64(binary.BigEndian.Uint64(rest[12:])), true
}

// standing names what a group knows of one partition, of the topic that was made then.
type standing struct {
	tp   log.TopicPartition
	made int64 // nanoseconds since 1970
}

// loaders are what was read of one group.
type loaders map[standing]*queue.Loader

// store enqueues what changed. mu must be held: the topic gets the changes in the order in which they were made. After an error q stands still.
func (q *queuePart) store(ctx context.Context) (log.Ticket, error) {
	records := q.changes()
	if len(records) == 0 {
		return log.Ticket{}, nil
	}
	p, err := q.g.b.partition(queuesPartition, "append")
	var ticket log.Ticket
	for len(records) > 0 && err == nil { // the change is made, so it must be stored, however long its caller waits
		var batch []log.Record
		batch, records = q.g.b.firstBatch(records)
		ticket, err = p.enqueueWaiting(context.WithoutCancel(ctx), &log.Batch{Records: batch})
	}
	if err != nil {
		q.gone = errQueuesLost(err)
		return ticket, q.gone
	}
	return ticket, nil
}

// changes returns what changed since the last call, as records of the topic. Any first part of them makes sense.
func (q *queuePart) changes() []log.Record {
	entries := q.state.Changes()
	records := make([]log.Record, len(entries))
	for i, e := range entries {
		records[i] = log.Record{Key: q.entryKey(e.Key), Value: e.Value}
	}
	return records
}

// firstBatch returns as many records as one batch takes, and the rest.
func (b *Broker) firstBatch(records []log.Record) (batch, rest []log.Record) {
	const perRecord = 64 // more than the batch format adds
	size := 0
	for i := range records {
		size += len(records[i].Key) + len(records[i].Value) + perRecord
		if i > 0 && size > b.opts.BatchBytesMax/2 {
			return records[:i], records[i:]
		}
	}
	return records, nil
}

// tombstones returns the ends of everything that is stored for q.
func (q *queuePart) tombstones() []log.Record {
	records := []log.Record{{Key: q.entryKey(queue.Head)}}
	for _, b := range q.state.Blocks() {
		records = append(records, log.Record{Key: q.entryKey(b)})
	}
	return records
}

// storeQueue makes a group's settings durable.
func (b *Broker) storeQueue(ctx context.Context, group log.Group, topics []log.Topic, config log.QueueConfig) error {
	if err := b.makeQueuesTopic(ctx); err != nil {
		return err
	}
	value, err := json.Marshal(storedQueue{Format: queueFormat, Topics: topics, Config: config})
	if err != nil {
		return err
	}
	_, err = b.Append(ctx, queuesPartition, &log.Batch{Records: []log.Record{{Key: settingsKey(group), Value: value}}})
	return err
}

// makeQueuesTopic makes the topic unless it is there.
func (b *Broker) makeQueuesTopic(ctx context.Context) error {
	if (*b.topics.Load())[queuesTopic] != nil {
		return nil
	}
	err := b.CreateTopic(ctx, queuesTopic, log.TopicConfig{Cleanup: log.CleanupCompact, SegmentBytes: 16 << 20})
	if log.CodeOf(err) == log.TopicExists {
		return nil
	}
	return err
}

// appendQueues writes records of the topic, in their order, and waits until they are durable.
func (b *Broker) appendQueues(ctx context.Context, records []log.Record) error {
	for len(records) > 0 {
		var batch []log.Record
		batch, records = b.firstBatch(records)
		if _, err := b.Append(ctx, queuesPartition, &log.Batch{Records: batch}); err != nil {
			return err
		}
	}
	return nil
}

// openQueues reads what is stored of queue groups, and stores what they have lost before anything is appended: later nobody could tell what came before a
// power loss from what has its offset since. Where they cannot be read every call about queues returns why, and the rest of the log does not suffer; but
// where that is no damage, and records may have been lost, it is an error: the log has to be opened once more before it goes on.
func (b *Broker) openQueues() error {
	b.queues.groups.Store(&map[log.Group]*queueGroup{})
	if (*b.topics.Load())[queuesTopic] == nil {
		return nil
	}
	groups, loaded := map[log.Group]*queueGroup{}, map[log.Group]loaders{}
	err := b.replayQueues(context.Background(), groups, loaded)
	for name := range groups { // also when it cannot be read to its end: no consumer group is to have the name
		b.consumers.reserve(name)
	}
	if err != nil {
		b.queues.err = fmt.Errorf("open queues: %w", err)
		b.opts.Logger.Error("queues cannot be opened", "error", err)
		if code := log.CodeOf(err); code == log.Corrupt || code == log.UnsupportedFormat || !b.mayLose() {
			return nil
		}
		return b.queues.err
	}
	lost, stale := b.settleLoaded(groups, loaded)
	if err := b.appendQueues(context.Background(), lost); err != nil {
		return fmt.Errorf("open queues: store what a power loss took: %w", err)
	}
	if err := b.appendQueues(context.Background(), stale); err != nil {
		b.opts.Logger.Warn("what is of no use any more stays in "+string(queuesTopic), "error", err)
	}
	for name, g := range groups {
		g.loaders = loaded[name]
	}
	b.queues.groups.Store(&groups)
	return nil
}

// mayLose reports whether there is a topic of which a power loss takes records that were delivered.
func (b *Broker) mayLose() bool {
	for name, t := range *b.topics.Load() {
		if t.config().Durability != log.Sync && !name.Internal() {
			return true
		}
	}
	return false
}

// settleLoaded holds what was loaded against the topics as they are. Nothing counts from where the log ended when it was opened: a power loss
// may have taken records, and others get their offsets; lost is what says so. stale ends what is of no use any more: of groups that are
// deleted, and of topics and partitions that are gone.
func (b *Broker) settleLoaded(groups map[log.Group]*queueGroup, loaded map[log.Group]loaders) (lost, stale []log.Record) {
	for name, of := range loaded {
		g := groups[name]
		for s, l := range of {
			p := b.partitionMade(s)
			part := func() *queuePart {
				return newQueuePart(&queueGroup{b: b, name: name}, s, l.Partition(log.QueueConfig{}, 0, 0))
			}
			switch {
			case g == nil || p == nil || l.Empty():
				delete(of, s)
				if !l.Empty() {
					stale = append(stale, part().tombstones()...)
				}
			case (p.refusal() == nil || p.recovered > 0) && l.Clamp(p.recovered, queue.NewIncarnation()):
				lost = append(lost, part().changes()...)
			}
		}
	}
	return lost, stale
}

// partitionMade returns a partition that is not retired, of the topic that was made then, or nil.
func (b *Broker) partitionMade(s standing) *partition {
	t := (*b.topics.Load())[s.tp.Topic]
	if t == nil || t.created.UnixNano() != s.made || !t.state.Load().isMade(s.tp.Partition) {
		return nil
	}
	return t.state.Load().partitions[s.tp.Partition]
}

func (b *Broker) replayQueues(ctx context.Context, groups map[log.Group]*queueGroup, loaded map[log.Group]loaders) error {
	next, end, err := b.Offsets(ctx, queuesPartition)
	for err == nil && next < end {
		var result log.FetchResult
		if result, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: queuesPartition, Offset: next, MaxBytes: 4 << 20}); err != nil {
			return err
		}
		for i := range result.Records {
			if err := b.replayQueue(&result.Records[i], groups, loaded); err != nil {
				return fmt.Errorf("%s: %w", result.Records[i].Position(), err)
			}
		}
		next = result.Next
	}
	return err
}

func (b *Broker) replayQueue(r *log.Record, groups map[log.Group]*queueGroup, loaded map[log.Group]loaders) error {
	if len(r.Key) < 2 {
		return log.NewError(log.Corrupt, "load queues", "a key of %d bytes", len(r.Key))
	}
	if r.Key[0] == settingsKind {
		return b.replaySettings(log.Group(r.Key[1:len(r.Key)-1]), r.Value, groups)
	}
	group, of, key, ok := parseEntryKey(r.Key[1:])
	if r.Key[0] != standingKind || !ok {
		return log.NewError(log.Corrupt, "load queues", "key %x is not known", r.Key)
	}
	if loaded[group] == nil {
		loaded[group] = loaders{}
	}
	if loaded[group][of] == nil {
		loaded[group][of] = &queue.Loader{}
	}
	return loaded[group][of].Load(queue.Entry{Key: key, Value: r.Value})
}

func (b *Broker) replaySettings(group log.Group, value []byte, groups map[log.Group]*queueGroup) error {
	if value == nil { // deleted; tombstones of its standing follow, or else those of settleLoaded
		delete(groups, group)
		return nil
	}
	var s storedQueue
	if err := json.Unmarshal(value, &s); err != nil {
		return log.NewError(log.Corrupt, "load queue "+string(group), "%w", err)
	}
	if s.Format != queueFormat {
		return log.NewError(log.UnsupportedFormat, "load queue "+string(group), "format %d, known is %d", s.Format, queueFormat)
	}
	groups[group] = &queueGroup{b: b, name: group, topics: s.Topics, config: s.Config.WithDefaults(group)}
	return nil
}
