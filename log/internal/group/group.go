package group

import (
	"slices"
	"time"

	"lodge/log"
)

// Group is one consumer group. Make one with New or Restore.
type Group struct {
	name   log.Group
	config Config

	state        log.GroupState
	changed      time.Time // wall time of the last change of state: what expiry counts from while Empty
	generation   log.Generation
	protocolType string // "" as long as the group never had members
	protocol     string // the assignor in use; "" unless CompletingRebalance or Stable
	leader       log.MemberID
	members      []*member // in the order in which they came
	offsets      map[log.TopicPartition]log.CommittedOffset

	joinDeadline time.Duration // PreparingRebalance: when waiting for members to join ends
	syncDeadline time.Duration // when members that were told the generation must have asked for their assignment
	initial      initialDelay
}

// initialDelay holds the first members of an empty group back so that those that start together make one generation.
type initialDelay struct {
	on        bool
	remaining time.Duration // of the rebalance timeout, beyond joinDeadline
	joined    bool          // somebody has come since joinDeadline was set
}

// member is one member. It has at most one waiting call.
type member struct {
	id               log.MemberID
	instance         string // "": dynamic
	clientID         string
	sessionTimeout   time.Duration
	rebalanceTimeout time.Duration
	protocols        []log.GroupProtocol // as it last joined; one only when restored
	assignment       []byte

	join, sync Call          // the waiting call, or 0
	known      bool          // somebody was told its id
	synced     bool          // it need not ask for its assignment in this generation any more
	deadline   time.Duration // the end of its session, unless a call of it waits
}

// Effects is what a request or a tick brought about, to be carried out in this order.
type Effects struct {
	Store   bool // MetadataRecord is to be durable before any of the replies is given
	Replies []Reply
}

// Reply answers one waiting call.
type Reply struct {
	Call Call
	Join log.JoinResponse // of a join, when Err is nil
	Sync []byte           // of a sync, when Err is nil: the group's memory, not to be changed
	Err  error            // *log.Error
}

// New returns an empty group of generation 0.
func New(name log.Group, config Config) *Group {
	return &Group{
		name: name, config: config.WithDefaults(), state: log.GroupEmpty,
		offsets: map[log.TopicPartition]log.CommittedOffset{},
	}
}

// State returns where the group stands.
func (g *Group) State() log.GroupState { return g.state }

// Generation returns the number of the current membership.
func (g *Group) Generation() log.Generation { return g.generation }

// Unused reports whether the group is as New returned it: nothing of it need be kept.
func (g *Group) Unused() bool {
	return g.state == log.GroupEmpty && g.generation == 0 && len(g.offsets) == 0
}

// Kill makes an Empty group Dead. Error: GroupNotEmpty.
func (g *Group) Kill(now Moment) error {
	if g.state != log.GroupEmpty {
		return g.err(log.GroupNotEmpty, "delete", "it is %s with %d members", g.state, len(g.members))
	}
	g.become(now, log.GroupDead)
	return nil
}

func (g *Group) become(now Moment, state log.GroupState) { g.state, g.changed = state, now.Wall }

// err returns an error about the group.
func (g *Group) err(code log.Code, op, format string, args ...any) error {
	return log.NewError(code, op+" group "+string(g.name), format, args...)
}

// find returns the member with an id, or nil.
func (g *Group) find(id log.MemberID) *member {
	for _, m := range g.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// findInstance returns the static member with an instance name, or nil.
func (g *Group) findInstance(instance string) *member {
	for _, m := range g.members {
		if instance != "" && m.instance == instance {
			return m
		}
	}
	return nil
}

// check returns the member that a request names. Codes: FencedInstance when another member has its instance, UnknownMember.
func (g *Group) check(op string, id log.MemberID, instance string) (*member, error) {
	if instance != "" {
		m := g.findInstance(instance)
		if m == nil {
			return nil, g.err(log.UnknownMember, op, "no member has the instance %q", instance)
		}
		if m.id != id {
			return nil, g.err(log.FencedInstance, op, "the instance %q is now member %s, not %s", instance, m.id, id)
		}
		return m, nil
	}
	m := g.find(id)
	if m == nil {
		return nil, g.err(log.UnknownMember, op, "%q is no member", id)
	}
	return m, nil
}

// checkGeneration is check for requests that belong to one generation. Code IllegalGeneration as well.
func (g *Group) checkGeneration(op string, id log.MemberID, instance string, generation log.Generation) (*member, error) {
	m, err := g.check(op, id, instance)
	if err == nil && generation != g.generation {
		return nil, g.err(log.IllegalGeneration, op, "generation %d, the group's is %d", generation, g.generation)
	}
	return m, err
}

// remove takes members out without further consequences; calls of theirs that wait get err.
func (g *Group) remove(e *Effects, code log.Code, why string, gone func(*member) bool) (removed bool) {
	g.members = slices.DeleteFunc(g.members, func(m *member) bool {
		if !gone(m) {
			return false
		}
		e.refuse(m, g.err(code, "stay in", "%s", why))
		removed = true
		return true
	})
	if g.find(g.leader) == nil {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
	return removed
}

// refuse answers a member's waiting call with an error.
func (e *Effects) refuse(m *member, err error) {
	for _, call := range []*Call{&m.join, &m.sync} {
		if *call != 0 {
			e.Replies = append(e.Replies, Reply{Call: *call, Err: err})
			*call = 0
		}
	}
}

// waits reports whether a call of the member waits: then its session does not end.
func (m *member) waits() bool { return m.join != 0 || m.sync != 0 }

// alive begins the member's session anew.
func (m *member) alive(now Moment) { m.deadline = now.Elapsed + m.sessionTimeout }

// metadata returns what the member said for a protocol, or nil.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// supports reports whether the member can do a protocol.
func (m *member) supports(protocol string) bool {
	return slices.ContainsFunc(m.protocols, func(p log.GroupProtocol) bool { return p.Name == protocol })
}
