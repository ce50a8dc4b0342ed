// Package measure tells how late schedules fire and what pending ones cost. Lateness is taken at the target topic, as a consumer
// finds it; costs are those of the process.
//
//	late, err := measure.Fire(ctx, bridge, lg, measure.Load{Topic: "t"})
//	took, err := measure.Fill(ctx, bridge, measure.Load{Topic: "t", Count: 100_000, Ahead: time.Hour})
//
// It is a workload, not a test: the caller owns the log, the bridge and their folders.
package measure

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/log"
	"lodge/log/natsbridge"
)

// Load is a number of schedules, evenly spread over time. The zero value of a field means its default.
type Load struct {
	Topic     log.Topic     // where they fire: there, and without another writer
	Count     int           // default 10,000
	Spread    time.Duration // from the first due time to the last: default 10 s
	Ahead     time.Duration // from now to the first due time: default 10 s, so that all are accepted and sent to NATS by then
	ValueSize int           // bytes: default 100
	Writers   int           // goroutines that schedule: default 64
}

func (l Load) withDefaults() Load {
	l.Count = cmp.Or(l.Count, 10_000)
	l.Spread = cmp.Or(l.Spread, 10*time.Second)
	l.Ahead = cmp.Or(l.Ahead, 10*time.Second)
	l.ValueSize = cmp.Or(l.ValueSize, 100)
	l.Writers = cmp.Or(l.Writers, 64)
	return l
}

// Lateness is how much later than due schedules came.
type Lateness struct {
	Count    int
	Early    int                                   // fired, or could be read, before due: must be 0
	Doubled  int                                   // came more than once: must be 0
	Fired    struct{ P50, P99, Max time.Duration } // when the bridge appended it
	Readable struct{ P50, P99, Max time.Duration } // when a consumer that polls the topic had it
	Accept   time.Duration                         // to schedule all
	Stats    natsbridge.Stats                      // of the bridge, afterwards
}

// Fill schedules the load and returns how long that took.
func Fill(ctx context.Context, b log.Scheduler, load Load) (time.Duration, error) {
	load = load.withDefaults()
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range load.Writers {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= load.Count {
					return nil
				}
				at := begin.Add(load.Ahead + load.Spread*time.Duration(i)/time.Duration(load.Count))
				_, err := b.Schedule(ctx, log.Schedule{ID: "measure-" + strconv.Itoa(i), At: at, Record: log.Record{
					Topic: load.Topic, Key: []byte(strconv.Itoa(i % 1000)), Value: make([]byte, load.ValueSize),
				}})
				if err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	return time.Since(begin), err
}

// Fire schedules the load on a bridge that runs, waits until all has fired and tells how late.
func Fire(ctx context.Context, b *natsbridge.Bridge, lg interface {
	log.Reader
	log.Admin
}, load Load) (Lateness, error) {
	load = load.withDefaults()
	info, err := lg.DescribeTopic(ctx, load.Topic)
	if err != nil {
		return Lateness{}, err
	}
	w := watcher{lg: lg, left: int64(load.Count), seen: map[string]int{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.done = cancel
	group, watching := errgroup.WithContext(ctx)
	for _, p := range info.Partitions {
		group.Go(func() error {
			return w.watch(watching, log.TopicPartition{Topic: load.Topic, Partition: p.Partition}, p.HighWatermark)
		})
	}
	took, err := Fill(ctx, b, load)
	if err != nil {
		cancel()
		return Lateness{}, fmt.Errorf("schedule: %w", err)
	}
	if err := group.Wait(); err != nil {
		return Lateness{}, err
	}
	late := w.result()
	late.Accept, late.Stats = took, b.Stats()
	return late, nil
}

// watcher reads what fires.
type watcher struct {
	lg   log.Reader
	done func()

	mu       sync.Mutex
	left     int64
	early    int
	seen     map[string]int
	fired    []time.Duration
	readable []time.Duration
}

func (w *watcher) watch(ctx context.Context, tp log.TopicPartition, from log.Offset) error {
	for {
		found, err := w.lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: from, MaxWait: 10 * time.Second})
		if ctx.Err() != nil {
			return w.short()
		}
		if err != nil {
			return err
		}
		now := time.Now()
		for i := range found.Records {
			if err := w.record(&found.Records[i], now); err != nil {
				return err
			}
		}
		from = found.Next
	}
}

// short returns an error if not all has come.
func (w *watcher) short() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left > 0 {
		return fmt.Errorf("%d schedules have not come", w.left)
	}
	return nil
}

func (w *watcher) record(r *log.Record, now time.Time) error {
	id, _ := r.Header(log.ScheduleIDHeader)
	generation, _ := r.Header(log.ScheduleGenerationHeader)
	due, err := headerTime(r, log.ScheduleDueHeader)
	if err != nil {
		return err
	}
	fired, err := headerTime(r, log.ScheduleFiredHeader)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[string(id)+"/"+string(generation)]++
	if fired.Before(due) || now.Before(due) {
		w.early++
	}
	w.fired = append(w.fired, fired.Sub(due))
	w.readable = append(w.readable, now.Sub(due))
	if w.left--; w.left == 0 {
		w.done()
	}
	return nil
}

func headerTime(r *log.Record, name string) (time.Time, error) {
	v, _ := r.Header(name)
	at, err := time.Parse(time.RFC3339Nano, string(v))
	if err != nil {
		return at, fmt.Errorf("record %s, header %s: %w", r.Position(), name, err)
	}
	return at, nil
}

func (w *watcher) result() Lateness {
	late := Lateness{Count: len(w.fired), Early: w.early}
	for _, n := range w.seen {
		late.Doubled += n - 1
	}
	late.Fired.P50, late.Fired.P99, late.Fired.Max = percentiles(w.fired)
	late.Readable.P50, late.Readable.P99, late.Readable.Max = percentiles(w.readable)
	return late
}

func percentiles(d []time.Duration) (p50, p99, most time.Duration) {
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100], d[len(d)-1]
}

// HeapBytes returns the bytes of the heap that are reachable now.
func HeapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
