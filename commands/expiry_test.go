package commands

import (
	"testing"
	"testing/synctest"
	"time"

	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

func TestHoldsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		start := time.Now()
		clock := func() time.Time { return noon.Add(time.Since(start)) }
		h := open(t, lg, Options{Partitions: 2, Clock: clock})
		h.build("grand", 2000)
		for n := range 1203 {
			h.do(n, place("grand", n))
		}
		h.do(5000, confirm("grand", 5))
		unlimited := place("grand", 7000)
		unlimited.NoHoldExpiry = true
		h.do(7000, unlimited)

		time.Sleep(hotel.HoldDurationDefault - time.Second) // under testing/synctest
		synctest.Wait()
		if n := canceled(t, lg); n != 0 {
			t.Fatalf("%d holds ended early", n)
		}
		time.Sleep(2*time.Second + HoldTickDefault) // under testing/synctest
		synctest.Wait()
		if n := canceled(t, lg); n != 1202 {
			t.Fatalf("%d holds ended", n)
		}
		want := h.dump()
		if got := open(t, lg.restart(), Options{Partitions: 2, Clock: clock}).dump(); got != want {
			t.Error("the replayed state is another")
		}
	})
}

func canceled(t *testing.T, lg *memLog) (n int) {
	for _, m := range messages(t, lg, bookingsTopic, 2) {
		if m, ok := m.(*eventpb.ReservationCanceled); ok {
			n++
			if m.Reason != eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED {
				t.Errorf("reason %v", m.Reason)
			}
		}
	}
	return n
}
