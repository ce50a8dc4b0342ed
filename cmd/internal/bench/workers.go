package bench

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// measure runs op in n goroutines until the time is up, in each at least once, and returns their latencies together and the time it took. A tenth of
// the time goes before that, uncounted, to warm up.
// op gets its worker's number and how often that worker has called it. The first error ends all.
func measure(ctx context.Context, n int, d time.Duration, op func(ctx context.Context, worker, i int) error) (*histogram, time.Duration, error) {
	if _, _, err := together(ctx, n, d/10, op); err != nil {
		return nil, 0, err
	}
	return together(ctx, n, d, op)
}

func together(ctx context.Context, n int, d time.Duration, op func(ctx context.Context, worker, i int) error) (*histogram, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	parts := make([]*histogram, n)
	start := time.Now()
	deadline := start.Add(d)
	for worker := range n {
		parts[worker] = new(histogram)
		group.Go(func() {
			if err := work(ctx, deadline, parts[worker], func(i int) error { return op(ctx, worker, i) }); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	total := new(histogram)
	for _, part := range parts {
		total.merge(part)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	return total, took, nil
}

func work(ctx context.Context, deadline time.Time, h *histogram, op func(i int) error) error {
	before := time.Now()
	for i := 0; (i == 0 || before.Before(deadline)) && ctx.Err() == nil; i++ {
		if err := op(i); err != nil {
			return err
		}
		after := time.Now()
		h.add(after.Sub(before))
		before = after
	}
	return nil
}

// rateOf makes a result of what measure returned; each operation counts for perOp units.
func rateOf(name, what, unit string, perOp float64, h *histogram, took time.Duration) Result {
	return Result{
		Name: name, What: what, Unit: unit, Count: h.n, Value: float64(h.n) * perOp / took.Seconds(),
		P50: h.quantile(0.50), P99: h.quantile(0.99),
	}
}

// count writes a number of things: 1 writer, 64 writers.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// label is count as part of a case's name: 1-writer, 64-writers.
func label(n int, thing string) string { return strings.ReplaceAll(count(n, thing), " ", "-") }
