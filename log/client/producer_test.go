package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/internal/record"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

func newProducer(t *testing.T, lg client.ProducerLog, opts client.ProducerOptions) *client.Producer {
	t.Helper()
	p, err := client.NewProducer(lg, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func closeProducer(t *testing.T, p *client.Producer) {
	t.Helper()
	if err := p.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func send(t *testing.T, p *client.Producer, r log.Record) client.Future {
	t.Helper()
	f, err := p.Produce(t.Context(), r)
	if err != nil {
		t.Fatalf("produce: %v", err)
	}
	return f
}

func wantCode(t *testing.T, what string, err error, code log.Code) {
	t.Helper()
	if log.CodeOf(err) != code {
		t.Errorf("%s: error %v, want %v", what, err, code)
	}
}

// Over a real broker: keys go to their partition, each future tells where its record is, and what is
// there is what was sent, in order.
func TestProducerOverBroker(t *testing.T) {
	for _, compression := range []log.Compression{log.Uncompressed, log.LZ4, log.Zstd} {
		lg := logtest.Open(t, broker.Options{})
		tps := lg.Topic("bookings", 8)
		p := newProducer(t, lg, client.ProducerOptions{Compression: compression, BatchBytesMax: 2000})
		futures := make([]client.Future, 1000)
		for i := range futures {
			r := log.Record{Topic: "bookings", Key: fmt.Appendf(nil, "hotel-%d", i%20), Value: fmt.Appendf(nil, "%d", i), Headers: []log.Header{{Key: "ce_type", Value: []byte("placed")}}}
			futures[i] = send(t, p, r)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := map[log.Position]string{}
		for _, tp := range tps {
			for _, r := range lg.Records(tp) {
				found[r.Position()] = string(r.Value)
			}
		}
		checkFutures(t, futures, found)
		checkCompression(t, lg, tps, compression)
		closeProducer(t, p)
	}
}

func checkFutures(t *testing.T, futures []client.Future, found map[log.Position]string) {
	t.Helper()
	last := map[string]log.Offset{}
	for i, f := range futures {
		key := fmt.Sprintf("hotel-%d", i%20)
		at, err := f.Wait(t.Context())
		if err != nil || found[at] != fmt.Sprint(i) || at.Partition != log.PartitionForKey([]byte(key), 8) {
			t.Fatalf("record %d: at %v there is %q, error %v", i, at, found[at], err)
		}
		if before, ok := last[key]; ok && at.Offset <= before {
			t.Fatalf("record %d of %s at %d, the one before at %d", i, key, at.Offset, before)
		}
		last[key] = at.Offset
	}
	if len(found) != len(futures) {
		t.Errorf("%d records in the log, want %d", len(found), len(futures))
	}
}

func checkCompression(t *testing.T, lg *logtest.Log, tps []log.TopicPartition, want log.Compression) {
	t.Helper()
	for _, tp := range tps {
		raw, err := lg.ReadBatches(t.Context(), log.FetchRequest{TopicPartition: tp})
		if err != nil {
			t.Fatal(err)
		}
		for rest := raw.Bytes; len(rest) > 0; {
			h, behind, err := record.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			if _, idempotent := h.Producer(); !idempotent || h.Attributes.Compression() != want {
				t.Fatalf("batch %+v: want codec %d and a producer", h, want)
			}
			rest = behind
		}
	}
}

// A producer's ids are the broker's, and survive what the broker survives.
func TestProducersOverBrokerRestart(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("bookings", 1)[0]
	for i := range 3 {
		p := newProducer(t, lg, client.ProducerOptions{})
		for j := range 3 {
			if _, err := p.ProduceSync(t.Context(), rec("%d.%d", i, j)); err != nil {
				t.Fatal(err)
			}
		}
		closeProducer(t, p)
		lg.Restart()
	}
	var got []string
	for _, r := range lg.Records(tp) {
		got = append(got, string(r.Value))
	}
	if want := []string{"0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Records without a key stick to a partition as long as a batch fills, and go to all of them in the end.
func TestStickyPartitioner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(5)
		p := newProducer(t, lg, client.ProducerOptions{Linger: time.Second, BatchRecordsMax: 10})
		var partitions []log.Partition
		var futures []client.Future
		for i := range 2000 { // 200 batches: with 40, one of 5 partitions stays unused in one of 18,000 runs
			futures = append(futures, send(t, p, rec("%d", i)))
		}
		closeProducer(t, p)
		for i, f := range futures {
			at, err := f.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i%10 == 0 {
				partitions = append(partitions, at.Partition)
			} else if last := partitions[len(partitions)-1]; at.Partition != last {
				t.Fatalf("record %d went to %d, the batch before it to %d", i, at.Partition, last)
			}
		}
		used := map[log.Partition]bool{}
		for i, n := range partitions {
			used[n] = true
			if i > 0 && partitions[i-1] == n {
				t.Fatalf("batches %d and %d both went to %d", i-1, i, n)
			}
		}
		if len(used) != 5 {
			t.Errorf("%d of 5 partitions used by %d batches", len(used), len(partitions))
		}
	})
}

func TestPartitioners(t *testing.T) {
	lg := newFake(3)
	manual := newProducer(t, lg, client.ProducerOptions{Partitioner: client.Manual})
	defer closeProducer(t, manual)
	for n := range log.Partition(3) {
		r := rec("x")
		r.Partition = n
		if at, err := manual.ProduceSync(t.Context(), r); err != nil || at[0].Partition != n {
			t.Errorf("manual: at %v, error %v, want partition %d", at, err, n)
		}
	}
	r := rec("x")
	r.Partition = 3
	_, err := manual.Produce(t.Context(), r)
	wantCode(t, "partition 3 of 3", err, log.InvalidArgument)
	robin := newProducer(t, lg, client.ProducerOptions{Partitioner: client.InTurn()})
	defer closeProducer(t, robin)
	count := map[log.Partition]int{}
	for range 9 {
		at, err := robin.ProduceSync(t.Context(), log.Record{Topic: "bookings", Key: []byte("same")})
		if err != nil {
			t.Fatal(err)
		}
		count[at[0].Partition]++
	}
	if want := map[log.Partition]int{0: 3, 1: 3, 2: 3}; !reflect.DeepEqual(count, want) {
		t.Errorf("round robin: %v, want %v", count, want)
	}
}

// A batch is sent when its first record has waited for Linger, when it is full, and when somebody is in a hurry.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		p := newProducer(t, lg, client.ProducerOptions{Linger: 10 * time.Millisecond, BatchRecordsMax: 4})
		start := time.Now()
		send(t, p, rec("a"))
		time.Sleep(6 * time.Millisecond) // within synctest
		<-send(t, p, rec("b")).Done()
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("lingered for %v", took)
		}
		for range 4 {
			send(t, p, rec("c"))
		}
		f := send(t, p, rec("d"))
		synctest.Wait()
		if got := lg.batches(); !slices.Equal(got, []int{2, 4}) {
			t.Errorf("batches of %v records, want a full one at once", got)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		<-f.Done()
		if _, err := p.ProduceSync(t.Context(), rec("e"), rec("f")); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("flush or sync lingered until %v", took)
		}
		closeProducer(t, p)
		if got := strings.Join(lg.values(0), ""); got != "abccccdef" {
			t.Errorf("log has %s", got)
		}
	})
}

func TestBatchBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		p := newProducer(t, lg, client.ProducerOptions{Linger: time.Minute, BatchBytesMax: 1000})
		for _, size := range []int{400, 400, 400, 5000, 10, 10} {
			send(t, p, log.Record{Topic: "bookings", Value: make([]byte, size)})
		}
		closeProducer(t, p)
		if got := lg.batches(); !slices.Equal(got, []int{2, 1, 1, 2}) {
			t.Errorf("batches of %v records", got)
		}
	})
}

func TestProduceRefuses(t *testing.T) {
	lg := newFake(1)
	lg.config.RecordBytesMax = 100
	p := newProducer(t, lg, client.ProducerOptions{})
	_, err := p.Produce(t.Context(), log.Record{Topic: "nothing"})
	wantCode(t, "unknown topic", err, log.UnknownTopic)
	_, err = p.Produce(t.Context(), log.Record{Topic: "bookings", Value: make([]byte, 95)})
	wantCode(t, "large record", err, log.RecordTooLarge)
	if _, err = p.ProduceSync(t.Context(), log.Record{Topic: "bookings", Value: make([]byte, 90)}); err != nil {
		t.Errorf("small record: %v", err)
	}
	closeProducer(t, p)
	closeProducer(t, p)
	_, err = p.Produce(t.Context(), rec("late"))
	wantCode(t, "closed", err, log.Closed)
	for name, opts := range map[string]client.ProducerOptions{
		"acks": {Acks: new(log.Acks(7))}, "compression": {Compression: log.Gzip}, "linger": {Linger: -1}, "in flight": {BatchesInFlight: 6},
		"batch bytes": {BatchBytesMax: -1}, "batch records": {BatchRecordsMax: record.RecordsMax + 1}, "buffer": {BufferBytesMax: -1},
	} {
		_, err := client.NewProducer(lg, opts)
		wantCode(t, name, err, log.InvalidArgument)
	}
}

// With a full buffer Produce waits, its bytes never exceed the limit, and it goes on in order as room comes.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		open := make(chan struct{})
		lg.onWait = func(context.Context, log.TopicPartition) (bool, error) { <-open; return false, nil }
		p := newProducer(t, lg, client.ProducerOptions{BufferBytesMax: 10 * 1200, Linger: time.Hour})
		r := log.Record{Topic: "bookings", Value: make([]byte, 1000)} // weighs a little over 1,192
		taken := 0
		for ; ; taken++ {
			if _, err := p.TryProduce(t.Context(), r); err != nil {
				wantCode(t, "full", err, log.LimitReached)
				break
			}
		}
		if taken < 9 || taken > 10 {
			t.Errorf("%d records taken", taken)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Produce(ctx, r)
		wantCode(t, "timeout", err, log.LimitReached)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v does not tell its cause", err)
		}
		var done sync.WaitGroup
		done.Go(func() { // not lingering for an hour, as somebody waits for room
			if _, err := p.Produce(t.Context(), r); err != nil {
				t.Errorf("waiting for room: %v", err)
			}
		})
		synctest.Wait()
		close(open)
		done.Wait()
		closeProducer(t, p)
		if got := len(lg.values(0)); got != taken+1 {
			t.Errorf("%d records in the log, want %d", got, taken+1)
		}
	})
}

func TestCloseWhileWaitingForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		lg.onWait = func(ctx context.Context, _ log.TopicPartition) (bool, error) { <-ctx.Done(); return true, ctx.Err() }
		p := newProducer(t, lg, client.ProducerOptions{BufferBytesMax: 1})
		stuck := send(t, p, rec("a"))
		var done sync.WaitGroup
		done.Go(func() {
			_, err := p.Produce(t.Context(), rec("b"))
			wantCode(t, "waiting for room", err, log.Closed)
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		done.Wait()
		_, err := stuck.Wait(t.Context())
		wantCode(t, "given up", err, log.Closed)
	})
}

func TestAcksNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(1)
		lg.onWait = func(context.Context, log.TopicPartition) (bool, error) {
			t.Error("somebody waited")
			return false, nil
		}
		p := newProducer(t, lg, client.ProducerOptions{Acks: new(log.AcksNone)})
		at, err := p.ProduceSync(t.Context(), rec("a"), rec("b"))
		if err != nil || at[1].Offset != 1 {
			t.Errorf("at %v, error %v", at, err)
		}
		closeProducer(t, p)
	})
}

// One producer, through many power losses of its log: what was acknowledged is there once and in order, and the
// sequences that the log found again when it recovered are still the producer's.
func TestProducerSurvivesCrashes(t *testing.T) {
	rng := random(t)
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 2)
	p := newProducer(t, lg, client.ProducerOptions{Partitioner: client.Manual, BatchRecordsMax: 3})
	want := map[log.TopicPartition][]string{}
	for round := range 30 {
		var records []log.Record
		for i := range 1 + rng.IntN(10) {
			r := rec("%d.%d", round, i)
			r.Partition = log.Partition(rng.IntN(2))
			tp := tps[r.Partition]
			want[tp] = append(want[tp], string(r.Value))
			records = append(records, r)
		}
		if _, err := p.ProduceSync(t.Context(), records...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		lg.Crash(vfs.Randomly(rng))
	}
	closeProducer(t, p)
	for _, tp := range tps {
		if got := values(lg.Records(tp)); !slices.Equal(got, want[tp]) {
			t.Errorf("%v has %v, want %v", tp, got, want[tp])
		}
		epochs := map[int16]bool{}
		raw, err := lg.ReadBatches(t.Context(), log.FetchRequest{TopicPartition: tp})
		if err != nil {
			t.Fatal(err)
		}
		for rest := raw.Bytes; len(rest) > 0; {
			h, behind, err := record.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			epochs[h.ProducerEpoch], rest = true, behind
		}
		if len(epochs) != 1 {
			t.Errorf("%v: epochs %v: the log forgot the producer", tp, epochs)
		}
	}
}

// Without acknowledgements nobody waits, so the log's own queue fills: the producer then makes room
// itself, and nothing is lost or late.
func TestAcksNoneMakesRoom(t *testing.T) {
	lg, err := broker.Open("log", broker.Options{FS: vfs.NewMem(), GroupBytesMax: 4 << 10}) // nobody calls Run
	if err != nil {
		t.Fatal(err)
	}
	if err := lg.CreateTopic(t.Context(), "bookings", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p := newProducer(t, lg, client.ProducerOptions{Acks: new(log.AcksNone), BatchBytesMax: 3 << 10, RetryBackoff: time.Hour, RetryBackoffMax: time.Hour})
	var futures []client.Future
	for i := range 1000 {
		futures = append(futures, send(t, p, log.Record{Topic: "bookings", Value: fmt.Appendf(nil, "%0100d", i)}))
	}
	closeProducer(t, p)
	for i, f := range futures {
		if at, err := f.Wait(t.Context()); err != nil || at.Offset != log.Offset(i) {
			t.Fatalf("record %d: at %v, error %v", i, at, err)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := lg.Close(); err != nil {
		t.Fatal(err)
	}
}
