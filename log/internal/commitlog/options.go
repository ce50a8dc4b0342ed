package commitlog

import (
	"log/slog"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// Options configure a Log. The zero value of a field means its default.
type Options struct {
	FS     vfs.FS           // default vfs.Default
	Config log.TopicConfig  // at first; see Log.Config and SetConfig
	Zero   bool             // keep zero-filled space ahead of the writer; see Preallocate
	Clock  func() time.Time // for the age of segments; default time.Now
	Logger *slog.Logger     // default slog.Default()
	Tags   *TagCache        // for tag indexes, perhaps shared with other Logs; default one of 16 MiB
}

// Limits of what a Log uses of a topic's settings.
const (
	segmentBytesMin = 4 << 10
	segmentBytesMax = 1 << 30
)

// unsyncedSegmentsMax bounds the full segments that may wait for their sync when the durability does not demand it.
// An append beyond it syncs the oldest.
const unsyncedSegmentsMax = 16

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Tags == nil {
		o.Tags = NewTagCache(tagCacheBytes)
	}
	o.Config = o.Config.WithDefaults()
	return o, validateConfig(o.Config)
}

func validateConfig(c log.TopicConfig) error {
	if c.SegmentBytes < segmentBytesMin || c.SegmentBytes > segmentBytesMax {
		return log.NewError(log.InvalidArgument, "open log", "segment size %d is outside %d to %d", c.SegmentBytes, segmentBytesMin, segmentBytesMax)
	}
	if c.SegmentAge < 0 {
		return log.NewError(log.InvalidArgument, "open log", "segment age %s is negative", c.SegmentAge)
	}
	return nil
}
