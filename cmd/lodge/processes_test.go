package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/cmd/internal/platform"
	managers "lodge/commands/process"
	"lodge/log"
	"lodge/log/broker"
)

// leaveLetters leaves two letters of the process manager that ends holds in a data folder that nobody serves.
func leaveLetters(t *testing.T, dir string) {
	t.Helper()
	lg, err := broker.Open(platform.LogFolder(dir), broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	router, err := managers.Open(ctx, lg, managers.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Register(managers.Handler{Name: "hold-expiry", Topic: managers.TimersTopic, Types: []string{"lodge.hold.expiry.v1"}, HandleRecord: func(context.Context, *log.Record) error {
		return errors.New("no time\nat all")
	}}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- lg.Run(ctx) }()
	go func() { ended <- router.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, hotel := range []string{"grand", "plaza"} {
		r := log.Record{Key: []byte(hotel), Value: []byte{}, Headers: []log.Header{{Key: managers.HeaderTimerType, Value: []byte("lodge.hold.expiry.v1")}}}
		if _, err := lg.Append(ctx, log.TopicPartition{Topic: managers.TimersTopic}, &log.Batch{Records: []log.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	for found := []managers.Letter(nil); len(found) < 2; <-tick.C { // the test's time limit bounds it
		if found, err = router.Letters(ctx, "", 10); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := errors.Join(<-ended, <-ended, lg.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestProcessesByHand: staff look at letters, have one handled again, and drop another.
func TestProcessesByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	run := func(args ...string) string { t.Helper(); return mustLodge(t, append(args, "--data", dir)...) }
	if out := run("processes"); !strings.Contains(out, "hold-expiry ") || !strings.Contains(out, "inventory-horizon ") {
		t.Errorf("processes:\n%s", out)
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr)
	}
	leaveLetters(t, dir)
	p, _ = serve(t, dir)
	const one, other = "hold-expiry.timers.0.0", "hold-expiry.timers.0.1"
	out := run("processes", "letters", "--process", "hold-expiry")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 || !strings.Contains(lines[1], one) || !strings.Contains(lines[1], "waiting") ||
		!strings.Contains(lines[1], "lodge.hold.expiry.v1") || !strings.Contains(lines[1], "grand") || !strings.HasSuffix(strings.TrimSpace(lines[1]), "no time") {
		t.Errorf("letters:\n%s", out)
	}
	if out := run("processes", "letters", "--hotel", "plaza"); strings.Contains(out, one) || !strings.Contains(out, other) {
		t.Errorf("letters of a hotel:\n%s", out)
	}
	if out := run("processes", "requeue", "--all", "--hotel", "ritz"); out != "" {
		t.Error(out)
	}
	if out := run("processes", "show", one); !strings.Contains(out, `no time\nat all`) {
		t.Errorf("letter:\n%s", out)
	}
	if out := run("processes", "requeue", one); out != "requeued "+one+"\n" {
		t.Error(out)
	}
	for strings.Contains(run("processes", "letters", "--json"), one) { // the test's time limit bounds it
	}
	if out := run("processes", "discard", "--all"); out != "discarded "+other+"\n" {
		t.Error(out)
	}
	for args, want := range map[string]string{
		"requeue " + one:           "not_found",
		"discard":                  "which letters?",
		"requeue --all " + one:     "which letters?",
		"requeue a --process b":    "are for --all",
		"requeue a --hotel b":      "are for --all",
		"show nothing":             "not_found",
		"letters --process Naught": "invalid_argument",
	} {
		if _, stderr, code := lodge(t, append(append([]string{"processes"}, strings.Fields(args)...), "--data", dir)...); code != codeFailed || !strings.Contains(stderr, want) {
			t.Errorf("lodge processes %s: exit code %d, %q", args, code, stderr)
		}
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	for _, command := range []string{"processes", "processes list", "processes letters", "processes show", "processes requeue", "processes discard"} {
		if out := mustLodge(t, append(strings.Fields(command), "--help")...); !strings.Contains(out, "Usage: lodge") || !strings.Contains(out, "Examples:") {
			t.Errorf("lodge %s --help: %s", command, out)
		}
	}
}
