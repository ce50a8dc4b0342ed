package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestNoStrategyOversells lets clients race for fewer rooms than they want: a comparison with something that is wrong would be none.
func TestNoStrategyOversells(t *testing.T) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "lodge-pgcompare-") // t.TempDir lies where another user cannot go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := startPostgres(ctx, filepath.Join(dir, "pg"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.stop(); err != nil {
			t.Error(err)
		}
	})
	const rooms, clients, each = 20, 8, 12
	for _, s := range strategies {
		t.Run(s.name, func(t *testing.T) {
			h, err := openHouse(ctx, pg, workload{"race", 2, 2}, clients, rooms)
			if err != nil {
				t.Fatal(err)
			}
			defer h.close()
			var had, full atomic.Int64
			var group sync.WaitGroup
			for i := range clients {
				group.Go(func() {
					for range each {
						switch err := s.reserve(ctx, h.clients[i], h.next()); {
						case err == nil:
							had.Add(1)
						case errors.Is(err, errFull):
							full.Add(1)
						default:
							t.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			reserved, err := h.check(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want := int64(4 * rooms); had.Load() != want || int64(reserved) != want || full.Load() != clients*each-want {
				t.Errorf("%d reservations, %d rooms reserved, %d refused; there were %d rooms for %d", had.Load(), reserved, full.Load(), want, clients*each)
			}
		})
	}
}
