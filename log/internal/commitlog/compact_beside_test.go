package commitlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// TestReadersDuringClean: readers, a writer, retention and searches by time go on while the log is compacted all the time.
func TestReadersDuringClean(t *testing.T) {
	opts := compactOptions(vfs.NewMem())
	opts.Config.SegmentBytes = 8 << 10
	l := mustOpen(t, opts)
	const keys, total = 20, 3000
	var done sync.WaitGroup
	stop := make(chan struct{})
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	for range 3 {
		done.Go(func() {
			for running() {
				readThrough(t, l, keys)
			}
		})
	}
	done.Go(func() {
		for running() {
			if _, err := l.OffsetForTime(testTime, l.NextOffset()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var passes atomic.Int64
	done.Go(func() {
		for running() {
			cleaned, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: l.NextOffset(), MapBytes: 24 * 15})
			if err != nil {
				t.Error(err)
				return
			}
			passes.Add(int64(cleaned.Passes))
		}
	})
	for i := 0; i < total || i < 100*total && passes.Load() < 10; i++ { // a busy machine may not let the compactor run for a while
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed(fmt.Sprint(i%keys), strings.Repeat("x", 100))}})
		if i%500 == 499 {
			if err := l.DeleteRecords(l.StartOffset() + 100); err != nil {
				t.Error(err)
			}
			if _, err := l.ApplyRetention(testTime, l.NextOffset()); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	done.Wait()
	if passes.Load() < 10 {
		t.Errorf("%d passes", passes.Load())
	}
}

// renames is a file system that has something done behind each renaming.
type renames struct {
	vfs.FS
	then func(from string)
}

func (r *renames) Rename(from, to string) error {
	err := r.FS.Rename(from, to)
	r.then(from)
	return err
}

// TestReadersOfReplacedSegments: who reads an old segment when its name is the new one's already reads the old one, also where its index has been forgotten.
func TestReadersOfReplacedSegments(t *testing.T) {
	fsys := &renames{FS: vfs.NewMem(), then: func(string) {}}
	opts := compactOptions(fsys)
	opts.Config.SegmentBytes = 8 << 10
	l := mustOpen(t, opts)
	const keys = 20
	for i := range 20 * keys {
		appendRecords(t, l, log.Batch{Records: []log.Record{keyed(fmt.Sprint(i%keys), strings.Repeat("x", 100))}})
	}
	swaps := 0
	fsys.then = func(from string) {
		if !strings.HasSuffix(from, cleanedSuffix) {
			return
		}
		swaps++
		for _, s := range *l.segments.Load() {
			s.mu.Lock()
			if s.index != nil && s != l.active {
				s.index = nil // as when many other segments were read
			}
			s.mu.Unlock()
		}
		readThrough(t, l, keys)
		if _, err := l.OffsetForTime(testTime, l.NextOffset()); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Clean(CleanOptions{Now: testTime, HighWatermark: l.NextOffset()}); err != nil {
		t.Fatal(err)
	}
	if swaps == 0 {
		t.Error("nothing was replaced")
	}
	readThrough(t, l, keys)
}

// readThrough reads the log once. Offsets ascend, and the last records of all keys are there in the end.
func readThrough(t *testing.T, l *Log, keys int) {
	from, end := l.StartOffset(), l.NextOffset()
	seen := map[string]bool{}
	for ; from < end; end = l.NextOffset() { // what was below an earlier end may have gone for something behind it
		b, err := l.Read(nil, from, end, 4000)
		if log.CodeOf(err) == log.OffsetOutOfRange && from < l.StartOffset() {
			from = l.StartOffset()
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		if len(b) == 0 { // nothing is left up to there
			from = end
			continue
		}
		for len(b) > 0 {
			h, rest, err := record.Next(b)
			if err != nil || h.NextOffset() <= from {
				t.Errorf("batch at %d, due is %d, %v", h.BaseOffset, from, err)
				return
			}
			records, err := record.Decode(nil, b, testTP, from)
			if err != nil {
				t.Error(err)
			}
			for _, r := range records {
				seen[string(r.Key)] = true
			}
			from, b = h.NextOffset(), rest
		}
	}
	if int(end) >= keys && len(seen) != keys {
		t.Errorf("%d of %d keys below %d", len(seen), keys, end)
	}
}

// TestKeyMap compares with a map, at sizes around the limit.
func TestKeyMap(t *testing.T) {
	for _, limit := range []int{1, 24, 24 * 10, 24 * 1000, 24 * 5000} {
		m := newKeyMap(limit)
		want := map[string]log.Offset{}
		rng := rand.New(rand.NewPCG(1, uint64(limit)))
		for i := range 5000 {
			key := fmt.Sprint(rng.IntN(2000))
			m.put([]byte(key), log.Offset(i))
			want[key] = log.Offset(i)
			if got := m.last([]byte(fmt.Sprint(i % 3000))); i%50 == 0 && got != orNone(want, fmt.Sprint(i%3000)) {
				t.Fatalf("limit %d, %d: %d", limit, i, got)
			}
		}
		if m.used != len(want) {
			t.Errorf("%d keys, want %d", m.used, len(want))
		}
		for key, o := range want {
			if m.last([]byte(key)) != o {
				t.Fatalf("limit %d: %s is at %d, want %d", limit, key, m.last([]byte(key)), o)
			}
		}
	}
}

func orNone(m map[string]log.Offset, key string) log.Offset {
	if o, ok := m[key]; ok {
		return o
	}
	return log.NoOffset
}
