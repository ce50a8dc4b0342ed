package group

import (
	"time"

	"lodge/log"
)

// The records of __consumer_offsets are Kafka's: a key that begins with a version, 0 or 1 for an offset and 2 for a group, and a value that
// begins with its own. A record without value takes the key away.
const (
	offsetKeyVersion   = 1
	groupKeyVersion    = 2
	offsetValueVersion = 3
	groupValueVersion  = 3
)

// OffsetRecord returns the record that stores a committed offset.
func OffsetRecord(group log.Group, tp log.TopicPartition, c log.CommittedOffset) log.Record {
	v := appendInt64(appendInt16(nil, offsetValueVersion), int64(c.Offset))
	v = appendInt32(v, -1) // the leader epoch of the record before, which is not tracked
	v = appendString(v, c.Metadata)
	return log.Record{Key: offsetKey(group, tp), Value: appendInt64(v, c.CommitTime.UnixMilli())}
}

// OffsetTombstone returns the record that takes a committed offset away.
func OffsetTombstone(group log.Group, tp log.TopicPartition) log.Record {
	return log.Record{Key: offsetKey(group, tp)}
}

// Tombstone returns the record that takes a group's metadata away.
func Tombstone(group log.Group) log.Record { return log.Record{Key: groupKey(group)} }

func offsetKey(group log.Group, tp log.TopicPartition) []byte {
	k := appendString(appendString(appendInt16(nil, offsetKeyVersion), group), tp.Topic)
	return appendInt32(k, int32(tp.Partition))
}

func groupKey(group log.Group) []byte { return appendString(appendInt16(nil, groupKeyVersion), group) }

// Metadata is a group as it is stored.
type Metadata struct {
	ProtocolType string
	Generation   log.Generation
	Protocol     string
	Leader       log.MemberID
	Changed      time.Time // of the group's last change of state, in milliseconds
	Members      []MetadataMember
}

// MetadataMember is a member as it is stored.
type MetadataMember struct {
	Member           log.MemberID
	Instance         string
	ClientID         string
	RebalanceTimeout time.Duration // in milliseconds
	SessionTimeout   time.Duration // in milliseconds
	Subscription     []byte        // of Metadata.Protocol
	Assignment       []byte
}

// record returns the record that stores the metadata of group.
func (m *Metadata) record(group log.Group) log.Record {
	v := appendString(appendInt16(nil, groupValueVersion), m.ProtocolType)
	v = appendInt32(v, int32(m.Generation))
	v = appendNullableString(v, m.Protocol)
	v = appendNullableString(v, m.Leader)
	v = appendInt64(v, m.Changed.UnixMilli())
	v = appendInt32(v, int32(len(m.Members)))
	for _, mm := range m.Members {
		v = appendNullableString(appendString(v, mm.Member), mm.Instance)
		v = appendString(appendString(v, mm.ClientID), "")
		v = appendInt32(v, int32(mm.RebalanceTimeout.Milliseconds()))
		v = appendInt32(v, int32(mm.SessionTimeout.Milliseconds()))
		v = appendInt32(v, int32(len(mm.Subscription)))
		v = append(v, mm.Subscription...)
		v = appendInt32(v, int32(len(mm.Assignment)))
		v = append(v, mm.Assignment...)
	}
	return log.Record{Key: groupKey(group), Value: v}
}

// decodeMetadata reads what record wrote. Slices point into b. The error has code Corrupt or UnsupportedFormat.
func decodeMetadata(b []byte) (*Metadata, error) {
	r := reader{b: b}
	version := r.int16()
	if version != groupValueVersion && !r.bad {
		return nil, log.NewError(log.UnsupportedFormat, "decode group", "metadata of version %d, known is %d", version, groupValueVersion)
	}
	m := &Metadata{
		ProtocolType: r.string(), Generation: log.Generation(r.int32()), Protocol: r.nullableString(),
		Leader: log.MemberID(r.nullableString()), Changed: time.UnixMilli(r.int64()),
	}
	for range r.length(24) {
		mm := MetadataMember{Member: log.MemberID(r.string()), Instance: r.nullableString(), ClientID: r.string()}
		_ = r.string() // the member's host, which is not kept
		mm.RebalanceTimeout = time.Duration(r.int32()) * time.Millisecond
		mm.SessionTimeout = time.Duration(r.int32()) * time.Millisecond
		mm.Subscription, mm.Assignment = r.bytes(), r.bytes()
		m.Members = append(m.Members, mm)
	}
	if r.bad {
		return nil, corrupt("decode group", "%d bytes are no group metadata", len(b))
	}
	return m, nil
}

// decodeOffset reads the value of an offset's record. The error has code Corrupt or UnsupportedFormat.
func decodeOffset(b []byte) (c log.CommittedOffset, err error) {
	r := reader{b: b}
	version := r.int16()
	if version != offsetValueVersion && !r.bad {
		return c, log.NewError(log.UnsupportedFormat, "decode offset", "version %d, known is %d", version, offsetValueVersion)
	}
	c.Offset = log.Offset(r.int64())
	r.int32() // leader epoch
	c.Metadata = r.string()
	c.CommitTime = time.UnixMilli(r.int64())
	if r.bad {
		return c, corrupt("decode offset", "%d bytes are no committed offset", len(b))
	}
	return c, nil
}
