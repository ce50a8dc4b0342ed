package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/log"
)

// lodgeIn runs the program with an input; it must end well.
func lodgeIn(t *testing.T, in string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("lodge %s: %v\n%s\n%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// numbers returns n lines of the form key:value.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d:%d\n", i%7, i)
	}
	return b.String()
}

// values returns the last column of consumed lines, sorted.
func values(out string) []string {
	var all []string
	for line := range strings.Lines(out) {
		all = append(all, strings.TrimSuffix(line[strings.LastIndexByte(line, '\t')+1:], "\n"))
	}
	slices.Sort(all)
	return all
}

// TestTheQueueByHand goes through what README shows, on a running server and then on the stopped folder.
func TestTheQueueByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	run := func(args ...string) string { t.Helper(); return mustLodge(t, append(args, "--data", dir)...) }
	run("topics", "create", "orders", "--partitions", "3", "--retention-age", "168h")
	produced := lodgeIn(t, numbers(2500), "produce", "orders", "--data", dir, "--key-separator", ":", "--header", "ce_type=order.placed", "--json")
	positions := map[string]bool{}
	for line := range strings.Lines(produced) {
		var got struct{ Position string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || positions[got.Position] {
			t.Fatalf("%s: %v", line, err)
		}
		positions[got.Position] = true
	}
	all := values(run("consume", "orders"))
	if len(positions) != 2500 || len(all) != 2500 || len(slices.Compact(slices.Clone(all))) != 2500 {
		t.Errorf("%d positions, %d records", len(positions), len(all))
	}
	if got := values(run("consume", "orders", "--key", "k3", "--tag", "order.placed")); len(got) != 357 {
		t.Errorf("%d records of a key", len(got))
	}
	first := values(run("consume", "orders", "--group", "billing", "-n", "600"))
	run("topics", "add-partitions", "orders", "1")
	lodgeIn(t, "late\n", "produce", "orders", "--data", dir)
	if code := p.end(t, syscall.SIGKILL); code == 0 {
		t.Error("it was killed and ended well")
	}
	rest := values(run("consume", "orders", "--group", "billing")) // from here on the folder is stopped
	both := slices.Sorted(slices.Values(slices.Concat(first, rest)))
	if want := slices.Sorted(slices.Values(append(all, "late"))); len(first) != 600 || !slices.Equal(both, want) {
		t.Errorf("the group got %d and %d records of %d", len(first), len(rest), len(want))
	}
	if out := run("groups"); !regexp.MustCompile(`billing +Empty +0 +\d+ +- +0`).MatchString(out) {
		t.Errorf("groups:\n%s", out)
	}
	if out := run("groups", "reset", "billing", "--to", "beginning", "--dry-run"); !strings.Contains(out, "nothing was changed") || strings.Count(out, "\n") != 6 {
		t.Errorf("dry run:\n%s", out)
	}
	if out := run("groups", "describe", "billing"); !strings.Contains(out, "lag 0") {
		t.Errorf("the dry run changed something:\n%s", out)
	}
	run("groups", "reset", "billing", "--to", "beginning")
	if out := run("groups", "describe", "billing"); !strings.Contains(out, "lag 2501") {
		t.Errorf("group:\n%s", out)
	}
	run("groups", "delete", "billing")
	run("topics", "retire", "orders", "3", "--keep", "0s")
	run("topics", "alter", "orders", "--durability", "interval")
	if out := run("topics", "--json"); !strings.Contains(out, `"durability":"interval"`) {
		t.Error(out)
	}
	run("topics", "delete", "orders")
}

func TestAQueueByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	run := func(args ...string) string { t.Helper(); return mustLodge(t, append(args, "--data", dir)...) }
	run("topics", "create", "tasks", "--point-to-point")
	lodgeIn(t, "one\ntwo\nthree\n", "produce", "tasks", "--data", dir)
	run("queues", "create", "jobs", "--topic", "tasks", "--deliveries", "1")
	receipts := regexp.MustCompile(`tasks/0@\d+\.\d+`).FindAllString(run("queues", "receive", "jobs", "-n", "2"), -1)
	if len(receipts) != 2 {
		t.Fatal(receipts)
	}
	run("queues", "ack", "jobs", receipts[0])
	if _, stderr, code := lodge(t, "queues", "ack", "--data", dir, "jobs", receipts[0]); code != codeFailed || !strings.Contains(stderr, "failed_precondition") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	run("queues", "extend", "jobs", receipts[1], "--for", "1h")
	run("queues", "nack", "jobs", receipts[1], "--cause", "no paper")
	var dead string
	for dead == "" { // Run buries it
		dead = run("consume", "dlq.jobs", "--json")
	}
	if !strings.Contains(dead, "lodge_dlq_cause") {
		t.Errorf("dead letter %s", dead)
	}
	if out := run("queues", "receive", "jobs", "--wait", "5s", "--ack"); !strings.Contains(out, "three") {
		t.Error(out)
	}
	if out := run("queues", "--partitions"); !regexp.MustCompile(`jobs +tasks +0 +3 +3 +0 +0`).MatchString(out) {
		t.Errorf("queues:\n%s", out)
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	run("queues", "delete", "jobs")
}

// TestSchedulesByHand: a schedule fires while the folder is served, and one that fell due while nobody served it fires then.
func TestSchedulesByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	run := func(args ...string) string { t.Helper(); return mustLodge(t, append(args, "--data", dir)...) }
	run("topics", "create", "orders")
	run("schedules", "create", "orders", "soon", "--in", "1200ms", "--key", "ada", "--id", "soon")
	run("schedules", "create", "orders", "never", "--in", "1h", "--id", "never")
	if out := run("schedules"); !strings.Contains(out, "never") {
		t.Errorf("schedules:\n%s", out)
	}
	got := run("consume", "orders", "-f", "-n", "1", "--json")
	var record struct {
		Key     []byte
		Value   []byte
		Headers []struct {
			Key   string
			Value []byte
		}
	}
	if err := json.Unmarshal([]byte(got), &record); err != nil || string(record.Key) != "ada" || string(record.Value) != "soon" {
		t.Fatalf("%s: %v", got, err)
	}
	times := map[string]string{}
	for _, h := range record.Headers {
		times[h.Key] = string(h.Value)
	}
	due, err := time.Parse(time.RFC3339Nano, times[log.ScheduleDueHeader])
	fired, err2 := time.Parse(time.RFC3339Nano, times[log.ScheduleFiredHeader])
	if err != nil || err2 != nil || fired.Before(due) {
		t.Errorf("due %s, fired %s: %v %v", due, fired, err, err2)
	}
	run("schedules", "create", "orders", "late", "--in", "500ms")
	if code := p.end(t, syscall.SIGKILL); code == 0 {
		t.Error("it was killed and ended well")
	}
	out := run("consume", "orders", "-f", "-n", "2") // the command serves the folder itself
	if !slices.Equal(values(out), []string{"late", "soon"}) {
		t.Errorf("consumed:\n%s", out)
	}
	run("schedules", "cancel", "never")
	if out := run("schedules"); strings.Contains(out, "never") || strings.Count(out, "\n") > 2 || strings.Count(out, "\n") == 2 && !strings.Contains(out, "inventory-horizon") {
		t.Errorf("schedules:\n%s", out)
	}
}

func TestQueueMistakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"topics create __mine", codeFailed, "belong to the log itself"},
		{"topics create a --retention-age x", codeUsage, "--retention-age"},
		{"topics create a --partitions 0", codeFailed, "--partitions must not be 0"},
		{"topics create bookmarks", 0, ""},
		{"topics create bookmarks", codeFailed, "create topic bookmarks: the topic is there"},
		{"topics alter gossip --retention-age 1h", codeFailed, "gossip: no such topic"},
		{"topics alter bookings", codeFailed, "nothing is to be changed"},
		{"topics delete bookings", codeFailed, "platform's topics"},
		{"topics retire bookings 0", codeFailed, "platform's topics"},
		{"topics add-partitions gossip 1", codeFailed, "there is no topic"},
		{"consume gossip", codeFailed, "not_found"},
		{"consume bookings --from yesterday", codeFailed, "--from"},
		{"produce bookings --header x", codeFailed, "NAME=VALUE"},
		{"groups describe nobody", codeFailed, "nobody: no such group"},
		{"groups reset nobody", codeUsage, "--to"},
		{"groups reset nobody --to tomorrow", codeFailed, "--to"},
		{"queues create q", codeUsage, "--topic"},
		{"queues create q --topic bookmarks --deliveries 0", codeFailed, "--deliveries must not"},
		{"queues create q --topic bookmarks --in-flight-max 0", codeFailed, "--in-flight-max must not"},
		{"queues receive q --max 0", codeFailed, "--max must not"},
		{"queues receive q", codeFailed, "there is no queue"},
		{"schedules create bookings x --in 1s", codeFailed, "platform's topics"},
		{"schedules create gossip x", codeFailed, "when?"},
		{"schedules create gossip x --in 1s --cron @daily", codeUsage, "--in and --cron"},
		{"schedules cancel nothing", codeFailed, "not_found"},
	} {
		if _, stderr, code := lodge(t, append(strings.Fields(c.args), "--data", dir)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("lodge %s: exit code %d, %q", c.args, code, stderr)
		}
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	for _, command := range []string{"produce", "consume", "topics create", "topics alter", "topics delete", "topics add-partitions", "topics retire",
		"topics delete-records", "groups", "groups list", "groups describe", "groups reset", "groups delete", "queues", "queues list", "queues create", "queues delete",
		"queues receive", "queues ack", "queues nack", "queues extend", "schedules", "schedules list", "schedules create", "schedules cancel"} {
		if out := mustLodge(t, append(strings.Fields(command), "--help")...); !strings.Contains(out, "Usage: lodge") || !strings.Contains(out, "Examples:") {
			t.Errorf("lodge %s --help: %s", command, out)
		}
	}
	if out := mustLodge(t, "--help"); !strings.Contains(out, "groups describe") || !strings.Contains(out, "schedules create") {
		t.Error(out)
	}
}
