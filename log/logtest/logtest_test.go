package logtest_test

import (
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/logtest/leaktest"
	"lodge/log/vfs"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func append1(t *testing.T, lg *logtest.Log, tp log.TopicPartition, value string) {
	t.Helper()
	if _, err := lg.Append(t.Context(), tp, &log.Batch{Records: []log.Record{{Value: []byte(value)}}}); err != nil {
		t.Fatal(err)
	}
}

func TestRestartAndCrash(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tps := lg.Topic("bookings", 2)
	append1(t, lg, tps[1], "one")
	lg.Restart()
	append1(t, lg, tps[1], "two")
	lg.Crash(vfs.LoseAll)
	append1(t, lg, tps[1], "three")
	lg.Crash(vfs.KeepAll)
	got := lg.Records(tps[1])
	if len(got) != 3 || string(got[0].Value) != "one" || string(got[1].Value) != "two" || string(got[2].Value) != "three" {
		t.Errorf("got %v", got)
	}
	if rest := lg.Records(tps[0]); len(rest) != 0 {
		t.Errorf("partition 0 has %v", rest)
	}
}

// What is not synced is lost with the power, unless the crash is kind.
func TestCrashLosesWhatIsNotDurable(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tp := lg.TopicWith("notes", log.TopicConfig{Durability: log.None})[0]
	append1(t, lg, tp, "one")
	lg.Crash(vfs.LoseAll)
	if got := lg.Records(tp); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	append1(t, lg, tp, "two")
	lg.Crash(vfs.KeepAll)
	if got := lg.Records(tp); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
