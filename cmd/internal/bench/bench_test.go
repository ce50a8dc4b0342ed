package bench

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func TestHistogramQuantilesAreWithinABucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	h, all := new(histogram), make([]time.Duration, 0, 10_000)
	for range cap(all) {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*1.02+1 {
			t.Errorf("quantile %g is %s, want %s", q, got, want)
		}
	}
	if h.quantile(1) != all[len(all)-1] {
		t.Errorf("the largest is %s, want %s", h.quantile(1), all[len(all)-1])
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	for v := uint64(1); v < 1<<20; v++ {
		if i, before := bucket(v), bucket(v-1); i < before || i > before+1 || bucketTop(i) < v {
			t.Fatalf("%d is in bucket %d up to %d, the value before in %d", v, i, bucketTop(i), before)
		}
	}
}

func TestRunMeasuresEveryCase(t *testing.T) {
	opts := Options{Dir: t.TempDir(), Duration: 10 * time.Millisecond, Bytes: 16 << 20, Events: 1000, Hotels: 2,
		Quick: true, Filter: regexp.MustCompile("append|read/|open|stream|group/|queue|schedule|reserve/.*-64|memory|connect/hot-64|project|query")}
	var out strings.Builder
	WriteHeader(&out)
	opts.Report = func(r Result) { WriteLine(&out, r) }
	results, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	seen := map[string]bool{}
	for _, r := range results {
		seen[r.Name] = true
		if r.Err != "" || r.Value <= 0 && r.Name != "reserve/memory" || r.What == "" {
			t.Errorf("%+v", r)
		}
	}
	for _, name := range []string{floorSyncName, "floor/group-64", "floor/cache-write", "floor/cache-read", "append/1-writer", "append/256-writers",
		"append/batch-100-8-writers", "append/unsynced", "read/sequential", "open/warm", "stream/throughput-profile-throughput", "stream/latency-profile-latency",
		"group/rebalance-50-members", "queue/16-consumers", "read/filtered", "schedule/lateness", "schedule/pending-memory", "schedule/pending-restart", "reserve/hot-64-clients", "reserve/spread-64-clients",
		"reserve/memory", "connect/hot-64-clients", "project/live", "project/visible", "project/rebuild-reservations", "query/availability"} {
		if !seen[name] {
			t.Errorf("%s was not measured", name)
		}
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for _, o := range []Options{{Duration: time.Microsecond}, {Bytes: 1}, {Events: 1}, {Hotels: -1}} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestWrkResult(t *testing.T) {
	r, err := wrkResult("Running 3s test\nLODGE 90000 3000000 1500 9000 0\n", 64)
	if err != nil || r.Value != 30000 || r.P99 != 9*time.Millisecond {
		t.Error(r, err)
	}
	for _, out := range []string{"", "LODGE x", "LODGE 90000 3000000 1500 9000 1"} {
		if _, err := wrkResult(out, 64); err == nil {
			t.Errorf("%q is accepted", out)
		}
	}
}
