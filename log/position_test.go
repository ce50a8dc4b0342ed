package log_test

import (
	"strings"
	"testing"

	"lodge/log"
)

func TestTopicValidate(t *testing.T) {
	for name, valid := range map[string]bool{
		"bookings": true, "__schedules": true, "a.b-c_D9": true, "...": true, strings.Repeat("x", 249): true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "é": false, "a\x00": false, "a@1": false, strings.Repeat("x", 250): false,
	} {
		err := log.Topic(name).Validate()
		if valid && err != nil || !valid && log.CodeOf(err) != log.InvalidTopic {
			t.Errorf("%q: error %v, valid is %v", name, err, valid)
		}
	}
	if !log.Topic("__schedules").Internal() || log.Topic("_bookings").Internal() {
		t.Error("internal topics are those that begin with two underscores")
	}
}

func TestParsePosition(t *testing.T) {
	for s, want := range map[string]log.Position{
		"bookings/3@1024":                        {Topic: "bookings", Partition: 3, Offset: 1024},
		"a/0@0":                                  {Topic: "a"},
		"a.b-c_d/2147483647@9223372036854775807": {Topic: "a.b-c_d", Partition: 1<<31 - 1, Offset: 1<<63 - 1},
	} {
		got, err := log.ParsePosition(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%s: got %v, error %v", s, got, err)
		}
	}
}

func TestParsePositionRefuses(t *testing.T) {
	for _, s := range []string{
		"", "/", "@", "a", "a/1", "a@1", "a/1@", "a/@1", "/1@1", "a/-1@1", "a/1@-1", "a/2147483648@1", "a/1@9223372036854775808",
		"a/x@1", "a/1@x", "a/1@1@1", "a/b/1@1", "a b/1@1", "a/ 1@1", "a/1@1 ", "../1@1", strings.Repeat("x", 250) + "/1@1",
	} {
		got, err := log.ParsePosition(s)
		if code := log.CodeOf(err); code != log.InvalidArgument && code != log.InvalidTopic || got != (log.Position{}) {
			t.Errorf("%q: got %v, error %v", s, got, err)
		}
	}
}

// Whatever is accepted says the same when it is written and read again.
func FuzzParsePosition(f *testing.F) {
	f.Add("bookings/3@1024")
	f.Add("a/+1@007")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := log.ParsePosition(s)
		if err != nil {
			return
		}
		again, err := log.ParsePosition(got.String())
		if err != nil || again != got {
			t.Errorf("%q is %v, which is %v, error %v", s, got, again, err)
		}
	})
}

func TestTopicPartitionCompare(t *testing.T) {
	ordered := []log.TopicPartition{{Topic: "a"}, {Topic: "a", Partition: 2}, {Topic: "a", Partition: 10}, {Topic: "b"}}
	for i := range ordered {
		for j := range ordered {
			if got := ordered[i].Compare(ordered[j]); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v against %v: %d", ordered[i], ordered[j], got)
			}
		}
	}
	p := log.Position{Topic: "a", Partition: 10, Offset: 5}
	if p.TopicPartition() != ordered[2] || p.TopicPartition().String() != "a/10" {
		t.Errorf("got %v", p.TopicPartition())
	}
}
