package projections_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lodge/domain/event"
	"lodge/log"
	"lodge/log/logtest/leaktest"
	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/projectiontest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// wrapped is the hotels projector with another schema or a mishap.
type wrapped struct {
	hotels.Projector
	schema string
	topics []log.Topic // beside those of the projector
	apply  func() error
}

func (w *wrapped) Topics() []log.Topic { return append(w.Projector.Topics(), w.topics...) }

func (w *wrapped) Schema() string { return w.Projector.Schema() + w.schema }

func (w *wrapped) Apply(tx *projections.Tx, events []projections.Event) error {
	if err := w.Projector.Apply(tx, events); err != nil || w.apply == nil {
		return err
	}
	return w.apply()
}

func started(t *testing.T, p projections.Projector) (*projectiontest.Bench, *projectiontest.History) {
	l, h := projectiontest.NewLog(2), projectiontest.NewHistory(projectiontest.Seed(t), 5)
	l.Append(h.Hotels(10)...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return p })
	b.Start()
	return b, h
}

func status(b *projectiontest.Bench) projections.Status {
	return b.Store.Status(context.Background())[0]
}

// until waits for something that another goroutine is about to do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond) // looking without a rest takes the processor from what is waited for
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); !done(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("not %s in time", what)
		}
	}
}

func TestAnotherSchemaIsRebuilt(t *testing.T) {
	p := &wrapped{}
	b, _ := started(t, p)
	rows := b.Dump()
	b.Close()
	p.schema = ";CREATE INDEX hotel_by_name ON hotel (display_name)"
	b.Start()
	defer b.Close()
	if v := status(b).Version; v != 2 {
		t.Errorf("version %d, want 2", v)
	}
	if !slices.Equal(rows, b.Dump()) {
		t.Error("rows differ")
	}
}

// TestAnotherTopicIsReadFromItsBeginning: a folder of before the topic there was is rebuilt with it.
func TestAnotherTopicIsReadFromItsBeginning(t *testing.T) {
	p := &wrapped{}
	b, h := started(t, p)
	b.Log.Append(h.Next(300)...)
	b.CatchUp()
	b.Close()
	p.topics = []log.Topic{event.PaymentsTopic}
	b.Start()
	defer b.Close()
	if v := status(b).Version; v != 2 {
		t.Errorf("version %d, want 2", v)
	}
	read := 0
	for _, row := range b.Dump() {
		if strings.Contains(row, `"`+event.PaymentsTopic+`"`) && !strings.Contains(row, "projection_checkpoint []interface {}{\"payments\", 0,") {
			read++
		}
	}
	if read != 2 {
		t.Errorf("%d of 2 shards have read payments:\n%s", read, strings.Join(b.Dump(), "\n"))
	}
}

func TestAFailingProjectorIsRetriedAndLosesNothing(t *testing.T) {
	var failures atomic.Int32
	p := &wrapped{apply: func() error {
		if failures.Add(-1) >= 0 {
			return errors.New("disk full")
		}
		return nil
	}}
	b, h := started(t, p)
	defer b.Close()
	failures.Store(2)
	b.Log.Append(h.Next(200)...)
	until(t, "failed", func() bool { return failures.Load() < 0 || status(b).State == projections.Failed })
	b.CatchUp()
	until(t, "following again", func() bool { s := status(b); return s.State == projections.Following && s.Err == "" })
	rows := b.Dump()
	if err := b.Store.Rebuild(t.Context(), hotels.Name, nil); err != nil {
		t.Fatal(err)
	}
	b.CatchUp()
	if !slices.Equal(rows, b.Dump()) {
		t.Error("rows differ from a rebuild's")
	}
}

func TestALogThatCannotBeReadIsRetried(t *testing.T) {
	b, h := started(t, hotels.New())
	defer b.Close()
	b.Log.Fail(log.NewError(log.Corrupt, "fetch", "for a while"))
	pos := b.Log.Append(h.Hotels(1)...)
	until(t, "in trouble", func() bool { return status(b).Err != "" })
	b.Log.Fail(nil)
	if err := b.Store.WaitFor(t.Context(), hotels.Name, pos); err != nil {
		t.Fatal(err)
	}
	until(t, "out of trouble", func() bool { return status(b).Err == "" })
}

func TestRunEndsWhenTheLogIsClosed(t *testing.T) {
	b, h := started(t, hotels.New())
	b.Log.Fail(log.NewError(log.Closed, "fetch", "closed"))
	b.Log.Append(h.Hotels(1)...)
	until(t, "stopped", func() bool { return status(b).State == projections.Stopped })
	if err := b.Stop(); log.CodeOf(err) != log.Closed {
		t.Errorf("Run returned %v", err)
	}
	if err := b.Store.Close(); err != nil {
		t.Error(err)
	}
}

func TestWaitFor(t *testing.T) {
	l := projectiontest.NewLog(2)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return hotels.New() })
	b.Opts.WaitMax = 10 * time.Millisecond
	b.Open()
	defer b.Store.Close()
	pos := l.Append(projectiontest.NewHistory(1, 1).Hotels(1)[:1]...)
	for _, c := range []struct {
		name       string
		projection string
		pos        log.Position
		want       log.Code
	}{
		{"nobody applies it", hotels.Name, pos, log.Unavailable},
		{"beyond the end", hotels.Name, log.Position{Topic: pos.Topic, Partition: pos.Partition, Offset: 1}, log.OffsetOutOfRange},
		{"unknown topic", hotels.Name, log.Position{Topic: "x"}, log.UnknownTopic},
		{"partition", hotels.Name, log.Position{Topic: pos.Topic, Partition: 2}, log.InvalidArgument},
		{"projection", "x", pos, log.InvalidArgument},
	} {
		if err := b.Store.WaitFor(t.Context(), c.projection, c.pos); log.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	b.Run()
	defer b.Stop()
	if err := b.Store.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := log.Position{Topic: event.BookingsTopic, Partition: 1, Offset: 7}
	if err := b.Store.WaitFor(t.Context(), hotels.Name, other); err != nil {
		t.Errorf("a topic that it does not read: %v", err)
	}
}

func TestQueriesBeforeTheFirstTablesAreRefused(t *testing.T) {
	b := projectiontest.NewBench(t, projectiontest.NewLog(2), func() projections.Projector { return hotels.New() })
	b.Open()
	defer b.Close()
	err := b.Store.View(t.Context(), hotels.Name, 0, func(*projections.Conn) error { return nil })
	if log.CodeOf(err) != log.Unavailable || status(b).State != projections.Building {
		t.Errorf("view: %v, state %s", err, status(b).State)
	}
}

func TestAnOldVersionStaysUntilItsReadersAreDone(t *testing.T) {
	b, _ := started(t, hotels.New())
	defer b.Close()
	old := filepath.Dir(b.Files()[0])
	count := func(c *projections.Conn) (n int64, err error) {
		err = c.Query(t.Context(), "SELECT count(*) FROM hotel", nil, func(r *projections.Row) error { n = r.Int(0); return nil })
		return n, err
	}
	err := b.Store.View(t.Context(), hotels.Name, 0, func(c *projections.Conn) error {
		before, err := count(c)
		if err != nil {
			return err
		}
		if err := b.Store.Rebuild(t.Context(), hotels.Name, nil); err != nil {
			return err
		}
		after, err := count(c)
		if after != before {
			t.Errorf("%d rows, then %d", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old version is still there: %v", err)
	}
}

func TestRebuildWithoutRun(t *testing.T) {
	b, h := started(t, hotels.New())
	b.Log.Append(h.Next(100)...)
	b.CatchUp()
	rows := b.Dump()
	b.Close()
	b.Open()
	result, err := b.Store.RebuildWith(t.Context(), hotels.Name, projections.RebuildOptions{Compare: true})
	if err != nil || result.Version != 2 || result.Comparison.Differences != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if !slices.Equal(rows, b.Dump()) {
		t.Error("rows differ")
	}
	b.Run()
	b.CatchUp()
	b.Close()
}

func TestCompareTellsDifferences(t *testing.T) {
	p := &wrapped{}
	b, _ := started(t, p)
	defer b.Close()
	tampered := int32(0)
	p.apply = nil
	q := &tampering{wrapped: p, once: &tampered}
	b2 := projectiontest.NewBench(t, b.Log, func() projections.Projector { return q })
	b2.Start()
	defer b2.Close()
	result, err := b2.Store.RebuildWith(t.Context(), hotels.Name, projections.RebuildOptions{Compare: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := result.Comparison; c.Differences == 0 || len(c.Examples) == 0 {
		t.Errorf("%+v", c)
	}
}

// tampering writes other rows at every call.
type tampering struct {
	*wrapped
	once *int32
}

func (p *tampering) Apply(tx *projections.Tx, events []projections.Event) error {
	if err := p.wrapped.Apply(tx, events); err != nil {
		return err
	}
	st, err := tx.Stmt("UPDATE hotel SET description = ?")
	if err != nil {
		return err
	}
	return st.Exec(int64(atomic.AddInt32(p.once, 1)))
}

func TestOpenRefusesNonsense(t *testing.T) {
	l := projectiontest.NewLog(2)
	for name, open := range map[string]func() (*projections.Store, error){
		"twice": func() (*projections.Store, error) {
			return projections.Open(t.TempDir(), l, []projections.Projector{hotels.New(), hotels.New()}, projections.Options{})
		},
		"partitions": func() (*projections.Store, error) {
			return projections.Open(t.TempDir(), l, nil, projections.Options{Partitions: -1})
		},
	} {
		if s, err := open(); err == nil {
			t.Errorf("%s: no error", name)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
