package broker

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

func TestTopicSettingsAreKept(t *testing.T) {
	config := log.TopicConfig{
		Partitions: 3, Durability: log.Interval, SyncInterval: 250 * time.Millisecond, SegmentBytes: 1 << 20,
		SegmentAge: time.Hour, RetentionBytes: 5 << 20, RetentionAge: 48 * time.Hour, OffloadAge: time.Hour, RecordBytesMax: 1000,
		Cleanup: log.CleanupCompactAndDelete, TombstoneAge: time.Hour, DirtyRatio: 0.25, TagHeader: "kind",
	}
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "custom", config)
	create(t, b, "plain", log.TopicConfig{})
	before, err := b.ListTopics(ctx)
	if err != nil || len(before) != 2 || before[0].Name != "custom" || before[0].Config != config {
		t.Fatalf("%+v, %v", before, err)
	}
	want := log.TopicConfig{
		Partitions: 1, Durability: log.Sync, SyncInterval: 100 * time.Millisecond, SegmentBytes: 64 << 20,
		SegmentAge: 7 * 24 * time.Hour, RetentionBytes: -1, RetentionAge: -1, OffloadAge: -1, RecordBytesMax: 1 << 20,
		Cleanup: log.CleanupDelete, TombstoneAge: 24 * time.Hour, DirtyRatio: 0.5, TagHeader: "ce_type",
	}
	if before[1].Config != want {
		t.Errorf("defaults are %+v, want %+v", before[1].Config, want)
	}
	b = open(t, fs.CrashClone(vfs.LoseAll), Options{})
	after, err := b.ListTopics(ctx)
	if err != nil || len(after) != 2 {
		t.Fatalf("%+v, %v", after, err)
	}
	for i := range after {
		if after[i].Config != before[i].Config || !after[i].CreateTime.Equal(before[i].CreateTime) {
			t.Errorf("was %+v, is %+v", before[i], after[i])
		}
	}
}

func TestTopicsAreChecked(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	wantCode(t, b.CreateTopic(ctx, "t", log.TopicConfig{}), log.TopicExists)
	wantCode(t, b.CreateTopic(ctx, "a/b", log.TopicConfig{}), log.InvalidTopic)
	for _, config := range []log.TopicConfig{
		{Partitions: -1}, {Partitions: log.PartitionsMax + 1}, {Durability: "maybe"}, {SegmentBytes: 100},
		{SegmentBytes: 2 << 30}, {SegmentAge: -1}, {RetentionBytes: -2}, {RetentionAge: 1}, {RecordBytesMax: -1},
		{RecordBytesMax: 1 << 30}, {SyncInterval: -1}, {Cleanup: "burn"}, {TombstoneAge: time.Millisecond}, {TombstoneAge: -1},
		{DirtyRatio: -0.1}, {DirtyRatio: 1.01}, {DirtyRatio: math.NaN()}, {TagHeader: strings.Repeat("x", 257)}, {TagHeader: "\xff"},
		{PointToPoint: true, Cleanup: log.CleanupCompact}, {PointToPoint: true, Cleanup: log.CleanupCompactAndDelete},
	} {
		wantCode(t, b.CreateTopic(ctx, "u", config), log.InvalidTopic)
	}
	_, err := b.DescribeTopic(ctx, "u")
	wantCode(t, err, log.UnknownTopic)
	wantCode(t, b.DeleteTopic(ctx, "u"), log.UnknownTopic)
}

func TestSettingsFileIsChecked(t *testing.T) {
	good, err := encodeSettings("t", time.Unix(1, 0), newDefinition(log.TopicConfig{}.WithDefaults()))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := decodeSettings(good, "t"); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		contents string
		code     log.Code
	}{
		"empty":             {"", log.Corrupt},
		"cut":               {string(good[:len(good)/2]), log.Corrupt},
		"one value changed": {strings.Replace(string(good), `"partitions": 1`, `"partitions": 2`, 1), log.Corrupt},
		"unknown field":     {strings.Replace(string(good), `"name"`, `"more": 1, "name"`, 1), log.Corrupt},
		"newer":             {strings.Replace(string(good), `"format": 1`, `"format": 2`, 1), log.UnsupportedFormat},
		"another topic's":   {strings.Replace(string(good), `"name": "t"`, `"name": "u"`, 1), log.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			b := open(t, fs, Options{})
			create(t, b, "t", log.TopicConfig{})
			b.Close()
			file := "dir/topics/t/" + settingsFile
			if err := vfs.AtomicWriteFile(fs, file, []byte(test.contents)); err != nil {
				t.Fatal(err)
			}
			_, err := Open("dir", Options{FS: fs})
			wantCode(t, err, test.code)
			if !strings.Contains(err.Error(), file) {
				t.Errorf("%v does not name %s", err, file)
			}
		})
	}
}

func FuzzSettings(f *testing.F) {
	good, err := encodeSettings("t", time.Unix(1, 0), newDefinition(log.TopicConfig{}.WithDefaults()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	changed, err := encodeSettings("t", time.Unix(1, 0), changedDefinition())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(changed)
	f.Fuzz(func(t *testing.T, b []byte) {
		def, created, err := decodeSettings(b, "t")
		if err != nil {
			return
		}
		again, err := encodeSettings("t", created, def)
		if err != nil {
			t.Fatal(err)
		}
		def2, created2, err := decodeSettings(again, "t")
		if err != nil || !reflect.DeepEqual(def, def2) || !created2.Equal(created) {
			t.Fatalf("%+v became %+v, %v", def, def2, err)
		}
	})
}

func TestLostSettingsAreNotADeletedTopic(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("precious"))
	b.Close()
	if err := fs.Remove("dir/topics/t/" + settingsFile); err != nil {
		t.Fatal(err)
	}
	_, err := Open("dir", Options{FS: fs})
	wantCode(t, err, log.Corrupt)
	if _, err := fs.Stat("dir/topics/t/0/00000000000000000000.log"); err != nil {
		t.Errorf("the segment is gone: %v", err)
	}
}

func TestDeletedTopicIsGone(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 3})
	mustAppend(t, b, tp0, batchOf("old"))
	pending := mustEnqueue(t, b, tp0, batchOf("pending"))
	if err := b.DeleteTopic(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if err := pending.Wait(ctx); err != nil && log.CodeOf(err) != log.UnknownTopic {
		t.Errorf("what was pending: %v", err)
	}
	_, err := b.Append(ctx, tp0, batchOf("x"))
	wantCode(t, err, log.UnknownTopic)
	if names, err := fs.List("dir/topics"); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	create(t, b, "t", log.TopicConfig{})
	if offset := mustAppend(t, b, tp0, batchOf("new")); offset != 0 {
		t.Errorf("the new topic begins at %d", offset)
	}
	if got := values(t, b, tp0); got != "new" {
		t.Errorf("found %s", got)
	}
}

// TestTopicsSurviveCrashes crashes at every operation of creates and deletes: a topic is then there,
// whole, or not there, as was answered, and the folder opens.
func TestTopicsSurviveCrashes(t *testing.T) {
	seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		mem := vfs.NewMem()
		var answered, begun []string // "+name" and "-name", in order
		var mu sync.Mutex            // partitions are closed side by side
		crash := func(errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			clone := mem.CrashClone(vfs.Randomly(rng))
			if err := checkTopics(clone, answered, begun); err != nil {
				t.Errorf("after %v, begun %v: %v", answered, begun, err)
			}
			return nil
		}
		b := open(t, errorfs.Wrap(mem, mutations(crash)), Options{})
		step := func(what string, err error) {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			answered = append(answered, what)
		}
		for _, what := range []string{"+a", "+b", "-a", "+c", "-b", "+a", "-a"} {
			begun = append(begun, what)
			name := log.Topic(what[1:])
			if what[0] == '+' {
				step(what, b.CreateTopic(ctx, name, log.TopicConfig{Partitions: 2}))
				mustAppend(t, b, log.TopicPartition{Topic: name, Partition: 1}, batchOf("x"))
			} else {
				step(what, b.DeleteTopic(ctx, name))
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// checkTopics opens what a crash left and compares the topics with those that may be there.
func checkTopics(fs vfs.FS, answered, begun []string) error {
	b, err := Open("dir", Options{FS: fs})
	if err != nil {
		return err
	}
	defer b.Close()
	infos, err := b.ListTopics(ctx)
	if err != nil {
		return err
	}
	got := map[string]bool{}
	for _, info := range infos {
		got[string(info.Name)] = true
		for _, p := range info.Partitions {
			if p.Err != "" {
				return errors.New(p.Err)
			}
		}
	}
	if want, maybe := apply(answered), apply(begun); !reflect.DeepEqual(got, want) && !reflect.DeepEqual(got, maybe) {
		return fmt.Errorf("found %v, want %v or %v", got, want, maybe)
	}
	for name := range got { // a topic that is there can be appended to, deleted and created
		if _, err := b.Append(ctx, log.TopicPartition{Topic: log.Topic(name)}, batchOf("y")); err != nil {
			return err
		}
		if err := b.DeleteTopic(ctx, log.Topic(name)); err != nil {
			return err
		}
	}
	for _, name := range []log.Topic{"a", "b", "c"} {
		if err := b.CreateTopic(ctx, name, log.TopicConfig{}); err != nil {
			return err
		}
	}
	return nil
}

// apply returns the topics that are there after some steps.
func apply(steps []string) map[string]bool {
	topics := map[string]bool{}
	for _, s := range steps {
		if s[0] == '+' {
			topics[s[1:]] = true
		} else {
			delete(topics, s[1:])
		}
	}
	return topics
}

// TestTopicsSurviveErrors fails every operation of a create and a delete in turn: the broker goes on, and a new one opens.
func TestTopicsSurviveErrors(t *testing.T) {
	for n := 0; ; n++ {
		mem := vfs.NewMem()
		b := open(t, mem, Options{})
		b.Close()
		nth := &errorfs.Nth{N: n}
		b, err := Open("dir", Options{FS: errorfs.Wrap(mem, nth)})
		if err != nil {
			open(t, mem, Options{}).Close()
			continue
		}
		var failures []error
		for range 2 {
			if err := b.CreateTopic(ctx, "t", log.TopicConfig{Partitions: 2}); err != nil {
				failures = append(failures, err)
			}
			if err := b.DeleteTopic(ctx, "t"); err != nil && log.CodeOf(err) != log.UnknownTopic {
				failures = append(failures, err)
			}
		}
		b.Close()
		again, err := Open("dir", Options{FS: mem})
		if err != nil {
			t.Fatalf("operation %d (%v) failed, then %v, then open: %v", n, nth.Hit(), failures, err)
		}
		if err := again.CreateTopic(ctx, "t", log.TopicConfig{}); err != nil && log.CodeOf(err) != log.TopicExists {
			t.Fatalf("operation %d (%v) failed, then create after reopening: %v", n, nth.Hit(), err)
		}
		again.Close()
		if nth.Hit() == nil {
			return
		}
	}
}

func TestOneDamagedPartitionLeavesTheOthers(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 2})
	for i := range 20 {
		mustAppend(t, b, log.TopicPartition{Topic: "t", Partition: log.Partition(i % 2)}, batchOf("value"))
	}
	b.Close()
	f, err := fs.OpenReadWrite("dir/topics/t/0/00000000000000000000.log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff, 0xff}, 100); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b = open(t, fs, Options{})
	_, err = b.Append(ctx, tp0, batchOf("x"))
	wantCode(t, err, log.Corrupt)
	_, err = b.Fetch(ctx, fetchFrom(0, 0))
	wantCode(t, err, log.Corrupt)
	info, err := b.DescribeTopic(ctx, "t")
	if err != nil || !strings.Contains(info.Partitions[0].Err, "00000000000000000000.log") || info.Partitions[1].Err != "" {
		t.Errorf("%+v, %v", info.Partitions, err)
	}
	if offset := mustAppend(t, b, log.TopicPartition{Topic: "t", Partition: 1}, batchOf("x")); offset != 10 {
		t.Errorf("the other partition goes on at %d", offset)
	}
}
