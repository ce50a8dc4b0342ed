package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// settingsFormat is the version of the topic file's format.
const settingsFormat = 1

// Names within a topic's folder.
const (
	settingsFile  = "topic.json"
	tombstoneFile = "topic.deleted" // the topic file's name once the topic is deleted
)

// settings is what a topic file says. CRC covers the JSON of all the rest.
type settings struct {
	Format         int            `json:"format"`
	Name           log.Topic      `json:"name"`
	CreateTime     time.Time      `json:"create_time"`
	Partitions     int            `json:"partitions"`
	Durability     log.Durability `json:"durability"`
	SyncInterval   string         `json:"sync_interval"`
	SegmentBytes   int64          `json:"segment_bytes"`
	SegmentAge     string         `json:"segment_age"`
	RetentionBytes int64          `json:"retention_bytes"`
	RetentionAge   string         `json:"retention_age"`
	RecordBytesMax int            `json:"record_bytes_max"`
	CRC            string         `json:"crc32c"`
}

// encodeSettings returns the topic file's contents.
func encodeSettings(name log.Topic, created time.Time, c log.TopicConfig) ([]byte, error) {
	s := settings{
		Format: settingsFormat, Name: name, CreateTime: created.UTC(), Partitions: c.Partitions,
		Durability: c.Durability, SyncInterval: c.SyncInterval.String(),
		SegmentBytes: c.SegmentBytes, SegmentAge: c.SegmentAge.String(),
		RetentionBytes: c.RetentionBytes, RetentionAge: c.RetentionAge.String(), RecordBytesMax: c.RecordBytesMax,
	}
	crc, err := s.checksum()
	if err != nil {
		return nil, err
	}
	s.CRC = crc
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// checksum returns the CRC-32C of s without its checksum.
func (s settings) checksum() (string, error) {
	s.CRC = ""
	b, err := json.Marshal(s)
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), err
}

// readSettings reads the topic file in dir and checks it. Codes: UnsupportedFormat, Corrupt.
func readSettings(fs vfs.FS, dir string, name log.Topic) (log.TopicConfig, time.Time, error) {
	file := path.Join(dir, settingsFile)
	b, err := vfs.ReadFile(fs, file)
	if err != nil {
		return log.TopicConfig{}, time.Time{}, fmt.Errorf("read %s: %w", file, err)
	}
	config, created, err := decodeSettings(b, name)
	if err != nil {
		code := log.Corrupt
		if log.CodeOf(err) == log.UnsupportedFormat {
			code = log.UnsupportedFormat
		}
		err = log.NewError(code, "read "+file, "%w; restore the file from a copy: nothing was changed", err)
	}
	return config, created, err
}

// decodeSettings reads what encodeSettings wrote for the topic of this name.
func decodeSettings(b []byte, name log.Topic) (config log.TopicConfig, created time.Time, err error) {
	var version struct{ Format int }
	if err := json.Unmarshal(b, &version); err != nil {
		return config, created, err
	}
	if version.Format != settingsFormat {
		return config, created, log.NewError(log.UnsupportedFormat, "topic file", "format %d, known is %d", version.Format, settingsFormat)
	}
	var s settings
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return config, created, err
	}
	if crc, err := s.checksum(); err != nil || crc != s.CRC {
		return config, created, fmt.Errorf("checksum is %s, contents have %s", s.CRC, crc)
	}
	if s.Name != name {
		return config, created, fmt.Errorf("the file is topic %q's", s.Name)
	}
	config, err = s.config()
	return config, s.CreateTime, err
}

// config returns the settings as the log knows them, checked.
func (s settings) config() (log.TopicConfig, error) {
	c := log.TopicConfig{
		Partitions: s.Partitions, Durability: s.Durability, SegmentBytes: s.SegmentBytes,
		RetentionBytes: s.RetentionBytes, RecordBytesMax: s.RecordBytesMax,
	}
	for _, d := range []struct {
		text string
		into *time.Duration
	}{{s.SyncInterval, &c.SyncInterval}, {s.SegmentAge, &c.SegmentAge}, {s.RetentionAge, &c.RetentionAge}} {
		v, err := time.ParseDuration(d.text)
		if err != nil {
			return c, err
		}
		*d.into = v
	}
	return c, validateConfig(c)
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
	case c.RecordBytesMax < 1 || c.RecordBytesMax > recordBytesMax:
		return invalidConfig("records of %d bytes are not within 1..%d", c.RecordBytesMax, recordBytesMax)
	}
	return nil
}

func invalidConfig(format string, args ...any) error {
	return log.NewError(log.InvalidTopic, "topic settings", format, args...)
}
