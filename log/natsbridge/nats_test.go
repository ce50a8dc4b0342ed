package natsbridge

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/logtest/leaktest"
)

// fill schedules n records, in the order of their due times, from a time on. Their values are their numbers.
func fill(t *testing.T, b *Bridge, prefix string, n int, from time.Time, step time.Duration) {
	t.Helper()
	for i := range n {
		mustSchedule(t, b, log.Schedule{ID: fmt.Sprint(prefix, i), At: from.Add(time.Duration(i) * step), Record: plain("t", "k", fmt.Sprint(prefix, i))})
	}
}

// wantOnce checks that records are those of these prefixes, each once, in order of due time, never early. It returns the worst lateness.
func wantOnce(t *testing.T, records []log.Record, n map[string]int) time.Duration {
	t.Helper()
	want := map[string]bool{}
	for prefix, n := range n {
		for i := range n {
			want[fmt.Sprint(prefix, i)] = true
		}
	}
	var worst time.Duration
	var last time.Time
	for _, r := range records {
		due := stamp(t, &r, log.ScheduleDueHeader)
		late := stamp(t, &r, log.ScheduleFiredHeader).Sub(due)
		if !want[string(r.Value)] || late < 0 || due.Before(last) {
			t.Errorf("record %d: %s, fired %v after due: twice, not wanted, early or out of order", r.Offset, r.Value, late)
		}
		delete(want, string(r.Value))
		worst, last = max(worst, late), due
	}
	if len(want) > 0 {
		t.Errorf("%d have not come", len(want))
	}
	return worst
}

// inNATS returns the schedules that the embedded server holds.
func inNATS(t *testing.T, b *Bridge) map[string]uint64 {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(b.nats.server), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return inStream(t, conn, b)
}

func inStream(t *testing.T, conn *nats.Conn, b *Bridge) map[string]uint64 {
	t.Helper()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), b.subjects().stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(b.subjects().at+"*.*"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects
}

func connected(s Stats) bool { return s.Connected }

// TestStoreIsReconciled restarts over a NATS store that is as it was, lost, old, or another log's.
func TestStoreIsReconciled(t *testing.T) {
	leaktest.VerifyNone(t)
	for _, c := range []struct {
		name   string
		change func(t *testing.T, store, old string)
	}{
		{"as it was", func(*testing.T, string, string) {}},
		{"lost", func(t *testing.T, store, _ string) { remove(t, store) }},
		{"old", func(t *testing.T, store, old string) {
			remove(t, store)
			if err := os.CopyFS(store, os.DirFS(old)); err != nil {
				t.Fatal(err)
			}
		}},
		{"damaged", func(t *testing.T, store, _ string) {
			remove(t, store)
			if err := os.WriteFile(store, []byte("no folder"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"of another log", func(t *testing.T, store, _ string) {
			remove(t, store)
			other := logtest.Open(t, broker.Options{})
			other.Topic("t", 1)
			b, stop := start(t, other, Options{StoreDir: store})
			fill(t, b, "other", 10, time.Now().Add(time.Hour), 0)
			awaitStats(t, b, connected)
			stop()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lg := logtest.Open(t, broker.Options{})
			tp := lg.Topic("t", 1)[0]
			store, old := t.TempDir()+"/nats", t.TempDir()+"/old"
			b, stop := start(t, lg, Options{StoreDir: store})
			begin := time.Now()
			fill(t, b, "canceled", 20, begin.Add(time.Hour), 0)
			fill(t, b, "a", 100, begin.Add(2500*time.Millisecond), 5*time.Millisecond)
			awaitStats(t, b, connected)
			stop()
			early := b.Stats().Fired // on a slow machine
			if err := os.CopyFS(old, os.DirFS(store)); err != nil {
				t.Fatal(err)
			}
			b, stop = start(t, lg, Options{StoreDir: store})
			fill(t, b, "b", 100, begin.Add(3000*time.Millisecond), 5*time.Millisecond)
			for i := range 20 {
				if err := b.CancelSchedule(t.Context(), fmt.Sprint("canceled", i)); err != nil {
					t.Fatal(err)
				}
			}
			mustSchedule(t, b, log.Schedule{ID: "far", At: begin.Add(time.Hour), Record: plain("t", "", "far")})
			awaitStats(t, b, connected)
			stop()
			early += b.Stats().Fired
			c.change(t, store, old)
			lg.Restart()
			b, stop = start(t, lg, Options{StoreDir: store})
			worst := wantOnce(t, awaitRecords(t, lg, tp, 200), map[string]int{"a": 100, "b": 100})
			awaitStats(t, b, func(s Stats) bool { return s.Connected && s.Pending == 1 && s.Fired == 200-early })
			t.Logf("at most %v late, %+v", worst, b.Stats())
			awaitNATS(t, b, 1)
			stop()
		})
	}
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// TestCancelReachesNATS cancels and replaces schedules that NATS has.
func TestCancelReachesNATS(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 1)
	b, stop := start(t, lg, Options{StoreDir: t.TempDir()})
	awaitStats(t, b, connected)
	at := time.Now().Add(time.Hour)
	fill(t, b, "a", 50, at, time.Second)
	awaitNATS(t, b, 50)
	for i := range 25 {
		if err := b.CancelSchedule(t.Context(), fmt.Sprint("a", i)); err != nil {
			t.Fatal(err)
		}
	}
	s := mustSchedule(t, b, log.Schedule{ID: "a30", At: at, Record: plain("t", "", "new")})
	awaitSchedules(t, func() map[string]uint64 { return inNATS(t, b) }, func(there map[string]uint64) bool {
		return len(there) == 25 && there[b.subjects().at+"a30."+strconv.FormatInt(s.Generation, 10)] == 1
	})
	stop()
}

// awaitNATS waits until the embedded server holds n schedules.
func awaitNATS(t *testing.T, b *Bridge, n int) {
	t.Helper()
	awaitSchedules(t, func() map[string]uint64 { return inNATS(t, b) }, func(there map[string]uint64) bool { return len(there) == n })
}

// awaitSchedules waits until NATS holds the right schedules: it hears of changes in its own time.
func awaitSchedules(t *testing.T, read func() map[string]uint64, right func(map[string]uint64) bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	there := read()
	for ticks := time.Tick(5 * time.Millisecond); !right(there); there = read() {
		if <-ticks; time.Now().After(end) {
			t.Fatalf("NATS holds %v", there)
		}
	}
}

// awaitRing has schedules fire until NATS rings for one: where the machine stands still, the bridge's own timer may be first.
func awaitRing(t *testing.T, lg log.Reader, tp log.TopicPartition, b *Bridge, prefix string, want map[string]int) {
	t.Helper()
	before := b.Stats()
	awaitFired(t, lg, tp, b, prefix, want, func(s Stats) bool { return s.Rung > before.Rung })
}

// awaitFired has schedules fire that were far when they were made, until some have fired in the right way, and notes what they are: where the machine stands
// still they are near at once.
func awaitFired(t *testing.T, lg log.Reader, tp log.TopicPartition, b *Bridge, prefix string, want map[string]int, right func(Stats) bool) {
	t.Helper()
	for range 10 {
		fill(t, b, prefix, 50, time.Now().Add(ringLead), 10*time.Millisecond)
		awaitAll(t, lg, tp, prefix, 50, want)
		if right(b.Stats()) {
			return
		}
		prefix += "-"
	}
	t.Errorf("not in this way: %+v", b.Stats())
}

// awaitAll notes how many schedules there are of a prefix, and waits until these and all that were noted before have fired.
func awaitAll(t *testing.T, lg log.Reader, tp log.TopicPartition, prefix string, n int, want map[string]int) {
	t.Helper()
	want[prefix] = n
	total := 0
	for _, n := range want {
		total += n
	}
	wantOnce(t, awaitRecords(t, lg, tp, total), want)
}

// ringLead is enough for a schedule to be far.
const ringLead = nearMin + 300*time.Millisecond

// TestServerByURL uses a server in another process, which is away for a while and comes back, once without its store.
func TestServerByURL(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("t", 1)[0]
	store := t.TempDir()
	server, port := natsServer(t, 0, store)
	url := natsURL(port)
	b, stop := start(t, lg, Options{URL: url})
	awaitStats(t, b, connected)
	want := map[string]int{}
	awaitRing(t, lg, tp, b, "a", want)
	awaitStats(t, b, func(s Stats) bool { return s.Pending == 0 }) // what rings from now on rings for nothing
	before := b.Stats()

	server.kill()
	awaitStats(t, b, func(s Stats) bool { return !s.Connected && s.Err != "" })
	awaitFired(t, lg, tp, b, "b", want, func(s Stats) bool { return s.Missed > before.Missed })
	if s := b.Stats(); s.Rung != before.Rung {
		t.Errorf("fired without NATS: %+v, before that %+v", s, before)
	}

	fill(t, b, "c", 50, time.Now().Add(5*time.Second), 10*time.Millisecond)
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	_, again := natsServer(t, port, store)
	if again != port {
		t.Fatal("another port")
	}
	awaitStats(t, b, connected)
	awaitAll(t, lg, tp, "c", 50, want)
	if b.Stats().Rung == before.Rung { // the server came too late for them
		awaitRing(t, lg, tp, b, "d", want)
	}
	conn, err := nats.Connect(url, nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	awaitSchedules(t, func() map[string]uint64 { return inStream(t, conn, b) }, func(there map[string]uint64) bool { return len(there) == 0 })
	stop()
}

// TestStreamRemovedUnderneath removes and empties the stream while schedules are pending.
func TestStreamRemovedUnderneath(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("t", 1)[0]
	b, stop := start(t, lg, Options{StoreDir: t.TempDir()})
	awaitStats(t, b, connected)
	conn, err := nats.Connect("", nats.InProcessServer(b.nats.server), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), b.subjects().stream)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for prefix := "a"; b.Stats().Missed == 0; prefix += "-" { // more than once where the machine stands still so long that NATS has rung before
		if len(want) == 10 {
			t.Fatalf("%+v", b.Stats())
		}
		fill(t, b, prefix, 20, time.Now().Add(6*time.Second), 10*time.Millisecond)
		awaitStats(t, b, func(s Stats) bool { return s.Connected && s.Behind == 0 })
		if err := stream.Purge(t.Context()); err != nil { // nobody says so
			t.Fatal(err)
		}
		awaitAll(t, lg, tp, prefix, 20, want)
	}
	if err := js.DeleteStream(t.Context(), b.subjects().stream); err != nil {
		t.Fatal(err)
	}
	before := b.Stats()
	fill(t, b, "b", 20, time.Now().Add(5*time.Second), 10*time.Millisecond)
	awaitAll(t, lg, tp, "b", 20, want)
	if b.Stats().Rung == before.Rung { // the stream was there again too late for them
		awaitRing(t, lg, tp, b, "c", want)
	}
	stop()
}

// TestNoServer runs where there is no NATS at all.
func TestNoServer(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("t", 1)[0]
	b, stop := start(t, lg, Options{URL: "nats://127.0.0.1:1"})
	fill(t, b, "a", 20, time.Now().Add(1100*time.Millisecond), 10*time.Millisecond)
	wantOnce(t, awaitRecords(t, lg, tp, 20), map[string]int{"a": 20})
	awaitStats(t, b, func(s Stats) bool { return !s.Connected && s.Err != "" })
	stop()
}

// TestEndsAtAnyTime ends a bridge while it begins: nothing of the embedded server stays behind.
func TestEndsAtAnyTime(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 1)
	for i := range 40 {
		b, err := Open(t.Context(), lg, Options{StoreDir: t.TempDir(), Logger: testLogger(t)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*500*time.Microsecond)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenOnly opens and closes without Run.
func TestOpenOnly(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("t", 1)
	b, err := Open(t.Context(), lg, Options{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	mustSchedule(t, b, log.Schedule{ID: "a", At: time.Now(), Record: plain("t", "", "v")})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}
