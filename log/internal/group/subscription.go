package group

import (
	"bytes"
	"slices"

	"lodge/log"
)

// Subscription is what a member tells the leader: Kafka's ConsumerProtocolSubscription, versions 0 to 3.
type Subscription struct {
	Topics     []log.Topic
	UserData   []byte               // nil: null
	Owned      []log.TopicPartition // what the member has and would like to keep (version 1); topics together
	Generation log.Generation       // in which it got Owned (version 2); log.NoGeneration: none
	Rack       string               // (version 3); "": none
}

// subscriptionVersion is the version that Encode writes, and the newest known.
const subscriptionVersion = 3

// Encode returns s in version 3. The error has code InvalidArgument: a string is longer than 32,767 bytes.
func (s *Subscription) Encode() ([]byte, error) { return s.encode(subscriptionVersion) }

func (s *Subscription) encode(version int16) ([]byte, error) {
	if tooLong(s.Rack) || slices.ContainsFunc(s.Topics, func(t log.Topic) bool { return tooLong(string(t)) }) ||
		slices.ContainsFunc(s.Owned, func(tp log.TopicPartition) bool { return tooLong(string(tp.Topic)) }) {
		return nil, log.NewError(log.InvalidArgument, "encode subscription", "a string is longer than 32,767 bytes")
	}
	b := appendInt32(appendInt16(nil, version), int32(len(s.Topics)))
	for _, t := range s.Topics {
		b = appendString(b, t)
	}
	b = appendBytes(b, s.UserData)
	if version >= 1 {
		b = appendPartitions(b, s.Owned)
	}
	if version >= 2 {
		b = appendInt32(b, int32(s.Generation))
	}
	if version >= 3 {
		b = appendNullableString(b, s.Rack)
	}
	return b, nil
}

// DecodeSubscription reads a subscription of any version; of one that is newer than 3 it reads what version 3 has. Slices point into b.
// The error has code Corrupt.
func DecodeSubscription(b []byte) (Subscription, error) {
	r := reader{b: b}
	s := Subscription{Generation: log.NoGeneration}
	version := r.int16()
	for range r.length(2) {
		s.Topics = append(s.Topics, log.Topic(r.string()))
	}
	s.UserData = r.bytes()
	if version >= 1 {
		s.Owned = r.partitions()
	}
	if version >= 2 {
		s.Generation = log.Generation(r.int32())
	}
	if version >= 3 {
		s.Rack = r.nullableString()
	}
	if r.bad || version < 0 {
		return Subscription{}, corrupt("decode subscription", "%d bytes are no subscription of version %d", len(b), version)
	}
	return s, nil
}

// sameSubscription reports whether a plan for one is a plan for the other: what they own does not matter. Bytes that are no subscriptions are
// compared as they are.
func sameSubscription(a, b []byte) bool {
	x, errX := DecodeSubscription(a)
	y, errY := DecodeSubscription(b)
	if errX != nil || errY != nil {
		return bytes.Equal(a, b)
	}
	slices.Sort(x.Topics)
	slices.Sort(y.Topics)
	return slices.Equal(x.Topics, y.Topics) && bytes.Equal(x.UserData, y.UserData) && x.Rack == y.Rack
}

// Assignment is what a member gets: Kafka's ConsumerProtocolAssignment, which is the same in versions 0 to 3.
type Assignment struct {
	Partitions []log.TopicPartition // topics together
	UserData   []byte               // nil: null
}

// Encode returns a in version 0. The error has code InvalidArgument: a topic is longer than 32,767 bytes.
func (a *Assignment) Encode() ([]byte, error) {
	if slices.ContainsFunc(a.Partitions, func(tp log.TopicPartition) bool { return tooLong(string(tp.Topic)) }) {
		return nil, log.NewError(log.InvalidArgument, "encode assignment", "a string is longer than 32,767 bytes")
	}
	return appendBytes(appendPartitions(appendInt16(nil, 0), a.Partitions), a.UserData), nil
}

// DecodeAssignment reads an assignment; no bytes at all are an empty one. Slices point into b. The error has code Corrupt.
func DecodeAssignment(b []byte) (Assignment, error) {
	if len(b) == 0 {
		return Assignment{}, nil
	}
	r := reader{b: b}
	version := r.int16()
	a := Assignment{Partitions: r.partitions(), UserData: r.bytes()}
	if r.bad || version < 0 {
		return Assignment{}, corrupt("decode assignment", "%d bytes are no assignment of version %d", len(b), version)
	}
	return a, nil
}
