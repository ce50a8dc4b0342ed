package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// foreign refuses what a page of another site has a browser ask. CORS keeps such a page from reading answers, and from sending most requests, but not from sending one that has no Content-Type, which
// is JSON to REST; whom it asks takes it for the person before the browser: by their cookie, or, where nobody is asked who they are, by being able to connect at all.
func (a *API) foreign(r *http.Request) error {
	asked := a.gate != nil && a.gate.required
	if local(r.Context()) || asked && r.Header["Authorization"] != nil { // which a page cannot add without being let to
		return nil
	}
	var err error
	switch {
	case asked && r.Header["Cookie"] != nil:
		err = a.gate.origins.Check(r)
	case !slices.Contains(a.opts.CORSOrigins, anyOrigin):
		err = a.apps.Check(r)
	}
	if err != nil {
		return denied(ReasonCrossOrigin, "a page of another site may not ask for this")
	}
	if !asked && a.rebound(r) {
		return denied(ReasonCrossOrigin, "this server asks nobody who they are, so on loopback it answers to localhost and addresses only; to be reached by another name it needs to be told its public URL")
	}
	return nil
}

// rebound says whether a request came over loopback by a name that is not this machine's: its owner may have let it point here, so that the browser takes us for a part of their site.
func (a *API) rebound(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil {
		return false
	}
	public, err := url.Parse(a.opts.PublicURL)
	return err != nil || !strings.EqualFold(host, public.Hostname())
}
