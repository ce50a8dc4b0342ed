package logtool

import (
	"bytes"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

var part = Partition{TP: log.TopicPartition{Topic: "bookings", Partition: 3}, Dir: "data/log/topics/bookings/3"}

func open(fsys vfs.FS) (*commitlog.Log, error) {
	return commitlog.Open(part.Dir, part.TP, commitlog.Options{FS: fsys, Config: log.TopicConfig{SegmentBytes: 4 << 10},
		Logger: slog.New(slog.DiscardHandler)}, nil, nil)
}

// written returns a closed log of 20 records of about 900 bytes, 4 to a segment.
func written(t *testing.T) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewMem()
	l, err := open(mem)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		value := append(fmt.Appendf(nil, "value %d ", i), bytes.Repeat([]byte{'x'}, 900)...)
		b, err := record.AppendBatch(nil, &log.Batch{Records: []log.Record{{
			Key: fmt.Appendf(nil, "key-%d", i), Value: value, Headers: []log.Header{{Key: "ce_type", Value: []byte("test")}},
		}}}, time.UnixMilli(1_800_000_000_000))
		if err != nil {
			t.Fatal(err)
		}
		record.SetPlace(b, log.Offset(i), 0)
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close([]byte("blob")); err != nil {
		t.Fatal(err)
	}
	return mem
}

func damage(t *testing.T, fsys vfs.FS, base log.Offset, pos int64) {
	t.Helper()
	f, err := fsys.OpenReadWrite(path.Join(part.Dir, fmt.Sprintf("%020d.log", base)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("junk"), pos); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyRepairOpen(t *testing.T) {
	mem := written(t)
	report, err := Verify(mem, part)
	if err != nil || !report.OK() || report.Records != 20 || report.Segments != 5 || len(report.Notes) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	damage(t, mem, 16, 1500) // offset 17, in the active segment
	damage(t, mem, 4, 2100)  // offset 6, in a full one
	if _, err := open(mem); log.CodeOf(err) != log.Corrupt {
		t.Fatalf("opened with %v", err)
	}
	report, err = Verify(mem, part)
	if err != nil || report.OK() || len(report.Damages) != 2 || report.Records != 18 {
		t.Fatalf("%+v, %v", report, err)
	}
	var out strings.Builder
	report.Print(&out)
	for _, want := range []string{"bookings/3: DAMAGED", "00000000000000000004.log", "offsets 6 to 6", "offsets 17 to 17", "CRC"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}

	before, _ := mem.List(part.Dir)
	plan, err := Repair(mem, part, false)
	if after, _ := mem.List(part.Dir); err != nil || plan.Applied || len(plan.Cuts) != 2 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatalf("%+v, %v", plan, err)
	}
	plan, err = Repair(mem, part, true)
	if err != nil || !plan.Applied {
		t.Fatalf("%+v, %v", plan, err)
	}
	out.Reset()
	plan.Print(&out)
	for _, c := range plan.Cuts {
		kept, err := vfs.ReadFile(mem, c.SideFile)
		if err != nil || int64(len(kept)) != c.End-c.Pos || !bytes.Contains(kept, []byte("junk")) {
			t.Errorf("side file %s: %d bytes, %v", c.SideFile, len(kept), err)
		}
		if !strings.Contains(out.String(), c.SideFile) {
			t.Errorf("%s is not in\n%s", c.SideFile, out.String())
		}
	}
	checkRepaired(t, mem)
	if plan, err = Repair(mem, part, true); err != nil || plan.Applied {
		t.Fatalf("second repair: %+v, %v", plan, err)
	}
}

// checkRepaired opens the log: all is there but offsets 6 and 17.
func checkRepaired(t *testing.T, mem *vfs.MemFS) {
	t.Helper()
	l, err := open(mem)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(nil)
	var offsets []log.Offset
	for at := log.Offset(0); at < 20; {
		b, err := l.Read(nil, at, 20, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			h, rest, err := record.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			records, err := record.Decode(nil, b, part.TP, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				offsets = append(offsets, r.Offset)
			}
			at, b = h.NextOffset(), rest
		}
	}
	want := []log.Offset{0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19}
	if fmt.Sprint(offsets) != fmt.Sprint(want) || l.NextOffset() != 20 {
		t.Fatalf("offsets %v, next %d", offsets, l.NextOffset())
	}
}

func TestDump(t *testing.T) {
	mem := written(t)
	damage(t, mem, 4, 2100)
	var out strings.Builder
	if err := Dump(&out, mem, part, DumpOptions{From: 3, Records: true, Values: 10}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"00000000000000000004.log\n", "offsets 5 to 5", `key "key-5"`, `"value 5 xx"…`, `ce_type: "test"`, "damage:", "barrier"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "offsets 2 to 2") || strings.Contains(out.String(), "offsets 6 to 6  ") {
		t.Errorf("too much in\n%s", out.String())
	}
	out.Reset()
	if err := Dump(&out, mem, part, DumpOptions{To: 2}); err != nil || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestPartitions(t *testing.T) {
	mem := vfs.NewMem()
	for _, dir := range []string{"bookings/10", "bookings/9", "bookings/x", "bookings/01", "hotels/0", "empty", "~deleted/0"} {
		mem.MkdirAll("data/log/topics/" + dir)
	}
	mem.Create("data/log/topics/stray")
	parts, err := Partitions(mem, "data/log")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.TP.String())
	}
	if got := strings.Join(names, " "); got != "bookings/9 bookings/10 hotels/0" {
		t.Error(got)
	}
	if _, err := Partitions(mem, "elsewhere"); err == nil {
		t.Error("no error for a folder that is not there")
	}
}
