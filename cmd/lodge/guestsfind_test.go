package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGuestsFind: by name, e-mail address and status, of a running server and of a stopped folder; nobody who is forgotten.
func TestGuestsFind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server, _ := serve(t, dir)
	z := bookZebulon(t, dir)
	find := func(args ...string) (lines int, out string) {
		t.Helper()
		out = mustLodge(t, append([]string{"guests", "find", "ritz", "--data", dir}, args...)...)
		return strings.Count(out, "\n") - 1, out
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"QUARTER zeb", 3},
		{"zeb@", 3},
		{"quartermain --status paid", 1},
		{"--status pending,canceled", 2},
		{"--status canceled -n 1", 1},
		{"lovelace", 0},
		{"zeb --until 2000-01-01", 0},
		{"zeb --from 2000-01-01", 3},
	} {
		lines, out := find(strings.Fields(c.args)...)
		for end := time.Now().Add(limit); lines != c.want && time.Now().Before(end); { // the read models may be behind
			lines, out = find(strings.Fields(c.args)...)
		}
		if lines != c.want {
			t.Errorf("find %s: %d, want %d\n%s", c.args, lines, c.want, out)
		}
	}
	if _, out := find("quartermain", "--status", "paid"); !strings.Contains(out, "paid    Zebulon Quartermain  zeb@quartermain.example  "+z.expected) {
		t.Errorf("find says\n%s", out)
	}
	for _, args := range []string{"zeb -n -1", "zeb --from yesterday", "zeb --status open", "...", "nowhere"} {
		words := strings.Fields(args)
		hotel := "ritz"
		if args == "nowhere" {
			hotel = args
		}
		if stdout, _, code := lodge(t, append([]string{"guests", "find", "--data", dir, hotel}, words...)...); code == 0 {
			t.Errorf("find %s: %s", args, stdout)
		}
	}
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d", code)
	}
	mustLodge(t, "guests", "forget", z.canceled, "--data", dir)
	if lines, out := find("quartermain", "--json"); lines+1 != 2 || strings.Contains(out, z.canceled) {
		t.Errorf("after one is forgotten:\n%s", out)
	}
}
