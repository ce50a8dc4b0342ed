package group

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"lodge/log"
)

func TestOffsetRecordIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := log.Group(topicGen.Draw(t, "group"))
		tp := log.TopicPartition{Topic: log.Topic(topicGen.Draw(t, "topic")), Partition: log.Partition(rapid.Int32().Draw(t, "partition"))}
		c := log.CommittedOffset{
			Offset: log.Offset(rapid.Int64().Draw(t, "offset")), Metadata: rapid.StringN(0, 20, log.OffsetMetadataMax).Draw(t, "metadata"),
			CommitTime: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")),
		}
		r := OffsetRecord(group, tp, c)
		key := kmsg.OffsetCommitKey{Version: 1, Group: string(group), Topic: string(tp.Topic), Partition: int32(tp.Partition)}
		value := kmsg.OffsetCommitValue{
			Version: 3, Offset: int64(c.Offset), LeaderEpoch: -1, Metadata: c.Metadata, CommitTimestamp: c.CommitTime.UnixMilli(),
		}
		if !bytes.Equal(r.Key, key.AppendTo(nil)) || !bytes.Equal(r.Value, value.AppendTo(nil)) {
			t.Fatalf("key %x, value %x, Kafka's are %x and %x", r.Key, r.Value, key.AppendTo(nil), value.AppendTo(nil))
		}
		var replay Replay
		if err := replay.Apply(&r); err != nil {
			t.Fatal(err)
		}
		if got := replay.Groups[group].Offsets[tp]; !reflect.DeepEqual(got, c) {
			t.Fatalf("read %+v, wrote %+v", got, c)
		}
		gone := OffsetTombstone(group, tp)
		if err := replay.Apply(&gone); err != nil || !bytes.Equal(gone.Key, r.Key) || len(replay.Groups) != 0 {
			t.Fatalf("after the tombstone %v is left, error %v", replay.Groups, err)
		}
	})
}

func metadataGen(t *rapid.T) Metadata {
	m := Metadata{
		ProtocolType: topicGen.Draw(t, "protocol type"), Generation: log.Generation(rapid.Int32().Draw(t, "generation")),
		Protocol: rapid.StringN(0, 8, -1).Draw(t, "protocol"), Leader: log.MemberID(rapid.StringN(0, 8, -1).Draw(t, "leader")),
		Changed: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "changed")),
	}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		m.Members = append(m.Members, MetadataMember{
			Member: log.MemberID(topicGen.Draw(t, "member")), Instance: rapid.StringN(0, 8, -1).Draw(t, "instance"), ClientID: topicGen.Draw(t, "client"),
			RebalanceTimeout: time.Duration(rapid.Int32().Draw(t, "rebalance")) * time.Millisecond,
			SessionTimeout:   time.Duration(rapid.Int32().Draw(t, "session")) * time.Millisecond,
			Subscription:     rapid.SliceOf(rapid.Byte()).Draw(t, "subscription"),
			Assignment:       rapid.SliceOf(rapid.Byte()).Draw(t, "assignment"),
		})
	}
	return m
}

func kafkaGroup(m Metadata) *kmsg.GroupMetadataValue {
	nullable := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	k := &kmsg.GroupMetadataValue{
		Version: 3, ProtocolType: m.ProtocolType, Generation: int32(m.Generation), Protocol: nullable(m.Protocol),
		Leader: nullable(string(m.Leader)), CurrentStateTimestamp: m.Changed.UnixMilli(),
	}
	for _, mm := range m.Members {
		k.Members = append(k.Members, kmsg.GroupMetadataValueMember{
			MemberID: string(mm.Member), InstanceID: nullable(mm.Instance), ClientID: mm.ClientID,
			RebalanceTimeoutMillis: int32(mm.RebalanceTimeout.Milliseconds()), SessionTimeoutMillis: int32(mm.SessionTimeout.Milliseconds()),
			Subscription: mm.Subscription, Assignment: mm.Assignment,
		})
	}
	return k
}

func TestGroupRecordIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, group := metadataGen(t), log.Group(topicGen.Draw(t, "group"))
		r := m.record(group)
		key := kmsg.GroupMetadataKey{Version: 2, Group: string(group)}
		if !bytes.Equal(r.Key, key.AppendTo(nil)) || !bytes.Equal(r.Value, kafkaGroup(m).AppendTo(nil)) {
			t.Fatalf("key %x, value %x, Kafka's are %x and %x", r.Key, r.Value, key.AppendTo(nil), kafkaGroup(m).AppendTo(nil))
		}
		var replay Replay
		if err := replay.Apply(&r); err != nil {
			t.Fatal(err)
		}
		if got := replay.Groups[group].Metadata; !reflect.DeepEqual(*got, m) {
			t.Fatalf("read %+v, wrote %+v", got, m)
		}
		gone := Tombstone(group)
		if err := replay.Apply(&gone); err != nil || len(replay.Groups) != 0 {
			t.Fatalf("after the tombstone %v is left, error %v", replay.Groups, err)
		}
	})
}

func TestReplayRefusesWhatItDoesNotKnow(t *testing.T) {
	offset := OffsetRecord("g", log.TopicPartition{Topic: "t"}, log.CommittedOffset{})
	group := (&Metadata{}).record("g")
	for name, c := range map[string]struct {
		record log.Record
		code   log.Code
	}{
		"no key":                  {log.Record{}, log.Corrupt},
		"a key of a newer kind":   {log.Record{Key: []byte{0, 3, 0, 1, 'g'}}, log.UnsupportedFormat},
		"a key of a negative one": {log.Record{Key: []byte{0xff, 0xff, 0, 1, 'g'}}, log.Corrupt},
		"half a key":              {log.Record{Key: offset.Key[:6]}, log.Corrupt},
		"half an offset":          {log.Record{Key: offset.Key, Value: offset.Value[:9]}, log.Corrupt},
		"an empty offset":         {log.Record{Key: offset.Key, Value: []byte{}}, log.Corrupt},
		"a newer offset":          {log.Record{Key: offset.Key, Value: append([]byte{0, 4}, offset.Value[2:]...)}, log.UnsupportedFormat},
		"half a group":            {log.Record{Key: group.Key, Value: group.Value[:9]}, log.Corrupt},
		"a newer group":           {log.Record{Key: group.Key, Value: append([]byte{0, 4}, group.Value[2:]...)}, log.UnsupportedFormat},
	} {
		t.Run(name, func(t *testing.T) {
			var replay Replay
			wantCode(t, replay.Apply(&c.record), c.code)
		})
	}
}

// Whatever is read of a record is written again as it was.
func FuzzReplay(f *testing.F) {
	offset := OffsetRecord("g", log.TopicPartition{Topic: "t", Partition: 3}, log.CommittedOffset{Offset: 9, Metadata: "m", CommitTime: time.UnixMilli(5)})
	f.Add(offset.Key, offset.Value)
	m := Metadata{ProtocolType: "consumer", Members: []MetadataMember{{Member: "a", Instance: "i"}}}
	group := m.record("g")
	f.Add(group.Key, group.Value)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var replay, again Replay
		if err := replay.Apply(&log.Record{Key: key, Value: value}); err != nil {
			if code := log.CodeOf(err); code != log.Corrupt && code != log.UnsupportedFormat {
				t.Fatal(err)
			}
			return
		}
		for name, saved := range replay.Groups {
			for tp, c := range saved.Offsets {
				r := OffsetRecord(name, tp, c)
				if err := again.Apply(&r); err != nil {
					t.Fatal(err)
				}
			}
			if saved.Metadata != nil {
				r := saved.Metadata.record(name)
				if err := again.Apply(&r); err != nil {
					t.Fatal(err)
				}
				for i := range saved.Metadata.Members { // null and empty bytes are the same to us
					mm := &saved.Metadata.Members[i]
					mm.Subscription, mm.Assignment = append([]byte{}, mm.Subscription...), append([]byte{}, mm.Assignment...)
				}
			}
		}
		if len(replay.Groups) > 0 && !reflect.DeepEqual(replay, again) {
			t.Fatalf("read %+v, then %+v", replay, again)
		}
	})
}
