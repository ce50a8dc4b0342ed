package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// ledger is what a workload did, as its writers know it.
type ledger struct {
	mu       sync.Mutex
	enqueued map[log.TopicPartition]map[string]bool       // values of batches that were begun
	acked    map[log.TopicPartition]map[log.Offset]string // first values of batches that were acknowledged
	retries  map[log.TopicPartition]map[int64]attempt     // each producer's newest batch
}

// attempt is a producer's newest batch and where it went, if it was acknowledged.
type attempt struct {
	batch *log.Batch
	base  log.Offset // or NoOffset
}

func newLedger() *ledger {
	return &ledger{
		enqueued: map[log.TopicPartition]map[string]bool{},
		acked:    map[log.TopicPartition]map[log.Offset]string{},
		retries:  map[log.TopicPartition]map[int64]attempt{},
	}
}

// begin notes that a batch is about to be enqueued.
func (l *ledger) begin(tp log.TopicPartition, batch *log.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.enqueued[tp] == nil {
		l.enqueued[tp], l.acked[tp], l.retries[tp] = map[string]bool{}, map[log.Offset]string{}, map[int64]attempt{}
	}
	for _, r := range batch.Records {
		l.enqueued[tp][string(r.Value)] = true
	}
	if batch.Producer != nil {
		l.retries[tp][batch.Producer.ID] = attempt{batch, log.NoOffset}
	}
}

// ack notes that a batch was acknowledged at base.
func (l *ledger) ack(tp log.TopicPartition, batch *log.Batch, base log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range batch.Records {
		l.acked[tp][base+log.Offset(i)] = string(r.Value)
	}
	if batch.Producer != nil {
		l.retries[tp][batch.Producer.ID] = attempt{batch, base}
	}
}

// snapshot returns what must be there from now on.
func (l *ledger) snapshot() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := newLedger()
	for tp := range l.acked {
		s.acked[tp], s.retries[tp] = map[log.Offset]string{}, map[int64]attempt{}
		for o, v := range l.acked[tp] {
			s.acked[tp][o] = v
		}
		for id, a := range l.retries[tp] {
			s.retries[tp][id] = a
		}
	}
	return s
}

// workload appends to several topics from several goroutines: lone and grouped, idempotent and plain, waiting for
// each batch or for the last of some, with checkpoints and reads in between. A failed append ends its writer.
type workload struct {
	*ledger
	b       *Broker
	topics  map[log.Topic]log.TopicConfig
	batches int // of each writer
}

var crashTopics = map[log.Topic]log.TopicConfig{
	"small": {SegmentBytes: 4 << 10},                           // rolls often
	"two":   {Partitions: 2},                                   //
	"lazy":  {Durability: log.Interval, SegmentBytes: 8 << 10}, // acknowledged means nothing after a power loss
	"kept":  {SegmentBytes: 4 << 10, RetentionBytes: 1 << 40},  // retention runs and removes nothing
}

func (w *workload) run(rng *rand.Rand) {
	for name, config := range w.topics {
		if err := w.b.CreateTopic(ctx, name, config); err != nil {
			return
		}
	}
	var own [4]*rand.Rand // before any writer starts: rng may be a crash's too
	for i := range own {
		own[i] = rand.New(rand.NewPCG(rng.Uint64(), 0))
	}
	var wg sync.WaitGroup
	for i, rng := range own {
		wg.Go(func() { w.write(rng, int64(i)) })
	}
	wg.Wait()
}

// write is one writer. Each writer is a producer with its own id.
func (w *workload) write(rng *rand.Rand, id int64) {
	sequences := map[log.TopicPartition]int32{}
	var tickets []func() error
	for n := range w.batches {
		tp := w.pick(rng)
		batch := &log.Batch{}
		for r := range 1 + rng.IntN(3) {
			value := fmt.Sprintf("%d.%d.%d ", id, n, r)
			value += string(make([]byte, rng.IntN(rng.IntN(900)+1)))
			batch.Records = append(batch.Records, log.Record{Value: []byte(value)})
		}
		if rng.IntN(2) == 0 {
			batch.Producer = &log.ProducerSequence{ID: id, Sequence: sequences[tp]}
			sequences[tp] += int32(len(batch.Records))
		}
		w.begin(tp, batch)
		ticket, err := w.b.Enqueue(tp, batch)
		if err != nil {
			return
		}
		tickets = append(tickets, func() error {
			err := ticket.Wait(ctx)
			if err == nil {
				w.ack(tp, batch, ticket.Base)
			}
			return err
		})
		if rng.IntN(3) > 0 || n == w.batches-1 {
			for _, wait := range tickets {
				if wait() != nil {
					return
				}
			}
			tickets = tickets[:0]
		}
		if rng.IntN(10) == 0 {
			w.b.checkpoint(ctx)
			w.b.retain(ctx)
			w.b.syncFull(ctx)
		}
		if rng.IntN(10) == 0 {
			if p, err := w.b.partition(tp, "test"); err == nil {
				p.preallocate()
			}
		}
	}
}

func (w *workload) pick(rng *rand.Rand) log.TopicPartition {
	names := []log.TopicPartition{{Topic: "small"}, {Topic: "two"}, {Topic: "two", Partition: 1}, {Topic: "lazy"}, {Topic: "kept"}}
	return names[rng.IntN(len(names))]
}

// check opens fs and compares what is there with what was acknowledged before and enqueued by now. With
// lazy set the topic of durability interval must be complete too.
func (l *ledger) check(fs vfs.FS, enqueued *ledger, lazy bool) error {
	b, err := Open("dir", Options{FS: fs})
	if err != nil {
		return err
	}
	defer b.Close()
	for tp, acked := range l.acked {
		records, err := readAll(b, tp)
		if err != nil {
			return fmt.Errorf("%s: %w", tp, err)
		}
		if tp.Topic == "lazy" && !lazy {
			acked = nil
		}
		if err := enqueued.compare(tp, records, acked); err != nil {
			return fmt.Errorf("%s: %w", tp, err)
		}
		if tp.Topic == "lazy" && !lazy {
			continue
		}
		for id, a := range l.retries[tp] {
			if err := a.retry(b, tp, len(records)); err != nil {
				return fmt.Errorf("%s: retry of producer %d: %w", tp, id, err)
			}
		}
	}
	return nil
}

// compare checks the records of one partition: all acknowledged ones at their offsets, none twice, none that was not enqueued.
func (l *ledger) compare(tp log.TopicPartition, records []log.Record, acked map[log.Offset]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, last := map[string]bool{}, map[int]int{}
	for _, r := range records {
		value := string(r.Value)
		var writer, n, i int
		if _, err := fmt.Sscanf(value, "%d.%d.%d", &writer, &n, &i); err != nil || 10*n+i < last[writer] {
			return fmt.Errorf("%.10q at %d is out of order, %w", value, r.Offset, err)
		}
		last[writer] = 10*n + i
		if !l.enqueued[tp][value] || seen[value] {
			return fmt.Errorf("%.10q at %d: enqueued %t, seen before %t", value, r.Offset, l.enqueued[tp][value], seen[value])
		}
		seen[value] = true
	}
	for offset, value := range acked {
		if int(offset) >= len(records) || string(records[offset].Value) != value {
			return fmt.Errorf("offset %d of %d records is not %.10q", offset, len(records), value)
		}
	}
	return nil
}

// retry repeats a producer's newest batch: one that was acknowledged is a duplicate of itself; another is
// a duplicate of something that is there, or new.
func (a attempt) retry(b *Broker, tp log.TopicPartition, end int) error {
	ticket, err := b.Enqueue(tp, a.batch)
	if err != nil {
		if a.base == log.NoOffset && log.CodeOf(err) == log.OutOfOrderSequence {
			return nil // the batch before it was not acknowledged either, and is lost
		}
		return err
	}
	if a.base != log.NoOffset && (!ticket.Duplicate || ticket.Base != a.base) {
		return fmt.Errorf("acknowledged at %d, now %+v", a.base, ticket)
	}
	if ticket.Duplicate && int(ticket.Base) >= end {
		return fmt.Errorf("duplicate of offset %d, the log ends at %d", ticket.Base, end)
	}
	return ticket.Wait(ctx)
}

// TestAcknowledgedSurvivesCrashes takes a picture of the disk as a power loss at that moment may leave it at every
// operation of the workload, and opens it.
func TestAcknowledgedSurvivesCrashes(t *testing.T) {
	seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		mem := vfs.NewMem()
		l := newLedger()
		var mu sync.Mutex // one crash at a time: rng is not safe for concurrent use
		crash := func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if t.Failed() {
				return nil
			}
			choose, lazy := vfs.Randomly(rng), false
			if rng.IntN(4) == 0 {
				choose, lazy = vfs.KeepAll, true // only the process dies
			}
			before := l.snapshot()
			if err := before.check(mem.CrashClone(choose), l, lazy); err != nil {
				t.Errorf("crash at %v: %v", op, err)
			}
			return nil
		}
		b := open(t, errorfs.Wrap(mem, mutations(crash)), Options{GroupBytesMax: 6000})
		w := &workload{ledger: l, b: b, topics: crashTopics, batches: 40}
		w.run(rng)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := l.snapshot().check(mem.CrashClone(vfs.LoseAll), l, true); err != nil {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestAcknowledgedSurvivesErrors fails the n-th operation for every n, goes on as long as the broker lets it, and opens
// what is left, with and without a power loss.
func TestAcknowledgedSurvivesErrors(t *testing.T) {
	seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		for n := 0; ; n += 1 + rng.IntN(2+n/50) {
			seed := rng.Uint64()
			mem := vfs.NewMem()
			nth := &errorfs.Nth{N: n, After: rng.IntN(3) == 0}
			l := newLedger()
			b, err := Open("dir", Options{FS: errorfs.Wrap(mem, nth), GroupBytesMax: 6000})
			if err == nil {
				w := &workload{ledger: l, b: b, topics: crashTopics, batches: 15}
				w.run(rand.New(rand.NewPCG(seed, 1)))
				_ = b.Close()
			}
			if nth.Hit() == nil {
				return
			}
			for _, choose := range []vfs.Choose{vfs.KeepAll, vfs.LoseAll, vfs.Randomly(rng)} {
				if err := l.snapshot().check(mem.CrashClone(choose), l, false); err != nil {
					t.Fatalf("operation %d failed (%v): %v", n, nth.Hit(), err)
				}
			}
		}
	})
}

// TestWorkloadWithRun is the workload with Run beside it, for the race detector.
func TestWorkloadWithRun(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{
		GroupBytesMax: 6000, FlushInterval: time.Millisecond, HousekeepingInterval: time.Millisecond, CheckpointInterval: time.Millisecond,
	})
	runCtx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.Run(runCtx) }()
	l := newLedger()
	w := &workload{ledger: l, b: b, topics: crashTopics, batches: 100}
	w.run(rand.New(rand.NewPCG(1, 1)))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := l.snapshot().check(mem.CrashClone(vfs.LoseAll), l, true); err != nil {
		t.Error(err)
	}
}
