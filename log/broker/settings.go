package broker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path"
	"slices"
	"time"
	"unicode/utf8"

	"lodge/log"
	"lodge/log/vfs"
)

// settingsFormat is the version of the topic file's format.
const settingsFormat = 1

// tagHeaderMax bounds the name of the header that a topic's tags are in, in bytes.
const tagHeaderMax = 256

// Names within a topic's folder.
const (
	settingsFile  = "topic.json"
	tombstoneFile = "topic.deleted" // the topic file's name once the topic is deleted
)

// settings is what a topic file says. CRC covers the JSON of all the rest. What was added after the first version is left out
// when it is empty, so that the checksum of an older file is right.
type settings struct {
	Format         int            `json:"format"`
	Name           log.Topic      `json:"name"`
	CreateTime     time.Time      `json:"create_time"`
	Partitions     int            `json:"partitions"` // numbers given out, retired ones counted
	Durability     log.Durability `json:"durability"`
	SyncInterval   string         `json:"sync_interval"`
	SegmentBytes   int64          `json:"segment_bytes"`
	SegmentAge     string         `json:"segment_age"`
	RetentionBytes int64          `json:"retention_bytes"`
	RetentionAge   string         `json:"retention_age"`
	RecordBytesMax int            `json:"record_bytes_max"`

	// Missing in files of before these settings were: the defaults then.
	Cleanup      log.Cleanup `json:"cleanup,omitempty"`
	TombstoneAge string      `json:"tombstone_age,omitempty"`
	DirtyRatio   float64     `json:"dirty_ratio,omitempty"`
	TagHeader    string      `json:"tag_header,omitempty"`
	PointToPoint bool        `json:"point_to_point,omitempty"`
	OffloadAge   string      `json:"offload_age,omitempty"` // missing: never

	// Missing as long as the topic's partitions are those that it was made with: 0 to Partitions-1, all active.
	Layouts  []layoutEntry `json:"layouts,omitempty"`
	Draining []drainEntry  `json:"draining,omitempty"`

	CRC string `json:"crc32c"`
}

// layoutEntry is a log.Layout.
type layoutEntry struct {
	Number int32                        `json:"number"`
	Active []log.Partition              `json:"active"`
	Began  map[log.Partition]log.Offset `json:"began"`
}

// drainEntry is a draining partition.
type drainEntry struct {
	Partition log.Partition `json:"partition"`
	Until     time.Time     `json:"until,omitzero"` // when it is retired whatever is in it; missing: when nothing is
}

// encodeSettings returns the topic file's contents.
func encodeSettings(name log.Topic, created time.Time, def definition) ([]byte, error) {
	c := def.config
	s := settings{
		Format: settingsFormat, Name: name, CreateTime: created.UTC(), Partitions: def.made,
		Durability: c.Durability, SyncInterval: c.SyncInterval.String(),
		SegmentBytes: c.SegmentBytes, SegmentAge: c.SegmentAge.String(),
		RetentionBytes: c.RetentionBytes, RetentionAge: c.RetentionAge.String(), RecordBytesMax: c.RecordBytesMax,
		Cleanup: c.Cleanup, TombstoneAge: c.TombstoneAge.String(), DirtyRatio: c.DirtyRatio,
		TagHeader: c.TagHeader, PointToPoint: c.PointToPoint,
	}
	if c.OffloadAge >= 0 {
		s.OffloadAge = c.OffloadAge.String()
	}
	s.setLayouts(def)
	crc, err := s.checksum()
	if err != nil {
		return nil, err
	}
	s.CRC = crc
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// setLayouts writes down what is not as the topic was made.
func (s *settings) setLayouts(def definition) {
	if def.layout().Number == 0 {
		return
	}
	for _, l := range def.layouts {
		s.Layouts = append(s.Layouts, layoutEntry{l.Number, l.Active, l.Began})
	}
	for _, n := range slices.Sorted(maps.Keys(def.draining)) {
		s.Draining = append(s.Draining, drainEntry{n, def.draining[n]})
	}
}

// checksum returns the CRC-32C of s without its checksum.
func (s settings) checksum() (string, error) {
	s.CRC = ""
	b, err := json.Marshal(s)
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), err
}

// readSettings reads the topic file in dir and checks it. Codes: UnsupportedFormat, Corrupt.
func readSettings(fs vfs.FS, dir string, name log.Topic) (definition, time.Time, error) {
	file := path.Join(dir, settingsFile)
	b, err := vfs.ReadFile(fs, file)
	if err != nil {
		return definition{}, time.Time{}, fmt.Errorf("read %s: %w", file, err)
	}
	def, created, err := decodeSettings(b, name)
	if err != nil {
		code := log.Corrupt
		if log.CodeOf(err) == log.UnsupportedFormat {
			code = log.UnsupportedFormat
		}
		err = log.NewError(code, "read "+file, "%w; restore the file from a copy: nothing was changed", err)
	}
	return def, created, err
}

// decodeSettings reads what encodeSettings wrote for the topic of this name.
func decodeSettings(b []byte, name log.Topic) (def definition, created time.Time, err error) {
	var version struct{ Format int }
	if err := json.Unmarshal(b, &version); err != nil {
		return def, created, err
	}
	if version.Format != settingsFormat {
		return def, created, log.NewError(log.UnsupportedFormat, "topic file", "format %d, known is %d", version.Format, settingsFormat)
	}
	var s settings
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return def, created, err
	}
	if crc, err := s.checksum(); err != nil || crc != s.CRC {
		return def, created, fmt.Errorf("checksum is %s, contents have %s", s.CRC, crc)
	}
	if s.Name != name {
		return def, created, fmt.Errorf("the file is topic %q's", s.Name)
	}
	def, err = s.definition()
	return def, s.CreateTime, err
}

// definition returns what the file says as the broker knows it, checked.
func (s *settings) definition() (definition, error) {
	config, err := s.config()
	if err != nil {
		return definition{}, err
	}
	def := newDefinition(config)
	if len(s.Layouts) == 0 {
		if len(s.Draining) > 0 {
			return def, errors.New("partitions are draining and the layouts are missing")
		}
		return def, nil
	}
	def.made, def.layouts = s.Partitions, nil
	for _, l := range s.Layouts {
		def.layouts = append(def.layouts, log.Layout{Number: l.Number, Active: l.Active, Began: cloneMap(l.Began)})
	}
	def.draining = map[log.Partition]time.Time{}
	for _, d := range s.Draining {
		def.draining[d.Partition] = d.Until
	}
	return def, def.validate()
}

// config returns the settings as the log knows them, checked.
func (s *settings) config() (log.TopicConfig, error) {
	active := s.Partitions
	if n := len(s.Layouts); n > 0 {
		active = len(s.Layouts[n-1].Active)
	}
	c := log.TopicConfig{
		Partitions: active, Durability: s.Durability, SegmentBytes: s.SegmentBytes,
		RetentionBytes: s.RetentionBytes, RecordBytesMax: s.RecordBytesMax,
		Cleanup: s.Cleanup, DirtyRatio: s.DirtyRatio, TagHeader: s.TagHeader, PointToPoint: s.PointToPoint,
	}
	for _, d := range []struct {
		text string
		into *time.Duration
	}{
		{s.SyncInterval, &c.SyncInterval}, {s.SegmentAge, &c.SegmentAge}, {s.RetentionAge, &c.RetentionAge},
		{cmp.Or(s.TombstoneAge, "0s"), &c.TombstoneAge}, {cmp.Or(s.OffloadAge, "-1ns"), &c.OffloadAge},
	} {
		v, err := time.ParseDuration(d.text)
		if err != nil {
			return c, err
		}
		*d.into = v
	}
	c = withNewDefaults(c)
	return c, validateConfig(c)
}

// withNewDefaults fills in the settings that older files do not have, and no others: a zero among those is damage.
func withNewDefaults(c log.TopicConfig) log.TopicConfig {
	d := log.TopicConfig{Cleanup: c.Cleanup, TombstoneAge: c.TombstoneAge, DirtyRatio: c.DirtyRatio, TagHeader: c.TagHeader}.WithDefaults()
	c.Cleanup, c.TombstoneAge, c.DirtyRatio, c.TagHeader = d.Cleanup, d.TombstoneAge, d.DirtyRatio, d.TagHeader
	return c
}

// validateConfig checks complete settings. The error has code InvalidTopic.
func validateConfig(c log.TopicConfig) error {
	switch {
	case c.Partitions < 1 || c.Partitions > log.PartitionsMax:
		return invalidConfig("%d partitions are not within 1..%d", c.Partitions, log.PartitionsMax)
	case c.Durability != log.Sync && c.Durability != log.Interval && c.Durability != log.None:
		return invalidConfig("durability %q is not sync, interval or none", c.Durability)
	case c.SyncInterval < time.Millisecond || c.SyncInterval > time.Hour:
		return invalidConfig("a sync interval of %v is not within 1 ms..1 h", c.SyncInterval)
	case c.SegmentBytes < 4<<10 || c.SegmentBytes > 1<<30:
		return invalidConfig("segments of %d bytes are not within 4 KiB..1 GiB", c.SegmentBytes)
	case c.SegmentAge < time.Second:
		return invalidConfig("a segment age of %v is less than 1 s", c.SegmentAge)
	case c.RetentionBytes != -1 && c.RetentionBytes < 0:
		return invalidConfig("a retention of %d bytes is neither -1 nor positive", c.RetentionBytes)
	case c.RetentionAge != -1 && c.RetentionAge < time.Second:
		return invalidConfig("a retention of %v is neither -1 nor at least 1 s", c.RetentionAge)
	case c.OffloadAge != -1 && c.OffloadAge < time.Second:
		return invalidConfig("an offload age of %v is neither -1 nor at least 1 s", c.OffloadAge)
	case c.RecordBytesMax < 1 || c.RecordBytesMax > recordBytesMax:
		return invalidConfig("records of %d bytes are not within 1..%d", c.RecordBytesMax, recordBytesMax)
	}
	return validateCleanup(c)
}

// validateCleanup checks what of the settings says which records are kept and found.
func validateCleanup(c log.TopicConfig) error {
	switch {
	case c.Cleanup != log.CleanupDelete && c.Cleanup != log.CleanupCompact && c.Cleanup != log.CleanupCompactAndDelete:
		return invalidConfig("cleanup %q is not delete, compact or compact,delete", c.Cleanup)
	case c.PointToPoint && c.Cleanup != log.CleanupDelete:
		return invalidConfig("a point-to-point topic cannot be compacted: its records go when they are acknowledged")
	case c.TombstoneAge < time.Second:
		return invalidConfig("a tombstone age of %v is less than 1 s", c.TombstoneAge)
	case !(c.DirtyRatio > 0 && c.DirtyRatio <= 1): // as NaN is neither
		return invalidConfig("a dirty ratio of %v is not above 0 and at most 1", c.DirtyRatio)
	case len(c.TagHeader) < 1 || len(c.TagHeader) > tagHeaderMax:
		return invalidConfig("the tag header's name has %d bytes, which is not within 1..%d", len(c.TagHeader), tagHeaderMax)
	case !utf8.ValidString(c.TagHeader):
		return invalidConfig("the tag header's name %q is not UTF-8", c.TagHeader)
	}
	return nil
}

func invalidConfig(format string, args ...any) error {
	return log.NewError(log.InvalidTopic, "topic settings", format, args...)
}
