package natsbridge

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"lodge/log"
)

// drawBytes draws nil, empty or some bytes.
func drawBytes(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" is nil") {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name)
}

func TestScheduleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := log.Schedule{
			ID: rapid.StringMatching(`[a-zA-Z0-9._-]{1,20}`).Draw(t, "id"), Generation: 7,
			Due: time.Unix(0, rapid.Int64().Draw(t, "due")).UTC(), CreateTime: time.Unix(0, rapid.Int64().Draw(t, "created")).UTC(),
			Record: log.Record{Topic: "t", Key: drawBytes(t, "key"), Value: drawBytes(t, "value")},
		}
		if rapid.Bool().Draw(t, "cron") {
			s.Cron, s.TimeZone = "@daily", rapid.SampledFrom([]string{"", "Europe/Berlin"}).Draw(t, "zone")
		} else {
			s.At = s.Due
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			s.Record.Headers = append(s.Record.Headers, log.Header{Key: rapid.StringN(1, 5, 20).Draw(t, "name"), Value: drawBytes(t, "header")})
		}
		r := encodeSchedule(&s)
		r.Offset = 7
		got, err := decodeSchedule(&r, false)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Record.Same(&s.Record) || got.Record.Topic != "t" {
			t.Fatalf("record %+v, not %+v", got.Record, s.Record)
		}
		head, err := decodeSchedule(&r, true)
		if err != nil {
			t.Fatal(err)
		}
		got.Record, head.Record, s.Record = log.Record{}, log.Record{}, log.Record{}
		if !same(got, s) || !same(head, s) {
			t.Fatalf("%+v and %+v, not %+v", got, head, s)
		}
		cut := r
		cut.Value = r.Value[:rapid.IntRange(0, len(r.Value)-1).Draw(t, "cut")]
		if _, err := decodeSchedule(&cut, false); err == nil {
			t.Fatal("a part was taken for the whole")
		}
	})
}

func same(a, b log.Schedule) bool {
	return a.ID == b.ID && a.Generation == b.Generation && a.Cron == b.Cron && a.TimeZone == b.TimeZone &&
		a.At.Equal(b.At) && a.Due.Equal(b.Due) && a.CreateTime.Equal(b.CreateTime)
}

func TestMarkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := mark{
			tp:   log.TopicPartition{Topic: log.Topic(rapid.StringMatching(`[a-zA-Z0-9_-]{1,20}`).Draw(t, "topic")), Partition: log.Partition(rapid.Int32Range(0, 1<<30).Draw(t, "partition"))},
			from: log.Offset(rapid.Int64Range(0, 1<<62).Draw(t, "from")),
		}
		for _, g := range rapid.SliceOf(rapid.Int64Range(0, 1<<62)).Draw(t, "generations") {
			m.generations = append(m.generations, log.Offset(g))
		}
		r := encodeMark(&m)
		got, err := decodeMark(&r)
		if err != nil || got.tp != m.tp || got.from != m.from || !slices.Equal(got.generations, m.generations) {
			t.Fatalf("%+v %v, not %+v", got, err, m)
		}
	})
}

func TestIdentityRoundTrip(t *testing.T) {
	want := identity{producer: 12345, instance: uuid.New()}
	r := encodeIdentity(want)
	if got, err := decodeIdentity(&r); err != nil || got != want {
		t.Fatal(got, err)
	}
	for i := range r.Value {
		cut := log.Record{Key: r.Key, Value: r.Value[:i]}
		if _, err := decodeIdentity(&cut); log.CodeOf(err) != log.Corrupt {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	r.Value[0] = 9
	if _, err := decodeIdentity(&r); log.CodeOf(err) != log.UnsupportedFormat {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	s := log.Schedule{ID: "a", Cron: "@daily", Due: time.Unix(1, 2), Record: log.Record{Topic: "t", Key: []byte("k"), Value: []byte("v"), Headers: []log.Header{{Key: "h"}}}}
	f.Add(encodeSchedule(&s).Value)
	f.Add(encodeMark(&mark{tp: log.TopicPartition{Topic: "t"}, from: 3, generations: []log.Offset{1, 5}}).Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		r := log.Record{Key: []byte("a"), Value: value}
		if s, err := decodeSchedule(&r, false); err == nil {
			again := encodeSchedule(&s)
			if got, err := decodeSchedule(&again, false); err != nil || !got.Record.Same(&s.Record) || !same(got, s) {
				t.Fatalf("%+v %v, not %+v", got, err, s)
			}
		}
		r.Key = []byte(markPrefix + "t/0")
		if m, err := decodeMark(&r); err == nil {
			again := encodeMark(&m)
			if got, err := decodeMark(&again); err != nil || got.from != m.from || !slices.Equal(got.generations, m.generations) {
				t.Fatalf("%+v %v, not %+v", got, err, m)
			}
		}
		if i, err := decodeIdentity(&r); err == nil {
			if again := encodeIdentity(i); len(value) == len(again.Value) && !bytes.Equal(again.Value, value) {
				t.Fatalf("%x, not %x", again.Value, value)
			}
		}
	})
}
