package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestAKilledServerKnowsWhoDidWhat: what was answered is on record, whatever becomes of the server; a stopped folder tells the same.
func TestAKilledServerKnowsWhoDidWhat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, url := serve(t, dir, "--auth", "required", "--audit-keep", "48h")
	secret := strings.TrimSpace(mustLodge(t, "tokens", "create", "admin", "--label", "Ada", "--data", dir, "--reason", "Ada’s first day"))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	admin := lodgev1connect.NewAdminServiceClient(client, url)
	const topics = 20
	for i := range topics {
		req := connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: fmt.Sprint("t", i), Topic: &lodgev1.Topic{}})
		req.Header().Set("Authorization", "Bearer "+secret)
		req.Header().Set("Lodge-Reason", "a test")
		if _, err := admin.CreateTopic(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	first.end(t, syscall.SIGKILL)

	stopped := mustLodge(t, "audit", "--data", dir)
	lines := strings.Split(strings.TrimSpace(stopped), "\n")
	if len(lines) != topics+1 || !strings.Contains(lines[0], "local:socket") || !strings.Contains(lines[0], `"Ada’s first day"`) || !strings.Contains(lines[0], "AccessService/CreateToken") {
		t.Fatalf("the trail is\n%s", stopped)
	}
	for i, line := range lines[1:] {
		if !strings.Contains(line, fmt.Sprintf("admin:%s", strings.Split(secret, "_")[1])) || !strings.Contains(line, fmt.Sprintf("done     AdminService/CreateTopic  topics/t%d  ", i)) ||
			!strings.Contains(line, `  from `) || !strings.HasSuffix(line, `  "a test"`) {
			t.Errorf("entry %d is %s", i+1, line)
		}
	}

	second, url := serve(t, dir, "--auth", "required")
	if _, err := lodgev1connect.NewAdminServiceClient(client, url).CreateTopic(t.Context(), connect.NewRequest(&lodgev1.CreateTopicRequest{TopicId: "t99", Topic: &lodgev1.Topic{}})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Error(err)
	}
	if out := mustLodge(t, "audit", "--data", dir, "-n", "0"); !strings.HasPrefix(out, stopped) || !strings.Contains(out[len(stopped):], "anonymous:                  refused  AdminService/CreateTopic  topics/t99  TOKEN_REQUIRED") {
		t.Errorf("after a restart:\n%s", out)
	}
	if out := mustLodge(t, "audit", "--data", dir, "-n", "2", "--actor", "admin", "--outcome", "done", "--type", "CreateTopic", "--since", "24h"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "topics/t18 ") {
		t.Errorf("the last two of admins:\n%s", out)
	}
	if out := mustLodge(t, "topics", "--all", "--data", dir); !strings.Contains(out, "__audit") {
		t.Errorf("topics:\n%s", out)
	}
	second.end(t, syscall.SIGTERM)
	for _, args := range [][]string{{"--since", "yesterday"}, {"-n", "-1"}, {"-f", "--until", "1h"}, {"--hotel", "The Ritz"}} {
		if out, _, code := lodge(t, append([]string{"audit", "--data", dir}, args...)...); code == 0 {
			t.Errorf("audit %v: %s", args, out)
		}
	}
}
