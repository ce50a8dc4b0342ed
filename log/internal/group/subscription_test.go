package group

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"lodge/log"
)

var topicGen = rapid.StringMatching(`[a-zA-Z0-9._-]{1,12}`)

// partitionsGen draws partitions of distinct topics, each topic's together.
func partitionsGen(t *rapid.T, label string) (tps []log.TopicPartition) {
	for _, topic := range rapid.SliceOfNDistinct(topicGen, 0, 4, rapid.ID[string]).Draw(t, label) {
		for _, p := range rapid.SliceOfN(rapid.Int32(), 1, 4).Draw(t, "partitions") {
			tps = append(tps, log.TopicPartition{Topic: log.Topic(topic), Partition: log.Partition(p)})
		}
	}
	return tps
}

func subscriptionGen(t *rapid.T) Subscription {
	s := Subscription{
		Owned: partitionsGen(t, "owned"), Generation: log.Generation(rapid.Int32().Draw(t, "generation")),
		Rack: rapid.StringN(0, 8, -1).Draw(t, "rack"),
	}
	for _, topic := range rapid.SliceOfN(topicGen, 0, 5).Draw(t, "topics") {
		s.Topics = append(s.Topics, log.Topic(topic))
	}
	if rapid.Bool().Draw(t, "user data") {
		s.UserData = rapid.SliceOf(rapid.Byte()).Draw(t, "user data")
	}
	return s
}

// kafkaPartitions is partitions as kmsg has them.
func kafkaPartitions(tps []log.TopicPartition) (owned []kmsg.ConsumerMemberMetadataOwnedPartition) {
	for _, tp := range tps {
		if n := len(owned); n == 0 || owned[n-1].Topic != string(tp.Topic) {
			owned = append(owned, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: string(tp.Topic)})
		}
		last := &owned[len(owned)-1]
		last.Partitions = append(last.Partitions, int32(tp.Partition))
	}
	return owned
}

func kafkaMetadata(s Subscription, version int16) *kmsg.ConsumerMemberMetadata {
	m := &kmsg.ConsumerMemberMetadata{
		Version: version, UserData: s.UserData, OwnedPartitions: kafkaPartitions(s.Owned), Generation: int32(s.Generation),
	}
	for _, t := range s.Topics {
		m.Topics = append(m.Topics, string(t))
	}
	if s.Rack != "" {
		m.Rack = &s.Rack
	}
	return m
}

func TestSubscriptionIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, version := subscriptionGen(t), int16(rapid.IntRange(0, 3).Draw(t, "version"))
		encoded, err := s.encode(version)
		if err != nil {
			t.Fatal(err)
		}
		if want := kafkaMetadata(s, version).AppendTo(nil); !bytes.Equal(encoded, want) {
			t.Fatalf("encoded %x, Kafka's is %x", encoded, want)
		}
		decoded, err := DecodeSubscription(encoded)
		if err != nil {
			t.Fatal(err)
		}
		want := s
		if version < 1 {
			want.Owned = nil
		}
		if version < 2 {
			want.Generation = log.NoGeneration
		}
		if version < 3 {
			want.Rack = ""
		}
		if !reflect.DeepEqual(decoded, want) {
			t.Fatalf("decoded %+v, want %+v", decoded, want)
		}
	})
}

func TestSubscriptionOfANewerVersion(t *testing.T) {
	s := Subscription{Topics: []log.Topic{"a"}, Generation: 3, Rack: "r"}
	encoded, _ := s.Encode()
	encoded[1] = 9
	got, err := DecodeSubscription(append(encoded, "what version 9 has behind it"...))
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAssignmentIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Assignment{Partitions: partitionsGen(t, "assigned")}
		if rapid.Bool().Draw(t, "user data") {
			a.UserData = rapid.SliceOf(rapid.Byte()).Draw(t, "user data")
		}
		encoded, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want := kmsg.ConsumerMemberAssignment{UserData: a.UserData}
		for _, o := range kafkaPartitions(a.Partitions) {
			want.Topics = append(want.Topics, kmsg.ConsumerMemberAssignmentTopic(o))
		}
		if !bytes.Equal(encoded, want.AppendTo(nil)) {
			t.Fatalf("encoded %x, Kafka's is %x", encoded, want.AppendTo(nil))
		}
		decoded, err := DecodeAssignment(encoded)
		if err != nil || !reflect.DeepEqual(decoded, a) {
			t.Fatalf("decoded %+v, %v", decoded, err)
		}
	})
}

func TestNoAssignment(t *testing.T) {
	for _, b := range [][]byte{nil, {}} {
		if a, err := DecodeAssignment(b); err != nil || a.Partitions != nil {
			t.Errorf("got %+v, %v", a, err)
		}
	}
}

func TestTooLongStringsAreRefused(t *testing.T) {
	long := log.Topic(make([]byte, 1<<15))
	s := Subscription{Topics: []log.Topic{long}}
	_, err := s.Encode()
	wantCode(t, err, log.InvalidArgument)
	a := Assignment{Partitions: []log.TopicPartition{{Topic: long}}}
	_, err = a.Encode()
	wantCode(t, err, log.InvalidArgument)
}

func wantCode(t testing.TB, err error, code log.Code) {
	t.Helper()
	if log.CodeOf(err) != code {
		t.Errorf("error %v, want code %v", err, code)
	}
}

// What is decoded encodes to the same again, once it was encoded; kmsg, where it reads the bytes too, reads the same.
func FuzzDecodeSubscription(f *testing.F) {
	s := Subscription{Topics: []log.Topic{"a", "b"}, UserData: []byte{1}, Owned: []log.TopicPartition{{Topic: "a", Partition: 3}}, Generation: 7, Rack: "r"}
	for version := range int16(4) {
		b, _ := s.encode(version)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{0, 3, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSubscription(b)
		if err != nil {
			wantCode(t, err, log.Corrupt)
			return
		}
		again, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s2, err := DecodeSubscription(again)
		if err != nil || !slices.Equal(s2.Topics, s.Topics) || !slices.Equal(s2.Owned, s.Owned) ||
			!bytes.Equal(s2.UserData, s.UserData) || s2.Generation != s.Generation || s2.Rack != s.Rack {
			t.Fatalf("%+v became %+v, %v", s, s2, err)
		}
		var k kmsg.ConsumerMemberMetadata
		if k.ReadFrom(b) == nil && k.Version <= 3 && !slices.EqualFunc(k.Topics, s.Topics, func(a string, b log.Topic) bool { return a == string(b) }) {
			t.Fatalf("kmsg reads topics %q, got %q", k.Topics, s.Topics)
		}
	})
}

func FuzzDecodeAssignment(f *testing.F) {
	a := Assignment{Partitions: []log.TopicPartition{{Topic: "a", Partition: 3}, {Topic: "a", Partition: 4}, {Topic: "b"}}, UserData: []byte{}}
	b, _ := a.Encode()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAssignment(b)
		if err != nil {
			wantCode(t, err, log.Corrupt)
			return
		}
		again, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		a2, err := DecodeAssignment(again)
		if err != nil || !slices.Equal(a2.Partitions, a.Partitions) || !bytes.Equal(a2.UserData, a.UserData) {
			t.Fatalf("%+v became %+v, %v", a, a2, err)
		}
	})
}
