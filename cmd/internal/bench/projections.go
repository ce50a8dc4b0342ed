package bench

import (
	"context"
	"fmt"
	"time"

	"lodge/projections"
	"lodge/projections/availability"
)

// projections measures read models: following the log live, rebuilding, and answering.
func (b *run) projections(ctx context.Context) error {
	wanted := false
	for _, name := range []string{"project/live", "project/visible", "project/rebuild-availability", "project/rebuild-reservations", "project/rebuild-eventindex", "query/availability"} {
		wanted = wanted || b.wants(name)
	}
	if !wanted {
		return nil
	}
	dir, remove, err := b.folder("project")
	if err != nil {
		return err
	}
	defer remove()
	h, err := openHouse(ctx, dir, "", b.Hotels)
	if err != nil {
		return err
	}
	err = firstError(
		func() error { return b.live(ctx, h) },
		func() error { return b.visible(ctx, h) },
		func() error { return b.rebuilds(ctx, h) },
		func() error { return b.queries(ctx, h) },
	)
	return firstError(func() error { return err }, h.close)
}

// live measures from the first command to the last row, with the engine working on the same processors.
func (b *run) live(ctx context.Context, h *house) error {
	start := time.Now()
	n, err := h.many(ctx, b.Events)
	if err != nil {
		return err
	}
	decided := time.Since(start)
	if err := h.WaitCaughtUp(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	return b.one(ctx, "project/live", "", new(atLeast(40_000, "events/s")), func() (Result, error) {
		return Result{
			What: fmt.Sprintf("%d bookings over %d hotels into 3 read models while they are made (%.1f s of %.1f s deciding), SQLite synchronous=NORMAL",
				n, h.hotels, decided.Seconds(), took.Seconds()),
			Unit: "events/s", Value: float64(n) / took.Seconds(), Count: int64(n),
		}, nil
	})
}

// visible measures how long a reservation takes from the command to a query that sees it, with nothing else going on.
func (b *run) visible(ctx context.Context, h *house) error {
	return b.one(ctx, "project/visible", floorSyncName, nil, func() (Result, error) {
		hist, took, err := measure(ctx, 1, b.Duration, func(ctx context.Context, _, _ int) error {
			result, err := h.Engine.Execute(ctx, h.next())
			if err := placed(result, err); err != nil {
				return err
			}
			return h.Store.WaitFor(ctx, "reservations", result.Position)
		})
		return rateOf("", "1 client, reserves and waits until the reservations tables show it", "reservations/s", 1, hist, took), err
	})
}

func (b *run) rebuilds(ctx context.Context, h *house) error {
	for _, name := range []string{"availability", "reservations", "eventindex"} {
		err := b.one(ctx, "project/rebuild-"+name, "", new(atLeast(150_000, "events/s")), func() (Result, error) {
			start := time.Now()
			done, err := h.Store.RebuildWith(ctx, name, projections.RebuildOptions{})
			took := time.Since(start)
			return Result{
				What: fmt.Sprintf("the %s tables again from the log, indexes and swap included", name),
				Unit: "events/s", Value: float64(done.Last.Done) / took.Seconds(), Count: done.Last.Done,
			}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// queries measures a month of one hotel's availability.
func (b *run) queries(ctx context.Context, h *house) error {
	return b.one(ctx, "query/availability", "", nil, func() (Result, error) {
		q := availability.NewQueries(h.Store)
		const readers = 4
		hist, took, err := measure(ctx, readers, b.Duration, func(ctx context.Context, worker, i int) error {
			nights, err := q.Range(ctx, hotelID((worker+i*7)%h.hotels), roomType, h.today, h.today.AddDays(30))
			if err == nil && len(nights) == 0 {
				err = fmt.Errorf("no nights")
			}
			return err
		})
		return rateOf("", fmt.Sprintf("%d readers, 30 nights of one room type of %d hotels", readers, h.hotels), "queries/s", 1, hist, took), err
	})
}
