package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Options say what to measure. The zero value of a field means its default.
type Options struct {
	Dir      string         // where to write; it must be on the disk that is to be measured. Default: a temporary folder
	Duration time.Duration  // of each case: default 3 s
	Bytes    int64          // written and read in large cases: default 1 GiB
	Events   int            // booking events for the projections: default 300,000
	Hotels   int            // in the spread cases: default 1,000
	Filter   *regexp.Regexp // cases whose name matches; floors are always measured. Default: all
	Quick    bool           // a tenth of the defaults above: to see that it works, not to quote from

	// ClientCommand starts a process that drives a server over Connect: it gets the server's URL, the number of clients, that of hotels and the
	// duration as further arguments, and prints what Client.Drive returns as JSON. Empty: this process does it.
	ClientCommand []string

	// Report, when not nil, gets each result as soon as it is there.
	Report func(Result)
}

func (o Options) withDefaults() Options {
	scale := 1
	if o.Quick {
		scale = 10
	}
	if o.Duration == 0 {
		o.Duration = 3 * time.Second / time.Duration(scale)
	}
	if o.Bytes == 0 {
		o.Bytes = 1 << 30
		if o.Quick {
			o.Bytes = 128 << 20
		}
	}
	if o.Events == 0 {
		o.Events = 300_000 / scale
	}
	if o.Hotels == 0 {
		o.Hotels = 1000 / scale
	}
	return o
}

// Validate returns an error for a setting that cannot be measured with.
func (o Options) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Duration < 10*time.Millisecond:
		return fmt.Errorf("bench: a case of %s is too short", o.Duration)
	case o.Bytes < 16<<20:
		return fmt.Errorf("bench: %d bytes are fewer than 16 MiB", o.Bytes)
	case o.Events < 1000 || o.Hotels < 1:
		return fmt.Errorf("bench: %d events over %d hotels are too few", o.Events, o.Hotels)
	}
	return nil
}

// Run measures everything that the filter lets through, floors first, and returns the results in that order. A case that cannot be
// measured is a result with an error; Run's own error is that ctx ended or nothing could be written.
func Run(ctx context.Context, opts Options) ([]Result, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	b := &run{Options: opts.withDefaults(), floorBy: map[string]Result{}}
	dir, err := os.MkdirTemp(b.Dir, "lodge-bench-")
	if err != nil {
		return nil, err
	}
	b.dir = dir
	err = firstError(
		func() error { return b.floors(ctx) },
		func() error { return b.appends(ctx) },
		func() error { return b.reads(ctx) },
		func() error { return b.streams(ctx) },
		func() error { return b.groups(ctx) },
		func() error { return b.schedules(ctx) },
		func() error { return b.reservations(ctx) },
		func() error { return b.surface(ctx) },
		func() error { return b.projections(ctx) },
	)
	return b.results, errors.Join(err, os.RemoveAll(dir))
}

// run is one run of the benchmarks.
type run struct {
	Options
	dir     string
	results []Result
	floorBy map[string]Result // floors by name
}

// add keeps a result that is a floor.
func (b *run) add(r Result) {
	b.floorBy[r.Name] = r
	b.keep(r)
}

func (b *run) keep(r Result) {
	b.results = append(b.results, r)
	if b.Report != nil {
		b.Report(r)
	}
}

// bytes is how much large cases write.
func (b *run) bytes() int64 { return b.Bytes }

// wants reports whether a case is to be measured.
func (b *run) wants(name string) bool { return b.Filter == nil || b.Filter.MatchString(name) }

// one measures one case, compares it with a floor and judges it. A failing case is reported as such; the others go on.
func (b *run) one(ctx context.Context, name, floor string, t *target, measure func() (Result, error)) error {
	if !b.wants(name) {
		return nil
	}
	r, err := measure()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Name = name
	if err == nil {
		b.compare(&r, floor, t)
	} else {
		r.Err = err.Error()
	}
	b.keep(r)
	return nil
}

// compare sets a result beside its floor and judges it.
func (b *run) compare(r *Result, floor string, t *target) {
	if f, ok := b.floorBy[floor]; ok {
		r.FloorName, r.Ratio = floor, ratio(*r, f)
	}
	if t != nil {
		r.judge(*t)
	}
}

// ratio compares rates, or medians when the floor is the plain loop (then what counts is how long one caller waits), or the 99th percentiles when
// that loop keeps a pace.
func ratio(r, floor Result) float64 {
	if floor.Name == floorSyncName && floor.P50 > 0 {
		return float64(r.P50) / float64(floor.P50)
	}
	if floor.Name == floorPacedName && floor.P99 > 0 {
		return float64(r.P99) / float64(floor.P99)
	}
	if floor.Value == 0 {
		return 0
	}
	return r.Value / floor.Value
}

// folder makes a folder for a section and returns how to remove it.
func (b *run) folder(name string) (dir string, done func(), err error) {
	dir = filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
