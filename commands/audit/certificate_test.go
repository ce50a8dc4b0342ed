package audit

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/log"
)

// begun is a log as it was when only the first records of it had been written.
type begun struct {
	*written
	ends map[log.Topic]log.Offset
}

func (w *written) begun(records int) begun {
	b := begun{w, map[log.Topic]log.Offset{}}
	for _, topic := range w.order[:records] {
		b.ends[topic]++
	}
	return b
}

func (b begun) Offsets(_ context.Context, tp log.TopicPartition) (start, high log.Offset, err error) {
	return 0, b.ends[tp.Topic], nil
}

func prove(t *testing.T, reader log.Reader, opts Options) *Report {
	t.Helper()
	opts.Partitions = 1
	r, err := Run(t.Context(), reader, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("violations: %+v", r.Violations)
	}
	return r
}

func document(t *testing.T, c *Certificate) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// However often audits stop and go on, with however many shares of ids, they find what one audit finds.
func TestGoingOnIsAsGoodAsStartingAnew(t *testing.T) {
	w := wholeLife(t).add(7, 0, stopSell("20", "22")).add(7, 0, rooms(3, 0, 0))
	whole := prove(t, w, Options{})
	want := document(t, whole.Certificate)
	for _, step := range []int{1, 2, 7} {
		dir, read := t.TempDir(), int64(0)
		var last *Report
		for i := 0; i < len(w.whole); i += step {
			n := w.whole[i]
			last = prove(t, w.begun(n), Options{Dir: dir, IDsMax: 40}) // more shares as it grows
			if got := document(t, prove(t, w.begun(n), Options{}).Certificate); got != document(t, last.Certificate) {
				t.Fatalf("after %d records, by steps of %d:\n%s\nanew:\n%s", n, step, document(t, last.Certificate), got)
			}
			read += last.Read
		}
		last = prove(t, w, Options{Dir: dir, IDsMax: 40})
		if got := document(t, last.Certificate); got != want || last.Restarted != "" || last.Hotels[0] != whole.Hotels[0] {
			t.Errorf("by steps of %d (restarted: %q):\n%s\nwant:\n%s", step, last.Restarted, got, want)
		}
		if again := prove(t, w, Options{Dir: dir}); again.Read != 2 || document(t, again.Certificate) != want {
			t.Errorf("a run with nothing new reads %d records, %s", again.Read, again.Restarted) // the inventory that no decision rests on yet
		}
		if again := prove(t, w, Options{Dir: dir, Full: true}); again.Read != int64(len(w.order)) || again.EventCount() != again.Read || again.Restarted != "" {
			t.Errorf("a full run reads %d records of %d, %s", again.Read, again.EventCount(), again.Restarted)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
			t.Errorf("%v are left in the folder, %v", entries, err)
		}
	}
}

// A violation is found again by the next run: what does not hold is never remembered as proved.
func TestWhatDoesNotHoldIsNotRemembered(t *testing.T) {
	w := write(t).add(1, 1, rooms(1, 0, 0)).add(2, 2, placed(1, 1, stay(1, "01", "02")))
	dir := t.TempDir()
	prove(t, w, Options{Dir: dir})
	w.add(3, 3, placed(2, 1, stay(1, "01", "02")))
	for range 2 {
		if r := w.audit(Options{Dir: dir}); r.ViolationCount != 1 || r.Violations[0].Kind != Oversold || r.Read != 1 {
			t.Errorf("%d read, %+v", r.Read, r.Violations)
		}
	}
}

// Whatever byte of what is remembered is damaged: everything is read again, and the outcome is right.
func TestDamagedMemory(t *testing.T) {
	w := wholeLife(t)
	dir := t.TempDir()
	want := document(t, prove(t, w, Options{Dir: dir}).Certificate)
	var files []string
	if err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(name, dir))
		}
		return err
	}); err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		whole, err := os.ReadFile(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 1 + len(whole)/40 {
			other := t.TempDir()
			if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			damaged := slices.Clone(whole)
			damaged[at] ^= 0x10
			if err := os.WriteFile(other+name, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if r := prove(t, w, Options{Dir: other}); r.Restarted == "" || r.Read != int64(len(w.order)) || document(t, r.Certificate) != want {
				t.Errorf("%s damaged at %d: restarted %q, %d read", name, at, r.Restarted, r.Read)
			}
		}
		other := t.TempDir()
		if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(other + name); err != nil {
			t.Fatal(err)
		}
		if r := prove(t, w, Options{Dir: other}); r.Read != int64(len(w.order)) || document(t, r.Certificate) != want {
			t.Errorf("%s is missing: %d read", name, r.Read)
		}
	}
}

func TestAnotherLogIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	prove(t, wholeLife(t), Options{Dir: dir})
	shorter := write(t).add(1, 1, created("Ritz"))
	if r := prove(t, shorter, Options{Dir: dir}); r.Restarted == "" || r.Read != 1 {
		t.Errorf("restarted %q, %d read", r.Restarted, r.Read)
	}
	prove(t, wholeLife(t), Options{Dir: dir})
	other := wholeLife(t)
	last := other.records["bookings"]
	last[len(last)-1].Timestamp = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	if r := prove(t, other, Options{Dir: dir}); r.Restarted == "" || r.Read != int64(len(other.order)) {
		t.Errorf("restarted %q, %d read", r.Restarted, r.Read)
	}
}

func check(t *testing.T, w *written, c *Certificate) []string {
	t.Helper()
	differences, _, err := Check(t.Context(), w, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return differences
}

// A certificate holds as long as nothing that it covers changes, and whatever byte of it changes is found.
func TestCertificateAgainstTheLog(t *testing.T) {
	w := wholeLife(t)
	certificate, err := ReadCertificate(strings.NewReader(document(t, prove(t, w, Options{}).Certificate)))
	if err != nil {
		t.Fatal(err)
	}
	w.add(9, 0, placed(99, 1, stay(1, "10", "12"))).add(9, 0, rooms(5, 0, 0)).add(9, 0, created("Grand II"))
	if got := check(t, w, certificate); got != nil {
		t.Errorf("what came after it counts: %v", got)
	}
	for name, change := range map[string]func(*log.Record){
		"value":  func(r *log.Record) { r.Value = flipped(r.Value) },
		"key":    func(r *log.Record) { r.Key = flipped(r.Key) },
		"time":   func(r *log.Record) { r.Timestamp = r.Timestamp.Add(time.Millisecond) },
		"header": func(r *log.Record) { r.Headers[1].Value = flipped(r.Headers[1].Value) },
		"name":   func(r *log.Record) { r.Headers[1].Key += "x" },
	} {
		for topic, records := range w.records {
			for i := range records {
				if !covered(certificate, topic, i) {
					continue
				}
				whole := records[i]
				records[i].Headers = slices.Clone(whole.Headers)
				change(&records[i])
				if got := check(t, w, certificate); len(got) == 0 || !strings.Contains(got[0], string(topic)+"/0: the hash") {
					t.Errorf("%s of %s@%d changed: %v", name, topic, i, got)
				}
				records[i] = whole
			}
		}
	}
	w.records["payments"] = w.records["payments"][:5]
	if got := check(t, w, certificate); len(got) == 0 || !strings.Contains(got[0], "payments/0 has 5 records") {
		t.Errorf("a shorter log: %v", got)
	}
}

func flipped(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

func covered(c *Certificate, topic log.Topic, i int) bool {
	return slices.ContainsFunc(c.Partitions[0].Topics, func(t CoveredTopic) bool { return t.Topic == string(topic) && int64(i) < t.End })
}

// Two people who read the same records have the same hash, whatever batches they came in.
func TestHashDoesNotDependOnBatches(t *testing.T) {
	a, b := wholeLife(t), wholeLife(t)
	for _, records := range b.records {
		for i := range records {
			records[i].Epoch, records[i].Size = 7, 1
		}
	}
	if x, y := prove(t, a, Options{}).Certificate.Digest, prove(t, b, Options{}).Certificate.Digest; x != y {
		t.Errorf("%s and %s", x, y)
	}
}

func TestChangedCertificates(t *testing.T) {
	whole := document(t, prove(t, wholeLife(t), Options{}).Certificate)
	for _, change := range [][2]string{
		{`"violations": 0`, `"violations": 1`}, {`"passed": true`, `"passed": false`}, {`"kept": 250`, `"kept": 251`}, {`"sold": 2`, `"sold": 1`},
		{`"format": 1`, `"format": 2`}, {`"head": "`, `"head": "0`}, {`"placed": 5`, `"placed": 6`}, {`"events"`, `"happenings"`}, {"{", "["},
	} {
		if !strings.Contains(whole, change[0]) {
			t.Fatalf("%s is not in\n%s", change[0], whole)
		}
		if _, err := ReadCertificate(strings.NewReader(strings.Replace(whole, change[0], change[1], 1))); err == nil {
			t.Errorf("%s became %s, and nobody noticed", change[0], change[1])
		}
	}
	made, err := ReadCertificate(strings.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	made.Partitions[0].Topics[0].End = -1
	made.Digest = made.digest()
	if _, _, err := Check(t.Context(), wholeLife(t), made, Options{}); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("an end before the beginning: %v", err)
	}
	made, _ = ReadCertificate(strings.NewReader(whole))
	made.Totals.Placed++ // and a digest to match: the log says otherwise
	made.Digest = made.digest()
	if got := check(t, wholeLife(t), made); len(got) != 1 || !strings.HasPrefix(got[0], "totals") {
		t.Errorf("a forged count: %v", got)
	}
}
