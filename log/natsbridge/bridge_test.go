package natsbridge

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/logtest/leaktest"
)

// testLogger shows what goes wrong in a test that fails.
func testLogger(t *testing.T) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.t = nil
	})
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// testWriter writes to a test's log until the test ends: goroutines of NATS may have something to say behind that.
type testWriter struct {
	mu sync.Mutex
	t  *testing.T
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

// start opens a bridge and runs it. The function returned ends it; so does the end of the test.
func start(t *testing.T, lg Log, opts Options) (*Bridge, func()) {
	t.Helper()
	opts.Logger = testLogger(t)
	b, err := Open(t.Context(), lg, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(stop)
	return b, stop
}

// awaitRecords waits until a partition has n records, and returns all it has then.
func awaitRecords(t *testing.T, lg log.Reader, tp log.TopicPartition, n int) []log.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var records []log.Record
	for next := log.Offset(0); len(records) < n; {
		found, err := lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: next, MaxWait: time.Minute})
		if err != nil {
			t.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records, next = append(records, found.Records...), found.Next
	}
	return records
}

// stamp reads a time in a header.
func stamp(t *testing.T, r *log.Record, name string) time.Time {
	t.Helper()
	v, _ := r.Header(name)
	at, err := time.Parse(time.RFC3339Nano, string(v))
	if err != nil {
		t.Fatalf("record %d: header %s: %v", r.Offset, name, err)
	}
	return at
}

func TestEmbedded(t *testing.T) {
	leaktest.VerifyNone(t)
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("t", 1)[0]
	b, stop := start(t, lg, Options{StoreDir: t.TempDir()})
	begin := time.Now()
	const n = 300
	for i := range n {
		at := begin.Add(time.Duration(i) * 10 * time.Millisecond)
		s, err := b.Schedule(t.Context(), log.Schedule{ID: fmt.Sprintf("s.%d", i), At: at, Record: log.Record{
			Topic: "t", Key: []byte("k"), Value: []byte(strconv.Itoa(i)), Headers: []log.Header{{Key: "h", Value: []byte("v")}},
		}})
		if err != nil || s.Generation <= 0 {
			t.Fatal(s, err)
		}
	}
	records := awaitRecords(t, lg, tp, n)
	var worst time.Duration
	for i, r := range records {
		late := stamp(t, &r, log.ScheduleFiredHeader).Sub(stamp(t, &r, log.ScheduleDueHeader))
		worst = max(worst, late)
		if late < 0 || string(r.Value) != strconv.Itoa(i) || string(r.Key) != "k" {
			t.Errorf("record %d: %s, %v late", i, r.Value, late)
		}
	}
	t.Logf("worst %v; %+v", worst, b.Stats())
	stop()
}
