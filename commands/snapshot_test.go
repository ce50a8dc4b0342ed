package commands

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
)

// busy gives commands of every kind to several hotels, with retries, and returns how many.
func (h *house) busy(r *rand.Rand, from, count int) {
	h.t.Helper()
	for n := from; n < from+count; n++ {
		id := fmt.Sprintf("hotel-%d", r.IntN(5))
		other := from + r.IntN(n-from+1)
		var body hotel.Command
		switch r.IntN(13) {
		case 0:
			body = setRooms(id, int32(5+r.IntN(20)))
		case 1:
			name := fmt.Sprint("name ", n)
			body = &hotel.UpdateHotel{Hotel: id, DisplayName: &name}
		case 2:
			body = confirm(id, other)
		case 3:
			body = &hotel.CancelReservation{Hotel: id, ReservationID: reservationID(other)}
		case 4, 5, 6:
			all := withMoney(id, other, 5)
			body = all[r.IntN(len(all))]
		default:
			body = place(id, n)
		}
		_, err := h.Execute(h.t.Context(), Command{RequestID: requestID(n), Body: body})
		if err != nil && domain.ReasonOf(err) == "" {
			h.t.Fatalf("%T: %v", body, err)
		}
	}
}

func (h *house) buildAll() {
	for i := range 5 {
		h.build(fmt.Sprintf("hotel-%d", i), 10)
	}
}

func TestSnapshotsAndReplayGiveTheSameState(t *testing.T) {
	r := random(t)
	lg, fs := newMemLog(), vfs.NewMem()
	kept := Options{Partitions: 2, SnapshotDir: "snapshots", SnapshotEvery: 10, FS: fs, HoldTick: -1}
	h := open(t, lg, kept)
	h.buildAll()
	for round := range 4 {
		h.busy(r, 1000*round, 300)
		want := h.dump()
		lg = lg.restart()
		if got := open(t, lg, Options{Partitions: 2, HoldTick: -1}).dump(); got != want {
			t.Fatalf("round %d: replay gives another state", round)
		}
		counting := &countingReads{Log: lg}
		h = open(t, counting, kept)
		if n := counting.records.Load(); n > topicCount*2 {
			t.Errorf("round %d: %d records were read in spite of snapshots", round, n)
		}
		if got := (&house{t: t, Engine: h.Engine, stop: h.stop}).dump(); got != want {
			t.Fatalf("round %d: snapshots give another state", round)
		}
		h = open(t, lg, kept)
	}
}

func TestBadSnapshotsAreIgnored(t *testing.T) {
	r := random(t)
	lg, fs := newMemLog(), vfs.NewMem()
	opts := Options{Partitions: 1, SnapshotDir: "snapshots", SnapshotEvery: 10, FS: fs, HoldTick: -1}
	h := open(t, lg, opts)
	h.buildAll()
	h.busy(r, 0, 300)
	want := h.dump()
	name := h.snapshots.name(0)
	good, err := vfs.ReadFile(fs, name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		bad := append([]byte(nil), good...)
		switch i % 3 {
		case 0:
			bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		case 1:
			bad = bad[:r.IntN(len(bad))]
		default:
			bad = append(bad, 0)
		}
		if err := vfs.AtomicWriteFile(fs, name, bad); err != nil {
			t.Fatal(err)
		}
		counting := &countingReads{Log: lg}
		e, err := Open(t.Context(), counting, opts)
		if err != nil {
			t.Fatal(err)
		}
		if counting.records.Load() < e.processors[0].state.events() {
			t.Fatalf("%d: a bad snapshot was used", i)
		}
		if got := (&house{t: t, Engine: e, stop: func() error { return nil }}).dump(); got != want {
			t.Fatalf("%d: another state", i)
		}
	}
}

func TestSnapshotOfAnotherLogIsIgnored(t *testing.T) {
	fs := vfs.NewMem()
	opts := Options{Partitions: 1, SnapshotDir: "snapshots", SnapshotEvery: 10, FS: fs, HoldTick: -1}
	h := open(t, newMemLog(), opts)
	h.build("grand", 1)
	h.dump()
	other := newMemLog()
	other.crc = 1000
	without := opts
	without.SnapshotDir = ""
	h = open(t, other, without)
	h.build("ritz", 1)
	h.build("plaza", 1)
	want := h.dump()
	if got := open(t, other, opts).dump(); got != want {
		t.Error("the snapshot of another log was used")
	}
	empty := open(t, newMemLog(), opts)
	if len(empty.processors[0].state.hotels) != 0 {
		t.Error("a snapshot without a log was used")
	}
}

// Snapshots are renewed while commands go on.
func TestSnapshotsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg, fs := newMemLog(), vfs.NewMem()
		opts := Options{Partitions: 1, SnapshotDir: "snapshots", FS: fs, SnapshotEvery: 50, HoldTick: -1}
		h := open(t, lg, opts)
		h.buildAll()
		r := rand.New(rand.NewPCG(1, 2))
		for round := range 5 {
			before := h.snapshots.eventsIn(0)
			h.busy(r, 1000*round, 200)
			synctest.Wait()
			if after := h.snapshots.eventsIn(0); after < before+50 {
				t.Errorf("round %d: the snapshot went from %d to %d events", round, before, after)
			}
			st, err := h.snapshots.readFile(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := catchUp(t.Context(), lg, 0, st, nil); err != nil {
				t.Fatal(err)
			}
			if h.processors[0].state.events() != st.events() {
				t.Errorf("round %d: %d events, want %d", round, st.events(), h.processors[0].state.events())
			}
		}
	})
}

func TestOpenTellsProgress(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	h.build("grand", 5)
	h.do(1, place("grand", 1))
	var last OpenProgress
	open(t, lg, Options{Partitions: 1, HoldTick: -1, OnOpen: func(p OpenProgress) { last = p }})
	if last.Replayed != 4 || last.Total != 4 || last.FromSnapshot != 0 {
		t.Errorf("%+v", last)
	}
}

func TestRequestsSurviveSnapshots(t *testing.T) {
	lg, fs := newMemLog(), vfs.NewMem()
	opts := Options{Partitions: 1, SnapshotDir: "snapshots", SnapshotEvery: 10, FS: fs, HoldTick: -1}
	h := open(t, lg, opts)
	h.build("grand", 9000)
	for n := range chunkLen + 100 {
		if _, err := h.Submit(t.Context(), Command{RequestID: requestID(n), Body: place("grand", n)}); err != nil {
			t.Fatal(err)
		}
	}
	h.dump()
	h = open(t, lg, opts)
	for n := range chunkLen + 100 {
		if r := h.do(n, place("grand", n)); !r.Replayed {
			t.Fatalf("request %d was forgotten", n)
		}
	}
	if _, err := h.Execute(t.Context(), Command{RequestID: uuid.New(), Body: place("grand", 1)}); domain.ReasonOf(err) != domain.ReservationExists {
		t.Errorf("got %v", err)
	}
}

// countingReads counts the records that were fetched.
type countingReads struct {
	Log
	records atomic.Int64
}

func (c *countingReads) Fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	got, err := c.Log.Fetch(ctx, req)
	c.records.Add(int64(len(got.Records)))
	return got, err
}
