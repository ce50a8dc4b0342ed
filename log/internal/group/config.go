package group

import (
	"cmp"
	"time"
)

// Config bounds a group. The zero value of a field means its default.
type Config struct {
	SessionTimeoutMin     time.Duration // default 6 s, as in Kafka
	SessionTimeoutMax     time.Duration // default 30 min, as in Kafka
	InitialRebalanceDelay time.Duration // the first members of an empty group wait this long for more; default 0
	MembersMax            int           // default 1,000
	StateBytesMax         int           // subscriptions of all members, and assignments of all members: default 16 MiB each
	OffsetsMax            int           // partitions with a committed offset: default 65,536
}

// WithDefaults returns c with its zero fields set to their defaults.
func (c Config) WithDefaults() Config {
	c.SessionTimeoutMin = cmp.Or(c.SessionTimeoutMin, 6*time.Second)
	c.SessionTimeoutMax = cmp.Or(c.SessionTimeoutMax, 30*time.Minute)
	c.MembersMax = cmp.Or(c.MembersMax, 1000)
	c.StateBytesMax = cmp.Or(c.StateBytesMax, 16<<20)
	c.OffsetsMax = cmp.Or(c.OffsetsMax, 65536)
	return c
}

// Limits of what a member may send.
const (
	ProtocolsMax        = 16             // assignors that one member offers
	NameBytesMax        = 249            // instance, client id, protocol type and name
	MetadataBytesMax    = 1 << 20        // one protocol's subscription
	RebalanceTimeoutMax = 24 * time.Hour // also the longest a group may prepare
)

// EmptyAge is how long a group without members and offsets is kept.
const EmptyAge = 10 * time.Minute

// Moment is a point in time, told twice.
type Moment struct {
	Elapsed time.Duration // since anything that stays the same; never goes back. Timeouts go by it
	Wall    time.Time     // for people, and for what must survive a restart: commit times, expiry
}

// Call names a waiting JoinGroup or SyncGroup: the caller's choice, unique within the group, not 0.
type Call uint64
