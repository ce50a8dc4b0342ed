package client_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/producerstate"
	"lodge/log/logtest/leaktest"
)

var seedFlag = flag.Uint64("seed", 0, "replay the random tests with this seed; 0: a new one each time")

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// random returns a source whose seed is printed when the test fails.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// fakeLog is a log in memory as it may look from the other end of a connection: what is enqueued is in flight until
// somebody waits for it, and a wait may fail with the batches lost, or committed and only the
// answer lost. It makes no channels that outlive a synctest bubble.
type fakeLog struct {
	partitions int
	config     log.TopicConfig

	// Called, if set, for each enqueue and each wait that has something in flight. A wait's lost says whether the batches are.
	onEnqueue func(tp log.TopicPartition, b *log.Batch) error
	onWait    func(ctx context.Context, tp log.TopicPartition) (lost bool, err error)

	mu     sync.Mutex
	parts  map[log.TopicPartition]*fakePartition
	sizes  []int        // records of each batch that was enqueued
	layout log.Layout   // without active partitions: this log has none
	shown  []log.Layout // what DescribeTopic tells in turn; empty: layout
	silent bool         // DescribeTopic does not answer
}

type fakePartition struct {
	committed []log.Record
	inFlight  []log.Record
	lost      map[int]bool // waits numbered by generation: those whose batches were lost
	flight    int          // generation of inFlight
	producers *producerstate.Table
	blob      []byte // producers as committed
	ids       map[int64]bool
	epochs    map[int16]bool
}

func newFake(partitions int) *fakeLog {
	return &fakeLog{
		partitions: partitions, config: log.TopicConfig{RecordBytesMax: 1 << 20}, parts: map[log.TopicPartition]*fakePartition{},
	}
}

func (f *fakeLog) DescribeTopic(_ context.Context, name log.Topic) (log.TopicInfo, error) {
	if name != "bookings" {
		return log.TopicInfo{}, log.NewError(log.UnknownTopic, "describe", "no %s", name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		return log.TopicInfo{}, log.NewError(log.Unavailable, "describe", "no answer")
	}
	info := log.TopicInfo{Name: name, Config: f.config, Partitions: make([]log.PartitionInfo, f.partitions), Layout: f.layout}
	if len(f.shown) > 0 {
		info.Layout, f.shown = f.shown[0], f.shown[1:]
	}
	for i := range info.Partitions {
		info.Partitions[i].Partition, info.Partitions[i].State = log.Partition(i), log.StateActive
		if len(info.Layout.Active) > 0 && !slices.Contains(info.Layout.Active, log.Partition(i)) {
			info.Partitions[i].State = log.StateDraining
		}
	}
	return info, nil
}

// hush has DescribeTopic answer no more, or again.
func (f *fakeLog) hush(silent bool) { f.mu.Lock(); defer f.mu.Unlock(); f.silent = silent }

// relayout begins a new layout. DescribeTopic tells of it only after some calls more.
func (f *fakeLog) relayout(late int, active ...log.Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = nil
	for range late {
		f.shown = append(f.shown, f.layout)
	}
	f.layout = log.Layout{Number: f.layout.Number + 1, Active: active}
	for _, p := range active {
		f.partitions = max(f.partitions, int(p)+1)
	}
}

func (f *fakeLog) part(tp log.TopicPartition) *fakePartition {
	p := f.parts[tp]
	if p == nil {
		p = &fakePartition{producers: producerstate.New(100), lost: map[int]bool{}, ids: map[int64]bool{}, epochs: map[int16]bool{}}
		p.blob = p.producers.Append(nil)
		f.parts[tp] = p
	}
	return p
}

func (f *fakeLog) Enqueue(tp log.TopicPartition, b *log.Batch) (log.Ticket, error) {
	if f.onEnqueue != nil {
		if err := f.onEnqueue(tp, b); err != nil {
			return log.Ticket{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.part(tp)
	f.sizes = append(f.sizes, len(b.Records))
	base := log.Offset(len(p.committed) + len(p.inFlight))
	t := log.Ticket{Base: base, Count: len(b.Records), Waiter: &fakeWaiter{log: f, tp: tp, flight: p.flight}}
	if s := b.Producer; s != nil {
		p.ids[s.ID], p.epochs[s.Epoch] = true, true
		first, duplicate, err := p.producers.Check(*s, len(b.Records))
		if err != nil || duplicate {
			t.Base, t.Duplicate = first, duplicate
			return t, err
		}
	}
	if len(f.layout.Active) > 0 && b.Layout != nil && *b.Layout != f.layout.Number {
		return log.Ticket{}, log.NewError(log.StaleLayout, "enqueue", "layout %d, it is %d", *b.Layout, f.layout.Number)
	}
	if s := b.Producer; s != nil {
		p.producers.Record(*s, len(b.Records), base)
	}
	for i, r := range b.Records {
		r.Topic, r.Partition, r.Offset = tp.Topic, tp.Partition, base+log.Offset(i)
		r.Epoch = log.LeaderEpoch(f.layout.Number) // for the test to see
		r.Key, r.Value = append([]byte(nil), r.Key...), append([]byte(nil), r.Value...)
		p.inFlight = append(p.inFlight, r)
	}
	return t, nil
}

func (f *fakeLog) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	t, err := f.Enqueue(tp, b)
	if err != nil {
		return log.NoOffset, err
	}
	return t.Base, t.Wait(ctx)
}

type fakeWaiter struct {
	log    *fakeLog
	tp     log.TopicPartition
	flight int
}

func (w *fakeWaiter) Wait(ctx context.Context) error {
	var lost bool
	var err error
	if w.log.onWait != nil {
		lost, err = w.log.onWait(ctx, w.tp)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	p := w.log.part(w.tp)
	if w.flight != p.flight {
		if p.lost[w.flight] {
			return log.NewError(log.Unavailable, "wait", "lost before")
		}
		return err
	}
	p.land(lost)
	return err
}

// land commits what is in flight, or loses it.
func (p *fakePartition) land(lost bool) {
	p.lost[p.flight] = lost
	p.flight++
	if lost {
		p.producers = producerstate.New(100)
		if err := p.producers.Load(p.blob); err != nil {
			panic(err)
		}
	} else {
		p.committed = append(p.committed, p.inFlight...)
		p.blob = p.producers.Append(nil)
	}
	p.inFlight = nil
}

// forget drops all memory of producers, as a log does of those that were away too long.
func (f *fakeLog) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		p.producers = producerstate.New(100)
		p.blob = p.producers.Append(nil)
	}
}

// all returns the committed records of all partitions.
func (f *fakeLog) all() (records []log.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		records = append(records, p.committed...)
	}
	return records
}

// values returns the committed values of a partition.
func (f *fakeLog) values(partition log.Partition) (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.part(log.TopicPartition{Topic: "bookings", Partition: partition}).committed {
		values = append(values, string(r.Value))
	}
	return values
}

func (f *fakeLog) batches() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.sizes...)
}

func (f *fakeLog) Offsets(_ context.Context, tp log.TopicPartition) (start, highWatermark log.Offset, err error) {
	if tp.Topic != "bookings" {
		return 0, 0, log.NewError(log.UnknownTopic, "offsets", "no %s", tp)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return 0, log.Offset(len(f.part(tp).committed)), nil
}

func (f *fakeLog) OffsetForTime(context.Context, log.TopicPartition, time.Time) (log.Offset, error) {
	return 0, log.NewError(log.Unavailable, "offset for time", "not in this fake")
}

// rec makes a record for partition 0 with a value.
func rec(format string, args ...any) log.Record {
	return log.Record{Topic: "bookings", Value: fmt.Appendf(nil, format, args...)}
}
