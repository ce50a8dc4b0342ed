package logtool

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

var compactOptions = commitlog.Options{
	Config: log.TopicConfig{SegmentBytes: 4 << 10, Cleanup: log.CleanupCompact, DirtyRatio: 1e-9, TombstoneAge: time.Hour},
	Logger: slog.New(slog.DiscardHandler),
}

// compacted returns a closed log of 40 records with 5 keys, of which the first is deleted, compacted whole.
func compacted(t *testing.T) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewMem()
	opts := compactOptions
	opts.FS = mem
	l, err := commitlog.Open(part.Dir, part.TP, opts, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_800_000_000_000)
	for i := range 40 {
		r := log.Record{Key: fmt.Appendf(nil, "key-%d", i%5), Value: fmt.Appendf(nil, "value %d %s", i, strings.Repeat("x", 900))}
		if i%5 == 0 && i < 36 {
			r.Value = nil
			r.Headers = []log.Header{{Key: "h", Value: make([]byte, 900)}}
		}
		b, err := record.AppendBatch(nil, &log.Batch{Records: []log.Record{r}}, now)
		if err != nil {
			t.Fatal(err)
		}
		record.SetPlace(b, log.Offset(i), 0)
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	if done, err := l.Clean(commitlog.CleanOptions{Now: now, HighWatermark: 40}); err != nil || done.RecordsRemoved == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if err := l.Close(nil); err != nil {
		t.Fatal(err)
	}
	return mem
}

func TestCompactedLog(t *testing.T) {
	mem := compacted(t)
	report, err := Verify(mem, part)
	if err != nil || !report.OK() || report.Start != 0 || report.End != 40 || report.Records != 5 || len(report.Notes) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	var out strings.Builder
	if err := Dump(&out, mem, part, DumpOptions{Records: true, Values: 8}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"offsets 0 to 34  0 records", "compacted away", "tombstones until 2027-01-15T09:00:00.000Z", `offset 35  2027-01-15T08:00:00.000Z  key "key-0"  value 0 bytes`, `"value 39"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "lost") {
		t.Errorf("something is called lost in\n%s", out.String())
	}
}

// TestRepairCompactedLog: damage in a compacted segment, in an empty batch too, is found, told apart from what compaction removed, and mended.
func TestRepairCompactedLog(t *testing.T) {
	for name, pos := range map[string]int64{"empty batch": 5, "offset": 7, "last delta": 25, "record": 200} {
		t.Run(name, func(t *testing.T) {
			mem := compacted(t)
			damage(t, mem, 0, pos)
			report, err := Verify(mem, part)
			if err != nil || report.OK() {
				t.Fatalf("%+v, %v", report, err)
			}
			plan, err := Repair(mem, part, true)
			if err != nil || len(plan.Cuts) != 1 {
				t.Fatalf("%+v, %v", plan, err)
			}
			if report, err = Verify(mem, part); err != nil || !report.OK() || report.End != 40 {
				t.Fatalf("%+v, %v", report, err)
			}
			opts := compactOptions
			opts.FS = mem
			l, err := commitlog.Open(part.Dir, part.TP, opts, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close(nil)
			var out strings.Builder
			if err := Dump(&out, mem, part, DumpOptions{}); err != nil || !strings.Contains(out.String(), "lost") {
				t.Errorf("%v\n%s", err, out.String())
			}
			// What was lost stays marked when the log is compacted again.
			if _, err := l.Clean(commitlog.CleanOptions{Now: time.UnixMilli(1_900_000_000_000), HighWatermark: 40}); err != nil {
				t.Fatal(err)
			}
			out.Reset()
			if err := Dump(&out, mem, part, DumpOptions{}); err != nil || !strings.Contains(out.String(), "lost") {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
