package projections_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/eventindex"
	"lodge/projections/hotels"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"

	"lodge/domain"
)

const (
	benchHotels     = 1000
	benchNights     = 60
	benchEvents     = 200_000
	benchPartitions = 8
)

func all() []projections.Projector {
	return []projections.Projector{hotels.New(), availability.New(), reservations.New(), payments.New(), eventindex.New()}
}

// benchStory returns a log of 1,000 hotels and the booking events that follow, made once.
var benchStory = sync.OnceValues(func() (*projectiontest.Log, []*event.Envelope) {
	l, h := projectiontest.NewLog(benchPartitions), projectiontest.NewHistory(1, benchHotels)
	l.Append(h.Hotels(benchNights)...)
	events := make([]*event.Envelope, benchEvents)
	for i := range events {
		events[i] = h.Booking()
	}
	return l, events
})

func open(b testing.TB, dir string, l log.Reader, projectors ...projections.Projector) *projections.Store {
	b.Helper()
	s, err := projections.Open(dir, l, projectors, projections.Options{Partitions: benchPartitions, Logger: projectiontest.Quiet()})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func run(b testing.TB, s *projections.Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

func catchUp(b testing.TB, s *projections.Store, l *projectiontest.Log) {
	b.Helper()
	for _, st := range s.Status(context.Background()) {
		for _, pos := range l.Ends() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			err := s.WaitFor(ctx, st.Name, pos)
			for log.CodeOf(err) == log.Unavailable && ctx.Err() == nil {
				err = s.WaitFor(ctx, st.Name, pos)
			}
			cancel()
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLive applies booking events spread over 1,000 hotels to all projections while it runs; fetched and decoded on the way. Once with a store that is
// in no group, once with two members of one.
func BenchmarkLive(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchLive(b, projections.Options{}) })
	b.Run("group", func(b *testing.B) { benchLive(b, projections.Options{Group: projections.GroupName, Members: 2}) })
}

func benchLive(b *testing.B, opts projections.Options) {
	opts.Partitions, opts.Logger = benchPartitions, projectiontest.Quiet()
	group := projectiontest.NewGroup(b, benchPartitions)
	var used time.Duration
	for range b.N {
		b.StopTimer()
		_, events := benchStory()
		l := projectiontest.NewLog(benchPartitions)
		l.Append(projectiontest.NewHistory(1, benchHotels).Hotels(benchNights)...)
		s, err := projections.Open(b.TempDir(), projectiontest.Grouped{Log: l, Group: group}, all(), opts)
		if err != nil {
			b.Fatal(err)
		}
		stop := run(b, s)
		catchUp(b, s, l)
		b.StartTimer()
		used -= cpu()
		for i := 0; i < len(events); i += 2000 {
			l.Append(events[i : i+2000]...)
		}
		catchUp(b, s, l)
		used += cpu()
		b.StopTimer()
		stop()
	}
	b.ReportMetric(float64(benchEvents*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(used.Microseconds())/float64(benchEvents*b.N), "cpu-µs/event")
}

// BenchmarkRebuild rebuilds each projection from a log of 200,000 booking events.
func BenchmarkRebuild(b *testing.B) {
	l, events := benchStory()
	l.Append(events...)
	for _, p := range all()[1:] {
		b.Run(p.Name(), func(b *testing.B) {
			total, used := 0.0, -cpu()
			for b.Loop() {
				s := open(b, b.TempDir(), l, p)
				result, err := s.RebuildWith(context.Background(), p.Name(), projections.RebuildOptions{})
				if err != nil {
					b.Fatal(err)
				}
				total += float64(result.Last.Done)
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(total/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((used+cpu()).Microseconds())/total, "cpu-µs/event")
		})
	}
}

// BenchmarkQueries asks the usual questions of 1,000 hotels with 200,000 booking events, from two goroutines per core.
func BenchmarkQueries(b *testing.B) {
	l, events := benchStory()
	l.Append(events...)
	s := open(b, b.TempDir(), l, all()...)
	defer run(b, s)()
	catchUp(b, s, l)
	var placed *eventpb.ReservationPlaced
	for _, e := range events {
		if m, ok := e.Message.(*eventpb.ReservationPlaced); ok && m.GetGuest().GetGuestId() != "" {
			placed = m
		}
	}
	ctx, day := context.Background(), projectiontest.Day
	for _, q := range []struct {
		name string
		ask  func() error
	}{
		{"range of 7 nights, 3 room types", func() error {
			_, err := availability.NewQueries(s).Range(ctx, placed.GetHotelId(), "", day, day.AddDays(7))
			return err
		}},
		{"search page of 20", func() error {
			_, err := availability.NewQueries(s).Search(ctx, availability.Request{City: "Lisbon", Limit: 20, Now: day.Time(time.UTC),
				Ask: availability.Ask{Stay: domain.Stay{CheckIn: day, CheckOut: day.AddDays(3)}, Quantity: 1}})
			return err
		}},
		{"reservation by id", func() error {
			_, err := reservations.NewQueries(s).Get(ctx, placed.GetHotelId(), placed.GetReservationId())
			return err
		}},
		{"guest page of 20", func() error {
			_, err := reservations.NewQueries(s).ListByGuest(ctx, placed.GetGuest().GetGuestId(), reservations.Cursor{}, 20)
			return err
		}},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.SetParallelism(2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := q.ask(); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
		})
	}
}

// cpu returns the processor time that this process has used: on a busy machine a better measure than the clock.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
