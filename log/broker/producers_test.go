package broker

import (
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

func TestLastAppendIsKnownAfterRestart(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	tp := log.TopicPartition{Topic: "t"}
	if _, _, err := b.LastAppend(tp, 7); log.CodeOf(err) != log.UnknownTopic {
		t.Fatalf("no topic: %v", err)
	}
	if err := b.CreateTopic(ctx, "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	if next, base, err := b.LastAppend(tp, 7); err != nil || base != log.NoOffset || next != (log.ProducerSequence{ID: 7}) {
		t.Fatalf("unknown producer: %+v %d %v", next, base, err)
	}
	for i, want := range []log.Offset{0, 3} {
		batch := &log.Batch{
			Records:  []log.Record{{Value: []byte("a")}, {Value: []byte("b")}, {Value: []byte("c")}},
			Producer: &log.ProducerSequence{ID: 7, Sequence: int32(3 * i)},
		}
		if base, err := b.Append(ctx, tp, batch); err != nil || base != want {
			t.Fatalf("append: %d %v", base, err)
		}
	}
	for _, fs := range []vfs.FS{mem, mem.CrashClone(vfs.LoseAll)} {
		if fs == vfs.FS(mem) {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := b.LastAppend(tp, 7); log.CodeOf(err) != log.Closed {
				t.Fatalf("closed: %v", err)
			}
		}
		again := open(t, fs, Options{})
		if next, base, err := again.LastAppend(tp, 7); err != nil || base != 3 || next != (log.ProducerSequence{ID: 7, Sequence: 6}) {
			t.Fatalf("reopened: %+v %d %v", next, base, err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
