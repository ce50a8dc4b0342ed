package api

import (
	"net/http"
	"time"

	"connectrpc.com/connect"

	"lodge/api/access"
	"lodge/api/openid"
	"lodge/api/trail"
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

// counted counts a request as a call of its address, and answers its error, which is put aside for the audit trail. next returns the name of the account that it has found out, if any.
func (a *API) counted(next func(http.ResponseWriter, *http.Request) (account string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		account, err := "", a.gate.count(access.ClientOf(r.RemoteAddr))
		if err == nil {
			account, err = next(w, r)
		}
		if err != nil {
			answer := a.refuse(w, r, err)
			if r.URL.Path == callbackPath || keptOut(answer.Code()) {
				a.audit.unsigned(r, account, answer)
			}
		}
	}
}

// serveLogin sends a browser to the provider: /auth/oidc/login?return=/a/path/of/ours.
func (a *API) serveLogin(w http.ResponseWriter, r *http.Request) (account string, err error) {
	to, kept, err := a.deps.OpenID.Begin(r.Context(), r.URL.Query().Get("return"))
	if err != nil {
		return "", err
	}
	http.SetCookie(w, a.loginCookie(kept, int(openid.LoginMax/time.Second)))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return "", nil
}

// loginCookie is what a browser keeps of a login. It goes to the callback only, also when another site, the provider, sends the browser there.
func (a *API) loginCookie(value string, age int) *http.Cookie {
	name := loginCookie
	if a.opts.secure() {
		name = "__Secure-" + name
	}
	return &http.Cookie{Name: name, Value: value, Path: callbackPath, MaxAge: age, HttpOnly: true, Secure: a.opts.secure(), SameSite: http.SameSiteLaxMode}
}

// serveCallback takes back a browser that the provider sends, and signs it in. That is on record before the browser gets the session.
func (a *API) serveCallback(w http.ResponseWriter, r *http.Request) (account string, err error) {
	if err := a.audit.ready(r.Context()); err != nil {
		return "", err
	}
	kept := ""
	if c, err := r.Cookie(a.loginCookie("", 0).Name); err == nil {
		kept = c.Value
	}
	http.SetCookie(w, a.loginCookie("", -1)) // it is good for once
	who, back, err := a.deps.OpenID.End(r.Context(), kept, r.URL.Query())
	if err != nil {
		return "", err
	}
	account = accountsPrefix + who.AccountID()
	g, err := a.deps.Accounts.SignInIssued(r.Context(), &who.Issued, access.From{Addr: r.RemoteAddr, Label: r.UserAgent()})
	if err != nil {
		return account, err
	}
	if err := a.audit.signed(r, account); err != nil {
		return account, err
	}
	for _, c := range a.sessionCookies(g) {
		http.SetCookie(w, c)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return account, nil
}

// signEntry says who signs in at the provider, or tries to. account: its name; empty: it is not known.
func (u *auditor) signEntry(r *http.Request, account string) trail.Entry {
	e := u.entry(r.Context(), &incoming{procedure: r.Method + " " + r.URL.Path, header: r.Header, addr: r.RemoteAddr})
	e.Resource = cleanName(account)
	return e
}

// signed has it on disk that somebody has signed in at the provider.
func (u *auditor) signed(r *http.Request, account string) error {
	if u == nil {
		return nil
	}
	e := u.signEntry(r, account)
	e.Outcome = trail.Done
	return u.record(r.Context(), e)
}

// unsigned puts aside that somebody has not.
func (u *auditor) unsigned(r *http.Request, account string, answer *connect.Error) {
	if u != nil {
		u.putAside(u.signEntry(r, account), answer)
	}
}
