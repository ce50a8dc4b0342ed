package hotel

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"lodge/domain"
)

// bigHotel returns a hotel with 100,000 rooms a night for a year.
func bigHotel(t testing.TB) *State {
	s := New()
	run(t, s, noon, createHotel(), createDouble(), &SetInventory{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 1), End: day(2027, 7, 1),
		PhysicalCount: ptr(int32(CountMax)), OverbookingLimit: ptr(int32(CountMax)),
	})
	return s
}

func typicalPlace(n int) *PlaceReservation {
	in := day(2026, 7, 1).AddDays(n % 300)
	c := place(n, 1, domain.Stay{CheckIn: in, CheckOut: in.AddDays(3)})
	c.Guest = Guest{ID: "guest-1234", DisplayName: "Maria Silva", Email: "maria@example.com", Adults: 2}
	c.Channel = "web"
	return c
}

func BenchmarkPlaceDecideEvolve(b *testing.B) {
	s := bigHotel(b)
	commands := make([]*PlaceReservation, 0, 1<<20)
	for n := range cap(commands) {
		commands = append(commands, typicalPlace(n))
	}
	at := At{Now: noon, InventoryOffset: 7}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(commands) == 0 {
			b.StopTimer()
			s = bigHotel(b)
			b.StartTimer()
		}
		events, err := Decide(s, commands[i%len(commands)], at)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Evolve(events[0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	c := typicalPlace(1)
	b.ReportAllocs()
	for range b.N {
		c.Fingerprint()
	}
}

func BenchmarkSnapshot100k(b *testing.B) {
	s := bigHotel(b)
	for n := range 100_000 {
		run(b, s, noon, typicalPlace(n))
	}
	snapshot := s.AppendSnapshot(nil)
	b.Run("append", func(b *testing.B) {
		for range b.N {
			snapshot = s.AppendSnapshot(snapshot[:0])
		}
		b.ReportMetric(float64(len(snapshot))/100_000, "bytes/reservation")
	})
	b.Run("load", func(b *testing.B) {
		for range b.N {
			if _, err := LoadSnapshot(snapshot); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// heap returns the live heap in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// stateBytesMax leaves 100 of the platform's 400 bytes for a live reservation to the processor's memory of request ids.
const stateBytesMax = 300

func TestMemoryOfALiveReservation(t *testing.T) {
	for _, tc := range []struct{ hotels, each int }{{1, 150_000}, {100, 1_500}, {1_000, 150}} {
		t.Run(fmt.Sprintf("%d hotels", tc.hotels), func(t *testing.T) {
			before := heap()
			states := make([]*State, tc.hotels)
			for h := range states {
				s := New()
				run(t, s, noon, createHotel(), createDouble(), &SetInventory{
					Hotel: "grand", RoomType: "double", Start: day(2026, 7, 1), End: day(2027, 7, 1),
					PhysicalCount: ptr(int32(CountMax)),
				})
				for n := range tc.each {
					run(t, s, noon.Add(time.Duration(n)*time.Microsecond), typicalPlace(h*tc.each+n))
				}
				states[h] = s
			}
			each := float64(heap()-before) / float64(tc.hotels*tc.each)
			runtime.KeepAlive(states)
			t.Logf("%.0f bytes for each of %d live reservations in %d hotels", each, tc.hotels*tc.each, tc.hotels)
			if each > stateBytesMax {
				t.Errorf("%.0f bytes a reservation are more than %d", each, stateBytesMax)
			}
		})
	}
}
