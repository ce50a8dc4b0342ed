package log

import (
	"context"
	"time"
)

// Group is the name of a consumer group: 1 to 249 characters of [a-zA-Z0-9._-].
type Group string

// Validate returns an error with code InvalidGroup when g is not a legal group name.
func (g Group) Validate() error {
	if g == "" || len(g) > TopicNameMax {
		return NewError(InvalidGroup, "group", "a name has 1 to %d bytes, not %d", TopicNameMax, len(g))
	}
	for i := range len(g) {
		if !topicByte(g[i]) {
			return NewError(InvalidGroup, "group", "%q has a character outside [a-zA-Z0-9._-]", string(g))
		}
	}
	return nil
}

// MemberID names a member within its group; the coordinator gives it out.
type MemberID string

// Generation counts the memberships of a group: each rebalance that ends begins the next one. It never goes back.
type Generation int32

// NoGeneration is what a committer names that is no member of the group.
const NoGeneration Generation = -1

// GroupState is where a group stands. The names are those of Kafka's classic group protocol.
type GroupState string

// The states of a group.
const (
	GroupEmpty               GroupState = "Empty"               // no members; it may have offsets
	GroupPreparingRebalance  GroupState = "PreparingRebalance"  // members are joining
	GroupCompletingRebalance GroupState = "CompletingRebalance" // the leader makes the plan
	GroupStable              GroupState = "Stable"
	GroupDead                GroupState = "Dead" // being deleted
)

// JoinRequest asks to become a member, or to stay one in the next generation.
type JoinRequest struct {
	Group            Group
	Member           MemberID      // "": a new member
	Instance         string        // static membership: the same name takes over its predecessor's place; "": dynamic
	ClientID         string        // for people
	SessionTimeout   time.Duration // without a heartbeat for this long the member is out
	RebalanceTimeout time.Duration // how long members have to join again
	ProtocolType     string        // "consumer"
	Protocols        []GroupProtocol
}

// GroupProtocol is an assignor that a member can do, the one it likes best first, with the member's
// subscription in Kafka's ConsumerProtocolSubscription format.
type GroupProtocol struct {
	Name     string // "range", "roundrobin", "cooperative-sticky"
	Metadata []byte
}

// JoinResponse tells a member that the group has formed.
type JoinResponse struct {
	Generation Generation
	Protocol   string // that all members can do
	Leader     MemberID
	Member     MemberID
	Members    []JoinedMember // for the leader only: what it plans for

	// SkipAssignment tells a leader that took over a static member's place that the plan in force stays: it syncs without one. A
	// plan that it sends all the same is not looked at.
	SkipAssignment bool
}

// JoinedMember is a member as the leader sees it.
type JoinedMember struct {
	Member   MemberID
	Instance string
	Metadata []byte
}

// SyncRequest asks for the member's assignment; the leader's carries the plan.
type SyncRequest struct {
	Group       Group
	Generation  Generation
	Member      MemberID
	Instance    string
	Assignments map[MemberID][]byte // from the leader; ConsumerProtocolAssignment
}

// HeartbeatRequest says that a member is alive.
type HeartbeatRequest struct {
	Group      Group
	Generation Generation
	Member     MemberID
	Instance   string
}

// LeaveRequest takes members out of a group at once.
type LeaveRequest struct {
	Group   Group
	Members []HeartbeatRequest // Member or Instance of each; Group and Generation are not looked at
}

// CommittedOffset is how far a group has got in one partition.
type CommittedOffset struct {
	Offset     Offset // of the record to be processed next
	Metadata   string // the committer's own, at most OffsetMetadataMax bytes
	CommitTime time.Time
}

// OffsetMetadataMax is the longest metadata of a committed offset in bytes, as in Kafka.
const OffsetMetadataMax = 4096

// CommitRequest stores offsets. With NoGeneration and no member it is an administrator's, and refused while the group has members.
type CommitRequest struct {
	Group      Group
	Generation Generation
	Member     MemberID
	Instance   string
	Offsets    map[TopicPartition]CommittedOffset // CommitTime is the coordinator's
}

// Coordinator is who arbitrates consumer groups, in the terms of Kafka's classic group protocol. Safe for concurrent use.
type Coordinator interface {
	// JoinGroup waits until all members have joined or their time is up. Errors: InvalidGroup, InvalidArgument,
	// InvalidSessionTimeout, InconsistentProtocol, UnknownMember, FencedInstance, GroupFull, Closed. When ctx ends
	// first the member may be in the group: leave it, or it stays until its session times out.
	JoinGroup(ctx context.Context, req JoinRequest) (JoinResponse, error)

	// SyncGroup waits for the leader's plan and returns the member's part of it. Errors: UnknownMember,
	// IllegalGeneration, RebalanceInProgress, FencedInstance, Closed.
	SyncGroup(ctx context.Context, req SyncRequest) (assignment []byte, err error)

	// Heartbeat keeps the member in. Errors: RebalanceInProgress (join again), UnknownMember, IllegalGeneration, FencedInstance, Closed.
	Heartbeat(ctx context.Context, req HeartbeatRequest) error

	// LeaveGroup takes members out; their partitions are given to others at once. Error: UnknownMember, FencedInstance, Closed.
	LeaveGroup(ctx context.Context, req LeaveRequest) error

	// CommitOffsets returns when the offsets are durable; all of them or none is stored. Errors: UnknownMember, IllegalGeneration,
	// RebalanceInProgress, FencedInstance, UnknownTopic, InvalidArgument, GroupNotEmpty, LimitReached, Closed.
	CommitOffsets(ctx context.Context, req CommitRequest) error

	// FetchOffsets returns what is committed for tps, or for all partitions that have something when tps is nil.
	// Partitions without a commit are missing from the map.
	FetchOffsets(ctx context.Context, group Group, tps []TopicPartition) (map[TopicPartition]CommittedOffset, error)
}

// GroupInfo describes a group as it is.
type GroupInfo struct {
	Group      Group
	State      GroupState
	Generation Generation
	Protocol   string // the assignor in use
	Leader     MemberID
	Members    []MemberInfo // by id
	Offsets    []GroupOffset
}

// MemberInfo describes a member.
type MemberInfo struct {
	Member           MemberID
	Instance         string
	ClientID         string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	Topics           []Topic          // subscribed
	Assignment       []TopicPartition // by topic and partition
}

// GroupOffset is how far a group has got in one partition, and how far that is behind.
type GroupOffset struct {
	TopicPartition
	CommittedOffset
	HighWatermark Offset
	Lag           int64 // records committed to the log and not yet by the group
}

// GroupAdmin looks at groups and changes what they have committed. Safe for concurrent use.
type GroupAdmin interface {
	ListGroups(ctx context.Context) ([]GroupInfo, error) // by name; Offsets left out
	// DescribeGroup returns one group with members, assignment and lag. Error: UnknownGroup.
	DescribeGroup(ctx context.Context, group Group) (GroupInfo, error)
	// DeleteGroup forgets a group without members, with its offsets. Errors: UnknownGroup, GroupNotEmpty.
	DeleteGroup(ctx context.Context, group Group) error
	// ResetOffsets commits where the group is to go on, for a group without members, and returns it. Partitions
	// that are not in the map stay. Errors: GroupNotEmpty, UnknownTopic, OffsetOutOfRange.
	ResetOffsets(ctx context.Context, group Group, to map[TopicPartition]Offset) error
}
