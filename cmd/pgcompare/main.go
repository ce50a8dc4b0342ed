// Command pgcompare makes the same reservations through Lodge's API and in PostgreSQL, in the three ways that textbooks teach: a pessimistic lock, an optimistic
// version, a constraint; and, beside them, through a stored function that does all in one round trip. It is a module of its own so that the driver stays out of Lodge's go.mod.
//
//	cd cmd/pgcompare && go run . -dir /path/on/the/disk -duration 3s
//
// PostgreSQL comes from the system's packages (apt-get install postgresql), is started here with its default settings (fsync and synchronous_commit on) and
// reached over a Unix socket, or with -tcp over loopback as Lodge is; Lodge is a process of its own, durability sync, reached over loopback HTTP: by plain posts of protobuf messages through a lean client (as lean as
// the PostgreSQL driver), and by the Go Connect client. Either way an answer means: on disk.
// Cases are run in turns, -rounds times; a figure is the median of its rounds.
//
// Hot is one room type and one night; spread is 1,000 hotels and 300 nights by turns. What it does not do: tune PostgreSQL, or measure over a network.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"lodge/cmd/internal/bench"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pgcompare:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder on the disk to measure (default: a temporary one)")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "of each case and round")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each case is run, in turns with the others")
	flag.IntVar(&o.clients, "clients", 64, "that reserve one after the other, each on a connection of its own")
	filter := flag.String("filter", "", "cases and ways whose name matches this regular expression")
	flag.BoolVar(&o.tcp, "tcp", false, "reach PostgreSQL over loopback TCP, as Lodge is reached, instead of a Unix socket")
	flag.BoolVar(&o.json, "json", false, "one JSON object a line")
	serve := flag.String("serve", "", "for this program's own use: run Lodge in this folder until standard input ends")
	flag.IntVar(&o.hotels, "hotels", 1000, "of the spread case")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *serve != "" {
		return serveLodge(ctx, *serve, o.hotels)
	}
	if o.rounds < 1 || o.clients < 1 || o.clients > clientsMax || o.hotels < 1 || o.duration <= 0 {
		return fmt.Errorf("rounds, hotels and duration are at least 1, clients from 1 to %d", clientsMax)
	}
	var err error
	if o.filter, err = regexp.Compile(*filter); err != nil {
		return err
	}
	return o.compare(ctx)
}

// lodgeWay is what the others are compared with.
const lodgeWay = "lodge"

// clientsMax is what PostgreSQL's default of 100 connections leaves.
const clientsMax = 90

// options are the flags.
type options struct {
	dir      string
	duration time.Duration
	rounds   int
	clients  int
	hotels   int
	filter   *regexp.Regexp
	tcp      bool
	json     bool
}

// line is one way's figure in one case.
type line struct {
	Case  string        `json:"case"`
	Way   string        `json:"way"`
	Value float64       `json:"reservations_per_second"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Ahead float64       `json:"lodge_ahead,omitempty"` // Lodge's figure over this one
}

// workload says which hotels and nights are reserved by turns.
type workload struct {
	name           string
	hotels, nights int
}

// way is one way to reserve: it drives the clients for a while on a fresh set of hotels.
type way struct {
	name, what string
	drive      func(ctx context.Context, w workload) (bench.Result, error)
}

func (o *options) compare(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(o.dir, "lodge-pgcompare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	pg, err := startPostgres(ctx, filepath.Join(dir, "pg"), o.tcp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.stop()) }()
	fmt.Fprintln(os.Stderr, pg.version)
	var ways []way
	for _, y := range []struct {
		name, what string
		drive      driver
	}{{lodgeWay, "plain HTTP posts of protobuf", o.post}, {"lodge-connect", "Go Connect client", o.connect}} {
		ways = append(ways, way{y.name, y.what, func(ctx context.Context, w workload) (bench.Result, error) { return o.lodge(ctx, dir, w, y.drive) }})
	}
	for _, s := range strategies {
		ways = append(ways, way{s.name, s.what, func(ctx context.Context, w workload) (bench.Result, error) { return o.postgres(ctx, pg, &s, w) }})
	}
	for _, w := range []workload{{"hot", 1, 1}, {"spread", o.hotels, spreadNights}} {
		lines, err := o.measure(ctx, ways, w)
		if err != nil {
			return err
		}
		if err := o.print(os.Stdout, w, lines); err != nil {
			return err
		}
	}
	return nil
}

// measure runs one case in all ways, by turns.
func (o *options) measure(ctx context.Context, ways []way, w workload) ([]line, error) {
	rounds := map[string][]bench.Result{}
	for range o.rounds {
		for _, y := range ways {
			if !o.filter.MatchString(w.name + " " + y.name) {
				continue
			}
			r, err := y.drive(ctx, w)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", w.name, y.name, err)
			}
			rounds[y.name] = append(rounds[y.name], r)
		}
	}
	var lines []line
	for _, y := range ways {
		all := rounds[y.name]
		if len(all) == 0 {
			continue
		}
		slices.SortFunc(all, func(a, b bench.Result) int { return int(max(-1, min(1, a.Value-b.Value))) })
		r := all[len(all)/2]
		lines = append(lines, line{Case: w.name, Way: y.name, Value: r.Value, P50: r.P50, P99: r.P99})
	}
	for i := range lines {
		if lines[0].Way == lodgeWay && i > 0 {
			lines[i].Ahead = lines[0].Value / lines[i].Value
		}
	}
	return lines, nil
}

func (o *options) print(out io.Writer, w workload, lines []line) error {
	if o.json {
		for _, l := range lines {
			if err := json.NewEncoder(out).Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	b := bufio.NewWriter(out)
	fmt.Fprintf(b, "\n%s: %d clients, %d hotels × %d nights, durable\n", w.name, o.clients, w.hotels, w.nights)
	for _, l := range lines {
		ahead := ""
		if l.Ahead > 0 {
			ahead = fmt.Sprintf("Lodge × %.1f", l.Ahead)
		}
		fmt.Fprintf(b, "  %-13s %8.0f reservations/s  p50 %-9s p99 %-9s %s\n", l.Way, l.Value,
			l.P50.Round(10*time.Microsecond), l.P99.Round(10*time.Microsecond), ahead)
	}
	return b.Flush()
}
