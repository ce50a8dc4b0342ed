package commands

import (
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// With a durability that may lose the last bookings, a power loss loses no more than bookings: what is left rests on nothing that is gone, can be
// replayed, and was never oversold.
func TestPowerLossWithoutSyncLosesOnlyBookings(t *testing.T) {
	for _, d := range []log.Durability{log.Interval, log.None} {
		r := random(t)
		for round := range 40 {
			lg := logtest.Open(t, broker.Options{})
			if _, err := CreateTopics(t.Context(), lg, 2, d); err != nil {
				t.Fatal(err)
			}
			h := open(t, lg, Options{Partitions: 2, HoldTick: -1})
			h.build("grand", 3)
			for n := range 5 {
				h.do(n, place("grand", n))
				h.do(100+n, setRooms("grand", int32(4+n)))
			}
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			lg.Crash(vfs.Randomly(r))
			e, err := Open(t.Context(), lg, Options{Partitions: 2, HoldTick: -1})
			if err != nil {
				t.Fatalf("%s, round %d: the log cannot be opened: %v", d, round, err)
			}
			if st := e.processors[e.partitionOf("grand")].state; st.next[inventoryTopic] != 6 || !st.hotel("grand").Exists() {
				t.Fatalf("%s, round %d: acknowledged inventory is lost: %v", d, round, st.next)
			}
			checkAudit(t, fmt.Sprint(d, ", round ", round), lg)
		}
	}
}

// A snapshot that knows more than the log has left after a power loss is ignored, also when the log has grown beyond it again.
func TestSnapshotNewerThanTheLog(t *testing.T) {
	r := random(t)
	lost := 0
	for round := range 40 {
		lg := logtest.Open(t, broker.Options{})
		if _, err := CreateTopics(t.Context(), lg, 1, log.None); err != nil {
			t.Fatal(err)
		}
		opts := Options{Partitions: 1, FS: lg.FS, SnapshotDir: "snapshots", SnapshotEvery: 10, HoldTick: -1}
		h := open(t, lg, opts)
		h.build("grand", 100)
		for n := range 10 {
			h.do(n, place("grand", n))
		}
		acknowledged := h.processors[0].state.events()
		if err := h.stop(); err != nil { // writes a snapshot, which is synced
			t.Fatal(err)
		}
		lg.Crash(vfs.Randomly(r))
		without := Options{Partitions: 1, HoldTick: -1}
		h = open(t, lg, without)
		if h.processors[0].state.events() < acknowledged {
			lost++
		}
		for n := range round / 2 {
			h.do(1000+n, place("grand", 1000+n))
		}
		want := h.dump()
		opts.FS = lg.FS
		if got := open(t, lg, opts).dump(); got != want {
			t.Fatalf("round %d: the snapshot was used", round)
		}
	}
	if lost == 0 {
		t.Error("no power loss took anything")
	}
}
