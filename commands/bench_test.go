package commands

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
)

// BenchmarkReservations measures durable reservations: each operation is one ReservationPlaced on disk and answered. The
// rooms never run out.
func BenchmarkReservations(b *testing.B) {
	for _, hotels := range []int{1, 1000} {
		for _, clients := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("hotels=%d/clients=%d", hotels, clients), func(b *testing.B) {
				benchmarkReservations(b, hotels, clients)
			})
		}
	}
}

func benchmarkReservations(b *testing.B, hotels, clients int) {
	lg, err := broker.Open(filepath.Join(b.TempDir(), "log"), broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer lg.Close()
	if _, err := CreateTopics(b.Context(), lg, 8, log.Sync); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { lg.Run(ctx) })
	defer running.Wait()
	defer cancel()
	h := open(b, lg, Options{Partitions: 8, HoldTick: -1})
	var building sync.WaitGroup
	for c := range 16 {
		building.Go(func() {
			for i := c; i < hotels; i += 16 {
				h.build(hotelName(i), 100_000)
			}
		})
	}
	building.Wait()
	runtime.GC()
	b.ReportAllocs()
	before := processorTime(b)
	b.ResetTimer()
	h.clients(b, hotels, clients)
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
	if err := h.stop(); err != nil {
		b.Fatal(err)
	}
}

// processorTime returns the processor time of this process in nanoseconds: unlike the clock it says the same on a busy machine.
func processorTime(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func hotelName(i int) string { return fmt.Sprintf("hotel-%d", i) }

// clients makes b.N reservations, spread over nights so that no night sells out.
func (h *house) clients(b *testing.B, hotels, clients int) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				if err := h.reserve(n, hotels); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func (h *house) reserve(n, hotels int) error {
	c := place(hotelName(n%hotels), 0)
	c.ReservationID = uuid.NewString()
	c.Stay.CheckIn += domain.Date(n / 90_000 % 19)
	c.Stay.CheckOut = c.Stay.CheckIn + 1
	c.Guest = hotel.Guest{ID: "guest-1", DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 2}
	r, err := h.Execute(context.Background(), Command{RequestID: uuid.New(), Body: c})
	if err == nil && !isPlaced(r) {
		err = fmt.Errorf("rejected: %v", r.Events[0].Message)
	}
	return err
}
