package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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

// queues is what the broker knows of queue groups.
type queues struct {
	making sync.Mutex                                // held while a group is made or deleted, or a topic that may have one of them
	groups atomic.Pointer[map[log.Group]*queueGroup] // replaced as a whole, under making
	err    error                                     // why there are none to be had. Set when the log is opened
}

// queueGroup is one queue group. Locks are taken in this order: queues.making, admin, the group's mu, a partition's mu.
type queueGroup struct {
	b    *Broker
	name log.Group

	mu      sync.Mutex
	topics  []log.Topic
	config  log.QueueConfig
	parts   map[log.TopicPartition]*queuePart
	order   []*queuePart              // by topic and partition
	first   int                       // whose turn it is
	left    map[*partition]*queuePart // of topics that were the group's and may be again: no more than the log has partitions
	loaders loaders                   // of what was not asked for since the log was opened
	deleted bool                      // or being deleted
	waiting []*waitingReceive         // the longest waiting first
}

// waitingReceive is a Receive without records.
type waitingReceive struct {
	topics []log.Topic   // that it looks at; none: all
	woken  chan struct{} // closed when it is to look again
	by     log.Topic     // what woke it: written before woken is closed
}

// queueGroup returns a group by its name.
func (b *Broker) queueGroup(name log.Group, op string) (*queueGroup, error) {
	switch g := (*b.queues.groups.Load())[name]; {
	case b.queues.err != nil:
		return nil, b.queues.err
	case g != nil:
		return g, nil
	case b.closed.Load():
		return nil, errClosed(op + " " + string(name))
	}
	return nil, log.NewError(log.UnknownGroup, op+" "+string(name), "no such queue group")
}

// CreateQueue implements log.Queues. The settings are durable when it returns, however long the caller waits. A group that is there keeps its
// standing, also in topics that go and come back. Codes beside those of log.Queues: InvalidArgument when the name is a consumer group's.
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
	b.queues.making.Lock()
	defer b.queues.making.Unlock()
	switch {
	case b.queues.err != nil:
		return b.queues.err
	case b.closed.Load():
		return errClosed(op)
	}
	if err := b.checkQueueTopics(op, name, topics, config); err != nil {
		return err
	}
	groups := *b.queues.groups.Load()
	g := groups[name]
	if g == nil && len(groups) >= log.QueuesMax {
		return log.NewError(log.LimitReached, op, "there are %d queue groups", log.QueuesMax)
	}
	if g == nil && !b.consumers.reserve(name) {
		return log.NewError(log.InvalidArgument, op, "%q is a consumer group", name)
	}
	err := b.makeDeadLetterTopic(ctx, topics, config)
	if err == nil {
		err = b.storeQueue(context.WithoutCancel(ctx), name, topics, config)
	}
	if err != nil {
		if g == nil {
			b.consumers.unreserve(name)
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	if g == nil {
		g = &queueGroup{b: b, name: name}
		g.set(topics, config)
		b.replaceQueues(func(groups map[log.Group]*queueGroup) { groups[name] = g })
		return nil
	}
	g.set(topics, config)
	return nil
}

// checkQueueTopics checks what a group is to share.
func (b *Broker) checkQueueTopics(op string, name log.Group, topics []log.Topic, config log.QueueConfig) error {
	if config.DeadLetter.Internal() {
		return log.NewError(log.InvalidArgument, op, "dead-letter topic %q belongs to the log itself", config.DeadLetter)
	}
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
		for _, other := range b.sharing(topic) {
			if other != name {
				return log.NewError(log.InvalidArgument, op, "topic %q is point to point, and queue group %q has it", topic, other)
			}
		}
	}
	return nil
}

// replaceQueues changes a copy of the map and puts it in the map's place. making must be held.
func (b *Broker) replaceQueues(change func(map[log.Group]*queueGroup)) {
	groups := maps.Clone(*b.queues.groups.Load())
	change(groups)
	b.queues.groups.Store(&groups)
}

// sharing returns the queue groups that have a topic, or will have it when it is made, in order. No others come while making is held.
func (b *Broker) sharing(topic log.Topic) (names []log.Group) {
	for name, g := range *b.queues.groups.Load() {
		if g.shares(topic) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// makeDeadLetterTopic makes the topic unless it is there, with room for the records and the headers that they get.
func (b *Broker) makeDeadLetterTopic(ctx context.Context, topics []log.Topic, config log.QueueConfig) error {
	const headersRoom = 4 << 10
	size := 0
	for _, topic := range topics {
		if t := (*b.topics.Load())[topic]; t != nil { // else it was deleted since it was checked
			size = max(size, t.config().RecordBytesMax)
		}
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
	for _, q := range slices.Concat(g.order, slices.Collect(maps.Values(g.left))) {
		q.setConfig(config)
	}
	g.signalAll()
}

func (g *queueGroup) shares(topic log.Topic) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.topics, topic)
}

// DeleteQueue implements log.Queues. Records that point-to-point topics hold stay until another group acknowledges them. It is done when it
// returns, however long the caller waits.
func (b *Broker) DeleteQueue(ctx context.Context, name log.Group) error {
	g, err := b.queueGroup(name, "delete queue")
	if err != nil {
		return err
	}
	b.queues.making.Lock()
	defer b.queues.making.Unlock()
	ends, err := g.end()
	if err != nil {
		return err
	}
	err = b.appendQueues(context.WithoutCancel(ctx), ends) // without the group's lock, which whoever appends to its topics needs
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil { // whether it is deleted the next opening tells
		g.deleted = false
		for _, q := range g.order {
			q.fail(errQueuesLost(err))
		}
		return fmt.Errorf("delete queue %s: %w", name, err)
	}
	b.replaceQueues(func(groups map[log.Group]*queueGroup) { delete(groups, name) })
	b.consumers.unreserve(name)
	g.unwatch(g.order)
	g.signalAll()
	return nil
}

// end stops everything that is done with the group, and returns the ends of what is stored of it.
func (g *queueGroup) end() (ends []log.Record, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deleted {
		return nil, log.NewError(log.UnknownGroup, "delete queue "+string(g.name), "no such queue group")
	}
	g.syncParts()
	g.deleted = true
	ends = []log.Record{{Key: settingsKey(g.name)}}
	for of, l := range g.loaders { // of topics that it has no longer
		ends = append(ends, newQueuePart(g, of, l.Partition(g.config, 0, 0)).tombstones()...)
	}
	for _, q := range slices.Concat(g.order, slices.Collect(maps.Values(g.left))) {
		q.mu.Lock()
		q.gone = log.NewError(log.UnknownGroup, "queue "+string(g.name), "the queue group was deleted")
		ends = append(ends, q.tombstones()...)
		q.mu.Unlock()
	}
	return ends, nil
}

// DescribeQueues implements log.Queues.
func (b *Broker) DescribeQueues(context.Context) ([]log.QueueInfo, error) {
	if b.queues.err != nil {
		return nil, b.queues.err
	}
	var infos []log.QueueInfo
	for _, g := range *b.queues.groups.Load() {
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

// current reports whether what it knows are the topics' partitions: nearly always. mu must be held.
func (g *queueGroup) current() bool {
	topics, there := *g.b.topics.Load(), 0
	for _, name := range g.topics {
		t := topics[name]
		if t == nil {
			continue
		}
		for _, p := range t.live() {
			if q := g.parts[p.tp]; q == nil || q.p != p {
				return false
			}
			there++
		}
	}
	return there == len(g.order)
}

// syncParts makes what it knows follow the topics: partitions come and go, until the group is deleted. mu must be held.
func (g *queueGroup) syncParts() {
	if g.deleted || g.current() {
		return
	}
	there := map[log.TopicPartition]bool{}
	for _, name := range g.topics {
		t := (*g.b.topics.Load())[name]
		if t == nil {
			continue
		}
		for _, p := range t.live() {
			there[p.tp] = true
			if q := g.parts[p.tp]; q == nil || q.p != p {
				g.add(p, t.created.UnixNano())
			}
		}
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
		if g.left == nil {
			g.left = map[*partition]*queuePart{}
		}
		g.left[q.p] = q
	}
	maps.DeleteFunc(g.left, func(p *partition, q *queuePart) bool { return g.b.partitionMade(q.standing) != p })
	g.unwatch(gone)
}

// add begins to share a partition of a topic that was made then: where it was left, or at its first kept record. mu must be held.
func (g *queueGroup) add(p *partition, made int64) {
	of := standing{tp: p.tp, made: made}
	q := g.left[p]
	delete(g.left, p)
	if q == nil {
		loader := g.loaders[of]
		if loader == nil {
			loader = &queue.Loader{}
		}
		delete(g.loaders, of)
		q = newQueuePart(g, of, loader.Partition(g.config, p.start(), queue.NewIncarnation()))
		q.p = p
	}
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

// signal wakes one Receive that looks at the topic.
func (g *queueGroup) signal(topic log.Topic) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.waiting, func(w *waitingReceive) bool { return wanted(w.topics, topic) })
	if i >= 0 {
		g.waiting[i].by = topic
		close(g.waiting[i].woken)
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}

// signalAll wakes all of them. mu must be held.
func (g *queueGroup) signalAll() {
	for _, w := range g.waiting {
		close(w.woken)
	}
	g.waiting = nil
}

// enlist adds a Receive to those that wait; delist takes it off again, and reports whether it was woken, and by which topic.
func (g *queueGroup) enlist(topics []log.Topic) *waitingReceive {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := &waitingReceive{topics: topics, woken: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	return w
}

func (g *queueGroup) delist(w *waitingReceive) (by log.Topic, woken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i < 0 {
		return w.by, w.by != ""
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return "", false
}

// tendQueues buries dead letters and frees point-to-point topics, for Run.
func (b *Broker) tendQueues(ctx context.Context) {
	for _, g := range *b.queues.groups.Load() {
		for _, q := range g.partitions() {
			if ctx.Err() != nil {
				return
			}
			if err := q.tend(ctx); err != nil && ctx.Err() == nil && !q.p.isGone() {
				b.opts.Logger.Error("queue", "group", string(g.name), "partition", q.tp.String(), "error", err)
			}
		}
	}
}
