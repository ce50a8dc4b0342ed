package main

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// mustLodgeWith runs the program, which must end well, with something on its standard input.
func mustLodgeWith(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("lodge %s: %v\n%s\n%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// TestAccountsFromTheFirstOnToTheLast: the first admin is made over the socket; who is signed in stays so when the server is killed, and not when the account is disabled.
func TestAccountsFromTheFirstOnToTheLast(t *testing.T) {
	const sesame = "open sesame, please"
	dir := filepath.Join(t.TempDir(), "data")
	first, url := serve(t, dir, "--auth", "required")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	signIn := func(password string) (*lodgev1.SignInResponse, connect.Code) {
		res, err := lodgev1connect.NewSessionServiceClient(client, url).CreateSession(t.Context(), connect.NewRequest(&lodgev1.CreateSessionRequest{Email: "ada@example.com", Password: password}))
		if err != nil {
			return nil, connect.CodeOf(err)
		}
		return res.Msg, 0
	}
	topics := func(secret string) connect.Code {
		req := connect.NewRequest(&lodgev1.ListTopicsRequest{})
		req.Header().Set("Authorization", "Bearer "+secret)
		if _, err := lodgev1connect.NewAdminServiceClient(client, url).ListTopics(t.Context(), req); err != nil {
			return connect.CodeOf(err)
		}
		return 0
	}
	mustLodgeWith(t, sesame+"\n", "accounts", "create", "admin", "ada@example.com", "--password", "--label", "Ada", "--data", dir)
	invitation := strings.TrimSpace(mustLodge(t, "accounts", "create", "staff", "desk@ritz.example", "--hotel", "ritz", "--data", dir))
	if !strings.HasPrefix(invitation, "lodgeinvitation_") {
		t.Errorf("invitation %q", invitation)
	}
	if _, code := signIn(sesame + "?"); code != connect.CodeUnauthenticated {
		t.Errorf("a wrong password: %v", code)
	}
	in, code := signIn(sesame)
	if code != 0 || topics(in.GetAccessToken()) != 0 {
		t.Fatalf("signing in: %v", code)
	}
	first.end(t, syscall.SIGKILL)
	second, at := serve(t, dir, "--auth", "required")
	url = at
	if code := topics(in.GetAccessToken()); code != 0 {
		t.Errorf("after a kill: %v", code)
	}
	id := strings.TrimPrefix(in.GetAccount().GetName(), "accounts/")
	if out := mustLodge(t, "accounts", "--data", dir); !strings.Contains(out, id) || !strings.Contains(out, "ada@example.com") || !strings.Contains(out, "hotels/ritz") || !strings.Contains(out, "invited") {
		t.Errorf("listed:\n%s", out)
	}
	if out := mustLodge(t, "accounts", "sessions", id, "--data", dir); strings.Count(out, "\n") != 2 || !strings.Contains(out, "connect-go") {
		t.Errorf("sessions:\n%s", out)
	}
	if out := mustLodge(t, "accounts", "disable", id, "--data", dir); !strings.Contains(out, "disabled "+id) {
		t.Errorf("disabled:\n%s", out)
	}
	if code := topics(in.GetAccessToken()); code != connect.CodeUnauthenticated {
		t.Errorf("disabled: %v", code)
	}
	mustLodge(t, "accounts", "enable", id, "--data", dir)
	if in, code = signIn(sesame); code != 0 {
		t.Fatalf("enabled: %v", code)
	}
	session := in.GetSession().GetName()[strings.LastIndex(in.GetSession().GetName(), "/")+1:]
	mustLodge(t, "accounts", "sign-out", id, session, "--data", dir)
	if code := topics(in.GetAccessToken()); code != connect.CodeUnauthenticated {
		t.Errorf("signed out: %v", code)
	}
	if again := strings.TrimSpace(mustLodge(t, "accounts", "invite", id, "--data", dir)); !strings.HasPrefix(again, "lodgeinvitation_"+id) {
		t.Errorf("invitation %q", again)
	}
	mustLodge(t, "accounts", "delete", id, "--data", dir)
	if out := mustLodge(t, "accounts", "--data", dir); strings.Contains(out, id) {
		t.Errorf("deleted, and listed:\n%s", out)
	}
	if code := second.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the server stopped with code %d", code)
	}
	for _, logs := range []string{first.stderr.String(), second.stderr.String()} {
		if strings.Contains(logs, "lodgesession_") || strings.Contains(logs, sesame) || strings.Contains(logs, "lodgeinvitation_") {
			t.Errorf("a secret is in the log:\n%s", logs)
		}
	}
}
