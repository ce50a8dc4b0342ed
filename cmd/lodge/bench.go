package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"time"

	"lodge/cmd/internal/bench"
)

// benchCommand measures this machine and Lodge on it.
type benchCommand struct {
	Data     string        `help:"Folder on the disk to measure; a new folder in it is used and removed. Default: the system's for temporary files." placeholder:"DIR" type:"path"`
	Filter   string        `help:"Only cases whose name matches this regular expression; floors are always measured." placeholder:"REGEXP"`
	Quick    bool          `help:"A tenth of the time and data: to see that it works, not to quote from."`
	Duration time.Duration `help:"Of each case (default 3s, quick 300ms)."`
	JSON     bool          `help:"One JSON object at the end instead of the table."`
	Past     int           `help:"Instead: make a node with so many reservations that are long over, in DATA, and measure how it opens. A folder that has one is measured again, and none is removed." placeholder:"N"`
	Strict   bool          `help:"Exit with code 1 when a target is not met or a case could not be measured."`
}

// Help shows examples.
func (benchCommand) Help() string {
	return `First the floors: what a plain loop gets from this disk and page cache in the same run. Then appends, reads and opening of the log;
reservations, durable, in process and over Connect on loopback (and through wrk where that is installed); projections, rebuilds and queries. Each line shows the
result, median and 99th percentile of one operation, the ratio to its floor, and the target. Nothing else should run on the machine.

Examples:
  lodge bench
  lodge bench --data /var/lib --filter '^append|^reserve/hot'
  lodge bench --quick --json`
}

// Run implements the command.
func (c *benchCommand) Run(ctx context.Context, m *Main) error {
	if c.Past > 0 {
		return c.past(ctx, m)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	opts := bench.Options{Dir: c.Data, Duration: c.Duration, Quick: c.Quick, ClientCommand: []string{self, "bench-client"}}
	if c.Filter != "" {
		filter, err := regexp.Compile(c.Filter)
		if err != nil {
			return fmt.Errorf("--filter: %w", err)
		}
		opts.Filter = filter
	}
	if !c.JSON {
		fmt.Fprintf(m.Stdout, "%s, %s/%s, %d processors, GOMAXPROCS %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0))
		bench.WriteHeader(m.Stdout)
		opts.Report = func(r bench.Result) { bench.WriteLine(m.Stdout, r) }
	}
	results, err := bench.Run(ctx, opts)
	if err == nil && c.JSON {
		err = json.NewEncoder(m.Stdout).Encode(map[string]any{
			"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "processors": runtime.NumCPU(), "gomaxprocs": runtime.GOMAXPROCS(0), "results": results,
		})
	}
	if err == nil && c.Strict {
		return strict(results)
	}
	return err
}

// past measures how a node with a past opens.
func (c *benchCommand) past(ctx context.Context, m *Main) error {
	if c.Data == "" {
		return fmt.Errorf("--past needs --data: a folder for some gigabytes")
	}
	bar := newBar(m.Stderr, int64(c.Past), "reservations", "")
	defer bar.finish()
	result, err := bench.Past(ctx, bench.PastOptions{
		Dir: c.Data, Reservations: c.Past, Progress: func(made int) { bar.to(int64(made), int64(c.Past)) },
		Report: func(name, what string) { fmt.Fprintf(m.Stdout, "%-8s %s\n", name, what) },
	})
	if err == nil {
		fmt.Fprintf(m.Stdout, "%-8s engine %.3f s, node %.3f s\n", "opened", result.Engine.Seconds(), result.Node.Seconds())
	}
	return err
}

// strict makes an error of targets that were not met.
func strict(results []bench.Result) error {
	missed := 0
	for _, r := range results {
		if r.Err != "" || r.Met != nil && !*r.Met {
			missed++
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d cases missed their target or could not be measured", missed, len(results))
	}
	return nil
}
