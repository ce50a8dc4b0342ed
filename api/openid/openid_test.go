package openid

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/api/access"
	"lodge/domain"
)

func TestRules(t *testing.T) {
	for text, want := range map[string]string{
		"boss=admin": "admin", "a=b=service": "service", "desk=staff:ritz,savoy": "staff", "x=guest": "guest",
		"": "", "boss": "", "=admin": "", "boss=king": "", "desk=staff": "", "desk=staff:": "", "boss=admin:ritz": "", "desk=staff:Ritz!": "", "desk=staff:ritz,": "",
	} {
		r, err := ParseRule(text)
		if (err == nil) != (want != "") || string(r.Role) != want || err == nil && r.String() != text {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	var rules []Rule
	for _, text := range []string{"desk=staff:savoy", "annex=staff:ritz,savoy", "boss=admin", "robot=service"} {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	for claims, want := range map[string]string{
		`{}`: "guest", `{"roles":"boss"}`: "admin", `{"roles":["nobody"]}`: "guest", `{"roles":["desk","annex"]}`: "staff ritz savoy", `{"roles":["desk","boss"]}`: "admin",
		`{"roles":{"robot":{"x":1}}}`: "service", `{"roles":7}`: "guest", `{"roles":["boss",7]}`: "guest", `{"groups":"boss"}`: "guest", `{"roles":["desk","robot"]}`: "service",
	} {
		var read map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &read); err != nil {
			t.Fatal(err)
		}
		role, hotels := roleOf(rules, "roles", read)
		if got := strings.TrimSpace(string(role) + " " + strings.Join(hotels, " ")); got != want {
			t.Errorf("%s: %q, want %q", claims, got, want)
		}
	}
}

func TestWhatIsNoProvider(t *testing.T) {
	made, _ := access.NextKeys(nil, time.Now())
	keys, err := access.NewKeys(made)
	if err != nil {
		t.Fatal(err)
	}
	for issuer, ok := range map[string]bool{"https://login.example": true, "http://127.0.0.1:1/realms/x": true, "": false, "login.example": false, "ftp://x": false, "https://x?y": false, "https://x#y": false,
		"http://localhost:8080": true, "http://LOCALHOST": true, "http://[::1]:1": true, "http://[::ffff:127.0.0.1]": true, "http://127.3.2.1": true,
		"http://login.example": false, "http://192.0.2.1": false, "http://10.0.0.1:80": false, "http://[2001:db8::1]": false, "http://[::]": false, "http://0.0.0.0": false,
		"http://localhost.example": false, "http://127.0.0.1.example": false, "http://127.1": false, "http://localhost@login.example": false,
	} {
		if _, err := New(Options{Issuer: issuer, ClientID: "lodge", Keys: keys, Clock: time.Now}); (err == nil) != ok {
			t.Errorf("%q: %v", issuer, err)
		}
	}
	if _, err := New(Options{Issuer: "https://login.example", Keys: keys, Clock: time.Now}); err == nil {
		t.Error("without a client id")
	}
}

func FuzzRule(f *testing.F) {
	f.Add("front=desk=staff:ritz,savoy")
	f.Add("boss=admin")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		if again, err := ParseRule(r.String()); err != nil || again.Value != r.Value || again.Role != r.Role || !slices.Equal(again.Hotels, r.Hotels) || r.String() != text {
			t.Errorf("%q became %+v and %+v, %v", text, r, again, err)
		}
	})
}

// FuzzReturnPath: wherever a browser is sent to after a login, it is a path of ours.
func FuzzReturnPath(f *testing.F) {
	for _, path := range []string{"/", "//evil.example", "/\\evil.example", "https://evil.example/", "/a?b=c#d", "/\t/evil.example", "/%2f/evil.example", "javascript:alert(1)"} {
		f.Add(path)
	}
	base := &url.URL{Scheme: "https", Host: "lodge.example", Path: "/auth/oidc/callback"}
	f.Fuzz(func(t *testing.T, path string) {
		got := ReturnPath(path)
		to, err := base.Parse(got)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") {
			t.Errorf("%q leads to %v, %v", path, to, err)
		}
	})
}

// FuzzSaid: what a token says of itself before it is checked is read, or the token is refused as malformed.
func FuzzSaid(f *testing.F) {
	f.Add("ey." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"x","aud":["y"],"exp":1.5}`)) + ".sig")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := readSaid(raw)
		if err != nil && domain.ReasonOf(err) != access.ReasonTokenMalformed {
			t.Errorf("%q: %v", raw, err)
		}
		_ = claimValues(s.Audience) // takes anything
	})
}
