package broker

import (
	"path"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// coldSegments returns the names of the segments in the cold folder of tp0.
func coldSegments(t *testing.T, fs vfs.FS, cold string) []string {
	t.Helper()
	dir := path.Join(cold, "topics", "t", "0")
	if there, err := vfs.Exists(fs, dir); err != nil || !there {
		return nil
	}
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestOldSegmentsAreOffloaded follows segments of a topic: to the cold folder, read there, across restarts, until retention or deletion removes them.
func TestOldSegmentsAreOffloaded(t *testing.T) {
	mem := vfs.NewMem()
	clock := newClock()
	opts := Options{OffloadDir: "cold", Clock: clock.time}
	b := open(t, mem, opts)
	create(t, b, "t", log.TopicConfig{SegmentBytes: 4 << 10, OffloadAge: time.Hour})
	for range 10 {
		mustAppend(t, b, tp0, batchOf(strings.Repeat("x", 1500)))
	}
	b.retain(ctx)
	if cold := coldSegments(t, mem, "cold"); len(cold) != 0 {
		t.Fatalf("offloaded too early: %q", cold)
	}
	clock.forward(2 * time.Hour)
	mustAppend(t, b, tp0, batchOf("new"))
	want := values(t, b, tp0)
	b.retain(ctx)
	cold := coldSegments(t, mem, "cold")
	p, _ := b.partition(tp0, "test")
	if info := p.info(); len(cold) < 3 || info.Offloaded == 0 || info.Offloaded >= info.Bytes || len(cold) >= info.Segments {
		t.Fatalf("%q; %+v", cold, info)
	}
	if got := values(t, b, tp0); got != want {
		t.Error("other records than before")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = open(t, mem, Options{Clock: clock.time}) // the folder knows its cold one
	if got := values(t, b, tp0); got != want {
		t.Error("other records after opening again")
	}
	if err := b.DeleteRecords(ctx, tp0, 4); err != nil {
		t.Fatal(err)
	}
	b.checkpoint(ctx)
	b.retain(ctx)
	if left := coldSegments(t, mem, "cold"); len(left) >= len(cold) || len(left) == 0 {
		t.Errorf("%q are left of %q", left, cold)
	}
	p, _ = b.partition(tp0, "test")
	if info := p.info(); info.Offloaded == 0 {
		t.Error("what is offloaded is forgotten")
	}
	if err := b.DeleteTopic(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if left := coldSegments(t, mem, "cold"); len(left) != 0 {
		t.Errorf("%q are left of a deleted topic", left)
	}
	create(t, b, "t", log.TopicConfig{})
	if got := values(t, b, tp0); got != "" {
		t.Errorf("a new topic holds %.20q", got)
	}
}

// TestLostColdFolderIsRefused: a log whose old records cannot be reached says so instead of opening without them.
func TestLostColdFolderIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{OffloadDir: "cold"})
	create(t, b, "t", log.TopicConfig{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Rename("cold", "moved"); err != nil {
		t.Fatal(err)
	}
	_, err := Open("dir", Options{FS: mem})
	wantCode(t, err, log.InvalidArgument)
	open(t, mem, Options{OffloadDir: "moved"})
}

func TestOffloadAgeIsAnyTopicsSetting(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	wantCode(t, b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.OffloadAge = time.Millisecond }), log.InvalidTopic)
	if err := b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.OffloadAge = time.Minute }); err != nil {
		t.Fatal(err)
	}
	mem, dir := b.opts.FS, b.dir
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir, Options{FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.retain(ctx) // there is no cold folder: nothing happens
	if info, err := b.DescribeTopic(ctx, "t"); err != nil || info.Config.OffloadAge != time.Minute {
		t.Errorf("%v, %v", info.Config.OffloadAge, err)
	}
}
