package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/domain"
	"lodge/log"
	"lodge/log/broker"
	"lodge/projections/availability"
	"lodge/projections/reservations"
)

// PastResult says how a node with a past opens.
type PastResult struct {
	Engine time.Duration // log and engine, from snapshots and what came after them
	Node   time.Duration // the whole platform, until every query can be answered and read models hold all of the log
	Hot    int64         // bytes of the read models' databases
	Cold   int64         // bytes of the archive
	Rows   int64         // in the archive
}

// Past makes a node with many reservations that are long over, unless the folder has one already, and measures how it opens.
func Past(ctx context.Context, opts PastOptions) (result PastResult, err error) {
	o := opts.withDefaults()
	if _, err := os.Stat(platform.LogFolder(o.Dir)); errors.Is(err, fs.ErrNotExist) {
		start := time.Now()
		if err := makePast(ctx, o); err != nil {
			return result, err
		}
		took := time.Since(start)
		o.Report("made", fmt.Sprintf("%d reservations of %d hotels in %s (%.0f/s), through the engine", o.Reservations, o.Hotels, took.Round(time.Second),
			float64(o.Reservations)/took.Seconds()))
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "projections")); errors.Is(err, fs.ErrNotExist) {
		took, err := o.node(ctx, &result)
		if err != nil {
			return result, err
		}
		o.Report("built", "read models, all from the log, in "+took.Round(time.Second).String())
	}
	if result.Engine, err = o.openEngine(ctx); err != nil {
		return result, err
	}
	result.Node, err = o.node(ctx, &result)
	return result, err
}

// openEngine measures log and engine alone.
func (o *PastOptions) openEngine(ctx context.Context) (took time.Duration, err error) {
	before := heapBytes()
	start := time.Now()
	b, err := broker.Open(platform.LogFolder(o.Dir), broker.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	logOpen := time.Since(start)
	partitions, err := commands.CreateTopics(ctx, b, 0, log.None)
	if err != nil {
		return 0, err
	}
	engine, err := commands.Open(ctx, b, commands.Options{Partitions: partitions, SnapshotDir: filepath.Join(o.Dir, "snapshots"), HoldTick: -1})
	took = time.Since(start)
	if err == nil {
		o.Report("engine", fmt.Sprintf("open in %s, the log in %s of it; %.0f MB of memory; folder: log %.0f MB, snapshots %.0f MB", took.Round(time.Millisecond),
			logOpen.Round(time.Millisecond), mega(heapBytes()-before), mega(bytesBelow(platform.LogFolder(o.Dir))), mega(bytesBelow(filepath.Join(o.Dir, "snapshots")))))
	}
	runtime.KeepAlive(engine)
	return took, err
}

// node measures the whole platform until it can answer, and asks it.
func (o *PastOptions) node(ctx context.Context, result *PastResult) (took time.Duration, err error) {
	before := heapBytes()
	start := time.Now()
	p, err := platform.Open(ctx, o.Dir, platform.Options{NoSocket: true, NoSchedules: true, HoldTick: -1, Passive: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	opened := time.Since(start)
	stop := background(ctx, p.Run)
	defer func() { err = errors.Join(err, stop(), p.Close()) }()
	if err := p.WaitCaughtUp(ctx); err != nil {
		return 0, err
	}
	took = time.Since(start)
	o.Report("node", fmt.Sprintf("open in %s, ready and caught up in %s; %.0f MB of memory", opened.Round(time.Millisecond), took.Round(time.Millisecond), mega(heapBytes()-before)))
	if err := o.ask(ctx, p); err != nil {
		return took, err
	}
	result.Hot, result.Cold, result.Rows = 0, 0, 0
	for _, s := range p.Store.Status(ctx) {
		var years []string
		for _, y := range s.Archive {
			result.Cold, result.Rows = result.Cold+y.Bytes, result.Rows+y.Rows
			years = append(years, fmt.Sprintf("%d: %d rows %.0f MB", y.Year, y.Rows, mega(y.Bytes)))
		}
		result.Hot += s.Bytes
		o.Report("tables", fmt.Sprintf("%s: hot %.0f MB; archive %s", s.Name, mega(s.Bytes), strings.Join(years, ", ")))
	}
	return took, nil
}

// ask measures questions about the past.
func (o *PastOptions) ask(ctx context.Context, p *platform.Platform) error {
	all, nights, rng := reservations.NewQueries(p.Store), availability.NewQueries(p.Store), rand.New(rand.NewPCG(3, 4))
	var list, get, calendar []time.Duration
	for range 200 {
		id := hotelID(rng.IntN(o.Hotels))
		start := time.Now()
		found, _, err := all.ListByHotel(ctx, id, reservations.Cursor{}, 50)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		list = append(list, time.Since(start))
		start = time.Now()
		if _, err := all.Get(ctx, id, found[len(found)/2].ReservationID); err != nil {
			return err
		}
		get = append(get, time.Since(start))
		start = time.Now()
		from := domain.Today(time.Now(), time.UTC).AddDays(-200 - rng.IntN(300))
		if _, err := nights.Range(ctx, id, roomType, from, from.AddDays(30)); err != nil {
			return err
		}
		calendar = append(calendar, time.Since(start))
	}
	o.Report("ask", fmt.Sprintf("of the past, medians: a reservation by id %s, a hotel's oldest 50 %s, 30 nights %s", median(get), median(list), median(calendar)))
	return nil
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2].Round(time.Microsecond)
}

// heapBytes returns the bytes in use, garbage not.
func heapBytes() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func bytesBelow(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what is gone meanwhile takes no space
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // see above
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

func mega(n int64) float64 { return float64(n) / 1e6 }
