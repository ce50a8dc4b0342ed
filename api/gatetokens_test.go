package api_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

func TestTokensAreLookedAfter(t *testing.T) {
	g := newGated(t, api.Options{})
	client := lodgev1connect.NewAccessServiceClient(g.client, g.server.URL)
	made, _ := must[lodgev1.CreateTokenResponse](t)(client.CreateToken(t.Context(), connect.NewRequest(&lodgev1.CreateTokenRequest{
		Token: &lodgev1.Token{Role: lodgev1.Role_ROLE_STAFF, Hotels: []string{"hotels/savoy"}, Label: "night desk"},
	})))
	if m := made.GetToken(); m.GetRole() != lodgev1.Role_ROLE_STAFF || m.GetHotels()[0] != "hotels/savoy" || !strings.HasSuffix(made.GetSecret(), m.GetLastFour()) {
		t.Errorf("%v", m)
	}
	g.secrets["new"] = made.GetSecret()
	read := fmt.Sprintf(`{"name":%q}`, g.eve)
	if got := g.post("new", "ReservationService/GetReservation", read); got != "" {
		t.Error(got)
	}
	listed := 0
	for token := ""; ; {
		page, _ := must[lodgev1.ListTokensResponse](t)(client.ListTokens(t.Context(), connect.NewRequest(&lodgev1.ListTokensRequest{PageSize: 2, PageToken: token})))
		listed += len(page.GetTokens())
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if listed != 6 { // of everybody, this client's, and the new one
		t.Errorf("%d tokens", listed)
	}
	revoked, _ := must[lodgev1.Token](t)(client.RevokeToken(t.Context(), connect.NewRequest(&lodgev1.RevokeTokenRequest{Name: made.GetToken().GetName()})))
	if again, _ := must[lodgev1.Token](t)(client.GetToken(t.Context(), connect.NewRequest(&lodgev1.GetTokenRequest{Name: revoked.GetName()}))); again.GetRevokeTime() == nil {
		t.Errorf("%v", again)
	}
	if got := g.post("new", "ReservationService/GetReservation", read); got != "TOKEN_REVOKED" {
		t.Error(got)
	}
	for _, wish := range []*lodgev1.Token{{Role: lodgev1.Role_ROLE_STAFF}, {Role: 99}, {}, {Role: lodgev1.Role_ROLE_STAFF, Hotels: []string{"savoy"}}} {
		if _, err := client.CreateToken(t.Context(), connect.NewRequest(&lodgev1.CreateTokenRequest{Token: wish})); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%v: %v", wish, err)
		}
	}
	if _, err := client.RevokeToken(t.Context(), connect.NewRequest(&lodgev1.RevokeTokenRequest{Name: "tokens/nobody"})); reasonOf(err) != "TOKEN_NOT_FOUND" {
		t.Error(err)
	}
}

// TestTheSocketIsTrusted: it needs no token, and acts as the one that it shows.
func TestTheSocketIsTrusted(t *testing.T) {
	g := newGated(t, api.Options{})
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.NewServer(g.api)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", listener.Addr().String())
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	for who, want := range map[string]string{"anonymous": "", "admin": "", "service": "ROLE_DENIED", "guest": "ROLE_DENIED"} {
		client := lodgev1connect.NewAccessServiceClient(&http.Client{Transport: &bearer{transport, g.secrets[who]}}, "http://lodge")
		if _, err := client.ListTokens(t.Context(), connect.NewRequest(&lodgev1.ListTokensRequest{})); reasonOf(err) != want {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func TestAnOpenPortMakesNoTokens(t *testing.T) {
	s := newStack(t, api.Options{})
	client := lodgev1connect.NewAccessServiceClient(s.client, s.server.URL)
	if _, err := client.ListTokens(t.Context(), connect.NewRequest(&lodgev1.ListTokensRequest{})); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Error(err)
	}
	if _, err := api.New(api.Deps{Engine: s.engine, Log: s.broker, Store: s.store}, api.Options{AuthRequired: true}); err == nil {
		t.Error("it asks for tokens that there are none of")
	}
}

func TestTooManyCalls(t *testing.T) {
	g := newGated(t, api.Options{RateLimit: 0.001, RateBurst: 1000})
	get := func(who string) (status int, retryAfter string) {
		req, err := http.NewRequest(http.MethodGet, g.server.URL+"/v1/hotels/ritz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if g.secrets[who] != "" {
			req.Header.Set("Authorization", "Bearer "+g.secrets[who])
		}
		res, err := g.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	for range 1000 {
		if status, _ := get("staff"); status != http.StatusOK {
			t.Fatalf("status %d within the burst", status)
		}
	}
	if status, retryAfter := get("staff"); status != http.StatusTooManyRequests || retryAfter != "1000" {
		t.Errorf("status %d, retry after %s", status, retryAfter)
	}
	client := lodgev1connect.NewHotelServiceClient(&http.Client{Transport: &bearer{g.plain.Transport, g.secrets["staff"]}}, g.server.URL)
	_, err := client.GetHotel(t.Context(), connect.NewRequest(&lodgev1.GetHotelRequest{Name: "hotels/ritz"}))
	if connect.CodeOf(err) != connect.CodeResourceExhausted || reasonOf(err) != "RATE_LIMITED" || detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration() <= 0 {
		t.Error(err)
	}
	for _, who := range []string{"guest", "anonymous"} {
		if status, _ := get(who); status != http.StatusOK {
			t.Errorf("%s waits for another: status %d", who, status)
		}
	}
}

// buffer is a log that a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestNoSecretIsLogged(t *testing.T) {
	logged := new(buffer)
	g := newGated(t, api.Options{Logger: slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for who := range g.secrets {
		for _, call := range []string{"AccessService/ListTokens", "ReservationService/GetReservation", "MessageService/Produce"} {
			g.post(who, call, `{}`)
		}
		if resp, err := g.plain.Get(g.server.URL + "/events?topic=nothing"); err != nil {
			t.Fatal(err)
		} else {
			resp.Body.Close()
		}
	}
	logged.mu.Lock()
	defer logged.mu.Unlock()
	for who, secret := range g.secrets {
		if secret != "" && strings.Contains(logged.b.String(), secret[len("lodge_")+17:]) {
			t.Errorf("the secret of %s is in the log", who)
		}
	}
}
