package main

import (
	"encoding/json"
	"testing"
)

// TestBenchDrivesAServerFromAnotherProcess: the client is this binary once more.
func TestBenchDrivesAServerFromAnotherProcess(t *testing.T) {
	out := mustLodge(t, "bench", "--quick", "--duration=20ms", "--data", t.TempDir(), "--filter=^connect/hot-64", "--json")
	var report struct {
		Results []struct {
			Name, What, Error string
			Value             float64
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := false
	for _, r := range report.Results {
		found = found || r.Name == "connect/hot-64-clients"
		if r.Error != "" || r.Value <= 0 {
			t.Errorf("%+v", r)
		}
	}
	if !found {
		t.Errorf("the case is missing in %s", out)
	}
}
