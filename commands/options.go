package commands

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"lodge/commands/persons"
	"lodge/domain"
	"lodge/log"
	"lodge/log/vfs"
)

// The limits of the write side. Options may change those that have a field there.
const (
	// QueueMaxDefault is how many commands may wait at one partition; one more gets log.LimitReached.
	QueueMaxDefault = 8192

	// InFlightMaxDefault is how many decided commands of one partition may wait for their commit.
	InFlightMaxDefault = 8192

	// HotelsMaxDefault is how many hotels live at one partition; a new one beyond gets domain.LimitReached.
	HotelsMaxDefault = 100_000

	// RequestTTLDefault is how long, in command time, a request id is remembered at least. See Options.RequestTTL for the whole rule.
	RequestTTLDefault = 24 * time.Hour

	// RequestsKeptDefault is how many of the latest request ids each partition remembers however old they are.
	RequestsKeptDefault = 1 << 20

	// RequestsMaxDefault is how many request ids a partition remembers at most.
	RequestsMaxDefault = 1 << 24

	// SnapshotEveryDefault is the number of events of one partition number after which its snapshot is renewed.
	SnapshotEveryDefault = 500_000

	// HoldTickDefault is how often expired holds are looked for: a hold ends at most this much late.
	HoldTickDefault = time.Second
)

// Options sets up an Engine. The zero value of a field means its default.
type Options struct {
	Partitions  int // of each topic: default PartitionsDefault(), at most log.PartitionsMax
	QueueMax    int // default QueueMaxDefault
	InFlightMax int // default InFlightMaxDefault
	HotelsMax   int // of each partition: default HotelsMaxDefault

	// RequestTTL is how long a request id is remembered at least, measured between the times of commands:
	// default and minimum 24 hours. An id is forgotten when it is older than this AND RequestsKept
	// newer ones are remembered at its partition. When RequestsMax are remembered and the oldest may not be forgotten
	// yet, commands with a new id get log.LimitReached: the promise is kept, memory is bounded.
	RequestTTL   time.Duration
	RequestsKept int
	RequestsMax  int

	// SnapshotDir is where snapshots are kept, a folder of FS that may not exist yet. Empty: no snapshots.
	SnapshotDir   string
	SnapshotEvery int    // events; default SnapshotEveryDefault; negative: no snapshots
	FS            vfs.FS // default vfs.Default

	// Persons seals who guests are before their commands are decided, and erases the keys of those who are forgotten. nil: events hold guests as they were
	// given, and commands that forget one are refused with log.Unavailable. The caller runs and closes it.
	Persons *persons.Keys

	HoldTick time.Duration    // default HoldTickDefault; negative: holds do not expire by themselves
	Clock    func() time.Time // default time.Now
	Source   string           // the CloudEvents source of events: default "lodge/commands"
	Logger   *slog.Logger     // default: discard

	// Tracer, when not nil, tells of the commands that are part of a sampled trace: Submit finds it in its context.
	Tracer trace.Tracer

	// OnHold, when not nil, is told when the next hold of a hotel ends, so that somebody gives hotel.ExpireHolds then; HoldTick would be negative. It is told
	// of every hotel with holds when the state is opened or rebuilt, then whenever a hold ends before the time that it was told last, and of the next one when
	// ExpireHolds was decided. A time may turn out to be that of a hold which is gone. It is called by the partitions' own goroutines, several at
	// once, so it must neither block nor call the Engine.
	OnHold func(hotelID string, at time.Time)

	// OnOpen, when not nil, is told how far Open has got. Calls may come from several goroutines, one for each partition.
	OnOpen func(OpenProgress)
}

// OpenProgress says how far a partition's state has been rebuilt.
type OpenProgress struct {
	Partition    log.Partition
	FromSnapshot int64 // events that the snapshot stands for
	Replayed     int64 // events read from the log behind it
	Total        int64 // events of this partition number
}

func (o Options) withDefaults() Options {
	o.Partitions = cmp.Or(o.Partitions, PartitionsDefault())
	o.QueueMax = cmp.Or(o.QueueMax, QueueMaxDefault)
	o.InFlightMax = cmp.Or(o.InFlightMax, InFlightMaxDefault)
	o.HotelsMax = cmp.Or(o.HotelsMax, HotelsMaxDefault)
	o.RequestTTL = cmp.Or(o.RequestTTL, RequestTTLDefault)
	o.RequestsKept = cmp.Or(o.RequestsKept, RequestsKeptDefault)
	o.RequestsMax = cmp.Or(o.RequestsMax, max(RequestsMaxDefault, o.RequestsKept))
	o.SnapshotEvery = cmp.Or(o.SnapshotEvery, SnapshotEveryDefault)
	o.HoldTick = cmp.Or(o.HoldTick, HoldTickDefault)
	o.Source = cmp.Or(o.Source, "lodge/commands")
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate returns an error for a setting that is out of its range. Zero values are defaults and valid.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, r := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"Partitions", o.Partitions, 1, log.PartitionsMax},
		{"QueueMax", o.QueueMax, 1, 1 << 20},
		{"InFlightMax", o.InFlightMax, 1, 1 << 20},
		{"HotelsMax", o.HotelsMax, 1, 1 << 28},
		{"RequestsKept", o.RequestsKept, 1, 1 << 28},
		{"RequestsMax", o.RequestsMax, o.RequestsKept, 1 << 28},
	} {
		if r.value < r.low || r.value > r.high {
			return invalidOption(r.name, fmt.Sprintf("%d is not in [%d, %d]", r.value, r.low, r.high))
		}
	}
	if o.RequestTTL < RequestTTLDefault {
		return invalidOption("RequestTTL", fmt.Sprintf("%s is less than the promised %s", o.RequestTTL, RequestTTLDefault))
	}
	return nil
}

func invalidOption(field, text string) error {
	return &domain.Error{Reason: domain.InvalidArgument, Field: "commands.Options." + field, Text: text}
}
