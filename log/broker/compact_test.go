package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// compacted are the settings of a topic that is compacted whenever there is anything to.
var compacted = log.TopicConfig{Cleanup: log.CleanupCompact, DirtyRatio: 1e-9, SegmentBytes: 4 << 10, TombstoneAge: time.Hour}

func pair(key, value string) log.Record {
	r := log.Record{Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// pairs reads a partition as offset:key=value, asking for what follows Next.
func pairs(t testing.TB, b *Broker, tp log.TopicPartition, maxBytes int) string {
	t.Helper()
	start, end, err := b.Offsets(ctx, tp)
	var s []string
	for at := start; err == nil && at < end; {
		var found log.FetchResult
		found, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: at, MaxBytes: maxBytes})
		if err == nil && (found.Next <= at || len(found.Records) == 0 && found.Next != end) {
			t.Fatalf("at %d: %d records, next %d", at, len(found.Records), found.Next)
		}
		for _, r := range found.Records {
			s = append(s, fmt.Sprintf("%d:%s=%.8s", r.Offset, r.Key, r.Value))
		}
		at = found.Next
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(s, " ")
}

// compactNow compacts with a checkpoint before, so that all full segments count.
func compactNow(t testing.TB, b *Broker, now time.Time) {
	t.Helper()
	p, err := b.partition(tp0, "test")
	if err == nil {
		err = p.checkpoint()
	}
	if err == nil {
		_, err = p.compact(ctx, now)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRunCompacts lets Run do it: old values go, then the tombstone, and a fetch steps over what is left.
func TestRunCompacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, compacted)
		stop := running(t, b)
		large := strings.Repeat("x", 900)
		for range 8 {
			mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("a", large), pair("b", large)}})
		}
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("a", "")}})
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("c", large), pair("d", large), pair("e", "")}})
		time.Sleep(b.opts.CheckpointInterval + 2*b.opts.HousekeepingInterval)
		synctest.Wait()
		const kept = "15:b=xxxxxxxx 16:a= 17:c=xxxxxxxx 18:d=xxxxxxxx 19:e="
		for _, maxBytes := range []int{1, 1 << 20} {
			if got := pairs(t, b, tp0, maxBytes); got != kept {
				t.Errorf("%s", got)
			}
		}
		time.Sleep(b.opts.CheckpointInterval + compacted.TombstoneAge + 2*b.opts.HousekeepingInterval)
		synctest.Wait()
		if got := pairs(t, b, tp0, 1); strings.Contains(got, "a=") {
			t.Errorf("the tombstone is still there: %s", got)
		}
		stop()
		b.Close()
	})
}

// TestFetchBehindTheLastRecord: the end of a log may be empty. A fetch there says where to go on and waits for more.
func TestFetchBehindTheLastRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, compacted)
		for i := range 4 {
			batch := &log.Batch{Records: []log.Record{pair("a", strings.Repeat("x", 2500))}}
			if i == 3 {
				batch.Records[0].Value = nil
			}
			mustAppend(t, b, tp0, batch)
		}
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("b", strings.Repeat("x", 4000)), pair("b", "")}}) // a segment of its own
		p, _ := b.partition(tp0, "test")
		for _, age := range []time.Duration{0, 2 * time.Hour, 4 * time.Hour} {
			compactNow(t, b, time.Now().Add(8*24*time.Hour+age)) // the active segment is old enough
		}
		if n := p.log.Segments(); n < 2 {
			t.Errorf("%d segments", n)
		}
		found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: 0})
		if err != nil || len(found.Records) != 0 || found.Next != 6 {
			t.Fatalf("%d records, next %d, %v", len(found.Records), found.Next, err)
		}
		done := make(chan log.FetchResult, 1)
		go func() {
			found, _ := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: 1, MaxWait: time.Minute})
			done <- found
		}()
		synctest.Wait()
		if len(done) > 0 {
			t.Error("it did not wait")
		}
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("z", "new")}})
		if found := <-done; len(found.Records) != 1 || found.Records[0].Offset != 6 || found.Next != 7 {
			t.Errorf("%+v", found)
		}
		b.Close()
	})
}

// TestProducersAcrossCompaction: a retry is known, and the next batch goes on, after compaction, a restart, and without a checkpoint.
func TestProducersAcrossCompaction(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", compacted)
	batch := func(id int64, sequence int32) *log.Batch {
		return &log.Batch{Records: []log.Record{pair("k", strings.Repeat("x", 700)), pair("k", "y"), pair("k", "z")},
			Producer: &log.ProducerSequence{ID: id, Sequence: sequence}}
	}
	for i := range int32(20) {
		mustAppend(t, b, tp0, batch(int64(i%3), i/3*3))
	}
	for i := range 10 {
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair("k", strings.Repeat("end", 300+i))}})
	}
	check := func(b *Broker) {
		t.Helper()
		if n := strings.Count(pairs(t, b, tp0, 1<<20), "="); n > 8 {
			t.Errorf("%d records are left of one key", n)
		}
		for id, newest := range []log.Offset{54, 57, 51} {
			ticket, err := b.Enqueue(tp0, batch(int64(id), int32([]int{18, 18, 15}[id])))
			if err != nil || !ticket.Duplicate || ticket.Base != newest {
				t.Errorf("retry of producer %d: %+v, %v", id, ticket, err)
			}
			_, err = b.Enqueue(tp0, batch(int64(id), 60))
			wantCode(t, err, log.OutOfOrderSequence)
		}
	}
	compactNow(t, b, time.Now())
	check(b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, mem, Options{})
	check(b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Remove("dir/topics/t/0/checkpoint"); err != nil {
		t.Fatal(err)
	}
	b = open(t, mem, Options{})
	check(b)
	mustAppend(t, b, tp0, batch(1, 21))
}

func TestCompactedTopicWantsKeys(t *testing.T) {
	b := openTopic(t, Options{}, compacted)
	_, err := b.Append(ctx, tp0, batchOf("no key"))
	wantCode(t, err, log.InvalidArgument)
	mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{{Key: []byte{}, Value: []byte("empty key")}}})
}

func TestDeleteRecords(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{SegmentBytes: 4 << 10})
	for i := range 20 {
		mustAppend(t, b, tp0, batchOf(fmt.Sprint(i), strings.Repeat("x", 900)))
	}
	for _, bad := range []log.Offset{-1, 41} {
		wantCode(t, b.DeleteRecords(ctx, tp0, bad), log.OffsetOutOfRange)
	}
	wantCode(t, b.DeleteRecords(ctx, log.TopicPartition{Topic: "none"}, 0), log.UnknownTopic)
	if err := b.DeleteRecords(ctx, tp0, 21); err != nil {
		t.Fatal(err)
	}
	_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: 20})
	wantCode(t, err, log.OffsetOutOfRange)
	found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: 21})
	if err != nil || found.LogStart != 21 || found.Records[0].Offset != 21 {
		t.Errorf("%+v, %v", found, err)
	}
	p, _ := b.partition(tp0, "test")
	if err := p.checkpoint(); err != nil {
		t.Fatal(err)
	}
	before := p.info().Bytes
	b.retain(ctx)
	if info := p.info(); info.LogStart != 21 || info.Bytes > before/2+4096 {
		t.Errorf("%+v, %d bytes before", info, before)
	}
	crashed := open(t, mem.CrashClone(vfs.LoseAll), Options{})
	if start, end, err := crashed.Offsets(ctx, tp0); start != 21 || end != 40 || err != nil {
		t.Errorf("after a power loss: %d to %d, %v", start, end, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.DeleteRecords(ctx, tp0, 22), log.Closed)
}

// TestCloseEndsCompaction: neither Close nor DeleteTopic waits for a long compaction to end.
func TestCloseEndsCompaction(t *testing.T) {
	for _, how := range []string{"close", "delete topic", "context"} {
		t.Run(how, func(t *testing.T) {
			mem := vfs.NewMem()
			var b *Broker
			runCtx, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := make(chan error, 1)
			var once sync.Once
			end := func(op errorfs.Op) error { // the keys are read, the first segment is begun
				if op.Kind == errorfs.Create && strings.HasSuffix(op.Name, ".cleaned") {
					once.Do(func() {
						p, _ := b.partition(tp0, "test")
						switch how {
						case "close":
							go func() { ended <- b.Close() }()
						case "delete topic":
							go func() { ended <- b.DeleteTopic(ctx, "t") }()
						case "context":
							cancel()
							ended <- nil
						}
						for how != "context" && p.usable() { // until it has begun
							runtime.Gosched()
						}
					})
				}
				return nil
			}
			b = open(t, errorfs.Wrap(mem, mutations(end)), Options{})
			config := compacted
			config.SegmentBytes = 64 << 10
			create(t, b, "t", config)
			for i := range 4000 {
				mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair(fmt.Sprint(i%100), strings.Repeat("x", 200))}})
			}
			p, _ := b.partition(tp0, "test")
			if err := p.checkpoint(); err != nil {
				t.Fatal(err)
			}
			done, err := p.compact(runCtx, time.Now())
			if err != nil || done.Passes > 0 || done.Segments > 0 {
				t.Errorf("%+v, %v", done, err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// table is what a compacted topic must hold.
type table struct {
	mu    sync.Mutex
	last  map[string]string // acknowledged
	tried map[string]string // being appended
}

// TestCompactionSurvivesCrashes crashes at every operation of a workload of appends, compactions, deletions and retention beside each other.
func TestCompactionSurvivesCrashes(t *testing.T) {
	seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		mem := vfs.NewMem()
		state := &table{last: map[string]string{}, tried: map[string]string{}}
		var mu sync.Mutex // rng
		crash := func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if t.Failed() || rng.IntN(3) > 0 {
				return nil
			}
			state.mu.Lock()
			defer state.mu.Unlock()
			if err := state.check(mem.CrashClone(vfs.Randomly(rng))); err != nil {
				t.Errorf("crash at %v: %v", op, err)
			}
			return nil
		}
		b := open(t, errorfs.Wrap(mem, mutations(crash)), Options{CompactionBytes: 24 * 10})
		config := compacted
		config.Cleanup = log.CleanupCompactAndDelete
		create(t, b, "t", config)
		workRng := rand.New(rand.NewPCG(rng.Uint64(), 1))
		var beside sync.WaitGroup
		appended := make(chan struct{})
		beside.Go(func() {
			for done := false; !done; {
				select {
				case <-appended:
					done = true
				default:
				}
				b.checkpoint(ctx)
				b.compact(ctx)
				b.retain(ctx)
			}
		})
		for i := range 150 {
			state.append(t, b, workRng, i)
		}
		close(appended)
		beside.Wait()
		if n := strings.Count(pairs(t, b, tp0, 1<<20), "="); n > 60 {
			t.Errorf("%d of 300 records are left: nothing was tested", n)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := state.check(mem.CrashClone(vfs.LoseAll)); err != nil {
			t.Error(err)
		}
	})
}

// append appends one batch of an idempotent producer.
func (s *table) append(t *testing.T, b *Broker, rng *rand.Rand, i int) {
	key, value := fmt.Sprint("key", rng.IntN(12)), ""
	if rng.IntN(5) > 0 {
		value = fmt.Sprintf("%d %s", i, strings.Repeat("x", rng.IntN(500)))
	}
	s.mu.Lock()
	s.tried = map[string]string{key: value}
	s.mu.Unlock()
	mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{pair(key, "old"), pair(key, value)}, Producer: &log.ProducerSequence{ID: 5, Sequence: int32(2 * i)}})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[key], s.tried = value, nil
}

// check opens what a crash left: the last value of each key is there, and the producer can go on.
func (s *table) check(mem *vfs.MemFS) error {
	b, err := Open("dir", Options{FS: mem})
	if err != nil {
		return err
	}
	defer b.Close()
	if len(s.last) == 0 {
		return nil
	}
	got := map[string]string{}
	start, end, err := b.Offsets(ctx, tp0)
	next := start
	for at := start; err == nil && at < end; {
		var found log.FetchResult
		if found, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: at}); err != nil {
			return err
		}
		for _, r := range found.Records {
			if r.Offset < next {
				return fmt.Errorf("offset %d behind %d", r.Offset, next)
			}
			next = r.Offset + 1
			got[string(r.Key)] = string(r.Value)
		}
		at = found.Next
	}
	if err != nil {
		return err
	}
	for key, want := range s.last {
		tried, isTried := s.tried[key]
		if got[key] != want && (!isTried || got[key] != tried) {
			return fmt.Errorf("%s is %.10q, acknowledged was %.10q", key, got[key], want)
		}
	}
	sequence, _, err := b.LastAppend(tp0, 5)
	if err == nil && int(sequence.Sequence) != int(end) {
		err = fmt.Errorf("the producer goes on at %d, the log at %d", sequence.Sequence, end)
	}
	return err
}
