package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// read returns a file's content.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// proofOf runs verify and reads its report.
func proofOf(t *testing.T, args ...string) *lodgev1.ProofReport {
	t.Helper()
	report := new(lodgev1.ProofReport)
	if err := protojson.Unmarshal([]byte(mustLodge(t, append([]string{"verify", "--json"}, args...)...)), report); err != nil {
		t.Fatal(err)
	}
	return report
}

// TestCertificates: verify goes on from what it proved, two people get the same certificate, and a log that is another one does not pass for it.
func TestCertificates(t *testing.T) {
	folder := t.TempDir()
	dir, name := filepath.Join(folder, "data"), filepath.Join(folder, "proof.json")
	mustLodge(t, "import", "--data", dir, "--no-verify", sample)
	if out := mustLodge(t, "verify", "--data", dir, "--certificate", name); !strings.Contains(out, "PASSED") {
		t.Fatal(out)
	}
	again := proofOf(t, "--data", dir)
	if !again.GetPassed() || again.GetCertificate() != read(t, name) || again.GetEventReadCount() >= again.GetEventCount()/10 {
		t.Errorf("%d of %d events read again, another certificate: %t", again.GetEventReadCount(), again.GetEventCount(), again.GetCertificate() != read(t, name))
	}
	full := proofOf(t, "--data", dir, "--full")
	if full.GetCertificate() != read(t, name) || full.GetEventReadCount() != full.GetEventCount() {
		t.Errorf("a full run reads %d of %d events, another certificate: %t", full.GetEventReadCount(), full.GetEventCount(), full.GetCertificate() != read(t, name))
	}
	if out := mustLodge(t, "verify", "--data", dir, "--certificate", "-"); out != read(t, name) {
		t.Errorf("standard output has more than the certificate:\n%s", out)
	}
	if out := mustLodge(t, "verify", "--data", dir, "--check", name); !strings.Contains(out, "PASSED") {
		t.Error(out)
	}

	// More happens, and the certificate still holds for what it covers.
	mustLodge(t, "import", "--data", dir, "--no-verify", "../../testdata/hotel_bookings_bad.csv")
	if out := mustLodge(t, "verify", "--data", dir, "--check", name); !strings.Contains(out, "PASSED") {
		t.Error(out)
	}
	if later := proofOf(t, "--data", dir); later.GetEventCount() <= again.GetEventCount() || later.GetEventReadCount() >= later.GetEventCount()/2 {
		t.Errorf("%d of %d events read, before there were %d", later.GetEventReadCount(), later.GetEventCount(), again.GetEventCount())
	}

	// The same bookings of guests of whom one had another name: another log.
	text := read(t, sample)
	at := strings.LastIndex(text, "GBR")
	if at < 0 {
		t.Fatal("nobody from GBR")
	}
	forged := filepath.Join(folder, "forged.csv")
	if err := os.WriteFile(forged, []byte(text[:at]+"IRL"+text[at+3:]), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(folder, "other")
	mustLodge(t, "import", "--data", other, "--no-verify", forged)
	stdout, _, code := lodge(t, "verify", "--data", other, "--check", name)
	if code != codeFailed || !strings.Contains(stdout, "NOT AS CERTIFIED") || !strings.Contains(stdout, "the hash of the") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	changed := filepath.Join(folder, "changed.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(read(t, name), `"violations": 0`, `"violations": 1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := lodge(t, "verify", "--data", dir, "--check", changed); code != codeFailed || !strings.Contains(stderr, "it was changed") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if _, stderr, code := lodge(t, "verify", "--data", dir, "--check", name, "--full"); code != codeFailed || !strings.Contains(stderr, "--check reads everything") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestSimulate: as it was the replay decides as the log did; a stricter policy turns more away, a laxer one fewer.
func TestSimulate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	mustLodge(t, "import", "--data", dir, "--no-verify", "--capacity", "A=3,D=2", sample)
	simulated := func(args ...string) *lodgev1.SimulateOverbookingResponse {
		t.Helper()
		res := new(lodgev1.SimulateOverbookingResponse)
		text := mustLodge(t, append([]string{"simulate", "resort-hotel", "--data", dir, "--json"}, args...)...)
		if err := protojson.Unmarshal([]byte(text), res); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return res
	}
	was := simulated()
	base := was.GetBaseline().GetTotal()
	if was.GetDivergenceCount() != 0 || base.GetTurnawayCount() == 0 || base.GetNoShowCount() == 0 || base.GetCanceledCount() == 0 || base.GetOccupiedRoomNights() == 0 {
		t.Errorf("%d divergences, %v", was.GetDivergenceCount(), base)
	}
	if scenario := was.GetScenario().GetTotal(); scenario.String() != base.String() {
		t.Errorf("without a policy it is not as it was:\n%v\n%v", scenario, base)
	}
	lax := simulated("--overbooking", "2", "--walk-cost", "150.00").GetScenario().GetTotal()
	if lax.GetTurnawayCount() >= base.GetTurnawayCount() || lax.GetRequestCount() != base.GetRequestCount() || lax.GetWalkedRoomCount() == 0 ||
		lax.GetWalkCosts().GetUnits() != 150*lax.GetWalkedRoomCount() {
		t.Errorf("two rooms more: %v", lax)
	}
	if upgraded := simulated("--overbooking", "2", "--upgrades").GetScenario().GetTotal(); upgraded.GetWalkedRoomCount() >= lax.GetWalkedRoomCount() || upgraded.GetUpgradedRoomCount() == 0 {
		t.Errorf("with upgrades: %v", upgraded)
	}
	strict := simulated("--fee", "100%", "--never-free").GetScenario().GetTotal()
	if strict.GetFeeRevenue().GetUnits() <= base.GetFeeRevenue().GetUnits() || strict.GetRoomRevenue().GetUnits() != base.GetRoomRevenue().GetUnits() {
		t.Errorf("nothing is free: %v", strict)
	}
	out := mustLodge(t, "simulate", "resort-hotel", "--data", dir, "--overbooking", "10%", "--period", "week")
	if strings.Count(out, "as it was") < 5 || !strings.Contains(out, "replayed twice in") {
		t.Error(out)
	}
	several := mustLodge(t, "simulate", "--all", "--data", dir, "--overbooking", "2")
	if strings.Count(several, "policy") != 3 || !strings.Contains(several, "hotels/resort-hotel") || !strings.Contains(several, "all 2 in EUR") {
		t.Error(several)
	}
	if stdout, stderr, code := lodge(t, "simulate", "resort-hotel", "ritz", "--data", dir, "--json"); code != codeFailed || !strings.Contains(stderr, "1 hotels could not be simulated") ||
		!strings.Contains(stdout, "HOTEL_NOT_FOUND") || !strings.Contains(stdout, `"sums"`) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	for args, want := range map[string]string{
		"":                               "name a hotel, several, or --all",
		"resort-hotel --all":             "--all goes without hotels",
		"a b --room-type c":              "--room-type goes with one hotel",
		"ritz":                           "there is no hotel",
		"resort-hotel --overbooking lot": "neither a number of rooms nor per cent",
		"resort-hotel --room-type zz":    "no overbooking limit is given",
		"resort-hotel --never-free":      "terms need a --fee",
		"resort-hotel --walk-cost 1.x":   "is no amount",
		"resort-hotel --walk-cost 1 --currency USD": "the hotel's currency is EUR",
		"resort-hotel --start 2015-7-1":             "is no day",
	} {
		if _, stderr, code := lodge(t, append([]string{"simulate", "--data", dir}, strings.Fields(args)...)...); code != codeFailed || !strings.Contains(stderr, want) {
			t.Errorf("simulate %s: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestSimulateRealBookings measures the answer on the real data, where LODGE_BOOKINGS names the file.
func TestSimulateRealBookings(t *testing.T) {
	name := os.Getenv("LODGE_BOOKINGS")
	if name == "" {
		t.Skip("LODGE_BOOKINGS names no file")
	}
	dir := filepath.Join(t.TempDir(), "data")
	var summary struct{ Placed int }
	out := strings.Split(strings.TrimSpace(mustLodge(t, "import", "--data", dir, "--no-verify", "--json", name)), "\n")
	if err := json.Unmarshal([]byte(out[len(out)-1]), &summary); err != nil || summary.Placed == 0 {
		t.Fatal(summary, err)
	}
	start := time.Now()
	text := mustLodge(t, "simulate", "resort-hotel", "--data", dir, "--overbooking", "10%", "--walk-cost", "150.00")
	t.Logf("%d reservations, server started and stopped included: %s\n%s", summary.Placed, time.Since(start), text)
	if strings.Contains(text, "decisions of the replay as it was are not those of the log") {
		t.Error("the replay decides otherwise than the log")
	}
}
