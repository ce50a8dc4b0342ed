package broker

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/logtest/leaktest"
	"lodge/log/vfs"
)

var (
	seedFlag = flag.Uint64("seed", 0, "replay the random tests with this seed; 0: a few fixed ones")
	longFlag = flag.Int("long", 1, "how many times as many random runs as usual")
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

var ctx = context.Background()

// tp0 is the only partition of the topic that most tests use.
var tp0 = log.TopicPartition{Topic: "t"}

// open opens a broker on fs that is closed at the test's end.
func open(t testing.TB, fs vfs.FS, opts Options) *Broker {
	t.Helper()
	opts.FS = fs
	b, err := Open("dir", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// openTopic opens a broker in memory with the topic "t".
func openTopic(t testing.TB, opts Options, config log.TopicConfig) *Broker {
	t.Helper()
	b := open(t, vfs.NewMem(), opts)
	create(t, b, "t", config)
	return b
}

func create(t testing.TB, b *Broker, name log.Topic, config log.TopicConfig) {
	t.Helper()
	if err := b.CreateTopic(ctx, name, config); err != nil {
		t.Fatal(err)
	}
}

// batchOf returns a batch of records with these values.
func batchOf(values ...string) *log.Batch {
	b := &log.Batch{}
	for _, v := range values {
		b.Records = append(b.Records, log.Record{Value: []byte(v)})
	}
	return b
}

func mustAppend(t testing.TB, b *Broker, tp log.TopicPartition, batch *log.Batch) log.Offset {
	t.Helper()
	offset, err := b.Append(ctx, tp, batch)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

func mustEnqueue(t testing.TB, b *Broker, tp log.TopicPartition, batch *log.Batch) log.Ticket {
	t.Helper()
	ticket, err := b.Enqueue(tp, batch)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// values returns all committed values of a partition, with commas between.
func values(t testing.TB, b *Broker, tp log.TopicPartition) string {
	t.Helper()
	records, err := readAll(b, tp)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = string(r.Value)
	}
	return strings.Join(all, ",")
}

// readAll fetches all that is committed, once in small fetches to check that offsets have no gaps, and
// once in large ones.
func readAll(b *Broker, tp log.TopicPartition) ([]log.Record, error) {
	start, end, err := b.Offsets(ctx, tp)
	if err != nil {
		return nil, err
	}
	small, err := readRange(b, tp, start, end, 1000)
	if err != nil {
		return nil, err
	}
	large, err := readRange(b, tp, start, end, 64<<20)
	if err == nil && len(large) != len(small) {
		err = fmt.Errorf("%d records in small fetches, %d in large ones", len(small), len(large))
	}
	return large, err
}

func readRange(b *Broker, tp log.TopicPartition, at, end log.Offset, maxBytes int) (all []log.Record, err error) {
	for at < end {
		found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: at, MaxBytes: maxBytes})
		if err != nil {
			return nil, err
		}
		for _, r := range found.Records {
			if r.Offset != at || r.Topic != tp.Topic || r.Partition != tp.Partition {
				return nil, fmt.Errorf("found %v where offset %d was due", r.Position(), at)
			}
			at++
		}
		if found.Next != at || len(found.Records) == 0 {
			return nil, fmt.Errorf("next is %d at %d with %d records", found.Next, at, len(found.Records))
		}
		all = append(all, found.Records...)
	}
	return all, nil
}

func wantCode(t testing.TB, err error, code log.Code) {
	t.Helper()
	if err == nil || log.CodeOf(err) != code {
		t.Fatalf("error %v, want code %v", err, code)
	}
}

func TestAppendFetchReopen(t *testing.T) {
	for _, durability := range []log.Durability{log.Sync, log.Interval, log.None} {
		t.Run(string(durability), func(t *testing.T) {
			dir := filepath.ToSlash(t.TempDir())
			b, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			create(t, b, "t", log.TopicConfig{Durability: durability, SegmentBytes: 4096})
			var want []string
			for i := range 200 {
				want = append(want, fmt.Sprint(i))
				if offset := mustAppend(t, b, tp0, batchOf(want[i])); offset != log.Offset(i) {
					t.Fatalf("offset %d, want %d", offset, i)
				}
			}
			for range 2 {
				if got := values(t, b, tp0); got != strings.Join(want, ",") {
					t.Fatalf("found %s", got)
				}
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				if b, err = Open(dir, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			b.Close()
		})
	}
}

func TestSecondBrokerIsRefused(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	wantCode(t, err, log.Locked)
	if pid := fmt.Sprintf("process %d", pid()); !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), pid) {
		t.Errorf("%v does not name %s and %s", err, dir, pid)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	b.Close()
}

func TestClosedBrokerAnswersClosed(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	ticket := mustEnqueue(t, b, tp0, batchOf("enqueued"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(ctx); err != nil {
		t.Errorf("Close did not commit what was enqueued: %v", err)
	}
	_, err := b.Append(ctx, tp0, batchOf("x"))
	wantCode(t, err, log.Closed)
	_, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0})
	wantCode(t, err, log.Closed)
	_, _, err = b.Offsets(ctx, tp0)
	wantCode(t, err, log.Closed)
	wantCode(t, b.CreateTopic(ctx, "u", log.TopicConfig{}), log.Closed)
	wantCode(t, b.DeleteTopic(ctx, "t"), log.Closed)
	_, err = b.AllocateProducerID(ctx)
	wantCode(t, err, log.Closed)
	if err := b.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, opts := range []Options{
		{Profile: "fast"}, {GroupBytesMax: -1}, {BatchBytesMax: 1 << 30}, {FlushInterval: -1},
		{ProducersMax: -1}, {CompanyWait: time.Hour},
	} {
		opts.FS = vfs.NewMem()
		_, err := Open("dir", opts)
		wantCode(t, err, log.InvalidArgument)
	}
}

func TestProducerIDsAndEpochsNeverComeAgain(t *testing.T) {
	fs := vfs.NewMem()
	seen := map[int64]bool{}
	var epoch log.LeaderEpoch
	for opening := range 3 {
		b := open(t, fs, Options{})
		if opening == 0 {
			create(t, b, "t", log.TopicConfig{})
		}
		info, err := b.DescribeTopic(ctx, "t")
		if err != nil || opening > 0 && info.Partitions[0].LeaderEpoch <= epoch {
			t.Fatalf("epoch %d after %d, %v", info.Partitions[0].LeaderEpoch, epoch, err)
		}
		epoch = info.Partitions[0].LeaderEpoch
		for range producerIDsReserved + 1 {
			id, err := b.AllocateProducerID(ctx)
			if err != nil || seen[id] {
				t.Fatalf("id %d again, %v", id, err)
			}
			seen[id] = true
		}
		fs = fs.CrashClone(vfs.LoseAll)
	}
}

func TestLostIdentityIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	b.Close()
	if err := fs.Remove("dir/" + identityFile); err != nil {
		t.Fatal(err)
	}
	_, err := Open("dir", Options{FS: fs})
	wantCode(t, err, log.Corrupt)
}
