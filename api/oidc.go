package api

import (
	"net/http"
	"time"

	"lodge/api/access"
	"lodge/api/openid"
)

// The paths by which browsers sign in at an OpenID provider.
const (
	loginPath    = "/auth/oidc/login"
	callbackPath = "/auth/oidc/callback"
	loginCookie  = "lodge_login"
)

// OIDCCallbackPath is where the provider sends browsers back to, behind PublicURL.
const OIDCCallbackPath = callbackPath

func (a *API) routeOIDC(mux *http.ServeMux) {
	if a.deps.OpenID == nil || a.gate == nil || !a.gate.required {
		return
	}
	mux.HandleFunc("GET "+loginPath, a.counted(a.serveLogin))
	mux.HandleFunc("GET "+callbackPath, a.counted(a.serveCallback))
}

// counted counts a request as a call of its address, and answers its error.
func (a *API) counted(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		err := a.gate.count(access.ClientOf(r.RemoteAddr))
		if err == nil {
			err = next(w, r)
		}
		if err != nil {
			_ = a.refuse(w, r, err)
		}
	}
}

// serveLogin sends a browser to the provider: /auth/oidc/login?return=/a/path/of/ours.
func (a *API) serveLogin(w http.ResponseWriter, r *http.Request) error {
	to, kept, err := a.deps.OpenID.Begin(r.Context(), r.URL.Query().Get("return"))
	if err != nil {
		return err
	}
	http.SetCookie(w, a.loginCookie(kept, int(openid.LoginMax/time.Second)))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// loginCookie is what a browser keeps of a login. It goes to the callback only, also when another site, the provider, sends the browser there.
func (a *API) loginCookie(value string, age int) *http.Cookie {
	name := loginCookie
	if a.opts.secure() {
		name = "__Secure-" + name
	}
	return &http.Cookie{Name: name, Value: value, Path: callbackPath, MaxAge: age, HttpOnly: true, Secure: a.opts.secure(), SameSite: http.SameSiteLaxMode}
}

// serveCallback takes back a browser that the provider sends, and signs it in.
func (a *API) serveCallback(w http.ResponseWriter, r *http.Request) error {
	kept := ""
	if c, err := r.Cookie(a.loginCookie("", 0).Name); err == nil {
		kept = c.Value
	}
	http.SetCookie(w, a.loginCookie("", -1)) // it is good for once
	who, back, err := a.deps.OpenID.End(r.Context(), kept, r.URL.Query())
	if err != nil {
		return err
	}
	g, err := a.deps.Accounts.SignInIssued(r.Context(), &who.Issued, access.From{Addr: r.RemoteAddr, Label: r.UserAgent()})
	if err != nil {
		return err
	}
	for _, c := range a.sessionCookies(g) {
		http.SetCookie(w, c)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}
