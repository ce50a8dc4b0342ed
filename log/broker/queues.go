package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lodge/log"
	"lodge/log/internal/queue"
)

var _ log.Queues = (*Broker)(nil)

// How queue groups work
//
// Of each partition that a queue group shares, a pure machine (log/internal/queue) knows what is delivered, to be delivered again,
// or done. A call changes the machine under the partition's lock, and what changed goes as one batch to the compacted topic __queues, enqueued under
// that same lock: so the topic has the changes in the order in which they were made. The call is answered when they are durable; the lock
// is not held for that long, so that many calls share one commit. Somebody else may meanwhile act on a change that is not durable yet: his own is behind it in the
// topic, so neither survives without the other.
//
// A Receive is durable before its records are handed out, or a record that kills its consumer would be counted as delivered once for ever.

// queuesTopic holds settings and standing of all queue groups, in one partition.
const queuesTopic log.Topic = "__queues"

// buryInterval is how often Run buries dead letters and frees what point-to-point topics no longer need.
const buryInterval = 250 * time.Millisecond

// queues is what the broker knows of queue groups. It is loaded by the first call that needs it.
type queues struct {
	mu     sync.Mutex // guards groups; held while they are loaded and while a group is made or deleted
	groups map[log.Group]*queueGroup
	err    error // why there are none to be had: the topic cannot be read, or a change could not be written
}

// queueGroup is one queue group.
type queueGroup struct {
	b    *Broker
	name log.Group

	mu      sync.Mutex
	topics  []log.Topic
	config  log.QueueConfig
	parts   map[log.TopicPartition]*queuePart
	order   []*queuePart // by topic and partition
	first   int          // whose turn it is
	loaders map[log.TopicPartition]*queue.Loader
	deleted bool
	waiting []chan struct{} // Receives without records, the longest waiting first
}

// queueGroup returns a group by its name.
func (b *Broker) queueGroup(ctx context.Context, name log.Group, op string) (*queueGroup, error) {
	b.queues.mu.Lock()
	defer b.queues.mu.Unlock()
	if err := b.loadQueues(ctx); err != nil {
		return nil, err
	}
	if g := b.queues.groups[name]; g != nil {
		return g, nil
	}
	return nil, log.NewError(log.UnknownGroup, op+" "+string(name), "no such queue group")
}

// CreateQueue implements log.Queues. The settings are durable when it returns. A group that is there keeps its standing in the topics that stay.
func (b *Broker) CreateQueue(ctx context.Context, name log.Group, topics []log.Topic, config log.QueueConfig) error {
	op := "create queue " + string(name)
	config = config.WithDefaults(name)
	if err := errors.Join(name.Validate(), config.Validate()); err != nil {
		return err
	}
	topics = slices.Compact(slices.Sorted(slices.Values(topics)))
	if len(topics) == 0 || len(topics) > log.QueueTopicsMax {
		return log.NewError(log.InvalidArgument, op, "%d topics are not within 1..%d", len(topics), log.QueueTopicsMax)
	}
	b.queues.mu.Lock()
	defer b.queues.mu.Unlock()
	if err := b.loadQueues(ctx); err != nil {
		return err
	}
	if err := b.checkQueueTopics(op, name, topics, config); err != nil {
		return err
	}
	g := b.queues.groups[name]
	if g == nil && len(b.queues.groups) >= log.QueuesMax {
		return log.NewError(log.LimitReached, op, "there are %d queue groups", log.QueuesMax)
	}
	if err := b.makeDeadLetterTopic(ctx, topics, config); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := b.storeQueue(ctx, name, topics, config); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if g == nil {
		g = &queueGroup{b: b, name: name}
		b.queues.groups[name] = g
	}
	g.set(topics, config)
	return nil
}

// checkQueueTopics checks what a group is to share.
func (b *Broker) checkQueueTopics(op string, name log.Group, topics []log.Topic, config log.QueueConfig) error {
	for _, topic := range topics {
		t := (*b.topics.Load())[topic]
		switch {
		case t == nil:
			return log.NewError(log.UnknownTopic, op, "no topic %q", topic)
		case topic.Internal():
			return log.NewError(log.InvalidArgument, op, "topic %q belongs to the log itself", topic)
		case topic == config.DeadLetter:
			return log.NewError(log.InvalidArgument, op, "topic %q cannot be its own dead-letter topic", topic)
		case !t.config().PointToPoint:
			continue
		}
		for other, g := range b.queues.groups {
			if other != name && g.shares(topic) {
				return log.NewError(log.InvalidArgument, op, "topic %q is point to point, and queue group %q has it", topic, other)
			}
		}
	}
	return nil
}

// makeDeadLetterTopic makes the topic unless it is there, with room for the records and the headers that they get.
func (b *Broker) makeDeadLetterTopic(ctx context.Context, topics []log.Topic, config log.QueueConfig) error {
	const headersRoom = 4 << 10
	size := 0
	for _, topic := range topics {
		size = max(size, (*b.topics.Load())[topic].config().RecordBytesMax)
	}
	err := b.CreateTopic(ctx, config.DeadLetter, log.TopicConfig{RecordBytesMax: min(size+headersRoom, recordBytesMax)})
	if log.CodeOf(err) == log.TopicExists {
		return nil
	}
	return err
}

// set changes topics and settings.
func (g *queueGroup) set(topics []log.Topic, config log.QueueConfig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.topics, g.config = topics, config
	for _, q := range g.order {
		q.setConfig(config)
	}
	g.signalAll()
}

func (g *queueGroup) shares(topic log.Topic) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.topics, topic)
}

// DeleteQueue implements log.Queues. Records that point-to-point topics hold stay until another group acknowledges them.
func (b *Broker) DeleteQueue(ctx context.Context, name log.Group) error {
	g, err := b.queueGroup(ctx, name, "delete queue")
	if err != nil {
		return err
	}
	b.queues.mu.Lock()
	defer b.queues.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deleted {
		return log.NewError(log.UnknownGroup, "delete queue "+string(name), "no such queue group")
	}
	g.syncParts()
	keys := [][]byte{settingsKey(name)}
	for tp, l := range g.loaders { // of topics that it has no longer
		q := newQueuePart(g, tp, l.Partition(g.config, 0))
		keys = append(keys, q.storedKeys()...)
	}
	for _, q := range g.order {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.gone = log.NewError(log.UnknownGroup, "queue "+string(name), "the queue group was deleted")
		keys = append(keys, q.storedKeys()...)
	}
	if err := b.forgetKeys(ctx, keys); err != nil {
		return fmt.Errorf("delete queue %s: %w", name, err)
	}
	g.deleted = true
	delete(b.queues.groups, name)
	g.unwatch(g.order)
	g.signalAll()
	return nil
}

// DescribeQueues implements log.Queues.
func (b *Broker) DescribeQueues(ctx context.Context) ([]log.QueueInfo, error) {
	b.queues.mu.Lock()
	err := b.loadQueues(ctx)
	groups := slices.Collect(maps.Values(b.queues.groups))
	b.queues.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var infos []log.QueueInfo
	for _, g := range groups {
		for _, q := range g.partitions() {
			infos = append(infos, q.info())
		}
	}
	slices.SortFunc(infos, func(x, y log.QueueInfo) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), x.TopicPartition.Compare(y.TopicPartition))
	})
	return infos, nil
}

// partitions returns the group's partitions as the topics are now, beginning with the one whose turn it is.
func (g *queueGroup) partitions() []*queuePart {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.syncParts()
	if len(g.order) == 0 {
		return nil
	}
	g.first = (g.first + 1) % len(g.order)
	return slices.Concat(g.order[g.first:], g.order[:g.first])
}

// syncParts makes what it knows follow the topics: partitions come and go. mu must be held.
func (g *queueGroup) syncParts() {
	there := map[log.TopicPartition]bool{}
	grown := false
	for _, name := range g.topics {
		t := (*g.b.topics.Load())[name]
		if t == nil {
			continue
		}
		for _, p := range t.live() {
			there[p.tp] = true
			if q := g.parts[p.tp]; q == nil || q.p != p {
				g.add(p)
				grown = true
			}
		}
	}
	if !grown && len(there) == len(g.order) {
		return
	}
	var gone []*queuePart
	g.order = slices.DeleteFunc(g.order, func(q *queuePart) bool {
		if there[q.tp] && g.parts[q.tp] == q {
			return false
		}
		gone = append(gone, q)
		return true
	})
	for _, q := range gone {
		if g.parts[q.tp] == q {
			delete(g.parts, q.tp)
		}
	}
	g.unwatch(gone)
}

// add begins to share a partition: where it was left, or at its first kept record. mu must be held.
func (g *queueGroup) add(p *partition) {
	loader := g.loaders[p.tp]
	if loader == nil {
		loader = &queue.Loader{}
	}
	delete(g.loaders, p.tp)
	q := newQueuePart(g, p.tp, loader.Partition(g.config, p.start()))
	q.p = p
	if g.parts == nil {
		g.parts = map[log.TopicPartition]*queuePart{}
	}
	g.parts[p.tp] = q
	g.order = append(g.order, q)
	slices.SortFunc(g.order, func(x, y *queuePart) int { return x.tp.Compare(y.tp) })
	p.watchers.add(g)
}

// unwatch ends what add began.
func (g *queueGroup) unwatch(parts []*queuePart) {
	for _, q := range parts {
		q.p.watchers.remove(g)
	}
}

// signal wakes one waiting Receive.
func (g *queueGroup) signal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

// signalAll wakes all of them. mu must be held.
func (g *queueGroup) signalAll() {
	for _, w := range g.waiting {
		close(w)
	}
	g.waiting = nil
}

// enlist adds a Receive to those that wait; delist takes it off again, and reports whether it was still waiting.
func (g *queueGroup) enlist() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := make(chan struct{})
	g.waiting = append(g.waiting, w)
	return w
}

func (g *queueGroup) delist(w chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// tendQueues buries dead letters and frees point-to-point topics, for Run. It does not wait for a group that is being made: that may wait for Close, which
// waits for Run.
func (b *Broker) tendQueues(ctx context.Context) {
	if !b.queues.mu.TryLock() {
		return
	}
	groups := slices.Collect(maps.Values(b.queues.groups))
	b.queues.mu.Unlock()
	for _, g := range groups {
		for _, q := range g.partitions() {
			if ctx.Err() != nil {
				return
			}
			if err := q.tend(ctx); err != nil && ctx.Err() == nil && log.CodeOf(err) != log.Closed {
				b.opts.Logger.Error("queue", "group", string(g.name), "partition", q.tp.String(), "error", err)
			}
		}
	}
}
