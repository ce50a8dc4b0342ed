package openid

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	oidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"

	"lodge/api/access"
	"lodge/domain"
	"lodge/log"
)

// Limits.
const (
	tokenMax     = 16 << 10         // bytes of a token
	answerMax    = 1 << 20          // bytes of a provider's answer
	askMax       = 10 * time.Second // for one answer of it
	retryAfter   = 10 * time.Second // after it was not there
	knownMax     = 10_000           // tokens that need not be checked again
	skew         = 30 * time.Second // between its clock and ours
	loginMax     = 10 * time.Minute // from its beginning to its end
	returnMax    = 1 << 10          // bytes of where to go then
	subjectMax   = 255              // bytes, as the specification says
	jwksPerSec   = 1                // looks for new keys
	jwksBurst    = 20
	loginPurpose = "openid login"
)

// ReasonSignInFailed is of a sign-in at the provider that did not end as it began, or was refused there.
const ReasonSignInFailed = "SIGN_IN_FAILED"

// Options sets up a Provider.
type Options struct {
	Issuer       string // as its tokens say it, and where it is found: https, or http on loopback
	ClientID     string // of the platform
	ClientSecret string // empty: none, it is a public client
	RedirectURL  string // where it sends browsers back to; empty: browsers cannot sign in by it
	Audience     string // that tokens of programs are for: default ClientID
	RoleClaim    string // the claim that Rules are about: default roles
	Rules        []Rule
	Scopes       []string // asked for beside openid: default email and profile
	Keys         *access.Keys
	Clock        func() time.Time
	Transport    http.RoundTripper // default http.DefaultTransport
}

// Provider is one OpenID provider. Safe for concurrent use.
type Provider struct {
	opts   Options
	client *http.Client

	mu    sync.Mutex // held while it is looked for
	found *found
	retry time.Time // not before then

	knownMu sync.RWMutex
	known   map[[sha256.Size]byte]*Identity
}

// found is what the provider says of itself.
type found struct {
	oauth2   oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// Identity is somebody, by the provider's word.
type Identity struct {
	access.Issued
	Expires time.Time // of the token that says so
	nonce   string
}

// New makes a provider. It asks it nothing yet.
func New(opts Options) (*Provider, error) {
	u, err := url.Parse(opts.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the issuer %.200q is not a URL as in https://login.example", opts.Issuer)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("the issuer %.200q is not https: without TLS whoever is on the way could say who anybody is, so only localhost and loopback addresses may have http", opts.Issuer)
	}
	if opts.ClientID == "" || opts.Keys == nil || opts.Clock == nil {
		return nil, errors.New("a provider needs a client id, keys and a clock")
	}
	opts.Audience, opts.RoleClaim = cmp.Or(opts.Audience, opts.ClientID), cmp.Or(opts.RoleClaim, "roles")
	if opts.Scopes == nil {
		opts.Scopes = []string{"email", "profile"}
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport
	}
	p := &Provider{opts: opts, known: map[[sha256.Size]byte]*Identity{}}
	p.client = &http.Client{Timeout: askMax, Transport: answers{opts.Transport}}
	return p, nil
}

// loopback reports whether a URL's host is this machine whatever a resolver says: a loopback address, or localhost, which RFC 6761 keeps for it.
func loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// answers bounds what a provider answers, and makes an error of what is none.
type answers struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode >= http.StatusInternalServerError {
		res.Body.Close()
		err = fmt.Errorf("%s %s: %s", r.Method, r.URL.Redacted(), res.Status)
	}
	if err != nil {
		return nil, &unreachableError{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, answerMax), res.Body}
	return res, nil
}

// seldom asks for keys so often and no oftener, whoever shows tokens that are signed with none of them.
type seldom struct {
	http.RoundTripper
	asks *rate.Limiter
}

// RoundTrip implements http.RoundTripper.
func (s seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.asks.Allow() {
		return nil, &unreachableError{errors.New("it was asked for its keys too often")}
	}
	return s.RoundTripper.RoundTrip(r)
}

// unreachableError is of a provider that is not there.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

func unreachable(err error) error {
	return log.NewError(log.Unavailable, "ask the OpenID provider", "%v", err)
}

// discover finds the provider, once. Whoever comes while it is not there is told so at once for a while.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opts.Clock()
	switch {
	case p.found != nil:
		return p.found, nil
	case now.Before(p.retry):
		return nil, unreachable(errors.New("it was not there a moment ago"))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askMax)
	defer cancel()
	ctx = oidc.ClientContext(ctx, p.client)
	provider, err := oidc.NewProvider(ctx, p.opts.Issuer)
	var more struct {
		JWKS string `json:"jwks_uri"`
	}
	if err == nil {
		err = provider.Claims(&more)
	}
	if err != nil {
		p.retry = now.Add(retryAfter)
		return nil, unreachable(err)
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, &http.Client{Timeout: askMax, Transport: seldom{p.client.Transport, rate.NewLimiter(jwksPerSec, jwksBurst)}}), more.JWKS)
	config := &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: algorithms, Now: func() time.Time { return p.opts.Clock().Add(-skew) }}
	p.found = &found{
		oauth2: oauth2.Config{
			ClientID: p.opts.ClientID, ClientSecret: p.opts.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: p.opts.RedirectURL,
			Scopes: append([]string{oidc.ScopeOpenID}, p.opts.Scopes...),
		},
		verifier: oidc.NewVerifier(p.opts.Issuer, &keySet{keys}, config),
	}
	return p.found, nil
}

// algorithms are those of public keys: with another the client's secret would be enough to make tokens.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// keySet tells a provider that is not there from a signature that is wrong, which the verifier's error does not.
type keySet struct{ oidc.KeySet }

type troubleKey struct{}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	var gone *unreachableError
	if trouble, ok := ctx.Value(troubleKey{}).(*error); ok && errors.As(err, &gone) {
		*trouble = err
	}
	return payload, err
}

// said is what a token says before anybody has checked it.
type said struct {
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"`
	Expires  json.Number     `json:"exp"`
}

// IsJWT reports whether what a call shows has the form of a JSON web token.
func IsJWT(text string) bool {
	return len(text) <= tokenMax && strings.Count(text, ".") == 2 && strings.HasPrefix(text, "ey")
}

func refused(reason domain.Reason, format string, args ...any) error {
	return domain.Errorf(reason, "", format, args...)
}

// readSaid reads what a token says of itself.
func readSaid(raw string) (s said, err error) {
	if len(raw) > tokenMax {
		return s, refused(access.ReasonTokenMalformed, "the token is longer than %d bytes", tokenMax)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return s, refused(access.ReasonTokenMalformed, "the token is not three parts")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &s)
	}
	if err != nil {
		return said{}, refused(access.ReasonTokenMalformed, "the token says nothing that can be read")
	}
	return s, nil
}

// check checks a token that is for an audience. What it says of itself is looked at first, since that needs no provider.
func (p *Provider) check(ctx context.Context, raw, audience string) (*Identity, error) {
	s, err := readSaid(raw)
	if err != nil {
		return nil, err
	}
	expires, err := s.Expires.Float64()
	switch {
	case s.Issuer != p.opts.Issuer:
		return nil, refused(access.ReasonTokenUnknown, "the token is of another issuer than %s", p.opts.Issuer)
	case !slices.Contains(claimValues(s.Audience), audience):
		return nil, refused(access.ReasonTokenUnknown, "the token is not for the audience %s", audience)
	case err != nil:
		return nil, refused(access.ReasonTokenMalformed, "the token has no end")
	case !p.opts.Clock().Add(-skew).Before(time.Unix(int64(expires), 0)):
		return nil, refused(access.ReasonTokenExpired, "the token has expired")
	}
	f, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	var trouble error
	token, err := f.verifier.Verify(context.WithValue(ctx, troubleKey{}, &trouble), raw)
	if trouble != nil {
		return nil, unreachable(trouble)
	}
	if err != nil {
		return nil, refused(access.ReasonTokenUnknown, "the token is not to be trusted: %v", err)
	}
	return p.identity(token)
}

// identity reads who a checked token is of.
func (p *Provider) identity(token *oidc.IDToken) (*Identity, error) {
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil || token.Subject == "" || len(token.Subject) > subjectMax {
		return nil, refused(access.ReasonTokenMalformed, "the token does not say whose it is")
	}
	i := &Identity{Issued: access.Issued{Issuer: token.Issuer, Subject: token.Subject}, Expires: token.Expiry, nonce: token.Nonce}
	i.Email = strings.ToLower(firstOf(claims["email"], access.EmailMax))
	i.Label = cmp.Or(firstOf(claims["name"], access.LabelMax), firstOf(claims["preferred_username"], access.LabelMax))
	i.Role, i.Hotels = roleOf(p.opts.Rules, p.opts.RoleClaim, claims)
	return i, nil
}

func firstOf(raw json.RawMessage, most int) string {
	values := claimValues(raw)
	if len(values) == 0 || len(values[0]) > most {
		return ""
	}
	return values[0]
}

// Bearer returns whose a token is that a program shows. One that was checked is not checked again, but for its end.
func (p *Provider) Bearer(ctx context.Context, raw string) (*Identity, error) {
	digest := sha256.Sum256([]byte(raw))
	p.knownMu.RLock()
	i := p.known[digest]
	p.knownMu.RUnlock()
	if i != nil && p.opts.Clock().Add(-skew).Before(i.Expires) {
		return i, nil
	}
	i, err := p.check(ctx, raw, p.opts.Audience)
	if err != nil {
		return nil, err
	}
	p.knownMu.Lock()
	defer p.knownMu.Unlock()
	if len(p.known) >= knownMax {
		clear(p.known)
	}
	p.known[digest] = i
	return i, nil
}
