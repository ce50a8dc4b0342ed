package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lodge/cmd/internal/bench"
)

// recordBytes is the size of every record.
const recordBytes = 512

// workload is one case.
type workload struct {
	name, what, unit string
	durable          bool // every append is
	reopens          bool // opens a store a second time
	run              func(ctx context.Context, dir string, s *candidate, d time.Duration) (bench.Result, error)
}

// cases returns what is run, in order.
func cases(records int) []workload {
	var all []workload
	for _, writers := range []int{1, 16, 64} {
		all = append(all, appends(writers, 1, true))
	}
	for _, writers := range []int{1, 8} {
		all = append(all, appends(writers, 100, true))
	}
	return append(all, appends(1, 100, false), reads(records), reopens(records))
}

// appends is a case of writers that append batches.
func appends(writers, batch int, durable bool) workload {
	mode := map[bool]string{true: "durable", false: "unsynced"}[durable]
	return workload{
		name: fmt.Sprintf("%s-%d-writers-batch-%d", mode, writers, batch), unit: "records/s", durable: durable,
		what: fmt.Sprintf("%d writers, %d records of %d B at once, %s", writers, batch, recordBytes, mode),
		run: func(ctx context.Context, dir string, s *candidate, d time.Duration) (bench.Result, error) {
			st, err := s.open(dir, durable)
			if err != nil {
				return bench.Result{}, err
			}
			data := newRecords(batch)
			r, err := bench.Rate(ctx, writers, d, "", "", "records/s", float64(batch), func(ctx context.Context, _, _ int) error {
				return st.append(ctx, data)
			})
			return r, first(err, st.close())
		},
	}
}

// reads is the case of one reader from the beginning to the end.
func reads(records int) workload {
	return workload{
		name: "read", unit: "records/s", what: fmt.Sprintf("%d records of %d B from the beginning to the end, in the page cache", records, recordBytes),
		run: func(ctx context.Context, dir string, s *candidate, _ time.Duration) (bench.Result, error) {
			st, err := filled(ctx, dir, s, records)
			if err != nil {
				return bench.Result{}, err
			}
			start := time.Now()
			n, err := st.readAll(ctx)
			took := time.Since(start)
			if err == nil && n != records {
				err = fmt.Errorf("read %d records of %d", n, records)
			}
			return bench.Result{Value: float64(n) / took.Seconds()}, first(err, st.close())
		},
	}
}

// reopens is the case of a clean restart.
func reopens(records int) workload {
	return workload{
		name: "open", unit: "opens/s", reopens: true, what: fmt.Sprintf("a store of %d records of %d B, closed properly, in the page cache", records, recordBytes),
		run: func(ctx context.Context, dir string, s *candidate, _ time.Duration) (bench.Result, error) {
			st, err := filled(ctx, dir, s, records)
			if err == nil {
				err = st.close()
			}
			if err != nil {
				return bench.Result{}, err
			}
			start := time.Now()
			if st, err = s.open(dir, true); err != nil {
				return bench.Result{}, err
			}
			took := time.Since(start)
			return bench.Result{Value: 1 / took.Seconds(), P50: took, P99: took}, st.close()
		},
	}
}

// filled returns a store that holds records.
func filled(ctx context.Context, dir string, s *candidate, records int) (store, error) {
	const batch = 500
	st, err := s.open(dir, false)
	if err != nil {
		return nil, err
	}
	data := newRecords(batch)
	for n := 0; n < records; n += batch {
		if err := st.append(ctx, data[:min(batch, records-n)]); err != nil {
			return nil, first(err, st.close())
		}
	}
	return st, nil
}

// newRecords makes records that do not compress.
func newRecords(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	records := make([][]byte, n)
	for i := range records {
		records[i] = make([]byte, recordBytes)
		for j := range records[i] {
			records[i][j] = byte(rng.Uint32())
		}
	}
	return records
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
