package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"lodge/commands"
)

// reservations measures durable reservations through the engine in this process. The projections stand still meanwhile: they have their own cases.
func (b *run) reservations(ctx context.Context) error {
	for _, hotels := range []int{1, b.Hotels} {
		place := "hot"
		if hotels > 1 {
			place = "spread"
		}
		for _, clients := range []int{1, 64, 256} {
			var t *target
			if hotels == 1 && clients > 1 {
				t = new(atLeast(100_000, "reservations/s"))
			}
			name := "reserve/" + place + "-" + label(clients, "client")
			if err := b.one(ctx, name, floorFor(clients), t, func() (Result, error) { return b.reserve(ctx, hotels, clients) }); err != nil {
				return err
			}
		}
	}
	return b.one(ctx, "reserve/memory", "", new(atMost(400, "bytes")), func() (Result, error) { return b.memory(ctx) })
}

func floorFor(clients int) string {
	if clients == 1 {
		return floorSyncName
	}
	return fmt.Sprintf("floor/group-%d", clients)
}

func placeText(hotels int) string {
	if hotels == 1 {
		return "one hot room type"
	}
	return fmt.Sprintf("spread over %d hotels", hotels)
}

func (b *run) reserve(ctx context.Context, hotels, clients int) (Result, error) {
	h, done, err := b.engineHouse(ctx, hotels)
	if err != nil {
		return Result{}, err
	}
	hist, took, err := measure(ctx, clients, b.Duration, func(ctx context.Context, _, _ int) error { return h.reserve(ctx) })
	r := Result{}
	if err == nil {
		r = rateOf("", fmt.Sprintf("%s, in process, durability sync, %d partitions, %s", count(clients, "client"), h.Partitions, placeText(hotels)), "reservations/s", 1, hist, took)
	}
	return r, firstError(func() error { return err }, done)
}

// memory measures what a live reservation costs the engine's heap, its remembered request id included.
func (b *run) memory(ctx context.Context) (Result, error) {
	h, done, err := b.engineHouse(ctx, 10)
	if err != nil {
		return Result{}, err
	}
	before := heap()
	n, err := h.many(ctx, max(b.Events, 100_000))
	grown := heap() - before
	r := Result{What: fmt.Sprintf("heap growth for each of %d live reservations, request ids included", n), Unit: "bytes", Count: int64(n)}
	if err == nil {
		r.Value = float64(grown) / float64(n)
	}
	return r, firstError(func() error { return err }, done)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one made unreachable through finalizers and pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// many makes n reservations with many under way at once, and returns how many it made.
func (h *house) many(ctx context.Context, n int) (int, error) {
	const window = 2048
	pending := make([]*commands.Pending, 0, window)
	made := 0
	settle := func() error {
		for _, p := range pending {
			if err := placed(p.Wait(ctx)); err != nil {
				return err
			}
			made++
		}
		pending = pending[:0]
		return nil
	}
	for range n {
		p, err := h.Engine.Submit(ctx, h.next())
		if err != nil {
			return made, err
		}
		if pending = append(pending, p); len(pending) == window {
			if err := settle(); err != nil {
				return made, err
			}
		}
	}
	return made, settle()
}

// engineHouse is a house whose projections have ended: only log and engine work.
func (b *run) engineHouse(ctx context.Context, hotels int) (*house, func() error, error) {
	dir, remove, err := b.folder("reserve")
	if err != nil {
		return nil, nil, err
	}
	h, err := openHouse(ctx, dir, "", hotels)
	if err != nil {
		remove()
		return nil, nil, err
	}
	if err := h.close(); err != nil {
		remove()
		return nil, nil, err
	}
	h2, stop, err := reopenEngine(ctx, dir, h)
	if err != nil {
		remove()
		return nil, nil, err
	}
	var once sync.Once
	return h2, func() (err error) {
		once.Do(func() { err = stop(); remove() })
		return err
	}, nil
}
