package broker

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// changedDefinition returns that of a topic with a past: of partitions 0, 1 and 2 the last drains, 3 is new.
func changedDefinition() definition {
	def := newDefinition(log.TopicConfig{Partitions: 3}.WithDefaults())
	until := time.Date(2027, 1, 2, 3, 4, 5, 6000, time.UTC)
	def = def.withLayout([]log.Partition{0, 1}, map[log.Partition]log.Offset{0: 10, 1: 11, 2: 12}, until)
	return def.withLayout([]log.Partition{0, 1, 3}, map[log.Partition]log.Offset{0: 20, 1: 11}, time.Time{})
}

// TestOldTopicFileOpens reads the file of a topic as it was written before there were layouts, cleanup and tags.
func TestOldTopicFileOpens(t *testing.T) {
	const old = `{
  "format": 1,
  "name": "t",
  "create_time": "1970-01-01T00:00:01Z",
  "partitions": 2,
  "durability": "interval",
  "sync_interval": "100ms",
  "segment_bytes": 67108864,
  "segment_age": "168h0m0s",
  "retention_bytes": -1,
  "retention_age": "-1ns",
  "record_bytes_max": 1048576,
  "crc32c": "OLDCRC"
}
`
	def, created, err := decodeSettings([]byte(strings.Replace(old, "OLDCRC", oldTopicFileCRC, 1)), "t")
	want := newDefinition(log.TopicConfig{Partitions: 2, Durability: log.Interval}.WithDefaults())
	if err != nil || !created.Equal(time.Unix(1, 0)) || !reflect.DeepEqual(def, want) {
		t.Errorf("%+v, %v, %v", def, created, err)
	}
}

// oldTopicFileCRC is what the version before wrote for this topic.
const oldTopicFileCRC = "798d964f"

func TestDefinitionIsKept(t *testing.T) {
	def := changedDefinition()
	contents, err := encodeSettings("t", time.Unix(1, 0), def)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := decodeSettings(contents, "t")
	if err != nil || !reflect.DeepEqual(again, def) {
		t.Errorf("%+v became %+v, %v", def, again, err)
	}
}

// TestDefinitionIsChecked breaks a topic file in ways that its checksum does not tell.
func TestDefinitionIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*definition){
		"active and draining":      func(d *definition) { d.draining[1] = time.Time{} },
		"draining, never made":     func(d *definition) { d.draining[4] = time.Time{} },
		"active, never made":       func(d *definition) { d.layouts[2].Active = []log.Partition{0, 1, 4} },
		"out of order":             func(d *definition) { d.layouts[2].Active = []log.Partition{1, 0, 3} },
		"no active partition":      func(d *definition) { d.layouts[2].Active = nil },
		"a gap in the layouts":     func(d *definition) { d.layouts[0].Number = -1 },
		"a layout twice":           func(d *definition) { d.layouts[2].Number = 1 },
		"began backwards":          func(d *definition) { d.layouts[2].Began[0] = 9 },
		"began below 0":            func(d *definition) { d.layouts[0].Began[0] = -1 },
		"not known where it began": func(d *definition) { delete(d.layouts[2].Began, 3) },
		"began in a retired one":   func(d *definition) { delete(d.draining, 2) },
		"no numbers":               func(d *definition) { d.made = 0 },
		"too many numbers":         func(d *definition) { d.made = log.PartitionNumbersMax + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			def := changedDefinition()
			spoil(&def)
			contents, err := encodeSettings("t", time.Unix(1, 0), def)
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := decodeSettings(contents, "t"); err == nil {
				t.Errorf("taken for %+v", got)
			}
		})
	}
}

func TestAlterTopic(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 2})
	before, err := b.DescribeTopic(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	err = b.AlterTopic(ctx, "t", func(c *log.TopicConfig) {
		c.RetentionAge, c.RecordBytesMax, c.Cleanup = time.Hour, 100, log.CleanupCompactAndDelete
		c.SegmentAge = 0 // the default again
	})
	if err != nil {
		t.Fatal(err)
	}
	want := before.Config
	want.RetentionAge, want.RecordBytesMax, want.Cleanup = time.Hour, 100, log.CleanupCompactAndDelete
	large := batchOf(strings.Repeat("x", 200))
	large.Records[0].Key = []byte("key")
	_, err = b.Append(ctx, tp0, large)
	wantCode(t, err, log.RecordTooLarge)
	for _, b := range []*Broker{b, open(t, fs.CrashClone(vfs.LoseAll), Options{})} {
		if info, err := b.DescribeTopic(ctx, "t"); err != nil || info.Config != want {
			t.Errorf("%+v, %v; want %+v", info.Config, err, want)
		}
		for _, p := range (*b.topics.Load())["t"].live() {
			if *p.log.Config() != want || *p.config() != want {
				t.Errorf("%s has %+v", p.tp, *p.log.Config())
			}
		}
	}
}

// TestAlterTopicRefuses changes nothing for a change that makes no sense.
func TestAlterTopicRefuses(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	create(t, b, "queue", log.TopicConfig{PointToPoint: true})
	before, err := vfs.ReadFile(fs, "dir/topics/t/topic.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		topic  log.Topic
		change func(*log.TopicConfig)
		code   log.Code
		says   string
	}{
		{"t", func(c *log.TopicConfig) { c.Partitions = 2 }, log.InvalidTopic, "no setting"},
		{"t", func(c *log.TopicConfig) { c.PointToPoint = true }, log.InvalidTopic, "from its creation"},
		{"queue", func(c *log.TopicConfig) { c.PointToPoint = false }, log.InvalidTopic, "from its creation"},
		{"queue", func(c *log.TopicConfig) { c.Cleanup = log.CleanupCompact }, log.InvalidTopic, "point-to-point"},
		{"t", func(c *log.TopicConfig) { c.DirtyRatio = 2 }, log.InvalidTopic, "dirty ratio of 2"},
		{"t", func(c *log.TopicConfig) { c.SegmentBytes = 1 }, log.InvalidTopic, "4 KiB"},
		{"u", func(*log.TopicConfig) {}, log.UnknownTopic, "no such topic"},
	} {
		err := b.AlterTopic(ctx, test.topic, test.change)
		wantCode(t, err, test.code)
		if !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v does not say %q", err, test.says)
		}
	}
	if after, err := vfs.ReadFile(fs, "dir/topics/t/topic.json"); err != nil || string(after) != string(before) {
		t.Errorf("the file changed: %s, %v", after, err)
	}
	b.Close()
	wantCode(t, b.AlterTopic(ctx, "t", func(*log.TopicConfig) {}), log.Closed)
}

// TestAlterToSyncSyncs loses the power after a change of durability: what was acknowledged under the old one is there.
func TestAlterToSyncSyncs(t *testing.T) {
	for _, durability := range []log.Durability{log.Interval, log.None} {
		fs := vfs.NewMem()
		b := open(t, fs, Options{})
		create(t, b, "t", log.TopicConfig{Durability: durability, SegmentBytes: 4 << 10})
		for range 10 {
			mustAppend(t, b, tp0, batchOf(strings.Repeat("x", 900)))
		}
		if left := len(recordsAfter(t, fs.CrashClone(vfs.LoseAll))); left >= 10 {
			t.Fatalf("%s: %d records are on disk already", durability, left)
		}
		if err := b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.Durability = log.Sync }); err != nil {
			t.Fatal(err)
		}
		if left := len(recordsAfter(t, fs.CrashClone(vfs.LoseAll))); left != 10 {
			t.Errorf("%s: %d of 10 records are left", durability, left)
		}
		mustAppend(t, b, tp0, batchOf("y"))
		if left := len(recordsAfter(t, fs.CrashClone(vfs.LoseAll))); left != 11 {
			t.Errorf("%s: %d of 11 records are left", durability, left)
		}
	}
}

// recordsAfter opens what a crash left.
func recordsAfter(t *testing.T, fs vfs.FS) []log.Record {
	t.Helper()
	b := open(t, fs, Options{})
	defer b.Close()
	records, err := readAll(b, tp0)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
