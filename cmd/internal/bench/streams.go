package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
)

// Sizes of the cases that go through producer and consumer.
const (
	streamBytes      = 100 // a record's value
	streamPartitions = 4
	streamProducers  = 2
	floorStreamName  = "floor/stream"
	floorPacedName   = "floor/sync-1000"
	paceRate         = 1000 // records a second where the latency is measured
)

// streams measures the way from a producer to a consumer in the same process.
func (b *run) streams(ctx context.Context) error {
	if !b.wants("stream/throughput") && !b.wants("stream/latency") {
		return nil
	}
	if err := firstError(func() error { return b.floorStream(ctx) }, func() error { return b.floorPaced(ctx) }); err != nil {
		return err
	}
	for _, p := range []broker.Profile{broker.Throughput, broker.Latency} {
		var throughput *target
		if p == broker.Throughput {
			throughput = new(atLeast(1e6, "records/s"))
		}
		if err := b.one(ctx, "stream/throughput-profile-"+string(p), floorStreamName, throughput, func() (Result, error) { return b.throughput(ctx, p) }); err != nil {
			return err
		}
		var latency *target
		if p == broker.Latency {
			most := b.floorBy[floorPacedName].P99 + time.Millisecond
			latency = &target{text: fmt.Sprintf("p99 ≤ %s", most.Round(time.Microsecond)), met: func(r *Result) bool { return r.P99 <= most }}
		}
		if err := b.one(ctx, "stream/latency-profile-"+string(p), floorPacedName, latency, func() (Result, error) { return b.endToEnd(ctx, p) }); err != nil {
			return err
		}
	}
	return nil
}

// floorStream is the least that writing and reading can be: one goroutine gathers records of 100 B and writes 256 KiB at a time to the
// page cache, another reads them back. No format, no checksum, nobody waits.
func (b *run) floorStream(ctx context.Context) error {
	const step = 256 << 10
	dir, done, err := b.folder("floor-stream")
	if err != nil {
		return err
	}
	defer done()
	f, err := os.Create(filepath.Join(dir, "stream"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the file is removed
	var written atomic.Int64
	var writing sync.WaitGroup
	start := time.Now()
	deadline := start.Add(b.Duration)
	var failed error
	writing.Go(func() {
		chunk, record := make([]byte, 0, step), make([]byte, streamBytes)
		for at := int64(0); at == 0 || time.Now().Before(deadline) && ctx.Err() == nil; at += step {
			for chunk = chunk[:0]; len(chunk)+streamBytes <= step; {
				chunk = append(chunk, record...)
			}
			if _, failed = f.WriteAt(chunk[:step], at%b.bytes()); failed != nil {
				return
			}
			written.Add(step)
		}
	})
	buffer := make([]byte, step)
	for read := int64(0); time.Now().Before(deadline) && ctx.Err() == nil; {
		if read == written.Load() {
			time.Sleep(10 * time.Microsecond)
			continue
		}
		if _, err := f.ReadAt(buffer, read%b.bytes()); err != nil {
			return err
		}
		read += step
	}
	writing.Wait()
	took := time.Since(start)
	b.add(Result{Name: floorStreamName, What: "records of 100 B gathered, written 256 KiB at a time to the page cache, and read back beside it", Unit: "records/s",
		Value: float64(written.Load()/step*(step/streamBytes)) / took.Seconds()})
	return failed
}

// floorPaced is the plain loop at the pace of the latency cases.
func (b *run) floorPaced(ctx context.Context) error {
	dir, done, err := b.folder("floor-paced")
	if err != nil {
		return err
	}
	defer done()
	f, err := zeroFilled(filepath.Join(dir, "sync"), 4<<20)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the file is removed
	record, h := make([]byte, streamBytes), new(histogram)
	err = paced(ctx, b.Duration, func(i int) error {
		before := time.Now()
		err := writeSync(f, record, int64(i)*streamBytes%(4<<20-streamBytes))
		h.add(time.Since(before))
		return err
	})
	b.add(Result{Name: floorPacedName, What: "pwrite 100 B into zeros + fdatasync, 1,000 a second", Unit: "records/s", Count: h.n,
		Value: float64(h.n) / b.Duration.Seconds(), P50: h.quantile(0.5), P99: h.quantile(0.99)})
	return err
}

// paced calls f paceRate times a second until the time is up, and at least once. It does not catch up when f takes longer.
func paced(ctx context.Context, d time.Duration, f func(i int) error) error {
	ticker := time.NewTicker(time.Second / paceRate)
	defer ticker.Stop()
	deadline := time.Now().Add(d)
	for i := 0; i == 0 || time.Now().Before(deadline); i++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// withStream runs a broker with a topic, a producer to it and a consumer of it.
func (b *run) withStream(ctx context.Context, p broker.Profile, d log.Durability, partitions int, f func(*client.Producer, *client.Consumer) (Result, error)) (Result, error) {
	dir, remove, err := b.folder("stream")
	if err != nil {
		return Result{}, err
	}
	defer remove()
	lg, err := broker.Open(dir, broker.Options{Profile: p})
	if err != nil {
		return Result{}, err
	}
	stop := background(ctx, lg.Run)
	r, err := func() (Result, error) {
		if err := lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Partitions: partitions, Durability: d}); err != nil {
			return Result{}, err
		}
		producer, err := client.NewProducer(lg, client.ProducerOptions{})
		if err != nil {
			return Result{}, err
		}
		defer func() { _ = producer.Close(ctx) }() // what is still under way is not counted
		consumer, err := client.NewConsumer(lg, client.ConsumerOptions{PollRecordsMax: 10_000})
		if err != nil {
			return Result{}, err
		}
		defer consumer.Close()
		for n := range partitions {
			if err := consumer.Assign(ctx, client.AtBeginning(), log.TopicPartition{Topic: benchPartition.Topic, Partition: log.Partition(n)}); err != nil {
				return Result{}, err
			}
		}
		return f(producer, consumer)
	}()
	return r, firstError(func() error { return err }, stop, lg.Close)
}

// throughput measures how many records come out of the consumer while producers put in as many as they can.
func (b *run) throughput(ctx context.Context, p broker.Profile) (Result, error) {
	return b.withStream(ctx, p, log.Interval, streamPartitions, func(producer *client.Producer, consumer *client.Consumer) (Result, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var producing sync.WaitGroup
		var failed atomic.Pointer[error]
		value := make([]byte, streamBytes)
		for range streamProducers {
			producing.Go(func() {
				for ctx.Err() == nil {
					if _, err := producer.Produce(ctx, log.Record{Topic: benchPartition.Topic, Value: value}); err != nil && ctx.Err() == nil {
						failed.Store(&err)
						cancel()
					}
				}
			})
		}
		start, n := time.Now(), int64(0)
		for ctx.Err() == nil && (n == 0 || time.Since(start) < b.Duration) {
			records, err := consumer.Poll(ctx)
			if err != nil && ctx.Err() == nil {
				return Result{}, err
			}
			n += int64(len(records))
		}
		took := time.Since(start)
		cancel()
		producing.Wait()
		if err := failed.Load(); err != nil {
			return Result{}, *err
		}
		return Result{Value: float64(n) / took.Seconds(), Unit: "records/s", Count: n, What: fmt.Sprintf(
			"%d goroutines to one producer, one consumer, records of %d B, %d partitions, durability interval, idempotent, profile %s",
			streamProducers, streamBytes, streamPartitions, p)}, nil
	})
}

// awaitPolled waits until everything that was produced has been polled, or nobody polls any more.
func awaitPolled(under *sync.WaitGroup, ended <-chan struct{}) {
	all := make(chan struct{})
	go func() {
		under.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ended:
	}
}

// endToEnd measures how long a record takes from Produce to the Poll that returns it, at a steady pace.
func (b *run) endToEnd(ctx context.Context, p broker.Profile) (Result, error) {
	return b.withStream(ctx, p, log.Sync, 1, func(producer *client.Producer, consumer *client.Consumer) (Result, error) {
		var produced sync.Map // time.Time by offset's place in the order of production
		h, done := new(histogram), make(chan error, 1)
		under, ended := new(sync.WaitGroup), make(chan struct{}) // records that were produced and not polled; closed when nobody polls any more
		consuming, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			defer close(ended)
			for n := 0; ; {
				records, err := consumer.Poll(consuming)
				now := time.Now()
				if err != nil {
					if consuming.Err() != nil {
						err = nil
					}
					done <- err
					return
				}
				for range records {
					if at, ok := produced.LoadAndDelete(n); ok {
						h.add(now.Sub(at.(time.Time)))
						under.Done()
					}
					n++
				}
			}
		}()
		err := paced(ctx, b.Duration, func(i int) error {
			under.Add(1)
			produced.Store(i, time.Now())
			_, err := producer.Produce(ctx, log.Record{Topic: benchPartition.Topic, Value: make([]byte, streamBytes)})
			return err
		})
		if err == nil {
			err = producer.Flush(ctx)
		}
		if err == nil {
			awaitPolled(under, ended)
		}
		cancel()
		if e := <-done; err == nil {
			err = e
		}
		return Result{Value: float64(h.quantile(0.99)) / 1e6, Unit: "ms", Count: h.n, P50: h.quantile(0.5), P99: h.quantile(0.99), What: fmt.Sprintf(
			"from Produce to Poll, 1,000 records of %d B a second, 1 partition, durability sync, profile %s; the figure is p99", streamBytes, p)}, err
	})
}
