package commitlog

import (
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

// TestSetConfigToSyncMakesEverythingDurable changes an unsynced log of several segments to durability sync, and back, and loses the
// power: everything appended before is there.
func TestSetConfigToSyncMakesEverythingDurable(t *testing.T) {
	for _, durability := range []log.Durability{log.Interval, log.None} {
		t.Run(string(durability), func(t *testing.T) {
			mem := vfs.NewMem()
			opts := Options{FS: mem, Config: log.TopicConfig{Durability: durability, SegmentBytes: segmentBytesMin}}
			l, err := Open("p", log.TopicPartition{Topic: "t"}, opts, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				mustAppend(t, l, 1, 900)
			}
			if l.Segments() < 3 || l.Durable() == l.NextOffset() {
				t.Fatalf("%d segments, durable to %d of %d", l.Segments(), l.Durable(), l.NextOffset())
			}
			c := *l.Config()
			c.Durability = log.Sync
			if err := l.SetConfig(c, true); err != nil {
				t.Fatal(err)
			}
			end := l.NextOffset()
			if l.Durable() != end || l.Config().Durability != log.Sync {
				t.Errorf("durable to %d of %d, %s", l.Durable(), end, l.Config().Durability)
			}
			again, err := Open("p", log.TopicPartition{Topic: "t"}, Options{FS: mem.CrashClone(vfs.LoseAll)}, nil, nil)
			if err != nil || again.NextOffset() != end {
				t.Fatalf("%v; reopened at %d, want %d", err, again.NextOffset(), end)
			}
			if err := again.Close(nil); err != nil {
				t.Error(err)
			}
			c.SegmentBytes = 1
			if err := l.SetConfig(c, true); log.CodeOf(err) != log.InvalidArgument || l.Config().SegmentBytes != segmentBytesMin {
				t.Errorf("%v, %d", err, l.Config().SegmentBytes)
			}
			if err := l.Close(nil); err != nil {
				t.Error(err)
			}
			if err := l.SetConfig(*l.Config(), true); log.CodeOf(err) != log.Closed {
				t.Error(err)
			}
		})
	}
}
