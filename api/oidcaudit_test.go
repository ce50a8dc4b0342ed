package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lodge/api"
	"lodge/api/access"
)

// signsIn begins to sign in at the provider and gives it the password; the answer is that of what the browser is sent to in the end.
func (s *trusting) signsIn(b *browser) (status int, path string) {
	s.Helper()
	form, err := b.client.Get(s.url + "/auth/oidc/login?return=/v1/accounts/me")
	if err == nil {
		form, err = s.op.signIn(s, b.client, form)
	}
	if err != nil {
		s.Fatal(err)
	}
	form.Body.Close()
	return form.StatusCode, form.Request.URL.Path
}

// TestSignInsAtAProviderAreOnRecord: who has signed in, and who has not, and nothing that a browser or the provider was told in secret.
func TestSignInsAtAProviderAreOnRecord(t *testing.T) {
	s := newTrusting(t, false)
	s.roles("desk")
	_, end := s.entries(0)
	var texts []string
	left := func(what string, want ...string) {
		t.Helper()
		found, next := s.entries(end)
		end = next
		var got []string
		for _, e := range found {
			got = append(got, fmt.Sprintf("%s %s %s %s %s", e.Resource, e.Actor, e.Outcome, e.Code, e.Refusal))
			texts = append(texts, fmt.Sprintf("%+v", e))
			if e.Method != "GET /auth/oidc/callback" || e.Client != "127.0.0.1" || e.Count != 1 || e.HotelID != "" || e.Field != "" || e.Reason != "" {
				t.Errorf("%s: %+v", what, e)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	b := s.browser()
	if status, path := s.signsIn(b); status != http.StatusOK || path != "/v1/accounts/me" {
		t.Fatal(status, path)
	}
	all, _ := s.accounts.List("", "", "", 10)
	if len(all) != 1 {
		t.Fatal(all)
	}
	account := "accounts/" + all[0].ID
	left("signed in", account+" anonymous: done  ")
	if status, _ := s.signsIn(b); status != http.StatusOK {
		t.Fatal(status)
	}
	left("signed in again", account+" staff:"+all[0].ID+" done  ")

	stranger := s.browser()
	stranger.is(http.StatusUnauthorized, http.MethodGet, api.OIDCCallbackPath+"?code=hush&state=hush", "")
	left("who has not begun", " anonymous: refused UNAUTHENTICATED SIGN_IN_FAILED")
	s.op.mu.Lock()
	s.op.nonce = "another"
	s.op.mu.Unlock()
	if status, _ := s.signsIn(stranger); status != http.StatusUnauthorized {
		t.Error(status)
	}
	left("another nonce", " anonymous: refused UNAUTHENTICATED SIGN_IN_FAILED")
	s.op.mu.Lock()
	s.op.nonce = ""
	s.op.mu.Unlock()
	if _, err := s.accounts.Update(t.Context(), all[0].ID, access.Change{Disabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.signsIn(stranger); status != http.StatusForbidden {
		t.Error(status)
	}
	left("disabled", account+" anonymous: refused PERMISSION_DENIED ACCOUNT_DISABLED")

	for _, secret := range []string{"hush", "test@example.com", s.op.server.URL, "return="} {
		if strings.Contains(strings.Join(texts, "\n"), secret) {
			t.Errorf("the trail has %q", secret)
		}
	}
}
