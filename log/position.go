package log

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Topic is the name of a stream: 1 to 249 characters of [a-zA-Z0-9._-], not "." or "..".
type Topic string

// TopicNameMax is the longest topic name in bytes, as in Kafka.
const TopicNameMax = 249

// Validate returns an error with code InvalidTopic when t is not a legal topic name.
func (t Topic) Validate() error {
	if t == "" || t == "." || t == ".." {
		return NewError(InvalidTopic, "topic", "%q is not a topic name", string(t))
	}
	if len(t) > TopicNameMax {
		return NewError(InvalidTopic, "topic", "name of %d bytes is longer than %d", len(t), TopicNameMax)
	}
	for i := range len(t) {
		if !topicByte(t[i]) {
			return NewError(InvalidTopic, "topic", "%q has a character outside [a-zA-Z0-9._-]", string(t))
		}
	}
	return nil
}

func topicByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}

// Internal reports whether t belongs to the log itself; such names begin with "__".
func (t Topic) Internal() bool { return strings.HasPrefix(string(t), "__") }

// Partition is the number of one ordered slice of a topic, from 0.
type Partition int32

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     Topic
	Partition Partition
}

// String returns "topic/partition", as in bookings/3.
func (tp TopicPartition) String() string {
	return string(tp.Topic) + "/" + strconv.Itoa(int(tp.Partition))
}

// Compare orders by topic, then by partition.
func (tp TopicPartition) Compare(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// Offset is a record's place in its partition, from 0 without gaps as long as nothing is compacted.
type Offset int64

// NoOffset is the absence of an offset.
const NoOffset Offset = -1

// LeaderEpoch counts the leaderships of a partition; it fences old leaders.
type LeaderEpoch int32

// Position is the place of one record: topic, partition and offset.
type Position struct {
	Topic     Topic
	Partition Partition
	Offset    Offset
}

// TopicPartition returns the partition that p lies in.
func (p Position) TopicPartition() TopicPartition {
	return TopicPartition{Topic: p.Topic, Partition: p.Partition}
}

// String returns "topic/partition@offset", as in bookings/3@1024. ParsePosition reads it back.
func (p Position) String() string {
	return fmt.Sprintf("%s/%d@%d", p.Topic, p.Partition, p.Offset)
}

// ParsePosition reads what Position.String writes. The error has code InvalidArgument.
func ParsePosition(s string) (Position, error) {
	topic, rest, ok := strings.Cut(s, "/")
	partition, offset, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 {
		return Position{}, NewError(InvalidArgument, "parse position", "%q is not topic/partition@offset", s)
	}
	if err := Topic(topic).Validate(); err != nil {
		return Position{}, err
	}
	n, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || n < 0 {
		return Position{}, NewError(InvalidArgument, "parse position", "%q has no partition number", s)
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return Position{}, NewError(InvalidArgument, "parse position", "%q has no offset", s)
	}
	return Position{Topic: Topic(topic), Partition: Partition(n), Offset: Offset(o)}, nil
}
