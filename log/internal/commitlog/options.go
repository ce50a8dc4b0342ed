package commitlog

import (
	"cmp"
	"log/slog"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// Options configure a Log. The zero value of a field means its default.
type Options struct {
	FS     vfs.FS           // default vfs.Default
	Config log.TopicConfig  // SegmentBytes, SegmentAge, RetentionBytes, RetentionAge and Durability are used
	Zero   bool             // keep zero-filled space ahead of the writer; see Preallocate
	Clock  func() time.Time // for the age of segments; default time.Now
	Logger *slog.Logger     // default slog.Default()
}

// Defaults and limits of what a Log uses of a topic's settings.
const (
	segmentBytesDefault = 64 << 20
	segmentBytesMin     = 4 << 10
	segmentBytesMax     = 1 << 30
	segmentAgeDefault   = 7 * 24 * time.Hour
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
	c := &o.Config
	c.SegmentBytes = cmp.Or(c.SegmentBytes, segmentBytesDefault)
	c.SegmentAge = cmp.Or(c.SegmentAge, segmentAgeDefault)
	c.RetentionBytes = cmp.Or(c.RetentionBytes, -1)
	c.RetentionAge = cmp.Or(c.RetentionAge, -1)
	c.Durability = cmp.Or(c.Durability, log.Sync)
	return o, o.validate()
}

func (o Options) validate() error {
	c := o.Config
	if c.SegmentBytes < segmentBytesMin || c.SegmentBytes > segmentBytesMax {
		return log.NewError(log.InvalidArgument, "open log", "segment size %d is outside %d to %d", c.SegmentBytes, segmentBytesMin, segmentBytesMax)
	}
	if c.SegmentAge < 0 {
		return log.NewError(log.InvalidArgument, "open log", "segment age %s is negative", c.SegmentAge)
	}
	return nil
}
