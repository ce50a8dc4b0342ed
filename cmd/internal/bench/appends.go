package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"lodge/log"
	"lodge/log/broker"
)

// appends measures the broker's appends.
func (b *run) appends(ctx context.Context) error {
	for _, writers := range []int{1, 16, 64, 256} {
		floor, t := fmt.Sprintf("floor/group-%d", writers), (*target)(nil)
		switch writers {
		case 1:
			floor, t = floorSyncName, new(latencyRatio(1.3))
		case 64:
			t = new(atLeastOrRatio(200_000, "records/s", 0.65))
		}
		what := fmt.Sprintf("%s, 1 record of 512 B each, durability sync, 1 partition", count(writers, "writer"))
		if err := b.append(ctx, "append/"+label(writers, "writer"), floor, t, what, log.Sync, writers, 1); err != nil {
			return err
		}
	}
	for _, writers := range []int{1, 8} {
		t := (*target)(nil)
		if writers == 8 {
			t = new(atLeast(450_000, "records/s"))
		}
		what := fmt.Sprintf("%s, batches of 100 × 512 B, durability sync, 1 partition", count(writers, "writer"))
		if err := b.append(ctx, "append/batch-100-"+label(writers, "writer"), "", t, what, log.Sync, writers, 100); err != nil {
			return err
		}
	}
	return b.unsynced(ctx)
}

// append measures one case of appends to a single partition.
func (b *run) append(ctx context.Context, name, floor string, t *target, what string, d log.Durability, writers, batch int) error {
	return b.one(ctx, name, floor, t, func() (Result, error) {
		return b.withTopic(ctx, "append", d, func(lg *broker.Broker, tp log.TopicPartition) (Result, error) {
			batches := make([]*log.Batch, writers)
			for i := range batches {
				batches[i] = newBatch(batch)
			}
			op := func(ctx context.Context, worker, _ int) error {
				_, err := lg.Append(ctx, tp, batches[worker])
				return err
			}
			h, took, err := b.besideFloor(ctx, floor, name, writers, op)
			return rateOf(name, what, "records/s", float64(batch), h, took), err
		})
	})
}

// floorTurns is how often a case and its floor take turns.
const floorTurns = 4

// besideFloor measures a case by turns with the bare group commit that is its floor, when it has one: on a machine whose disk others use, too, a floor that
// was measured seconds before tells nothing.
func (b *run) besideFloor(ctx context.Context, floor, name string, writers int, op func(ctx context.Context, worker, i int) error) (*histogram, time.Duration, error) {
	if floor == "" || writers == 1 {
		return measure(ctx, writers, b.Duration, op)
	}
	dir, done, err := b.folder("beside")
	if err != nil {
		return nil, 0, err
	}
	defer done()
	f, err := zeroFilled(filepath.Join(dir, "sync"), floorFile)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // the file is removed
	bare := bareAppends(f)
	var least, all histogram
	var leastTook, allTook time.Duration
	for range floorTurns {
		h, took, err := measure(ctx, writers, b.Duration/floorTurns, bare)
		if err != nil {
			return nil, 0, err
		}
		least.merge(h)
		leastTook += took
		if h, took, err = measure(ctx, writers, b.Duration/floorTurns, op); err != nil {
			return nil, 0, err
		}
		all.merge(h)
		allTook += took
	}
	b.add(groupFloor(writers, ", by turns with "+name, &least, leastTook))
	return &all, allTook, nil
}

// newBatch makes records of 512 B that do not compress.
func newBatch(n int) *log.Batch {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	records := make([]log.Record, n)
	for i := range records {
		value := make([]byte, recordBytes)
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		records[i] = log.Record{Value: value}
	}
	return &log.Batch{Records: records}
}

// unsynced measures large batches into the page cache.
func (b *run) unsynced(ctx context.Context) error {
	const batch = 1024
	return b.one(ctx, "append/unsynced", "floor/cache-write", new(atLeast(1.5e9, "bytes/s")), func() (Result, error) {
		return b.withTopic(ctx, "append", log.None, func(lg *broker.Broker, tp log.TopicPartition) (Result, error) {
			h, took, err := fillTopic(ctx, lg, tp, newBatch(batch), b.bytes())
			return rateOf("", fmt.Sprintf("1 writer, batches of %d × 512 B, durability none, %s", batch, quantityBytes(b.bytes())),
				"bytes/s", batch*recordBytes, h, took), err
		})
	})
}

// fillTopic appends a batch until so many bytes are written.
func fillTopic(ctx context.Context, lg *broker.Broker, tp log.TopicPartition, batch *log.Batch, bytes int64) (*histogram, time.Duration, error) {
	h, start := new(histogram), time.Now()
	for n := int64(0); n < bytes; n += int64(len(batch.Records)) * recordBytes {
		before := time.Now()
		if _, err := lg.Append(ctx, tp, batch); err != nil {
			return nil, 0, err
		}
		h.add(time.Since(before))
	}
	return h, time.Since(start), nil
}

// benchPartition is the partition of withTopic.
var benchPartition = log.TopicPartition{Topic: "bench", Partition: 0}

// withTopic runs a broker with one topic of one partition in a folder of its own.
func (b *run) withTopic(ctx context.Context, name string, d log.Durability, f func(*broker.Broker, log.TopicPartition) (Result, error)) (Result, error) {
	dir, done, err := b.folder(name)
	if err != nil {
		return Result{}, err
	}
	defer done()
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return Result{}, err
	}
	stop := background(ctx, lg.Run)
	r, err := func() (Result, error) {
		if err := lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Durability: d}); err != nil {
			return Result{}, err
		}
		return f(lg, benchPartition)
	}()
	return r, firstError(func() error { return err }, stop, lg.Close)
}

// background runs something until the returned function is called, which returns its error.
func background(ctx context.Context, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// reads measures reading what was written, and opening it.
func (b *run) reads(ctx context.Context) error {
	if !b.wants("read/sequential") && !b.wants("open/warm") {
		return nil
	}
	dir, done, err := b.folder("read")
	if err != nil {
		return err
	}
	defer done()
	if err := b.prepareRead(ctx, dir); err != nil {
		return err
	}
	if err := b.one(ctx, "read/sequential", "floor/cache-read", new(atLeast(2e9, "bytes/s")), func() (Result, error) { return b.readAll(ctx, dir) }); err != nil {
		return err
	}
	return b.one(ctx, "open/warm", "", new(atMost(50, "ms")), func() (Result, error) { return b.openAll(dir) })
}

func (b *run) prepareRead(ctx context.Context, dir string) error {
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return err
	}
	err = lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Durability: log.None})
	if err == nil {
		_, _, err = fillTopic(ctx, lg, benchPartition, newBatch(256), b.bytes())
	}
	return firstError(func() error { return err }, lg.Close)
}

// readAll reads whole batches, CRCs checked, 1 MiB at a time.
func (b *run) readAll(ctx context.Context, dir string) (Result, error) {
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = lg.Close() }() // nothing was written
	h, start, bytes, passes := new(histogram), time.Now(), int64(0), 0
	for ; time.Since(start) < b.Duration || passes == 0; passes++ {
		n, err := readOnce(ctx, lg, h)
		if err != nil {
			return Result{}, err
		}
		bytes += n
	}
	took := time.Since(start)
	r := rateOf("", fmt.Sprintf("1 reader, whole batches with CRC checked, 1 MiB at a time, %s from the page cache, %d passes", quantityBytes(b.bytes()), passes), "bytes/s", 1, h, took)
	r.Value = float64(bytes) / took.Seconds()
	return r, nil
}

func readOnce(ctx context.Context, lg *broker.Broker, h *histogram) (int64, error) {
	var bytes int64
	for at := log.Offset(0); ; {
		before := time.Now()
		got, err := lg.ReadBatches(ctx, log.FetchRequest{TopicPartition: benchPartition, Offset: at, MaxBytes: pageCacheStep})
		if err != nil {
			return 0, err
		}
		if len(got.Bytes) == 0 {
			return bytes, nil
		}
		h.add(time.Since(before))
		bytes += int64(len(got.Bytes))
		at = got.Next
	}
}

// openAll opens and closes the folder again and again. Closing is not measured.
func (b *run) openAll(dir string) (Result, error) {
	h := new(histogram)
	for start := time.Now(); time.Since(start) < b.Duration || h.n < 5; {
		before := time.Now()
		lg, err := broker.Open(dir, broker.Options{})
		if err != nil {
			return Result{}, err
		}
		h.add(time.Since(before))
		if err := lg.Close(); err != nil {
			return Result{}, err
		}
	}
	r := rateOf("", fmt.Sprintf("a cleanly closed folder of %s, 1 partition, warm", quantityBytes(b.bytes())), "ms", 1, h, time.Second)
	r.Value = float64(r.P50) / float64(time.Millisecond)
	return r, nil
}
