package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// tagBatch makes a batch of records whose tags and keys are drawn from rnd; few of them have the tag "rare".
func tagBatch(rnd *rand.Rand, n, valueMax int) *log.Batch {
	b := &log.Batch{Compression: []log.Compression{log.Uncompressed, log.Uncompressed, log.Zstd, log.LZ4}[rnd.IntN(4)]}
	for range n {
		r := log.Record{Value: bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(valueMax))}
		if rnd.IntN(5) > 0 {
			r.Key = fmt.Appendf(nil, "key-%d", rnd.IntN(3000))
		}
		tag := fmt.Sprintf("tag-%d", rnd.IntN(4))
		if rnd.IntN(500) == 0 {
			tag = "rare"
		}
		if rnd.IntN(6) > 0 {
			r.Headers = []log.Header{{Key: "id", Value: []byte("x")}, {Key: "ce_type", Value: []byte(tag)}}
		}
		b.Records = append(b.Records, r)
	}
	return b
}

// fetchAll fetches everything from start on, filtered or not, with limits of any size, and returns what f chooses. Every fetch gets ahead.
func fetchAll(t testing.TB, b *Broker, f *log.Filter, filtered bool, start log.Offset, maxBytes func() int) []log.Record {
	t.Helper()
	var all []log.Record
	req := log.FetchRequest{TopicPartition: tp0, Offset: start}
	if filtered {
		req.Filter = f
	}
	for {
		req.MaxBytes = maxBytes()
		got, err := b.Fetch(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Records {
			if r := &got.Records[i]; r.Offset < req.Offset || r.Offset >= got.Next {
				t.Fatalf("record %d of a fetch from %d to %d", r.Offset, req.Offset, got.Next)
			} else if f.Matches(r, "ce_type") {
				all = append(all, *r)
			} else if filtered {
				t.Fatalf("filter %v chose %+v", f, r)
			}
		}
		if got.Next >= got.HighWatermark {
			return all
		}
		if got.Next <= req.Offset {
			t.Fatalf("a fetch from %d of %d bytes goes on at %d", req.Offset, req.MaxBytes, got.Next)
		}
		req.Offset = got.Next
	}
}

func sameRecords(t testing.TB, what any, got, want []log.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%v: %d records, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if !g.Same(w) || g.Position() != w.Position() || g.Size != w.Size || g.CRC != w.CRC || g.Epoch != w.Epoch {
			t.Fatalf("%v: record %d is %+v, want %+v", what, i, g, w)
		}
	}
}

var testFilters = []*log.Filter{
	{Tags: []string{"rare"}},
	{Tags: []string{"tag-1", "rare", "nothing"}},
	{Tags: []string{"nothing"}},
	{Keys: [][]byte{[]byte("key-7"), []byte("key-2999")}},
	{Keys: [][]byte{[]byte("key-1"), []byte("key-2"), []byte("key-3")}, Tags: []string{"tag-2", "rare"}},
	{Keys: [][]byte{{}}},
}

// TestFilteredFetchIsFetchAndFilter appends anything, and compares a filtered fetch with an unfiltered one whose records are filtered here:
// with indexes of the writer, of files, of none, and of files that are damaged.
func TestFilteredFetchIsFetchAndFilter(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewMem()
		opts := Options{TagIndexBytesMax: []int64{0, 1, 4000}[seed%3]}
		b := open(t, fs, opts)
		create(t, b, "t", log.TopicConfig{SegmentBytes: []int64{8 << 10, 200 << 10, 64 << 20}[rnd.IntN(3)], Durability: log.None})
		limits := func() int { return []int{1, 5000, 100_000, 1 << 20, 0}[rnd.IntN(5)] }
		compare := func(what string) {
			for i, f := range testFilters {
				_, high, _ := b.Offsets(ctx, tp0)
				from := log.Offset(rnd.Int64N(int64(high)))
				sameRecords(t, fmt.Sprintf("seed %d, %s, filter %d, from %d", seed, what, i, from),
					fetchAll(t, b, f, true, from, limits), fetchAll(t, b, f, false, from, limits))
			}
		}
		for range 4 {
			for range 100 {
				mustAppend(t, b, tp0, tagBatch(rnd, 1+rnd.IntN(40), 1+rnd.IntN(600)))
			}
			compare("open")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, fs, opts)
		compare("closed and opened")
		crashed := fs.CrashClone(vfs.KeepAll)
		b.Close()
		fs = crashed
		b = open(t, fs, opts)
		mustAppend(t, b, tp0, tagBatch(rnd, 40, 10))
		compare("opened after a crash")
		for _, ruin := range []func(string){
			func(name string) { fs.Remove(name) },
			func(name string) { fs.Create(name) },
			func(name string) { overwrite(t, fs, name, 60, []byte{0xff, 0xfe}) },
			func(name string) { cut(t, fs, name) },
		} {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			names, _ := fs.List("dir/topics/t/0")
			for _, name := range names {
				if strings.HasSuffix(name, ".tagindex") && rnd.IntN(2) == 0 {
					ruin("dir/topics/t/0/" + name)
				}
			}
			b = open(t, fs, opts)
			compare("with ruined indexes")
		}
		b.Close()
	}
}

func overwrite(t testing.TB, fs vfs.FS, name string, at int64, b []byte) {
	t.Helper()
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func cut(t testing.TB, fs vfs.FS, name string) {
	t.Helper()
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	if err := f.Truncate(size - 5); err != nil {
		t.Fatal(err)
	}
}

// TestFilterFollowsItsTopicsTagHeader: tags are in the header that the topic names, also when that changes.
func TestFilterFollowsItsTopicsTagHeader(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{TagHeader: "kind"})
	for i := range 300 {
		mustAppend(t, b, tp0, &log.Batch{Records: []log.Record{{Value: make([]byte, 1000), Headers: []log.Header{
			{Key: "ce_type", Value: []byte("a")}, {Key: "kind", Value: fmt.Append(nil, i)},
		}}}})
	}
	count := func(tag string) int {
		got, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Filter: &log.Filter{Tags: []string{tag}}})
		if err != nil || got.Next != 300 {
			t.Fatalf("next %d, %v", got.Next, err)
		}
		return len(got.Records)
	}
	if n, m := count("217"), count("a"); n != 1 || m != 0 {
		t.Errorf("tags of kind: %d and %d records", n, m)
	}
	if err := b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.TagHeader = "ce_type" }); err != nil {
		t.Fatal(err)
	}
	if n, m := count("217"), count("a"); n != 0 || m != 300 {
		t.Errorf("tags of ce_type: %d and %d records", n, m)
	}
}

// TestMarksOfAnotherTagHeader: compressed batches that were appended while the topic's tags were elsewhere are found when they are back.
func TestMarksOfAnotherTagHeader(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	for i, header := range []string{"ce_type", "kind", "ce_type"} {
		if err := b.AlterTopic(ctx, "t", func(c *log.TopicConfig) { c.TagHeader = header }); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, b, tp0, &log.Batch{Compression: log.Zstd, Records: []log.Record{{Headers: []log.Header{
			{Key: "ce_type", Value: fmt.Append(nil, i)}, {Key: "kind", Value: []byte("x")},
		}}}})
	}
	got, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Filter: &log.Filter{Tags: []string{"1", "2"}}})
	if err != nil || len(got.Records) != 2 || got.Next != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFilteredFetchRefuses(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("0"))
	tags := make([]string, log.FilterTagsMax+1)
	keys := make([][]byte, log.FilterKeysMax+1)
	for name, f := range map[string]*log.Filter{
		"tags": {Tags: tags}, "keys": {Keys: keys}, "bytes": {Tags: []string{strings.Repeat("x", log.FilterBytesMax+1)}},
	} {
		_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Filter: f, MaxWait: time.Hour})
		if log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("too many %s: %v", name, err)
		}
	}
	f := &log.Filter{Tags: []string{"x"}}
	_, err := b.ReadBatches(ctx, log.FetchRequest{TopicPartition: tp0, Filter: f})
	wantCode(t, err, log.InvalidArgument)
	for _, offset := range []log.Offset{-1, 2} {
		_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, Offset: offset, Filter: f})
		wantCode(t, err, log.OffsetOutOfRange)
	}
	_, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "none"}, Filter: f})
	wantCode(t, err, log.UnknownTopic)
}

// TestFilteredLongPollWaitsForAMatch: appends without a match do not end it, the time does, and it tells how far it looked.
func TestFilteredLongPollWaitsForAMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{})
		defer b.Close()
		start := time.Now()
		go func() {
			for i := range 100 {
				time.Sleep(time.Second)
				mustAppend(t, b, tp0, keyed(fmt.Sprint(i)))
			}
		}()
		fetch := func(key string, wait time.Duration) log.FetchResult {
			got, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, MaxWait: wait, Filter: &log.Filter{Keys: [][]byte{[]byte(key)}}})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		got := fetch("49", time.Hour)
		if len(got.Records) != 1 || got.Records[0].Offset != 49 || time.Since(start) != 50*time.Second {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
		got = fetch("none", 10*time.Second+time.Millisecond)
		if len(got.Records) != 0 || got.Next != 60 || got.HighWatermark != 60 || time.Since(start) != 60*time.Second+time.Millisecond {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := b.Fetch(short, log.FetchRequest{TopicPartition: tp0, MaxWait: time.Hour, Filter: &log.Filter{Keys: [][]byte{nil}}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
	})
}

func keyed(key string) *log.Batch {
	return &log.Batch{Records: []log.Record{{Key: []byte(key), Value: []byte("v")}}}
}

func TestFilteredLongPollEndsWithTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTopic(t, Options{}, log.TopicConfig{})
		mustAppend(t, b, tp0, keyed("a"))
		result := make(chan error, 1)
		go func() {
			_, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, MaxWait: time.Hour, Filter: &log.Filter{Tags: []string{"x"}}})
			result <- err
		}()
		synctest.Wait()
		b.Close()
		wantCode(t, <-result, log.Closed)
	})
}

// TestFilteredFetchReadsAtMostMaxBytes: it ends there without a match, and the next one goes on behind.
func TestFilteredFetchReadsAtMostMaxBytes(t *testing.T) {
	fs, read := counted(vfs.NewMem())
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{})
	for range 1000 {
		mustAppend(t, b, tp0, batchOf(string(make([]byte, 1000)))) // neither key nor tag: the index says so
	}
	f := &log.Filter{Tags: []string{"x"}}
	fetch := func(b *Broker, from log.Offset) log.FetchResult {
		req := log.FetchRequest{TopicPartition: tp0, Offset: from, MaxBytes: 100_000, Filter: f}
		if from < 500 {
			req.MaxWait = time.Hour // it ends with the bytes
		}
		got, err := b.Fetch(ctx, req)
		if err != nil || len(got.Records) > 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got
	}
	got, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp0, MaxBytes: 1, Filter: f})
	if err != nil || got.Next != 1000 || read.Load() > 0 {
		t.Errorf("%+v, %v, %d bytes read", got, err, read.Load())
	}
	b = open(t, fs.(interface{ crash() vfs.FS }).crash(), Options{}) // no index now: it is made on the way
	for fetches, from := 1, log.Offset(0); from < 1000; fetches++ {
		before := read.Load()
		got := fetch(b, from)
		if n := read.Load() - before; n > 110_000 || got.Next <= from || fetches > 15 {
			t.Fatalf("fetch %d from %d read %d bytes and goes on at %d", fetches, from, n, got.Next)
		}
		if from = got.Next; from == 1000 {
			break
		}
	}
}

// countingFS counts the bytes that are read from segments and their indexes.
type countingFS struct {
	vfs.FS
	mem  *vfs.MemFS
	read *atomic.Int64
}

func (c countingFS) crash() vfs.FS {
	fs, _ := countedBy(c.mem.CrashClone(vfs.KeepAll), c.read)
	return fs
}

func counted(mem *vfs.MemFS) (vfs.FS, *atomic.Int64) { return countedBy(mem, new(atomic.Int64)) }

func countedBy(mem *vfs.MemFS, read *atomic.Int64) (vfs.FS, *atomic.Int64) {
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.ReadAt {
			read.Add(int64(op.Bytes))
		}
		return nil
	}))
	return countingFS{FS: fs, mem: mem, read: read}, read
}

// TestSparseSubscriptionReadsLittle: who wants one record in 10,000 reads less than a tenth of the bytes that all take, from the files'
// indexes and from the writer's, after a clean stop, by tag and by key.
func TestSparseSubscriptionReadsLittle(t *testing.T) {
	fs, read := counted(vfs.NewMem())
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{Durability: log.None, SegmentBytes: 4 << 20})
	const records, every = 120_000, 10_000
	rnd := rand.New(rand.NewPCG(1, 2))
	special := map[int]bool{}
	for n := range records / every {
		special[n*every+rnd.IntN(every)] = true
	}
	for i := 0; i < records; {
		batch := &log.Batch{}
		for range 20 {
			r := log.Record{Key: fmt.Appendf(nil, "hotel-%d", i), Value: make([]byte, 60), Headers: []log.Header{{Key: "ce_type", Value: []byte("often")}}}
			if special[i] {
				r.Key, r.Headers[0].Value = []byte("the one"), []byte("seldom")
			}
			batch.Records = append(batch.Records, r)
			i++
		}
		mustAppend(t, b, tp0, batch)
	}
	limit := func() int { return 256 << 10 }
	measure := func(f *log.Filter, filtered bool) (n int64) {
		before := read.Load()
		if got := fetchAll(t, b, f, filtered, 0, limit); len(got) != records/every {
			t.Fatalf("found %d records", len(got))
		}
		return read.Load() - before
	}
	byTag, byKey := &log.Filter{Tags: []string{"seldom"}}, &log.Filter{Keys: [][]byte{[]byte("the one")}}
	for _, what := range []string{"as written", "opened again"} {
		all, tag, key := measure(byTag, false), measure(byTag, true), measure(byKey, true)
		t.Logf("%s: unfiltered %d bytes, by tag %d (%.2f %%), by key %d (%.2f %%)", what, all, tag, 100*float64(tag)/float64(all), key, 100*float64(key)/float64(all))
		if tag > all/10 || key > all/10 {
			t.Errorf("%s: unfiltered %d bytes, by tag %d, by key %d", what, all, tag, key)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, fs, Options{})
	}
	b.Close()
}
