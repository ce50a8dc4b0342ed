package natsbridge

import (
	"cmp"
	"log/slog"
	"time"

	"lodge/log"
)

// Options configures a bridge. The zero value of a field means its default.
type Options struct {
	// StoreDir is the folder of the embedded NATS server: a real one, of this log alone. What it holds can be lost: it is filled again
	// from the log. Required unless URL is given.
	StoreDir string

	// URL names NATS servers to use instead of the embedded one, with JetStream from version 2.12 on: nats://host:port, several by comma. The stream
	// there is named after the log, so that many logs may share an account.
	URL         string
	Credentials string // a credentials file for URL; "": none

	Logger *slog.Logger     // default: discard
	Clock  func() time.Time // default time.Now. A due time is reached when it says so

	// SchedulesMax bounds the pending schedules. Default and most: log.SchedulesMax.
	SchedulesMax int

	// SyncInterval is how often the embedded server syncs its files and tidies them up. Default 10 s. Nothing depends on it but how much is sent there
	// anew after a power loss, and a small part of the server's work: it syncs whether or not there is something new.
	SyncInterval time.Duration

	// clockless leaves NATS away altogether, for tests of the rest.
	clockless bool
}

// Bounds in time.
const (
	// NATS is asked to ring this long before the due time: it rings up to 270 ms late.
	lead = 500 * time.Millisecond
	// A ring that has not come this long before the due time is not waited for: the bridge's own timer takes over.
	grace = 100 * time.Millisecond
	// Schedules due sooner than this are not sent to NATS at all.
	nearMin = 2 * lead
)

// Bounds in numbers.
const (
	RecordBytesMax = 32 << 20 // of a scheduled record, encoded; beside the limit of its topic
	ListMax        = 1000     // schedules in one answer of ListSchedules
	listBytesMax   = 16 << 20 // of the records in one such answer, but for the last
	roundMax       = 2048     // schedules that are fired together
	roundBytesMax  = 8 << 20  // of their records, but for the last
	opsMax         = 1 << 16  // changes that wait to be sent to NATS; beyond it all is compared anew
	failuresMax    = 100      // failures that are remembered
)

// Validate returns an error with code InvalidArgument for the first setting that makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.StoreDir == "" && o.URL == "" && !o.clockless:
		return invalidOption("neither a store folder nor a URL is given")
	case o.StoreDir != "" && o.URL != "":
		return invalidOption("a store folder is for the embedded server, which a URL replaces: give one of them")
	case o.Credentials != "" && o.URL == "":
		return invalidOption("credentials are for a URL")
	case o.SchedulesMax < 0 || o.SchedulesMax > log.SchedulesMax:
		return invalidOption("at most %d schedules are not within 0..%d", o.SchedulesMax, log.SchedulesMax)
	case o.SyncInterval < 0:
		return invalidOption("the sync interval is negative")
	}
	return nil
}

func invalidOption(format string, args ...any) error {
	return log.NewError(log.InvalidArgument, "schedule options", format, args...)
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.SchedulesMax = cmp.Or(o.SchedulesMax, log.SchedulesMax)
	o.SyncInterval = cmp.Or(o.SyncInterval, 10*time.Second)
	return o
}
