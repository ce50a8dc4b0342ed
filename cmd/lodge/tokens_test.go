package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestTokensFromTheFirstOnToTheLast: the first token is made over the socket; a killed server knows it again; a revoked one lets nobody in.
func TestTokensFromTheFirstOnToTheLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, url := serve(t, dir, "--auth", "required")
	list := func(url, secret string) connect.Code {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req := connect.NewRequest(&lodgev1.ListTopicsRequest{})
		if secret != "" {
			req.Header().Set("Authorization", "Bearer "+secret)
		}
		_, err := lodgev1connect.NewAdminServiceClient(client, url).ListTopics(t.Context(), req)
		if err == nil {
			return 0
		}
		return connect.CodeOf(err)
	}
	if code := list(url, ""); code != connect.CodeUnauthenticated {
		t.Errorf("without a token: %v", code)
	}
	secret := strings.TrimSpace(mustLodge(t, "tokens", "create", "admin", "--label", "the first", "--data", dir))
	staff := strings.TrimSpace(mustLodge(t, "tokens", "create", "staff", "--hotel", "ritz", "--for", "24h", "--data", dir))
	if code := list(url, secret); code != 0 {
		t.Errorf("with the first token: %v", code)
	}
	if code := list(url, staff); code != connect.CodePermissionDenied {
		t.Errorf("as staff: %v", code)
	}
	first.end(t, syscall.SIGKILL)
	if logs := first.stderr.String(); strings.Contains(logs, secret) || strings.Contains(logs, staff) {
		t.Errorf("a token is in the log:\n%s", logs)
	}
	second, url := serve(t, dir, "--auth", "required")
	if code := list(url, secret); code != 0 {
		t.Errorf("after a restart: %v", code)
	}
	id := strings.Split(secret, "_")[1]
	if out := mustLodge(t, "tokens", "--data", dir); !strings.Contains(out, id) || !strings.Contains(out, "the first") || !strings.Contains(out, "hotels/ritz") || strings.Contains(out, secret) {
		t.Errorf("listed:\n%s", out)
	}
	if out := mustLodge(t, "tokens", "revoke", id, "--data", dir); !strings.Contains(out, "revoked "+id) {
		t.Errorf("revoked:\n%s", out)
	}
	if code := list(url, secret); code != connect.CodeUnauthenticated {
		t.Errorf("revoked: %v", code)
	}
	if out := mustLodge(t, "tokens", "--data", dir); strings.Contains(out, id) {
		t.Errorf("a revoked token is listed:\n%s", out)
	}
	if _, stderr, code := lodge(t, "tokens", "revoke", "nobody", "--data", dir); code != codeFailed || !strings.Contains(stderr, "nobody") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code := second.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the server stopped with code %d", code)
	}
}

func TestWhoIsReachedBeyondLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		":8080": true, "0.0.0.0:8080": true, "192.0.2.7:1": true, "[::]:8080": true, "example.com:80": true,
		"localhost:8080": false, "127.0.0.1:0": false, "[::1]:8080": false,
	} {
		if got := beyondLoopback(addr); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
}

// TestAnOpenServerForEverybodyWarns: it says so where its operator looks.
func TestAnOpenServerForEverybodyWarns(t *testing.T) {
	for auth, want := range map[string]bool{"open": true, "required": false} {
		server, _ := serve(t, filepath.Join(t.TempDir(), "data"), "--addr", "0.0.0.0:0", "--auth", auth)
		if code := server.end(t, syscall.SIGTERM); code != 0 {
			t.Errorf("stopped with code %d", code)
		}
		if got := strings.Contains(server.stderr.String(), "--auth required"); got != want {
			t.Errorf("%s: it warns: %t\n%s", auth, got, server.stderr.String())
		}
	}
}
