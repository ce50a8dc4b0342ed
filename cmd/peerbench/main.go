// Command peerbench runs the same workloads against Lodge's log and the logs that a Go program would otherwise embed:
// NATS JetStream's file store, hashicorp/raft-wal, tidwall/wal and etcd's wal. It is a module of its own so that the peers
// stay out of Lodge's go.mod.
//
//	cd cmd/peerbench && go run . -dir /path/on/the/disk -duration 3s
//
// Every case is run in turns: all stores once, then all again, -rounds times; a figure is the median of its rounds. Durable means that an
// append is answered when fdatasync or fsync has returned; each line names how its store was told to do that.
// What it does not do: measure over a network, or tune the peers beyond their documented settings.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"lodge/cmd/internal/bench"
)

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder on the disk to measure (default: a temporary one)")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "of each case and round")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each case is run, in turns with the others")
	flag.IntVar(&o.records, "records", 200_000, "records that are read")
	filter := flag.String("filter", "", "cases or stores whose name matches this regular expression")
	flag.BoolVar(&o.json, "json", false, "one JSON object a line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.filter, err = regexp.Compile(*filter); err == nil {
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	dir      string
	duration time.Duration
	rounds   int
	records  int
	filter   *regexp.Regexp
	json     bool
}

// line is one store's figure in one case.
type line struct {
	Case  string  `json:"case"`
	Store string  `json:"store"`
	Sync  string  `json:"sync"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	P50   string  `json:"p50"`
	P99   string  `json:"p99"`
	Ahead float64 `json:"lodge_ahead,omitempty"` // Lodge's figure over this one
	Err   string  `json:"error,omitempty"`
}

func (o *options) run(ctx context.Context) error {
	dir, err := os.MkdirTemp(o.dir, "lodge-peerbench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, c := range cases(o.records) {
		lines, err := o.measure(ctx, dir, &c)
		if err != nil {
			return err
		}
		if err := o.print(c, lines); err != nil {
			return err
		}
	}
	return nil
}

// measure runs one case against all stores, by turns.
func (o *options) measure(ctx context.Context, dir string, c *workload) ([]line, error) {
	results := map[string][]bench.Result{}
	failed := map[string]error{}
	var names []string
	for round := range o.rounds {
		for _, s := range stores {
			if !o.filter.MatchString(c.name+" "+s.name) || c.durable && !s.durable || c.reopens && !s.reopens || failed[s.name] != nil {
				continue
			}
			if round == 0 {
				names = append(names, s.name)
			}
			r, err := o.once(ctx, filepath.Join(dir, s.name), c, &s)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failed[s.name] = err
				continue
			}
			results[s.name] = append(results[s.name], r)
		}
	}
	lines := make([]line, 0, len(names))
	for _, name := range names {
		lines = append(lines, summary(c, storeNamed(name), results[name], failed[name]))
	}
	for i := range lines {
		if lines[0].Store == lodgeName && lines[i].Value > 0 {
			lines[i].Ahead = lines[0].Value / lines[i].Value
		}
	}
	return lines, nil
}

// once runs a case against one store in a new folder.
func (o *options) once(ctx context.Context, dir string, c *workload, s *candidate) (bench.Result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return bench.Result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return c.run(ctx, dir, s, o.duration)
}

// summary makes a line of the rounds: the one with the median figure.
func summary(c *workload, s *candidate, rounds []bench.Result, err error) line {
	l := line{Case: c.name, Store: s.name, Sync: s.unsynced, Unit: c.unit}
	if c.durable {
		l.Sync = s.sync
	}
	if err != nil {
		l.Err = err.Error()
		return l
	}
	slices.SortFunc(rounds, func(a, b bench.Result) int { return int(max(-1, min(1, a.Value-b.Value))) })
	r := rounds[len(rounds)/2]
	l.Value, l.P50, l.P99 = r.Value, r.P50.Round(100*time.Nanosecond).String(), r.P99.Round(100*time.Nanosecond).String()
	return l
}

func (o *options) print(c workload, lines []line) error {
	if o.json {
		for _, l := range lines {
			if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	if len(lines) == 0 {
		return nil
	}
	fmt.Printf("\n%s: %s\n", c.name, c.what)
	for _, l := range lines {
		if l.Err != "" {
			fmt.Printf("  %-16s not measured: %s\n", l.Store, l.Err)
			continue
		}
		ahead := ""
		if l.Store != lodgeName && l.Ahead > 0 {
			ahead = fmt.Sprintf("Lodge × %.2f", l.Ahead)
		}
		fmt.Printf("  %-16s %12.0f %-10s p50 %-10s p99 %-10s %-14s %s\n", l.Store, l.Value, l.Unit, l.P50, l.P99, ahead, l.Sync)
	}
	return nil
}
