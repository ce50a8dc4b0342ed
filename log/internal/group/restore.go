package group

import (
	"slices"

	"lodge/log"
)

// Saved is what the topic __consumer_offsets says of one group.
type Saved struct {
	Metadata *Metadata // nil: the group never had members
	Offsets  map[log.TopicPartition]log.CommittedOffset
}

// Replay collects what the topic says of all groups. The zero value is ready.
type Replay struct {
	Groups map[log.Group]*Saved
}

// Apply takes in the next record of the topic. A tombstone gives its memory back. The error has code Corrupt or UnsupportedFormat.
func (p *Replay) Apply(record *log.Record) error {
	if p.Groups == nil {
		p.Groups = map[log.Group]*Saved{}
	}
	r := reader{b: record.Key}
	version := r.int16()
	group := log.Group(r.string())
	switch {
	case !r.bad && version == groupKeyVersion:
		return p.metadata(group, record.Value)
	case !r.bad && (version == 0 || version == offsetKeyVersion):
		tp := log.TopicPartition{Topic: log.Topic(r.string()), Partition: log.Partition(r.int32())}
		if !r.bad {
			return p.offset(group, tp, record.Value)
		}
	case !r.bad && version > groupKeyVersion:
		return log.NewError(log.UnsupportedFormat, "replay groups", "%s has a key of version %d, known is %d", record.Position(), version, groupKeyVersion)
	}
	return corrupt("replay groups", "the key of %s is neither a group's nor an offset's", record.Position())
}

func (p *Replay) metadata(group log.Group, value []byte) (err error) {
	s := p.group(group)
	if s.Metadata = nil; value != nil {
		s.Metadata, err = decodeMetadata(slices.Clone(value))
	}
	p.drop(group)
	return err
}

func (p *Replay) offset(group log.Group, tp log.TopicPartition, value []byte) error {
	s := p.group(group)
	if value == nil {
		delete(s.Offsets, tp)
		p.drop(group)
		return nil
	}
	c, err := decodeOffset(value)
	s.Offsets[tp] = c
	return err
}

func (p *Replay) group(group log.Group) *Saved {
	s := p.Groups[group]
	if s == nil {
		s = &Saved{Offsets: map[log.TopicPartition]log.CommittedOffset{}}
		p.Groups[group] = s
	}
	return s
}

// drop forgets a group of which nothing is left.
func (p *Replay) drop(group log.Group) {
	if s := p.Groups[group]; s.Metadata == nil && len(s.Offsets) == 0 {
		delete(p.Groups, group)
	}
}

// Restore returns a group as it was stored, after the process that its members were in is gone: dynamic members are taken
// out, static ones have until their session ends. The plan of a group of static members stays in force. changed reports whether the
// group is not as it was stored, so that it should be stored again. Restore keeps s.
func Restore(name log.Group, config Config, now Moment, s *Saved) (g *Group, changed bool) {
	g = New(name, config)
	g.offsets = s.Offsets
	m := s.Metadata
	if m == nil {
		return g, false
	}
	g.generation, g.protocolType, g.protocol, g.leader, g.changed = m.Generation, m.ProtocolType, m.Protocol, m.Leader, m.Changed
	planned := false
	for _, mm := range m.Members {
		if mm.Instance == "" {
			changed = true
			continue
		}
		planned = planned || len(mm.Assignment) > 0
		g.members = append(g.members, mm.restore(m.Protocol, now))
	}
	switch {
	case len(g.members) == 0:
		g.protocol, g.leader = "", ""
		if changed {
			g.changed = now.Wall
		}
	case changed || !planned: // partitions have no owner, or the leader's plan is lost
		g.prepare(now)
	default:
		g.state = log.GroupStable
	}
	return g, changed
}

func (mm *MetadataMember) restore(protocol string, now Moment) *member {
	m := &member{
		id: mm.Member, instance: mm.Instance, clientID: mm.ClientID, known: true, synced: true,
		sessionTimeout: mm.SessionTimeout, rebalanceTimeout: mm.RebalanceTimeout, assignment: mm.Assignment,
		protocols: []log.GroupProtocol{{Name: protocol, Metadata: mm.Subscription}},
	}
	m.alive(now)
	return m
}

// MetadataRecord returns the record that stores the group as it is, its offsets aside.
func (g *Group) MetadataRecord() log.Record {
	m := Metadata{ProtocolType: g.protocolType, Generation: g.generation, Protocol: g.protocol, Leader: g.leader, Changed: g.changed}
	for _, mm := range g.members {
		m.Members = append(m.Members, MetadataMember{
			Member: mm.id, Instance: mm.instance, ClientID: mm.clientID,
			RebalanceTimeout: mm.rebalanceTimeout, SessionTimeout: mm.sessionTimeout,
			Subscription: mm.metadata(g.protocol), Assignment: mm.assignment,
		})
	}
	return m.record(g.name)
}

// Describe returns the group as it is, without its offsets. Slices are the caller's.
func (g *Group) Describe() log.GroupInfo {
	info := log.GroupInfo{Group: g.name, State: g.state, Generation: g.generation, Protocol: g.protocol, Leader: g.leader}
	for _, m := range g.members {
		mi := log.MemberInfo{
			Member: m.id, Instance: m.instance, ClientID: m.clientID,
			SessionTimeout: m.sessionTimeout, RebalanceTimeout: m.rebalanceTimeout,
		}
		metadata := m.metadata(g.protocol)
		if metadata == nil && len(m.protocols) > 0 { // no protocol is chosen yet
			metadata = m.protocols[0].Metadata
		}
		if s, err := DecodeSubscription(metadata); err == nil {
			mi.Topics = s.Topics
			slices.Sort(mi.Topics)
		}
		if a, err := DecodeAssignment(m.assignment); err == nil {
			mi.Assignment = a.Partitions
			slices.SortFunc(mi.Assignment, log.TopicPartition.Compare)
		}
		info.Members = append(info.Members, mi)
	}
	slices.SortFunc(info.Members, func(a, b log.MemberInfo) int {
		if a.Member < b.Member {
			return -1
		}
		return 1
	})
	return info
}
