package openid

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	oidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// LoginMax is how long a login may take, from its beginning to its end.
const LoginMax = loginMax

// login is what the browser keeps of a login that it has begun, signed: the platform keeps nothing.
type login struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
	Return   string `json:"return"`
}

// Begin begins a login: where to send the browser, and what it is to keep. It comes back to a path of ours.
func (p *Provider) Begin(ctx context.Context, back string) (to, kept string, err error) {
	f, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	l := login{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: ReturnPath(back)}
	data, err := json.Marshal(l)
	if err != nil {
		return "", "", err
	}
	to = f.oauth2.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier))
	return to, p.opts.Keys.Seal(loginPurpose, string(data), p.opts.Clock().Add(loginMax)), nil
}

// End ends a login by what the browser has kept and what the provider has sent it back with.
func (p *Provider) End(ctx context.Context, kept string, query url.Values) (_ *Identity, back string, err error) {
	text, ok := p.opts.Keys.Open(loginPurpose, kept, p.opts.Clock())
	var l login
	if !ok || json.Unmarshal([]byte(text), &l) != nil {
		return nil, "", refused(ReasonSignInFailed, "this browser has not begun to sign in, or longer than %s ago; begin again", loginMax)
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.State)) != 1 {
		return nil, "", refused(ReasonSignInFailed, "what the provider answers is not what this browser has asked; begin again")
	}
	if code := query.Get("error"); code != "" {
		return nil, "", refused(ReasonSignInFailed, "the provider refuses: %.40q", code)
	}
	f, err := p.discover(ctx)
	if err != nil {
		return nil, "", err
	}
	i, err := p.exchange(ctx, f, &l, query.Get("code"))
	return i, l.Return, err
}

// exchange gets an ID token for a code and checks it.
func (p *Provider) exchange(ctx context.Context, f *found, l *login, code string) (*Identity, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), askMax)
	defer cancel()
	token, err := f.oauth2.Exchange(ctx, code, oauth2.VerifierOption(l.Verifier))
	var gone *unreachableError
	switch {
	case errors.As(err, &gone):
		return nil, unreachable(err)
	case err != nil:
		return nil, refused(ReasonSignInFailed, "the provider does not take its code back; begin again")
	}
	raw, _ := token.Extra("id_token").(string)
	i, err := p.check(ctx, raw, p.opts.ClientID)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(i.nonce), []byte(l.Nonce)) != 1 {
		return nil, refused(ReasonSignInFailed, "the token is of another sign-in than this browser's; begin again")
	}
	return i, nil
}

// ReturnPath returns a path of ours to go to: the one that is asked for, or / when that is none.
func ReturnPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || len(path) > returnMax || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsAny(path, "\\\x00\r\n\t") {
		return "/"
	}
	return path
}
