package client_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

// Members join, leave, die, are cut off and fall asleep, partitions are added and retired, while producers run. Every record is done as often as
// the mode promises, and those of a key in the order in which they were produced.
func TestChaos(t *testing.T) {
	rng := random(t)
	for _, delivery := range []client.Delivery{client.ExactlyOnce, client.AtLeastOnce} {
		for range 6 {
			seed := rng.Uint64()
			synctest.Test(t, func(t *testing.T) { testChaos(t, rand.New(rand.NewPCG(seed, 2)), delivery) })
		}
	}
}

const (
	chaosProducers = 3
	chaosKeys      = 4  // of each producer
	chaosRecords   = 80 // of each producer
)

// ledger is what the application has done, and a store with transactions. Each record's value is its number within its key.
type ledger struct {
	t        *testing.T
	delivery client.Delivery

	mu   sync.Mutex
	next map[log.TopicPartition]log.Offset // ExactlyOnce: where to go on
	last map[string]int                    // of each key, done first
	done int
	seen int
}

func newLedger(t *testing.T, delivery client.Delivery) *ledger {
	return &ledger{t: t, delivery: delivery, next: map[log.TopicPartition]log.Offset{}, last: map[string]int{}}
}

// begin is OnAssigned.
func (l *ledger) begin(_ context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	offsets := map[log.TopicPartition]log.Offset{}
	if l.delivery == client.ExactlyOnce {
		for _, tp := range tps {
			offsets[tp] = l.next[tp]
		}
	}
	return offsets, nil
}

// do does records of one partition, all or none.
func (l *ledger) do(records []log.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tp := log.TopicPartition{Topic: records[0].Topic, Partition: records[0].Partition}
	if l.delivery == client.ExactlyOnce {
		for len(records) > 0 && records[0].Offset < l.next[tp] {
			records = records[1:] // a deposed member, who did not know it yet, has done it after this one began
		}
		if len(records) == 0 || l.next[tp] != records[0].Offset {
			return // deposed: another one has done what lies between, or will
		}
		l.next[tp] = records[len(records)-1].Offset + 1
	}
	for _, r := range records {
		l.seen++
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			l.t.Error(err)
		}
		switch last := l.last[string(r.Key)]; {
		case n == last+1:
			l.last[string(r.Key)] = n
			l.done++
		case n > last+1:
			l.t.Errorf("key %s: %d is done before %d, at %v", r.Key, n, last+1, r.Position())
		case l.delivery == client.ExactlyOnce:
			l.t.Errorf("key %s: %d is done twice, at %v", r.Key, n, r.Position())
		}
	}
}

func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done == chaosProducers*chaosRecords
}

// worker is a member that does records in the ledger.
type worker struct {
	*client.Consumer
	cut  *cutOff
	stop context.CancelFunc
	work sync.WaitGroup
	naps chan time.Duration // how long to sleep before the next Poll
}

func startWorker(t *testing.T, lg *logtest.Log, l *ledger, rng *rand.Rand) *worker {
	t.Helper()
	w := &worker{cut: &cutOff{Log: lg}, naps: make(chan time.Duration, 1)}
	assignors := [][]client.Assignor{nil, {client.CooperativeSticky, client.Range}, {client.Range, client.CooperativeSticky}}[rng.IntN(3)]
	w.Consumer = newConsumer(t, w.cut, client.ConsumerOptions{
		Group: "g", SessionTimeout: 6 * time.Second, RebalanceTimeout: 8 * time.Second, PollRecordsMax: 1 + rng.IntN(20),
		Delivery: l.delivery, OnAssigned: l.begin, KeyOrder: true, Assignors: assignors,
	})
	if err := w.Subscribe("t"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.work.Go(func() { w.run(ctx, t, l) })
	return w
}

func (w *worker) run(ctx context.Context, t *testing.T, l *ledger) {
	for ctx.Err() == nil {
		records, err := w.Poll(ctx)
		if err != nil && ctx.Err() == nil && !log.CodeOf(err).Retriable() { // else a commit's: the coordinator was away for longer than partitions may be given up
			t.Errorf("poll: %v", err)
			return
		}
		select {
		case nap := <-w.naps:
			time.Sleep(nap) // within synctest
		default:
		}
		for len(records) > 0 && ctx.Err() == nil {
			n := 1
			for n < len(records) && records[n].Partition == records[0].Partition {
				n++
			}
			l.do(records[:n])
			records = records[n:]
		}
	}
}

// end closes the member, or kills it.
func (w *worker) end(kill bool) {
	w.stop()
	if kill {
		w.Kill()
	}
	w.work.Wait()
	w.Close()
}

func testChaos(t *testing.T, rng *rand.Rand, delivery client.Delivery) {
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 3)
	l := newLedger(t, delivery)
	var work sync.WaitGroup
	for g := range chaosProducers {
		seed := rng.Uint64()
		work.Go(func() { produceChaos(t, lg, "t", g, rand.New(rand.NewPCG(seed, 3))) })
	}
	workers := []*worker{startWorker(t, lg, l, rng)}
	for range 16 {
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond) // within synctest
		if rng.IntN(3) == 0 {
			changeTopic(t, lg, "t", rng)
		}
		workers = stir(t, lg, l, rng, workers)
	}
	work.Wait()
	for _, w := range workers {
		w.end(rng.IntN(2) == 0)
	}
	last := startWorker(t, lg, l, rng)
	for range 60 {
		if time.Sleep(time.Second); l.complete() {
			break
		}
	}
	last.end(false)
	if !l.complete() {
		t.Errorf("%d of %d records were done: %v", l.done, chaosProducers*chaosRecords, l.last)
	}
}

// stir has something happen to the members.
func stir(t *testing.T, lg *logtest.Log, l *ledger, rng *rand.Rand, workers []*worker) []*worker {
	if len(workers) == 0 || len(workers) < 4 && rng.IntN(3) == 0 {
		return append(workers, startWorker(t, lg, l, rng))
	}
	i := rng.IntN(len(workers))
	w := workers[i]
	switch rng.IntN(5) {
	case 0:
		w.end(false)
		return slices.Delete(workers, i, i+1)
	case 1:
		w.end(true)
		return slices.Delete(workers, i, i+1)
	case 2:
		w.cut.set(true)
	case 3:
		select {
		case w.naps <- time.Duration(rng.IntN(20)) * time.Second:
		default:
		}
	}
	for _, w := range workers {
		if rng.IntN(2) == 0 {
			w.cut.set(false)
		}
	}
	return workers
}

// changeTopic adds partitions or retires one.
func changeTopic(t *testing.T, lg *logtest.Log, topic log.Topic, rng *rand.Rand) {
	t.Helper()
	info, err := lg.DescribeTopic(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if active := info.Layout.Active; len(active) > 2 && rng.IntN(2) == 0 {
		_, err = lg.RetirePartitions(t.Context(), topic, -1, active[rng.IntN(len(active))])
	} else {
		_, err = lg.AddPartitions(t.Context(), topic, 1+rng.IntN(2))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// produceChaos produces the records of a producer's keys, now faster, now slower.
func produceChaos(t *testing.T, lg *logtest.Log, topic log.Topic, g int, rng *rand.Rand) {
	p := newProducer(t, lg, client.ProducerOptions{BatchRecordsMax: 1 + rng.IntN(10), Linger: time.Duration(rng.IntN(2)) * 10 * time.Millisecond})
	for i := range chaosRecords {
		k := i % chaosKeys
		r := log.Record{Topic: topic, Key: fmt.Appendf(nil, "%d.%d", g, k), Value: strconv.AppendInt(nil, int64(i/chaosKeys+1), 10)}
		send(t, p, r)
		if rng.IntN(4) == 0 {
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond) // within synctest
		}
	}
	closeProducer(t, p)
}

// Transformers start, stop and die, both topics get partitions and lose some, while producers run: each record is in the output
// once, and by layouts the keys are in order.
func TestTransformerChaos(t *testing.T) {
	rng := random(t)
	for range 8 {
		seed := rng.Uint64()
		synctest.Test(t, func(t *testing.T) { testTransformerChaos(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func testTransformerChaos(t *testing.T, rng *rand.Rand) {
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 3)
	lg.Topic("out", 2)
	var work sync.WaitGroup
	for g := range chaosProducers {
		seed := rng.Uint64()
		work.Go(func() { produceChaos(t, lg, "t", g, rand.New(rand.NewPCG(seed, 3))) })
	}
	for range 12 {
		life, cancel := context.WithCancel(context.Background())
		m := newMortal(lg, 5+rng.IntN(120), rng.IntN(2) == 0)
		rangeMax := 1 + rng.IntN(20)
		work.Go(func() { transformChaos(t, life, m, rangeMax) })
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond) // within synctest
		if rng.IntN(2) == 0 {
			cancel()
		}
		defer cancel()
		if rng.IntN(3) == 0 {
			changeTopic(t, lg, []log.Topic{"t", "out"}[rng.IntN(2)], rng)
		}
	}
	last, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	transformChaos(t, last, newMortal(lg, -2, false), 10)
	checkOutput(t, lg)
}

func transformChaos(t *testing.T, ctx context.Context, m *mortal, rangeMax int) { //nolint:revive // t comes first in all helpers
	x, err := client.NewTransformer(m, client.TransformerOptions{
		Group: "x", Topics: []log.Topic{"t"}, Targets: []log.Topic{"out"}, SessionTimeout: 6 * time.Second, RebalanceTimeout: 8 * time.Second,
		RangeRecordsMax: rangeMax, BatchBytesMax: 40, KeyOrder: true,
	}, func(_ context.Context, records []log.Record) (out []log.Record, err error) {
		for _, r := range records {
			out = append(out, log.Record{Topic: "out", Key: r.Key, Value: r.Value, Timestamp: r.Timestamp})
		}
		return out, nil
	})
	if err != nil {
		t.Error(err)
		return
	}
	if err := x.Run(ctx); err != nil && !m.isDead() {
		t.Errorf("run: %v", err)
	}
}

// checkOutput reads all output.
func checkOutput(t *testing.T, lg *logtest.Log) {
	t.Helper()
	l := newLedger(t, client.AtLeastOnce)
	for _, r := range outputInOrder(t, lg) {
		l.do([]log.Record{r})
	}
	if l.done != chaosProducers*chaosRecords || l.seen != l.done {
		t.Errorf("%d records in the output, %d of %d different ones", l.seen, l.done, chaosProducers*chaosRecords)
	}
}

// outputInOrder returns the records of the topic "out", layout by layout.
func outputInOrder(t *testing.T, lg *logtest.Log) (all []log.Record) {
	t.Helper()
	info, err := lg.DescribeTopic(t.Context(), "out")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range info.Partitions {
		all = append(all, lg.Records(log.TopicPartition{Topic: "out", Partition: p.Partition})...)
	}
	slices.SortStableFunc(all, func(a, b log.Record) int {
		return cmp.Compare(info.LayoutOf(a.Partition, a.Offset), info.LayoutOf(b.Partition, b.Offset))
	})
	return all
}
