package trail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
)

// sick is a log whose appends fail as long as somebody says so.
type sick struct {
	*broker.Broker
	mu   sync.Mutex
	fail error
}

func (s *sick) be(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Append implements log.Writer.
func (s *sick) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	s.mu.Lock()
	err := s.fail
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return s.Broker.Append(ctx, tp, b)
}

// clock moves only when a test says so.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	testing.TB
	*Trail
	lg    *sick
	fs    *vfs.MemFS
	clock *clock
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, fs: vfs.NewMem(), clock: &clock{noon}}
	f.lg = &sick{Broker: openLog(t, f.fs)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.lg.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, f.lg.Close()); err != nil {
			t.Error(err)
		}
	})
	var err error
	if f.Trail, err = Open(t.Context(), f.lg, Options{Clock: f.clock.now, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return f
}

func openLog(t testing.TB, fs vfs.FS) *broker.Broker {
	t.Helper()
	b, err := broker.Open("log", broker.Options{FS: fs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read returns the whole trail as it is in a log.
func read(t testing.TB, lg log.Reader) (found []*Entry) {
	t.Helper()
	for from := log.Offset(0); ; {
		got, err := lg.Fetch(t.Context(), log.FetchRequest{TopicPartition: Partition, Offset: from})
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Records {
			e, err := Read(&got.Records[i])
			if err != nil {
				t.Fatal(err)
			}
			if n := len(found); n > 0 && e.Time.Before(found[n-1].Time) {
				t.Errorf("%v comes after %v", e.Time, found[n-1].Time)
			}
			found = append(found, e)
		}
		if from = got.Next; from >= got.HighWatermark {
			return found
		}
	}
}

func calls(entries []*Entry, outcome Outcome) (n int64) {
	for _, e := range entries {
		if e.Outcome == outcome {
			n += e.Count
		}
	}
	return n
}

func TestAnEntryComesBack(t *testing.T) {
	f := newFixture(t)
	want := Entry{
		First: noon.Add(-time.Second), Actor: "staff:x", Client: "10.0.0.1", Trace: "4bf9", Method: "lodge.v1.HotelService/UpdateHotel", Resource: "hotels/ritz", HotelID: "ritz",
		RequestID: "r", CorrelationID: "c", Reason: "weil’s “so” ist", Outcome: Failed, Code: "INTERNAL", Refusal: "INTERNAL", Field: "a,b", Count: 7,
	}
	if err := f.Record(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	want.Time = noon
	if got := read(t, f.lg); len(got) != 1 || *got[0] != want {
		t.Errorf("%+v", got)
	}
}

// TestAStormIsCounted: a hundred thousand refusals of one kind are a few records, and every call is in one of them.
func TestAStormIsCounted(t *testing.T) {
	f := newFixture(t)
	const storm = 100_000
	for i := range storm {
		f.Refused(Entry{Actor: "anonymous:", Client: fmt.Sprint("10.0.0.", i%9), Method: "lodge.v1.X/Y", HotelID: "ritz", Outcome: Refused, Code: "UNAUTHENTICATED", Refusal: "TOKEN_UNKNOWN"})
	}
	f.clock.at = noon.Add(time.Minute)
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := read(t, f.lg)
	if len(got) != sameMax+1 || calls(got, Refused) != storm {
		t.Fatalf("%d records tell of %d calls", len(got), calls(got, Refused))
	}
	if e := got[sameMax]; e.Actor != "anonymous:" || e.Refusal != "TOKEN_UNKNOWN" || e.HotelID != "ritz" || e.Client != "" || !e.First.Equal(noon) || !e.Time.Equal(f.clock.at) {
		t.Errorf("the summary is %+v", e)
	}
}

// TestAStormOfMany: whoever takes another name for each call gets no record each either.
func TestAStormOfMany(t *testing.T) {
	f := newFixture(t)
	const storm = 100_000
	for i := range storm {
		f.Refused(Entry{Actor: fmt.Sprint("guest:", i), Method: "lodge.v1.X/Y", Outcome: Refused, Refusal: "NOT_YOURS"})
		if i%1000 == 0 {
			if err := f.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := read(t, f.lg)
	if len(got) > burst+tallyMax+1 || calls(got, Refused) != storm || calls(got, Lost) != 0 {
		t.Errorf("%d records tell of %d calls", len(got), calls(got, Refused))
	}
}

// TestWhatFindsNoRoomIsCounted: nothing can be written for long; then it can, and the trail says what is missing.
func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	f := newFixture(t)
	f.lg.be(log.NewError(log.Unavailable, "append", "not now"))
	f.burstOf(BufferMax + 300)
	if err := f.Record(t.Context(), Entry{Method: "lodge.v1.X/Y", Outcome: Done}); log.CodeOf(err) != log.Unavailable {
		t.Fatal(err)
	}
	if err := f.Ready(t.Context()); log.CodeOf(err) != log.Unavailable {
		t.Errorf("a change would be made now: %v", err)
	}
	if ok, message := f.Health(); ok || !strings.Contains(message, "300 are lost") {
		t.Errorf("health: %t %s", ok, message)
	}
	f.lg.be(nil)
	if err := f.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := read(t, f.lg)
	if calls(got, Refused) != BufferMax || calls(got, Lost) != 300 || calls(got, Done) != 1 || got[len(got)-1].Outcome != Lost {
		t.Errorf("%d refused, %d lost, %d done", calls(got, Refused), calls(got, Lost), calls(got, Done))
	}
	if ok, message := f.Health(); !ok || message != "300 entries were lost" {
		t.Errorf("health: %t %s", ok, message)
	}
}

// burstOf refuses n calls that each get an entry: the limits on what comes in are lifted.
func (f *fixture) burstOf(n int) {
	f.bucket = rate.NewLimiter(rate.Inf, 0)
	for i := range n {
		f.Refused(Entry{Method: fmt.Sprint("m", i), Outcome: Refused})
		f.mu.Lock()
		clear(f.tallies)
		f.mu.Unlock()
	}
}

func TestRecordsWithoutEnd(t *testing.T) {
	f := newFixture(t)
	f.lg.be(log.NewError(log.Unavailable, "append", "not now"))
	for range 2 * BufferMax {
		f.mu.Lock()
		f.put(Entry{Outcome: Done})
		f.mu.Unlock()
	}
	if err := f.Record(t.Context(), Entry{Outcome: Done}); log.CodeOf(err) != log.Unavailable || len(f.buffer) != 2*BufferMax {
		t.Errorf("%v with %d waiting", err, len(f.buffer))
	}
}

// TestACrashKeepsWhatWasRecorded: the machine stops; what Record returned for is there, in order.
func TestACrashKeepsWhatWasRecorded(t *testing.T) {
	f := newFixture(t)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			f.Refused(Entry{Method: fmt.Sprint("refused ", i), Outcome: Refused})
			if err := f.Record(t.Context(), Entry{Method: fmt.Sprint("done ", i), Outcome: Done}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	f.Refused(Entry{Method: "too late", Outcome: Refused})
	b := openLog(t, f.fs.CrashClone(vfs.LoseAll))
	defer b.Close()
	if got := read(t, b); calls(got, Done) != 50 || calls(got, Refused) != 50 {
		t.Errorf("%d done, %d refused", calls(got, Done), calls(got, Refused))
	}
}

// TestRunWritesAndDrains: what nobody waits for is written by itself, and at the end everything.
func TestRunWritesAndDrains(t *testing.T) {
	f := newFixture(t)
	f.opts.Linger, f.opts.Window = time.Millisecond, 5*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.Refused(Entry{Method: "one", Outcome: Refused})
	f.Counted(Entry{Method: "many", Outcome: Done})
	for len(read(t, f.lg)) < 2 { // the test's time limit bounds it
	}
	f.Refused(Entry{Method: "last", Outcome: Refused})
	f.Counted(Entry{Method: "many", Outcome: Done})
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := read(t, f.lg); len(got) != 4 || calls(got, Done) != 2 {
		t.Errorf("%d entries", len(got))
	}
}

func TestADrainThatFailsSaysSo(t *testing.T) {
	f := newFixture(t)
	f.lg.be(log.NewError(log.Poisoned, "append", "the disk is gone"))
	f.Refused(Entry{Method: "one", Outcome: Refused})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := f.Run(ctx); err == nil || !strings.Contains(err.Error(), "1 entries of the audit trail are lost") {
		t.Error(err)
	}
}

func TestRetentionIsRemembered(t *testing.T) {
	f := newFixture(t)
	kept := func() time.Duration {
		info, err := f.lg.DescribeTopic(t.Context(), Topic)
		if err != nil {
			t.Fatal(err)
		}
		return info.Config.RetentionAge
	}
	if kept() != RetentionDefault {
		t.Errorf("kept for %s", kept())
	}
	for _, asked := range []time.Duration{48 * time.Hour, 0} {
		if _, err := Open(t.Context(), f.lg, Options{Retention: asked}); err != nil || kept() != 48*time.Hour {
			t.Errorf("%v: kept for %s", err, kept())
		}
	}
	if _, err := Open(t.Context(), f.lg, Options{Retention: time.Minute}); err == nil {
		t.Error("a minute")
	}
}

func BenchmarkRefused(b *testing.B) {
	f := newFixture(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Refused(Entry{Actor: "anonymous:", Client: "10.0.0.1", Method: "lodge.v1.X/Y", Outcome: Refused, Refusal: "RATE_LIMITED"})
		}
	})
}
