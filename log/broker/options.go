package broker

import (
	"cmp"
	"log/slog"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// Profile names a set of defaults that trades bandwidth against latency.
type Profile string

// The profiles. Throughput is the default.
const (
	Throughput Profile = "throughput" // large groups, and what nobody waits for may lie a while
	Latency    Profile = "latency"    // small groups, so that no commit takes long
)

// Options configures a broker. The zero value of a field means its default.
type Options struct {
	FS      vfs.FS           // default vfs.Default, the operating system's
	Clock   func() time.Time // default time.Now. Record timestamps, retention, segment age
	Profile Profile          // default Throughput
	Logger  *slog.Logger     // default: discard

	// CompanyWait is how long a commit that has company expects it back before it writes without it.
	// Default 40 µs, in both profiles: without it the half that comes too late waits for a whole commit more.
	// Negative: never wait.
	CompanyWait time.Duration

	// GroupBytesMax bounds the batches that wait for the next write of one partition; twice as much
	// may be held, as one group is written while the next fills. Beyond it Enqueue returns LimitReached
	// and Append waits its turn. One batch is always let in. Default 8 MiB; 1 MiB in the latency profile.
	GroupBytesMax int

	// BatchBytesMax bounds one encoded batch. Default and most: 80 MiB.
	BatchBytesMax int

	// FlushInterval is how often Run writes what nobody waits for (acks=0). Default 10 ms; 2 ms in the
	// latency profile.
	FlushInterval time.Duration

	// CompactionBytes bounds the memory of compaction, for all partitions together: 32 bytes for each key of what is not compacted yet, in
	// several passes when there are more. Default 32 MiB.
	CompactionBytes int

	// OffloadDir is the cold folder, to which topics with an OffloadAge move old segments; it is made when it is missing. It belongs to this broker's folder from then on, so that
	// it need not be said again, and may be moved: then say where it is. "": the one that belongs to the folder already, if any.
	OffloadDir string

	// HousekeepingInterval is how often Run applies retention, offloads and compacts. Default 10 s.
	HousekeepingInterval time.Duration

	// CheckpointInterval is how often Run writes a checkpoint for a partition that has grown: it bounds
	// what opening after a crash reads again. Default 30 s.
	CheckpointInterval time.Duration

	// ProducersMax is how many idempotent producers each partition remembers; the one that appended
	// longest ago is forgotten first. Default 4096.
	ProducersMax int

	// WaitersMax bounds the fetches that wait for data at one time; beyond it a fetch that would have to wait
	// returns LimitReached. Default 65,536.
	WaitersMax int

	// Groups configures consumer groups.
	Groups GroupOptions

	// TagIndexBytesMax bounds the memory of the tag indexes of all partitions; those used least lately are read again, or made
	// anew, when a filtered fetch needs them. Default 64 MiB.
	TagIndexBytesMax int64

	// NoPreallocation leaves files growing instead of writing zeros ahead of the writer. For measurements.
	NoPreallocation bool
}

// Bounds of a batch. A record of the largest permitted size (64 MiB) fits with its neighbors' room.
const (
	batchBytesMax     = 80 << 20
	recordBytesMax    = 64 << 20
	fetchBytesDefault = 1 << 20
	fetchBytesMax     = 128 << 20
	decodedBytesMax   = 64 << 20
	recordOverhead    = 128 // what a decoded record takes beside its bytes
	recordBytesMin    = 7   // the smallest record, encoded
)

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Profile != "" && o.Profile != Throughput && o.Profile != Latency:
		return invalidOption("profile %q is neither %q nor %q", o.Profile, Throughput, Latency)
	case o.CompanyWait > time.Second:
		return invalidOption("a company wait of %v is longer than a second", o.CompanyWait)
	case o.GroupBytesMax < 0 || o.GroupBytesMax > 1<<30:
		return invalidOption("group bytes %d are not within 0..1 GiB", o.GroupBytesMax)
	case o.BatchBytesMax < 0 || o.BatchBytesMax > batchBytesMax:
		return invalidOption("batch bytes %d are not within 0..%d", o.BatchBytesMax, batchBytesMax)
	case o.FlushInterval < 0 || o.HousekeepingInterval < 0 || o.CheckpointInterval < 0:
		return invalidOption("an interval is negative")
	case o.CompactionBytes < 0 || o.ProducersMax < 0 || o.WaitersMax < 0 || o.TagIndexBytesMax < 0:
		return invalidOption("a limit is negative")
	}
	return o.Groups.validate()
}

func invalidOption(format string, args ...any) error {
	return log.NewError(log.InvalidArgument, "broker options", format, args...)
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	latency := o.Profile == Latency
	o.FS = cmp.Or(o.FS, vfs.Default)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Profile = cmp.Or(o.Profile, Throughput)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	o.CompanyWait = cmp.Or(o.CompanyWait, 40*time.Microsecond)
	o.GroupBytesMax = cmp.Or(o.GroupBytesMax, pick(latency, 1<<20, 8<<20))
	o.BatchBytesMax = cmp.Or(o.BatchBytesMax, batchBytesMax)
	o.FlushInterval = cmp.Or(o.FlushInterval, pick(latency, 2*time.Millisecond, 10*time.Millisecond))
	o.HousekeepingInterval = cmp.Or(o.HousekeepingInterval, 10*time.Second)
	o.CheckpointInterval = cmp.Or(o.CheckpointInterval, 30*time.Second)
	o.ProducersMax = cmp.Or(o.ProducersMax, 4096)
	o.CompactionBytes = cmp.Or(o.CompactionBytes, 32<<20)
	o.TagIndexBytesMax = cmp.Or(o.TagIndexBytesMax, 64<<20)
	o.WaitersMax = cmp.Or(o.WaitersMax, 65536)
	o.Groups = o.Groups.withDefaults()
	return o
}

// set gives *field its default when it is zero.
func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
