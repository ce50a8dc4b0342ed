package api_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"

	"lodge/api"
	"lodge/api/access"
	"lodge/api/openid"
)

// provider is an OpenID provider on loopback: zitadel's, with its storage in memory, roles, and keys that change.
type provider struct {
	*storage.Storage
	server *httptest.Server
	asked  atomic.Int32 // for its keys
	away   atomic.Bool

	mu    sync.Mutex
	key   *providerKey
	roles any    // of everybody
	nonce string // said instead of the one that was asked for, if not empty
}

type providerKey struct {
	id      string
	private *rsa.PrivateKey
}

func (k *providerKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k *providerKey) Key() any                                    { return k.private }
func (k *providerKey) ID() string                                  { return k.id }

type publicKey struct{ *providerKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.private.PublicKey }

func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key, nil
}

func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked.Add(1)
	return []op.Key{publicKey{p.key}}, nil
}

func (p *provider) claims() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]any{"roles": p.roles}
}

func (p *provider) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	info.Subject, info.Email, info.Name = r.GetSubject(), "test@example.com", "Test User"
	info.AppendClaims("roles", p.claims()["roles"])
	return nil
}

func (p *provider) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return p.claims(), nil
}

// jwtClient is a client whose access tokens are JSON web tokens.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return jwtClient{c}, nil
}

// otherNonce is a request to sign in that says another nonce than was asked for.
type otherNonce struct {
	op.AuthRequest
	nonce string
}

func (o otherNonce) GetNonce() string { return o.nonce }

func (p *provider) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := p.Storage.AuthRequestByCode(ctx, code)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.nonce != "" {
		return otherNonce{r, p.nonce}, nil
	}
	return r, err
}

func (p *provider) rotate(t testing.TB) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = &providerKey{rand.Text(), private}
}

const (
	ownRedirect = "http://127.0.0.1:1/callback" // of the programs of this test
	opPassword  = "verysecure"
)

// newProvider starts a provider. issuer: what it says it is; empty: what it is.
func newProvider(t testing.TB, issuer string, redirects ...string) *provider {
	t.Helper()
	quiet := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the example logs its requests there
	t.Cleanup(func() { slog.SetDefault(quiet) })
	p := &provider{}
	p.rotate(t)
	var handler http.Handler
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	if issuer == "" {
		issuer = p.server.URL
	}
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(issuer), map[string]*storage.Client{
		"lodge": storage.WebClient("lodge", "secret", append(redirects, ownRedirect)...), "other": storage.WebClient("other", "secret", ownRedirect),
	})
	handler = exampleop.SetupServer(issuer, p, nil, false)
	return p
}

// signIn fills in the provider's form and returns what follows.
func (p *provider) signIn(t testing.TB, client *http.Client, form *http.Response) (*http.Response, error) {
	t.Helper()
	form.Body.Close()
	id := form.Request.URL.Query().Get("authRequestID")
	if id == "" {
		t.Fatalf("no form to sign in: %s %s", form.Request.URL, form.Status)
	}
	host := strings.Split(strings.TrimPrefix(p.server.URL, "http://"), ":")[0]
	return client.PostForm(p.server.URL+"/login/username", url.Values{"id": {id}, "username": {"test-user@" + host}, "password": {opPassword}})
}

// tokens are an ID token and an access token for a program.
func (p *provider) tokens(t testing.TB, client string) (id, access string) {
	t.Helper()
	config := oauth2.Config{ClientID: client, ClientSecret: "secret", RedirectURL: ownRedirect, Scopes: []string{"openid", "email"}, Endpoint: oauth2.Endpoint{
		AuthURL: p.server.URL + "/auth", TokenURL: p.server.URL + "/oauth/token",
	}}
	dialer := new(net.Dialer)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, p.server.Listener.Addr().String()) // whatever it says it is
	}}
	var code string
	browser := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), ownRedirect) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	form, err := browser.Get(config.AuthCodeURL("state"))
	if err == nil {
		form, err = p.signIn(t, browser, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	form.Body.Close()
	token, err := config.Exchange(context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: transport}), code)
	if err != nil {
		t.Fatal(err)
	}
	id, _ = token.Extra("id_token").(string)
	return id, token.AccessToken
}

// trusting is a platform that takes a provider's word.
type trusting struct {
	*gated
	op  *provider
	url string
}

var opRules = []string{"boss=admin", "desk=staff:ritz", "annex=staff:savoy", "robot=service"}

func newTrusting(t *testing.T, away bool) *trusting {
	g := newGated(t, api.Options{})
	g.clock.advance(time.Since(noon)) // the provider has the time of day
	var surface atomic.Pointer[api.API]
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { surface.Load().ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	s := &trusting{gated: g, op: newProvider(t, "", front.URL+api.OIDCCallbackPath), url: front.URL}
	s.op.away.Store(away)
	opts := openid.Options{Issuer: s.op.server.URL, ClientID: "lodge", ClientSecret: "secret", RedirectURL: front.URL + api.OIDCCallbackPath, Keys: g.accounts.Keys(), Clock: g.clock.now}
	for _, text := range opRules {
		rule, err := openid.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		opts.Rules = append(opts.Rules, rule)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	opts.Transport = transport
	provider, err := openid.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	deps := g.deps
	deps.OpenID = provider
	a, err := api.New(deps, patient(api.Options{AuthRequired: true, Clock: g.clock.now}))
	if err != nil {
		t.Fatal(err)
	}
	surface.Store(a)
	t.Cleanup(a.EndStreams)
	g.server.URL = front.URL // what the fixtures ask from here on
	return s
}

func (s *trusting) roles(roles any) {
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	s.op.roles = roles
}

// shows says what becomes of a program that shows a token.
func (s *trusting) shows(token, path, want string) {
	s.Helper()
	s.secrets["program"] = token
	if got := s.ask("program", s.request(http.MethodGet, path, "")); got != want {
		s.Errorf("%s: %q, want %q", path, got, want)
	}
}

func TestABrowserSignsInAtAProvider(t *testing.T) {
	s := newTrusting(t, false)
	s.roles([]string{"desk", "annex", "something"})
	b := s.browser()
	sign := func() (status int, path, text string) {
		t.Helper()
		form, err := b.client.Get(s.url + "/auth/oidc/login?return=/v1/accounts/me")
		if err == nil {
			form, err = s.op.signIn(t, b.client, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer form.Body.Close()
		read, _ := io.ReadAll(form.Body)
		return form.StatusCode, form.Request.URL.Path, string(read)
	}
	status, path, text := sign()
	if status != http.StatusOK || path != "/v1/accounts/me" || !strings.Contains(text, `"ROLE_STAFF"`) || !strings.Contains(text, s.op.server.URL) || !strings.Contains(text, "test@example.com") {
		t.Fatalf("%d %s %s", status, path, text)
	}
	for _, hotel := range []string{"ritz", "savoy"} {
		b.is(http.StatusOK, http.MethodGet, "/v1/hotels/"+hotel+"/reservations", "")
	}
	b.is(http.StatusOK, http.MethodPost, "/v1/sessions:refresh", "{}")
	first, _ := s.accounts.List("", "", "", 10)
	s.roles("desk") // the annex is not theirs any more, once they sign in again
	if status, _, text = sign(); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	b.is(http.StatusForbidden, http.MethodGet, "/v1/hotels/savoy/reservations", "")
	second, _ := s.accounts.List("", "", "", 10)
	if len(first) != 1 || len(second) != 1 || first[0].ID != second[0].ID {
		t.Errorf("another account: %v %v", first, second)
	}
	s.clock.advance(12 * time.Hour)
	b.is(http.StatusUnauthorized, http.MethodPost, "/v1/sessions:refresh", "{}") // the provider is asked again
	s.clock.advance(time.Since(s.clock.now()))
	if _, err := s.accounts.Update(t.Context(), first[0].ID, access.Change{Disabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	if status, _, text = sign(); status != http.StatusForbidden || !strings.Contains(text, "disabled") {
		t.Errorf("disabled: %d %s", status, text)
	}
	id, _ := s.op.tokens(t, "lodge")
	s.shows(id, "/v1/accounts/me", "ACCOUNT_DISABLED")
}

func TestALoginThatIsNotOurs(t *testing.T) {
	s := newTrusting(t, false)
	begin := func(b *browser) *http.Response {
		t.Helper()
		form, err := b.client.Get(s.url + "/auth/oidc/login?return=//evil.example")
		if err != nil {
			t.Fatal(err)
		}
		return form
	}
	// stopped signs in and returns where the browser would go back to.
	stopped := func(b *browser) (callback string) {
		t.Helper()
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == api.OIDCCallbackPath {
				callback = r.URL.RequestURI()
				return http.ErrUseLastResponse
			}
			return nil
		}
		form := begin(b)
		defer form.Body.Close()
		res, err := s.op.signIn(t, b.client, form)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return callback
	}
	ada, eve := s.browser(), s.browser()
	callback := stopped(ada)
	for name, c := range map[string]struct {
		b   *browser
		uri string
		say string
	}{
		"another browser": {eve, callback, "has not begun"},
	} {
		if status, _, text := c.b.do(http.MethodGet, c.uri, ""); status != http.StatusUnauthorized || !strings.Contains(text, c.say) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	theirs := stopped(eve) // eve has begun, too, and shows ada's code with her own state
	mixed, _ := url.Parse(theirs)
	query := mixed.Query()
	query.Set("code", mustQuery(t, callback).Get("code"))
	if status, _, text := eve.do(http.MethodGet, mixed.Path+"?"+query.Encode(), ""); status != http.StatusUnauthorized || !strings.Contains(text, "code") {
		t.Errorf("another's code: %d %s", status, text)
	}
	stopped(eve)
	if status, _, text := eve.do(http.MethodGet, callback, ""); status != http.StatusUnauthorized || !strings.Contains(text, "not what this browser has asked") {
		t.Errorf("another's state: %d %s", status, text)
	}
	callback = stopped(eve)
	if status, _, text := eve.do(http.MethodGet, api.OIDCCallbackPath+"?error=access_denied&state="+mustQuery(t, callback).Get("state"), ""); status != http.StatusUnauthorized || !strings.Contains(text, "access_denied") {
		t.Errorf("refused there: %d %s", status, text)
	}
	s.op.mu.Lock()
	s.op.nonce = "another"
	s.op.mu.Unlock()
	if status, _, text := eve.do(http.MethodGet, stopped(eve), ""); status != http.StatusUnauthorized || !strings.Contains(text, "another sign-in") {
		t.Errorf("another nonce: %d %s", status, text)
	}
	s.op.mu.Lock()
	s.op.nonce = ""
	s.op.mu.Unlock()
	callback = stopped(eve)
	s.clock.advance(openid.LoginMax)
	if status, _, text := eve.do(http.MethodGet, callback, ""); status != http.StatusUnauthorized || !strings.Contains(text, "longer") {
		t.Errorf("too late: %d %s", status, text)
	}
	s.clock.advance(-openid.LoginMax)
	callback = stopped(eve)
	res, err := eve.client.Get(s.url + callback)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Request.URL.Path != "/" || res.Request.URL.Host != strings.TrimPrefix(s.url, "http://") {
		t.Errorf("it went to %s", res.Request.URL)
	}
	if status, _, _ := eve.do(http.MethodGet, callback, ""); status != http.StatusUnauthorized {
		t.Errorf("a second time: %d", status)
	}
}

func mustQuery(t testing.TB, uri string) url.Values {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestProgramsShowAProvidersTokens(t *testing.T) {
	s := newTrusting(t, false)
	s.roles([]string{"robot"})
	id, accessToken := s.op.tokens(t, "lodge")
	for _, token := range []string{id, accessToken, id} {
		s.shows(token, "/v1/topics", "")
		s.shows(token, "/v1/tokens", "ROLE_DENIED")
	}
	if n := s.op.asked.Load(); n < 1 || n > 2 { // a second time by who came while the first answer was put away
		t.Errorf("the provider was asked for its keys %d times", n)
	}
	s.roles(nil)
	guest, _ := s.op.tokens(t, "lodge")
	s.shows(guest, "/v1/topics", "ROLE_DENIED")
	s.shows(guest, "/v1/hotels", "")
	s.op.rotate(t)
	s.clock.advance(time.Since(s.clock.now())) // so that the next token ends when both think so
	s.roles(map[string]any{"boss": true})
	boss, _ := s.op.tokens(t, "lodge")
	s.shows(boss, "/v1/tokens", "")
	s.shows(id, "/v1/topics", "") // it is known
	other, _ := s.op.tokens(t, "other")
	s.shows(other, "/v1/topics", "TOKEN_UNKNOWN")
	elsewhere := newProvider(t, "")
	foreign, _ := elsewhere.tokens(t, "lodge")
	s.shows(foreign, "/v1/topics", "TOKEN_UNKNOWN")
	forger := newProvider(t, s.op.server.URL) // says that it is the other
	forged, _ := forger.tokens(t, "lodge")
	s.shows(forged, "/v1/topics", "TOKEN_UNKNOWN")
	parts := strings.Split(boss, ".")
	s.shows(strings.Split(id, ".")[0]+"."+parts[1]+"."+parts[2], "/v1/tokens", "TOKEN_UNKNOWN")
	s.shows(parts[0]+"."+parts[1]+"."+strings.Split(id, ".")[2], "/v1/tokens", "TOKEN_UNKNOWN")
	s.shows("eyJhbGciOiJub25lIn0."+parts[1]+".", "/v1/tokens", "TOKEN_UNKNOWN")
	s.shows("ey.ey.ey", "/v1/tokens", "TOKEN_MALFORMED")
	s.clock.advance(time.Hour + 20*time.Second) // their clock may be behind
	s.shows(boss, "/v1/tokens", "")
	s.clock.advance(time.Minute)
	s.shows(boss, "/v1/tokens", "TOKEN_EXPIRED")
	s.shows(id, "/v1/topics", "TOKEN_EXPIRED")
}

// TestAProviderThatIsAway does not keep the platform from starting, nor tokens from counting that are known.
func TestAProviderThatIsAway(t *testing.T) {
	s := newTrusting(t, true)
	get := func() int {
		t.Helper()
		res, err := s.plain.Get(s.url + "/auth/oidc/login")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := get(); status != http.StatusServiceUnavailable {
		t.Errorf("away: %d", status)
	}
	s.op.away.Store(false)
	s.roles("robot")
	id, again := s.op.tokens(t, "lodge")
	s.shows(id, "/v1/topics", "UNAVAILABLE") // it is not asked all the time
	s.clock.advance(10 * time.Second)
	if status := get(); status != http.StatusOK {
		t.Errorf("there: %d", status)
	}
	s.op.away.Store(true)
	s.shows(id, "/v1/topics", "UNAVAILABLE") // its keys are not known yet
	s.op.away.Store(false)
	s.secrets["program"] = id
	until(t, "its keys are fetched", func() bool { // what asks at once may be told of the attempt before
		return s.ask("program", s.request(http.MethodGet, "/v1/topics", "")) == ""
	})
	s.op.away.Store(true)
	s.shows(id, "/v1/topics", "")
	s.shows(again, "/v1/topics", "")
}
