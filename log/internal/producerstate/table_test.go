package producerstate

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
)

// seq is shorthand for a sequence of producer 7.
func seq(epoch int16, sequence int32) log.ProducerSequence {
	return log.ProducerSequence{ID: 7, Epoch: epoch, Sequence: sequence}
}

// filled remembers six batches of ten records of producer 7 in epoch 2, at offsets 100, 110, ….
func filled() *Table {
	t := New(10)
	for i := range 6 {
		t.Record(seq(2, int32(10*i)), 10, log.Offset(100+10*i))
	}
	return t
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name  string
		table *Table
		s     log.ProducerSequence
		count int
		base  log.Offset // of a duplicate, or -1
		code  log.Code
	}{
		{"first batch", New(1), seq(0, 0), 1, -1, log.Unknown},
		{"first batch of a later epoch", New(1), seq(9, 0), 1, -1, log.Unknown},
		{"unknown producer begins late", New(1), seq(0, 1), 1, -1, log.OutOfOrderSequence},
		{"next", filled(), seq(2, 60), 3, -1, log.Unknown},
		{"newest again", filled(), seq(2, 50), 10, 150, log.Unknown},
		{"oldest remembered again", filled(), seq(2, 10), 10, 110, log.Unknown},
		{"older than remembered", filled(), seq(2, 0), 10, -1, log.DuplicateSequence},
		{"cut differently", filled(), seq(2, 50), 9, -1, log.DuplicateSequence},
		{"gap", filled(), seq(2, 61), 1, -1, log.OutOfOrderSequence},
		{"new epoch", filled(), seq(3, 0), 1, -1, log.Unknown},
		{"new epoch begins late", filled(), seq(3, 60), 1, -1, log.OutOfOrderSequence},
		{"old epoch", filled(), seq(1, 60), 1, -1, log.InvalidProducerEpoch},
		{"negative", filled(), seq(2, -1), 1, -1, log.InvalidArgument},
		{"negative id", filled(), log.ProducerSequence{ID: -1}, 1, -1, log.InvalidArgument},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, duplicate, err := test.table.Check(test.s, test.count)
			if log.CodeOf(err) != test.code || duplicate != (test.base >= 0) || duplicate && base != test.base {
				t.Fatalf("Check = %d, %t, %v; want base %d, code %v", base, duplicate, err, test.base, test.code)
			}
		})
	}
}

func TestSequencesWrapAfter31Bits(t *testing.T) {
	table := New(1)
	table.Record(seq(0, 0), 10, 0)
	table.Record(seq(0, math.MaxInt32-4), 10, 10) // its records are MaxInt32-4 … MaxInt32, 0 … 4
	if _, duplicate, err := table.Check(seq(0, 5), 1); duplicate || err != nil {
		t.Errorf("5 after the wrap: duplicate %t, %v", duplicate, err)
	}
	if base, duplicate, err := table.Check(seq(0, math.MaxInt32-4), 10); !duplicate || base != 10 || err != nil {
		t.Errorf("batch over the wrap again: %d, %t, %v", base, duplicate, err)
	}
	if _, _, err := table.Check(seq(0, 6), 1); log.CodeOf(err) != log.OutOfOrderSequence {
		t.Errorf("gap after the wrap: %v", err)
	}
	if _, _, err := table.Check(seq(0, math.MaxInt32), 1); log.CodeOf(err) != log.DuplicateSequence {
		t.Errorf("before the wrap: %v", err)
	}
}

func TestForgetsWhoAppendedLongestAgo(t *testing.T) {
	table := New(2)
	at := func(id int64) log.ProducerSequence { return log.ProducerSequence{ID: id} }
	table.Record(at(1), 1, 0)
	table.Record(at(2), 1, 1)
	table.Record(log.ProducerSequence{ID: 1, Sequence: 1}, 1, 2)
	table.Record(at(3), 1, 3)
	for id, known := range map[int64]bool{1: true, 2: false, 3: true} {
		if _, duplicate, _ := table.Check(at(id), 1); duplicate != known {
			t.Errorf("producer %d known: %t, want %t", id, duplicate, known)
		}
	}
	if table.Len() != 2 {
		t.Errorf("%d producers, want 2", table.Len())
	}
}

// TestEncodingRoundTrips asserts that a loaded table is the table, and that appending goes on alike in both.
func TestEncodingRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := New(rapid.IntRange(1, 6).Draw(t, "max"))
		step := func(tables ...*Table) {
			s := log.ProducerSequence{
				ID:       rapid.Int64Range(0, 9).Draw(t, "id"),
				Epoch:    int16(rapid.IntRange(0, 2).Draw(t, "epoch")),
				Sequence: rapid.Int32Range(0, math.MaxInt32).Draw(t, "sequence"),
			}
			count, base := rapid.IntRange(1, 1000).Draw(t, "count"), rapid.Int64Range(0, math.MaxInt64-1).Draw(t, "base")
			for _, table := range tables {
				table.Replay(s, count, log.Offset(base))
			}
		}
		for range rapid.IntRange(0, 30).Draw(t, "before") {
			step(table)
		}
		loaded := New(table.max)
		if err := loaded.Load(table.Append(nil)); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 10).Draw(t, "after") {
			step(table, loaded)
		}
		if a, b := string(table.Append(nil)), string(loaded.Append(nil)); a != b {
			t.Fatalf("tables differ:\n%x\n%x", a, b)
		}
	})
}

func TestLoadRefusesWhatItDidNotWrite(t *testing.T) {
	good := filled().Append(nil)
	for n := 1; n < len(good); n++ {
		table := filled()
		if err := table.Load(good[:n]); log.CodeOf(err) != log.Corrupt || table.Len() != 0 {
			t.Errorf("first %d bytes: %v, %d producers", n, err, table.Len())
		}
	}
	if err := New(1).Load([]byte{9}); log.CodeOf(err) != log.UnsupportedFormat {
		t.Errorf("version 9: %v", err)
	}
	if err := New(1).Load(append(good, 0)); log.CodeOf(err) != log.Corrupt {
		t.Errorf("a byte too many: %v", err)
	}
}

// FuzzLoad asserts that what is accepted is written again as an equal table, and that nothing panics.
func FuzzLoad(f *testing.F) {
	f.Add(filled().Append(nil))
	f.Add([]byte{version, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		table, again := New(100), New(100)
		if table.Load(b) != nil {
			return
		}
		first := table.Append(nil)
		if err := again.Load(first); err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if string(again.Append(nil)) != string(first) {
			t.Fatal("the round trip changed the table")
		}
	})
}
