package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/natsbridge"
	bridgemeasure "lodge/log/natsbridge/measure"
)

// schedules measures how late scheduled records are, and what pending ones cost.
func (b *run) schedules(ctx context.Context) error {
	load := bridgemeasure.Load{Topic: benchPartition.Topic}
	pending := 100_000
	if b.Quick {
		load.Count, load.Spread, load.Ahead, pending = 500, 500*time.Millisecond, time.Second, 2000
	}
	return firstError(
		func() error {
			t := target{text: "p99 ≤ 25 ms, none early", met: func(r *Result) bool { return r.P99 <= 25*time.Millisecond }}
			return b.one(ctx, "schedule/lateness", "", &t, func() (Result, error) { return b.lateness(ctx, load) })
		},
		func() error {
			return b.one(ctx, "schedule/pending-memory", "", nil, func() (Result, error) { return b.pendingMemory(ctx, pending) })
		},
		func() error {
			return b.one(ctx, "schedule/pending-restart", "", nil, func() (Result, error) { return b.pendingRestart(ctx, pending) })
		},
	)
}

// withBridge runs a broker with a topic and a bridge with its NATS server in this process.
func (b *run) withBridge(ctx context.Context, dir string, f func(*broker.Broker, *natsbridge.Bridge) error) error {
	lg, err := broker.Open(filepath.Join(dir, "log"), broker.Options{})
	if err != nil {
		return err
	}
	stopLog := background(ctx, lg.Run)
	err = lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Partitions: streamPartitions})
	if log.CodeOf(err) == log.TopicExists {
		err = nil
	}
	if err == nil {
		err = runBridge(ctx, lg, dir, f)
	}
	return firstError(func() error { return err }, stopLog, lg.Close)
}

func runBridge(ctx context.Context, lg *broker.Broker, dir string, f func(*broker.Broker, *natsbridge.Bridge) error) error {
	bridge, err := natsbridge.Open(ctx, lg, natsbridge.Options{StoreDir: filepath.Join(dir, "nats")})
	if err != nil {
		return err
	}
	stop := background(ctx, bridge.Run)
	err = f(lg, bridge)
	return firstError(func() error { return err }, stop, bridge.Close)
}

// lateness fires the load and looks at the target topic when it comes.
func (b *run) lateness(ctx context.Context, load bridgemeasure.Load) (Result, error) {
	dir, done, err := b.folder("schedules")
	if err != nil {
		return Result{}, err
	}
	defer done()
	var late bridgemeasure.Lateness
	err = b.withBridge(ctx, dir, func(lg *broker.Broker, bridge *natsbridge.Bridge) error {
		var err error
		late, err = bridgemeasure.Fire(ctx, bridge, lg, load)
		return err
	})
	if err == nil && late.Early+late.Doubled > 0 {
		err = fmt.Errorf("%d schedules were early, %d came twice", late.Early, late.Doubled)
	}
	return Result{Value: float64(late.Readable.P99) / 1e6, Unit: "ms", Count: int64(late.Count), P50: late.Readable.P50, P99: late.Readable.P99,
		What: fmt.Sprintf("%d schedules over their time: from due to readable in the target topic, durability sync, NATS in process; p99; most %s, none early",
			late.Count, late.Readable.Max.Round(100*time.Microsecond))}, err
}

// pendingMemory measures what pending schedules hold of the heap, the NATS server's included.
func (b *run) pendingMemory(ctx context.Context, n int) (Result, error) {
	dir, done, err := b.folder("schedules")
	if err != nil {
		return Result{}, err
	}
	defer done()
	var held, took float64
	err = b.withBridge(ctx, dir, func(_ *broker.Broker, bridge *natsbridge.Bridge) error {
		before := bridgemeasure.HeapBytes()
		filling, err := bridgemeasure.Fill(ctx, bridge, pendingLoad(n))
		held, took = float64(bridgemeasure.HeapBytes()-before), filling.Seconds()
		return err
	})
	return Result{Value: held / float64(n), Unit: "bytes", Count: int64(n),
		What: fmt.Sprintf("of the heap for each of %d pending schedules, the NATS server included; accepted durably at %.0f/s", n, float64(n)/took)}, err
}

func pendingLoad(n int) bridgemeasure.Load {
	return bridgemeasure.Load{Topic: benchPartition.Topic, Count: n, Ahead: 24 * time.Hour, Spread: time.Hour}
}

// pendingRestart measures opening a log and its bridge with pending schedules.
func (b *run) pendingRestart(ctx context.Context, n int) (Result, error) {
	dir, done, err := b.folder("schedules")
	if err != nil {
		return Result{}, err
	}
	defer done()
	err = b.withBridge(ctx, dir, func(_ *broker.Broker, bridge *natsbridge.Bridge) error {
		_, err := bridgemeasure.Fill(ctx, bridge, pendingLoad(n))
		return err
	})
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	var took time.Duration
	err = b.withBridge(ctx, dir, func(*broker.Broker, *natsbridge.Bridge) error {
		took = time.Since(start)
		return nil
	})
	return Result{Value: float64(took) / 1e6, Unit: "ms", Count: int64(n), P50: took, P99: took,
		What: fmt.Sprintf("until log and bridge are open again with %d pending schedules, page cache warm", n)}, err
}
