package commitlog

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// TestFilteredReadersBesideTheWriter reads with filters while the writer appends and segments are removed: what a reader
// gets is in order and complete as far as a reader of all sees it.
func TestFilteredReadersBesideTheWriter(t *testing.T) {
	opts := tagOptions(vfs.NewMem())
	opts.Config.RetentionBytes = 1 << 20
	opts.Tags = NewTagCache(20_000)
	l := mustOpen(t, opts)
	var done atomic.Bool
	var group sync.WaitGroup
	for i := range tagFilters {
		group.Go(func() { followMatching(t, l, tagFilters[i], &done) })
	}
	group.Go(func() {
		for !done.Load() {
			if _, err := l.ApplyRetention(testTime, l.NextOffset()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	rnd := rand.New(rand.NewPCG(2, 2))
	for i := range 1500 {
		appendTagged(t, l, rnd, 1, rnd.IntN(500))
		if i%100 == 0 {
			mustCheckpoint(t, l)
		}
	}
	done.Store(true)
	group.Wait()
	checkChosen(t, l, rnd, "afterwards")
}

// followMatching reads along with a filter until the writer is done, and compares what it gets with an unfiltered read of the same offsets.
func followMatching(t *testing.T, l *Log, f *log.Filter, done *atomic.Bool) {
	m := record.NewMatcher(f, tagName)
	at := log.Offset(0)
	var dst []byte
	for !done.Load() {
		below := l.NextOffset()
		found, err := l.ReadMatching(dst, at, below, 100_000, m)
		if log.CodeOf(err) == log.OffsetOutOfRange && at < l.StartOffset() {
			at = l.StartOffset()
			continue
		}
		if err != nil || at < below && found.Next <= at || found.Next > below {
			t.Errorf("from %d to %d below %d: %v", at, found.Next, below, err)
			return
		}
		dst = found.Batches
		got := matchingOffsets(t, found.Batches, at, f)
		all, err := readUpTo(l, at, found.Next)
		if err == nil {
			if want := matchingOffsets(t, all, at, f); !slices.Equal(got, want) {
				t.Errorf("from %d to %d: %v, want %v", at, found.Next, got, want)
				return
			}
		} else if log.CodeOf(err) != log.OffsetOutOfRange {
			t.Error(err)
		}
		at = found.Next
	}
}

func readUpTo(l *Log, from, below log.Offset) (all []byte, err error) {
	for from < below {
		b, err := l.Read(nil, from, below, 1<<20)
		if err != nil || len(b) == 0 {
			return all, err
		}
		all = append(all, b...)
		for len(b) > 0 {
			h, _ := record.ParseHeader(b)
			from, b = h.NextOffset(), b[h.Size():]
		}
	}
	return all, nil
}

func matchingOffsets(t *testing.T, batches []byte, from log.Offset, f *log.Filter) (offsets []log.Offset) {
	for len(batches) > 0 {
		h, rest, err := record.Next(batches)
		if err != nil {
			t.Error(err)
			return nil
		}
		records, err := record.Decode(nil, batches, testTP, from)
		if err != nil {
			t.Error(h.BaseOffset, err)
		}
		for i := range records {
			if f.Matches(&records[i], tagName) {
				offsets = append(offsets, records[i].Offset)
			}
		}
		batches = rest
	}
	return offsets
}

// TestExpectedMarksAreForgotten writes batches that no index takes in: their marks go all the same.
func TestExpectedMarksAreForgotten(t *testing.T) {
	l := mustOpen(t, tagOptions(vfs.NewMem()))
	l.opts.Tags.drop(l.active)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l.ExpectMarks(l.NextOffset(), tagName, make([]uint32, 10))
		if err := l.Append(tagBatch(t, rnd, l.NextOffset(), 1, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.expected.queue); n > 0 {
		t.Errorf("the marks of %d batches are kept", n)
	}
}
