package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestToolsOnARunningServerAndAStoppedFolder: every tool takes a folder, whoever has it; only what cuts files wants it alone.
func TestToolsOnARunningServerAndAStoppedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server, _ := serve(t, dir)
	tools := []struct{ args, want string }{
		{"import --no-verify " + sample, "hotels/resort-hotel"},
		{"topics", "bookings"},
		{"topics bookings", "PARTITION"},
		{"events --topic bookings -n 3", "lodge.reservation."},
		{"projections list", "reservations"},
		{"projections rebuild hotels", "hotels"},
		{"verify", "PASSED"},
		{"log verify", "partitions are whole"},
		{"log dump bookings", "offsets 0 to"},
	}
	run := func(who string) {
		for _, tool := range tools {
			if out := mustLodge(t, append(strings.Fields(tool.args), "--data", dir)...); !strings.Contains(out, tool.want) {
				t.Errorf("%s: lodge %s: no %q in\n%s", who, tool.args, tool.want, out)
			}
		}
	}
	run("a running server")
	for _, args := range [][]string{{"log", "repair"}, {"log", "repair", "--apply"}} {
		if stdout, stderr, code := lodge(t, append(args, "--data", dir)...); code != codeFailed || stdout != "" || !strings.Contains(stderr, dir+" is in use") {
			t.Errorf("a running server: lodge %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
		}
	}
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d", code)
	}
	run("a stopped folder")
	if out := mustLodge(t, "log", "repair", "--data", dir, "--apply"); strings.Contains(out, "cut") {
		t.Errorf("something was cut:\n%s", out)
	}
}
