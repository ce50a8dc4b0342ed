package bench

import (
	"context"
	"time"
)

// Rate runs op in n goroutines for d, after a tenth of it to warm up, and returns how often it was called, each call counting for perOp
// units, and how long a call took. op gets the number of its goroutine and how often that has called it; the first error ends all.
func Rate(ctx context.Context, n int, d time.Duration, name, what, unit string, perOp float64, op func(ctx context.Context, worker, i int) error) (Result, error) {
	h, took, err := measure(ctx, n, d, op)
	if err != nil {
		return Result{}, err
	}
	return rateOf(name, what, unit, perOp, h, took), nil
}
