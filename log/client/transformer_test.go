package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/client"
	"lodge/log/logtest"
)

func transformerOptions() client.TransformerOptions {
	return client.TransformerOptions{Group: "x", Topics: []log.Topic{"t"}, Targets: []log.Topic{"out"}, SessionTimeout: 6 * time.Second}
}

func copyTo(topic log.Topic) client.Transform {
	return func(_ context.Context, records []log.Record) (out []log.Record, err error) {
		for _, r := range records {
			out = append(out, log.Record{Topic: topic, Key: r.Key, Value: r.Value})
		}
		return out, nil
	}
}

// runTransformer runs one for so long, or until it fails.
func runTransformer(t *testing.T, lg client.TransformerLog, d time.Duration, opts client.TransformerOptions, f client.Transform) error {
	t.Helper()
	x, err := client.NewTransformer(lg, opts, f)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return x.Run(ctx)
}

func TestTransformerRefuses(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		for name, change := range map[string]func(*client.TransformerOptions){
			"no topics":   func(o *client.TransformerOptions) { o.Topics = nil },
			"no targets":  func(o *client.TransformerOptions) { o.Targets = nil },
			"targets":     func(o *client.TransformerOptions) { o.Targets = make([]log.Topic, client.TargetsMax+1) },
			"range":       func(o *client.TransformerOptions) { o.RangeRecordsMax = 10_001 },
			"batch":       func(o *client.TransformerOptions) { o.BatchBytesMax = -1 },
			"compression": func(o *client.TransformerOptions) { o.Compression = log.Gzip },
			"heartbeat":   func(o *client.TransformerOptions) { o.HeartbeatInterval = time.Minute },
		} {
			opts := transformerOptions()
			change(&opts)
			if len(opts.Targets) > client.TargetsMax {
				for i := range opts.Targets {
					opts.Targets[i] = "out"
				}
			}
			_, err := client.NewTransformer(lg, opts, copyTo("out"))
			wantCode(t, name, err, log.InvalidArgument)
		}
		_, err := client.NewTransformer(lg, transformerOptions(), nil)
		wantCode(t, "no function", err, log.InvalidArgument)
		put(t, lg, 0, "a")
		wantCode(t, "no such target", runTransformer(t, lg, time.Minute, transformerOptions(), copyTo("out")), log.UnknownTopic)
		lg.Topic("out", 1)
		wantCode(t, "another target", runTransformer(t, lg, time.Minute, transformerOptions(), copyTo("elsewhere")), log.InvalidArgument)
		broken := errors.New("cannot read it")
		err = runTransformer(t, lg, time.Minute, transformerOptions(), func(context.Context, []log.Record) ([]log.Record, error) { return nil, broken })
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "t/0, offsets 0 to 1") {
			t.Errorf("function fails: %v", err)
		}
		if err := runTransformer(t, lg, time.Minute, transformerOptions(), copyTo("out")); err != nil {
			t.Error(err)
		}
		if got := lg.Records(log.TopicPartition{Topic: "out"}); len(got) != 1 {
			t.Errorf("output %v", values(got))
		}
		lg.TopicWith("compacted", log.TopicConfig{Cleanup: log.CleanupCompact})
		opts := transformerOptions()
		opts.Topics = []log.Topic{"compacted"}
		wantCode(t, "compacted", runTransformer(t, lg, time.Minute, opts, copyTo("out")), log.InvalidArgument)
	})
}

// A function that makes another output the second time is found out where the log can tell.
func TestTransformerFindsOutChance(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		lg.Topic("out", 1)
		put(t, lg, 0, "a")
		put(t, lg, 0, "b")
		calls := 0
		f := func(_ context.Context, records []log.Record) (out []log.Record, err error) {
			calls++
			for range calls {
				out = append(out, log.Record{Topic: "out", Value: records[0].Value})
			}
			return out, nil
		}
		for steps := range 6 { // at some of these the intent is committed, at another the output is written and not committed
			runTransformer(t, newMortal(lg, 5-steps, true), 20*time.Second, transformerOptions(), f)
		}
		found, err := lg.FetchOffsets(t.Context(), "x", nil)
		if n := len(lg.Records(log.TopicPartition{Topic: "out"})); n == 0 || err != nil || found[tpOf(0)].Offset != 0 {
			t.Fatalf("%d records of output, %v, error %v: it did not die where it was to", n, found, err)
		}
		wantCode(t, "second call", runTransformer(t, lg, time.Minute, transformerOptions(), f), log.InvalidArgument)
	})
}

// An input topic that is deleted while its records are worked on, and made anew at once, is read from its beginning.
func TestTransformerInputIsMadeAnew(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		lg.Topic("out", 1)
		put(t, lg, 0, "a")
		var once sync.Once
		var again sync.WaitGroup
		f := func(ctx context.Context, records []log.Record) ([]log.Record, error) {
			once.Do(func() {
				if err := lg.DeleteTopic(ctx, "t"); err != nil {
					t.Error(err)
				}
				again.Go(func() {
					time.Sleep(beat / 6) // before the group finds out
					lg.Topic("t", 1)
					put(t, lg, 0, "b")
					put(t, lg, 0, "c")
				})
			})
			return copyTo("out")(ctx, records)
		}
		if err := runTransformer(t, lg, time.Minute, transformerOptions(), f); err != nil {
			t.Error(err)
		}
		again.Wait()
		if got := strings.Join(values(lg.Records(log.TopicPartition{Topic: "out"})), " "); got != "a b c" {
			t.Errorf("output %s", got)
		}
	})
}

// An input topic that is deleted is no error, and what is left goes on.
func TestTransformerInputIsDeleted(t *testing.T) {
	bubble(t, 2, func(t *testing.T, lg *logtest.Log) {
		lg.Topic("out", 1)
		other := lg.Topic("u", 1)[0]
		opts := transformerOptions()
		opts.Topics = []log.Topic{"t", "u"}
		var work sync.WaitGroup
		work.Go(func() {
			if err := runTransformer(t, lg, time.Minute, opts, copyTo("out")); err != nil {
				t.Error(err)
			}
		})
		put(t, lg, 0, "a")
		time.Sleep(10 * time.Second) // within synctest
		put(t, lg, 1, "b")
		if err := lg.DeleteTopic(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		if _, err := lg.Append(t.Context(), other, &log.Batch{Records: []log.Record{{Value: []byte("c")}}}); err != nil {
			t.Fatal(err)
		}
		work.Wait()
		got := values(lg.Records(log.TopicPartition{Topic: "out"}))
		if n := len(got); n < 2 || got[0] != "a" || got[n-1] != "c" {
			t.Errorf("output %v", got)
		}
	})
}

// The group's commits are not the Transformer's.
func TestTransformerReadsIntents(t *testing.T) {
	bubble(t, 1, func(t *testing.T, lg *logtest.Log) {
		lg.Topic("out", 1)
		for i := range 3 {
			put(t, lg, 0, fmt.Sprint(i))
		}
		commit := func(at log.Offset, metadata string) {
			req := log.CommitRequest{Group: "x", Generation: log.NoGeneration, Offsets: map[log.TopicPartition]log.CommittedOffset{tpOf(0): {Offset: at, Metadata: metadata}}}
			if err := lg.CommitOffsets(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		for metadata, code := range map[string]log.Code{
			"by hand": log.InvalidArgument, `{"v":2}`: log.UnsupportedFormat,
			`{"v":1,"end":3,"routes":[{"topic":"out","layouts":[{"n":0,"active":"3-1"}]}]}`: log.InvalidArgument,
		} {
			commit(0, metadata)
			wantCode(t, metadata, runTransformer(t, lg, time.Minute, transformerOptions(), copyTo("out")), code)
		}
		commit(2, "") // an administrator's
		if err := runTransformer(t, lg, time.Minute, transformerOptions(), copyTo("out")); err != nil {
			t.Error(err)
		}
		if got := values(lg.Records(log.TopicPartition{Topic: "out"})); len(got) != 1 || got[0] != "2" {
			t.Errorf("output %v", got)
		}
	})
}

// A member that sleeps at any moment until another has its partition, and then goes on as if nothing had been, changes nothing.
func TestTransformerZombies(t *testing.T) {
	for steps := range 45 {
		synctest.Test(t, func(t *testing.T) {
			lg := openBubble(t)
			sleeper := &sleepy{mortal: newMortal(lg, -2, false), steps: steps}
			var work sync.WaitGroup
			for _, m := range []client.TransformerLog{sleeper, newMortal(lg, -2, false)} {
				work.Go(func() {
					opts := transformerOptions()
					opts.RangeRecordsMax, opts.BatchBytesMax = 2, 1
					if err := runTransformer(t, m, 35*time.Second, opts, copyTo("out")); err != nil {
						t.Errorf("step %d: %v", steps, err)
					}
				})
				time.Sleep(100 * time.Millisecond) // within synctest
			}
			work.Wait()
			got := lg.Records(log.TopicPartition{Topic: "out"})
			if len(got) != 9 {
				t.Errorf("asleep at step %d: output %v", steps, values(got))
			}
		})
	}
}

func openBubble(t *testing.T) *logtest.Log {
	t.Helper()
	lg := newLogWith(t, 1)
	lg.Topic("out", 1)
	for i := range 9 {
		put(t, lg, 0, fmt.Sprint(i))
	}
	return lg
}

// sleepy is a log seen by a process that is stopped at one step, for longer than its session.
type sleepy struct {
	*mortal
	mu    sync.Mutex
	steps int
	until time.Time
}

// nap has everything of this process wait once it is stopped.
func (s *sleepy) nap() {
	s.mu.Lock()
	if s.steps--; s.steps == -1 {
		s.until = time.Now().Add(20 * time.Second)
	}
	wait := time.Until(s.until)
	s.mu.Unlock()
	time.Sleep(max(0, wait)) // within synctest
}

func (s *sleepy) Enqueue(tp log.TopicPartition, b *log.Batch) (log.Ticket, error) {
	s.nap()
	return s.mortal.Enqueue(tp, b)
}

func (s *sleepy) CommitOffsets(ctx context.Context, req log.CommitRequest) error {
	s.nap()
	return s.mortal.CommitOffsets(ctx, req)
}

func (s *sleepy) Heartbeat(ctx context.Context, req log.HeartbeatRequest) error {
	s.nap()
	return s.mortal.Heartbeat(ctx, req)
}

func (s *sleepy) FetchOffsets(ctx context.Context, g log.Group, tps []log.TopicPartition) (map[log.TopicPartition]log.CommittedOffset, error) {
	s.nap()
	return s.mortal.FetchOffsets(ctx, g, tps)
}

// What is written as an intent's partitions is read back.
func TestRuns(t *testing.T) {
	rng := random(t)
	for range 200 {
		var ps []log.Partition
		for p := range log.Partition(40) {
			if rng.IntN(3) > 0 {
				ps = append(ps, p)
			}
		}
		if len(ps) == 0 {
			continue
		}
		back, err := client.ParseRuns(client.FormatRuns(ps))
		if err != nil || fmt.Sprint(back) != fmt.Sprint(ps) {
			t.Fatalf("%v became %q and %v, error %v", ps, client.FormatRuns(ps), back, err)
		}
	}
	for _, s := range []string{"", "a", "1-", "-1", "2-1", "0-4000000000", "0-1023,0-1023,0-1023", "3,1"} {
		if _, err := client.ParseRuns(s); log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("%q: %v", s, err)
		}
	}
}
