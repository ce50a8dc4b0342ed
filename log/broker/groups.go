package broker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
	groups "lodge/log/internal/group"
)

var (
	_ log.Coordinator = (*Broker)(nil)
	_ log.GroupAdmin  = (*Broker)(nil)
)

// How consumer groups work
//
// Each group is a pure machine (log/internal/group). A call changes it under the group's lock, and what is to be stored goes as one batch to
// the compacted topic __consumer_offsets, enqueued under that same lock: so the topic has a group's changes in the order in which they were
// made. No lock is held while the batch is written: whoever is to be answered waits for it, and so many calls share one commit.
// Whoever reads a group's offsets waits for everything that he sees to be durable, so that nobody acts on what a crash takes back.
//
// A change that cannot be written (the partition is poisoned) leaves the group unavailable until the log is opened anew: every call returns
// the error, and nothing that was not stored is shown to anybody.
//
// Run carries time to the machines: groups wait in a heap by their next deadline.

// offsetsTopic holds the offsets and the metadata of all groups, in Kafka's formats. It has one partition, so that all
// commits of all groups share one fdatasync.
const offsetsTopic log.Topic = "__consumer_offsets"

var offsetsPartition = log.TopicPartition{Topic: offsetsTopic}

// GroupOptions configures consumer groups. The zero value of a field means its default.
type GroupOptions struct {
	SessionTimeoutMin time.Duration // default 6 s
	SessionTimeoutMax time.Duration // default 30 min

	// InitialRebalanceDelay is how long the first members of an empty group wait for more. Default 0 (Kafka: 3 s): members are
	// in this process, where a rebalance takes about two commits, so waiting would cost each start more than it spares.
	InitialRebalanceDelay time.Duration

	MembersMax      int           // of one group: default 1,000
	GroupsMax       int           // default 10,000
	OffsetRetention time.Duration // see groups.Group.Expire: default 7 days; negative: for ever

	// Kept, when not nil, names the groups whose offsets are kept for ever, however long nobody was there: those for which an offset says what
	// was done and must not be done again.
	Kept func(group log.Group) bool
}

// validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o GroupOptions) validate() error {
	switch {
	case o.SessionTimeoutMin < 0 || o.SessionTimeoutMax < 0 || o.InitialRebalanceDelay < 0:
		return invalidOption("a timeout of groups is negative")
	case o.MembersMax < 0 || o.GroupsMax < 0:
		return invalidOption("a limit of groups is negative")
	}
	if o = o.withDefaults(); o.SessionTimeoutMin > o.SessionTimeoutMax {
		return invalidOption("session timeouts %v..%v are no range", o.SessionTimeoutMin, o.SessionTimeoutMax)
	}
	return nil
}

func (o GroupOptions) withDefaults() GroupOptions {
	defaults := groups.Config{SessionTimeoutMin: o.SessionTimeoutMin, SessionTimeoutMax: o.SessionTimeoutMax, MembersMax: o.MembersMax}.WithDefaults()
	o.SessionTimeoutMin, o.SessionTimeoutMax, o.MembersMax = defaults.SessionTimeoutMin, defaults.SessionTimeoutMax, defaults.MembersMax
	o.GroupsMax = cmp.Or(o.GroupsMax, 10_000)
	o.OffsetRetention = cmp.Or(o.OffsetRetention, 7*24*time.Hour)
	return o
}

// coordinator keeps the consumer groups of a broker.
type coordinator struct {
	b      *Broker
	config groups.Config
	calls  atomic.Uint64 // the last groups.Call given out
	lost   error         // why what is stored could not be read. Set by open only

	mu     sync.Mutex // taken with a group's mu held, never the other way round
	groups map[log.Group]*consumerGroup
	queues map[log.Group]bool // names that are queue groups'
	due    dueGroups
	wake   chan struct{} // capacity 1: Run is to look at due
}

// consumerGroup is one group and those who wait for it.
type consumerGroup struct {
	c    *coordinator
	name log.Group

	dueAt    time.Duration // when Run is to look at it; 0: it is not in c.due. Guarded by c.mu
	dueIndex int           // in c.due. Guarded by c.mu

	mu       sync.Mutex
	state    *groups.Group
	answers  map[groups.Call]chan groups.Reply // capacity 1 each
	unstored bool                              // the metadata changed and is to be stored
	outbox   []log.Record                      // tombstones that are to be stored before anything else
	last     log.Ticket                        // of what was stored last
	broken   error                             // a change could not be stored
	dead     bool                              // deleted, or never used: as soon as last is durable it may be forgotten
}

// newCoordinator returns one without groups.
func newCoordinator(b *Broker) *coordinator {
	o := b.opts.Groups
	return &coordinator{
		b: b, groups: map[log.Group]*consumerGroup{}, queues: map[log.Group]bool{}, wake: make(chan struct{}, 1),
		config: groups.Config{
			SessionTimeoutMin: o.SessionTimeoutMin, SessionTimeoutMax: o.SessionTimeoutMax,
			InitialRebalanceDelay: o.InitialRebalanceDelay, MembersMax: o.MembersMax,
			StateBytesMax: min(16<<20, b.opts.BatchBytesMax/5), // a group and its members' names fit one batch
			OffsetsMax:    min(65536, b.opts.BatchBytesMax/1024),
		},
	}
}

// now returns the time as groups have it.
func (c *coordinator) now() groups.Moment {
	return groups.Moment{Elapsed: time.Since(c.b.opened), Wall: c.b.opts.Clock().Truncate(time.Millisecond)}
}

// ready checks that groups can be used at all, and makes the topic if it must be there.
func (c *coordinator) ready(ctx context.Context, op string, name log.Group, topic bool) error {
	if err := name.Validate(); err != nil {
		return err
	}
	if c.b.closed.Load() {
		return errClosed(op + " group " + string(name))
	}
	if c.lost != nil || !topic || (*c.b.topics.Load())[offsetsTopic] != nil {
		return c.lost
	}
	err := c.b.CreateTopic(ctx, offsetsTopic, log.TopicConfig{
		Cleanup: log.CleanupCompact, SegmentBytes: 16 << 20, RecordBytesMax: recordBytesMax,
	})
	if log.CodeOf(err) == log.TopicExists {
		return nil
	}
	return err
}

// enter returns the group with its lock held; the caller ends with exit. Without create a group that is not there is nil.
func (c *coordinator) enter(ctx context.Context, op string, name log.Group, create bool) (*consumerGroup, error) {
	for {
		g, err := c.find(op, name, create)
		if g == nil || err != nil {
			return nil, err
		}
		g.mu.Lock()
		switch {
		case g.broken != nil:
			defer g.mu.Unlock()
			return nil, g.broken
		case !g.dead:
			return g, nil
		}
		deleted := g.last
		g.mu.Unlock()
		if err := deleted.Wait(ctx); err != nil {
			return nil, err
		}
		c.forget(g)
	}
}

// find returns the group of a name.
func (c *coordinator) find(op string, name log.Group, create bool) (*consumerGroup, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[name]
	if g != nil || !create {
		return g, nil
	}
	if c.queues[name] {
		return nil, errIsQueue(op, name)
	}
	if len(c.groups) >= c.b.opts.Groups.GroupsMax {
		return nil, log.NewError(log.LimitReached, op+" group "+string(name), "there are %d groups", len(c.groups))
	}
	g = c.add(name, groups.New(name, c.config))
	return g, nil
}

// reserve makes a name a queue group's, unless it is a consumer group's.
func (c *coordinator) reserve(name log.Group) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[name] != nil {
		return false
	}
	c.queues[name] = true
	return true
}

// unreserve undoes reserve.
func (c *coordinator) unreserve(name log.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.queues, name)
}

func (c *coordinator) isQueue(name log.Group) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queues[name]
}

func errIsQueue(op string, name log.Group) error {
	return log.NewError(log.InconsistentProtocol, op+" group "+string(name), "it is a queue group, and no consumer group")
}

// add makes a group known. mu must be held.
func (c *coordinator) add(name log.Group, state *groups.Group) *consumerGroup {
	g := &consumerGroup{c: c, name: name, state: state, answers: map[groups.Call]chan groups.Reply{}}
	c.groups[name] = g
	return g
}

// forget removes a dead group.
func (c *coordinator) forget(g *consumerGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[g.name] == g {
		delete(c.groups, g.name)
	}
}

// all returns the groups by name.
func (c *coordinator) all() []*consumerGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*consumerGroup, 0, len(c.groups))
	for _, g := range c.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(x, y *consumerGroup) int { return cmp.Compare(x.name, y.name) })
	return all
}

// exit gives the group back, with its next deadline noted. A group that was never used is forgotten.
func (g *consumerGroup) exit() {
	defer g.mu.Unlock()
	if g.state.Unused() && len(g.answers) == 0 && !g.pending() {
		g.dead = true
		g.c.forget(g)
		return
	}
	at, ok := g.state.NextDeadline()
	if g.pending() && g.broken == nil { // the partition was full: once more soon
		const soon = 10 * time.Millisecond
		if retry := time.Since(g.c.b.opened) + soon; !ok || retry < at {
			at, ok = retry, true
		}
	}
	if ok {
		g.c.schedule(g, at)
	}
}

// carryOut does what the machine says. mu must be held.
func (g *consumerGroup) carryOut(e groups.Effects) {
	g.unstored = g.unstored || e.Store
	if g.pending() {
		_, _ = g.store() // those who are answered see to it: settle
	}
	for _, reply := range e.Replies {
		if answer := g.answers[reply.Call]; answer != nil {
			delete(g.answers, reply.Call)
			answer <- reply
		}
	}
}
