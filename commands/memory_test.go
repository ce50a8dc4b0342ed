package commands

import (
	"runtime"
	"testing"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/hotel"
)

// A live reservation that was placed and paid takes at most 400 bytes of the processor, its two request ids included.
func TestMemoryPerReservation(t *testing.T) {
	const count = 100_000
	s := newState(Options{}.withDefaults())
	apply := func(body hotel.Command) {
		events, err := hotel.Decide(s.hotel("grand"), body, hotel.At{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		e := &event.Envelope{HotelID: "grand", Message: events[0], Time: noon, RequestID: uuid.New()}
		topic := topicOf(body)
		if err := s.apply(topic, e); err != nil {
			t.Fatal(err)
		}
		s.remember(e, topic, s.next[topic]-1, 1)
	}
	for _, body := range opening("grand", 100_000) {
		apply(body)
	}
	before := heap()
	for range count {
		c := place("grand", 0)
		c.ReservationID = uuid.NewString()
		c.Stay = domain.Stay{CheckIn: domain.DateOf(2026, 7, 10), CheckOut: domain.DateOf(2026, 7, 11)}
		apply(c)
		apply(&hotel.ConfirmReservation{Hotel: "grand", ReservationID: c.ReservationID})
	}
	each := float64(heap()-before) / count
	runtime.KeepAlive(s)
	if each > 400 {
		t.Errorf("%.0f bytes for each reservation", each)
	}
	t.Logf("%.0f bytes for each reservation, of which requests %.0f", each, float64(s.requests.bytes())/count)
}

func topicOf(body hotel.Command) int {
	switch body.Topic() {
	case event.HotelsTopic:
		return hotelsTopic
	case event.InventoryTopic:
		return inventoryTopic
	case event.PaymentsTopic:
		return paymentsTopic
	}
	return bookingsTopic
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkReplay measures how fast a state is rebuilt from the log: each operation is one event.
func BenchmarkReplay(b *testing.B) {
	lg := newMemLog()
	h := open(b, lg, Options{Partitions: 1, HoldTick: -1})
	h.build("grand", 100_000)
	for n := range QueueMaxDefault / 2 {
		if _, err := h.Submit(b.Context(), Command{RequestID: requestID(n), Body: place("grand", n)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := h.stop(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	events := 0
	for events < b.N {
		st := newState(Options{}.withDefaults())
		if err := catchUp(b.Context(), lg, 0, st, nil); err != nil {
			b.Fatal(err)
		}
		events += int(st.events())
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
